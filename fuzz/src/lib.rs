//! What the fuzz targets run: each oracle as a plain function from bytes, so that a test can run it as well.
//!
//! | module | item | what is fed | what must hold |
//! |---|---|---|---|
//! | [`terminal`] | T20 | a terminal, by a card that may say anything | no session, PIN or durable step without a real card |
//! | [`framing`] | T21 | vpcd's framing at both ends | the stream means the same however it is cut |
//! | [`card`] | T22 | a card in any saved state, by any sequence of commands | nothing durable changes without authority |
//! | [`codecs`] | T23 | every reader of bytes from outside | what is accepted is written back byte for byte |
//! | [`stores`] | T23 | the files of both ends | damage is an error, never another content |
//! | [`differential`] | T24 | BER-TLV and APDU readers | they read as other libraries do, but for stated rules |
//!
//! Nothing here is random: the only source of choices is the input, and both ends' generators are fixed.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "an oracle stops where something is wrong: that is what the fuzzer looks for"
)]

pub mod card;
pub mod codecs;
pub mod differential;
pub mod entropy;
pub mod framing;
pub mod seeds;
pub mod stores;
pub mod tape;
pub mod terminal;
