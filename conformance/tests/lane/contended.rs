//! Other programs at the same reader, and a reader that takes the power away from an idle card.

use super::{Inserted, READER, Slot};
use apdu::codec::command::{Command, Form};
use apdu::identifier::header;
use apdu::message::reconnect::Challenge;
use apdu::message::select;
use conformance::evidence::{cases, report, seed};
use conformance::{User, World};
use journal::sim::Random;
use pcsc::{Context, Disposition, Protocols, Scope, ShareMode};
use std::ffi::CString;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;
use terminal_lib::application::Policy;
use terminal_lib::service::counter::Counter;

/// Plain commands of a program that knows no key: SELECT, C1, VERIFY in clear, GET DATA, a secured command that is not ours.
fn hostile() -> [Vec<u8>; 6] {
    let challenge = Challenge {
        hint: [7; 4],
        terminal_nonce: [7; 16],
    };
    let challenge = Command {
        header: header::RECONNECT,
        data: &challenge.encode(),
        expected: Some(256),
        form: Form::Short,
    };
    let challenge = challenge.encode().unwrap();
    [
        select::COMMAND.encode().unwrap(),
        challenge,
        [&[0x00, 0x20, 0x00, 0x81, 6][..], b"271828"].concat(),
        vec![0x00, 0xCA, 0x01, 0x01, 0x00],
        [&[0x0C, 0x20, 0x00, 0x81, 10, 0x8E, 8][..], &[1; 8]].concat(),
        [&[0x10, 0x2A, 0x00, 0xBE, 3][..], &[1; 3]].concat(),
    ]
}

/// Floods the reader with plain commands and resets until it is stopped; counts them. No VERIFY of it may ever succeed.
fn flood(stop: &AtomicBool, sent: &AtomicU64, resets: &AtomicU64) {
    let context = Context::establish(Scope::User).unwrap();
    let reader = CString::new(READER).unwrap();
    let (hostile, mut random) = (hostile(), Random(seed()));
    let mut buffer = vec![0; pcsc::MAX_BUFFER_SIZE_EXTENDED];
    let mut connection = None;
    while !stop.load(Ordering::Relaxed) {
        let Some(card) = &mut connection else {
            connection = context
                .connect(&reader, ShareMode::Shared, Protocols::ANY)
                .ok();
            continue;
        };
        let choice = random.below(hostile.len() + 1);
        let Some(command) = hostile.get(choice) else {
            let reset = card.reconnect(ShareMode::Shared, Protocols::ANY, Disposition::ResetCard);
            resets.fetch_add(u64::from(reset.is_ok()), Ordering::Relaxed);
            continue;
        };
        match card.transmit(command, &mut buffer) {
            Ok(answer) => {
                sent.fetch_add(1, Ordering::Relaxed);
                assert!(
                    choice != 2 || !answer.ends_with(&[0x90, 0x00]),
                    "a PIN in clear was taken"
                );
            }
            Err(_) => connection = None, // reset by the other program, as it should be told
        }
    }
}

/// Raised when it is dropped, also by a test that fails.
struct Raise<'a>(&'a AtomicBool);

impl Drop for Raise<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// T60, T63, B26: another program floods the reader with commands and resets while sessions come and go.
#[test]
fn a_program_that_floods_the_reader_spends_no_try_and_garbles_no_session() {
    let slot = Slot::new();
    let rounds = cases(30, 1_000);
    let mut world = World::paired();
    let _inserted = Inserted::new(world.card.clone());
    drop(slot.wait_for_card());
    let stop = AtomicBool::new(false);
    let (sent, resets) = (AtomicU64::new(0), AtomicU64::new(0));
    let mut refused = 0;
    thread::scope(|scope| {
        let _raise = Raise(&stop);
        let other = scope.spawn(|| flood(&stop, &sent, &resets));
        let mut counted = 0;
        for round in 0..rounds {
            let mut reader = slot.readers.connect(READER).unwrap();
            let mut absent = User::absent();
            let session = world
                .terminal
                .connect(&mut reader, &mut absent, &Policy::Never);
            let Ok(mut session) = session else {
                refused += 1;
                continue;
            };
            let mut counter = Counter::new();
            for _ in 0..5 {
                counted += 1;
                let value = counter.add(&mut session, 1);
                assert!(
                    matches!(value, Ok(value) if value == counted),
                    "round {round}: {value:?}"
                );
            }
            session.close();
            assert!(absent.was_left_alone());
            // The other program gets its turn, too.
            let before = sent.load(Ordering::Relaxed);
            while sent.load(Ordering::Relaxed) < before + 20 && !other.is_finished() {
                thread::yield_now();
            }
        }
    });
    let (sent, resets) = (sent.into_inner(), resets.into_inner());
    assert_eq!(
        world.card.pin_tries(),
        3,
        "a try was spent by a program without a key"
    );
    assert!(
        refused * 2 < rounds,
        "{refused} of {rounds} sessions did not begin"
    );
    assert!(
        sent > rounds && resets > 0,
        "{sent} commands and {resets} resets"
    );
    report(
        "T60",
        rounds,
        format_args!(
            "sessions beside {sent} commands and {resets} resets of another program: {refused} did not begin, 0 garbled, 0 tries spent"
        ),
    );
}

/// T64, B27: a card that nobody uses loses its power after a while, with all keys in memory; the pairing stays.
#[test]
fn a_card_without_a_program_loses_its_power_and_keeps_its_pairing() {
    let slot = Slot::new();
    let mut world = World::paired();
    let inserted = Inserted::new(world.card.clone());
    drop(slot.wait_for_card());
    let context = Context::establish(Scope::User).unwrap();
    let reader = CString::new(READER).unwrap();
    let connect = || {
        context
            .connect(&reader, ShareMode::Shared, Protocols::ANY)
            .unwrap()
    };
    let mut buffer = [0; 300];
    let card = connect();
    let [select, challenge, ..] = hostile();
    for command in [&select, &challenge] {
        let answer = card.transmit(command, &mut buffer).unwrap();
        assert!(answer.ends_with(&[0x90, 0x00]), "{answer:02X?}");
    }
    let before = inserted.power_offs();
    card.disconnect(Disposition::LeaveCard)
        .map_err(|(_, error)| error)
        .unwrap();
    // Woken by the card's own power-off, and stopped if that never comes.
    let noticed = (0..300).any(|_| {
        thread::sleep(Duration::from_millis(100));
        inserted.power_offs() > before
    });
    assert!(noticed, "pcscd never took the power away");
    let secured = [&[0x0C, 0x20, 0x00, 0x81, 10, 0x8E, 8][..], &[1; 8]].concat();
    let card = connect();
    let answer = card.transmit(&secured, &mut buffer).unwrap();
    assert_eq!(answer, [0x69, 0x85], "no keys are left");
    card.disconnect(Disposition::ResetCard)
        .map_err(|(_, error)| error)
        .unwrap();
    let mut reader = slot.readers.connect(READER).unwrap();
    let mut absent = User::absent();
    let session = world
        .terminal
        .connect(&mut reader, &mut absent, &Policy::Never);
    session.unwrap().close();
    report(
        "T64",
        1,
        "idle card: power taken away, keys gone, pairing kept",
    );
}
