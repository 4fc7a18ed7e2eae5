//! A key on a token of SoftHSM2: made, found, checked, used.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

mod token;

use authority::custody::{CustodyError, KeyFault, KeyUri, Pin, Pkcs11Key, Signer, TokenError};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, ObjectClass};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use token::{MODULE, PIN, alone, fault, make, open, parse, pin, session, templates, uri};

#[test]
fn a_key_made_on_a_token_is_found_again_and_signs_what_verifies() {
    alone(
        "a_key_made_on_a_token_is_found_again_and_signs_what_verifies",
        |tokens| {
            tokens.with_root();
            let mut key = Pkcs11Key::generate(&uri("root"), pin()).unwrap();
            assert_eq!(key.describe(), "token ROOT, key root");
            let public = key.public_key();
            for message in [&b""[..], b"message", &[0x5A; 5_000]] {
                let signature = key.sign(message).unwrap();
                assert!(public.verify(message, &signature).is_ok());
                assert!(public.verify(b"massage", &signature).is_err());
            }
            drop(key);
            let mut again = Pkcs11Key::open(&uri("root"), pin(), Some(&public)).unwrap();
            let signature = again.sign(b"another day").unwrap();
            assert!(public.verify(b"another day", &signature).is_ok());
            drop(again);
            let other = Pkcs11Key::generate(&uri("other"), pin()).unwrap();
            assert!(other.public_key() != public);
            assert!(matches!(
                Pkcs11Key::open(&uri("other"), pin(), Some(&public)),
                Err(CustodyError::OtherKey(name)) if name == "token ROOT, key other"
            ));
        },
    );
}

#[test]
fn a_key_is_made_only_under_a_label_and_an_id_that_are_free() {
    alone(
        "a_key_is_made_only_under_a_label_and_an_id_that_are_free",
        |tokens| {
            tokens.with_root();
            let generate = |path: &str| Pkcs11Key::generate(&parse(path), pin());
            let public = generate("object=root;id=%01").unwrap().public_key();
            for (path, refusal) in [
                ("object=root", TokenError::KeyExists),
                ("object=root;id=%02", TokenError::KeyExists),
                ("object=other;id=%01", TokenError::KeyExists),
                ("id=%02", TokenError::NoLabel),
                ("token=OTHER;object=new", TokenError::NoToken),
            ] {
                assert_eq!(fault(generate(path)), refusal, "{path}");
            }
            let keys = [Attribute::Class(ObjectClass::PRIVATE_KEY)];
            session(|session| assert_eq!(session.find_objects(&keys).unwrap().len(), 1));
            assert!(open(&parse("id=%01")).unwrap().public_key() == public);
            generate("object=other;id=%02").unwrap();
        },
    );
}

#[test]
fn module_token_and_key_that_are_not_there_are_told_apart() {
    alone(
        "module_token_and_key_that_are_not_there_are_told_apart",
        |tokens| {
            tokens.with_root();
            make("root", 1, &[]);
            tokens.initialise("TWIN");
            tokens.initialise("TWIN");
            let bare = KeyUri::parse("pkcs11:token=ROOT;object=root").unwrap();
            assert_eq!(fault(open(&bare)), TokenError::NoModule);
            for module in ["/nonexistent.so", "/etc/passwd"] {
                let text = format!("pkcs11:token=ROOT?module-path={module}");
                let refused = fault(open(&KeyUri::parse(&text).unwrap()));
                let path = Path::new(module);
                assert!(
                    matches!(&refused, TokenError::Module { path: named, .. } if named == path),
                    "{refused}"
                );
            }
            for (path, refusal) in [
                ("token=root;object=root", TokenError::NoToken),
                ("token=ROOT;serial=0;object=root", TokenError::NoToken),
                ("token=ROOT;model=other;object=root", TokenError::NoToken),
                ("token=ROOT;manufacturer=other", TokenError::NoToken),
                ("slot-id=1", TokenError::NoToken),
                ("token=TWIN", TokenError::SeveralTokens(2)),
                ("object=root", TokenError::SeveralTokens(3)),
                ("token=ROOT;object=Root", TokenError::NoKey),
                ("token=ROOT;object=root;id=%02", TokenError::NoKey),
            ] {
                assert_eq!(fault(open(&parse(path))), refusal, "{path}");
            }
            let (slot, serial) = token::conversation(|client| {
                let slots = client.get_slots_with_initialized_token().unwrap();
                let about = |slot| client.get_token_info(slot).unwrap();
                let root = slots
                    .into_iter()
                    .find(|slot| about(*slot).label() == "ROOT");
                let root = root.unwrap();
                (root.id(), about(root).serial_number().to_string())
            });
            for path in [
                "token=ROOT",
                &format!("serial={serial}"),
                &format!("slot-id={slot};object=root;id=%01"),
                "token=ROOT;model=SoftHSM%20v2;manufacturer=SoftHSM%20project",
            ] {
                assert_eq!(
                    open(&parse(path)).unwrap().describe(),
                    "token ROOT, key root",
                    "{path}"
                );
            }
        },
    );
}

#[test]
fn two_keys_with_one_label_need_an_id() {
    alone("two_keys_with_one_label_need_an_id", |tokens| {
        tokens.with_root();
        make("root", 1, &[]);
        make("root", 2, &[]);
        assert_eq!(fault(open(&uri("root"))), TokenError::SeveralKeys(2));
        let one = open(&uri("root;id=%01")).unwrap();
        let two = open(&uri("root;id=%02")).unwrap();
        assert!(one.public_key() != two.public_key());
    });
}

#[test]
fn a_key_with_one_wrong_attribute_is_refused_for_it() {
    alone(
        "a_key_with_one_wrong_attribute_is_refused_for_it",
        |tokens| {
            tokens.with_root();
            make("right", 1, &[]);
            let generated = [
                (Attribute::Sensitive(false), KeyFault::NotSensitive),
                (Attribute::Extractable(true), KeyFault::Extractable),
                (Attribute::Sign(false), KeyFault::CannotSign),
                (Attribute::Decrypt(true), KeyFault::Decrypts),
                (Attribute::Unwrap(true), KeyFault::Unwraps),
                (Attribute::Derive(true), KeyFault::Derives),
                (
                    Attribute::AlwaysAuthenticate(true),
                    KeyFault::AlwaysAuthenticates,
                ),
            ];
            for (number, (change, _)) in (2..).zip(&generated) {
                make("wrong", number, std::slice::from_ref(change));
            }
            // What was wrong once and was set right stays suspicious.
            for (id, was, is) in [
                (20, Attribute::Sensitive(false), Attribute::Sensitive(true)),
                (
                    21,
                    Attribute::Extractable(true),
                    Attribute::Extractable(false),
                ),
            ] {
                make("wrong", id, &[was]);
                session(|session| {
                    let found = [
                        Attribute::Class(ObjectClass::PRIVATE_KEY),
                        Attribute::Id(vec![id]),
                    ];
                    let key = session.find_objects(&found).unwrap()[0];
                    session.update_attributes(key, &[is]).unwrap();
                });
            }
            other_kinds();
            let later = [
                (20, KeyFault::NotAlwaysSensitive),
                (21, KeyFault::WasExtractable),
                (30, KeyFault::NotEc),
                (31, KeyFault::NotP256),
            ];
            let first = (2..).zip(generated.map(|(_, refusal)| refusal));
            for (id, refusal) in first.chain(later) {
                let refused = fault(open(&uri(&format!("wrong;id=%{id:02x}"))));
                assert_eq!(refused, TokenError::Key(refusal), "id {id}");
            }
            open(&uri("right")).unwrap();
        },
    );
}

/// An RSA key and a key on P-384.
fn other_kinds() {
    let (_, private) = templates("wrong", 30, &[]);
    let private: Vec<_> = private
        .into_iter()
        .filter(|attribute| !matches!(attribute, Attribute::KeyType(_)))
        .collect();
    let public = [
        Attribute::Token(true),
        Attribute::ModulusBits(2_048.into()),
        Attribute::PublicExponent(vec![1, 0, 1]),
    ];
    let (mut larger, ours) = templates("wrong", 31, &[]);
    larger.retain(|attribute| !matches!(attribute, Attribute::EcParams(_)));
    larger.push(Attribute::EcParams(token::P384.to_vec()));
    session(|session| {
        let rsa = Mechanism::RsaPkcsKeyPairGen;
        session.generate_key_pair(&rsa, &public, &private).unwrap();
        let ec = Mechanism::EccKeyPairGen;
        session.generate_key_pair(&ec, &larger, &ours).unwrap();
    });
}

#[test]
fn a_public_key_that_is_missing_or_of_another_key_is_noticed() {
    alone(
        "a_public_key_that_is_missing_or_of_another_key_is_noticed",
        |tokens| {
            tokens.with_root();
            make("root", 1, &[]);
            make("other", 2, &[]);
            let public_of = |id: u8| {
                [
                    Attribute::Class(ObjectClass::PUBLIC_KEY),
                    Attribute::Id(vec![id]),
                ]
            };
            session(|session| {
                let own = session.find_objects(&public_of(1)).unwrap()[0];
                session.destroy_object(own).unwrap();
            });
            assert_eq!(fault(open(&uri("root"))), TokenError::PublicKeys(0));
            session(|session| {
                let other = session.find_objects(&public_of(2)).unwrap()[0];
                let under_our_id = [Attribute::Id(vec![1])];
                session.copy_object(other, &under_our_id).unwrap();
                let copies = session.find_objects(&public_of(1)).unwrap();
                assert_eq!(copies.len(), 1);
            });
            assert_eq!(fault(open(&uri("root"))), TokenError::WrongSignature);
            open(&uri("other")).unwrap();
        },
    );
}

#[test]
fn the_pin_is_in_no_argument_no_environment_and_no_error() {
    alone(
        "the_pin_is_in_no_argument_no_environment_and_no_error",
        |tokens| {
            tokens.with_root();
            let file = tokens.folder().join("pin");
            fs::write(&file, format!("{PIN}\n")).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
            let text = format!(
                "pkcs11:token=ROOT;object=root?module-path={MODULE}&pin-source=file:{}",
                file.display()
            );
            let uri = KeyUri::parse(&text).unwrap();
            let read = || Pin::from_file(uri.pin_source.as_deref().unwrap()).unwrap();
            let mut key = Pkcs11Key::generate(&uri, read()).unwrap();
            key.sign(b"message").unwrap();
            let child = Command::new("env").output().unwrap();
            let mut places = vec![
                ("arguments", fs::read("/proc/self/cmdline").unwrap()),
                ("environment", fs::read("/proc/self/environ").unwrap()),
                ("a child's environment", child.stdout),
                ("description", key.describe().into_bytes()),
                ("URI", format!("{uri} {uri:?}").into_bytes()),
            ];
            // The places are looked into, or nothing could be found there.
            let holds = |place: &[u8], what: &str| {
                let what = what.as_bytes();
                place.windows(what.len()).any(|window| window == what)
            };
            assert!(holds(&places[0].1, "--exact") && holds(&places[1].1, "SOFTHSM2_CONF="));
            assert!(holds(&places[2].1, "SOFTHSM2_CONF="));
            drop(key);
            let wrong = Pin::new(format!("{PIN}-not").as_bytes()).unwrap();
            let error = Pkcs11Key::open(&uri, wrong, None).err().unwrap();
            places.push(("error", format!("{error} {error:?}").into_bytes()));
            fs::write(&file, format!("{PIN}\x07\n")).unwrap();
            let error = Pin::from_file(&file).err().unwrap();
            places.push(("file's error", format!("{error} {error:?}").into_bytes()));
            for (place, content) in places {
                assert!(!holds(&content, PIN), "{place}");
            }
        },
    );
}
