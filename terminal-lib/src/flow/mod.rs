//! The two handshakes as pure machines: logical commands out, logical responses in (§8, §9).
//!
//! No I/O, no clock, no store. Each step takes the machine away and gives the next one, so a step cannot be left out,
//! repeated or done twice, and a failed machine is gone together with its keys. What to do about a failure, and when to
//! write what down, is decided by [`Terminal`](crate::terminal::Terminal).

mod consent;
mod reconnect;
mod select;
mod set_up;
mod step;

pub use consent::{CardCommitted, Consented, PinOutcome, PinSent, ProvenCard, UnblockSent};
pub use reconnect::{Candidate, Matched, Recognised, Reconnect, ReconnectFault, ReconnectOutcome};
pub use select::{SelectFault, Selected, select};
pub use set_up::{Intent, SetUp, SetUpFault, SetUpStep};
