//! T54: hostile reasons in the authority's ledger, and hostile file names, in everything that `certify` prints.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

mod support;

use apdu::certificate::{Name, Request, Role};
use apdu::crypto::PrivateKey;
use authority::{Authority, AuthorityError, Moment, NameOrder, Order};
use getrandom::SysRng;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use support::{Desk, Ran};
use test_vectors::evidence::report;
use test_vectors::hostile::{is_dangerous, strings};

fn now() -> Moment {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Moment::from_unix_seconds(since.as_secs()).unwrap()
}

/// Certifies one terminal after the other and revokes each for one of these reasons, as far as the authority takes it.
/// Says which were taken.
fn revoke_for<'a>(desk: &Desk, reasons: &'a [String]) -> Vec<&'a String> {
    let mut authority = Authority::open(&desk.path("ca"), Duration::ZERO).unwrap();
    let mut key = authority
        .unlock(&desk.path("ca"), b"correct horse")
        .unwrap();
    let mut taken = Vec::new();
    for (number, reason) in reasons.iter().enumerate() {
        let name = Name::new(&format!("ZZTALLYTERM{number:05}")).unwrap();
        let order = Order {
            role: Role::Terminal,
            name: NameOrder::Exactly(name),
        };
        let challenge = authority.order(&order, &mut SysRng, now()).unwrap();
        let own = PrivateKey::generate(&mut SysRng).unwrap();
        let request = Request::create(
            challenge.issuer,
            challenge.holder,
            challenge.role,
            challenge.nonce,
            &own,
        );
        authority
            .issue(key.as_mut(), &request, Role::Terminal, None, now())
            .unwrap();
        match authority.revoke(&name, reason, now()) {
            Ok(()) => taken.push(reason),
            Err(AuthorityError::Revocation(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
    taken
}

fn harmless(said: &str) {
    assert!(!said.chars().any(is_dangerous), "{said:?}");
}

/// T54: reasons. What holds a control character is refused; the rest is shown escaped, and as JSON is what it was.
#[test]
fn a_hostile_reason_is_refused_or_shown_escaped_and_reads_back_from_json() {
    let strings = strings();
    let (mut taken, mut refused) = (0, 0);
    for reasons in strings.chunks(60) {
        let desk = Desk::with_authority();
        let kept = revoke_for(&desk, reasons);
        let text = desk.run("list").succeeds().text();
        harmless(&text);
        assert_eq!(
            text.lines().count(),
            1 + reasons.len(),
            "one line for each holder"
        );
        let json = desk.run("--output-format json list").succeeds();
        assert!(json.text().is_ascii());
        let rows = json.json();
        let shown = rows
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|row| row["reason"].as_str());
        assert!(shown.eq(kept.iter().map(|reason| reason.as_str())));
        desk.run("log verify").succeeds();
        taken += kept.len() as u64;
        refused += (reasons.len() - kept.len()) as u64;
    }
    assert!(taken > 60 && refused > 60, "{taken} {refused}");
    report(
        "T54",
        taken + refused,
        format_args!(
            "hostile reasons for revocation: {refused} refused, {taken} shown escaped, and read back from JSON"
        ),
    );
}

/// T54: file names, of files that are missing and of files that hold something else.
#[test]
fn a_hostile_file_name_is_shown_escaped() {
    let desk = Desk::with_authority();
    let mut runs = 0;
    for text in strings().iter().filter(|text| !text.contains('\0')) {
        let path = format!("./{text}");
        let _ = std::fs::write(desk.path(&path), "no certificate"); // where the name can be one
        for arguments in [
            &["inspect", &path][..],
            &["--output-format", "json", "inspect", &path],
            &["inspect", &format!("missing/{text}")],
            &["verify", &path, "--root", &path],
            &["export", "--", text],
            &[
                "revoke",
                "--reason=lost",
                "--passphrase-file=passphrase",
                "--",
                text,
            ],
        ] {
            let ran = Ran::new(text, desk.command(arguments).output().unwrap());
            assert_ne!(ran.code, Some(0), "{arguments:?}");
            harmless(&ran.stderr);
            harmless(&ran.text());
            runs += 1;
        }
    }
    assert!(runs > 1_000);
    report(
        "T54",
        runs,
        "runs of certify on hostile names of files and holders: nothing raw",
    );
}
