//! One file per command: its data field and its answer, encoder beside decoder (§5, §8, §9, §11, §14).
//!
//! Headers stand in [`identifier::header`](crate::identifier::header). What an end *does* with a message lives elsewhere.

pub mod counter;
pub mod key_exchange;
pub mod pairings;
pub mod personalise;
pub mod pin;
pub mod reconnect;
pub mod select;
pub mod services;
pub mod status;
pub mod vault;
