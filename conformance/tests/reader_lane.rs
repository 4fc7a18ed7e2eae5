//! The virtual card in a slot of a real, unmodified `pcscd`: run by `cargo xtask lane`, which brings a daemon of its own.
//!
//! The card in this file answers everything with 9000. What is under test is the way to it: insertion, power, bytes, removal.
//! Real cards and real terminals meet in the module `lane`.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

mod lane;

use std::ffi::CString;
use std::sync::{Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use card_sim::fault::Fault;
use card_sim::vpcd::{Body, StopFlag, VpcdClient};
use pcsc::{Card, Context, Disposition, Error, Protocols, ReaderState, Scope, ShareMode, State};

const PATIENCE: Duration = Duration::from_secs(5);
const ATR: [u8; 4] = [0x3B, 0x80, 0x01, 0x81];
const SELECT: [u8; 5] = [0x00, 0xA4, 0x04, 0x00, 0x00];

/// The tests share one slot, so they take turns.
static SLOT: Mutex<()> = Mutex::new(());

/// Answers 9000 after as many bytes of data as the command's last two bytes ask for.
struct Yes {
    powered: bool,
}

impl Body for Yes {
    fn power_on(&mut self) {
        self.powered = true;
    }
    fn power_off(&mut self) {
        self.powered = false;
    }
    fn reset(&mut self) {
        self.powered = true;
    }
    fn atr(&self) -> Vec<u8> {
        ATR.to_vec()
    }
    fn transmit(&mut self, command: &[u8]) -> Vec<u8> {
        let length = match (self.powered, command) {
            (false, _) => return vec![0x6F, 0x01],
            (true, [.., high, low]) if command.len() == 7 => {
                usize::from(u16::from_be_bytes([*high, *low]))
            }
            (true, _) => 0,
        };
        let mut answer = vec![0x5A; length];
        answer.extend_from_slice(&[0x90, 0x00]);
        answer
    }
}

/// A card in the slot until it is dropped.
struct Inserted {
    stop: StopFlag,
    thread: Option<JoinHandle<()>>,
}

impl Inserted {
    fn new(mut client: VpcdClient) -> Self {
        let stop = StopFlag::default();
        let flag = stop.clone();
        let thread =
            std::thread::spawn(move || client.run(&mut Yes { powered: false }, &flag).unwrap());
        Self {
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Inserted {
    fn drop(&mut self) {
        self.stop.raise();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

/// The terminal's end: PC/SC and the first virtual reader.
struct Reader {
    context: Context,
    name: CString,
    _turn: MutexGuard<'static, ()>,
}

impl Reader {
    fn new() -> Self {
        let turn = SLOT
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let context = Context::establish(Scope::System)
            .expect("no pcscd here: run this test by `cargo xtask lane`");
        let names = context.list_readers_owned().unwrap();
        let name = names
            .into_iter()
            .find(|name| name.to_string_lossy().contains("Virtual PCD 00 00"));
        let reader = Self {
            context,
            name: name.expect("the first slot of vpcd is a reader"),
            _turn: turn,
        };
        reader.wait_for(State::EMPTY);
        reader
    }

    /// Blocks in PC/SC until the slot is in that state, and gives the ATR seen.
    fn wait_for(&self, wanted: State) -> Vec<u8> {
        let end = Instant::now() + PATIENCE;
        let mut states = [ReaderState::new(self.name.clone(), State::UNAWARE)];
        loop {
            let left = end.saturating_duration_since(Instant::now());
            self.context.get_status_change(left, &mut states).unwrap();
            states[0].sync_current_state();
            if states[0].event_state().contains(wanted) {
                return states[0].atr().to_vec();
            }
        }
    }

    fn connect(&self) -> Card {
        self.context
            .connect(&self.name, ShareMode::Shared, Protocols::ANY)
            .unwrap()
    }
}

fn transmit(card: &Card, command: &[u8]) -> Result<Vec<u8>, Error> {
    let mut buffer = vec![0; pcsc::MAX_BUFFER_SIZE_EXTENDED];
    card.transmit(command, &mut buffer).map(<[u8]>::to_vec)
}

/// ST-20
#[test]
fn insertion_and_removal_are_noticed_by_pcscd_itself() {
    let reader = Reader::new();
    let card = Inserted::new(VpcdClient::slot(0));
    assert_eq!(reader.wait_for(State::PRESENT), ATR);
    drop(card);
    assert_eq!(reader.wait_for(State::EMPTY), [0_u8; 0]);
}

/// ST-01
#[test]
fn a_command_reaches_the_card_and_its_answer_comes_back() {
    let reader = Reader::new();
    let _inserted = Inserted::new(VpcdClient::slot(0));
    reader.wait_for(State::PRESENT);
    let card = reader.connect();
    assert_eq!(transmit(&card, &SELECT), Ok(vec![0x90, 0x00]));
    let answer = transmit(&card, &[0x80, 0xCA, 0x00, 0x00, 0x00, 0xEA, 0x60]).unwrap();
    assert_eq!(answer.len(), 60_002, "an extended answer comes back whole");
    assert!(answer.ends_with(&[0x5A, 0x90, 0x00]));
}

#[test]
fn a_reset_by_the_terminal_reaches_the_card_and_it_answers_again() {
    let reader = Reader::new();
    let _inserted = Inserted::new(VpcdClient::slot(0));
    reader.wait_for(State::PRESENT);
    let mut card = reader.connect();
    card.reconnect(ShareMode::Shared, Protocols::ANY, Disposition::ResetCard)
        .unwrap();
    assert_eq!(transmit(&card, &SELECT), Ok(vec![0x90, 0x00]));
}

/// The driver hands out what arrived before the line broke, as if it were a whole answer. A terminal must not believe it.
#[test]
fn a_card_pulled_in_the_middle_of_an_answer_gives_a_short_one_and_is_gone_for_pcscd_after_it() {
    let reader = Reader::new();
    let cut = VpcdClient::slot(0).with_fault(2, Fault::CutAnswer { keep: 3 });
    let _inserted = Inserted::new(cut);
    reader.wait_for(State::PRESENT);
    let mut card = reader.connect();
    assert_eq!(transmit(&card, &SELECT), Ok(vec![0x90, 0x00]));
    assert_ne!(transmit(&card, &SELECT), Ok(vec![0x90, 0x00]));
    reader.wait_for(State::EMPTY);
    reader.wait_for(State::PRESENT);
    transmit(&card, &SELECT).expect_err("the old handle is dead although a card is back");
    card.reconnect(ShareMode::Shared, Protocols::ANY, Disposition::ResetCard)
        .unwrap();
    assert_eq!(transmit(&card, &SELECT), Ok(vec![0x90, 0x00]));
}

#[test]
fn a_single_byte_sent_by_an_application_does_not_take_the_card_away() {
    let reader = Reader::new();
    let quiet = VpcdClient::slot(0).on_event(|_| {});
    let _inserted = Inserted::new(quiet);
    reader.wait_for(State::PRESENT);
    let card = reader.connect();
    assert_eq!(transmit(&card, &[0x03]), Ok(vec![0x67, 0x00]));
    assert_eq!(transmit(&card, &SELECT), Ok(vec![0x90, 0x00]));
}
