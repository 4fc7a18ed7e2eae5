//! `tally doctor`: what of PC/SC is there, what is missing, and how to get it. Works without PC/SC built in.

use crate::cli::Format;
use crate::failure::Failure;
use crate::output;
use host::output::result;
use std::fs;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use terminal_lib::text::escaped;

/// One thing that was looked at.
struct Finding {
    what: &'static str,
    /// What was found, or what is wrong.
    found: Result<String, String>,
    /// What to do when it is wrong.
    remedy: &'static str,
}

/// Looks, prints, and says whether a reader can be used from here.
///
/// # Errors
/// What was found could not be printed.
pub fn run(format: Format) -> Result<bool, Failure> {
    let findings = look();
    let healthy = findings.iter().all(|finding| finding.found.is_ok());
    match format {
        Format::Json => print_json(&findings, healthy)?,
        Format::Text => print_text(&findings, healthy)?,
    }
    Ok(healthy)
}

fn look() -> Vec<Finding> {
    let mut findings = vec![built_in(), library(), daemon(), service(), virtual_reader()];
    findings.extend(readers());
    findings
}

fn built_in() -> Finding {
    Finding {
        what: "PC/SC in this program",
        found: if cfg!(feature = "pcsc") {
            Ok("built in".into())
        } else {
            Err("not built in".into())
        },
        remedy: "apt-get install libpcsclite-dev pkg-config; cargo programs",
    }
}

fn library() -> Finding {
    // Debian keeps it one folder deeper, named after the machine's architecture.
    let roots = ["/usr/lib", "/usr/lib64", "/usr/local/lib"].map(PathBuf::from);
    let below = entries("/usr/lib").filter(|path| path.is_dir());
    let found = first_existing(
        roots
            .into_iter()
            .chain(below)
            .map(|folder| folder.join("libpcsclite.so.1")),
    );
    Finding {
        what: "PC/SC library",
        found: found.ok_or_else(|| "libpcsclite.so.1 not found".into()),
        remedy: "apt-get install libpcsclite1",
    }
}

fn daemon() -> Finding {
    let found = first_existing(
        ["/usr/sbin/pcscd", "/usr/bin/pcscd", "/usr/local/sbin/pcscd"]
            .map(PathBuf::from)
            .into_iter(),
    );
    Finding {
        what: "PC/SC service installed",
        found: found.ok_or_else(|| "pcscd not found".into()),
        remedy: "apt-get install pcscd",
    }
}

fn service() -> Finding {
    const SOCKET: &str = "/run/pcscd/pcscd.comm";
    let found = match UnixStream::connect(SOCKET) {
        Ok(_) => Ok(format!("answers at {SOCKET}")),
        Err(error) => Err(match error.kind() {
            std::io::ErrorKind::NotFound => "not running".into(),
            std::io::ErrorKind::PermissionDenied => {
                "running, but this user may not talk to it".into()
            }
            _ => format!("{SOCKET}: {error}"),
        }),
    };
    Finding {
        what: "PC/SC service running",
        found,
        remedy: "systemctl start pcscd.socket, or without systemd: pcscd --foreground (2.x in a container: pcscd --foreground --disable-polkit). \
                 If access is denied: a polkit rule for org.debian.pcsc-lite.access_pcsc and org.debian.pcsc-lite.access_card",
    }
}

fn virtual_reader() -> Finding {
    let drivers = entries("/usr/lib/pcsc/drivers/serial")
        .chain(entries("/usr/local/lib/pcsc/drivers/serial"));
    let driver =
        first_existing(drivers.filter(|path| path.to_string_lossy().contains("libifdvpcd")));
    let is_installed = driver.is_some();
    let found = match driver {
        None => Err("vpcd's driver not found (needed for virtual cards only)".into()),
        Some(path) if is_listening(35_963) => Ok(format!("{path}, listening on port 35963")),
        Some(path) => Err(format!("{path} is there, but nobody listens on port 35963")),
    };
    Finding {
        what: "virtual reader (vpcd)",
        found,
        remedy: if is_installed {
            "start pcscd, or restart it if vpcd was installed after its start. vpcd listens on every address: close ports 35963 and 35964 to the network"
        } else {
            "apt-get install vsmartcard-vpcd, then restart pcscd. vpcd listens on every address: close ports 35963 and 35964 to the network"
        },
    }
}

#[cfg(feature = "pcsc")]
fn readers() -> Vec<Finding> {
    use terminal_lib::transport::pcsc::{Diagnosis, diagnose};
    let found = match diagnose() {
        Diagnosis::NoService(error) => Err(error.to_string()),
        Diagnosis::Service(readers) if readers.is_empty() => Err("no reader is attached".into()),
        Diagnosis::Service(readers) => Ok(readers
            .iter()
            .map(|reader| match &reader.atr {
                Some(_) => format!("{} (card inside)", reader.name),
                None => format!("{} (empty)", reader.name),
            })
            .collect::<Vec<_>>()
            .join(", ")),
    };
    vec![Finding {
        what: "readers",
        found,
        remedy: "attach a reader, or plug in a virtual card: card-sim run",
    }]
}

#[cfg(not(feature = "pcsc"))]
fn readers() -> Vec<Finding> {
    Vec::new()
}

/// What is in a folder; nothing if it cannot be read.
fn entries(folder: &str) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
}

fn first_existing(mut paths: impl Iterator<Item = PathBuf>) -> Option<String> {
    paths
        .find(|path| path.exists())
        .map(|path| path.display().to_string())
}

/// Whether somebody listens on a TCP port, read from the kernel's table: connecting would plug a card in.
fn is_listening(port: u16) -> bool {
    const LISTEN: &str = "0A";
    let suffix = format!(":{port:04X}");
    ["/proc/net/tcp", "/proc/net/tcp6"].iter().any(|table| {
        fs::read_to_string(table).is_ok_and(|lines| {
            lines.lines().skip(1).any(|line| {
                let mut columns = line.split_whitespace().skip(1);
                let (local, state) = (columns.next(), columns.nth(1));
                local.is_some_and(|local| local.ends_with(&suffix)) && state == Some(LISTEN)
            })
        })
    })
}

fn print_text(findings: &[Finding], healthy: bool) -> Result<(), Failure> {
    for Finding {
        what,
        found,
        remedy,
    } in findings
    {
        match found {
            Ok(found) => result(format_args!("ok       {what:<24} {}\n", escaped(found)))?,
            Err(wrong) => result(format_args!(
                "missing  {what:<24} {}\n{:34}{remedy}\n",
                escaped(wrong),
                ""
            ))?,
        }
    }
    result("\n")?;
    result(format_args!(
        "{}\n",
        if healthy {
            "Everything is there: try `tally session --wait`."
        } else {
            "`tally demo` works without any of this. With --listen, card-sim needs no reader at all."
        }
    ))?;
    Ok(())
}

fn print_json(findings: &[Finding], healthy: bool) -> Result<(), Failure> {
    let list: Vec<_> = findings
        .iter()
        .map(|finding| {
            serde_json::json!({
                "what": finding.what,
                "ok": finding.found.is_ok(),
                "found": finding.found.as_ref().unwrap_or_else(|wrong| wrong),
                "remedy": if finding.found.is_ok() { None } else { Some(finding.remedy) },
            })
        })
        .collect();
    output::json(&serde_json::json!({ "healthy": healthy, "findings": list }))
}
