//! The four keys of a session and its send sequence counter (§6.4, §10.2).

use super::objects::{self, CommandObjects, ExpectedLength, ResponseObjects};
use crate::codec::command::Header;
use crate::codec::status::StatusWord;
use crate::crypto::{BLOCK, CipherKey, MacKey, Secret, SecretBytes};
use alloc::vec::Vec;
use planted::planted;

/// Keys of one direction: encryption and MAC. The type of [`SessionKeys`]' fields says which direction.
pub(super) struct DirectionKeys {
    cipher: CipherKey,
    mac: MacKey,
}

/// All keys of a session: `encT || macT || encC || macC`; T protects commands, C protects responses.
pub struct SessionKeys {
    commands: DirectionKeys,
    responses: DirectionKeys,
}

impl SessionKeys {
    /// Splits 128 derived bytes into the four keys.
    pub fn from_bytes(bytes: &Secret<128>) -> Self {
        let (commands, responses) = bytes.expose().split_at(64);
        Self {
            commands: DirectionKeys::from_half(if planted("one-key-both-ways") {
                responses
            } else {
                commands
            }),
            responses: DirectionKeys::from_half(responses),
        }
    }

    /// A second copy of the keys; see [`Secret::dangerous_copy`].
    #[must_use]
    pub fn dangerous_copy(&self) -> Self {
        Self {
            commands: self.commands.dangerous_copy(),
            responses: self.responses.dangerous_copy(),
        }
    }
}

impl DirectionKeys {
    fn from_half(half: &[u8]) -> Self {
        match half.split_first_chunk::<32>() {
            Some((cipher, mac)) if mac.len() == 32 => Self {
                cipher: CipherKey::new(cipher),
                mac: MacKey::new(mac.first_chunk().unwrap_or(&[0; 32])),
            },
            _ => unreachable!("half of 128 bytes is 64"),
        }
    }

    fn dangerous_copy(&self) -> Self {
        Self {
            cipher: self.cipher.dangerous_copy(),
            mac: self.mac.dangerous_copy(),
        }
    }

    fn iv(&self, counter: Counter) -> [u8; BLOCK] {
        self.cipher.encrypt_block(&counter.bytes())
    }

    fn decrypt(&self, counter: Counter, cryptogram: Option<&[u8]>) -> Option<SecretBytes> {
        match cryptogram {
            None => Some(SecretBytes::default()),
            Some(bytes) => self.cipher.decrypt(&self.iv(counter), bytes).ok(),
        }
    }
}

/// The send sequence counter: 0 when keys are made, one more before each message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counter(u32);

impl Counter {
    pub(super) const START: Self = Self(0);

    /// The counter of the next message, or `None` once `limit` messages were counted.
    pub(super) fn next(self, limit: u32) -> Option<Self> {
        (self.0 < limit).then(|| Self(self.0 + u32::from(!planted("counter-stands-still"))))
    }

    fn bytes(self) -> [u8; BLOCK] {
        u128::from(self.0).to_be_bytes()
    }

    #[cfg(test)]
    pub(super) fn at(value: u32) -> Self {
        Self(value)
    }
}

impl SessionKeys {
    /// The data field of a protected command.
    pub(super) fn seal_command(
        &self,
        counter: Counter,
        header: Header,
        data: &[u8],
        expected: Option<ExpectedLength>,
    ) -> Vec<u8> {
        let keys = &self.commands;
        let mut field = Vec::with_capacity(data.len() + 48);
        if !data.is_empty() {
            objects::put_cryptogram(&mut field, &keys.cipher.encrypt(&keys.iv(counter), data));
        }
        if let Some(expected) = expected {
            objects::put_expected(&mut field, expected);
        }
        let mac = keys.mac.mac(&[
            &counter.bytes(),
            &header_block(header),
            &field,
            padding(&field),
        ]);
        objects::put_mac(&mut field, &mac);
        field
    }

    /// Verifies, then decrypts; `None` for every fault.
    pub(super) fn open_command(
        &self,
        counter: Counter,
        header: Header,
        objects: &CommandObjects<'_>,
    ) -> Option<SecretBytes> {
        let (keys, field) = (&self.commands, objects.authenticated);
        let parts = [
            &counter.bytes()[..],
            &header_block(header),
            field,
            padding(field),
        ];
        let unchecked = planted("command-mac-unchecked");
        (keys.mac.verify(&parts, &objects.mac) || unchecked).then_some(())?;
        keys.decrypt(counter, objects.cryptogram)
    }

    /// The data field of a protected response.
    pub(super) fn seal_response(
        &self,
        counter: Counter,
        data: &[u8],
        status: StatusWord,
    ) -> Vec<u8> {
        let keys = &self.responses;
        let mut field = Vec::with_capacity(data.len() + 48);
        if !data.is_empty() {
            objects::put_cryptogram(&mut field, &keys.cipher.encrypt(&keys.iv(counter), data));
        }
        objects::put_status(&mut field, status);
        let mac = keys.mac.mac(&[&counter.bytes(), &field, padding(&field)]);
        objects::put_mac(&mut field, &mac);
        field
    }

    /// Verifies, then decrypts; `None` for every fault.
    pub(super) fn open_response(
        &self,
        counter: Counter,
        objects: &ResponseObjects<'_>,
    ) -> Option<SecretBytes> {
        let (keys, field) = (&self.responses, objects.authenticated);
        let parts = [&counter.bytes()[..], field, padding(field)];
        let unchecked = planted("response-mac-unchecked");
        (keys.mac.verify(&parts, &objects.mac) || unchecked).then_some(())?;
        keys.decrypt(counter, objects.cryptogram)
    }
}

/// The header as it enters the MAC: chaining bit cleared, padded to a whole block (§10.2).
fn header_block(header: Header) -> [u8; BLOCK] {
    let [cla, ins, p1, p2] = header.unchained().to_bytes();
    [cla, ins, p1, p2, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
}

/// The padding of the MAC input behind `field`, which begins on a block border: a whole block when `field` is empty.
fn padding(field: &[u8]) -> &'static [u8] {
    const PADDING: [u8; BLOCK] = [0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    PADDING.split_at(BLOCK - field.len() % BLOCK).0
}
