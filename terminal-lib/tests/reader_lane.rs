//! PC/SC as this library uses it, over a real `pcscd` with vpcd: run by `cargo xtask lane`, which brings a daemon of its own.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop")]

mod double;

use double::*;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use terminal_lib::ConnectError;
use terminal_lib::application::{Notice, Policy};
use terminal_lib::session::SessionError;
use terminal_lib::transport::in_process::LocalCard;
use terminal_lib::transport::listener::VPCD_PORT;
use terminal_lib::transport::pcsc::{Diagnosis, PcscTransport, Readers, diagnose};
use terminal_lib::transport::{Ending, Transport, TransportError};

const SLOT: &str = "Virtual PCD 00 00";
const PATIENCE: Option<Duration> = Some(Duration::from_secs(10));

/// The tests share one slot, so they take turns.
static TURN: Mutex<()> = Mutex::new(());

struct Lane {
    readers: Readers,
    _turn: MutexGuard<'static, ()>,
}

impl Lane {
    fn new() -> Self {
        let turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let readers = Readers::open().expect("no pcscd here: run this test by `cargo xtask lane`");
        assert!(
            readers.wait_for_removal(SLOT, PATIENCE).unwrap(),
            "a card is in the slot"
        );
        Self {
            readers,
            _turn: turn,
        }
    }

    fn wait(&self) -> PcscTransport {
        self.readers.wait_for_card(SLOT, PATIENCE).unwrap()
    }
}

/// A card in vpcd's first slot, until it is dropped.
struct Inserted {
    stream: TcpStream,
    thread: Option<JoinHandle<()>>,
}

impl Inserted {
    fn new(card: &DoubleCard) -> Self {
        let mut card = card.clone();
        let stream = TcpStream::connect(("127.0.0.1", VPCD_PORT)).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut line = stream.try_clone().unwrap();
        let thread = thread::spawn(move || {
            let mut length = [0; 2];
            while line.read_exact(&mut length).is_ok() {
                let mut message = vec![0; u16::from_be_bytes(length).into()];
                if line.read_exact(&mut message).is_err() {
                    return;
                }
                let answer = match message.as_slice() {
                    [0..=2] => {
                        card.reset();
                        continue;
                    }
                    [4] => apdu::identifier::ATR.to_vec(), // the daemon asks now and then, also in a session
                    apdu => card.transmit(apdu),
                };
                let length = u16::try_from(answer.len()).unwrap().to_be_bytes();
                if line.write_all(&[&length[..], &answer].concat()).is_err() {
                    return;
                }
            }
        });
        Self {
            stream,
            thread: Some(thread),
        }
    }
}

impl Drop for Inserted {
    fn drop(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Both); // the daemon may have hung up already
        self.thread.take().map(JoinHandle::join);
    }
}

/// ST-08, ST-20, ST-23, ST-26: insertion is noticed by itself, and ends in a session.
#[test]
fn a_card_that_is_inserted_while_we_wait_is_set_up_and_recognised_when_it_comes_again() {
    let lane = Lane::new();
    assert!(matches!(
        lane.readers
            .wait_for_card(SLOT, Some(Duration::from_millis(100))),
        Err(TransportError::Unavailable(_))
    ));
    let mut bench = Bench::new();
    bench.card.inner().capabilities = 0x83;
    let card = bench.card.clone();
    let late = thread::spawn(move || {
        thread::sleep(Duration::from_millis(200));
        Inserted::new(&card)
    });
    let mut line = lane.wait();
    let inserted = late.join().unwrap();
    assert_eq!(
        (line.reader(), line.atr()),
        (SLOT, &apdu::identifier::ATR[..])
    );
    let mut user = User::willing();
    let session = bench.terminal.connect(&mut line, &mut user, &Policy::Ask);
    session.unwrap().close();
    drop(inserted);
    assert_eq!(lane.readers.wait_for_removal(SLOT, PATIENCE), Ok(true));
    drop(line);
    let inserted = Inserted::new(&bench.card);
    let mut line = lane.wait();
    for _ in 0..3 {
        let session = bench
            .terminal
            .connect(&mut line, &mut User::absent(), &Policy::Never);
        session.unwrap().close();
    }
    drop(inserted);
}

#[test]
fn a_card_that_is_taken_out_in_a_session_ends_it_and_the_next_card_is_noticed() {
    let lane = Lane::new();
    let mut bench = Bench::paired();
    for _ in 0..3 {
        let inserted = Inserted::new(&bench.card);
        let mut line = lane.wait();
        let session = bench
            .terminal
            .connect(&mut line, &mut User::absent(), &Policy::Never);
        let mut session = session.unwrap();
        drop(inserted);
        let Err(SessionError::Unanswered { error, .. }) = session.status() else {
            panic!("a card that is gone has answered");
        };
        assert_eq!(error, TransportError::CardRemoved.into());
        assert!(matches!(session.status(), Err(SessionError::Over)));
        drop(session);
        assert_eq!(lane.readers.wait_for_removal(SLOT, PATIENCE), Ok(true));
    }
}

#[test]
fn another_program_waits_while_a_session_lasts() {
    let lane = Lane::new();
    let mut bench = Bench::paired();
    let _inserted = Inserted::new(&bench.card);
    let mut line = lane.wait();
    let session = bench
        .terminal
        .connect(&mut line, &mut User::absent(), &Policy::Never);
    let mut session = session.unwrap();
    let begun = Instant::now();
    let other = thread::spawn(move || {
        let mut other = Readers::open().unwrap().connect(SLOT).unwrap();
        other.begin().unwrap();
        other.end(Ending::Leave);
        begun.elapsed()
    });
    let held = Duration::from_millis(400);
    while begun.elapsed() < held {
        session.status().unwrap();
    }
    session.close();
    assert!(other.join().unwrap() >= held);
}

#[test]
fn another_program_that_resets_the_card_while_the_user_is_asked_costs_one_more_set_up() {
    let lane = Lane::new();
    // A reset is told before the PIN goes out. A SELECT is not: the PIN gets a bare error word, and is asked for again (§16).
    for (ending, in_doubt) in [
        (Ending::Leave, &[false, true][..]),
        (Ending::Reset, &[false][..]),
    ] {
        let mut bench = Bench::new();
        let inserted = Inserted::new(&bench.card);
        let mut line = lane.wait();
        let mut user = User::with(in_doubt.iter().map(|_| pin(PIN)));
        let mut done = false;
        user.meanwhile = Some(Box::new(move || {
            if std::mem::replace(&mut done, true) {
                return;
            }
            let mut other = Readers::open().unwrap().connect(SLOT).unwrap();
            other.begin().unwrap();
            other
                .transmit(&[0x00, 0xA4, 0x04, 0x00, 0x01, 0xAA])
                .unwrap();
            other.end(ending);
        }));
        let session = bench.terminal.connect(&mut line, &mut user, &Policy::Auto);
        session.unwrap().close();
        assert_eq!(user.notices[0], Notice::SetUpStartedAgain, "{ending:?}");
        let asked = user.asked_for_pin.iter().map(|asked| asked.in_doubt);
        assert!(asked.eq(in_doubt.iter().copied()), "{ending:?}");
        drop(inserted);
        assert_eq!(lane.readers.wait_for_removal(SLOT, PATIENCE), Ok(true));
    }
}

#[test]
fn a_reset_by_another_program_between_two_sessions_does_no_harm() {
    let lane = Lane::new();
    let mut bench = Bench::paired();
    let _inserted = Inserted::new(&bench.card);
    let mut line = lane.wait();
    for _ in 0..3 {
        let session = bench
            .terminal
            .connect(&mut line, &mut User::absent(), &Policy::Never);
        session.unwrap().close();
        let mut other = lane.readers.connect(SLOT).unwrap();
        other.begin().unwrap();
        other.end(Ending::Reset);
    }
}

#[test]
fn the_readers_are_named_found_and_diagnosed() {
    let lane = Lane::new();
    assert!(
        lane.readers
            .names()
            .unwrap()
            .iter()
            .any(|name| name == SLOT)
    );
    assert_eq!(lane.readers.find("PCD 00 00").unwrap(), SLOT);
    for part in ["Virtual", "no such reader"] {
        let error = lane.readers.find(part).unwrap_err();
        assert!(
            error.to_string().contains(SLOT),
            "it lists what there is: {error}"
        );
    }
    assert!(matches!(
        lane.readers.connect(SLOT).map(drop),
        Err(TransportError::CardRemoved)
    ));
    let atr = || match diagnose() {
        Diagnosis::Service(readers) => {
            let slot = readers.into_iter().find(|reader| reader.name == SLOT);
            slot.unwrap().atr
        }
        Diagnosis::NoService(error) => panic!("{error}"),
    };
    assert_eq!(atr(), None);
    let mut bench = Bench::new();
    let _inserted = Inserted::new(&bench.card);
    let mut line = lane.wait();
    assert_eq!(atr(), Some(apdu::identifier::ATR.to_vec()));
    let error = bench
        .terminal
        .connect(&mut line, &mut User::absent(), &Policy::Never);
    assert!(matches!(error.map(drop), Err(ConnectError::NotPaired(_))));
}
