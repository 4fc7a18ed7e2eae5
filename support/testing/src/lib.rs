//! A certified card and a certified terminal in one process, for the unit tests of applications that link `terminal-lib`.
//!
//! ```
//! use tallystick_testing::{TestAuthority, TestHolder};
//! use terminal_lib::{application::Policy, service::counter::Counter};
//!
//! let authority = TestAuthority::new();
//! let card = authority.card("ZZTESTCARD00001");
//! let mut terminal = authority.terminal("ZZTESTTERM00001");
//! let mut reader = card.insert();
//! let mut session = terminal.connect(&mut reader, &mut TestHolder::willing(), &Policy::Ask)?;
//! assert_eq!(Counter::new().add(&mut session, 5)?, 5);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | type | what it is |
//! |---|---|
//! | [`TestAuthority`] | a root that is drawn anew; makes operational cards and certified terminals |
//! | [`TestCard`] | a card's memory; [`TestCard::insert`] powers it up in a reader |
//! | [`TestHolder`] | the card's holder as a script: consent, and the PINs that are typed |
//!
//! The card is the whole card: it counts wrong PINs, refuses strangers and remembers pairings. Functions panic where a test could not go
//! on; nothing here is for a product.

mod authority;
mod card;
mod holder;

pub use authority::TestAuthority;
pub use card::{TestCard, TestReader};
pub use holder::TestHolder;

/// The PIN of every test card.
pub const PIN: &str = "271828";
/// The PUK of every test card.
pub const PUK: &str = "31415926";
