//! The log can never stop the service's work: whoever reads it may be gone, full or asleep. And strangers cannot fill a disk with it.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

mod http;
mod support;

use authority::Authority;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Instant;
use support::{PASSPHRASE, Tape, at, name};
use tempfile::TempDir;

/// So many lines of a client's requests are more than a pipe holds.
const REQUESTS: usize = 600;

/// An authority's folder.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        let data = place.0.path().join("ca");
        let root = name("ZZTALLYROOT00001");
        let now = at(http::today());
        Authority::init(&data, root, 15, PASSPHRASE, &mut Tape(0), now).unwrap();
        let secret = place.0.path().join("passphrase");
        std::fs::write(&secret, PASSPHRASE).unwrap();
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(&secret, private).unwrap();
        place
    }

    fn command(&self, verb: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_authority"));
        command
            .args(verb)
            .arg("--data")
            .arg(self.0.path().join("ca"))
            .arg("--passphrase-file")
            .arg(self.0.path().join("passphrase"))
            .args(["--listen", "127.0.0.1:0"])
            .args(["--rate", "1000000", "--burst", "1000000"])
            .stdin(Stdio::null());
        command
    }

    /// A station of the running service.
    fn station(&self, address: SocketAddr) -> http::Client {
        let invite = ["enrol", "--role", "station", "--name", "LINE1"];
        let code = String::from_utf8(self.command(&invite).output().unwrap().stdout).unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let body = http::enrol_body(code.trim(), &http::request(&key));
        let answer = self.nobody(address).post("/v1/enrol", &body);
        assert_eq!(answer.status, 201, "{}", answer.body);
        let certificate = http::bytes(&answer.json()["certificate"]);
        http::client(address, &self.ca(), Some(&http::Card { certificate, key }))
    }

    fn nobody(&self, address: SocketAddr) -> http::Client {
        http::client(address, &self.ca(), None)
    }

    fn ca(&self) -> rustls::pki_types::CertificateDer<'static> {
        let pem = std::fs::read(self.0.path().join("ca/tls-ca.pem")).unwrap();
        rustls::pki_types::pem::PemObject::from_pem_slice(&pem).unwrap()
    }
}

/// A running service; one whose test has failed ends with it.
struct Service(Child);

impl Service {
    fn start(command: &mut Command) -> Self {
        Self(command.spawn().unwrap())
    }

    /// The address that it has printed.
    fn printed(&mut self) -> SocketAddr {
        let mut line = String::new();
        BufReader::new(self.0.stdout.as_mut().unwrap())
            .read_line(&mut line)
            .unwrap();
        address(&line)
    }

    /// Its exit code after SIGTERM.
    fn end(mut self) -> Option<i32> {
        kill_process(Pid::from_child(&self.0), Signal::TERM).unwrap();
        self.0.wait().unwrap().code()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill(); // it may have ended
        let _ = self.0.wait();
    }
}

fn address(line: &str) -> SocketAddr {
    let address = line.trim().strip_prefix("listening on https://");
    let address = address.unwrap_or_else(|| panic!("{line:?}"));
    address.parse().unwrap()
}

#[test]
fn requests_are_answered_and_a_signal_ends_it_whatever_becomes_of_the_log() {
    let full = || Stdio::from(File::options().write(true).open("/dev/full").unwrap());
    for case in ["nobody reads", "the reader is gone", "the disk is full"] {
        let place = Place::new();
        let stderr = match case {
            "the disk is full" => full(),
            _ => Stdio::piped(),
        };
        let mut serve = place.command(&["serve"]);
        let mut service = Service::start(serve.stdout(Stdio::piped()).stderr(stderr));
        let address = service.printed();
        if case == "the reader is gone" {
            drop(service.0.stderr.take());
        }
        let station = place.station(address);
        for number in 0..REQUESTS {
            let answer = station.get("/v1/root");
            assert_eq!(answer.status, 200, "{case}: request {number}");
        }
        assert_eq!(service.end(), Some(0), "{case}");
    }
}

#[test]
fn a_full_standard_output_does_not_keep_it_from_starting() {
    let place = Place::new();
    let full = File::options().write(true).open("/dev/full").unwrap();
    let mut serve = place.command(&["serve"]);
    let mut service = Service::start(serve.stdout(full).stderr(Stdio::piped()));
    let mut line = String::new();
    BufReader::new(service.0.stderr.as_mut().unwrap())
        .read_line(&mut line)
        .unwrap();
    let line: Value = serde_json::from_str(&line).unwrap();
    let listening = format!("listening on https://{}", line["address"].as_str().unwrap());
    let answer = place.nobody(address(&listening)).get("/v1/root");
    assert_eq!(answer.status, 200);
    // The program that holds the root's key leaves no picture of its memory.
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", service.0.id())).unwrap();
    let cores = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"));
    let cores: Vec<&str> = cores.unwrap().split_whitespace().skip(4).take(2).collect();
    assert_eq!(cores, ["0", "0"]);
    assert_eq!(service.end(), Some(0));
}

/// A code that nobody has would keep its name from everybody for a day.
#[test]
fn an_invitation_whose_code_was_not_taken_is_taken_back() {
    let place = Place::new();
    let mut serve = place.command(&["serve"]);
    let mut service = Service::start(serve.stdout(Stdio::piped()));
    let address = service.printed(); // the first start makes the TLS CA
    let full = File::options().write(true).open("/dev/full").unwrap();
    let closed: Stdio = std::io::pipe().unwrap().1.into();
    for stdout in [full.into(), closed] {
        let mut enrol = place.command(&["enrol", "--role", "station", "--name", "LINE1"]);
        let output = enrol.stdout(stdout).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("the invitation was taken back"), "{said}");
    }
    place.station(address); // under the same name
    assert_eq!(service.end(), Some(0));
}

#[test]
fn a_flood_by_strangers_leaves_a_bounded_number_of_lines_with_their_address_and_all_are_counted() {
    let place = Place::new();
    let mut serve = place.command(&["serve"]);
    let mut service = Service::start(serve.stdout(Stdio::piped()).stderr(Stdio::piped()));
    let address = service.printed();
    let nobody = place.nobody(address);
    let begun = Instant::now();
    let wrong = serde_json::json!({ "code": "0".repeat(56), "csr": "" });
    for _ in 0..REQUESTS {
        assert!(nobody.post("/v1/enrol", &wrong).status >= 400);
    }
    let most = 101 + 10 * usize::try_from(begun.elapsed().as_secs() + 1).unwrap();
    let metrics = nobody.get("/v1/metrics").body;
    let counted: usize = metrics
        .lines()
        .filter(|line| line.contains("requests_total{") && line.contains("/v1/enrol\""))
        .map(|line| line.rsplit(' ').next().unwrap().parse::<usize>().unwrap())
        .sum();
    assert_eq!(counted, REQUESTS, "{metrics}");
    assert!(
        metrics.contains("tallystick_authority_log_lines_lost_total 0"),
        "{metrics}"
    );
    let mut stderr = service.0.stderr.take().unwrap();
    assert_eq!(service.end(), Some(0));
    let mut log = String::new();
    stderr.read_to_string(&mut log).unwrap();
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|line| line["route"] == "/v1/enrol")
        .collect();
    assert!(
        (50..=most).contains(&lines.len()),
        "{} of at most {most}",
        lines.len()
    );
    assert!(lines.iter().all(|line| line["peer"] == "127.0.0.1"));
}
