//! T50: what is left in a process's memory when its sessions are closed.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test may stop")]

#[path = "memory/scan.rs"]
mod scan;
#[path = "memory/secrets.rs"]
mod secrets;

use apdu::crypto::sha256;
use apdu::message::pin::{Digits, Reference, Replacement};
use card_sim::body::VirtualCard;
use card_sim::state_file::StateFile;
use conformance::authority::{CARD, TERMINAL, certified, put_into_use, terminal, terminal_store};
use conformance::card::Powered;
use conformance::evidence;
use conformance::life::{CARD_FILE, Heard, Log, Moment, TERMINAL_FILE, live, pin};
use conformance::user::{PIN, User};
use getrandom::SysRng;
use scan::{Finds, search};
use secrets::{Before, Known};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use terminal_lib::application::Policy;
use terminal_lib::session::CodeOutcome;
use terminal_lib::store::FileStore;
use terminal_lib::transport::in_process::InProcess;

/// A card with the PIN of this seed and a terminal that have not met, each in its file.
fn prepare(folder: &Path, seed: u64) {
    put_into_use(StateFile::create(&folder.join(CARD_FILE)).unwrap(), CARD);
    let state = StateFile::open(&folder.join(CARD_FILE)).unwrap();
    let mut reader = InProcess::new(Powered(VirtualCard::new(state, SysRng)));
    let mut other = terminal(terminal_store("ZZTALLYTERM00009"));
    let mut session = other
        .connect(&mut reader, &mut User::willing(), &Policy::Auto)
        .unwrap();
    let new = Replacement {
        old: Digits::new(Reference::Pin, PIN).unwrap(),
        new: pin(seed),
    };
    assert_eq!(session.change_pin(&new).unwrap(), CodeOutcome::Right);
    session.close();
    let store = FileStore::open_or_create(folder.join(TERMINAL_FILE)).unwrap();
    certified(store, TERMINAL);
}

fn copy(from: &Path, to: &Path) {
    for file in [CARD_FILE, TERMINAL_FILE] {
        std::fs::copy(from.join(file), to.join(file)).unwrap();
    }
}

/// A process that lives a life and waits to be looked at.
struct Process {
    child: Child,
    says: BufReader<ChildStdout>,
    hears: ChildStdin,
}

impl Process {
    fn start(folder: &Path, seed: u64) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_life"))
            .arg(folder)
            .arg(seed.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            says: BufReader::new(child.stdout.take().unwrap()),
            hears: child.stdin.take().unwrap(),
            child,
        }
    }

    /// Waits until the process stands at its next moment, and looks.
    fn look(&mut self, secrets: &[Known]) -> (String, Finds) {
        let mut line = String::new();
        self.says.read_line(&mut line).unwrap();
        let finds = search(self.child.id(), secrets);
        writeln!(self.hears).unwrap();
        (line.trim_end().to_owned(), finds)
    }
}

/// The same life in this process, and its secrets.
fn secrets_of(folder: &Path, seed: u64) -> (Heard, Vec<Known>) {
    let before = Before::read(folder);
    let logs = [Log::default(), Log::default()];
    let drawn = logs.each_ref().map(|log| Some(Log::clone(log)));
    let heard = live(folder, seed, drawn, |moment, _| {
        assert!(matches!(moment, Moment::Open | Moment::Closed));
    });
    let [card, terminal] = logs.map(|log| log.lock().unwrap().clone());
    let secrets = secrets::of_life(&before, &heard, [&card, &terminal], seed);
    (heard, secrets)
}

fn closed_line(heard: &Heard) -> String {
    let said: Vec<u8> = heard
        .iter()
        .flat_map(|(command, answer)| [&command[..], &answer[..]].concat())
        .collect();
    format!("closed {:02x?}", sha256(&[&said]))
}

/// T50: while a session is open its keys are in memory; once everything is closed no 16 bytes of any secret are.
#[test]
fn a_closed_session_leaves_no_part_of_a_secret_in_memory() {
    let lives = evidence::cases(3, 100);
    let (mut looked_for, mut searched, mut in_use) = (0, 0, 0);
    for life in 0..lives {
        let seed = evidence::seed().wrapping_add(life << 8);
        let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        prepare(here.path(), seed);
        copy(here.path(), there.path());
        let (heard, secrets) = secrets_of(here.path(), seed);
        let mut process = Process::start(there.path(), seed);
        let (line, open) = process.look(&secrets);
        assert_eq!(line, "open");
        let (line, closed) = process.look(&secrets);
        assert_eq!(
            line,
            closed_line(&heard),
            "the other process lived another life"
        );
        assert!(process.child.wait().unwrap().success());
        for needed in ["K_3", "SMF 2 encT", "SMF 2 encC"] {
            assert!(
                open.by_name.contains_key(needed),
                "{needed} is in use and not found"
            );
        }
        let left: Vec<String> = closed
            .by_name
            .iter()
            .map(|(name, places)| format!("{name}: {} x, {:x?}", places.len(), places[0]))
            .collect();
        assert!(left.is_empty(), "left behind:\n{}", left.join("\n"));
        looked_for += secrets.len();
        searched += closed.searched;
        in_use += open.by_name.len();
    }
    evidence::report(
        "T50",
        lives,
        format_args!(
            "{looked_for} secrets looked for in {} KiB: {in_use} seen in open sessions, 0 after closing",
            searched / 1024
        ),
    );
}
