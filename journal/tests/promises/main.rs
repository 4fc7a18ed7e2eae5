//! What the journal promises, put to the test: one file per kind of trouble.

#![expect(
    clippy::unwrap_used,
    reason = "the helpers of a test may fail as the test itself does"
)]

mod cost;
mod damage;
mod faults;
mod files;
mod model;
mod power_cuts;
mod random_sequences;
mod refusals;
mod shared;
