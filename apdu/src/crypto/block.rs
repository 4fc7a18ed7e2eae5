//! AES-256-CBC with ISO/IEC 7816-4 padding (SP 800-38A) and AES-256-CMAC (SP 800-38B).
//!
//! Expanded keys are kept, so that a message costs no key schedule.

use super::secret::{Secret, wipe_below};
use aes::Aes256;
use aes::cipher::block_padding::Iso7816;
use aes::cipher::{
    Block, BlockCipherEncrypt, BlockModeDecrypt, BlockModeEncrypt, InnerIvInit, KeyInit,
};
use alloc::{boxed::Box, vec, vec::Vec};
use cmac::digest::{FixedOutput, InnerInit};
use cmac::{Cmac, Mac};
use zeroize::Zeroizing;

/// Inputs up to this length are joined before they are fed.
const JOINED: usize = 128;
/// Block size of AES, bytes.
pub const BLOCK: usize = 16;

/// The padding under a valid MAC is not ISO/IEC 7816-4 padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the padding is wrong")]
pub struct PaddingError;

/// Expands a key where it stays: on the heap, so that moving it leaves no copy behind.
fn expand(key: &[u8; 32]) -> Box<Aes256> {
    #[inline(never)] // what it leaves on the stack must lie below this frame
    fn expand_and_leave(key: &[u8; 32]) -> Box<Aes256> {
        Box::new(Aes256::new(key.into()))
    }
    let expanded = expand_and_leave(key);
    wipe_below();
    expanded
}

/// An expanded AES-256 key for CBC encryption in one direction.
pub struct CipherKey(Box<Aes256>);

impl CipherKey {
    /// Expands a 32-byte key.
    pub fn new(key: &[u8; 32]) -> Self {
        Self(expand(key))
    }

    /// A second copy of the key; see [`Secret::dangerous_copy`].
    #[must_use]
    pub fn dangerous_copy(&self) -> Self {
        Self(self.0.clone())
    }

    /// One block through AES in ECB, for making initialisation vectors (§10.2).
    pub fn encrypt_block(&self, block: &[u8; BLOCK]) -> [u8; BLOCK] {
        let mut block = Block::<Aes256>::from(*block);
        self.0.encrypt_block(&mut block);
        block.into()
    }

    /// Pads `plain` (80 00..) and encrypts it: at least one block, a multiple of 16 bytes.
    pub fn encrypt(&self, iv: &[u8; BLOCK], plain: &[u8]) -> Vec<u8> {
        let padded = (plain.len() / BLOCK + 1) * BLOCK;
        let mut buffer = vec![0; padded];
        let (message, _) = buffer.split_at_mut(plain.len());
        message.copy_from_slice(plain);
        let mode = cbc::Encryptor::inner_iv_init(&*self.0, iv.into());
        match mode.encrypt_padded::<Iso7816>(&mut buffer, plain.len()) {
            Ok(_) => buffer,
            Err(_) => unreachable!("the buffer was sized for the padding"),
        }
    }

    /// Decrypts and removes the padding. Call it only after the MAC was verified.
    pub fn decrypt(
        &self,
        iv: &[u8; BLOCK],
        cipher: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, PaddingError> {
        let mut buffer = Zeroizing::new(cipher.to_vec());
        let mode = cbc::Decryptor::inner_iv_init(&*self.0, iv.into());
        let length = mode
            .decrypt_padded::<Iso7816>(&mut buffer)
            .map_err(|_| PaddingError)?
            .len();
        buffer.truncate(length);
        Ok(buffer)
    }
}

/// An expanded AES-256-CMAC key.
pub struct MacKey(Box<Aes256>);

impl MacKey {
    /// Expands a 32-byte key.
    pub fn new(key: &[u8; 32]) -> Self {
        Self(expand(key))
    }

    /// A second copy of the key; see [`Secret::dangerous_copy`].
    #[must_use]
    pub fn dangerous_copy(&self) -> Self {
        Self(self.0.clone())
    }

    /// The 16-byte tag over several parts, as one string.
    pub fn mac(&self, parts: &[&[u8]]) -> [u8; BLOCK] {
        let mut tag = [0; BLOCK];
        self.mac_into(parts, &mut tag);
        tag
    }

    /// The same, written where it is to stay: it may be part of a key.
    pub(super) fn mac_into(&self, parts: &[&[u8]], tag: &mut [u8; BLOCK]) {
        FixedOutput::finalize_into(self.feed(parts), tag.into());
    }

    /// Whether `tag` is the tag over `parts`, in constant time.
    #[must_use]
    pub fn verify(&self, parts: &[&[u8]], tag: &[u8; BLOCK]) -> bool {
        self.feed(parts).verify(tag.into()).is_ok()
    }

    fn feed(&self, parts: &[&[u8]]) -> Cmac<&Aes256> {
        let mut mac = Cmac::inner_init(&*self.0);
        // Why: most inputs are a few short parts, and one update is several times cheaper than seven.
        let mut joined = Zeroizing::new([0u8; JOINED]);
        let length: usize = parts.iter().map(|part| part.len()).sum();
        match joined.get_mut(..length) {
            None => parts.iter().for_each(|part| mac.update(part)),
            Some(buffer) => {
                let mut rest = &mut buffer[..];
                for part in parts {
                    let (place, after) = rest.split_at_mut(part.len());
                    place.copy_from_slice(part);
                    rest = after;
                }
                mac.update(buffer);
            }
        }
        mac
    }
}

impl From<&Secret<32>> for MacKey {
    fn from(key: &Secret<32>) -> Self {
        Self::new(key.expose())
    }
}
