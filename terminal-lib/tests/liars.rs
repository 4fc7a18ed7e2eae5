//! Cards, readers and lines that lie: each is stopped, each error says who lacks what, and nothing stored changes.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop")]

mod double;

use apdu::certificate::{Refusal, Role};
use apdu::codec::status::StatusWord;
use apdu::identifier::header;
use double::*;
use terminal_lib::application::*;
use terminal_lib::flow::{SelectFault, SetUpFault};
use terminal_lib::session::SessionError;
use terminal_lib::{ConnectError, SetUpFailure};

/// A set-up that must fail, with a willing user: the fault, and whether the user was asked for the PIN.
fn failed_set_up(bench: &mut Bench) -> (SetUpFailure, bool) {
    let before = bench.store.dangerous_copy();
    let mut user = User::willing();
    let error = bench.fail(&mut user, &Policy::Auto);
    assert!(
        bench.store.same_content(&before),
        "{error}: something was stored"
    );
    match error {
        ConnectError::SetUp(failure) => (failure, !user.asked_for_pin.is_empty()),
        other => panic!("another error: {other}"),
    }
}

fn flip_last_mac_bit(mut response: Vec<u8>) -> Vec<u8> {
    let mac = response.len() - 3;
    response[mac] ^= 1;
    response
}

/// ST-33: a wrong proof is a card that does not authenticate; without consent nothing follows.
#[test]
fn a_known_card_with_a_wrong_proof_is_not_recognised_and_nothing_stored_changes() {
    let mut bench = Bench::paired();
    let before = bench.store.dangerous_copy();
    bench
        .card
        .answer_instead(header::RECONNECT, |mut response| {
            response[37] ^= 1; // the last byte of AuthC
            response
        });
    let error = bench.fail(&mut User::absent(), &Policy::Never);
    assert!(matches!(
        error,
        ConnectError::NotPaired(SetUpReason::KnownCardDidNotAuthenticate)
    ));
    assert_eq!(
        bench.card.count(header::RECONNECT),
        1,
        "there is no second try"
    );
    assert!(bench.store.same_content(&before));
    bench.card.tell_the_truth();
    bench.reconnect().unwrap().close();
}

/// A card that shows the tags of a paired card and cannot prove it may be set up only as that very card.
#[test]
fn a_stranger_with_the_tags_of_a_known_card_does_not_get_the_pin() {
    let bench = Bench::paired();
    let stranger = DoubleCard::named("ZZTALLYCARD00002", 8);
    let slot = bench.card.inner().slot.as_ref().unwrap().0.dangerous_copy();
    stranger.inner().slot = Some((slot, 0));
    stranger.answer_instead(header::RECONNECT, |mut response| {
        response[37] ^= 1;
        response
    });
    let mut bench = Bench::with(&stranger, &bench.store);
    let (failure, asked) = failed_set_up(&mut bench);
    let card = name("ZZTALLYCARD00002");
    assert_eq!(failure, SetUpFault::OtherCard { card }.into());
    assert!(!asked);
}

/// ST-35, ST-53: the result of authentication cannot be forged.
#[test]
fn a_wrong_or_missing_mac_on_the_first_answer_opens_no_session() {
    let answers: [fn(Vec<u8>) -> Vec<u8>; 4] = [
        flip_last_mac_bit,
        |_| vec![0x90, 0x00],
        |_| vec![0x69, 0x88],
        |_| vec![0, 0, 0, 0, 0x26, 0x11, 0x21, 0xA3, 0x90, 0x00],
    ];
    for (number, answer) in answers.into_iter().enumerate() {
        let mut bench = Bench::paired();
        bench.card.answer_instead(header::STATUS, answer);
        let error = bench.fail(&mut User::absent(), &Policy::Never);
        assert!(
            matches!(
                error,
                ConnectError::Session(SessionError::ChannelBroken { .. })
            ),
            "answer {number}: {error}"
        );
        assert_eq!(bench.card.count(header::STATUS), 1);
        bench.card.tell_the_truth();
        bench.reconnect().unwrap().close();
    }
}

#[test]
fn a_newer_card_stops_the_terminal() {
    let mut bench = Bench::new();
    bench.card.inner().version = 2;
    let error = bench.fail(&mut User::willing(), &Policy::Auto);
    assert!(matches!(
        error,
        ConnectError::Card(SelectFault::NewerCard(2))
    ));
    assert_eq!(bench.card.take_log(), [header::SELECT]);
}

/// ST-25, ST-42: which side lacks what.
#[test]
fn a_terminal_that_the_card_refuses_is_told_so_and_that_it_may_not_be_the_card() {
    let mut bench = Bench::new();
    bench.card.inner().takes = Takes::None;
    let (failure, asked) = failed_set_up(&mut bench);
    assert_eq!(failure, SetUpFault::TerminalRefused.into());
    assert!(failure.to_string().contains("or something in between"));
    assert!(!asked);
}

/// ST-25.
#[test]
fn a_card_that_is_not_certified_is_said_to_be_the_one_that_lacks_it() {
    let mut bench = Bench::new();
    bench.card.inner().capabilities = 0x02;
    let (failure, _) = failed_set_up(&mut bench);
    assert_eq!(failure, SetUpFault::CardNotReady.into());
    assert_eq!(bench.card.count(header::VERIFY_CERTIFICATE), 0);
}

/// ST-25, ST-44: the card's certificate is checked for role, issuer, signature, dates and epoch before the PIN.
#[test]
fn a_card_whose_certificate_fails_any_check_does_not_get_the_pin() {
    type Change = fn(&mut apdu::certificate::CertificateFields);
    let rows: [(Refusal, Change); 5] = [
        (Refusal::Role, |fields| fields.role = Role::Terminal),
        (Refusal::Issuer, |fields| fields.issuer = name(NEW_ROOT)),
        (Refusal::Signature, |_| {}),
        (Refusal::Expired, |fields| fields.until = fields.from),
        (Refusal::NotYetValid, |fields| fields.from = fields.until),
    ];
    for (refusal, change) in rows {
        let mut bench = Bench::new();
        let key = bench.card.inner().key.public_key();
        let signer = match refusal {
            Refusal::Signature => new_root_key(),
            _ => root_key(),
        };
        bench.card.inner().certificate = certify(&signer, ROOT, CARD, Role::Card, &key, change);
        let (failure, asked) = failed_set_up(&mut bench);
        match failure {
            SetUpFailure::Fault(SetUpFault::CardDistrusted {
                card,
                refusal: found,
                ..
            }) => {
                assert_eq!((card, found), (name(CARD), refusal));
            }
            other => panic!("{refusal:?}: {other}"),
        }
        assert!(!asked, "{refusal:?}");
    }
}

/// ST-45: a certificate alone is worth nothing.
#[test]
fn a_card_that_shows_anothers_certificate_cannot_prove_it_and_does_not_get_the_pin() {
    let mut bench = Bench::new();
    bench.card.inner().key = private_key(99);
    let (failure, asked) = failed_set_up(&mut bench);
    assert_eq!(
        failure,
        SetUpFault::CardUnproven { card: name(CARD) }.into()
    );
    assert!(!asked);
}

#[test]
fn another_card_than_the_expected_one_does_not_get_the_pin() {
    let mut bench = Bench::new();
    let mut user = User::willing();
    let error = bench.fail(&mut user, &Policy::only(&name("ZZTALLYCARD00002")));
    let expected = SetUpFault::OtherCard { card: name(CARD) };
    assert!(matches!(error, ConnectError::SetUp(SetUpFailure::Fault(fault)) if fault == expected));
    assert!(user.asked_for_pin.is_empty());
}

#[test]
fn a_known_name_with_another_key_is_an_error_and_not_a_new_pairing() {
    let paired = Bench::paired();
    let twin = DoubleCard::named(CARD, 8);
    let mut bench = Bench::with(&twin, &paired.store);
    let (failure, asked) = failed_set_up(&mut bench);
    assert_eq!(bench.card.count(header::TERMINAL_RANDOM), 0);
    assert_eq!(failure, SetUpFault::KeyChanged { card: name(CARD) }.into());
    assert!(!asked);
}

#[test]
fn a_known_card_that_has_lost_its_pairing_is_reported_once_it_has_proved_its_name() {
    let mut bench = Bench::paired();
    bench.card.inner().slot = None;
    let mut user = User::willing();
    bench.connect(&mut user, &Policy::Ask).unwrap().close();
    let card = name(CARD);
    assert_eq!(
        user.notices,
        [Notice::PairingLost { card }, Notice::PairingMade { card }]
    );
    assert!(user.asked_for_pin[0].paired_before);
}

/// ST-53: in set-up, too, an answer without a good MAC is the end.
#[test]
fn a_protected_step_of_set_up_that_is_answered_in_clear_or_with_a_wrong_mac_ends_it() {
    for step in [
        header::CARD_CERTIFICATE,
        header::TERMINAL_RANDOM,
        header::VERIFY,
        header::COMMIT,
    ] {
        let answers: [fn(Vec<u8>) -> Vec<u8>; 2] = [flip_last_mac_bit, |_| vec![0x90, 0x00]];
        for answer in answers {
            let mut bench = Bench::new();
            bench.card.answer_instead(step, answer);
            let error = bench.fail(&mut User::willing(), &Policy::Auto);
            assert!(
                matches!(
                    error,
                    ConnectError::SetUp(SetUpFailure::Fault(
                        SetUpFault::Channel { .. } | SetUpFault::CardUnproven { .. }
                    ))
                ),
                "{step:?}: {error}"
            );
            let committed = step == header::COMMIT;
            assert_eq!(bench.card.count(header::COMMIT), usize::from(committed));
        }
    }
}

#[test]
fn no_commit_is_sent_without_a_right_pin() {
    let mut bench = Bench::new();
    bench.card.inner().pin = b"000000".to_vec();
    let mut user = User::willing();
    let error = bench.fail(&mut user, &Policy::Auto);
    assert!(matches!(
        error,
        ConnectError::SetUp(SetUpFailure::PinRefused { .. })
    ));
    assert_eq!(
        bench.card.count(header::COMMIT),
        0,
        "no commit without a right PIN"
    );
    assert!(bench.terminal.pairings().unwrap().is_empty());
}

#[test]
fn a_card_of_the_old_root_is_shown_the_link_and_one_that_does_not_need_it_is_not() {
    let mut store = terminal_lib::store::MemoryStore::new();
    certify_identity(&mut store, &new_root_key(), NEW_ROOT, &[root(), new_root()]);
    let mut bench = Bench::with(&DoubleCard::new(), &store);
    bench.card.inner().takes = Takes::AfterLink;
    let (failure, _) = failed_set_up(&mut bench);
    assert_eq!(
        failure,
        SetUpFault::TerminalRefused.into(),
        "there is no link"
    );

    let desk = identity_name();
    let mut linked = terminal_lib::store::MemoryStore::new();
    terminal_lib::identity::pin_root(&mut linked, &desk, &root()).unwrap();
    terminal_lib::identity::add_link(&mut linked, &desk, &link(), today()).unwrap();
    certify_identity(&mut linked, &new_root_key(), NEW_ROOT, &[]);
    let mut bench = Bench::with(&DoubleCard::new(), &linked);
    bench.card.inner().takes = Takes::AfterLink;
    bench
        .connect(&mut User::willing(), &Policy::Auto)
        .unwrap()
        .close();
    assert_eq!(bench.card.count(header::VERIFY_CERTIFICATE), 1 + 2);
    let mut bench = Bench::with(&DoubleCard::new(), &linked);
    bench
        .connect(&mut User::willing(), &Policy::Auto)
        .unwrap()
        .close();
    assert_eq!(bench.card.count(header::VERIFY_CERTIFICATE), 1);
}

#[test]
fn a_revoked_card_is_refused_in_set_up_and_a_paired_one_is_forgotten() {
    use terminal_lib::identity::take_status_list;
    let card = holder(Role::Card, CARD);
    for (list, refusal) in [
        (status_list(1, 0, &[card]), Refusal::Revoked),
        (status_list(1, 2, &[]), Refusal::Epoch),
    ] {
        let mut bench = Bench::new();
        take_status_list(&mut bench.store, &identity_name(), &list, today()).unwrap();
        let error = bench.fail(&mut User::willing(), &Policy::Auto);
        match (refusal, &error) {
            (
                Refusal::Revoked,
                ConnectError::SetUp(SetUpFailure::Fault(SetUpFault::CardDistrusted {
                    refusal,
                    ..
                })),
            ) => assert_eq!(*refusal, Refusal::Revoked),
            // This terminal's own certificate is of the epoch that was cut off.
            (_, ConnectError::SetUp(SetUpFailure::OwnCertificate(Refusal::Epoch))) => {}
            _ => panic!("{refusal:?}: {error}"),
        }

        let mut bench = Bench::paired();
        take_status_list(&mut bench.store, &identity_name(), &list, today()).unwrap();
        match bench.fail(&mut User::willing(), &Policy::Auto) {
            ConnectError::Revoked {
                card,
                refusal: found,
            } => {
                assert_eq!((card, found), (name(CARD), refusal));
            }
            other => panic!("{other}"),
        }
        assert!(bench.terminal.pairings().unwrap().is_empty());
        assert_eq!(bench.card.count(header::STATUS), 0, "nothing is sent to it");
    }
}

/// The record decides: a replayed old certificate of a card must not cost a good pairing.
#[test]
fn a_revoked_card_that_has_lost_its_slot_is_forgotten_and_one_with_a_newer_certificate_is_not() {
    use terminal_lib::identity::take_status_list;
    let revoked = status_list(1, 0, &[holder(Role::Card, CARD)]);
    let cut_off = status_list(1, 1, &[]);
    for (list, left) in [(revoked, 0), (cut_off, 1)] {
        let mut bench = Bench::paired();
        take_status_list(&mut bench.store, &identity_name(), &list, today()).unwrap();
        bench.card.inner().slot = None;
        let key = bench.card.inner().key.public_key();
        let old = certify(&root_key(), ROOT, CARD, Role::Card, &key, |fields| {
            fields.epoch = 0;
        });
        bench.card.inner().certificate = old;
        let error = bench.fail(&mut User::willing(), &Policy::Auto);
        assert!(
            matches!(
                error,
                ConnectError::SetUp(SetUpFailure::Fault(SetUpFault::CardDistrusted { .. }))
            ),
            "{error}"
        );
        assert_eq!(bench.terminal.pairings().unwrap().len(), left);
    }
}

#[test]
fn a_terminal_with_a_higher_minimum_suite_stops_after_select() {
    let mut bench = Bench::paired();
    let desk = identity_name();
    terminal_lib::identity::set_minimum_suite(&mut bench.store, &desk, 2).unwrap();
    let error = bench.fail(&mut User::willing(), &Policy::Auto);
    assert!(matches!(
        error,
        ConnectError::Card(SelectFault::NoCommonSuite)
    ));
    assert_eq!(bench.card.take_log(), [header::SELECT]);
    terminal_lib::identity::set_minimum_suite(&mut bench.store, &desk, 1).unwrap();
    bench.reconnect().unwrap().close();
}

/// T20: whatever a card answers, and whenever, the terminal ends in an error or in a session, and never in a panic; a
/// pairing that was good stays good.
#[test]
fn garbage_in_the_place_of_any_answer_harms_nobody() {
    let mut entropy = FixedEntropy::new(4);
    let mut draw = move || {
        let mut bytes = [0; 2];
        apdu::crypto::Entropy::fill(&mut entropy, &mut bytes).unwrap();
        u16::from_be_bytes(bytes)
    };
    let of_set_up = [
        header::VERIFY_CERTIFICATE,
        header::KEY_EXCHANGE,
        header::CARD_CERTIFICATE,
        header::TERMINAL_RANDOM,
        header::VERIFY,
        header::COMMIT,
    ];
    let of_reconnect = [header::SELECT, header::RECONNECT, header::STATUS];
    for round in 0..400 {
        let paired = round % 4 != 0;
        let (mut bench, to) = match paired {
            false => (Bench::new(), of_set_up[usize::from(draw()) % 6]),
            true => (Bench::paired(), of_reconnect[usize::from(draw()) % 3]),
        };
        let (kind, place, value) = (draw() % 5, usize::from(draw()), draw().to_be_bytes());
        bench.card.answer_instead(to, move |mut response| {
            let place = place % response.len();
            match kind {
                0 => response.truncate(place),
                1 => response[place] ^= value[0] | 1,
                2 => response.insert(place, value[0]),
                3 => response = vec![value[0]; place],
                _ => response = value.to_vec(),
            }
            response
        });
        let _ = bench.connect(&mut User::willing(), &Policy::Auto).map(drop);
        bench.card.tell_the_truth();
        let healed = match paired {
            true => bench.reconnect().map(drop),
            false => bench.connect(&mut User::willing(), &Policy::Auto).map(drop),
        };
        assert!(healed.is_ok(), "round {round}, {to:?}: {:?}", healed.err());
    }
}

#[test]
fn words_outside_of_every_rule_are_told_as_words() {
    let mut bench = Bench::new();
    bench
        .card
        .answer_instead(header::KEY_EXCHANGE, |_| vec![0x6F, 0x00]);
    let (failure, _) = failed_set_up(&mut bench);
    let SetUpFailure::Fault(SetUpFault::Refused { status, .. }) = failure else {
        panic!("{failure}");
    };
    assert_eq!(status, StatusWord::UNSPECIFIED);
}
