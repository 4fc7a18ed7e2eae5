//! Bytes to types and back: BER-TLV, commands, responses, status words, chaining (§2, §4).
//!
//! The codecs allocate only what they return, and have no opinion about meaning.

pub mod chaining;
pub mod command;
pub mod response;
pub mod status;
pub mod tlv;
