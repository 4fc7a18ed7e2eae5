//! Inside a session (§10, §11, §13, §14): typed commands, several services, and what ends it.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop")]

mod double;

use apdu::certificate::Role;
use apdu::codec::command::Header;
use apdu::codec::status::StatusWord;
use apdu::identifier::{Aid, header};
use apdu::message::pin::{Digits, Reference};
use apdu::message::vault::{ObjectName, Policy as VaultPolicy};
use double::*;
use terminal_lib::ConnectError;
use terminal_lib::application::*;
use terminal_lib::exchange::Expects;
use terminal_lib::identity::{summary, take_status_list};
use terminal_lib::service::{counter::Counter, vault::Vault};
use terminal_lib::session::{CodeOutcome, PinVerified, SessionError};
use terminal_lib::transport::TransportError;

fn digits(text: &[u8]) -> Digits {
    Digits::new(Reference::Pin, text).unwrap()
}

/// ST-09, ST-50 to ST-54: typed commands in, authentic answers out, as many as one likes.
#[test]
fn typed_commands_are_answered_in_one_session() {
    let mut bench = Bench::paired();
    let certificate = bench.card.inner().certificate.clone();
    let mut session = bench.reconnect().unwrap();
    for _ in 0..50 {
        assert_eq!(session.status().unwrap().puk_tries, 10);
    }
    assert_eq!(session.services().unwrap(), [Aid::VAULT, Aid::COUNTER]);
    assert_eq!(session.card_certificate().unwrap(), certificate);
    assert_eq!(session.status_list().unwrap(), None);
    assert_eq!(
        session.is_pin_verified().unwrap(),
        PinVerified::No { tries_left: 3 }
    );
    assert_eq!(
        session.verify_pin(&digits(b"000000")).unwrap(),
        CodeOutcome::Wrong { tries_left: 2 }
    );
    assert_eq!(
        session.verify_pin(&digits(PIN)).unwrap(),
        CodeOutcome::Right
    );
    assert_eq!(session.is_pin_verified().unwrap(), PinVerified::Yes);
    assert_eq!(session.pairings().unwrap().len(), 1);
}

/// ST-11: several service providers, each with its own data, share one session by turns.
#[test]
fn two_service_providers_share_one_session_and_each_selects_its_service_when_needed() {
    let mut bench = Bench::paired();
    let card = bench.card.clone();
    let (mut vault, mut counter) = (Vault::new(), Counter::new());
    let mut session = bench.reconnect().unwrap();
    assert_eq!(
        session.verify_pin(&digits(PIN)).unwrap(),
        CodeOutcome::Right
    );
    assert_eq!(counter.read(&mut session).unwrap().value, 0);
    assert_eq!(counter.add(&mut session, 5).unwrap(), 5);
    assert_eq!(vault.list(&mut session).unwrap().len(), 1);
    let note = ObjectName::new("note").unwrap();
    assert_eq!(vault.read(&mut session, &note).unwrap().len(), 3_000);
    assert_eq!(counter.add(&mut session, 2).unwrap(), 7);
    assert_eq!(counter.seen().unwrap().value, 7);
    assert_eq!(vault.listed()[0].name, note);
    assert_eq!(card.count(header::SELECT_SERVICE), 3);
    vault
        .write(&mut session, &note, VaultPolicy::default(), &[1; 20_000])
        .unwrap();
}

/// ST-55: services deal in plain commands, and cannot reach the authentication application.
#[test]
fn a_service_command_is_of_class_8c_and_needs_a_selected_service() {
    let mut bench = Bench::paired();
    let mut session = bench.reconnect().unwrap();
    for class in [0x00, 0x0C, 0x80, 0x9C] {
        let header = Header::new(class, 0x20, 0, 0);
        assert!(matches!(
            session.service_command(header, &[], Expects::Short),
            Err(SessionError::NotAServiceCommand)
        ));
    }
    let read = |session: &mut terminal_lib::Session<'_>| {
        let answer = session.service_command(header::COUNTER_READ, &[], Expects::Short);
        answer.unwrap().status
    };
    assert_eq!(read(&mut session), StatusWord::CONDITIONS_NOT_SATISFIED);
    session.select_service(Aid::COUNTER).unwrap();
    assert_eq!(read(&mut session), StatusWord::OK);
    assert!(matches!(
        session.select_service(Aid::service(9, 1)),
        Err(SessionError::Refused {
            status: StatusWord::NOT_FOUND,
            ..
        })
    ));
}

#[test]
fn a_protected_refusal_is_a_result_and_the_session_goes_on() {
    let mut bench = Bench::paired();
    let mut session = bench.reconnect().unwrap();
    assert!(matches!(
        session.pairings(),
        Err(SessionError::Refused {
            status: StatusWord::SECURITY_NOT_SATISFIED,
            ..
        })
    ));
    let too_long = session.service_command(header::VAULT_WRITE, &[0; 41_000], Expects::Nothing);
    assert!(matches!(
        too_long,
        Err(SessionError::TooLong { length: 41_000 })
    ));
    assert!(session.is_open() && session.status().is_ok());
}

/// ST-53: an answer that is not authentic ends the session, and is never shown as a result.
#[test]
fn an_unprotected_or_wrong_answer_ends_the_session_and_every_later_call_fails_at_once() {
    let answers: [fn(Vec<u8>) -> Vec<u8>; 5] = [
        |_| vec![0x90, 0x00],
        |_| vec![0x6A, 0x82],
        |_| vec![0x69, 0x88],
        |mut response| {
            let last = response.len() - 3;
            response[last] ^= 1;
            response
        },
        |mut response| {
            let status = response.len() - 2;
            response[status..].copy_from_slice(&[0x6A, 0x82]);
            response
        },
    ];
    for answer in answers {
        let mut bench = Bench::paired();
        let card = bench.card.clone();
        let mut session = bench.reconnect().unwrap();
        card.answer_instead(header::LIST_SERVICES, answer);
        assert!(matches!(
            session.services(),
            Err(SessionError::ChannelBroken { .. })
        ));
        card.tell_the_truth();
        let sent = card.take_log().len();
        assert!(sent > 0 && !session.is_open());
        assert!(matches!(session.status(), Err(SessionError::Over)));
        assert!(card.take_log().is_empty(), "nothing more is sent");
        drop(session);
        bench.reconnect().unwrap().close();
    }
}

#[test]
fn an_answer_that_does_not_come_ends_the_session_and_the_command_is_not_repeated() {
    let mut bench = Bench::paired();
    let card = bench.card.clone();
    // SELECT, C1, status, SELECT service, and the counter's answer is lost.
    bench.line.plan = Some((4, Break::After(TransportError::Reader("noise".into()))));
    let mut session = bench.reconnect().unwrap();
    let mut counter = Counter::new();
    let lost = counter.add(&mut session, 1);
    assert!(matches!(lost, Err(SessionError::Unanswered { .. })));
    assert!(matches!(
        counter.add(&mut session, 1),
        Err(SessionError::Over)
    ));
    assert_eq!(card.count(header::COUNTER_ADD), 1);
    assert_eq!(
        card.inner().counter,
        1,
        "it was executed, and the terminal cannot know"
    );
}

#[test]
fn long_answers_come_by_get_response_or_by_extended_length() {
    for capabilities in [0x82, 0x83] {
        let mut bench = Bench::paired();
        bench.card.inner().capabilities = capabilities;
        let mut session = bench.reconnect().unwrap();
        assert_eq!(
            session.verify_pin(&digits(PIN)).unwrap(),
            CodeOutcome::Right
        );
        let note = ObjectName::new("note").unwrap();
        let content = Vault::new().read(&mut session, &note).unwrap();
        assert_eq!(*content, vec![0x5A; 3_000]);
    }
}

#[test]
fn unpairing_needs_no_pin_and_leaves_nothing_on_either_side() {
    for with_pin in [false, true] {
        let mut bench = Bench::paired();
        let mut session = bench.reconnect().unwrap();
        if with_pin {
            assert_eq!(
                session.verify_pin(&digits(PIN)).unwrap(),
                CodeOutcome::Right
            );
        }
        session.unpair().unwrap();
        assert!(bench.card.inner().slot.is_none());
        assert!(bench.terminal.pairings().unwrap().is_empty());
        let deletions = if with_pin { 1 } else { usize::from(SLOT) + 1 };
        assert_eq!(bench.card.count(header::DELETE_PAIRING), deletions);
    }
}

#[test]
fn a_factory_reset_needs_the_pin_and_forgets_the_pairing_when_it_was_done() {
    for with_pin in [false, true] {
        let mut bench = Bench::paired();
        let mut session = bench.reconnect().unwrap();
        if with_pin {
            assert_eq!(
                session.verify_pin(&digits(PIN)).unwrap(),
                CodeOutcome::Right
            );
        }
        assert_eq!(session.factory_reset().is_ok(), with_pin);
        assert_eq!(bench.card.inner().slot.is_none(), with_pin);
        assert_eq!(bench.terminal.pairings().unwrap().is_empty(), with_pin);
    }
}

#[test]
fn a_newer_list_goes_to_the_card_and_an_equal_one_stays_at_home() {
    let mut bench = Bench::paired();
    let stranger = holder(Role::Card, "ZZTALLYCARD00009");
    let list = status_list(4, 0, &[stranger]);
    take_status_list(&mut bench.store, &identity_name(), &list, today()).unwrap();
    let mut user = User::absent();
    bench.connect(&mut user, &Policy::Never).unwrap().close();
    assert_eq!(user.notices, [Notice::StatusListSent { sequence: 4 }]);
    assert_eq!(bench.card.inner().list, Some(list));
    bench.card.take_log();
    bench.reconnect().unwrap().close();
    assert_eq!(
        bench.card.take_log().len(),
        3,
        "no list in either direction"
    );
}

#[test]
fn a_newer_list_on_the_card_is_verified_and_stored() {
    let mut bench = Bench::paired();
    let revoked: Vec<_> = (0..64)
        .map(|n| apdu::certificate::HolderHash([n; 12]))
        .collect();
    let list = status_list(7, 1, &revoked);
    bench.card.inner().list = Some(list.clone());
    let mut user = User::absent();
    bench.connect(&mut user, &Policy::Never).unwrap().close();
    assert_eq!(user.notices, [Notice::StatusListTaken { sequence: 7 }]);
    assert_eq!(
        summary(&bench.store, &identity_name()).unwrap().list,
        Some(list)
    );
}

#[test]
fn a_list_on_the_card_that_no_trusted_root_signed_is_not_taken_and_does_not_stop_the_session() {
    let mut bench = Bench::paired();
    let list = status_list(7, 9, &[]);
    let forged = apdu::certificate::StatusList::assemble(list.claims().clone(), [1; 64]);
    bench.card.inner().list = Some(forged);
    let mut user = User::absent();
    bench.connect(&mut user, &Policy::Never).unwrap().close();
    assert!(matches!(
        user.notices[..],
        [Notice::StatusListNotTaken { .. }]
    ));
    assert_eq!(summary(&bench.store, &identity_name()).unwrap().list, None);
}

/// §4, §13: however long, an authentic list is read whole, found malformed, told, and ends nothing.
#[test]
fn a_list_as_long_as_an_answer_can_be_is_told_and_ends_no_session() {
    // 87 with length and mark, 99 and 8E stand around the padded data.
    for length in [2_000, 41_000, 65_503 - 1] {
        for extended in [true, false] {
            let mut bench = Bench::paired();
            {
                let mut inner = bench.card.inner();
                inner.list = Some(status_list(7, 0, &[]));
                inner.raw_list = Some(vec![0xE0; length]);
                inner.capabilities = if extended { 0x83 } else { 0x82 };
            }
            let mut user = User::absent();
            let mut session = bench.connect(&mut user, &Policy::Never).unwrap();
            session.status().unwrap();
            session.close();
            let [Notice::StatusListNotTaken { reason }] = &user.notices[..] else {
                panic!("{length}: {:?}", user.notices);
            };
            assert!(reason.contains("malformed"), "{reason}");
        }
    }
}

#[test]
fn a_card_that_brings_the_list_it_is_on_itself_is_refused_and_forgotten() {
    let mut bench = Bench::paired();
    let list = status_list(7, 0, &[holder(Role::Card, CARD)]);
    bench.card.inner().list = Some(list);
    let error = bench.fail(&mut User::absent(), &Policy::Never);
    assert!(matches!(error, ConnectError::Revoked { .. }), "{error}");
    assert!(bench.terminal.pairings().unwrap().is_empty());
}

#[test]
fn a_traced_session_shows_no_digit_of_the_pin() {
    use terminal_lib::transport::trace::Traced;
    let mut bench = Bench::new();
    let mut text = String::new();
    let mut line = Traced::new(Line::new(&bench.card), |event| {
        text.push_str(&format!("{event}\n{event:?}\n"));
    });
    let mut user = User::willing();
    let session = bench.terminal.connect(&mut line, &mut user, &Policy::Auto);
    session.unwrap().close();
    drop(line);
    assert!(text.contains("VERIFY  0C 20 00 81"), "{text}");
    assert!(!text.contains("271828") && !text.contains("50, 55, 49"));
    for body in [CARD, TERMINAL, ROOT] {
        assert!(!text.contains(body), "names are bodies, too");
    }
}

#[test]
fn a_recorded_session_plays_again_with_the_same_randomness_and_no_card() {
    use terminal_lib::transport::replay::{Recording, Replay};
    let store = certified_store();
    let run = |line: &mut dyn terminal_lib::transport::Transport| {
        let mut terminal = terminal(&store.dangerous_copy());
        let mut user = User::willing();
        terminal
            .connect(line, &mut user, &Policy::Auto)
            .map(|session| session.card())
    };
    let mut recording = Recording::new(Line::new(&DoubleCard::new()));
    assert_eq!(run(&mut recording).unwrap(), name(CARD));
    let (_, exchanges) = recording.finish();
    let mut replay = Replay::new(&[], exchanges.clone());
    assert_eq!(run(&mut replay).unwrap(), name(CARD));
    assert!(replay.is_finished());
    // One bit of any answer changed: no session. The first SELECT and C1 belong to the attempt that found a stranger.
    for number in 2..exchanges.len() {
        let mut changed = exchanges.clone();
        let middle = changed[number].1.len() / 2;
        changed[number].1[middle] ^= 1;
        assert!(
            run(&mut Replay::new(&[], changed)).is_err(),
            "answer {number}"
        );
    }
}
