//! DHKEM(P-256, HKDF-SHA256) of RFC 9180 section 4.1, base mode: "a random encrypted to the certified public key" (§6.5).
//!
//! The one-shot forms here are all the protocol needs. There is no decapsulation error: a wrong value shows as a wrong MAC.

use super::agreement::{PrivateKey, PublicKey};
use super::entropy::{Entropy, EntropyError};
use super::hash::{hkdf_expand, hkdf_extract};
use super::secret::Secret;

/// RFC 9180: "KEM" || I2OSP(0x0010, 2).
const SUITE: &[u8] = b"KEM\x00\x10";

/// Draws a random for the holder of `recipient`'s private key: the 65-byte encapsulation and the shared 32 bytes.
pub fn encapsulate(
    recipient: &PublicKey,
    entropy: &mut dyn Entropy,
) -> Result<([u8; 65], Secret<32>), EntropyError> {
    let ephemeral = PrivateKey::generate(entropy)?;
    let enc = ephemeral.public_key().to_uncompressed();
    let shared = extract_and_expand(
        &ephemeral.agree(recipient),
        &enc,
        &recipient.to_uncompressed(),
    );
    Ok((enc, shared))
}

/// Opens an encapsulation that was made to `own`, the public key of `private`. The certificate holds `own`; computing it
/// again would cost as much as a key pair.
pub fn decapsulate(private: &PrivateKey, own: &PublicKey, enc: &PublicKey) -> Secret<32> {
    extract_and_expand(
        &private.agree(enc),
        &enc.to_uncompressed(),
        &own.to_uncompressed(),
    )
}

fn extract_and_expand(dh: &Secret<32>, enc: &[u8; 65], recipient: &[u8; 65]) -> Secret<32> {
    let prk = hkdf_extract(&[], &[b"HPKE-v1", SUITE, b"eae_prk", dh.expose()]);
    let length: &[u8] = &[0, 32];
    hkdf_expand(
        &prk,
        &[length, b"HPKE-v1", SUITE, b"shared_secret", enc, recipient],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
            .collect()
    }

    /// RFC 9180 appendix A.3.1.
    #[test]
    fn the_kem_gives_the_shared_secret_of_rfc_9180_a_3() {
        let private = hex("f3ce7fdae57e1a310d87f1ebbde6f328be0a99cdbcadf4d6589cf29de4b8ffd2");
        let recipient = PrivateKey::from_scalar(&private.try_into().unwrap()).unwrap();
        let enc = hex(
            "04a92719c6195d5085104f469a8b9814d5838ff72b60501e2c4466e5e67b325ac98536d7b61a1af4b78e5b7f951c0900be863c403ce65c9bfcb9382657222d18c4",
        );
        let shared = decapsulate(
            &recipient,
            &recipient.public_key(),
            &PublicKey::from_uncompressed(&enc).unwrap(),
        );
        assert_eq!(
            shared.expose().to_vec(),
            hex("c0d26aeab536609a572b07695d933b589dcf363ff9d93c93adea537aeabb8cb8")
        );
    }
}
