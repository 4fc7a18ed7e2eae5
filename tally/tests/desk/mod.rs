//! A desk: a certified card in a file, a certified terminal in another, and the card plugged in somewhere.
#![allow(dead_code, reason = "each test file uses its part of the desk")]

use apdu::certificate::{
    Certificate, CertificateFields, Date, HolderHash, Name, Request, Role, StatusList,
    StatusListFields,
};
use apdu::crypto::PrivateKey;
use apdu::message::personalise::KeyOrder;
use apdu::message::pin::{Digits, Reference};
use card_sim::body::VirtualCard;
use card_sim::state_file::StateFile;
use card_sim::vpcd::{Body, StopFlag, VpcdClient};
use getrandom::SysRng;
use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
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

/// A status list of the authority that revokes one terminal.
pub fn list_that_revokes(terminal: &str) -> Vec<u8> {
    let fields = StatusListFields {
        issuer: Name::new(ROOT).unwrap(),
        sequence: 1,
        min_epoch: 0,
        date: Date::new(2026, 11, 2).unwrap(),
        revoked: vec![HolderHash::of(
            Role::Terminal,
            &Name::new(terminal).unwrap(),
        )],
    };
    let signature = key(1).sign(&fields.encode_body());
    StatusList::assemble(fields, signature).encoded().to_vec()
}

/// A link certificate of the authority to its next root.
pub fn link_to(root: &str) -> Vec<u8> {
    let link = sign(root, Role::Authority, key(9).public_key());
    link.encoded().to_vec()
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
pub struct Desk {
    folder: tempfile::TempDir,
    way: Vec<String>,
    stop: StopFlag,
    card: Option<JoinHandle<()>>,
}

impl Desk {
    /// The card looks for a terminal that listens itself.
    pub fn listening() -> Self {
        // A port that is free now; the verbs listen on it one after the other.
        let address = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .to_string();
        let way = vec!["--listen".to_owned(), address.clone()];
        Self::new(&address, way)
    }

    /// The card is in slot 0 of a real vpcd.
    pub fn with_reader() -> Self {
        until_the_reader_is_empty();
        let way = vec![
            "--reader".to_owned(),
            "Virtual".to_owned(),
            "--wait".to_owned(),
        ];
        Self::new("127.0.0.1:35963", way)
    }

    fn new(plug: &str, way: Vec<String>) -> Self {
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
        let stop = StopFlag::default();
        let mut body = reader.into_card().0;
        let (plug, flag) = (plug.to_owned(), stop.clone());
        let card = std::thread::spawn(move || {
            VpcdClient::new(plug)
                .on_event(|_| {})
                .run(&mut body, &flag)
                .unwrap();
        });
        Self {
            folder,
            way,
            stop,
            card: Some(card),
        }
    }

    pub fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    pub fn tally(&self, verb: &[&str], more: &[&str]) -> Output {
        self.command(verb, more).output().unwrap()
    }

    /// The command, ready to run in the desk's folder.
    pub fn command(&self, verb: &[&str], more: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tally"));
        command
            .args(verb)
            .args(&self.way)
            .arg("--store")
            .arg(self.path("terminal.store"))
            .args(more)
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        command
    }

    /// With the right PIN at hand, and no questions.
    pub fn ok(&self, verb: &[&str], more: &[&str]) -> String {
        let pin = ["--pin-file", "pin", "--pairing", "auto"];
        let output = self.tally(verb, &[&pin, more].concat());
        assert!(
            output.status.success(),
            "{verb:?}: {} {}",
            String::from_utf8_lossy(&output.stderr),
            String::from_utf8_lossy(&output.stdout)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    pub fn code(&self, verb: &[&str], more: &[&str]) -> i32 {
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

/// pcscd looks for a card every 400 ms: one that is plugged in sooner would pass for the one before it.
fn until_the_reader_is_empty() {
    for _ in 0..100 {
        let readers = Command::new(env!("CARGO_BIN_EXE_tally"))
            .arg("readers")
            .output()
            .unwrap();
        let listed = String::from_utf8(readers.stdout).unwrap();
        if listed
            .lines()
            .any(|line| line.starts_with("empty") && line.ends_with("00 00"))
        {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    panic!("slot 0 never became empty");
}
