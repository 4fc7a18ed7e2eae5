//! `certify ca backup` and `certify ca restore`: an authority that was lost comes back and gives nothing twice.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

mod support;

use std::fs;
use std::process::Stdio;
use support::{Desk, exists, value};

const RESTORE: &str = "ca restore --from backup --kept old --passphrase-file passphrase";

fn order(desk: &Desk) -> String {
    let told = desk.run("challenge --prefix ZZBACK").succeeds().text();
    value(&told, "name").to_owned()
}

/// Backed up after the first name; two more were given before it was lost. A head of then is in `head`.
fn lost() -> Desk {
    let desk = Desk::with_authority();
    assert_eq!(order(&desk), "ZZBACK00001");
    let told = desk.run("ca backup --out backup").succeeds();
    assert_eq!(value(&told.text(), "lines"), "2");
    assert!(told.stderr.contains("The key is not in it"));
    assert_eq!(order(&desk), "ZZBACK00002");
    desk.run("status-list publish --passphrase-file passphrase --out list")
        .succeeds();
    assert_eq!(order(&desk), "ZZBACK00003");
    desk.run("log head --out head").succeeds();
    fs::rename(desk.path("ca"), desk.path("old")).unwrap();
    desk
}

#[test]
fn a_restored_authority_goes_on_behind_everything_that_may_be_lost() {
    let desk = lost();
    let told = desk.run(RESTORE).succeeds();
    assert_eq!(value(&told.text(), "lines of the backup"), "2");
    assert_eq!(value(&told.text(), "leap"), "10000");
    assert!(told.stderr.contains("Never start the old authority again"));
    desk.run("log verify").succeeds();
    assert_eq!(order(&desk), "ZZBACK10002");
    let list = desk.run("status-list publish --passphrase-file passphrase --out list");
    assert_eq!(value(&list.succeeds().stderr, "sequence"), "10001");
    desk.run("log verify --head head")
        .fails(3, "the ledger does not go on where this head ended");
}

#[test]
fn a_kept_head_says_how_far_and_a_forged_one_nothing() {
    let desk = lost();
    let head = String::from_utf8(desk.read("head")).unwrap();
    desk.write(
        "forged",
        head.replace("\"size\":4", "\"size\":5").as_bytes(),
    );
    desk.write("garbage", b"{}");
    for (newest, says) in [
        ("forged", "not signed by this authority"),
        ("garbage", "neither a receipt nor a signed head"),
    ] {
        desk.run(&format!("{RESTORE} --newest {newest}"))
            .fails(3, says);
    }
    assert!(!exists(&desk.path("ca")));
    let told = desk.run(&format!("{RESTORE} --newest head")).succeeds();
    let lost = value(&told.text(), "lines known to be lost").to_owned();
    assert_eq!((lost.as_str(), value(&told.text(), "leap")), ("2", "2"));
    assert_eq!(order(&desk), "ZZBACK00004");
    let before = desk.snapshot();
    desk.run(RESTORE).fails(1, "there is something already");
    desk.run("ca backup --out backup")
        .fails(1, "there is something already");
    assert!(desk.snapshot() == before);
}

#[test]
fn without_its_key_or_with_a_wrong_passphrase_nothing_is_restored() {
    let desk = lost();
    desk.write("wrong", b"wrong horse\n");
    desk.run("ca restore --from backup --kept old --passphrase-file wrong")
        .fails(4, "key.pem");
    desk.run("ca restore --from missing --kept old --passphrase-file passphrase")
        .fails(1, "missing");
    fs::remove_file(desk.path("old/key.pem")).unwrap();
    desk.run(RESTORE).fails(1, "old/key.pem");
    assert!(!exists(&desk.path("ca")));
}

#[test]
fn a_restoration_that_is_cut_leaves_nothing_or_all() {
    for round in 0..3 {
        let desk = lost();
        let line = format!("{RESTORE} --leap 2000");
        let arguments: Vec<&str> = line.split(' ').collect();
        let mut command = desk.command(&arguments);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut running = command.spawn().unwrap();
        let begun = || {
            let entries = fs::read_dir(desk.path(".")).unwrap();
            let name = |entry: fs::DirEntry| entry.file_name().into_string().unwrap();
            let mut workshops = entries
                .map(|entry| name(entry.unwrap()))
                .filter(|name| name.starts_with(".authority-"));
            let stage = ["", "authority.db", "root.cvcert"][round];
            workshops.any(|workshop| exists(&desk.path(&format!("{workshop}/{stage}"))))
        };
        while !begun() && running.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        running.kill().unwrap();
        running.wait().unwrap();
        if !exists(&desk.path("ca")) {
            desk.run(&line).succeeds();
        }
        desk.run("log verify").succeeds();
        assert_eq!(order(&desk), "ZZBACK02002", "round {round}");
    }
}
