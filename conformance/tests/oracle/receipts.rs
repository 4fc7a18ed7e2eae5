//! ST-61: certificates and receipts of the authority, judged by the second program.

use super::peer::{Peer, python};
use apdu::certificate::{Name, Request, Role};
use apdu::crypto::PrivateKey;
use authority::{Authority, Moment, NameOrder, Order};
use getrandom::SysRng;
use serde_json::json;
use std::fs;
use std::path::Path;
use std::time::Duration;

const PASSPHRASE: &[u8] = b"correct horse";

/// What the offline verifier says of a receipt.
fn verified(folder: &Path, receipt: &str) -> bool {
    let path = folder.join("receipt.json");
    fs::write(&path, receipt).unwrap();
    let mut judge = python(&[]);
    let program = judge.get_program().to_owned();
    let place = judge.get_current_dir().map(Path::to_owned);
    judge = std::process::Command::new(program);
    judge.current_dir(place.unwrap());
    judge.args(["-B", "-m", "oracle.receipt"]);
    judge.arg(folder.join("ca/root.cvcert")).arg(path);
    let told = judge.output().unwrap();
    let words = String::from_utf8_lossy(&told.stdout).into_owned();
    assert_eq!(words.lines().count(), 1, "{words} {told:?}");
    assert_eq!(
        told.status.success(),
        words.starts_with("verified: "),
        "{words}"
    );
    told.status.success()
}

/// Every holder's receipt holds for the second program, and every certificate is one; with one digit changed neither is.
#[test]
fn the_second_program_takes_our_certificates_and_receipts_and_no_damaged_ones() {
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca");
    let now = Moment::from_unix_seconds(1_795_219_200).unwrap();
    let root = Name::new("ZZTALLYROOT00001").unwrap();
    Authority::init(&ca, root, 15, PASSPHRASE, &mut SysRng, now).unwrap();
    let mut authority = Authority::open(&ca, Duration::ZERO).unwrap();
    let mut key = authority.unlock(&ca, PASSPHRASE).unwrap();
    let peer = Peer::start();
    for number in 1..=5 {
        let order = Order {
            role: Role::Card,
            name: NameOrder::NextOf("ZZSEEN".into()),
        };
        let challenge = authority.order(&order, &mut SysRng, now).unwrap();
        let own = PrivateKey::generate(&mut SysRng).unwrap();
        let (issuer, holder) = (challenge.issuer, challenge.holder);
        let request = Request::create(issuer, holder, Role::Card, challenge.nonce, &own);
        let certificate = authority
            .issue(key.as_mut(), &request, Role::Card, None, now)
            .unwrap();
        let judge = |bytes: &[u8]| {
            let paper: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            let told =
                peer.ask(&json!({"do": "judge", "id": "", "kind": "certificate", "paper": paper}));
            told.get("failed").is_none()
        };
        assert!(judge(certificate.encoded()));
        let cut = certificate.encoded().len() - 1;
        assert!(!judge(&certificate.encoded()[..cut]));
        let receipt = serde_json::to_string(&authority.receipt(&holder).unwrap()).unwrap();
        assert!(verified(folder.path(), &receipt), "{number}");
        for (what, with) in [
            ("ZZSEEN0000", "ZZSEEN1000"),
            ("\"index\":", "\"index\":1"),
            ("\"size\":", "\"size\":1"),
        ] {
            let damaged = receipt.replacen(what, with, 1);
            assert_ne!(damaged, receipt);
            assert!(!verified(folder.path(), &damaged), "{what}");
        }
    }
}
