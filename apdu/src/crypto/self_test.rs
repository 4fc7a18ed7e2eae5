//! Known answers, asked before a card starts: a broken cipher, hash or curve must not meet a key.
//!
//! The questions are examples of the standards (SP 800-38A F.1.5 and F.2.5, SP 800-38B D.3, FIPS 180-4, RFC 4231, RFC 5869 A.1,
//! NIST's first vector for ECC CDH, RFC 6979 A.2.5), and for the Kdf that of `docs/protocol.md` §18.

use super::agreement::{PrivateKey, PublicKey};
use super::block::{CipherKey, MacKey};
use super::hash::{hkdf_expand, hkdf_extract, hmac_sha256, sha256};
use super::kdf::kdf;

/// A primitive gave another answer than its standard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("self-test: {0} gives a wrong answer, so nothing can be trusted to it")]
pub struct SelfTestError(pub &'static str);

/// What each primitive must answer to its fixed question.
#[derive(Debug, Clone)]
pub struct KnownAnswers {
    /// AES-256 of one block.
    pub block: [u8; 16],
    /// AES-256-CBC of one block; the padding after it is judged by decrypting.
    pub chained: [u8; 16],
    /// AES-256-CMAC of one block.
    pub mac: [u8; 16],
    /// Kdf with the label "next" (§6.4).
    pub derived: [u8; 32],
    /// SHA-256 of "abc".
    pub hash: [u8; 32],
    /// HMAC-SHA-256.
    pub keyed_hash: [u8; 32],
    /// HKDF-SHA-256, 42 bytes.
    pub expanded: [u8; 42],
    /// ECDH on P-256.
    pub agreed: [u8; 32],
    /// ECDSA of "sample".
    pub signature: [u8; 64],
}

impl KnownAnswers {
    /// The answers that the standards give.
    pub const PUBLISHED: Self = Self {
        block: hex("f3eed1bdb5d2a03c064b5a7e3db181f8"),
        chained: hex("f58c4c04d6e5f1ba779eabfb5f7bfbd6"),
        mac: hex("28a7023f452e8f82bd4bf28d8c37c35c"),
        derived: hex("70278e689560ed5139ea325f069b23e411e6720d37a133f8f606a330cfae215d"),
        hash: hex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        keyed_hash: hex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
        expanded: hex(
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
        ),
        agreed: hex("46fc62106420ff012e54a434fbdd2d25ccc5852060561e68040dd7778997bd7b"),
        signature: hex(
            "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716\
             f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8",
        ),
    };

    /// Asks every primitive its question.
    ///
    /// # Errors
    /// Names the first that answers otherwise.
    pub fn check(&self) -> Result<(), SelfTestError> {
        let (cipher, mac) = (CipherKey::new(&KEY), MacKey::new(&KEY));
        let encrypted = cipher.encrypt(&IV, &BLOCK);
        let opened = cipher.decrypt(&IV, &encrypted);
        let expanded: [&[u8]; 2] = [
            &[0xF0, 0xF1, 0xF2],
            &[0xF3, 0xF4, 0xF5, 0xF6, 0xF7, 0xF8, 0xF9],
        ];
        let prk = hkdf_extract(&SALT, &[&[0x0B; 22]]);
        let answers = [
            ("AES", cipher.encrypt_block(&BLOCK) == self.block),
            (
                "CBC",
                encrypted.starts_with(&self.chained) && opened.is_ok_and(|plain| *plain == BLOCK),
            ),
            (
                "CMAC",
                mac.mac(&[&BLOCK]) == self.mac && mac.verify(&[&BLOCK], &self.mac),
            ),
            (
                "Kdf",
                kdf(&MacKey::new(&COUNTING), "next", &[]).equals(&self.derived),
            ),
            ("SHA-256", sha256(&[b"ab", b"c"]) == self.hash),
            (
                "HMAC",
                hmac_sha256(b"Jefe", &[b"what do ya want ", b"for nothing?"])
                    .equals(&self.keyed_hash),
            ),
            ("HKDF", hkdf_expand(&prk, &expanded).equals(&self.expanded)),
            ("ECDH", self.agreement()),
            ("ECDSA", self.signatures()),
        ];
        let wrong = answers.into_iter().find(|(_, right)| !right);
        wrong.map_or(Ok(()), |(name, _)| Err(SelfTestError(name)))
    }

    fn agreement(&self) -> bool {
        let private = PrivateKey::from_scalar(&AGREEMENT_KEY);
        let peer = PublicKey::from_compressed(&AGREEMENT_PEER);
        private
            .zip(peer.ok())
            .is_some_and(|(private, peer)| private.agree(&peer).equals(&self.agreed))
    }

    /// Signs, verifies, and refuses the signature to another message.
    fn signatures(&self) -> bool {
        PrivateKey::from_scalar(&SIGNATURE_KEY).is_some_and(|key| {
            let public = key.public_key();
            key.sign(b"sample") == self.signature
                && public.verify(b"sample", &self.signature).is_ok()
                && public.verify(b"simple", &self.signature).is_err()
        })
    }
}

const KEY: [u8; 32] = hex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4");
const BLOCK: [u8; 16] = hex("6bc1bee22e409f96e93d7e117393172a");
const IV: [u8; 16] = hex("000102030405060708090a0b0c0d0e0f");
const SALT: [u8; 13] = hex("000102030405060708090a0b0c");
const COUNTING: [u8; 32] = hex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
const AGREEMENT_KEY: [u8; 32] =
    hex("7d7dc5f71eb29ddaf80d6214632eeae03d9058af1fb6d22ed80badb62bc1a534");
/// The peer's y is even.
const AGREEMENT_PEER: [u8; 33] =
    hex("02700c48f77f56584c5cc632ca65640db91b6bacce3a4df6b42ce7cc838833d287");
const SIGNATURE_KEY: [u8; 32] =
    hex("c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721");

/// Bytes of a hexadecimal constant of this file; a wrong one does not compile.
const fn hex<const N: usize>(text: &str) -> [u8; N] {
    const fn digit(letter: u8) -> u8 {
        match letter {
            b'0'..=b'9' => letter - b'0',
            b'a'..=b'f' => letter - b'a' + 10,
            _ => panic!("not a digit"),
        }
    }
    let text = text.as_bytes();
    assert!(text.len() == 2 * N);
    let mut bytes = [0; N];
    let mut at = 0;
    while at < N {
        bytes[at] = digit(text[2 * at]) << 4 | digit(text[2 * at + 1]);
        at += 1;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    type Flip = fn(&mut KnownAnswers) -> &mut [u8];

    /// T38: the right answers pass, and a flipped bit in any byte of any of them is noticed under the primitive's name.
    #[test]
    fn every_flipped_bit_of_an_answer_is_noticed() {
        assert_eq!(KnownAnswers::PUBLISHED.check(), Ok(()));
        let answers: [(&str, Flip); 9] = [
            ("AES", |answers| &mut answers.block),
            ("CBC", |answers| &mut answers.chained),
            ("CMAC", |answers| &mut answers.mac),
            ("Kdf", |answers| &mut answers.derived),
            ("SHA-256", |answers| &mut answers.hash),
            ("HMAC", |answers| &mut answers.keyed_hash),
            ("HKDF", |answers| &mut answers.expanded),
            ("ECDH", |answers| &mut answers.agreed),
            ("ECDSA", |answers| &mut answers.signature),
        ];
        for (name, answer) in answers {
            let mut wrong = KnownAnswers::PUBLISHED;
            for at in 0..answer(&mut wrong).len() {
                let mut wrong = KnownAnswers::PUBLISHED;
                answer(&mut wrong)[at] ^= 1 << (at % 8);
                assert_eq!(wrong.check(), Err(SelfTestError(name)), "{name}, byte {at}");
            }
        }
    }
}
