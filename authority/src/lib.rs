//! The certification authority (Figure 9 of the patent, `docs/protocol.md` §7 and §13): who gets a certificate, who lost it,
//! and an account of both.
//!
//! | module | job |
//! |---|---|
//! | [`Authority`] | an open authority: every job in one durable step; in a folder by `folder` |
//! | [`job`] | what can be asked for, also many at once, and only once each |
//! | [`clerk`] | many who ask at once, written together |
//! | [`Roots`], `rollover` | the roots one after the other, and how the next one comes about |
//! | `order`, `issue` | policy: fresh challenges, unique names, what a request must fulfil |
//! | `approval` | requests that wait until an operator says yes |
//! | [`Rights`], `roster` | what a client may order; clients as the ledger knows them, and what a second operator confirms |
//! | `status` | revocation and the signed status list |
//! | [`custody`] | the private key: in an encrypted file, or on a token |
//! | [`ledger`], [`tree`] | the account of it all: lines, and the Merkle tree over them |
//! | [`store`] | where ledger and records are kept |
//! | [`client`] | who may connect to the service, as the store keeps it |
//! | `book` | the records that one change looks at, and what it adds |
//! | `account`, `audit` | heads, receipts and proofs for others; the check of everything |
//! | [`restore`], `leap` | backup, and putting one back without giving any name again |
//! | [`EnrolmentCode`] | the one-time code by which a client of the service is enrolled |
//! | `server` | the network service, with the feature `serve` |
//!
//! ```text
//! order ──► challenge line ──► nonce leaves        (card or terminal makes key and request)
//! request ──► checks ──► signature ──► issued line ──► certificate leaves          (or waits first: `approval`)
//! roll-over ──► root and link signed ──► rollover line ──► root and link leave
//! revocation ──► revoked line ──► list signed ──► list line ──► list leaves
//! ```
//!
//! Time and randomness are handed in. Nothing here talks to a card or to a user, and nothing here prints.

mod account;
mod approval;
mod audit;
mod authority;
mod book;
pub mod clerk;
pub mod client;
mod client_change;
mod clock;
pub mod custody;
mod enrolment_code;
mod error;
mod folder;
mod issue;
pub mod job;
mod leap;
pub mod ledger;
mod moment;
mod order;
pub mod restore;
mod rights;
mod rollover;
mod roots;
mod roster;
#[cfg(feature = "serve")]
pub mod server;
mod status;
pub mod store;
pub mod tree;

pub use account::NotProvable;
pub use approval::{ApprovalRefused, Asked, Verdict};
pub use audit::{Audit, Finding, LineAudit};
pub use authority::Authority;
pub use book::{Holder, Owner};
pub use clock::{CLOCK_AHEAD, CLOCK_BEHIND};
pub use enrolment_code::{CodeError, EnrolmentCode};
pub use error::AuthorityError;
pub use folder::{ROOT_FILE, STORE_FILE, found};
pub use issue::{Application, CARD_YEARS, ROOT_YEARS, Refused, TERMINAL_YEARS, default_years};
pub use moment::Moment;
pub use order::{CHALLENGE_LIFETIME, Challenge, NameOrder, Order, OrderRefused};
pub use rights::{HolderKind, MOST_JUMP, MOST_YEARS, RightRefused, Rights};
pub use rollover::{NewRoot, RolloverRefused};
pub use roots::{Root, Roots, follow};
pub use roster::{CODE_LIFETIME, ClientRefused, PROPOSAL_LIFETIME, Proposal};
pub use status::{RevocationRefused, Scope};
