//! A service that starts while its token is away answers what it can, says what is missing, and signs when the token is there.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

mod http;
mod support;
mod token;

use apdu::certificate::{Request, Role};
use apdu::crypto::PrivateKey;
use authority::custody::{Awaited, Custody, CustodyError, NewKey, Signer as _, TokenError};
use authority::server::identity::Identity;
use authority::{Authority, Moment};
use http::{bytes, client, enrolled, text, today};
use serde_json::json;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use support::{Tape, name};
use token::{PIN, Tokens, alone, fault, pin, uri};

/// An authority on the token ROOT, in a folder beside the tokens.
fn made(tokens: &Tokens) -> PathBuf {
    tokens.with_root();
    let folder = tokens.folder().join("ca");
    let key = NewKey::Token {
        uri: &uri("root"),
        pin: pin(),
        existing: false,
    };
    let now = Moment::from_unix_seconds(today()).unwrap();
    let root = name("ZZTALLYROOT00001");
    Authority::init_with(&folder, root, 15, key, &mut Tape(0), now).unwrap();
    folder
}

struct Service(Child);

impl Service {
    fn command(ca: &Path, pin: &str) -> Command {
        let file = ca.with_file_name("pin");
        fs::write(&file, pin).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_authority"));
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--log", "off", "--data"])
            .arg(ca)
            .arg("--passphrase-file")
            .arg(file)
            .stdin(Stdio::null());
        command
    }

    fn start(ca: &Path) -> (Self, SocketAddr) {
        let mut command = Self::command(ca, PIN);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap())
            .read_line(&mut line)
            .unwrap();
        let service = Self(child);
        let address = line.trim().strip_prefix("listening on https://");
        let address = address.unwrap_or_else(|| panic!("{line:?}"));
        (service, address.parse().unwrap())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_service_starts_without_its_token_and_signs_when_it_is_there() {
    alone(
        "a_service_starts_without_its_token_and_signs_when_it_is_there",
        |tokens| {
            let ca = made(tokens);
            let identity = Identity::open(&ca, today()).unwrap();
            let card = enrolled(&ca, &identity);
            for folder_remains in [true, false] {
                tokens.away(folder_remains);
                let (_service, address) = Service::start(&ca);
                let station = client(address, identity.certificate(), Some(&card));
                let health = station.get("/v1/health");
                assert_eq!(health.status, 503, "{}", health.body);
                assert!(health.body.contains("\"key\""), "{}", health.body);
                let word = |what: &str| format!("{what}-{folder_remains}");
                let wish = json!({ "role": "card", "name": { "next_of": "ZZAWAY" } });
                let order = station.post_with("/v1/orders", &word("order"), &wish);
                assert_eq!(order.status, 201, "no key is needed: {}", order.body);
                let told = order.json();
                let part = |part: &str| name(told[part].as_str().unwrap());
                let nonce = bytes(&told["nonce"]).try_into().unwrap();
                let key = PrivateKey::generate(&mut Tape(u64::from(folder_remains) + 50)).unwrap();
                let request =
                    Request::create(part("issuer"), part("holder"), Role::Card, nonce, &key);
                let wish = json!({ "request": text(request.encoded()), "role": "card" });
                let ask = || station.post_with("/v1/requests", &word("request"), &wish);
                for _ in 0..2 {
                    let refused = ask();
                    assert!(refused.is(503, "unavailable"), "{}", refused.body);
                }
                tokens.back();
                let issued = ask();
                assert_eq!(issued.status, 201, "{}", issued.body);
                let health = station.get("/v1/health");
                assert_eq!(health.status, 200, "{}", health.body);
            }
        },
    );
}

#[test]
fn a_service_with_a_wrong_pin_does_not_start() {
    alone("a_service_with_a_wrong_pin_does_not_start", |tokens| {
        let ca = made(tokens);
        let ended = Service::command(&ca, "kestrel-4711-uses").output().unwrap();
        assert!(!ended.status.success());
        let told = String::from_utf8_lossy(&ended.stderr);
        assert!(told.contains("wrong PIN"), "{told}");
    });
}

#[test]
fn a_token_that_comes_and_refuses_the_pin_is_not_asked_again() {
    alone(
        "a_token_that_comes_and_refuses_the_pin_is_not_asked_again",
        |tokens| {
            let ca = made(tokens);
            let public = Authority::open(&ca, std::time::Duration::ZERO).unwrap();
            let public = public.root().claims().key.clone();
            let open = |pin: &[u8]| Awaited::open(Custody::of(&ca).unwrap(), pin, &public);
            tokens.away(true);
            let mut wrong = open(b"kestrel-4711-uses").unwrap();
            let mut right = open(PIN.as_bytes()).unwrap();
            assert!(wrong.missing().is_some() && right.missing().is_some());
            assert!(matches!(
                right.sign(b"away"),
                Err(CustodyError::TokenLost { .. })
            ));
            tokens.back();
            assert_eq!(fault(wrong.sign(b"here")), TokenError::WrongPin);
            assert_eq!(fault(wrong.sign(b"here")), TokenError::PinRefusedBefore);
            let signature = right.sign(b"here").unwrap();
            assert!(public.verify(b"here", &signature).is_ok());
            assert!(right.missing().is_none());
        },
    );
}
