//! Certifying terminals: by files over the terminal's own line, and directly in a store on the same machine.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

mod support;

use apdu::certificate::{Certificate, Date, Name, Request, Role, pem};
use getrandom::SysRng;
use support::{Desk, ROOT, exists, value};
use terminal_lib::identity;
use terminal_lib::store::{FileStore, IdentityName};

fn desk_identity() -> IdentityName {
    IdentityName::new("desk").unwrap()
}

/// A terminal elsewhere: asks by file, as `tally identity request` does.
fn request(store: &mut FileStore, challenge: &serde_json::Value) -> Request {
    let text = |key: &str| challenge[key].as_str().unwrap().to_string();
    let nonce = u128::from_str_radix(&text("nonce"), 16).unwrap();
    identity::create_request(
        store,
        &desk_identity(),
        Name::new(&text("issuer")).unwrap(),
        Name::new(&text("name")).unwrap(),
        nonce.to_be_bytes(),
        &mut SysRng,
    )
    .unwrap()
}

fn today() -> Date {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    Date::from_unix_seconds(since.as_secs()).unwrap()
}

/// ST-10, ST-60, ST-61, ST-64: challenge, request, certificate travel as files; the private key never does.
#[test]
fn a_terminal_elsewhere_is_certified_by_a_request_file_and_installs_what_comes_back() {
    let desk = Desk::with_authority();
    let challenge = desk
        .run("--output-format json challenge --name ZZTALLYTERM00007")
        .succeeds()
        .json();
    assert_eq!(challenge["issuer"], ROOT);
    let mut store = FileStore::open_or_create(desk.path("elsewhere.store")).unwrap();
    let request = request(&mut store, &challenge);
    let text = pem::encode(pem::REQUEST, request.encoded()).unwrap();
    desk.write("request.pem", text.as_bytes());
    desk.run("terminal --request request.pem --out certificate.pem --passphrase-file passphrase")
        .succeeds();
    let bytes = pem::decode(pem::CERTIFICATE, &desk.read("certificate.pem")).unwrap();
    let certificate = Certificate::decode(&bytes).unwrap();
    let root = Certificate::decode(&desk.read("ca/root.cvcert")).unwrap();
    let identity = desk_identity();
    identity::install(&mut store, &identity, &certificate, &[root], today()).unwrap();
    let summary = identity::summary(&store, &identity).unwrap();
    assert_eq!(summary.certificate, Some(certificate));
}

#[test]
fn a_request_may_come_and_a_certificate_may_go_by_standard_streams_in_either_encoding() {
    let desk = Desk::with_authority();
    for (format, label) in [
        ("der", None),
        ("pem", Some("-----BEGIN CV CERTIFICATE-----")),
    ] {
        let challenge = desk.run("--output-format json challenge").succeeds().json();
        let mut store = FileStore::open_or_create(desk.path(format)).unwrap();
        let request = request(&mut store, &challenge);
        let line = format!("terminal --request - --format {format} --passphrase-file passphrase");
        let ran = desk.pipe(&line, request.encoded()).succeeds();
        match label {
            Some(label) => assert!(ran.text().starts_with(label)),
            None => assert!(Certificate::decode(&ran.stdout).is_ok()),
        }
        assert_eq!(value(&ran.stderr, "role"), "terminal", "words go aside");
    }
}

#[test]
fn a_request_is_answered_once_and_only_as_it_was_ordered() {
    let desk = Desk::with_authority();
    let challenge = desk.run("--output-format json challenge").succeeds().json();
    let mut store = FileStore::open_or_create(desk.path("store")).unwrap();
    let honest = request(&mut store, &challenge);
    let key = apdu::crypto::PrivateKey::from_scalar(&[7; 32]).unwrap();
    let fields = honest.fields();
    let as_card = Request::create(fields.issuer, fields.holder, Role::Card, fields.nonce, &key);
    let stranger = Name::new("ZZOTHERROOT00001").unwrap();
    let elsewhere = Request::create(stranger, fields.holder, fields.role, fields.nonce, &key);
    let guessed = Request::create(fields.issuer, fields.holder, fields.role, [0; 16], &key);
    let before = desk.snapshot();
    let line = "terminal --request - --passphrase-file passphrase";
    for (request, says) in [
        (&as_card, "it asks to become a card, ordered was a terminal"),
        (&elsewhere, "it is for the authority ZZOTHERROOT00001"),
        (&guessed, "its nonce is not one of ours"),
    ] {
        let ran = desk.pipe(line, request.encoded()).fails(1, says);
        assert!(ran.stdout.is_empty());
    }
    assert!(
        desk.snapshot() == before,
        "a refused request changes nothing"
    );
    desk.pipe(line, honest.encoded()).succeeds();
    desk.pipe(line, honest.encoded())
        .fails(1, "its nonce was used before");
}

/// ST-15, ST-64: station and authority are one machine; nothing goes over a network.
#[test]
fn a_terminal_on_this_machine_is_certified_in_its_store() {
    let desk = Desk::with_authority();
    let ran = desk
        .run("--output-format json terminal --store terminal.store --identity desk --passphrase-file passphrase")
        .succeeds()
        .json();
    assert_eq!(ran["holder"], "ZZTALLYTERM00001");
    let store = FileStore::open(desk.path("terminal.store")).unwrap();
    let summary = identity::summary(&store, &desk_identity()).unwrap();
    let certificate = summary.certificate.unwrap();
    assert_eq!(certificate.claims().holder.as_str(), "ZZTALLYTERM00001");
    let root = Certificate::decode(&desk.read("ca/root.cvcert")).unwrap();
    assert_eq!(summary.roots, [root]);
    let list = desk.run("--output-format json list").succeeds().json();
    assert_eq!(list[0]["stored"], "yes");
}

/// ST-63, ST-64.
#[test]
fn a_terminal_is_certified_a_second_time_only_on_purpose() {
    let desk = Desk::with_authority();
    let line = "terminal --store terminal.store --identity desk --passphrase-file passphrase";
    desk.run(line).succeeds();
    let before = desk.snapshot();
    desk.run(line).fails(
        1,
        "identity desk is certified as ZZTALLYTERM00001; say --recertify",
    );
    assert!(desk.snapshot() == before);
    desk.run(&format!("{line} --recertify")).succeeds();
    let list = desk.run("--output-format json list").succeeds().json();
    assert_eq!(list[1]["name"], "ZZTALLYTERM00002");
    assert_eq!(list[1]["replaces"], "ZZTALLYTERM00001");
}

#[test]
fn a_certificate_that_did_not_reach_the_store_is_installed_by_the_next_run() {
    let desk = Desk::with_authority();
    let challenge = desk
        .run("--output-format json challenge --name ZZTALLYTERM00007")
        .succeeds()
        .json();
    // The run before was cut between the ledger and the store: the certificate is issued, the store still waits.
    let mut store = FileStore::open_or_create(desk.path("terminal.store")).unwrap();
    let request = request(&mut store, &challenge);
    drop(store);
    desk.pipe(
        "terminal --request - --passphrase-file passphrase",
        request.encoded(),
    )
    .succeeds();
    let ran = desk
        .run("--output-format json terminal --store terminal.store --identity desk --passphrase-file passphrase")
        .succeeds()
        .json();
    assert_eq!(ran["holder"], "ZZTALLYTERM00007");
    let list = desk.run("--output-format json list").succeeds().json();
    assert_eq!(list.as_array().unwrap().len(), 1, "no second certificate");
}

#[test]
fn a_store_that_is_none_of_ours_is_left_alone() {
    let desk = Desk::with_authority();
    for garbage in [&b"garbage"[..], &[0xFF; 4096]] {
        desk.write("store", garbage);
        use std::os::unix::fs::PermissionsExt as _;
        let private = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(desk.path("store"), private).unwrap();
        let before = desk.ledger();
        desk.run("terminal --store store --passphrase-file passphrase")
            .fails(1, "the pairing store: ");
        assert!(desk.read("store") == garbage);
        assert!(desk.ledger() == before);
    }
    desk.run("terminal --store fresh --identity NOT/OK --passphrase-file passphrase")
        .fails(2, "is no name of an identity");
    assert!(!exists(&desk.path("fresh")));
}
