//! The certification authority (Figure 9 of the patent, `docs/protocol.md` §7 and §13): who gets a certificate, who lost it,
//! and an account of both.
//!
//! | module | job |
//! |---|---|
//! | [`Authority`] | one folder: opening it, making it |
//! | `order`, `issue` | policy: fresh challenges, unique names, what a request must fulfil |
//! | `status` | revocation and the signed status list |
//! | [`custody`] | the private key in an encrypted file |
//! | [`ledger`] | the append-only, hash-chained account; written before anything leaves |
//! | [`EnrolmentCode`] | the one-time code by which a client of the service is enrolled |
//! | `server` | the network service, with the feature `serve` |
//! | `book` | what follows from the ledger: names, keys, challenges, revocations |
//!
//! ```text
//! order ──► challenge line ──► nonce leaves        (card or terminal makes key and request)
//! request ──► checks ──► signature ──► issued line ──► certificate leaves
//! revocation ──► revoked line ──► list signed ──► list line ──► list leaves
//! ```
//!
//! Time and randomness are handed in. Nothing here talks to a card or to a user, and nothing here prints.

mod authority;
mod book;
pub mod custody;
mod enrolment_code;
mod error;
mod issue;
pub mod ledger;
mod moment;
mod order;
#[cfg(feature = "serve")]
pub mod server;
mod status;

pub use authority::{Audit, Authority, ROOT_FILE};
pub use book::Holder;
pub use enrolment_code::{CodeError, EnrolmentCode};
pub use error::AuthorityError;
pub use issue::{CARD_YEARS, ROOT_YEARS, Refused, TERMINAL_YEARS, default_years};
pub use moment::Moment;
pub use order::{CHALLENGE_LIFETIME, Challenge, NameOrder, Order, OrderRefused};
pub use status::{RevocationRefused, Scope};
