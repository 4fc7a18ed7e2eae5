//! The PIN is the consent: wrong ones, blocked ones, other programs in between (§11.5, §16).
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop")]

mod double;

use apdu::identifier::header;
use double::*;
use terminal_lib::application::*;
use terminal_lib::transport::TransportError;
use terminal_lib::{ConnectError, SetUpFailure};

const WRONG: &[u8] = b"000000";

fn failure(bench: &mut Bench, user: &mut User) -> SetUpFailure {
    match bench.fail(user, &Policy::Ask) {
        ConnectError::SetUp(failure) => failure,
        other => panic!("{other}"),
    }
}

fn states(user: &User) -> Vec<PinState> {
    user.asked_for_pin
        .iter()
        .map(|request| request.state)
        .collect()
}

/// ST-41: wrong PINs are counted, and asked for again in the same set-up.
#[test]
fn a_wrong_pin_is_asked_for_again_without_a_new_set_up() {
    let mut bench = Bench::new();
    let mut user = User::with([pin(WRONG), pin(WRONG), pin(PIN)]);
    bench.connect(&mut user, &Policy::Ask).unwrap().close();
    let open = |tries_left| PinState::Open { tries_left };
    assert_eq!(states(&user), [open(3), open(2), open(1)]);
    let attempts: Vec<_> = user
        .asked_for_pin
        .iter()
        .map(|request| request.attempt)
        .collect();
    assert_eq!(attempts, [1, 2, 3]);
    assert_eq!(bench.card.count(header::KEY_EXCHANGE), 1);
}

/// ST-41: finally blocked; the user is told, and the PUK helps.
#[test]
fn a_pin_without_tries_is_blocked_and_the_puk_makes_the_pairing() {
    let mut bench = Bench::new();
    let mut user = User::with([pin(WRONG), pin(WRONG), pin(WRONG)]);
    let blocked = failure(&mut bench, &mut user);
    assert_eq!(blocked, SetUpFailure::PinBlocked { card: name(CARD) });
    assert_eq!(states(&user)[3], PinState::Blocked);
    let mut user = User::with([
        PinAnswer::Unblock(codes(b"99999999", b"161803")),
        PinAnswer::Unblock(codes(PUK, b"161803")),
    ]);
    bench.connect(&mut user, &Policy::Ask).unwrap().close();
    assert_eq!(states(&user), [PinState::Blocked, PinState::Blocked]);
    let left: Vec<_> = user
        .asked_for_pin
        .iter()
        .map(|request| request.puk_tries_left)
        .collect();
    assert_eq!(left, [10, 9]);
    assert_eq!(bench.card.inner().pin, b"161803");
}

#[test]
fn a_blocked_pin_is_not_sent_and_a_blocked_puk_is_said_to_be() {
    let mut bench = Bench::new();
    bench.card.inner().tries = 0;
    let blocked = failure(&mut bench, &mut User::willing());
    assert_eq!(blocked, SetUpFailure::PinBlocked { card: name(CARD) });
    assert_eq!(bench.card.count(header::VERIFY), 0);
    for (puk_tries, asked) in [(1, 1), (0, 0)] {
        bench.card.inner().puk_tries = puk_tries;
        let mut user = User::with([PinAnswer::Unblock(codes(b"99999999", PIN))]);
        let blocked = failure(&mut bench, &mut user);
        assert_eq!(blocked, SetUpFailure::PukBlocked { card: name(CARD) });
        assert_eq!(
            user.asked_for_pin.len(),
            asked,
            "a dead card needs no question"
        );
    }
}

#[test]
fn the_last_try_is_kept_for_paired_terminals_and_the_puk_and_the_user_is_told_so() {
    let mut bench = Bench::new();
    bench.card.inner().others_paired = true;
    bench.card.inner().tries = 1;
    let mut user = User::willing();
    let kept = failure(&mut bench, &mut user);
    assert_eq!(kept, SetUpFailure::LastTryKept { card: name(CARD) });
    assert_eq!(states(&user)[1], PinState::LastTryKept);
    assert_eq!(bench.card.inner().tries, 1, "nothing was spent");
    bench.card.inner().puk_tries = 1;
    let mut user = User::with([pin(PIN), PinAnswer::Unblock(codes(PUK, PIN))]);
    let kept = failure(&mut bench, &mut user);
    assert_eq!(kept, SetUpFailure::LastPukTryKept { card: name(CARD) });
    assert_eq!(bench.card.inner().puk_tries, 1);
    bench.card.inner().puk_tries = 2;
    let mut user = User::with([pin(PIN), PinAnswer::Unblock(codes(PUK, PIN))]);
    bench.connect(&mut user, &Policy::Ask).unwrap().close();
}

#[test]
fn no_pin_no_pairing_and_nothing_stored() {
    let mut bench = Bench::new();
    let before = bench.store.dangerous_copy();
    let refused = failure(&mut bench, &mut User::with([PinAnswer::Refuse]));
    assert_eq!(refused, SetUpFailure::PinRefused { card: name(CARD) });
    assert!(bench.store.same_content(&before));
    assert_eq!(bench.card.count(header::VERIFY), 0);
    assert!(bench.card.inner().slot.is_none());
}

/// The line panics if a command is sent outside of exclusive use, and if exclusive use begins twice.
#[test]
fn the_card_is_left_to_others_while_the_user_is_asked_and_only_then() {
    let mut bench = Bench::new();
    bench
        .connect(&mut User::willing(), &Policy::Ask)
        .unwrap()
        .close();
    use terminal_lib::transport::Ending::{Leave, Reset};
    assert_eq!(
        bench.line.endings,
        [Leave, Leave, Reset],
        "to pair, the PIN, the session"
    );
}

type Disturb = fn(&mut Bench, &mut User);

/// How another program disturbs the card while the PIN is asked for.
fn disturbances() -> [(&'static str, usize, Disturb); 2] {
    [
        ("a reset", 1, |bench, _| {
            bench.line.begins = [Ok(()), Ok(()), Err(TransportError::CardReset)].into();
        }),
        ("a SELECT of something else", 2, |bench, user| {
            let mut card = bench.card.clone();
            let mut done = false;
            user.meanwhile = Some(Box::new(move || {
                use terminal_lib::transport::in_process::LocalCard;
                if !std::mem::replace(&mut done, true) {
                    let _ = card.reset();
                }
            }));
        }),
    ]
}

#[test]
fn a_disturbance_begins_the_set_up_again_once_and_only_a_pin_that_was_not_sent_is_kept() {
    for (label, asked, disturb) in disturbances() {
        let mut bench = Bench::paired();
        bench.card.inner().slot = None;
        let mut user = User::with([pin(PIN), pin(PIN)]);
        disturb(&mut bench, &mut user);
        bench.connect(&mut user, &Policy::Ask).unwrap().close();
        let in_doubt: Vec<bool> = user
            .asked_for_pin
            .iter()
            .map(|asked| asked.in_doubt)
            .collect();
        assert_eq!(in_doubt, [false, true][..asked], "{label}");
        assert_eq!(
            bench.card.count(header::VERIFY),
            asked,
            "{label}: a PIN for each question"
        );
        let card = name(CARD);
        assert_eq!(
            user.notices,
            [
                Notice::PairingLost { card },
                Notice::SetUpStartedAgain,
                Notice::PairingMade { card }
            ],
            "{label}"
        );
        assert_eq!(bench.card.count(header::KEY_EXCHANGE), 2, "{label}");
    }
}

/// The reset may come after the card has counted the PIN: the same PIN again would cost a second try for one mistake.
#[test]
fn a_pin_whose_answer_is_lost_to_a_reset_is_asked_for_again_and_a_mistake_costs_one_try() {
    let verify = {
        let mut bench = Bench::new();
        bench
            .connect(&mut User::willing(), &Policy::Ask)
            .unwrap()
            .close();
        let sent = bench.card.take_log();
        sent.iter()
            .position(|header| *header == header::VERIFY)
            .unwrap()
    };
    let mut bench = Bench::new();
    bench.line.plan = Some((verify, Break::After(TransportError::CardReset)));
    let mut user = User::with([pin(WRONG), PinAnswer::Refuse]);
    let card = name(CARD);
    assert_eq!(
        failure(&mut bench, &mut user),
        SetUpFailure::PinRefused { card }
    );
    let in_doubt: Vec<bool> = user
        .asked_for_pin
        .iter()
        .map(|asked| asked.in_doubt)
        .collect();
    assert_eq!(in_doubt, [false, true]);
    assert_eq!(bench.card.inner().tries, 2, "one mistake, one try");
}

#[test]
fn a_second_disturbance_stops() {
    let mut bench = Bench::new();
    let mut card = bench.card.clone();
    let mut user = User::with([pin(WRONG), pin(PIN)]);
    // The kept PIN is wrong, so the user is asked a second time, and the card disturbed a second time.
    user.meanwhile = Some(Box::new(move || {
        use terminal_lib::transport::in_process::LocalCard;
        let _ = card.reset();
    }));
    assert_eq!(failure(&mut bench, &mut user), SetUpFailure::Disturbed);
    assert_eq!(user.asked_for_pin.len(), 2);
}

#[test]
fn the_pin_is_not_kept_for_another_card() {
    let mut bench = Bench::new();
    let card = bench.card.clone();
    let other = DoubleCard::named("ZZTALLYCARD00002", 8);
    let mut user = User::with([pin(PIN)]);
    bench.line.begins = [Ok(()), Ok(()), Err(TransportError::CardReset)].into();
    // While the user types, somebody changes the card.
    user.meanwhile = Some(Box::new(move || {
        let mut inner = card.inner();
        inner.key = private_key(8);
        inner.certificate = other.inner().certificate.clone();
    }));
    let refused = failure(&mut bench, &mut user);
    let card = name("ZZTALLYCARD00002");
    assert_eq!(refused, SetUpFailure::PinRefused { card });
    assert_eq!(user.asked_for_pin[1].card, card);
    assert_eq!(
        bench.card.count(header::VERIFY),
        0,
        "the other card got no PIN"
    );
}
