//! An authority whose key is on a token, by the program itself, with SoftHSM2 in place of an HSM.

mod support;

use support::{Desk, exists};

#[test]
fn a_uri_with_a_pin_in_it_is_refused_and_the_pin_is_not_repeated() {
    let desk = Desk::empty();
    let uri = "pkcs11:token=ROOT;object=root?pin-value=geheim";
    let ran = desk
        .run(&format!("ca init --name ZZTALLYROOT00001 --key {uri}"))
        .fails(2, "it holds a PIN (`pin-value`)");
    assert!(!ran.stderr.contains("geheim"), "{}", ran.stderr);
    desk.run("ca init --name ZZTALLYROOT00001 --key file:/key.pem")
        .fails(2, "--key: it does not begin with `pkcs11:`");
    assert!(!exists(&desk.path("ca")));
}

#[test]
#[cfg(not(feature = "pkcs11"))]
fn a_build_without_pkcs11_says_how_to_get_it() {
    let desk = Desk::empty();
    desk.run("ca init --name ZZTALLYROOT00001 --key pkcs11:token=ROOT;object=root")
        .fails(
            2,
            "build it with `cargo build -p certify-tool --features pcsc,pkcs11`",
        );
    assert!(!exists(&desk.path("ca")));
}

#[cfg(feature = "pkcs11")]
#[expect(clippy::unwrap_used, reason = "a test may stop")]
mod with_a_token {
    use super::support::{Desk, Ran, exists};
    use std::fs::{self, Permissions};
    use std::io::Write as _;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;
    use std::process::Command;

    /// Where Debian's package softhsm2 puts it.
    const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";
    const URI: &str = "pkcs11:token=ROOT;object=root?module-path=/usr/lib/softhsm/libsofthsm2.so";
    const INIT: &str = "ca init --name ZZTALLYROOT00001 --pin-file token-pin --key";

    /// A desk with a token, if this machine has SoftHSM2.
    fn desk() -> Option<Desk> {
        if !Path::new(MODULE).exists() {
            assert!(std::env::var_os("CI").is_none(), "{MODULE} is missing");
            // Not by `eprintln!`: the test harness would hide it.
            let skipped = b"skipped: no SoftHSM2 (Debian: apt-get install softhsm2)\n";
            std::io::stderr().write_all(skipped).unwrap();
            return None;
        }
        let desk = Desk::empty();
        fs::create_dir(desk.path("tokens")).unwrap();
        let configuration = format!("directories.tokendir = {}\n", desk.path("tokens").display());
        desk.write("softhsm2.conf", configuration.as_bytes());
        private(&desk, "token-pin", b"kestrel-4711\n");
        private(&desk, "wrong-pin", b"kestrel-4712\n");
        let made = Command::new("softhsm2-util")
            .args(["--init-token", "--free", "--label", "ROOT"])
            .args(["--pin", "kestrel-4711", "--so-pin", "kestrel-0815"])
            .env("SOFTHSM2_CONF", desk.path("softhsm2.conf"))
            .output()
            .unwrap();
        assert!(made.status.success());
        Some(desk)
    }

    fn private(desk: &Desk, name: &str, content: &[u8]) {
        desk.write(name, content);
        fs::set_permissions(desk.path(name), Permissions::from_mode(0o600)).unwrap();
    }

    fn run(desk: &Desk, line: &str) -> Ran {
        let arguments: Vec<&str> = line.split(' ').collect();
        let mut command = desk.command(&arguments);
        command.env("SOFTHSM2_CONF", desk.path("softhsm2.conf"));
        Ran::new(line, command.output().unwrap())
    }

    #[test]
    fn an_authority_on_a_token_certifies_and_revokes_like_any_other() {
        let Some(desk) = desk() else { return };
        run(&desk, &format!("{INIT} {URI}")).succeeds();
        assert!(exists(&desk.path("ca/key.uri")) && !exists(&desk.path("ca/key.pem")));
        let pin = "--passphrase-file token-pin";
        run(&desk, &format!("terminal --store store {pin}")).succeeds();
        run(
            &desk,
            &format!("revoke ZZTALLYTERM00001 --reason lost --out list {pin}"),
        )
        .succeeds();
        let verified = run(&desk, "log verify").succeeds().text();
        assert!(verified.contains("status lists  1"), "{verified}");
        // Without the token nothing is signed, and nothing is written.
        let before = desk.snapshot();
        fs::rename(desk.path("tokens"), desk.path("away")).unwrap();
        run(&desk, &format!("status-list publish {pin}")).fails(1, "token ROOT, key root: ");
        assert!(desk.snapshot() == before);
        fs::rename(desk.path("away"), desk.path("tokens")).unwrap();
        run(&desk, &format!("status-list publish --out list {pin}")).succeeds();
    }

    #[test]
    fn a_wrong_pin_a_loose_pin_file_and_a_taken_label_make_no_authority() {
        let Some(desk) = desk() else { return };
        let wrong = INIT.replace("token-pin", "wrong-pin");
        run(&desk, &format!("{wrong} {URI}")).fails(4, "wrong PIN");
        fs::set_permissions(desk.path("wrong-pin"), Permissions::from_mode(0o644)).unwrap();
        run(&desk, &format!("{wrong} {URI}")).fails(1, "other users may read or write it");
        assert!(!exists(&desk.path("ca")));
        run(&desk, &format!("{INIT} {URI} --existing-key")).fails(1, "no such private key");
        run(&desk, &format!("{INIT} {URI}")).succeeds();
        fs::rename(desk.path("ca"), desk.path("first")).unwrap();
        run(&desk, &format!("{INIT} {URI}")).fails(1, "a key with this label or id is on it");
        assert!(!exists(&desk.path("ca")));
        run(&desk, &format!("{INIT} {URI} --existing-key")).succeeds();
    }

    #[test]
    fn a_uri_that_names_the_file_with_the_pin_needs_no_option() {
        let Some(desk) = desk() else { return };
        let uri = format!("{URI}&pin-source=file:{}", desk.path("token-pin").display());
        run(
            &desk,
            &format!("ca init --name ZZTALLYROOT00001 --key {uri}"),
        )
        .succeeds();
        run(&desk, "terminal --store store").succeeds();
        run(&desk, "terminal --store other --passphrase-file wrong-pin").fails(4, "wrong PIN");
    }

    #[test]
    fn a_folder_and_a_token_restored_from_their_copies_go_on_where_they_were() {
        let Some(desk) = desk() else { return };
        let copy = |from: &str, to: &str| {
            let copied = Command::new("cp")
                .args(["-a", from, to])
                .current_dir(desk.path("."))
                .status();
            assert!(copied.unwrap().success());
        };
        let pin = "--passphrase-file token-pin";
        run(&desk, &format!("{INIT} {URI}")).succeeds();
        run(&desk, &format!("status-list publish --out list {pin}")).succeeds();
        run(&desk, "log head --out head.json").succeeds();
        copy("ca", "saved-ca");
        copy("tokens", "saved-tokens");
        fs::remove_dir_all(desk.path("ca")).unwrap();
        fs::remove_dir_all(desk.path("tokens")).unwrap();
        copy("saved-ca", "ca");
        run(&desk, &format!("status-list publish --out list {pin}"))
            .fails(1, "token ROOT, key root: ");
        copy("saved-tokens", "tokens");
        run(&desk, "log verify --head head.json").succeeds();
        run(&desk, &format!("status-list publish --out list {pin}")).succeeds();
    }
}
