//! The Debian packages that a machine needs for every check.

use std::path::Path;
use std::process::Command;

use crate::{steps, vectors};

/// Each package and what it is for.
const PACKAGES: [(&str, &str); 11] = [
    ("g++", "to build the fuzzer's library"),
    ("pcscd", "the reader daemon"),
    ("vsmartcard-vpcd", "virtual readers in that daemon"),
    ("libpcsclite-dev", "to build against the daemon's library"),
    ("pkg-config", "to find that library"),
    (
        "iproute2",
        "to bring up the network of a daemon of one's own",
    ),
    ("openpace", "a second opinion on certificates: cvc-print"),
    (
        "softhsm2",
        "a token for the authority's key, in place of an HSM",
    ),
    ("postgresql", "the authority's store for several instances"),
    ("python3-venv", "the generator of the test vectors"),
    ("valgrind", "to see whether secrets steer the program"),
];
const DRIVERS: [&str; 2] = [
    "/usr/lib/pcsc/drivers/serial/libifdvpcd.so",
    "/usr/local/lib/libifdvpcd.so",
];

/// Installs what is missing.
///
/// # Errors
/// What is missing and the command that installs it, when this user may not.
pub fn install() -> Result<(), String> {
    if !steps::succeeds("dpkg-query", &["--version"]) {
        return elsewhere();
    }
    let missing = missing();
    if missing.is_empty() {
        return Ok(());
    }
    let advice = || {
        let list: Vec<_> = missing
            .iter()
            .map(|(name, why)| format!("  {name:<16} {why}"))
            .collect();
        let names: Vec<_> = missing.iter().map(|(name, _)| *name).collect();
        format!(
            "these packages are missing:\n{}\ninstall them with\n  sudo apt-get update && sudo apt-get install -y --no-install-recommends {}",
            list.join("\n"),
            names.join(" ")
        )
    };
    let Some(mut update) = apt_get() else {
        return Err(advice());
    };
    // Why not checked: an index that is a little old often still has the packages.
    let _ = steps::run(update.arg("update"));
    let Some(mut install) = apt_get() else {
        return Err(advice());
    };
    install
        .args(["install", "-y", "--no-install-recommends"])
        .args(missing.iter().map(|(name, _)| name));
    steps::run(&mut install).map_err(|error| format!("{error}\n{}", advice()))
}

/// Whether the reader daemon, its virtual readers and its library are there.
pub fn reader_is_there() -> bool {
    library_is_there()
        && daemon().is_some()
        && DRIVERS.iter().any(|driver| Path::new(driver).exists())
}

/// Whether programs can be built against the reader daemon's library.
pub fn library_is_there() -> bool {
    steps::succeeds("pkg-config", &["--exists", "libpcsclite"])
}

/// Whether a Python can be had that runs the generator of the vectors and the second implementation.
///
/// # Errors
/// What is missing.
pub fn python_is_there() -> Result<(), String> {
    vectors::python().map(drop)
}

/// Whether secrets can be followed through the compiled program.
///
/// # Errors
/// What is missing.
pub fn valgrind_is_there() -> Result<(), String> {
    if !cfg!(target_arch = "x86_64") {
        return Err("valgrind is spoken to on x86_64 only".into());
    }
    match steps::succeeds("valgrind", &["--version"]) {
        true => Ok(()),
        false => Err("valgrind is missing: `cargo xtask setup`".into()),
    }
}

/// Where the daemon is; an ordinary user's path often lacks its folder.
pub fn daemon() -> Option<&'static str> {
    ["/usr/sbin/pcscd", "/usr/local/sbin/pcscd", "/usr/bin/pcscd"]
        .into_iter()
        .find(|path| Path::new(path).exists())
}

fn missing() -> Vec<(&'static str, &'static str)> {
    PACKAGES
        .into_iter()
        .filter(|(name, _)| !installed(name))
        .collect()
}

fn installed(name: &str) -> bool {
    let output = Command::new("dpkg-query")
        .args(["-W", "-f=${db:Status-Abbrev}", name])
        .output();
    output.is_ok_and(|output| output.status.success() && output.stdout.starts_with(b"ii"))
}

/// `apt-get`, with the rights to install, or nothing.
fn apt_get() -> Option<Command> {
    if !steps::succeeds("apt-get", &["--version"]) {
        return None;
    }
    if is_root() {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive");
        return Some(command);
    }
    steps::succeeds("sudo", &["-n", "true"]).then(|| {
        let mut command = Command::new("sudo");
        command.args(["-n", "DEBIAN_FRONTEND=noninteractive", "apt-get"]);
        command
    })
}

/// Whether this process may do everything.
pub fn is_root() -> bool {
    Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|output| output.stdout == b"0\n")
}

fn elsewhere() -> Result<(), String> {
    if reader_is_there() {
        return Ok(());
    }
    Err("this is no Debian system: install pcscd, its library's headers, pkg-config and the virtual reader driver vpcd \
         of the vsmartcard project"
        .into())
}
