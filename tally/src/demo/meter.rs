//! The demonstration's card, with a meter: what was said, what it cost, and on which side.

use apdu::crypto::{Census, census};
use card_core::store::MemoryStore;
use card_sim::body::VirtualCard;
use card_sim::vpcd::Body;
use getrandom::SysRng;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};
use terminal_lib::transport::in_process::LocalCard;
use terminal_lib::transport::trace::TraceEvent;

/// What one insertion cost.
#[derive(Debug, Clone, Copy, Default)]
pub struct Figures {
    /// Command APDUs.
    pub commands: u32,
    /// Bytes to the card, as APDUs.
    pub bytes_sent: usize,
    /// Bytes from the card, as APDUs.
    pub bytes_received: usize,
    /// Curve operations in the card.
    pub card_operations: Census,
    /// Time inside the card.
    pub card_time: Duration,
}

/// Something that happened during an insertion.
pub enum Happening {
    /// A command and its answer.
    Exchange(TraceEvent),
    /// What the application was asked or told, and what it said.
    Application(String),
}

/// What happened, in order; the card and the application both write to it.
pub type Diary = Rc<RefCell<Vec<Happening>>>;

/// A card in process that counts and remembers.
pub struct MeteredCard {
    card: VirtualCard<MemoryStore, SysRng>,
    figures: Figures,
    diary: Diary,
}

impl MeteredCard {
    /// A blank card.
    pub fn blank(diary: Diary) -> Self {
        Self {
            card: VirtualCard::new(MemoryStore::new(), SysRng),
            figures: Figures::default(),
            diary,
        }
    }

    /// Pulls the card out and says what this insertion cost.
    pub fn pull_out(&mut self) -> Figures {
        self.card.power_off();
        std::mem::take(&mut self.figures)
    }
}

impl LocalCard for MeteredCard {
    fn reset(&mut self) -> Vec<u8> {
        self.card.power_on();
        self.card.atr()
    }

    fn transmit(&mut self, command: &[u8]) -> Vec<u8> {
        let (operations, begin) = (census(), Instant::now());
        let response = self.card.transmit(command);
        let figures = &mut self.figures;
        figures.card_time += begin.elapsed();
        figures.card_operations = figures.card_operations + (census() - operations);
        figures.commands += 1;
        figures.bytes_sent += command.len();
        figures.bytes_received += response.len();
        let event = TraceEvent::new(u64::from(figures.commands), command, &Ok(response.clone()));
        self.diary.borrow_mut().push(Happening::Exchange(event));
        response
    }
}
