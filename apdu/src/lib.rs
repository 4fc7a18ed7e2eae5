//! The wire: everything card and terminal must agree on bit for bit. Implements `docs/protocol.md` §2 to §10.
//!
//! | folder | what lives there |
//! |---|---|
//! | [`codec`] | BER-TLV, command and response APDUs, chaining (ISO/IEC 7816-4) |
//! | [`message`] | one file per command: what its data and its answer look like |
//! | [`certificate`] | card-verifiable certificates, requests, the status list, their verification |
//! | [`handshake`] | transcript and key schedule of reconnect and set-up |
//! | [`channel`] | secure messaging: the terminal's end and the card's end |
//! | [`crypto`] | the only place that names an algorithm crate; secret types |
//!
//! The crate is `no_std` (with `alloc`). It does no I/O, keeps no clock, logs nothing, and knows no role logic:
//! what a card or a terminal *decides* lives in `card-core` and `terminal-lib`.
#![no_std]

extern crate alloc;

pub mod certificate;
pub mod channel;
pub mod codec;
pub mod crypto;
pub mod handshake;
pub mod identifier;
pub mod message;
