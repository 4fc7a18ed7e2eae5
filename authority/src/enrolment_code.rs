//! The one-time code by which a station or an operator is enrolled: a secret, and which authority it is for.
//!
//! ```text
//! secret, 16 bytes │ TLS CA's fingerprint, 16 bytes │ check, 3 bytes      base32 of 35 bytes: 56 characters, groups of 4
//! ```
//!
//! The fingerprint is the left half of SHA-256 over the CA's certificate, DER: the new client knows whom it speaks to before it
//! sends the secret. The check is the first 3 bytes of SHA-256 over what precedes it: it finds slips of the pen, and protects
//! nothing. The alphabet is Crockford's, which has no I, L, O or U; reading takes small letters, and 0 and 1 for what looks like them.

use apdu::crypto::{Entropy, EntropyError, Secret, equal, sha256};
use zeroize::Zeroizing;

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Bytes of a code: secret, fingerprint, check.
const LENGTH: usize = 35;
const CHECK: usize = 3;

/// A one-time code. It does not print, compare or copy itself, and is wiped when it dies.
pub struct EnrolmentCode {
    secret: Secret<16>,
    fingerprint: [u8; 16],
}

/// The text is no code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// Not 56 characters of the alphabet.
    #[error(
        "a code has 56 letters and digits; this has another length or other characters: type it again"
    )]
    Form,
    /// The check is wrong: mistyped.
    #[error("the code is mistyped: compare it with the one that was printed")]
    Check,
}

impl EnrolmentCode {
    /// Draws a code for the authority whose TLS CA has this certificate, DER.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn draw(tls_ca: &[u8], entropy: &mut dyn Entropy) -> Result<Self, EntropyError> {
        Ok(Self {
            secret: entropy.secret()?,
            fingerprint: fingerprint(tls_ca),
        })
    }

    /// Reads a code; blanks and hyphens do not count.
    ///
    /// # Errors
    /// [`CodeError`], which never repeats what was typed.
    pub fn parse(text: &str) -> Result<Self, CodeError> {
        let mut bytes = Zeroizing::new([0_u8; LENGTH]);
        let mut free = bytes.iter_mut();
        let (mut bits, mut kept) = (0_u16, 0_u32);
        for character in text.bytes().filter(|byte| !b" -\t\r\n".contains(byte)) {
            bits = bits << 5 | u16::from(value(character).ok_or(CodeError::Form)?);
            kept += 5;
            if kept >= 8 {
                kept -= 8;
                let [_, whole] = (bits >> kept).to_be_bytes();
                *free.next().ok_or(CodeError::Form)? = whole;
                bits &= (1 << kept) - 1;
            }
        }
        if kept != 0 || free.next().is_some() {
            return Err(CodeError::Form);
        }
        let (body, check) = bytes.split_at(LENGTH - CHECK);
        if !equal(check, &check_of(body)) {
            return Err(CodeError::Check);
        }
        let (secret, fingerprint) = body.split_at(16);
        Ok(Self {
            secret: Secret::born(|bytes| secret.try_into().map(|secret| *bytes = secret))
                .map_err(|_: std::array::TryFromSliceError| CodeError::Form)?,
            fingerprint: fingerprint.try_into().map_err(|_| CodeError::Form)?,
        })
    }

    /// The code as it is printed: 14 groups of 4, between hyphens. Whoever reads it first can enrol.
    pub fn dangerous_text(&self) -> Zeroizing<String> {
        let mut body = Zeroizing::new(self.secret.expose().to_vec());
        body.extend_from_slice(&self.fingerprint);
        let check = check_of(&body);
        body.extend_from_slice(&check);
        let mut text = Zeroizing::new(String::with_capacity(70));
        let (mut bits, mut kept, mut written) = (0_u16, 0_u32, 0_u32);
        for byte in body.iter() {
            bits = bits << 8 | u16::from(*byte);
            kept += 8;
            while kept >= 5 {
                kept -= 5;
                if written > 0 && written.is_multiple_of(4) {
                    text.push('-');
                }
                let letter = ALPHABET.get(usize::from(bits >> kept & 31));
                text.push(char::from(*letter.unwrap_or(&b'0'))); // five bits: always in the alphabet
                written += 1;
                bits &= (1 << kept) - 1;
            }
        }
        text
    }

    /// What the authority keeps: SHA-256 over a label and the secret. 128 random bits need no slow hash.
    pub fn hash(&self) -> [u8; 32] {
        sha256(&[b"tallystick enrolment code", self.secret.expose()])
    }

    /// Whether the code was made for the authority whose TLS CA has this certificate, DER.
    pub fn is_for(&self, tls_ca: &[u8]) -> bool {
        equal(&self.fingerprint, &fingerprint(tls_ca))
    }
}

fn fingerprint(tls_ca: &[u8]) -> [u8; 16] {
    let mut half = [0; 16];
    half.iter_mut()
        .zip(sha256(&[tls_ca]))
        .for_each(|(to, from)| *to = from);
    half
}

fn check_of(body: &[u8]) -> [u8; CHECK] {
    let [a, b, c, ..] = sha256(&[b"tallystick code check", body]);
    [a, b, c]
}

fn value(character: u8) -> Option<u8> {
    let upper = match character.to_ascii_uppercase() {
        b'O' => b'0',
        b'I' | b'L' => b'1',
        other => other,
    };
    let position = ALPHABET.iter().position(|letter| *letter == upper)?;
    u8::try_from(position).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Counting(u8);

    impl Entropy for Counting {
        fn fill(&mut self, bytes: &mut [u8]) -> Result<(), EntropyError> {
            for byte in bytes {
                self.0 = self.0.wrapping_mul(37).wrapping_add(11);
                *byte = self.0;
            }
            Ok(())
        }
    }

    fn code(seed: u8) -> EnrolmentCode {
        EnrolmentCode::draw(b"a certificate", &mut Counting(seed)).unwrap()
    }

    #[test]
    fn a_code_reads_back_however_it_is_typed() {
        for seed in 0..=255 {
            let code = code(seed);
            let text = code.dangerous_text();
            assert_eq!((text.len(), text.split('-').count()), (69, 14));
            let typed = text
                .to_lowercase()
                .replace('-', " ")
                .replace('0', "o")
                .replace('1', "l");
            for text in [text.as_str(), typed.as_str()] {
                let read = EnrolmentCode::parse(text).ok().unwrap();
                assert_eq!(read.hash(), code.hash());
                assert!(read.is_for(b"a certificate"));
                assert!(!read.is_for(b"another certificate"));
            }
        }
        assert_ne!(code(0).hash(), code(1).hash());
    }

    #[test]
    fn a_slip_in_any_character_is_found() {
        let text = code(7).dangerous_text();
        for (position, letter) in text.char_indices().filter(|(_, letter)| *letter != '-') {
            let other = if letter == 'Z' { "Y" } else { "Z" };
            let mut slip = text.to_string();
            slip.replace_range(position..=position, other);
            assert_eq!(
                EnrolmentCode::parse(&slip).err(),
                Some(CodeError::Check),
                "at {position}"
            );
        }
    }

    #[test]
    fn what_is_no_code_is_refused() {
        let text = code(7).dangerous_text();
        let short = &text[..68];
        let long = format!("{}0", *text);
        let longer = format!("{}00000000", *text);
        for bad in [
            "",
            "-",
            "U",
            "é",
            short,
            &long,
            &longer,
            &text.replace('-', "_"),
        ] {
            assert_eq!(
                EnrolmentCode::parse(bad).err(),
                Some(CodeError::Form),
                "{bad:?}"
            );
        }
    }
}
