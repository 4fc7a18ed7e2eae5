//! A `pcscd` of one's own: tests that need a real reader daemon meet nobody else's cards.
//!
//! As root, or where user namespaces are allowed, the daemon and the tests live in their own network and see their own
//! socket folder. Elsewhere they share the machine's daemon, one at a time.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::workspace::{self, Package};
use crate::{setup, steps};

/// The private command that runs inside the namespace.
pub const INSIDE: &str = "with-reader-inside";

/// The name of every integration test that needs a reader.
const LANE_TEST: &str = "reader_lane";
const SOCKET_FOLDER: &str = "/run/pcscd";
/// The first slot's port, as the kernel's table of connections spells it.
const SLOT_PORT: &str = ":8C7B";
const LISTENING: &str = "0A";
const START_LIMIT: Duration = Duration::from_secs(15);
const RUN_LIMIT: Duration = Duration::from_secs(15 * 60);

/// Builds and runs every `tests/reader_lane.rs`, one test at a time because the slots are shared.
///
/// # Errors
/// Tests that failed, or a daemon that did not start.
pub fn tests(arguments: &[String], results: &mut Vec<String>) -> Result<(), String> {
    let packages = workspace::packages()?;
    let with_lane: Vec<_> = packages
        .iter()
        .filter(|package| has_lane(package))
        .collect();
    if with_lane.is_empty() {
        return Err("no package has tests/reader_lane.rs".into());
    }
    let mut failed = Vec::new();
    for package in with_lane {
        let program = build(package)?;
        let folder = workspace::root().join(&package.folder);
        let mut command = enter()?;
        command.arg(program).arg("--test-threads=1").args(arguments);
        command
            .current_dir(&folder)
            .env("CARGO_MANIFEST_DIR", folder);
        if let Err(reason) = steps::run_tests(&mut command, results) {
            failed.push(format!("{}: {reason}", package.name));
        }
    }
    if failed.is_empty() {
        Ok(())
    } else {
        Err(failed.join("; "))
    }
}

/// Runs any command with a daemon of its own.
///
/// # Errors
/// The command failed, or the daemon did not start.
pub fn with_reader(command: &[String]) -> Result<(), String> {
    steps::run(enter()?.args(command))
}

fn has_lane(package: &Package) -> bool {
    package
        .roots
        .iter()
        .any(|root| root.ends_with(&format!("/tests/{LANE_TEST}.rs")))
}

/// Builds a package's lane test and says where it is. Nothing is built inside the namespace: it has no network.
fn build(package: &Package) -> Result<PathBuf, String> {
    let mut cargo = Command::new("cargo");
    cargo.args([
        "test",
        "-p",
        &package.name,
        "--features",
        "pcsc",
        "--test",
        LANE_TEST,
        "--no-run",
    ]);
    cargo
        .arg("--message-format=json-render-diagnostics")
        .current_dir(workspace::root());
    let output = cargo
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(format!("{}: {}", steps::shown(&cargo), output.status));
    }
    program(&String::from_utf8_lossy(&output.stdout))
        .ok_or_else(|| "cargo names no test program".into())
}

/// The test program in cargo's messages.
fn program(messages: &str) -> Option<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["target"]["name"] == LANE_TEST)
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
}

/// A command that runs [`inside`] with a network and a socket folder of its own, where this machine allows it.
fn enter() -> Result<Command, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let rights: &[&str] = if setup::is_root() {
        &["-m", "-n"]
    } else {
        &["-r", "-m", "-n"]
    };
    let allowed = steps::succeeds(
        "unshare",
        &[rights, &["sh", "-c", "mount -t tmpfs none /run"]].concat(),
    );
    let mut command = if allowed {
        let mut unshare = Command::new("unshare");
        unshare
            .args(rights)
            .arg(own)
            .env("TALLYSTICK_OWN_READER", "1");
        unshare
    } else {
        println!("namespaces are not allowed here: sharing the machine's pcscd");
        Command::new(own)
    };
    command.arg(INSIDE);
    Ok(command)
}

/// Starts the daemon, runs the command, stops the daemon.
///
/// # Errors
/// As [`with_reader`].
pub fn inside(command: &[String]) -> Result<(), String> {
    let (program, arguments) = command.split_first().ok_or("no command")?;
    let isolated = std::env::var_os("TALLYSTICK_OWN_READER").is_some();
    let _turn = if isolated {
        steps::run(Command::new("ip").args(["link", "set", "lo", "up"]))?;
        // Why the whole of it: the socket folder may not exist, and an ordinary user could not make it.
        steps::run(Command::new("mount").args(["-t", "tmpfs", "none", "/run"]))?;
        None
    } else {
        Some(take_turn()?)
    };
    let _daemon = if slot_is_open() {
        None
    } else {
        Some(Daemon::start()?)
    };
    let mut child = Command::new(program)
        .args(arguments)
        .spawn()
        .map_err(|error| format!("{program}: {error}"))?;
    let end = Instant::now() + RUN_LIMIT;
    loop {
        match child.try_wait().map_err(|error| error.to_string())? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => return Err(format!("{program}: {status}")),
            None if Instant::now() < end => std::thread::sleep(Duration::from_millis(20)),
            None => {
                stop(&mut child);
                return Err(format!(
                    "{program}: not done after {} minutes",
                    RUN_LIMIT.as_secs() / 60
                ));
            }
        }
    }
}

/// Waits until no other run on this machine uses the shared daemon.
fn take_turn() -> Result<File, String> {
    let path = std::env::temp_dir().join("tallystick-reader-lane.lock");
    let complain = |error| format!("{}: {error}", path.display());
    let file = File::options()
        .create(true)
        .append(true)
        .open(&path)
        .map_err(complain)?;
    file.lock().map_err(complain)?;
    Ok(file)
}

/// Whether the driver's first slot listens. A connection would be a card, so the kernel's table is read instead.
fn slot_is_open() -> bool {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"];
    tables
        .iter()
        .any(|table| std::fs::read_to_string(table).is_ok_and(|text| listens(&text)))
}

fn listens(table: &str) -> bool {
    table.lines().any(|line| {
        let mut cells = line.split_whitespace().skip(1);
        let (local, state) = (
            cells.next().unwrap_or_default(),
            cells.nth(1).unwrap_or_default(),
        );
        local.ends_with(SLOT_PORT) && state == LISTENING
    })
}

/// The daemon while it is ours; it ends with this value.
struct Daemon(Child);

impl Daemon {
    fn start() -> Result<Self, String> {
        let path = setup::daemon().ok_or("pcscd is missing: `cargo xtask setup`")?;
        std::fs::create_dir_all(SOCKET_FOLDER)
            .map_err(|error| format!("{SOCKET_FOLDER}: {error}"))?;
        let mut command = Command::new(path);
        command.arg("--foreground");
        if asks_polkit(path) {
            command.arg("--disable-polkit");
        }
        let log = workspace::target()?.join("pcscd.log");
        let file = File::create(&log).map_err(|error| format!("{}: {error}", log.display()))?;
        let errors = file.try_clone().map_err(|error| error.to_string())?;
        let child = command
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(errors)
            .spawn();
        let mut daemon = Self(child.map_err(|error| format!("{path}: {error}"))?);
        let end = Instant::now() + START_LIMIT;
        while !(slot_is_open() && Path::new(SOCKET_FOLDER).join("pcscd.comm").exists()) {
            let over = daemon.0.try_wait().map_err(|error| error.to_string())?;
            if over.is_some() || Instant::now() > end {
                let said = std::fs::read_to_string(&log).unwrap_or_default();
                return Err(format!(
                    "pcscd does not start, or does not load vpcd:\n{said}"
                ));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(daemon)
    }
}

/// Newer daemons ask a policy service that a namespace or a container does not have.
fn asks_polkit(path: &str) -> bool {
    let help = Command::new(path).arg("--help").output();
    help.is_ok_and(|help| {
        [help.stdout, help.stderr]
            .concat()
            .windows(16)
            .any(|part| part == b"--disable-polkit")
    })
}

impl Drop for Daemon {
    fn drop(&mut self) {
        stop(&mut self.0);
    }
}

/// Asks a process to end, and ends it when it does not.
fn stop(child: &mut Child) {
    let asked = steps::succeeds("kill", &["-TERM", &child.id().to_string()]);
    let end = Instant::now() + Duration::from_secs(3);
    while asked && Instant::now() < end {
        if matches!(child.try_wait(), Ok(Some(_))) {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    // Both fail only when the process is gone already.
    let _ = child.kill();
    let _ = child.wait();
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "  sl  local_address rem_address   st tx_queue rx_queue\n";

    #[test]
    fn a_listening_slot_is_seen_and_a_connected_or_other_one_is_not() {
        let row = |local: &str, state: &str| {
            format!("{HEAD}   0: {local} 00000000:0000 {state} 0:0 0:0\n")
        };
        assert!(listens(&row("00000000:8C7B", "0A")));
        assert!(listens(&row("00000000000000000000000000000000:8C7B", "0A")));
        assert!(!listens(&row("0100007F:8C7B", "01")));
        assert!(!listens(&row("00000000:8C7C", "0A")));
        assert!(!listens(HEAD));
    }

    #[test]
    fn the_test_program_is_found_among_cargos_messages() {
        let messages = concat!(
            "{\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"card_sim\"},\"executable\":null}\n",
            "no json\n",
            "{\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"reader_lane\"},\"executable\":\"/x/lane-1\"}\n",
        );
        assert_eq!(program(messages), Some(PathBuf::from("/x/lane-1")));
        assert_eq!(program("{\"reason\":\"build-finished\"}"), None);
    }
}
