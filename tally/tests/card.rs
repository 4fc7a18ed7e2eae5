//! The verbs of `tally` against a virtual card that plugs itself in, without a card service.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

use apdu::certificate::{Certificate, CertificateFields, Date, Name, Request, Role};
use apdu::crypto::PrivateKey;
use apdu::message::personalise::KeyOrder;
use apdu::message::pin::{Digits, Reference};
use card_sim::body::VirtualCard;
use card_sim::state_file::StateFile;
use card_sim::vpcd::{Body, StopFlag, VpcdClient};
use getrandom::SysRng;
use serde_json::Value;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread::JoinHandle;
use terminal_lib::identity;
use terminal_lib::personalise::Station;
use terminal_lib::store::{FileStore, IdentityName};
use terminal_lib::transport::in_process::{InProcess, LocalCard};

const ROOT: &str = "ZZTALLYROOT00001";

fn key(byte: u8) -> PrivateKey {
    PrivateKey::from_scalar(&[byte; 32]).unwrap()
}

fn sign(holder: &str, role: Role, public: apdu::crypto::PublicKey) -> Certificate {
    let fields = CertificateFields {
        issuer: Name::new(ROOT).unwrap(),
        holder: Name::new(holder).unwrap(),
        role,
        epoch: 1,
        key: public,
        from: Date::new(2026, 11, 1).unwrap(),
        until: Date::new(2040, 1, 1).unwrap(),
    };
    let signature = key(1).sign(&fields.encode_body());
    Certificate::assemble(fields, signature)
}

fn certified(request: &Request) -> Certificate {
    let asked = request.fields();
    sign(asked.holder.as_str(), asked.role, asked.key.clone())
}

struct InTheStation(VirtualCard<StateFile, SysRng>);

impl LocalCard for InTheStation {
    fn reset(&mut self) -> Vec<u8> {
        self.0.power_on();
        self.0.atr()
    }

    fn transmit(&mut self, command: &[u8]) -> Vec<u8> {
        self.0.transmit(command)
    }
}

/// A certified card in a file and a certified terminal in another, and a card that plugs itself in.
struct Desk {
    folder: tempfile::TempDir,
    address: String,
    stop: StopFlag,
    card: Option<JoinHandle<()>>,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = sign(ROOT, Role::Authority, key(1).public_key());
        let state = StateFile::create(&folder.path().join("card.state")).unwrap();
        let mut reader = InProcess::new(InTheStation(VirtualCard::new(state, SysRng)));
        let mut station = Station::begin(&mut reader).unwrap();
        station
            .set_pin(&Digits::new(Reference::Pin, b"271828").unwrap())
            .unwrap();
        station
            .set_puk(&Digits::new(Reference::Puk, b"31415926").unwrap())
            .unwrap();
        station.store_root(&root).unwrap();
        let order = KeyOrder {
            issuer: Name::new(ROOT).unwrap(),
            holder: Name::new("ZZTALLYCARD00001").unwrap(),
            nonce: [7; 16],
        };
        let request = station.generate_key(&order).unwrap();
        station.store_certificate(&certified(&request)).unwrap();
        station.activate().unwrap();
        drop(station);

        let mut store = FileStore::open_or_create(folder.path().join("terminal.store")).unwrap();
        let identity = IdentityName::new("default").unwrap();
        let (issuer, holder) = (
            Name::new(ROOT).unwrap(),
            Name::new("ZZTALLYTERM00001").unwrap(),
        );
        let request =
            identity::create_request(&mut store, &identity, issuer, holder, [8; 16], &mut SysRng)
                .unwrap();
        let today = Date::new(2026, 11, 2).unwrap();
        identity::install(&mut store, &identity, &certified(&request), &[root], today).unwrap();

        for (file, content) in [
            ("pin", "271828"),
            ("wrong", "000000"),
            ("new", "161803"),
            ("puk", "31415926"),
        ] {
            fs::write(folder.path().join(file), content).unwrap();
        }
        // A port that is free now; the verbs listen on it one after the other.
        let address = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .to_string();
        let stop = StopFlag::default();
        let mut body = reader.into_card().0;
        let (plug, flag) = (address.clone(), stop.clone());
        let card = std::thread::spawn(move || {
            VpcdClient::new(plug)
                .on_event(|_| {})
                .run(&mut body, &flag)
                .unwrap();
        });
        Self {
            folder,
            address,
            stop,
            card: Some(card),
        }
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    fn tally(&self, verb: &[&str], more: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_tally"))
            .args(verb)
            .args(["--listen", &self.address, "--store"])
            .arg(self.path("terminal.store"))
            .args(more)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// With the right PIN at hand, and no questions.
    fn ok(&self, verb: &[&str], more: &[&str]) -> String {
        let pin = ["--pin-file", "pin", "--pairing", "auto"];
        let output = self.tally(verb, &[&pin, more].concat());
        assert!(
            output.status.success(),
            "{verb:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    fn code(&self, verb: &[&str], more: &[&str]) -> i32 {
        let output = self.tally(verb, more);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!said.contains("panicked"), "{verb:?}: {said}");
        output.status.code().unwrap()
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.stop.raise();
        if let Some(card) = self.card.take() {
            let _ = card.join();
        }
    }
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// ST-26, ST-27: the second process start reconnects without set-up and without a PIN.
#[test]
fn a_session_pairs_once_and_reconnects_ever_after() {
    let desk = Desk::new();
    assert_eq!(desk.code(&["session"], &[]), 4, "nobody to ask: no pairing");
    assert_eq!(
        desk.code(&["session"], &["--pairing", "auto", "--pin-file", "wrong"]),
        4,
        "the wrong PIN"
    );
    let first = desk.ok(&["session"], &["--output-format", "json"]);
    assert_eq!(
        (&json(&first)["pairedNow"], &json(&first)["pinTries"]),
        (&Value::Bool(true), &3.into())
    );
    let second = desk.tally(
        &["session"],
        &["--pairing", "never", "--output-format", "json"],
    );
    let second = json(std::str::from_utf8(&second.stdout).unwrap());
    assert_eq!(second["pairedNow"], false);
    assert_eq!(second["services"], serde_json::json!(["vault", "counter"]));
    let pairings = Command::new(env!("CARGO_BIN_EXE_tally"))
        .args(["pairings", "list", "--output-format", "json", "--store"])
        .arg(desk.path("terminal.store"))
        .output()
        .unwrap();
    assert_eq!(
        json(std::str::from_utf8(&pairings.stdout).unwrap())[0]["card"],
        "ZZTALLYCARD00001"
    );
    assert_eq!(
        desk.code(&["session"], &["--card", "ZZTALLYCARD00009"]),
        4,
        "another card was expected"
    );
}

/// ST-03, ST-11: both services through the command line; large objects survive the way there and back.
#[test]
fn vault_and_counter_keep_what_they_are_given() {
    let desk = Desk::new();
    let content: Vec<u8> = (0..20_000u32)
        .map(|n| u8::try_from(n % 251).unwrap())
        .collect();
    fs::write(desk.path("in"), &content).unwrap();
    desk.ok(&["vault", "put", "note", "in"], &[]);
    desk.ok(&["vault", "get", "note", "--out", "out"], &[]);
    assert_eq!(fs::read(desk.path("out")).unwrap(), content);
    let list = json(&desk.ok(&["vault", "list"], &["--output-format", "json"]));
    assert_eq!(
        (&list[0]["name"], &list[0]["bytes"]),
        (&"note".into(), &20_000.into())
    );
    desk.ok(&["vault", "delete", "note"], &[]);
    assert_eq!(desk.ok(&["vault", "list"], &[]), "the vault is empty\n");
    assert_eq!(desk.ok(&["counter", "add", "5"], &[]), "5 of 1000000\n");
    assert_eq!(desk.ok(&["counter", "limit", "6"], &[]), "5 of 6\n");
    assert_eq!(
        desk.code(&["counter", "add", "2"], &[]),
        1,
        "beyond the limit"
    );
    fs::write(desk.path("big"), vec![0; 32_769]).unwrap();
    assert_eq!(
        desk.code(&["vault", "put", "big", "big"], &["--pin-file", "pin"]),
        1
    );
    assert_eq!(
        desk.code(&["vault", "get", &"x".repeat(33)], &["--pin-file", "pin"]),
        2
    );
}

/// ST-25, ST-41 from the outside: wrong codes are counted, the PUK helps, a reset leaves a blank card.
#[test]
fn pin_puk_and_reset_do_what_they_say() {
    let desk = Desk::new();
    desk.ok(&["session"], &[]);
    assert_eq!(
        desk.code(
            &["pin", "change"],
            &["--pin-file", "wrong", "--new-pin-file", "new"]
        ),
        4
    );
    desk.ok(&["pin", "change", "--new-pin-file", "new"], &[]);
    for _ in 0..3 {
        assert_eq!(desk.code(&["card", "show"], &["--pin-file", "wrong"]), 4);
    }
    assert_eq!(
        desk.code(&["card", "show"], &["--pin-file", "new"]),
        4,
        "blocked"
    );
    assert_eq!(
        desk.code(
            &[
                "pin",
                "unblock",
                "--puk-file",
                "puk",
                "--new-pin-file",
                "pin"
            ],
            &[]
        ),
        0
    );
    let shown = desk.ok(&["card", "show"], &["--output-format", "json"]);
    assert_eq!(json(&shown)["pairings"].as_array().unwrap().len(), 1);
    desk.ok(&["card", "reset", "--yes"], &[]);
    let blank = desk.tally(&["session"], &["--pairing", "auto", "--pin-file", "pin"]);
    let said = String::from_utf8_lossy(&blank.stderr).into_owned();
    assert_eq!(blank.status.code(), Some(4), "a blank card");
    assert!(
        said.contains("certif"),
        "it says which side lacks what: {said}"
    );
}

/// What is in a terminal's store that is no store: one clear line, nothing changed.
#[test]
fn a_store_that_is_none_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store: &Path = &folder.path().join("terminal.store");
    fs::write(store, "no store at all").unwrap();
    fs::set_permissions(store, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_tally"))
        .args(["pairings", "list", "--store"])
        .arg(store)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .starts_with("tally: ")
    );
    assert_eq!(fs::read(store).unwrap(), b"no store at all");
}
