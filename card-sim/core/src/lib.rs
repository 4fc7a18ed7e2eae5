//! The card: command bytes in, response bytes out. Implements the card's side of `docs/protocol.md`.
//!
//! [`Card`] is a pure state machine. Storage and randomness are handed in with each command as a [`World`]; there is no
//! clock, no I/O, no global state. It never fails outward: a refusal is a response. What must survive a power cut is in the
//! [`Store`](store::Store) before the response leaves.
//!
//! | module | job |
//! |---|---|
//! | [`card`] | power-up, the order of refusals (§4), chaining, GET RESPONSE, secure messaging around the handlers |
//! | `phase` | the volatile state and the one table of what is allowed when (§12.2) |
//! | `handle` | one file per group of commands |
//! | [`service`] | the trait of services, and the two services: vault and counter (§14) |
//! | `slots`, `retry`, `trust`, [`lifecycle`] | pairing slots, PIN and PUK, roots and revocation, life cycle |
//! | [`store`] | durable records, and a store in memory |
//! | `refusal` | reasons to status words |
#![no_std]

extern crate alloc;

pub mod card;
mod handle;
pub mod lifecycle;
mod phase;
mod refusal;
mod retry;
pub mod service;
mod slots;
pub mod store;
mod trust;

pub use card::{Card, World};
