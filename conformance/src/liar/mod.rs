//! Peers that lie, for both ends: a card for testing terminals, a terminal for testing cards.

pub mod chance;
pub mod messaging;
pub mod puppet;
pub mod subject;
pub mod tape;
pub mod visit;
