//! The command `authority` as a process: its log, its configuration, its end.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

mod asking;
mod http;
mod support;

use authority::Authority;
use authority::server::config::{ConfigError, Origin, SETTINGS, Values};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use support::{START, Tape, at, name};
use tempfile::TempDir;

const PASSPHRASE: &str = "SECRET-passphrase";

/// An authority's folder, and the command on it.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self::founded(START)
    }

    fn founded(seconds: u64) -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        let mut tape = Tape(0);
        Authority::init(
            &place.data(),
            name("ZZTALLYROOT00001"),
            15,
            PASSPHRASE.as_bytes(),
            &mut tape,
            at(seconds),
        )
        .unwrap();
        std::fs::write(place.0.path().join("passphrase"), PASSPHRASE).unwrap();
        place
    }

    fn data(&self) -> PathBuf {
        self.0.path().join("ca")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_authority"));
        for (variable, _) in std::env::vars().filter(|(name, _)| name.starts_with("TALLYSTICK_")) {
            command.env_remove(variable);
        }
        command
            .args(arguments)
            .arg("--data")
            .arg(self.data())
            .arg("--passphrase-file")
            .arg(self.0.path().join("passphrase"))
            .args(["--listen", "127.0.0.1:0"])
            .stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Starts the service; gives it with its address.
    fn serve(&self, arguments: &[&str]) -> (Child, String) {
        let mut command = self.command(&[&["serve"], arguments].concat());
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address = line
            .trim()
            .strip_prefix("listening on https://")
            .unwrap_or_else(|| panic!("{line:?}"));
        (child, address.to_owned())
    }
}

/// A client that was enrolled with a code of the command's.
fn enrolled(place: &Place, address: &str, role: &str, name: &str) -> http::Client {
    let printed = place.run(&["enrol", "--role", role, "--name", name]);
    let code = String::from_utf8(printed.stdout).unwrap();
    let pem = std::fs::read(place.data().join("tls-ca.pem")).unwrap();
    let ca: rustls::pki_types::CertificateDer<'_> =
        rustls::pki_types::pem::PemObject::from_pem_slice(&pem).unwrap();
    let address = address.parse().unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let body = http::enrol_body(code.trim(), &http::request(&key));
    let answer = http::client(address, &ca, None).post("/v1/enrol", &body);
    let certificate = http::bytes(&answer.json()["certificate"]);
    http::client(address, &ca, Some(&http::Card { certificate, key }))
}

#[test]
fn the_program_has_certificates_wait_as_its_settings_say_also_after_a_restart() {
    let place = Place::founded(http::today());
    let serve = || place.serve(&["--approval", "cards", "--approval-days", "2"]);
    let (child, address) = serve();
    let station = enrolled(&place, &address, "station", "LINE1");
    let operator = enrolled(&place, &address, "operator", "Ada");
    let body = asking::card(&station, 5_000);
    let id = asking::id(&station.post_with("/v1/requests", "once", &body));
    let row = &operator.get("/v1/approvals").json()["waiting"][0];
    let seconds = row["until"].as_u64().unwrap() - row["since"].as_u64().unwrap();
    assert_eq!(seconds, 2 * 86_400);
    let next = serde_json::json!({ "next_of": "ZZTERM" });
    let terminal = asking::wish(&station, "terminal", &next, 5_100);
    assert_eq!(station.post("/v1/requests", &terminal).status, 201);
    assert_eq!(end(child, Signal::TERM).0, Some(0));
    let (child, address) = serve();
    let second = enrolled(&place, &address, "operator", "Eve");
    let yes = second.post(&asking::approvals(&id), &asking::approve());
    assert_eq!(yes.status, 200, "{}", yes.body);
    assert_eq!(end(child, Signal::TERM).0, Some(0));
    // Without the setting, what waited before is known and nothing waits any more.
    let (child, address) = place.serve(&[]);
    let third = enrolled(&place, &address, "operator", "Bob");
    let again = third.post(&asking::approvals(&id), &asking::approve());
    assert_eq!(again.json()["certificate"], yes.json()["certificate"]);
    let other = enrolled(&place, &address, "station", "LINE2");
    let straight = other.post("/v1/requests", &asking::card(&other, 5_200));
    assert_eq!(straight.status, 201, "{}", straight.body);
    assert_eq!(end(child, Signal::TERM).0, Some(0));
}

fn end(mut child: Child, signal: Signal) -> (Option<i32>, String) {
    kill_process(Pid::from_child(&child), signal).unwrap();
    let mut log = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut log)
        .unwrap();
    (child.wait().unwrap().code(), log)
}

#[test]
fn a_signal_ends_it_with_exit_code_0() {
    let place = Place::new();
    for signal in [Signal::TERM, Signal::INT] {
        let (child, address) = place.serve(&[]);
        assert!(TcpStream::connect(&address).is_ok());
        let (code, log) = end(child, signal);
        assert_eq!(code, Some(0), "{log}");
        assert!(log.contains("\"message\":\"stopped\""), "{log}");
    }
}

/// Everything that could be a secret is planted; the log, at its loudest, has none of it.
#[test]
fn the_log_has_one_line_for_each_request_and_no_secret() {
    let place = Place::new();
    let printed = place.run(&["enrol", "--role", "operator", "--name", "Ada"]);
    let code = String::from_utf8(printed.stdout).unwrap().trim().to_owned();
    assert_eq!(
        code.len(),
        69,
        "{}",
        String::from_utf8_lossy(&printed.stderr)
    );
    let (child, address) = place.serve(&["--log", "trace"]);
    let address = address.parse().unwrap();
    let pem = std::fs::read(place.data().join("tls-ca.pem")).unwrap();
    let ca = rustls::pki_types::pem::PemObject::from_pem_slice(&pem).unwrap();
    let ca: rustls::pki_types::CertificateDer<'_> = ca;
    let key = rcgen::KeyPair::generate().unwrap();
    let csr = http::request(&key);
    let nobody = http::client(address, &ca, None);
    let answer = nobody.post("/v1/enrol", &http::enrol_body(&code, &csr));
    assert_eq!(answer.status, 201, "{}", answer.body);
    let certificate = http::bytes(&answer.json()["certificate"]);
    let operator = http::client(address, &ca, Some(&http::Card { certificate, key }));
    let invited = operator.post(
        "/v1/enrolments",
        &serde_json::json!({ "name": "LINE1", "role": "station" }),
    );
    let second = invited.json()["code"].as_str().unwrap().to_owned();
    let station_key = rcgen::KeyPair::generate().unwrap();
    let answer = nobody.post(
        "/v1/enrol",
        &http::enrol_body(&second, &http::request(&station_key)),
    );
    let certificate = http::bytes(&answer.json()["certificate"]);
    let station = http::client(
        address,
        &ca,
        Some(&http::Card {
            certificate,
            key: station_key,
        }),
    );
    let mut asked = 3;
    let planted = serde_json::json!({ "SECRET-member": "SECRET-value", "role": "SECRET-role", "code": "SECRET-code", "reason": "SECRET-reason" });
    for route in authority::server::routes::routes() {
        let path = route
            .path
            .replace("{id}", "SECRET-id")
            .replace("{name}", "SECRET-name")
            .replace("{holder}", "SECRET-holder");
        for client in [&nobody, &station, &operator] {
            client.ask(
                authority::server::openapi::verb(route.method),
                &path,
                Some(&planted),
            );
            client.get(&format!("{path}?SECRET-query=SECRET-value"));
            asked += 2;
        }
    }
    let (code_of_exit, log) = end(child, Signal::TERM);
    assert_eq!(code_of_exit, Some(0));
    let secret = station_secret(&[&code, &second]);
    for word in secret
        .iter()
        .map(String::as_str)
        .chain(["SECRET", "BEGIN", PASSPHRASE])
    {
        assert!(!log.contains(word), "the log has {word:?}");
    }
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let requests: Vec<_> = lines
        .iter()
        .filter(|line| line["message"] == "request")
        .collect();
    assert_eq!(requests.len(), asked);
    let first = requests[0];
    assert_eq!(
        (&first["route"], &first["client"], &first["status"]),
        (&"/v1/enrol".into(), &"-".into(), &201.into())
    );
    assert!(
        first["micros"].is_u64() && first["request"].is_string() && first["timestamp"].is_string()
    );
    assert!(
        requests
            .iter()
            .any(|line| line["client"] == "LINE1" && line["route"] == "/v1/orders")
    );
}

/// A code, with and without its hyphens.
fn station_secret(codes: &[&String]) -> Vec<String> {
    codes
        .iter()
        .flat_map(|code| [(*code).clone(), code.replace('-', "")])
        .collect()
}

#[test]
fn without_an_authority_or_with_a_wrong_passphrase_it_says_so_and_does_not_start() {
    let place = Place::new();
    let says = |output: Output, words: &str| {
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(
            output.status.code() == Some(1) && said.contains(words),
            "{said}"
        );
    };
    std::fs::write(place.0.path().join("passphrase"), "SECRET-wrong").unwrap();
    let wrong = place.run(&["serve"]);
    assert!(!String::from_utf8_lossy(&wrong.stderr).contains("SECRET"));
    says(wrong, "key.pem");
    says(
        place.run(&["enrol", "--role", "station", "--name", "a b"]),
        "1 to 32 letters",
    );
    std::fs::remove_dir_all(place.data()).unwrap();
    says(place.run(&["serve"]), "there is no authority");
    says(
        place.run(&["enrol", "--role", "station", "--name", "A"]),
        "there is no authority",
    );
}

#[test]
fn config_show_tells_every_value_and_where_it_came_from() {
    let place = Place::new();
    let file = place.0.path().join("authority.toml");
    std::fs::write(
        &file,
        "rate = 7\nburst = 9.5\nnames = [\"ca.example\", \"10.0.0.1\"]\nlog = \"warn\"\n",
    )
    .unwrap();
    let output = place
        .command(&["config", "show", "--origin", "--log", "debug"])
        .arg("--config")
        .arg(&file)
        .env("TALLYSTICK_AUTHORITY_BURST", "11")
        .env("TALLYSTICK_AUTHORITY_LOG", "error")
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(said.lines().count(), SETTINGS.len(), "{said}");
    for (value, origin) in [
        ("rate = \"7\"", "file "),
        ("burst = \"11\"", "environment TALLYSTICK_AUTHORITY_BURST"),
        ("log = \"debug\"", "flag --log"),
        ("names = \"ca.example,10.0.0.1\"", "file "),
        ("connections = \"256\"", "default"),
    ] {
        let found = said
            .lines()
            .any(|line| line.starts_with(value) && line.contains(&format!("# {origin}")));
        assert!(found, "{value} {origin}\n{said}");
    }
}

fn gather(file: Option<&Path>, environment: &[(&str, &str)]) -> Result<Values, ConfigError> {
    let environment = environment
        .iter()
        .map(|(name, value)| ((*name).into(), (*value).into()));
    Values::gather(file, environment, [])
}

#[test]
fn unknown_settings_and_wrong_values_are_errors_that_name_their_place() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.toml");
    for (text, words) in [
        ("prot = 1\n", "no setting `prot`"),
        ("passphrase = \"SECRET\"\n", "no setting `passphrase`"),
        ("rate = 1\nburst = = 2 # SECRET\n", "line 2"),
        ("rate = { a = 1 }\n", "`rate` is neither"),
    ] {
        std::fs::write(&file, text).unwrap();
        let said = gather(Some(&file), &[]).unwrap_err().to_string();
        assert!(
            said.contains(words) && said.contains("a.toml") && !said.contains("SECRET"),
            "{said}"
        );
    }
    let unknown = gather(None, &[("TALLYSTICK_AUTHORITY_PROT", "1")]).unwrap_err();
    assert!(
        matches!(&unknown, ConfigError::Unknown { key, origin: Origin::Environment(_) } if key == "prot")
    );
    assert!(gather(None, &[("TALLYSTICK_OTHER", "1")]).is_ok());
    for (key, value) in [
        ("LISTEN", "here"),
        ("RATE", "0"),
        ("RATE", "NaN"),
        ("BODY_SECONDS", "-1"),
        ("CONNECTIONS", "0"),
        ("HEAD_BYTES", "8191"),
        ("LOG", "loud"),
        ("APPROVAL", "card"),
        ("APPROVAL_DAYS", "0"),
        ("APPROVAL_DAYS", "366"),
    ] {
        let variable = format!("TALLYSTICK_AUTHORITY_{key}");
        let said = gather(None, &[(&variable, value)])
            .unwrap()
            .config()
            .unwrap_err()
            .to_string();
        assert!(said.contains(&variable) && said.contains(value), "{said}");
    }
    assert!(gather(None, &[]).unwrap().config().is_ok());
}

#[test]
fn every_setting_and_every_route_stands_in_the_documentation() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/authority.md");
    let text = std::fs::read_to_string(path).unwrap();
    for setting in SETTINGS {
        assert!(
            text.contains(&format!("| `{}` |", setting.key)),
            "{}",
            setting.key
        );
    }
    for route in authority::server::routes::routes() {
        let row = format!(
            "| `{} {}` |",
            authority::server::openapi::verb(route.method).to_uppercase(),
            route.path
        );
        assert!(text.contains(&row), "{row}");
    }
    for (word, status, ..) in authority::server::problem::KINDS {
        assert!(text.contains(&format!("| `{word}` | {status} |")), "{word}");
    }
}
