//! The command `certify` in a temporary folder.
#![allow(dead_code, reason = "each test program uses a part of it")]
#![allow(
    clippy::unwrap_used,
    reason = "a desk that cannot be set up fails its test"
)]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::rc::Rc;
use tempfile::TempDir;

pub const ROOT: &str = "ZZTALLYROOT00001";

/// A folder with an authority in `ca`, its passphrase in `passphrase`, and room for files.
pub struct Desk {
    folder: Rc<TempDir>,
    /// How `certify` is told where the authority is.
    place: Vec<String>,
}

impl Desk {
    pub fn empty() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("passphrase"), "correct horse\n").unwrap();
        fs::write(folder.path().join("pin"), "271828\n").unwrap();
        let folder = Rc::new(folder);
        let place = vec!["--dir".into(), "ca".into()];
        Self { folder, place }
    }

    /// The same folder, seen by a client of an authority's service.
    pub fn over(&self, url: &str, station: &str) -> Self {
        let place = ["--authority", url, "--station", station];
        Self {
            folder: Rc::clone(&self.folder),
            place: place.map(String::from).to_vec(),
        }
    }

    pub fn with_authority() -> Self {
        let desk = Self::empty();
        desk.run("ca init --name ZZTALLYROOT00001 --passphrase-file passphrase")
            .succeeds();
        desk
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, content: &[u8]) {
        fs::write(self.path(name), content).unwrap();
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    /// The lines of the ledger.
    pub fn ledger(&self) -> Vec<u8> {
        self.run("log lines").succeeds().stdout
    }

    /// The command, ready to run in the desk's folder on its authority.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_certify"));
        command
            .current_dir(self.folder.path())
            .args(&self.place)
            .args(arguments)
            .env_remove("TALLY_AUTHORITY")
            .env("RUST_BACKTRACE", "0")
            .stdin(Stdio::null());
        command
    }

    /// Runs `certify`; the line is split at spaces.
    pub fn run(&self, line: &str) -> Ran {
        let arguments: Vec<&str> = line.split(' ').collect();
        Ran::new(line, self.command(&arguments).output().unwrap())
    }

    /// Runs `certify` with bytes on standard input.
    pub fn pipe(&self, line: &str, input: &[u8]) -> Ran {
        let arguments: Vec<&str> = line.split(' ').collect();
        let mut child = self
            .command(&arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A command that stops reading early closes the pipe; that is its right.
        let _ = child.stdin.take().unwrap().write_all(input);
        Ran::new(line, child.wait_with_output().unwrap())
    }

    /// All files below the authority's folder with their content, to see that nothing changed.
    pub fn snapshot(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files: Vec<_> = fs::read_dir(self.path("ca"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| (path.clone(), fs::read(path).unwrap()))
            .collect();
        files.sort();
        files
    }
}

/// What one run left behind.
pub struct Ran {
    line: String,
    pub code: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Ran {
    pub fn new(line: &str, output: Output) -> Self {
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(!stderr.contains("panicked"), "{line}: {stderr}");
        Self {
            line: line.into(),
            code: output.status.code(),
            stdout: output.stdout,
            stderr,
        }
    }

    #[track_caller]
    pub fn succeeds(self) -> Self {
        assert_eq!(self.code, Some(0), "{}: {}", self.line, self.stderr);
        self
    }

    /// It stopped with this code and one line that says this.
    #[track_caller]
    pub fn fails(self, code: i32, says: &str) -> Self {
        assert_eq!(self.code, Some(code), "{}: {}", self.line, self.stderr);
        let last = self.stderr.lines().last().unwrap_or_default();
        assert!(
            last.starts_with("certify: "),
            "{}: {}",
            self.line,
            self.stderr
        );
        assert!(last.contains(says), "{}: {}", self.line, self.stderr);
        self
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.stdout.clone()).unwrap()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.stdout).unwrap()
    }
}

/// The value beside a label in printed text.
pub fn value<'a>(text: &'a str, label: &str) -> &'a str {
    text.lines()
        .find_map(|line| line.strip_prefix(label))
        .unwrap_or_default()
        .trim()
}

pub fn exists(path: &Path) -> bool {
    path.try_exists().unwrap()
}
