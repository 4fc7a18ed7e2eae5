//! The cards: the card core in its virtual body, and the Python one.

use super::desks::Shared;
use super::peer::{Peer, bytes, hex};
use apdu::identifier::ATR;
use card_sim::body::VirtualCard;
use card_sim::vpcd::Body;
use conformance::Disk;
use serde_json::json;
use terminal_lib::transport::in_process::LocalCard;

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
