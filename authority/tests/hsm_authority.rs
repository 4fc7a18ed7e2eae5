//! An authority whose key is on a token: what it issues is like what others issue.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

mod support;
mod token;

use apdu::certificate::{Anchor, Expectations, ProvenCertificate, Role, Validity};
use authority::custody::{Custody, CustodyError, NewKey, Pin, TokenError};
use authority::{Authority, AuthorityError, NameOrder, NewRoot, Scope};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use support::{Bench, PASSPHRASE, START, Tape, at, name};
use token::{PIN, Tokens, alone, fault, make, pin, uri};

fn init(folder: &Path, object: &str, pin: Pin, existing: bool) -> Result<(), AuthorityError> {
    let key = NewKey::Token {
        uri: &uri(object),
        pin,
        existing,
    };
    let root = name("ZZTALLYROOT00001");
    Authority::init_with(folder, root, 15, key, &mut Tape(0), at(START))
}

/// An authority on the token ROOT, in a folder beside the tokens.
fn made(tokens: &Tokens, object: &str) -> PathBuf {
    let folder = tokens.folder().join(format!("ca-{object}"));
    init(&folder, object, pin(), false).unwrap();
    folder
}

fn refusal(result: Result<(), AuthorityError>) -> TokenError {
    match result {
        Ok(()) => panic!("it was done"),
        Err(AuthorityError::Custody(error)) => fault::<()>(Err(error)),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn certificates_and_lists_signed_by_a_token_verify_like_any_others() {
    alone(
        "certificates_and_lists_signed_by_a_token_verify_like_any_others",
        |tokens| {
            tokens.with_root();
            let folder = made(tokens, "root");
            assert!(!folder.join("key.pem").exists());
            assert!(matches!(
                Custody::of(&folder),
                Ok(Custody::Token(found)) if *found == uri("root")
            ));
            let authority = Authority::open(&folder, Duration::ZERO).unwrap();
            let key = authority.unlock(&folder, PIN.as_bytes()).unwrap();
            let mut bench = Bench {
                temporary: tempfile::tempdir().unwrap(),
                authority,
                key,
                tape: Tape(100),
                now: START,
            };
            let card = bench.certify(Role::Card, "ZZTALLYCARD00001");
            bench.certify(Role::Terminal, "ZZTALLYTERM00001");
            let revoked = name("ZZTALLYTERM00001");
            let now = at(bench.now);
            bench.authority.revoke(&revoked, "lost", now).unwrap();
            let list = bench
                .authority
                .publish(&mut *bench.key, Scope::Revoked, now)
                .unwrap();
            let root = Anchor::trust_root(bench.authority.root()).unwrap();
            let expected = Expectations {
                role: Role::Card,
                validity: Validity::Today(now.day()),
                min_epoch: 0,
                revoked: None,
            };
            ProvenCertificate::verify(card.clone(), &[&root], &expected).unwrap();
            list.verify(&[&root]).unwrap();
            let audit = bench.authority.audit().unwrap();
            assert_eq!((audit.certificates, audit.lists), (2, 1));
            // Under the root of another authority none of it does.
            let other = Bench::drawn_from(Tape(7));
            let stranger = Anchor::trust_root(other.authority.root()).unwrap();
            assert!(ProvenCertificate::verify(card, &[&stranger], &expected).is_err());
            assert!(list.verify(&[&stranger]).is_err());
        },
    );
}

#[test]
fn the_key_of_another_authority_does_not_open_this_one() {
    alone(
        "the_key_of_another_authority_does_not_open_this_one",
        |tokens| {
            tokens.with_root();
            let one = made(tokens, "one");
            let two = made(tokens, "two");
            fs::copy(two.join("key.uri"), one.join("key.uri")).unwrap();
            let unlocked = |folder: &Path| {
                let authority = Authority::open(folder, Duration::ZERO).unwrap();
                authority.unlock(folder, PIN.as_bytes())
            };
            assert!(matches!(unlocked(&one), Err(CustodyError::OtherKey(_))));
            assert!(unlocked(&two).is_ok());
            // Nor does a token open an authority whose key was in a file.
            let filed = Bench::new();
            let place = filed.folder();
            fs::copy(two.join("key.uri"), filed.folder().join("key.uri")).unwrap();
            let refused = filed.authority.unlock(&place, PIN.as_bytes());
            assert!(matches!(refused, Err(CustodyError::OtherKey(_))));
            fs::remove_file(filed.folder().join("key.uri")).unwrap();
            assert!(filed.authority.unlock(&place, PASSPHRASE).is_ok());
        },
    );
}

#[test]
fn an_authority_takes_a_key_that_is_there_only_on_purpose_and_only_a_good_one() {
    alone(
        "an_authority_takes_a_key_that_is_there_only_on_purpose_and_only_a_good_one",
        |tokens| {
            tokens.with_root();
            make("there", 1, &[]);
            make(
                "loose",
                2,
                &[cryptoki::object::Attribute::Extractable(true)],
            );
            let folder = tokens.folder().join("ca");
            let wrong = Pin::new(b"kestrel-4711-uses").unwrap();
            for (object, pin, existing, expected) in [
                ("there", pin(), false, TokenError::KeyExists),
                ("none", pin(), true, TokenError::NoKey),
                ("there", wrong, true, TokenError::WrongPin),
                (
                    "loose",
                    pin(),
                    true,
                    TokenError::Key(authority::custody::KeyFault::Extractable),
                ),
            ] {
                assert_eq!(refusal(init(&folder, object, pin, existing)), expected);
                assert!(!folder.exists(), "{object}: all or nothing");
            }
            init(&folder, "there", pin(), true).unwrap();
        },
    );
}

#[test]
fn an_authority_rolls_over_to_a_key_on_a_token_and_to_another() {
    alone(
        "an_authority_rolls_over_to_a_key_on_a_token_and_to_another",
        |tokens| {
            tokens.with_root();
            let mut bench = Bench::new(); // the first root's key is in a file
            let folder = bench.folder();
            make(
                "loose",
                2,
                &[cryptoki::object::Attribute::Extractable(true)],
            );
            let roll = |bench: &mut Bench, root: &str, object: &str, existing: bool| {
                let next = NewKey::Token {
                    uri: &uri(object),
                    pin: pin(),
                    existing,
                };
                let wish = NewRoot {
                    name: name(root),
                    years: 15,
                };
                let (old, tape) = (bench.key.as_mut(), &mut bench.tape);
                let now = at(bench.now);
                bench
                    .authority
                    .roll_over(&folder, old, next, &wish, tape, now)
            };
            let second = "ZZTALLYROOT00002";
            let refused = roll(&mut bench, second, "loose", true).map(drop);
            let fault = TokenError::Key(authority::custody::KeyFault::Extractable);
            assert_eq!(refusal(refused), fault);
            assert_eq!(bench.authority.size().unwrap(), 1);
            for (root, object) in [(second, "second"), ("ZZTALLYROOT00003", "third")] {
                let refused = roll(&mut bench, root, object, true).map(drop);
                assert_eq!(refusal(refused), TokenError::NoKey);
                roll(&mut bench, root, object, false).unwrap();
                let place = bench.folder();
                bench.key = bench.authority.unlock(&place, PIN.as_bytes()).unwrap();
                assert!(bench.key.describe().contains(object));
            }
            bench.certify(Role::Card, "ZZTALLYCARD00001");
            // The key of each root is where it was.
            let (place, roots) = (bench.folder(), bench.authority.roots().clone());
            for (root, secret) in roots
                .iter()
                .zip([PASSPHRASE, PIN.as_bytes(), PIN.as_bytes()])
            {
                let key = bench.authority.unlock_of(root, &place, secret).unwrap();
                assert!(key.public_key() == root.certificate.claims().key);
            }
            let audit = bench.authority.audit().unwrap();
            assert_eq!((audit.roots, audit.certificates), (3, 1));
        },
    );
}

#[test]
fn while_the_token_is_away_nothing_is_issued_and_nothing_is_written() {
    alone(
        "while_the_token_is_away_nothing_is_issued_and_nothing_is_written",
        |tokens| {
            tokens.with_root();
            let folder = made(tokens, "root");
            let authority = Authority::open(&folder, Duration::ZERO).unwrap();
            let key = authority.unlock(&folder, PIN.as_bytes()).unwrap();
            let mut bench = Bench {
                temporary: tempfile::tempdir().unwrap(),
                authority,
                key,
                tape: Tape(100),
                now: START,
            };
            let challenge = bench
                .order(Role::Card, NameOrder::Exactly(name("ZZTALLYCARD00001")))
                .unwrap();
            let request = bench.answer(&challenge);
            let before = bench.authority.size().unwrap();
            tokens.away(false);
            assert!(matches!(
                bench.issue(&request, Role::Card),
                Err(AuthorityError::Custody(CustodyError::TokenLost { .. }))
            ));
            assert_eq!(bench.authority.size().unwrap(), before);
            tokens.back();
            bench.issue(&request, Role::Card).unwrap();
            assert_eq!(bench.authority.size().unwrap(), before + 1);
        },
    );
}
