//! A token that goes away, comes back, or does not know its PIN any more.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

mod token;

use authority::custody::{CustodyError, Pin, Pkcs11Key, Signer, TokenError};
use cryptoki::object::{Attribute, ObjectClass};
use cryptoki::types::AuthPin;
use token::{PIN, alone, end_all_sessions, fault, make, open, pin, session, uri};

fn is_good(key: &mut Pkcs11Key, message: &[u8]) -> bool {
    let signature = key.sign(message).unwrap();
    key.public_key().verify(message, &signature).is_ok()
}

fn is_lost(key: &mut Pkcs11Key) -> bool {
    matches!(key.sign(b"lost"), Err(CustodyError::TokenLost { .. }))
}

#[test]
fn a_token_that_was_away_is_found_again_by_the_next_signature() {
    alone(
        "a_token_that_was_away_is_found_again_by_the_next_signature",
        |tokens| {
            tokens.with_root();
            let mut key = Pkcs11Key::generate(&uri("root"), pin()).unwrap();
            assert!(is_good(&mut key, b"before"));
            for round in 0..4 {
                tokens.away(round % 2 == 0);
                for attempt in 0..3 {
                    assert!(is_lost(&mut key), "round {round}, attempt {attempt}");
                }
                let told = key.sign(b"lost").unwrap_err().to_string();
                assert!(
                    told.starts_with("token ROOT, key root: the token is lost"),
                    "{told}"
                );
                tokens.back();
                assert!(is_good(&mut key, b"after"), "round {round}");
            }
        },
    );
}

#[test]
fn a_session_that_was_ended_is_made_anew_without_anyone_noticing() {
    alone(
        "a_session_that_was_ended_is_made_anew_without_anyone_noticing",
        |tokens| {
            tokens.with_root();
            let mut key = Pkcs11Key::generate(&uri("root"), pin()).unwrap();
            for _ in 0..3 {
                end_all_sessions();
                assert!(is_good(&mut key, b"message"));
            }
        },
    );
}

#[test]
fn two_keys_of_one_process_survive_each_others_restarts() {
    alone(
        "two_keys_of_one_process_survive_each_others_restarts",
        |tokens| {
            tokens.with_root();
            let mut one = Pkcs11Key::generate(&uri("one"), pin()).unwrap();
            let mut two = Pkcs11Key::generate(&uri("two"), pin()).unwrap();
            for _ in 0..3 {
                end_all_sessions();
                assert!(is_good(&mut one, b"one") && is_good(&mut two, b"two"));
                tokens.away(true);
                assert!(is_lost(&mut two) && is_lost(&mut one));
                tokens.back();
                assert!(is_good(&mut two, b"two") && is_good(&mut one, b"one"));
            }
            drop(one);
            assert!(is_good(&mut two, b"two"), "the other's end is not ours");
        },
    );
}

#[test]
fn a_wrong_pin_is_told_as_such() {
    alone("a_wrong_pin_is_told_as_such", |tokens| {
        tokens.with_root();
        make("root", 1, &[]);
        for wrong in ["kestrel-4711-uses", "k", &"9".repeat(255)] {
            let wrong = Pin::new(wrong.as_bytes()).unwrap();
            let refused = Pkcs11Key::open(&uri("root"), wrong, None);
            assert_eq!(fault(refused), TokenError::WrongPin);
        }
        open(&uri("root")).unwrap();
    });
}

#[test]
fn a_pin_that_was_refused_is_never_sent_again() {
    alone("a_pin_that_was_refused_is_never_sent_again", |tokens| {
        tokens.with_root();
        let mut key = Pkcs11Key::generate(&uri("root"), pin()).unwrap();
        let (old, new) = (AuthPin::from(PIN), AuthPin::from("sparrow-1234"));
        session(|session| session.set_pin(&old, &new).unwrap());
        end_all_sessions();
        assert_eq!(fault(key.sign(b"message")), TokenError::WrongPin);
        // Set back, so that sending it once more would succeed.
        session_as(&new, |session| session.set_pin(&new, &old).unwrap());
        for _ in 0..20 {
            assert_eq!(fault(key.sign(b"message")), TokenError::PinRefusedBefore);
        }
        drop(key);
        assert!(is_good(&mut open(&uri("root")).unwrap(), b"message"));
    });
}

/// A session whose user has another PIN.
fn session_as(pin: &AuthPin, body: impl FnOnce(&cryptoki::session::Session)) {
    token::conversation(|client| {
        let slot = client.get_slots_with_initialized_token().unwrap()[0];
        let session = client.open_rw_session(slot).unwrap();
        // Still logged in where the module keeps the user beyond a refusal.
        let _ = session.login(cryptoki::session::UserType::User, Some(pin));
        body(&session);
    });
}

#[test]
fn a_token_that_comes_back_with_another_key_signs_nothing() {
    alone(
        "a_token_that_comes_back_with_another_key_signs_nothing",
        |tokens| {
            tokens.with_root();
            make("root", 1, &[]);
            let mut key = open(&uri("root")).unwrap();
            session(|session| {
                for class in [ObjectClass::PRIVATE_KEY, ObjectClass::PUBLIC_KEY] {
                    let found = session.find_objects(&[Attribute::Class(class)]).unwrap();
                    session.destroy_object(found[0]).unwrap();
                }
            });
            assert_eq!(fault(key.sign(b"message")), TokenError::NoKey);
            make("root", 1, &[]);
            assert_eq!(fault(key.sign(b"message")), TokenError::NoKey);
            assert!(open(&uri("root")).unwrap().public_key() != key.public_key());
        },
    );
}
