//! One life of two ends that keep their memories in files: they meet, talk, part, meet again, part. Fixed randomness makes every life of
//! one seed the same, so that a process can know the secrets of another one without having been told.

use crate::authority::{desk, today};
use apdu::crypto::{Entropy, EntropyError, SecretBytes};
use apdu::message::pin::{Digits, Reference};
use apdu::message::vault::{ObjectName, Policy as VaultPolicy};
use card_sim::body::VirtualCard;
use card_sim::state_file::StateFile;
use card_sim::vpcd::Body;
use std::path::Path;
use std::sync::{Arc, Mutex};
use terminal_lib::Terminal;
use terminal_lib::application::{Application, Notice, PinAnswer, PinRequest, Policy, SetUpReason};
use terminal_lib::service::vault::Vault;
use terminal_lib::session::CodeOutcome;
use terminal_lib::store::FileStore;
use terminal_lib::transport::in_process::{InProcess, LocalCard};

/// The card's file in a life's folder.
pub const CARD_FILE: &str = "card";
/// The terminal's file.
pub const TERMINAL_FILE: &str = "terminal";
/// Digits of the PIN.
const PIN_LENGTH: usize = 12;

/// Where a life is when it is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// In the second session: keys and PIN are in use.
    Open,
    /// Everything is closed and dropped.
    Closed,
}

/// SplitMix64: randomness that anybody can draw again.
#[derive(Clone)]
pub struct Tape {
    state: u64,
    /// Where a copy of every draw of 32 bytes goes, if anywhere.
    log: Option<Log>,
}

/// Draws of 32 bytes, in order.
pub type Log = Arc<Mutex<Vec<[u8; 32]>>>;

impl Tape {
    /// The tape of a seed.
    pub fn new(seed: u64, log: Option<Log>) -> Self {
        Self { state: seed, log }
    }

    fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

impl Entropy for Tape {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        for part in bytes.chunks_mut(8) {
            let drawn = self.draw().to_be_bytes();
            part.copy_from_slice(&drawn[..part.len()]);
        }
        if let (Some(log), Ok(secret)) = (&self.log, <[u8; 32]>::try_from(&*bytes)) {
            log.lock().unwrap().push(secret);
        }
        Ok(())
    }
}

/// The PIN of a seed.
pub fn pin(seed: u64) -> Digits {
    let mut tape = Tape::new(!seed, None);
    let mut digits = SecretBytes::new(Vec::with_capacity(PIN_LENGTH));
    for _ in 0..PIN_LENGTH {
        let digit = u8::try_from(tape.draw() % 10).unwrap();
        digits.push(b'0' + digit);
    }
    Digits::new(Reference::Pin, &digits).unwrap()
}

/// What passed between the ends: command, answer.
pub type Heard = Vec<(Vec<u8>, Vec<u8>)>;

/// A card in the same process whose line is written down.
struct Card {
    card: VirtualCard<StateFile, Tape>,
    heard: Heard,
}

impl LocalCard for Card {
    fn reset(&mut self) -> Vec<u8> {
        self.card.reset();
        self.card.atr()
    }

    fn transmit(&mut self, command: &[u8]) -> Vec<u8> {
        let answer = self.card.transmit(command);
        self.heard.push((command.to_vec(), answer.clone()));
        answer
    }
}

/// A user who knows the PIN.
struct Holder(u64);

impl Application for Holder {
    fn may_set_up(&mut self, _reason: SetUpReason) -> bool {
        true
    }

    fn pin(&mut self, _request: &PinRequest) -> PinAnswer {
        PinAnswer::Digits(pin(self.0))
    }

    fn notice(&mut self, _notice: &Notice) {}
}

/// Lives, and calls `look` at each moment. `drawn` are the logs of the card's draws and of the terminal's.
pub fn live(
    folder: &Path,
    seed: u64,
    drawn: [Option<Log>; 2],
    mut look: impl FnMut(Moment, &Heard),
) -> Heard {
    let [by_card, by_terminal] = drawn;
    let state = StateFile::open(&folder.join(CARD_FILE)).unwrap();
    let mut reader = InProcess::new(Card {
        card: VirtualCard::new(state, Tape::new(seed, by_card)),
        heard: Vec::new(),
    });
    let store = FileStore::open(folder.join(TERMINAL_FILE)).unwrap();
    let mut terminal = Terminal::new(store, desk())
        .with_entropy(Tape::new(seed.wrapping_add(1), by_terminal))
        .with_clock(today());
    for _ in 0..2 {
        let mut holder = Holder(seed);
        let session = terminal.connect(&mut reader, &mut holder, &Policy::Auto);
        let mut session = session.unwrap();
        assert_eq!(session.verify_pin(&pin(seed)).unwrap(), CodeOutcome::Right);
        let name = ObjectName::new("badge").unwrap();
        let policy = VaultPolicy {
            pin_to_read: true,
            pin_to_write: true,
        };
        let mut vault = Vault::new();
        vault.write(&mut session, &name, policy, &[1; 300]).unwrap();
        vault.read(&mut session, &name).unwrap();
        session.pairings().unwrap();
        session.close();
    }
    let mut session = terminal
        .connect(&mut reader, &mut Holder(seed), &Policy::Never)
        .unwrap();
    session.status().unwrap();
    let so_far = Heard::new();
    look(Moment::Open, &so_far);
    session.close();
    drop(terminal);
    let heard = reader.into_card().heard;
    look(Moment::Closed, &heard);
    heard
}
