//! The cards: the card core in its virtual body, and the Python one.

use super::desks::Shared;
use super::peer::{Peer, bytes, hex};
use apdu::identifier::ATR;
use card_core::store::Fault;
use card_sim::body::VirtualCard;
use card_sim::vpcd::Body;
use conformance::Disk;
use serde_json::json;
use terminal_lib::transport::in_process::LocalCard;

/// A card whose storage can be made to fail.
pub trait Card: LocalCard {
    /// Plans a failure of one write, or none: its number from now on, counted from 0, and whether it is done all the same.
    fn plan(&mut self, failure: Option<(usize, bool)>);
}

/// The card core.
pub struct Core(VirtualCard<Disk, Shared>);

impl Core {
    /// A blank card.
    pub fn blank(seed: u64) -> Self {
        Self(VirtualCard::new(Disk::default(), Shared::new(seed)))
    }
}

impl LocalCard for Core {
    fn reset(&mut self) -> Vec<u8> {
        self.0.reset();
        self.0.atr()
    }

    fn transmit(&mut self, command: &[u8]) -> Vec<u8> {
        self.0.transmit(command)
    }
}

impl Card for Core {
    fn plan(&mut self, failure: Option<(usize, bool)>) {
        let disk = self.0.store();
        disk.power_on(); // forgets an earlier plan
        match failure {
            Some((number, true)) => disk.plan(number, Fault::FailAfter),
            Some((number, false)) => disk.plan(number, Fault::Fail),
            None => {}
        }
    }
}

/// The Python card.
pub struct Oracle(Peer);

impl Oracle {
    /// A blank card.
    pub fn blank(peer: &Peer, seed: u64) -> Self {
        peer.ask(&json!({"do": "card", "id": "card", "seed": seed}));
        Self(peer.clone())
    }
}

impl LocalCard for Oracle {
    fn reset(&mut self) -> Vec<u8> {
        self.0.ask(&json!({"do": "reset", "id": "card"}));
        ATR.to_vec()
    }

    fn transmit(&mut self, command: &[u8]) -> Vec<u8> {
        let request = json!({"do": "transmit", "id": "card", "apdu": hex(command)});
        bytes(&self.0.ask(&request)["answer"])
    }
}

impl Card for Oracle {
    fn plan(&mut self, failure: Option<(usize, bool)>) {
        let (number, done) = failure.unzip();
        let done = done.unwrap_or_default();
        let request = json!({"do": "fail", "id": "card", "number": number, "done": done});
        self.0.ask(&request);
    }
}
