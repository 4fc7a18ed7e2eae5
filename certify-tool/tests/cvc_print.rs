//! A second opinion: Debian's `cvc-print` (package openpace) reads our certificates and refuses damaged ones.
//!
//! Its exit code says nothing; its text does. It looks the issuer up by name in a folder.

mod support;

use std::fs;
use std::io::Write as _;
use std::process::Command;
use support::{Desk, ROOT};

/// What `cvc-print` says about a certificate, or `None` without `cvc-print`.
fn second_opinion(desk: &Desk, file: &str) -> Option<String> {
    let output = Command::new("cvc-print")
        .arg("--cvc-dir")
        .arg(desk.path("anchors"))
        .arg("--cvc")
        .arg(desk.path(file))
        .output();
    match output {
        Ok(output) => Some(String::from_utf8_lossy(&output.stdout).into_owned()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => panic!("cvc-print: {error}"),
    }
}

fn is_verified(text: &str) -> bool {
    text.lines().any(|line| line == "certificate verified")
}

#[test]
fn cvc_print_verifies_our_root_and_leaf_and_refuses_damaged_ones() {
    let desk = Desk::with_authority();
    desk.run("terminal --store store --passphrase-file passphrase")
        .succeeds();
    desk.run("export ZZTALLYTERM00001 --format der --out leaf")
        .succeeds();
    desk.run("export root --format der --out root").succeeds();
    fs::create_dir(desk.path("anchors")).unwrap();
    fs::copy(desk.path("root"), desk.path("anchors").join(ROOT)).unwrap();
    let Some(text) = second_opinion(&desk, "leaf") else {
        // Not by `eprintln!`: the test harness would hide it.
        let skipped = b"SKIPPED: no cvc-print on this machine (Debian: apt-get install openpace)\n";
        std::io::stderr().write_all(skipped).unwrap();
        return;
    };
    assert!(is_verified(&text), "{text}");
    assert!(text.contains("CHR: ZZTALLYTERM00001"), "{text}");
    assert!(is_verified(&second_opinion(&desk, "root").unwrap()));
    let good = desk.read("leaf");
    // The header of the outer objects, the role, the dates, r and s.
    for position in [3, 20, good.len() - 90, good.len() - 64, good.len() - 1] {
        let mut damaged = good.clone();
        damaged[position] ^= 1;
        desk.write("damaged", &damaged);
        let text = second_opinion(&desk, "damaged").unwrap();
        assert!(!is_verified(&text), "byte {position}: {text}");
    }
    let other = Desk::with_authority();
    fs::copy(
        other.path("ca/root.cvcert"),
        desk.path("anchors").join(ROOT),
    )
    .unwrap();
    let text = second_opinion(&desk, "leaf").unwrap();
    assert!(!is_verified(&text), "another root of the same name: {text}");
}
