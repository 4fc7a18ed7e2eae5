//! Every fixed identifier and limit of the protocol, in one table (§3).

use crate::codec::command::Header;

/// Length of every application identifier of ours: prefix 6, service number 2, version 2.
pub const AID_LENGTH: usize = 10;

/// An application identifier of category F (unregistered, proprietary; ISO/IEC 7816-5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Aid(pub [u8; AID_LENGTH]);

impl Aid {
    /// The identifier of a service: `F0 "TALLY"`, service number, version.
    pub const fn service(number: u16, version: u16) -> Self {
        let ([n1, n2], [v1, v2]) = (number.to_be_bytes(), version.to_be_bytes());
        Self([0xF0, b'T', b'A', b'L', b'L', b'Y', n1, n2, v1, v2])
    }

    /// The authentication application.
    pub const AUTHENTICATION: Self = Self::service(0, 1);
    /// The vault of named data objects (§14.2).
    pub const VAULT: Self = Self::service(1, 1);
    /// The counter (§14.3).
    pub const COUNTER: Self = Self::service(2, 1);
}

/// The answer to reset, the same on every card: T=1, full name selection, chaining, extended length.
pub const ATR: [u8; 9] = [0x3B, 0x85, 0x01, 0x80, 0x73, 0x80, 0x01, 0xC0, 0x36];

/// Protocol version announced in the answer to SELECT.
pub const VERSION: u8 = 1;
/// The suite implemented: P-256, SHA-256, AES-256. Bit 0 of the suites field.
pub const SUITE_P256: u8 = 1;
/// Suites field of a card that implements suite 01 only.
pub const SUITES: u16 = 0x0001;
/// Longest APDU announced; vpcd carries no more.
pub const MAX_APDU: u16 = 0xFFFF;
/// The longest data field of a logical answer, bytes: what one response APDU of 65,535 carries beside its status word. A terminal takes
/// every answer up to this.
pub const MAX_RESPONSE_DATA: usize = 65_533;
/// The longest data field of a logical command, bytes.
pub const MAX_LOGICAL_DATA: usize = 40_960;
/// Pairing slots on a card.
pub const SLOTS: usize = 16;
/// Commands under one key set. Why: 65,535 commands of at most 40,960 bytes stay far below 2^48 CMAC and CBC blocks.
pub const MAX_COMMANDS: u32 = 65_535;
/// The last generation of a pairing key; a slot that reached it behaves as unused.
pub const LAST_GENERATION: u32 = 65_535;
/// Tries of the PIN, and of the PUK.
pub const PIN_TRIES: u8 = 3;
/// Tries of the unblocking code.
pub const PUK_TRIES: u8 = 10;
/// Digits of a PIN.
pub const PIN_DIGITS: core::ops::RangeInclusive<usize> = 6..=12;
/// Digits of a PUK.
pub const PUK_DIGITS: core::ops::RangeInclusive<usize> = 8..=16;
/// Most entries of a status list.
pub const MAX_REVOKED: usize = 64;
/// Longest leaf certificate, bytes: it must fit one protected short answer.
pub const MAX_LEAF: usize = 223;
/// Longest label of a pairing, bytes.
pub const MAX_LABEL: usize = 16;
/// Objects in the vault.
pub const VAULT_OBJECTS: usize = 64;
/// Bytes in the vault, names and contents together.
pub const VAULT_BYTES: usize = 131_072;
/// Bytes of one vault object.
pub const VAULT_OBJECT_BYTES: usize = 32_768;

/// Secure messaging class of the authentication application.
pub const CLA_SECURE: u8 = 0x0C;
/// Secure messaging class of the selected service.
pub const CLA_SERVICE: u8 = 0x8C;

/// Headers of all commands (§11). Service commands have their own instruction space.
pub mod header {
    use super::Header;

    /// SELECT by name, first occurrence, FCI wanted.
    pub const SELECT: Header = Header::new(0x00, 0xA4, 0x04, 0x00);
    /// VERIFY CERTIFICATE: the terminal's certificate, or a link certificate before it.
    pub const VERIFY_CERTIFICATE: Header = Header::new(0x00, 0x2A, 0x00, 0xBE);
    /// AUTHENTICATE, reconnect (C1), suite 01.
    pub const RECONNECT: Header = Header::new(0x00, 0x86, 0x01, 0x01);
    /// AUTHENTICATE, set-up: key exchange, suite 01.
    pub const KEY_EXCHANGE: Header = Header::new(0x00, 0x86, 0x01, 0x02);
    /// AUTHENTICATE, set-up: the terminal's random, suite 01.
    pub const TERMINAL_RANDOM: Header = Header::new(0x0C, 0x86, 0x01, 0x03);
    /// AUTHENTICATE, set-up: commit, suite 01.
    pub const COMMIT: Header = Header::new(0x0C, 0x86, 0x01, 0x04);
    /// GET DATA: the card's certificate.
    pub const CARD_CERTIFICATE: Header = Header::new(0x0C, 0xCA, 0x7F, 0x21);
    /// GET DATA: status.
    pub const STATUS: Header = Header::new(0x0C, 0xCA, 0x01, 0x01);
    /// GET DATA: the status list.
    pub const GET_STATUS_LIST: Header = Header::new(0x0C, 0xCA, 0x01, 0x02);
    /// PUT DATA: a status list.
    pub const PUT_STATUS_LIST: Header = Header::new(0x0C, 0xDA, 0x01, 0x02);
    /// GET DATA: pairings.
    pub const LIST_PAIRINGS: Header = Header::new(0x0C, 0xCA, 0x01, 0x03);
    /// PUT DATA: label and flags of a pairing.
    pub const CHANGE_PAIRING: Header = Header::new(0x0C, 0xDA, 0x01, 0x03);
    /// PUT DATA: delete a pairing.
    pub const DELETE_PAIRING: Header = Header::new(0x0C, 0xDA, 0x01, 0x04);
    /// GET DATA: services.
    pub const LIST_SERVICES: Header = Header::new(0x0C, 0xCA, 0x01, 0x05);
    /// PUT DATA: a link certificate.
    pub const PUT_LINK: Header = Header::new(0x0C, 0xDA, 0x7F, 0x21);
    /// VERIFY the PIN, or ask whether it is verified.
    pub const VERIFY: Header = Header::new(0x0C, 0x20, 0x00, 0x81);
    /// CHANGE REFERENCE DATA: the PIN.
    pub const CHANGE_PIN: Header = Header::new(0x0C, 0x24, 0x00, 0x81);
    /// CHANGE REFERENCE DATA: the PUK.
    pub const CHANGE_PUK: Header = Header::new(0x0C, 0x24, 0x00, 0x82);
    /// RESET RETRY COUNTER: unblock the PIN by the PUK.
    pub const UNBLOCK: Header = Header::new(0x0C, 0x2C, 0x00, 0x81);
    /// Factory reset.
    pub const FACTORY_RESET: Header = Header::new(0x0C, 0xE6, 0x00, 0x00);
    /// SELECT a service.
    pub const SELECT_SERVICE: Header = Header::new(0x0C, 0xA4, 0x04, 0x00);
    /// Personalisation: first PIN.
    pub const SET_PIN: Header = Header::new(0x00, 0x24, 0x01, 0x81);
    /// Personalisation: first PUK.
    pub const SET_PUK: Header = Header::new(0x00, 0x24, 0x01, 0x82);
    /// Personalisation: generate the key pair, answer a request.
    pub const GENERATE_KEY: Header = Header::new(0x00, 0x46, 0x80, 0x00);
    /// Personalisation: store the root, or the card's own certificate.
    pub const STORE_CERTIFICATE: Header = Header::new(0x00, 0xDA, 0x7F, 0x21);
    /// Personalisation: ACTIVATE.
    pub const ACTIVATE: Header = Header::new(0x00, 0x44, 0x00, 0x00);
    /// GET RESPONSE.
    pub const GET_RESPONSE: Header = Header::new(0x00, 0xC0, 0x00, 0x00);
    /// Vault: names, policies, sizes.
    pub const VAULT_LIST: Header = Header::new(0x8C, 0x10, 0x00, 0x00);
    /// Vault: content of one object.
    pub const VAULT_READ: Header = Header::new(0x8C, 0x12, 0x00, 0x00);
    /// Vault: write one object whole.
    pub const VAULT_WRITE: Header = Header::new(0x8C, 0x14, 0x00, 0x00);
    /// Vault: delete one object.
    pub const VAULT_DELETE: Header = Header::new(0x8C, 0x16, 0x00, 0x00);
    /// Counter: value and limit.
    pub const COUNTER_READ: Header = Header::new(0x8C, 0x20, 0x00, 0x00);
    /// Counter: add an amount.
    pub const COUNTER_ADD: Header = Header::new(0x8C, 0x22, 0x00, 0x00);
    /// Counter: set the limit.
    pub const COUNTER_LIMIT: Header = Header::new(0x8C, 0x24, 0x00, 0x00);
}
