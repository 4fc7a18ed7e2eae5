//! Known attacks and edge cases on the primitives: the Wycheproof sets, through the very functions that both ends use.
//!
//! A case that our functions cannot even be asked (an AES key of another length, a signature that is not 64 bytes) counts as refused:
//! the types leave no way to ask. How many these are is asserted, too.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

use apdu::crypto::{
    CipherKey, MacKey, PrivateKey, PublicKey, Secret, equal, hkdf_expand, hkdf_extract, hmac_sha256,
};
use conformance::evidence::report;
use std::collections::BTreeMap;
use wycheproof::TestResult::{self, Acceptable, Invalid, Valid};
use wycheproof::{cipher, ecdh, ecdsa, hkdf, mac};

/// How our functions took the cases of one set.
#[derive(Default)]
struct Tally {
    accepted: BTreeMap<TestResultKey, u64>,
    refused: BTreeMap<TestResultKey, u64>,
    unaskable: u64,
}

/// `TestResult` has no order of its own.
type TestResultKey = &'static str;

fn key_of(result: TestResult) -> TestResultKey {
    match result {
        Valid => "valid",
        Acceptable => "acceptable",
        Invalid => "invalid",
    }
}

impl Tally {
    fn accept(&mut self, result: TestResult) {
        *self.accepted.entry(key_of(result)).or_default() += 1;
    }

    fn refuse(&mut self, result: TestResult) {
        *self.refused.entry(key_of(result)).or_default() += 1;
    }

    fn count(&mut self, accepted: bool, result: TestResult) {
        match accepted {
            true => self.accept(result),
            false => self.refuse(result),
        }
    }

    fn skip(&mut self) {
        self.unaskable += 1;
    }

    /// The counts must be exactly these; what is not named must be 0.
    fn must_be(
        self,
        set: &str,
        accepted: &[(&'static str, u64)],
        refused: &[(&'static str, u64)],
        unaskable: u64,
    ) {
        let wanted =
            |rows: &[(&'static str, u64)]| rows.iter().copied().collect::<BTreeMap<_, _>>();
        assert_eq!(self.accepted, wanted(accepted), "{set}: accepted");
        assert_eq!(self.refused, wanted(refused), "{set}: refused");
        assert_eq!(self.unaskable, unaskable, "{set}: cannot be asked");
        let sum = |counts: &BTreeMap<_, u64>| counts.values().sum::<u64>();
        let (accepted, refused) = (sum(&self.accepted), sum(&self.refused));
        let line =
            format!("{set}: {accepted} accepted, {refused} refused, {unaskable} of other sizes");
        report("T36", accepted + refused + unaskable, line);
    }
}

fn fixed<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    bytes.try_into().ok()
}

/// T36: AES-256-CMAC. The 209 cases with other keys have no place in `MacKey`.
#[test]
fn every_modified_cmac_is_refused_and_every_right_one_taken() {
    let set = mac::TestSet::load(mac::TestName::AesCmac).unwrap();
    let mut seen = Tally::default();
    for case in set.test_groups.iter().flat_map(|group| &group.tests) {
        let (Some(key), Some(tag)) = (fixed::<32>(&case.key), fixed::<16>(&case.tag)) else {
            seen.skip();
            continue;
        };
        let key = MacKey::new(&key);
        let right = key.mac(&[&case.msg]) == tag;
        assert_eq!(right, key.verify(&[&case.msg], &tag), "case {}", case.tc_id);
        let (head, tail) = case.msg.split_at(case.msg.len() / 3);
        assert_eq!(
            right,
            key.verify(&[head, &[], tail], &tag),
            "in parts: case {}",
            case.tc_id
        );
        assert_eq!(
            right,
            case.result == Valid,
            "case {}: {}",
            case.tc_id,
            case.comment
        );
        seen.count(right, case.result);
    }
    seen.must_be("AES-256-CMAC", &[("valid", 21)], &[("invalid", 81)], 209);
}

/// T36: HMAC-SHA-256, keys of 128 to 520 bits, tags of 256 bits and cut to 128.
#[test]
fn every_modified_hmac_is_refused_and_every_right_one_taken() {
    let set = mac::TestSet::load(mac::TestName::HmacSha256).unwrap();
    let mut seen = Tally::default();
    for case in set.test_groups.iter().flat_map(|group| &group.tests) {
        let made = hmac_sha256(&case.key, &[&case.msg]);
        let right = match fixed::<32>(&case.tag) {
            Some(tag) => made.equals(&tag),
            None => equal(made.expose().split_at(case.tag.len()).0, &case.tag),
        };
        assert_eq!(
            right,
            case.result == Valid,
            "case {}: {}",
            case.tc_id,
            case.comment
        );
        seen.count(right, case.result);
    }
    seen.must_be("HMAC-SHA-256", &[("valid", 66)], &[("invalid", 108)], 0);
}

/// HKDF-Expand to a length that is known only now. Another length than these is asked for nowhere in the set.
fn expand(prk: &Secret<32>, info: &[u8], size: usize) -> Option<Vec<u8>> {
    macro_rules! sizes {
        ($($size:literal)*) => {
            match size {
                $($size => Some(hkdf_expand::<$size>(prk, &[info]).expose().to_vec()),)*
                0..=8160 => panic!("no row for {size} bytes"),
                _ => None, // more than HKDF has: does not compile
            }
        };
    }
    sizes!(20 32 42 56 64 80 82 128 8160)
}

/// T36: HKDF-SHA-256, up to the longest output there is. Longer ones do not compile.
#[test]
fn every_hkdf_output_is_right_and_too_long_ones_cannot_be_asked_for() {
    let set = hkdf::TestSet::load(hkdf::TestName::HkdfSha256).unwrap();
    let mut seen = Tally::default();
    for case in set.test_groups.iter().flat_map(|group| &group.tests) {
        let prk = hkdf_extract(&case.salt, &[&case.ikm]);
        let Some(made) = expand(&prk, &case.info, case.size) else {
            assert_eq!(case.result, Invalid, "case {}", case.tc_id);
            seen.skip();
            continue;
        };
        let right = made == *case.okm;
        assert_eq!(
            right,
            case.result == Valid,
            "case {}: {}",
            case.tc_id,
            case.comment
        );
        seen.count(right, case.result);
    }
    seen.must_be("HKDF-SHA-256", &[("valid", 83)], &[], 3);
}

/// What PKCS #5 says about a decrypted message; ours is padded otherwise.
fn without_pkcs5(padded: &[u8]) -> Option<&[u8]> {
    let last = usize::from(*padded.last()?);
    let (message, padding) = padded.split_at_checked(padded.len().checked_sub(last)?)?;
    let sound = (1..=16).contains(&last) && padding.iter().all(|byte| usize::from(*byte) == last);
    sound.then_some(message)
}

/// Decrypts the blocks of CBC with `key`, by lengthening them with the block that makes our own padding right.
fn decrypt_blocks(key: &CipherKey, iv: &[u8; 16], cipher: &[u8]) -> Vec<u8> {
    let before = cipher.last_chunk::<16>().unwrap_or(iv);
    let mut padding = *before;
    padding[0] ^= 0x80;
    let longer = [cipher, &key.encrypt_block(&padding)].concat();
    key.decrypt(iv, &longer).unwrap().to_vec()
}

/// T36: AES-256-CBC. The set pads by PKCS #5 and we by ISO/IEC 7816-4, so its padding is put on and taken off here.
#[test]
fn cbc_agrees_with_the_set_in_both_directions_and_judges_padding_by_its_own_rule() {
    let set = cipher::TestSet::load(cipher::TestName::AesCbcPkcs5).unwrap();
    let mut seen = Tally::default();
    let (mut taken, mut not_taken) = (0, 0);
    for case in set.test_groups.iter().flat_map(|group| &group.tests) {
        let (Some(key), Some(iv)) = (fixed::<32>(&case.key), fixed::<16>(&case.nonce)) else {
            seen.skip();
            continue;
        };
        let key = CipherKey::new(&key);
        let blocks = decrypt_blocks(&key, &iv, &case.ct);
        let message = without_pkcs5(&blocks);
        let right = message == Some(&case.pt[..]);
        assert_eq!(
            right,
            case.result == Valid,
            "case {}: {}",
            case.tc_id,
            case.comment
        );
        // Our encryption of the padded message is theirs and one block of our padding.
        let cipher = key.encrypt(&iv, &blocks);
        assert_eq!(cipher[..blocks.len()], case.ct[..], "case {}", case.tc_id);
        // As it is, theirs is ours only where 80 00.. happens to stand at the end.
        let ours = blocks
            .iter()
            .rposition(|byte| *byte != 0)
            .filter(|at| blocks[*at] == 0x80 && blocks.len() - at <= 16);
        let plain = key.decrypt(&iv, &case.ct).ok();
        assert_eq!(
            plain.map(|plain| plain.to_vec()),
            ours.map(|at| blocks[..at].to_vec()),
            "case {}",
            case.tc_id
        );
        match ours {
            Some(_) => taken += 1,
            None => not_taken += 1,
        }
        seen.count(right, case.result);
    }
    // Non-vacuity: among the damaged ones some do end in 80 00.. and decrypt under our rule; most do not.
    assert!(taken > 0 && not_taken > 60, "{taken} {not_taken}");
    seen.must_be("AES-256-CBC", &[("valid", 24)], &[("invalid", 48)], 144);
}

/// A private key of the set: a number with leading zeros too many, or too few.
fn scalar(number: &[u8]) -> [u8; 32] {
    let digits: Vec<u8> = number
        .iter()
        .copied()
        .skip_while(|byte| *byte == 0)
        .collect();
    let mut scalar = [0; 32];
    scalar[32 - digits.len()..].copy_from_slice(&digits);
    scalar
}

/// T36: ECDH on P-256. Messages hold uncompressed points and certificates compressed ones; each form is refused in the other's place.
#[test]
fn ecdh_gives_the_right_secret_and_takes_no_point_off_the_curve() {
    let set = ecdh::TestSet::load(ecdh::TestName::EcdhSecp256r1Ecpoint).unwrap();
    let mut seen = Tally::default();
    for case in set.test_groups.iter().flat_map(|group| &group.tests) {
        let point = PublicKey::from_uncompressed(&case.public_key);
        let compressed = PublicKey::from_compressed(&case.public_key);
        assert!(
            point.is_err() || compressed.is_err(),
            "case {}: two forms",
            case.tc_id
        );
        let private = PrivateKey::from_scalar(&scalar(&case.private_key)).unwrap();
        let secret = point
            .or(compressed)
            .map(|point| private.agree(&point).expose().to_vec());
        let right = secret.as_deref() == Ok(&case.shared_secret[..]);
        match case.result {
            Valid | Acceptable => assert!(right, "case {}: {}", case.tc_id, case.comment),
            Invalid => assert!(secret.is_err(), "case {}: {}", case.tc_id, case.comment),
        }
        seen.count(right, case.result);
    }
    seen.must_be(
        "ECDH P-256",
        &[("valid", 330), ("acceptable", 1)],
        &[("invalid", 24)],
        0,
    );
}

fn key_of_group(group: &ecdsa::TestGroup) -> PublicKey {
    let key = PublicKey::from_uncompressed(&group.key.key).unwrap();
    // The compressed form is the one in certificates: it must be the same key.
    assert_eq!(
        PublicKey::from_compressed(&key.to_compressed()),
        Ok(key.clone())
    );
    key
}

/// T36: ECDSA with r || s, the form of certificates. 21 signatures are not 64 bytes long.
#[test]
fn every_wrong_signature_is_refused_and_every_right_one_taken() {
    let set = ecdsa::TestSet::load(ecdsa::TestName::EcdsaSecp256r1Sha256P1363).unwrap();
    let mut seen = Tally::default();
    for group in &set.test_groups {
        let key = key_of_group(group);
        for case in &group.tests {
            let Some(signature) = fixed::<64>(&case.sig) else {
                assert_eq!(case.result, Invalid, "case {}", case.tc_id);
                seen.skip();
                continue;
            };
            let right = key.verify(&case.msg, &signature).is_ok();
            assert_eq!(
                right,
                case.result == Valid,
                "case {}: {}",
                case.tc_id,
                case.comment
            );
            seen.count(right, case.result);
        }
    }
    seen.must_be(
        "ECDSA P-256 r||s",
        &[("valid", 173)],
        &[("invalid", 68)],
        21,
    );
}

/// One INTEGER in DER, as 32 bytes; and what follows it.
fn integer(bytes: &[u8]) -> Option<([u8; 32], &[u8])> {
    let (&[2, length], rest) = bytes.split_first_chunk()? else {
        return None;
    };
    let (value, rest) = rest.split_at_checked(usize::from(length))?;
    let digits = match value {
        [0, next @ ..] if next.first().is_some_and(|byte| *byte >= 0x80) => next,
        [0] => &[],
        [first @ 1..0x80, ..] if value.first() == Some(first) => value,
        _ => return None, // negative, empty, or longer than it must be
    };
    let mut number = [0; 32];
    number
        .get_mut(32usize.checked_sub(digits.len())?..)?
        .copy_from_slice(digits);
    Some((number, rest))
}

/// A signature in strict DER as r || s; `None` for every other encoding.
fn from_der(signature: &[u8]) -> Option<[u8; 64]> {
    let (&[0x30, length], rest) = signature.split_first_chunk()? else {
        return None;
    };
    (usize::from(length) == rest.len()).then_some(())?;
    let (r, rest) = integer(rest)?;
    let (s, rest) = integer(rest)?;
    rest.is_empty().then(|| [r, s].concat().try_into().ok())?
}

/// T36: the 484 signatures of the DER set, as far as they are strict DER and fit into r || s at all.
#[test]
fn the_signatures_of_the_der_set_get_the_same_answers_as_numbers() {
    let set = ecdsa::TestSet::load(ecdsa::TestName::EcdsaSecp256r1Sha256).unwrap();
    let mut seen = Tally::default();
    for group in &set.test_groups {
        let key = key_of_group(group);
        for case in &group.tests {
            let Some(signature) = from_der(&case.sig) else {
                assert_eq!(case.result, Invalid, "case {}", case.tc_id);
                seen.skip();
                continue;
            };
            let right = key.verify(&case.msg, &signature).is_ok();
            assert_eq!(
                right,
                case.result == Valid,
                "case {}: {}",
                case.tc_id,
                case.comment
            );
            seen.count(right, case.result);
        }
    }
    seen.must_be(
        "ECDSA P-256 DER",
        &[("valid", 174)],
        &[("invalid", 75)],
        235,
    );
}
