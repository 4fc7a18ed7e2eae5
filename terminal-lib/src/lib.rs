//! The terminal: a card and this program have never met, or have, and come to trust each other.
//!
//! | module | what lives there |
//! |---|---|
//! | [`terminal`] | [`Terminal`]: one identity over one store; [`Terminal::connect`] is the whole of §16 |
//! | [`application`] | what the application decides: whether to pair, the PIN, what the user is told |
//! | [`session`] | [`Session`]: secured commands only; [`service`]: typed clients of the card's services |
//! | [`identity`] | the terminal's own keys, requests, certificates, roots |
//! | [`store`] | durable records: in a file, in memory |
//! | [`trust`] | the policy on certificates, and the clock |
//! | [`flow`] | the two handshakes as pure machines |
//! | [`exchange`] | logical commands over a reader: chaining, extended length, GET RESPONSE |
//! | [`transport`] | the way to the card: PC/SC (feature `pcsc`), a virtual card, in process, traced, replayed |
//! | [`personalise`] | a certification station's commands for a blank card |
//! | [`text`] | foreign text made harmless for whoever shows it |
//!
//! ```no_run
//! use terminal_lib::{Terminal, application::*, store::{FileStore, IdentityName}, transport::listener::Listener};
//!
//! struct Desk;
//!
//! impl Application for Desk {
//!     fn may_set_up(&mut self, reason: SetUpReason) -> bool {
//!         eprintln!("{reason}");
//!         true
//!     }
//!
//!     fn pin(&mut self, request: &PinRequest) -> PinAnswer {
//!         eprintln!("the PIN of card {}? (a real application asks here)", request.card);
//!         PinAnswer::Refuse
//!     }
//!
//!     fn notice(&mut self, notice: &Notice) {
//!         eprintln!("{notice}");
//!     }
//! }
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let identity = IdentityName::new("desk").ok_or("a name of an identity")?;
//!     let mut terminal = Terminal::new(FileStore::open("pairings.tally")?, identity);
//!     let mut card = Listener::on_loopback(35_963)?.wait_for_card()?;
//!     let mut session = terminal.connect(&mut card, &mut Desk, &Policy::Ask)?;
//!     println!("card {} has {} PIN tries", session.card(), session.status()?.pin_tries);
//!     session.close();
//!     Ok(())
//! }
//! ```
//!
//! For unit tests of an application without hardware see the package `tallystick-testing`.

pub mod application;
mod connect;
pub mod exchange;
pub mod flow;
pub mod identity;
pub mod personalise;
pub mod service;
pub mod session;
pub mod store;
pub mod terminal;
pub mod transport;
pub mod trust;

/// The wire's types, which this crate's functions take and give: names, certificates, digits, dates.
pub use apdu;
pub use connect::{ConnectError, SetUpFailure};
pub use host::{refuse_core_dumps, text};
pub use session::Session;
pub use terminal::Terminal;
