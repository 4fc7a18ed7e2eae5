//! The three programs in a folder of their own, with everything turned on that makes them say more.

use super::forms::Known;
use apdu::codec::tlv::{Reader, Tag};
use card_core::store::{Record, Store};
use card_sim::state_file::StateFile;
use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use tempfile::TempDir;
use terminal_lib::store::{FileStore, IdentityName, Key, PairingStore};

/// The card's file.
const CARD: &str = "card.state";
/// The terminal's file.
const STORE: &str = "terminal.store";

/// The folder of the programs, built from the sources as they are.
fn programs() -> &'static Path {
    static PROGRAMS: OnceLock<PathBuf> = OnceLock::new();
    PROGRAMS.get_or_init(|| {
        let built = Command::new(env!("CARGO"))
            .args([
                "build",
                "--quiet",
                "--bins",
                "-p",
                "tally",
                "-p",
                "certify-tool",
                "-p",
                "card-sim",
            ])
            .status()
            .unwrap();
        assert!(built.success());
        let beside = Path::new(env!("CARGO_BIN_EXE_life"));
        beside.parent().unwrap().to_owned()
    })
}

/// What one program wrote to its two outputs.
pub struct Said {
    pub line: String,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

/// A folder with an authority, a card and a terminal; what was said there, and which secrets were there.
pub struct Desk {
    folder: TempDir,
    address: String,
    pub said: Vec<Said>,
    secrets: BTreeMap<String, Vec<u8>>,
}

impl Desk {
    pub fn new() -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        Self {
            folder: tempfile::tempdir().unwrap(),
            address: free.local_addr().unwrap().to_string(),
            said: Vec::new(),
            secrets: BTreeMap::new(),
        }
    }

    /// A file whose content is a secret.
    pub fn secret_file(&mut self, name: &str, content: &[u8]) {
        fs::write(self.folder.path().join(name), content).unwrap();
        self.add(&format!("file {name}"), content);
    }

    pub fn add(&mut self, name: &str, bytes: &[u8]) {
        let name = format!("{name}, number {}", self.secrets.len());
        if !self.secrets.values().any(|known| known == bytes) {
            self.secrets.insert(name, bytes.to_vec());
        }
    }

    pub fn secrets(&self) -> Vec<Known> {
        let known = |(name, bytes): (&String, &Vec<u8>)| Known {
            name: name.clone(),
            bytes: bytes.clone(),
        };
        self.secrets.iter().map(known).collect()
    }

    fn command(&self, line: &str) -> Command {
        let line = line.replace("ADDRESS", &self.address);
        let mut words = line.split(' ');
        let mut command = Command::new(programs().join(words.next().unwrap()));
        command
            .args(words)
            .current_dir(self.folder.path())
            .env("HOME", self.folder.path())
            .env("RUST_LOG", "trace")
            .env("RUST_BACKTRACE", "full")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Starts one program.
    pub fn spawn(&self, line: &str) -> Child {
        self.command(line).spawn().unwrap()
    }

    fn note(&mut self, line: &str, output: Output) {
        self.said.push(Said {
            line: line.to_owned(),
            stdout: output.stdout,
            stderr: output.stderr,
        });
        self.collect();
    }

    /// Runs one program, which succeeds or does not.
    pub fn run(&mut self, line: &str, succeeds: bool) -> &Said {
        let output = self.command(line).output().unwrap();
        assert_eq!(
            output.status.success(),
            succeeds,
            "{line}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        self.note(line, output);
        self.said.last().unwrap()
    }

    /// The same with the card plugged in.
    pub fn with_card(&mut self, line: &str, succeeds: bool) -> &Said {
        let run = format!("card-sim --state {CARD} run --connect ADDRESS --trace");
        let mut card = self.spawn(&run);
        self.run(line, succeeds);
        card.kill().unwrap();
        let output = card.wait_with_output().unwrap();
        assert!(output.stderr.len() > 100, "the card was traced");
        self.note(&run, output);
        &self.said[self.said.len() - 2]
    }

    /// Notes every secret that is in a store now.
    fn collect(&mut self) {
        let copies = tempfile::tempdir().unwrap();
        let copy = |name: &str| {
            let (from, to) = (self.folder.path().join(name), copies.path().join(name));
            fs::copy(from, &to).ok().map(|_| to)
        };
        let (card, store) = (copy(CARD), copy(STORE));
        if let Some(card) = card {
            let card = StateFile::open(&card).unwrap();
            for number in card.records().unwrap() {
                let value = card.read(number).unwrap().unwrap();
                match number {
                    Record::KEY => self.add("card's certified key", &value[..32]),
                    Record::PIN | Record::PUK => {
                        self.add("code's key", &value[..32]);
                        self.add("code's value", &value[32..]);
                    }
                    slot if slot.is_slot() => {
                        self.add("card's pairing key", &value[value.len() - 32..]);
                    }
                    _ => {}
                }
            }
        }
        if let Some(store) = store {
            let store = FileStore::open(store).unwrap();
            let identity = IdentityName::new("default").unwrap();
            let own = store.read(&Key::identity(&identity)).unwrap();
            let pairings = store.list(&Key::pairings(&identity)).unwrap();
            let pairings = pairings.into_iter().map(|(_, record)| record);
            for record in own.into_iter().chain(pairings) {
                let mut fields = Reader::new(&record[1..]);
                for tag in 0x80..=0x8F {
                    while let Ok(Some(value)) = fields.optional(Tag(tag)) {
                        // Identity: 80 and 82 are scalars. Pairing: 89 and 8B are keys. A name or a nonce is shorter.
                        if [0x80, 0x82, 0x89, 0x8B].contains(&tag) && value.len() == 32 {
                            self.add("terminal's key", value);
                        }
                    }
                }
            }
        }
    }

    /// Every file but the stores and those that are secret by themselves.
    pub fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut found = Vec::new();
        let mut folders = vec![self.folder.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                let is_secret = self
                    .secrets
                    .keys()
                    .any(|known| known.starts_with(&format!("file {name},")));
                if path.is_dir() {
                    folders.push(path);
                } else if ![CARD, STORE].contains(&name.as_str()) && !is_secret {
                    found.push((path.clone(), fs::read(path).unwrap()));
                }
            }
        }
        found
    }
}
