//! Service providers (§14; seed 204, 205): typed clients of the card's services.
//!
//! Each owns what it remembers about its service and sees plain commands and answers; several share one session by turns,
//! and none of them ever sees a key.

pub mod counter;
pub mod vault;
