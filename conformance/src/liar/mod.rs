//! Peers that lie, for both ends: a card for testing terminals, a terminal for testing cards.
//!
//! What they do is data: a file of [`lie::Lie`]s, each with the step at which it is told, what is done there, and how the other end
//! has to fail. Both liars are honest but for that, so whatever fails, fails for the lie. They run in this process, over vpcd's
//! protocol and over PC/SC, against any implementation: see the program `liar`.
//!
//! | module | what lives there |
//! |---|---|
//! | [`chance`] | a generator that repeats itself, so that a session can be told again bit for bit |
//! | [`subject`] | a card in memory that can be copied in the middle of a session; a terminal's store made without chance |
//! | [`messaging`] | secure messaging by hand: keys, counters and objects as the liar likes them |
//! | [`puppet`] | a terminal by hand, one APDU at a time, that can be copied between any two |
//! | [`tape`] | what a puppet and a card said in whole sessions, and the moments between |
//! | [`visit`] | the product's terminal at a card, told again with any answer changed, and how it failed |
//! | [`lie`] | the data files |
//! | [`distort`] | what a lie does to bytes |
//! | [`card`] | the hostile card |
//! | [`terminal`] | the hostile terminal |

pub mod card;
pub mod chance;
pub mod distort;
pub mod lie;
pub mod messaging;
pub mod puppet;
pub mod subject;
pub mod tape;
pub mod terminal;
pub mod visit;

/// The lies of the hostile card.
pub const CARD_LIES: &str = include_str!("../../liars/card.json");
/// The lies of the hostile terminal.
pub const TERMINAL_LIES: &str = include_str!("../../liars/terminal.json");
