//! The whole of Fig. 5 against an honest card: who is asked, what is sent, what is written down (§16).
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop")]

mod double;

use apdu::identifier::header;
use double::*;
use terminal_lib::application::*;
use terminal_lib::store::{Fault, PairingStore, record::PairingRecord};
use terminal_lib::transport::{Ending, TransportError};
use terminal_lib::{ConnectError, SetUpFailure};

/// ST-20, ST-21, ST-23, ST-40 to ST-47: authentication comes first, set-up follows by itself, and authentication again.
#[test]
fn a_card_and_a_terminal_that_have_never_met_end_in_a_session_with_one_question_for_the_pin() {
    let mut bench = Bench::new();
    let mut user = User::willing();
    let mut session = bench.connect(&mut user, &Policy::Ask).unwrap();
    assert_eq!(session.card().as_str(), CARD);
    assert_eq!(session.status().unwrap().pin_tries, 3);
    session.close();
    assert_eq!(user.asked_to_pair, [SetUpReason::NeverMet]);
    assert_eq!(
        user.asked_for_pin,
        [PinRequest {
            card: name(CARD),
            paired_before: false,
            state: PinState::Open { tries_left: 3 },
            puk_tries_left: 10,
            reason: SetUpReason::NeverMet,
            attempt: 1,
            in_doubt: false,
        }]
    );
    assert_eq!(user.notices, [Notice::PairingMade { card: name(CARD) }]);
    let expected = [
        header::SELECT,
        header::RECONNECT,
        header::SELECT,
        header::VERIFY_CERTIFICATE,
        header::KEY_EXCHANGE,
        header::CARD_CERTIFICATE,
        header::TERMINAL_RANDOM,
        header::VERIFY,
        header::COMMIT,
        header::SELECT,
        header::RECONNECT,
        header::STATUS,
        header::STATUS,
    ];
    assert_eq!(bench.card.take_log(), expected);
}

/// ST-22, ST-26, ST-27, ST-30 to ST-35: later insertions are symmetric, ask nobody, and cost three commands and one commit.
#[test]
fn a_paired_card_is_recognised_with_three_commands_one_commit_and_no_question() {
    let mut bench = Bench::paired();
    for session in 1..5 {
        let commits = bench.store.commits();
        bench.reconnect().unwrap().close();
        assert_eq!(
            bench.card.take_log(),
            [header::SELECT, header::RECONNECT, header::STATUS]
        );
        assert_eq!(bench.store.commits() - commits, 1);
        let pairing = &bench.terminal.pairings().unwrap()[0];
        assert_eq!((pairing.uses, pairing.confirmed), (1 + session, true));
    }
}

/// ST-30: two runs with the same card never use the same nonce.
#[test]
fn challenges_are_fresh_in_every_session() {
    use apdu::message::reconnect::Challenge;
    use terminal_lib::transport::replay::Recording;
    let mut bench = Bench::paired();
    let mut nonces = Vec::new();
    for _ in 0..3 {
        let mut line = Recording::new(Line::new(&bench.card));
        let session = bench
            .terminal
            .connect(&mut line, &mut User::absent(), &Policy::Never);
        session.unwrap().close();
        let (_, exchanges) = line.finish();
        let c1 = &exchanges[1].0;
        nonces.push(Challenge::decode(&c1[5..31]).unwrap().terminal_nonce);
    }
    nonces.sort();
    nonces.dedup();
    assert_eq!(nonces.len(), 3);
}

#[test]
fn a_session_ends_with_a_reset_and_a_failed_connection_without() {
    let mut bench = Bench::paired();
    bench.line.endings.clear();
    bench.reconnect().unwrap().close();
    drop(bench.reconnect().unwrap());
    assert_eq!(bench.line.endings, [Ending::Reset, Ending::Reset]);
    let mut stranger = Bench::with(&bench.card, &certified_store());
    stranger.fail(&mut User::absent(), &Policy::Never);
    assert_eq!(stranger.line.endings, [Ending::Leave]);
}

#[test]
fn c1_is_sent_also_when_no_tag_matches_and_its_answer_is_thrown_away() {
    let mut bench = Bench::new();
    let error = bench.fail(&mut User::absent(), &Policy::Never);
    assert!(matches!(
        error,
        ConnectError::NotPaired(SetUpReason::NeverMet)
    ));
    assert_eq!(bench.card.take_log(), [header::SELECT, header::RECONNECT]);
}

#[test]
fn no_certificate_is_shown_before_the_application_has_agreed() {
    let mut bench = Bench::new();
    let mut user = User::with([]);
    user.agrees = false;
    let error = bench.fail(&mut user, &Policy::Ask);
    assert!(matches!(error, ConnectError::NotPaired(_)));
    assert_eq!(bench.card.count(header::VERIFY_CERTIFICATE), 0);
    user.agrees = true;
    bench.fail(&mut user, &Policy::Ask);
    assert_eq!(bench.card.count(header::VERIFY_CERTIFICATE), 1);
}

#[test]
fn the_policies_auto_and_only_ask_for_the_pin_and_nothing_else() {
    for policy in [Policy::Auto, Policy::only(&name(CARD))] {
        let mut user = User::willing();
        Bench::new().connect(&mut user, &policy).unwrap();
        assert_eq!((user.asked_to_pair.len(), user.asked_for_pin.len()), (0, 1));
    }
}

/// ST-24: the second failure stops.
#[test]
fn a_card_that_does_not_know_us_right_after_set_up_is_an_error_that_says_so() {
    let mut bench = Bench::new();
    let mut user = User::willing();
    let mut selects = 0;
    bench.card.inner().tamper = Some(Box::new(move |header, mut response| {
        selects += usize::from(header == header::SELECT);
        if header == header::SELECT && selects == 3 {
            response[17 + 32..113].fill(0xEE); // the tags of a card that has just lost its memory
        }
        response
    }));
    let error = bench.fail(&mut user, &Policy::Ask);
    assert!(matches!(error, ConnectError::SecondFailure), "{error}");
    assert!(error.to_string().contains("have just paired"));
    assert_eq!(
        user.asked_for_pin.len(),
        1,
        "it does not begin a third time"
    );
}

/// ST-26: a new card, or a new terminal, needs nothing but the PIN.
#[test]
fn replacing_the_card_or_the_terminal_needs_nothing_but_the_pin() {
    let first = Bench::paired();
    let other_card = DoubleCard::named("ZZTALLYCARD00002", 8);
    let mut bench = Bench::with(&other_card, &first.store);
    bench
        .connect(&mut User::willing(), &Policy::Ask)
        .unwrap()
        .close();
    assert_eq!(bench.terminal.pairings().unwrap().len(), 2);
    Bench::with(&first.card, &first.store)
        .reconnect()
        .unwrap()
        .close();
    let mut new_terminal = Bench::with(&first.card, &certified_store());
    new_terminal
        .connect(&mut User::willing(), &Policy::Ask)
        .unwrap()
        .close();
}

#[test]
fn a_lost_first_answer_is_made_good_by_the_next_key_and_two_commits() {
    for lost in [
        TransportError::CardRemoved,
        TransportError::CardReset,
        TransportError::Reader("noise".into()),
    ] {
        let mut bench = Bench::paired();
        bench.line.plan = Some((2, Break::After(lost)));
        let error = bench.fail(&mut User::absent(), &Policy::Never);
        assert!(matches!(error, ConnectError::Session(_)), "{error}");
        assert_eq!(bench.card.count(header::STATUS), 1, "it is not repeated");
        let commits = bench.store.commits();
        bench.reconnect().unwrap().close();
        assert_eq!(bench.store.commits() - commits, 2);
        bench.reconnect().unwrap().close();
    }
}

#[test]
fn a_lost_answer_to_the_commit_is_made_good_by_the_pending_key() {
    for event in [
        Break::Before(TransportError::CardRemoved),
        Break::After(TransportError::CardRemoved),
    ] {
        let mut bench = Bench::new();
        bench.line.plan = Some((8, event.clone()));
        bench.fail(&mut User::willing(), &Policy::Auto);
        let reconnected = bench.reconnect().map(|session| session.close());
        match event {
            Break::After(_) => reconnected.unwrap(),
            _ => assert!(matches!(reconnected, Err(ConnectError::NotPaired(_)))),
        }
        // Whatever happened, both can pair and meet again.
        bench
            .connect(&mut User::willing(), &Policy::Auto)
            .unwrap()
            .close();
        bench.reconnect().unwrap().close();
    }
}

/// ST-12: power goes at every commit of the terminal's store, before and after, or the medium fails: never a dead pairing.
#[test]
fn a_power_cut_at_any_commit_leaves_a_pairing_that_works_or_one_that_can_be_made() {
    let faults = [Fault::Fail, Fault::CutBefore, Fault::CutAfter];
    let mut tried = 0;
    for paired_before in [false, true] {
        for commit in 0..5 {
            for fault in faults {
                let mut bench = if paired_before {
                    Bench::paired()
                } else {
                    Bench::new()
                };
                if paired_before {
                    // The first answer was lost, so the next connection has two commits.
                    bench.line.plan = Some((2, Break::After(TransportError::CardRemoved)));
                    bench.fail(&mut User::absent(), &Policy::Never);
                }
                bench
                    .store
                    .plan_fault(bench.store.commits() + commit, fault);
                let outcome = bench
                    .connect(&mut User::willing(), &Policy::Auto)
                    .map(|_| ());
                let label = format!("paired {paired_before}, commit {commit}, {fault:?}");
                if outcome.is_ok() {
                    assert!(commit >= if paired_before { 2 } else { 3 }, "{label}");
                    continue;
                }
                tried += 1;
                assert!(matches!(outcome, Err(ConnectError::Store(_))), "{label}");
                // Power is back: the store opens with what was durable.
                let store = bench.store.dangerous_copy();
                let mut after = Bench::with(&bench.card, &store);
                let mut user = User::willing();
                after.connect(&mut user, &Policy::Auto).unwrap().close();
                if paired_before {
                    assert!(user.asked_for_pin.is_empty(), "{label}: a pairing was lost");
                }
                after.reconnect().unwrap().close();
            }
        }
    }
    assert_eq!(tried, 3 * (3 + 2));
}

/// ST-12: a read error is never "absent".
#[test]
fn a_store_that_cannot_be_read_stops_the_connection_before_anything_is_asked() {
    let mut bench = Bench::paired();
    bench.store.set_unreadable(true);
    let mut user = User::willing();
    let error = bench.fail(&mut user, &Policy::Auto);
    assert!(matches!(error, ConnectError::Store(_)));
    assert!(user.asked_for_pin.is_empty());
    bench.store.set_unreadable(false);
    bench.reconnect().unwrap().close();
}

#[test]
fn the_pending_key_is_durable_before_the_commit_is_sent() {
    let mut bench = Bench::new();
    bench.store.plan_fault(bench.store.commits(), Fault::Fail);
    let error = bench.fail(&mut User::willing(), &Policy::Auto);
    assert!(matches!(error, ConnectError::Store(_)));
    assert_eq!(bench.card.count(header::VERIFY), 1);
    assert_eq!(bench.card.count(header::COMMIT), 0);
}

#[test]
fn a_cut_set_up_leaves_the_current_key_alone_and_the_pending_list_short() {
    let mut bench = Bench::paired();
    let desk = identity_name();
    let card = holder(apdu::certificate::Role::Card, CARD);
    let record = |bench: &Bench| {
        PairingRecord::read(&bench.store, &desk, &card)
            .unwrap()
            .unwrap()
    };
    let before = *record(&bench).current().unwrap().0.expose();
    // The card has lost its slot, and four set-ups in a row are cut at the commit; the card has taken the last one.
    bench.card.inner().slot = None;
    for cut in 1..=4 {
        bench.line.plan = Some(match cut {
            4 => (8, Break::After(TransportError::CardRemoved)),
            _ => (8, Break::Before(TransportError::CardRemoved)),
        });
        bench.fail(&mut User::willing(), &Policy::Auto);
        let record = record(&bench);
        assert_eq!(record.pending().len(), cut.min(3));
        assert_eq!(*record.current().unwrap().0.expose(), before);
    }
    bench.reconnect().unwrap().close(); // the oldest had to go, not the newest
    assert_eq!(record(&bench).pending().len(), 0);
}

/// §8.4: what is durable before the first command is what the card will be at if its answer is lost.
#[test]
fn a_pending_key_is_current_before_the_first_command_and_a_superfluous_one_is_gone() {
    let lost = || Some((2, Break::After(TransportError::CardRemoved)));
    let mut bench = Bench::new();
    bench.line.plan = Some((8, Break::After(TransportError::CardRemoved)));
    bench.fail(&mut User::willing(), &Policy::Auto);
    bench.line.plan = lost();
    bench.fail(&mut User::absent(), &Policy::Never);
    bench.reconnect().unwrap().close();

    // A renewal whose commit never reached the card leaves a pending key that nobody needs.
    bench.terminal = terminal(&bench.store).with_clock(today().plus_days(400));
    bench.line.plan = Some((8, Break::Before(TransportError::CardRemoved)));
    bench.fail(&mut User::willing(), &Policy::Auto);
    bench.line.plan = lost();
    bench.fail(&mut User::absent(), &Policy::Never);
    let card = holder(apdu::certificate::Role::Card, CARD);
    let record = PairingRecord::read(&bench.store, &identity_name(), &card);
    assert_eq!(record.unwrap().unwrap().pending().len(), 0);
    bench.reconnect().unwrap().close();
}

/// One new SELECT after a fault of the transport or a plain error word; none after a well-formed answer.
#[test]
fn authentication_is_tried_again_after_a_fault_and_never_after_an_answer() {
    for command in [0, 1] {
        for fault in [
            TransportError::CardReset,
            TransportError::Reader("noise".into()),
        ] {
            let mut bench = Bench::paired();
            bench.line.plan = Some((command, Break::After(fault)));
            bench.reconnect().unwrap().close();
            assert_eq!(bench.line.reconnects, 1);
        }
        let mut bench = Bench::paired();
        bench.line.plan = Some((command, Break::Before(TransportError::CardRemoved)));
        bench.fail(&mut User::absent(), &Policy::Never);
        assert!(
            bench.card.count(header::SELECT) <= 1,
            "a card that is gone is not asked again"
        );
    }
    let mut bench = Bench::paired();
    bench
        .card
        .answer_instead(header::RECONNECT, |_| vec![0x69, 0x85]);
    let error = bench.fail(&mut User::absent(), &Policy::Never);
    assert!(matches!(error, ConnectError::Reconnect(_)));
    assert_eq!(bench.card.count(header::SELECT), 2);
}

#[test]
fn a_card_that_was_reset_before_we_came_is_connected_again() {
    let mut bench = Bench::paired();
    bench.line.begins.push_back(Err(TransportError::CardReset));
    bench.reconnect().unwrap().close();
    assert_eq!(bench.line.reconnects, 1);
}

#[test]
fn a_pairing_is_due_for_renewal_after_4096_sessions_and_not_one_earlier() {
    let mut bench = Bench::paired();
    let card = holder(apdu::certificate::Role::Card, CARD);
    let mut record = PairingRecord::read(&bench.store, &identity_name(), &card)
        .unwrap()
        .unwrap();
    (record.uses()..4_095).for_each(|_| record.count_use(today()));
    bench.store.commit(&[record.put(&identity_name())]).unwrap();
    for due in [vec![], vec![SetUpReason::RenewalDue]] {
        let mut user = User::absent();
        bench.connect(&mut user, &Policy::Ask).unwrap().close();
        assert_eq!(user.asked_to_pair, due);
    }
}

#[test]
fn a_renewal_that_fails_at_any_of_its_answers_leaves_the_old_pairing_in_use() {
    let selected: usize = 2; // SELECT and C1 come before
    for number in selected..selected + 6 {
        for answer in [
            vec![0x62, 0x00],
            vec![0x6A, 0x82],
            vec![0x6F, 0x00],
            vec![0x61],
        ] {
            let mut bench = Bench::paired();
            bench.terminal = terminal(&bench.store).with_clock(today().plus_days(365));
            bench.line.plan = Some((number, Break::Garbled(answer.clone())));
            let mut user = User::willing();
            let session = bench.connect(&mut user, &Policy::Ask);
            session
                .unwrap_or_else(|error| panic!("{number} {answer:?}: {error}"))
                .close();
            let failed = |notice: &Notice| matches!(notice, Notice::RenewalFailed { .. });
            let once_more = user.notices.contains(&Notice::SetUpStartedAgain);
            assert!(
                once_more || user.notices.iter().any(failed),
                "{number} {answer:?}"
            );
        }
    }
}

#[test]
fn a_pairing_that_was_used_long_is_renewed_with_the_pin_and_stays_good_without() {
    let later = today().plus_days(365);
    let mut bench = Bench::paired();
    bench.terminal = terminal(&bench.store).with_clock(later);
    let mut user = User::with([PinAnswer::Refuse]);
    bench.connect(&mut user, &Policy::Ask).unwrap().close();
    assert_eq!(user.asked_to_pair, [SetUpReason::RenewalDue]);
    assert!(matches!(user.notices[..], [Notice::RenewalFailed { .. }]));
    let mut user = User::default();
    bench.connect(&mut user, &Policy::Ask).unwrap().close();
    assert!(user.notices.is_empty(), "whoever says no knows it");
    bench
        .connect(&mut User::absent(), &Policy::Never)
        .unwrap()
        .close();
    let mut user = User::willing();
    bench.connect(&mut user, &Policy::Ask).unwrap().close();
    assert!(user.asked_for_pin[0].paired_before);
    assert_eq!(user.notices, [Notice::PairingMade { card: name(CARD) }]);
    let pairing = &bench.terminal.pairings().unwrap()[0];
    assert_eq!((pairing.uses, pairing.set_up), (1, later));
    let mut user = User::absent();
    bench.connect(&mut user, &Policy::Ask).unwrap().close();
    assert!(user.asked_to_pair.is_empty());
}

/// ST-25: the terminal's own lack is found before anything is shown to the card.
#[test]
fn a_terminal_without_a_good_certificate_says_that_it_is_the_one_that_lacks_it() {
    let store = terminal_lib::store::MemoryStore::new();
    let mut bench = Bench::with(&DoubleCard::new(), &store);
    let error = bench.fail(&mut User::willing(), &Policy::Auto);
    assert!(matches!(
        error,
        ConnectError::SetUp(SetUpFailure::NotCertified(_))
    ));
    let mut bench = Bench::new();
    bench.terminal = terminal(&bench.store).with_clock(today().plus_days(1_000));
    let error = bench.fail(&mut User::willing(), &Policy::Auto);
    assert!(error.to_string().contains("own certificate"), "{error}");
    assert_eq!(bench.card.count(header::VERIFY_CERTIFICATE), 0);
}
