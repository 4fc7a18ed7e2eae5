//! The published examples of the standards that are cited, through the very functions that both ends use.
//!
//! Both ends know AES-256 and 16-byte MACs only. RFC 4493 and the examples of ICAO Doc 9303-11 (appendices D and G to I) and of
//! TR-03110 are for Triple-DES or AES-128, so they cannot be run. What stands in for them is a session of AES-256 as those two
//! standards define it, recorded at a real travel document and published by the project gmrtd as a test of its own.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

use apdu::channel::{CardEnd, ExpectedLength, SessionKeys, TerminalEnd};
use apdu::codec::command::Header;
use apdu::codec::status::StatusWord;
use apdu::crypto::{
    CipherKey, Entropy, EntropyError, MacKey, PrivateKey, PublicKey, Secret, Sha256, decapsulate,
    encapsulate, hkdf_expand, hkdf_extract, hmac_sha256, sha256,
};
use conformance::evidence::report;

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .filter(|letter| !letter.is_whitespace())
        .map(|letter| letter.to_digit(16).unwrap().try_into().unwrap())
        .collect();
    let (pairs, rest) = digits.as_chunks::<2>();
    assert!(rest.is_empty(), "{text}");
    pairs.iter().map(|[high, low]| high << 4 | low).collect()
}

fn fixed<const N: usize>(text: &str) -> [u8; N] {
    hex(text).try_into().unwrap()
}

/// The key and the four blocks that all examples of SP 800-38A and 38B for AES-256 are about.
const NIST_KEY: &str = "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4";
const NIST_BLOCKS: &str = "6bc1bee22e409f96e93d7e117393172a ae2d8a571e03ac9c9eb76fac45af8e51
                           30c81c46a35ce411e5fbc1191a0a52ef f69f2445df4f9b17ad2b417be66c3710";

/// T36a: FIPS 197 appendix C.3, SP 800-38A F.1.5 and F.2.5.
#[test]
fn aes_256_gives_the_blocks_of_fips_197_and_sp_800_38a() {
    let key = CipherKey::new(&fixed(
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
    ));
    assert_eq!(
        key.encrypt_block(&fixed("00112233445566778899aabbccddeeff")),
        fixed("8ea2b7ca516745bfeafc49904b496089")
    );

    let key = CipherKey::new(&fixed(NIST_KEY));
    let plain = hex(NIST_BLOCKS);
    let alone: Vec<u8> = plain
        .as_chunks::<16>()
        .0
        .iter()
        .flat_map(|block| key.encrypt_block(block))
        .collect();
    assert_eq!(
        alone,
        hex(
            "f3eed1bdb5d2a03c064b5a7e3db181f8 591ccb10d410ed26dc5ba74a31362870
                           b6ed21b99ca6f4f9f153e7b1beafed1d 23304b7a39f9f3ff067d8d8f9e24ecc7"
        )
    );
    let iv = fixed("000102030405060708090a0b0c0d0e0f");
    let chained = hex(
        "f58c4c04d6e5f1ba779eabfb5f7bfbd6 9cfc4e967edb808d679f777bc6702c7d
                       39f23369a9d9bacfa530e26304231461 b2eb05e2c39be9fcda6c19078c6a9d1b",
    );
    let cipher = key.encrypt(&iv, &plain);
    assert_eq!(cipher.split_at(64).0, chained);
    assert_eq!(cipher.len(), 80, "a whole block of padding follows");
    assert_eq!(key.decrypt(&iv, &cipher).unwrap().to_vec(), plain);
    report(
        "T36a",
        10,
        "AES-256: FIPS 197 C.3, SP 800-38A F.1.5 and F.2.5",
    );
}

/// T36a: SP 800-38B D.3.
#[test]
fn cmac_gives_the_tags_of_sp_800_38b() {
    let key = MacKey::new(&fixed(NIST_KEY));
    let message = hex(NIST_BLOCKS);
    for (length, tag) in [
        (0, "028962f61b7bf89efc6b551f4667d983"),
        (16, "28a7023f452e8f82bd4bf28d8c37c35c"),
        (40, "aaf3d8f1de5640c232f5b169b9c911e6"),
        (64, "e1992190549f6ed5696a2c056c315410"),
    ] {
        let (message, _) = message.split_at(length);
        assert_eq!(key.mac(&[message]), fixed(tag), "{length} bytes");
        for cut in 0..=length {
            let (head, tail) = message.split_at(cut);
            assert!(
                key.verify(&[head, tail], &fixed(tag)),
                "{length} bytes in two parts, {cut} in the first"
            );
        }
    }
    report(
        "T36a",
        4,
        "AES-256-CMAC: SP 800-38B D.3, whole and in two parts at every border",
    );
}

/// T36a: FIPS 180-4, as in the examples that NIST publishes with it.
#[test]
fn sha_256_gives_the_hashes_of_nist() {
    let million = vec![b'a'; 1_000_000];
    for (message, hash) in [
        (
            &b""[..],
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        ),
        (
            b"abc",
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        ),
        (
            b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
        ),
        (
            &million,
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
        ),
    ] {
        assert_eq!(sha256(&[message]), fixed(hash));
        let mut pieces = Sha256::default();
        message.chunks(7).for_each(|piece| pieces.update(piece));
        assert_eq!(pieces.finish(), fixed(hash));
    }
    report("T36a", 4, "SHA-256: FIPS 180-4, whole and in pieces");
}

/// T36a: RFC 4231. Case 5 is about tags cut to 16 bytes.
#[test]
fn hmac_gives_the_tags_of_rfc_4231() {
    let counting: Vec<u8> = (1..=25).collect();
    for (key, message, tag) in [
        (&[0x0b; 20][..], &b"Hi There"[..], "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
        (b"Jefe", b"what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
        (&[0xaa; 20], &[0xdd; 50], "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
        (&counting, &[0xcd; 50], "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"),
        (&[0x0c; 20], b"Test With Truncation", "a3b6167473100ee06e0c796c2955552b"),
        (
            &[0xaa; 131],
            b"Test Using Larger Than Block-Size Key - Hash Key First",
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
        ),
        (
            &[0xaa; 131],
            b"This is a test using a larger than block-size key and a larger than block-size data. \
              The key needs to be hashed before being used by the HMAC algorithm.",
            "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
        ),
    ] {
        let tag = hex(tag);
        let made = hmac_sha256(key, &[message]);
        assert_eq!(made.expose().split_at(tag.len()).0, tag);
    }
    report("T36a", 7, "HMAC-SHA-256: RFC 4231");
}

/// T36a: RFC 5869 appendix A.1 to A.3.
#[test]
fn hkdf_gives_the_keys_of_rfc_5869() {
    let row = |from: u8, to: u8| (from..=to).collect::<Vec<u8>>();
    let prk = hkdf_extract(&row(0, 12), &[&[0x0b; 22]]);
    assert!(prk.equals(&fixed(
        "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5"
    )));
    let okm = hkdf_expand::<42>(&prk, &[&row(0xf0, 0xf9)]);
    assert!(okm.equals(&fixed(
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
    )));

    let (ikm, info) = (row(0, 0x4f), row(0xb0, 0xff));
    let (ikm_head, ikm_tail) = ikm.split_at(32);
    let prk = hkdf_extract(&row(0x60, 0xaf), &[ikm_head, ikm_tail]);
    let (info_head, info_tail) = info.split_at(7);
    let okm = hkdf_expand::<82>(&prk, &[info_head, info_tail]);
    assert!(okm.equals(&fixed(
        "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09
         da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87"
    )));

    let prk = hkdf_extract(&[], &[&[0x0b; 22]]);
    let okm = hkdf_expand::<42>(&prk, &[]);
    assert!(okm.equals(&fixed(
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"
    )));
    report("T36a", 3, "HKDF-SHA-256: RFC 5869 A.1 to A.3");
}

/// T36a: RFC 6979 appendix A.2.5: the very bytes, so the nonces are the deterministic ones.
#[test]
fn signatures_are_those_of_rfc_6979() {
    let key = PrivateKey::from_scalar(&fixed(
        "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721",
    ))
    .unwrap();
    let public = hex(
        "04 60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6
                         7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299",
    );
    let public = PublicKey::from_uncompressed(&public).unwrap();
    assert_eq!(key.public_key(), public);
    for (message, signature) in [
        (
            "sample",
            "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716
             f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8",
        ),
        (
            "test",
            "f1abb023518351cd71d881567b1ea663ed3efcf6c5132b354f28d3b0b7d38367
             019f4113742a2b14bd25926b49c649155f267e60d3814b4c0cc84250e46f0083",
        ),
    ] {
        let mut signature: [u8; 64] = fixed(signature);
        assert_eq!(key.sign(message.as_bytes()), signature, "{message}");
        assert!(public.verify(message.as_bytes(), &signature).is_ok());
        for bit in 0..512 {
            signature[bit / 8] ^= 1 << (bit % 8);
            assert!(
                public.verify(message.as_bytes(), &signature).is_err(),
                "{message}: bit {bit}"
            );
            signature[bit / 8] ^= 1 << (bit % 8);
        }
    }
    report(
        "T36a",
        2 + 2 * 512,
        "ECDSA P-256: RFC 6979 A.2.5 to the byte, and 1,024 flipped bits refused",
    );
}

/// A generator that gives the bytes written down for it, once.
struct Tape(Vec<u8>);

impl Entropy for Tape {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        if self.0.len() < bytes.len() {
            return Err(EntropyError);
        }
        bytes.copy_from_slice(&self.0.drain(..bytes.len()).collect::<Vec<_>>());
        Ok(())
    }
}

/// T36a: NIST's first vector for ECC CDH on P-256, and RFC 9180 appendix A.3.1 in both directions.
#[test]
fn key_agreement_gives_the_secrets_of_nist_and_of_rfc_9180() {
    let private = PrivateKey::from_scalar(&fixed(
        "7d7dc5f71eb29ddaf80d6214632eeae03d9058af1fb6d22ed80badb62bc1a534",
    ))
    .unwrap();
    let own = hex(
        "04 ead218590119e8876b29146ff89ca61770c4edbbf97d38ce385ed281d8a6b230
                      28af61281fd35e2fa7002523acc85a429cb06ee6648325389f59edfce1405141",
    );
    assert_eq!(private.public_key().to_uncompressed().to_vec(), own);
    let peer = hex(
        "04 700c48f77f56584c5cc632ca65640db91b6bacce3a4df6b42ce7cc838833d287
                       db71e509e3fd9b060ddb20ba5c51dcc5948d46fbf640dfe0441782cab85fa4ac",
    );
    let shared = private.agree(&PublicKey::from_uncompressed(&peer).unwrap());
    assert!(shared.equals(&fixed(
        "46fc62106420ff012e54a434fbdd2d25ccc5852060561e68040dd7778997bd7b"
    )));

    let recipient = PrivateKey::from_scalar(&fixed(
        "f3ce7fdae57e1a310d87f1ebbde6f328be0a99cdbcadf4d6589cf29de4b8ffd2",
    ))
    .unwrap();
    let secret = fixed("c0d26aeab536609a572b07695d933b589dcf363ff9d93c93adea537aeabb8cb8");
    let mut tape = Tape(hex(
        "4995788ef4b9d6132b249ce59a77281493eb39af373d236a1fe415cb0c2d7beb",
    ));
    let (enc, sent) = encapsulate(&recipient.public_key(), &mut tape).unwrap();
    assert_eq!(
        enc.to_vec(),
        hex(
            "04a92719c6195d5085104f469a8b9814d5838ff72b60501e2c4466e5e67b325ac98536d7b61a1af4b78e5b7f951c0900be863c403ce65c9bfcb9382657222d18c4"
        )
    );
    let received = decapsulate(
        &recipient,
        &recipient.public_key(),
        &PublicKey::from_uncompressed(&enc).unwrap(),
    );
    assert!(sent.equals(&secret) && received.equals(&secret));
    report(
        "T36a",
        3,
        "ECC CDH P-256: NIST; DHKEM: RFC 9180 A.3.1, to and from",
    );
}

/// Keys of ICAO's form: one pair for both directions.
fn keys() -> SessionKeys {
    let pair = "74b94f408bbb2cd92571fd5b6370a94cce7a2fa42ae3eb4da47b97ce6eaa24c6
                9e28d5d9ff1d979be752e8926bf0e1d35a440fc0aefc4aa3bc5610055ac8b113";
    SessionKeys::from_bytes(&Secret::copy_of(&fixed(&[pair, pair].concat())))
}

/// Both ends after the 32 messages that had passed before the recording.
fn ends() -> (TerminalEnd, CardEnd) {
    let (mut terminal, mut card) = (TerminalEnd::new(keys()), CardEnd::new(keys()));
    for _ in 0..16 {
        let sealed = terminal.seal(READ, &[], None).unwrap();
        card.open(READ, &sealed.data).unwrap();
        let answer = card.seal(&[], StatusWord::OK).unwrap();
        terminal.open(&answer, StatusWord::OK).unwrap();
    }
    (terminal, card)
}

const READ: Header = Header {
    cla: 0x0C,
    ins: 0xB0,
    p1: 0,
    p2: 0,
};

/// What is recorded ends in an 8-byte MAC; ours ends in the 16 bytes of which those are the first.
fn cut(protected: &[u8]) -> Vec<u8> {
    let (objects, mac) = protected.split_at(protected.len() - 16);
    let (objects, head) = objects.split_at(objects.len() - 2);
    assert_eq!(head, [0x8E, 0x10]);
    [objects, &[0x8E, 0x08], mac.split_at(8).0].concat()
}

/// T36a: ICAO Doc 9303-11 section 9.8 and TR-03110 part 3 appendix F with AES-256: three commands and answers at a travel document.
#[test]
fn secure_messaging_gives_the_bytes_of_a_recorded_travel_document_but_keeps_the_whole_mac() {
    let select = Header {
        cla: 0x0C,
        ins: 0xA4,
        p1: 2,
        p2: 0x0C,
    };
    let later = Header { p2: 4, ..READ };
    let (mut terminal, mut card) = ends();
    for (header, data, expected, command, content, answer) in [
        (
            select,
            "011e",
            None,
            "8711011D35E7EB510E21A0DD12380D9AD2B92D8E0828CB68B81D3FAFC0",
            "",
            "990290008E08E083EAA61ADABFCE",
        ),
        (
            READ,
            "",
            Some(ExpectedLength::Byte(4)),
            "9701048E084AFC933E0CDBE5F0",
            "60185F01",
            "871101D8059A9CF835105082CA2B1837E4AEC0990290008E08B36DB56761D706BB",
        ),
        (
            later,
            "",
            Some(ExpectedLength::Byte(0x16)),
            "9701168E0811F7EFC907D1F274",
            "04303130385F36063034303030305C06617563766D6E",
            "87210142E919C115FAF69350B01813D77A9E8D91912A7F717AFD073F199070E61B79C6990290008E083382E3D983F44136",
        ),
    ] {
        let sealed = terminal.seal(header, &hex(data), expected).unwrap();
        assert_eq!(cut(&sealed.data), hex(command));
        let opened = card.open(header, &sealed.data).unwrap();
        assert_eq!(
            (opened.data.to_vec(), opened.expected),
            (hex(data), expected)
        );
        let protected = card.seal(&hex(content), StatusWord::OK).unwrap();
        assert_eq!(cut(&protected), hex(answer));
        let (plain, word) = terminal.open(&protected, StatusWord::OK).unwrap();
        assert_eq!((plain.to_vec(), word), (hex(content), StatusWord::OK));
    }
    // The nearest no: the recorded bytes themselves, with the MAC cut to 8, open nothing here.
    let (mut terminal, mut card) = ends();
    let sealed = terminal.seal(READ, &[], None).unwrap();
    assert!(card.open(READ, &cut(&sealed.data)).is_err());
    let (mut terminal, mut card) = ends();
    let sealed = terminal.seal(select, &hex("011e"), None).unwrap();
    card.open(select, &sealed.data).unwrap();
    assert!(
        terminal
            .open(&hex("990290008E08E083EAA61ADABFCE"), StatusWord::OK)
            .is_err()
    );
    report(
        "T36a",
        8,
        "secure messaging: 3 recorded commands and 3 answers to the byte, 2 with a cut MAC refused",
    );
}
