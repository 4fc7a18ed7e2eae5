//! Key derivation from a key: SP 800-108r1 in counter mode, PRF AES-256-CMAC, with the K(0) step of its section 4.1 (§6.3).

use super::block::{BLOCK, MacKey};
use super::secret::{Secret, wipe_below};
use core::convert::Infallible;

/// `N` bytes derived from `key` under `label` and `context`: `F = "TALLY1 " || label || 00 || context || u32(8 N)`,
/// `K(0) = CMAC(F)`, `K(i) = CMAC(u32(i) || F || K(0))`. `N` is a multiple of 16.
///
/// K(0) keeps whoever chooses part of the fixed input from controlling the output; most libraries leave it out.
pub fn kdf<const N: usize>(key: &MacKey, label: &str, context: &[u8]) -> Secret<N> {
    const { assert!(N.is_multiple_of(16) && N > 0 && N <= 1024) };
    let bits = u32::try_from(8 * N).unwrap_or(u32::MAX).to_be_bytes();
    let fixed: [&[u8]; 5] = [b"TALLY1 ", label.as_bytes(), &[0], context, &bits];
    let first = born(|first: &mut [u8; BLOCK]| key.mac_into(&fixed, first));
    let [prefix, label, zero, context, bits] = fixed;
    let derived = born(|out: &mut [u8; N]| {
        let (blocks, _) = out.as_chunks_mut(); // N is a multiple of 16
        for (counter, block) in (1u32..).zip(blocks) {
            let counter = counter.to_be_bytes();
            let first = first.expose();
            key.mac_into(
                &[&counter, prefix, label, zero, context, bits, first],
                block,
            );
        }
    });
    wipe_below();
    derived
}

fn born<const N: usize>(fill: impl FnOnce(&mut [u8; N])) -> Secret<N> {
    let secret = Secret::born(|bytes| {
        fill(bytes);
        Ok::<(), Infallible>(())
    });
    match secret {
        Ok(secret) => secret,
        Err(never) => match never {},
    }
}
