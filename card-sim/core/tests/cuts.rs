//! Power may go at any commit (T25, I1 to I6): the card opens again with the old or the new state, tries never rise
//! without the right PIN, and the pairing that was there still works.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop")]

mod bench;

use apdu::channel::{ExpectedLength, TerminalEnd};
use apdu::codec::command::Header;
use apdu::codec::status::StatusWord;
use apdu::handshake::PairingKey;
use apdu::identifier::header;
use bench::*;
use card_core::store::Fault;

const FAULTS: [Fault; 4] = [
    Fault::CutBefore,
    Fault::CutAfter,
    Fault::Fail,
    Fault::FailAfter,
];

/// Runs `flow` once for each fault at each commit it makes; `check` judges the card after the next power-up.
fn sweep(
    start: &Bench,
    flow: impl Fn(&mut Bench) -> Result<(), StatusWord>,
    check: impl Fn(&mut Bench, &str),
) {
    let mut whole = start.fork();
    flow(&mut whole).unwrap();
    let commits = whole.store.commits() - start.store.commits();
    assert!(commits > 0, "a flow without a commit tests nothing");
    for step in 0..commits {
        for fault in FAULTS {
            let label = format!("{fault:?} at commit {step} of {commits}");
            let mut bench = start.fork();
            bench.store.plan(start.store.commits() + step, fault);
            let outcome = flow(&mut bench);
            assert!(
                outcome.is_err(),
                "{label}: a commit that failed is not a success"
            );
            bench.power_cycle();
            check(&mut bench, &label);
        }
    }
}

/// One secured command whose answer may be missing or unprotected.
fn secured(
    bench: &mut Bench,
    end: &mut TerminalEnd,
    header: Header,
    data: &[u8],
) -> Result<Vec<u8>, StatusWord> {
    let sealed = end.seal(header, data, Some(ExpectedLength::Short)).unwrap();
    let response = bench.send(sealed.header, &sealed.data);
    match end.open(&response.data, response.status) {
        Ok((data, OK)) => Ok(data.to_vec()),
        Ok((_, word)) => Err(word),
        Err(_) => Err(response.status),
    }
}

fn tries(bench: &mut Bench) -> Option<u8> {
    let (mut sm2, _) = Terminal::new(9).set_up_to_pin(bench);
    let (_, word) = bench.secured(&mut sm2, header::VERIFY, &[]);
    word.as_tries()
}

/// I1: after a cut anywhere in reconnect, one of the two neighbouring generations opens a session.
#[test]
fn a_cut_in_reconnect_leaves_the_old_or_the_next_generation() {
    let mut start = Bench::operational();
    let key = Terminal::new(1).pair(&mut start);
    let flow = |bench: &mut Bench| {
        let mut end = Terminal::new(1).challenge(bench, &key).unwrap();
        secured(bench, &mut end, header::STATUS, &[]).map(drop)
    };
    sweep(&start, flow, |bench, label| {
        let mut terminal = Terminal::new(1);
        let current = terminal.challenge(bench, &key).is_some();
        let next = terminal.challenge(bench, &key.next()).is_some();
        assert!(current != next, "{label}: exactly one generation opens");
        let mut key: PairingKey = if current {
            key.dangerous_copy()
        } else {
            key.next()
        };
        assert!(terminal.reconnect(bench, &mut key).is_some(), "{label}");
    });
}

/// I6, I3: a cut in set-up leaves the earlier pairing or the new one, and never gives a try back.
#[test]
fn a_cut_in_set_up_leaves_the_old_pairing_or_the_new_one() {
    let mut start = Bench::operational();
    let old = Terminal::new(1).pair(&mut start);
    let mut probe = start.fork();
    let new = {
        let mut terminal = Terminal::new(1);
        terminal.entropy = FixedEntropy::new(777);
        terminal.pair(&mut probe)
    };
    let flow = |bench: &mut Bench| {
        let mut terminal = Terminal::new(1);
        terminal.entropy = FixedEntropy::new(777);
        let (mut sm2, _) = terminal.set_up_to_pin(bench);
        secured(bench, &mut sm2, header::VERIFY, PIN)?;
        secured(bench, &mut sm2, header::COMMIT, &[]).map(drop)
    };
    sweep(&start, flow, |bench, label| {
        let mut terminal = Terminal::new(1);
        let is_old = terminal.challenge(bench, &old).is_some();
        let is_new = terminal.challenge(bench, &new).is_some();
        assert!(is_old != is_new, "{label}");
        assert!(
            tries(bench).is_some_and(|left| (2..=3).contains(&left)),
            "{label}"
        );
    });
}

/// B7: a wrong PIN costs its try whatever the power does, and a try comes back only with the right one.
#[test]
fn a_cut_in_verify_never_gives_a_free_guess() {
    let start = Bench::operational();
    let guess = |digits: &'static [u8]| {
        move |bench: &mut Bench| {
            let (mut sm2, _) = Terminal::new(1).set_up_to_pin(bench);
            match secured(bench, &mut sm2, header::VERIFY, digits) {
                Err(word) if word.as_tries().is_some() => Ok(()),
                other => other.map(drop),
            }
        }
    };
    sweep(&start, guess(b"000000"), |bench, label| {
        // CutBefore and Fail happened before the comparison, so that no guess was answered.
        assert!(
            tries(bench).is_some_and(|left| (2..=3).contains(&left)),
            "{label}"
        );
    });
    sweep(&start, guess(PIN), |bench, label| {
        assert!(
            tries(bench).is_some_and(|left| (2..=3).contains(&left)),
            "{label}"
        );
    });
}

/// Changing and unblocking the PIN: old or new verifies, never both, never none.
#[test]
fn a_cut_in_a_pin_change_leaves_one_pin() {
    let mut start = Bench::operational();
    let key = Terminal::new(1).pair(&mut start);
    let change = [&[0x80, 6], PIN, &[0x81, 6], b"161803"].concat();
    let unblock = [&[0x80, 8], PUK, &[0x81, 6], b"161803"].concat();
    for (header, data) in [(header::CHANGE_PIN, change), (header::UNBLOCK, unblock)] {
        let flow = |bench: &mut Bench| {
            let mut end = Terminal::new(1)
                .reconnect(bench, &mut key.dangerous_copy())
                .ok_or(OK)?;
            secured(bench, &mut end, header, &data).map(drop)
        };
        let start_of_change = {
            // The reconnect's own commit is swept elsewhere.
            let mut bench = start.fork();
            Terminal::new(1)
                .reconnect(&mut bench, &mut key.dangerous_copy())
                .unwrap();
            bench.store.commits() - start.store.commits()
        };
        let mut whole = start.fork();
        flow(&mut whole).unwrap();
        let commits = whole.store.commits() - start.store.commits();
        for step in start_of_change..commits {
            for fault in FAULTS {
                let label = format!("{header:02X?} {fault:?} at commit {step}");
                let mut bench = start.fork();
                bench.store.plan(start.store.commits() + step, fault);
                assert!(flow(&mut bench).is_err(), "{label}");
                bench.power_cycle();
                let works = |digits: &[u8]| {
                    let mut fork = bench.fork();
                    let (mut sm2, _) = Terminal::new(9).set_up_to_pin(&mut fork);
                    fork.secured(&mut sm2, header::VERIFY, digits).1 == OK
                };
                assert!(works(PIN) != works(b"161803"), "{label}");
            }
        }
    }
}

/// Personalisation: whatever the cut, the card can be personalised to the end or is finished.
#[test]
fn a_cut_in_personalisation_can_be_taken_up_again() {
    let commits = Bench::operational().store.commits();
    for step in 0..commits {
        for fault in FAULTS {
            let mut bench = Bench::blank();
            bench.store.plan(step, fault);
            let outcome =
                std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| bench.personalise()));
            assert!(outcome.is_err());
            bench.power_cycle();
            let life = card_core::lifecycle::LifeCycle::of(&bench.store).unwrap();
            assert!(
                !life.is_in_use() || step == commits - 1,
                "{fault:?} at {step}: {life:?}"
            );
        }
    }
}

/// Factory reset is one commit: blank or untouched.
#[test]
fn a_cut_in_a_factory_reset_leaves_a_blank_card_or_the_old_one() {
    let mut start = Bench::operational();
    let key = Terminal::new(1).pair(&mut start);
    let flow = |bench: &mut Bench| {
        let mut end = Terminal::new(1).challenge(bench, &key).ok_or(OK)?;
        secured(bench, &mut end, header::VERIFY, PIN)?;
        secured(bench, &mut end, header::FACTORY_RESET, &[]).map(drop)
    };
    sweep(&start, flow, |bench, label| {
        let life = card_core::lifecycle::LifeCycle::of(&bench.store).unwrap();
        let mut terminal = Terminal::new(1);
        let opens = terminal.challenge(bench, &key).is_some()
            || terminal.challenge(bench, &key.next()).is_some();
        assert_eq!(life.is_in_use(), opens, "{label}");
    });
}
