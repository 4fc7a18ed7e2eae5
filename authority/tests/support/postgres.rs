//! A PostgreSQL server of our own: in a temporary folder, on a socket in it, gone at the end.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A running server.
pub struct Server {
    folder: TempDir,
    programs: PathBuf,
}

impl Server {
    /// Starts one. `None`, with a word, where PostgreSQL is not installed; CI must have it.
    pub fn start() -> Option<Self> {
        let Some(programs) = programs() else {
            assert!(
                std::env::var_os("CI").is_none(),
                "CI needs Debian's postgresql"
            );
            println!("skipped: PostgreSQL is not installed (`cargo xtask setup` installs it)");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let data = folder.path().join("data");
        fs::create_dir(&data).unwrap();
        let server = Self { folder, programs };
        if server.is_root() {
            std::os::unix::fs::chown(&data, Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let made = server
            .command("initdb")
            .args([
                "-D",
                "data",
                "-A",
                "trust",
                "-U",
                "tally",
                "--no-locale",
                "-E",
                "UTF8",
                "--no-sync",
            ])
            .output();
        let made = made.unwrap();
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        server.up();
        Some(server)
    }

    /// Starts the server after it was ended.
    pub fn up(&self) {
        self.up_with("-c listen_addresses=");
    }

    /// The same, listening as these options say.
    pub fn up_with(&self, options: &str) {
        let options = format!(
            "{options} -c unix_socket_directories={} -c max_connections=60",
            self.data().display()
        );
        let started = self
            .command("pg_ctl")
            .args([
                "-D", "data", "-w", "-s", "-l", "data/log", "-o", &options, "start",
            ])
            .status();
        assert!(
            started.unwrap().success(),
            "{}",
            fs::read_to_string(self.data().join("log")).unwrap_or_default()
        );
    }

    /// Ends the server: at once and without a word, as a power cut does.
    pub fn kill(&self) {
        let ended = self
            .command("pg_ctl")
            .args(["-D", "data", "-s", "-m", "immediate", "stop"])
            .status();
        assert!(ended.unwrap().success());
    }

    /// A new, empty database; its address.
    pub fn database(&self, name: &str) -> String {
        let host = self.data();
        let made = self
            .command("createdb")
            .args(["-h", host.to_str().unwrap(), "-U", "tally", name])
            .status();
        assert!(made.unwrap().success());
        format!("host={} user=tally dbname={name}", host.display())
    }

    /// A file of the server's own, in its data folder, that only it may read.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.data().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        if self.is_root() {
            std::os::unix::fs::chown(&path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn is_root(&self) -> bool {
        fs::metadata(self.folder.path()).unwrap().uid() == 0
    }

    /// One of its programs. PostgreSQL refuses to run as root; then it runs as nobody.
    fn command(&self, name: &str) -> Command {
        let program = self.programs.join(name);
        let mut command = if self.is_root() {
            let mut command = Command::new("setpriv");
            let nobody = NOBODY.to_string();
            command.args(["--reuid", &nobody, "--regid", &nobody, "--clear-groups"]);
            command.arg(program);
            command
        } else {
            Command::new(program)
        };
        command.current_dir(self.folder.path());
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self
            .command("pg_ctl")
            .args(["-D", "data", "-s", "-m", "immediate", "stop"])
            .status();
    }
}

const NOBODY: u32 = 65_534;

/// Debian keeps the server's programs away from PATH.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
    let programs = |version: fs::DirEntry| version.path().join("bin");
    let mut found: Vec<_> = versions
        .flatten()
        .map(programs)
        .filter(|programs: &PathBuf| Path::join(programs, "initdb").exists())
        .collect();
    found.sort();
    found.pop()
}
