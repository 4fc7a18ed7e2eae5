//! Every vector file against this crate. The counts are asserted, so that no file can fall silent.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop")]

use apdu::certificate::{
    Anchor, Certificate, Date, Expectations, ProvenCertificate, Refusal, Request, Role, StatusList,
    Validity,
};
use apdu::channel::{CardEnd, ExpectedLength, SessionKeys, TerminalEnd};
use apdu::codec::command::{Command, Header};
use apdu::codec::status::StatusWord;
use apdu::codec::tlv::{Reader, Tag, Writer};
use apdu::crypto::{MacKey, PrivateKey, PublicKey, Secret, decapsulate, kdf};
use apdu::handshake::{PairingKey, ProvisionalSecret};
use apdu::identifier::header;
use test_vectors::{Fields, from_hex, group, to_hex};

/// tlv.json
#[test]
fn objects_are_accepted_and_refused_as_the_vectors_say() {
    let (_, tests) = group(test_vectors::TLV, "OneObject");
    assert_eq!(tests.len(), 24);
    for test in tests {
        let bytes = test.bytes("bytes");
        let mut reader = Reader::new(&bytes);
        let read = reader.any().ok().flatten();
        let whole = read.filter(|_| reader.is_at_end());
        assert_eq!(whole.is_some(), test.is_valid(), "{}", test.label());
        if let Some((tag, value)) = whole {
            assert_eq!(format!("{:X}", tag.0), test.text("tag"));
            assert_eq!(Some(value.len() as u64), test.number("length"));
            assert_eq!(
                Writer::new().put(tag, value).into_bytes(),
                bytes,
                "one encoding only"
            );
        }
    }
}

/// T24: where the two agree on what is well formed, a second library reads the same object.
#[test]
fn a_second_library_reads_the_same_objects() {
    let (_, tests) = group(test_vectors::TLV, "OneObject");
    let mut compared = 0;
    for test in tests.iter().filter(|test| test.is_valid()) {
        let bytes = test.bytes("bytes");
        let (tag, value) = Reader::new(&bytes).any().unwrap().unwrap();
        if tag == Tag(0x7F21) {
            continue; // constructed: the other library would parse our filler as children
        }
        let (other, rest) = iso7816_tlv::ber::Tlv::parse(&bytes);
        let other = other.unwrap();
        assert!(rest.is_empty());
        let other_tag: u64 = other
            .tag()
            .to_bytes()
            .iter()
            .fold(0, |tag, byte| tag << 8 | u64::from(*byte));
        assert_eq!(other_tag, u64::from(tag.0));
        match other.value() {
            iso7816_tlv::ber::Value::Primitive(bytes) => assert_eq!(bytes, value),
            iso7816_tlv::ber::Value::Constructed(_) => panic!("{} is primitive", test.label()),
        }
        compared += 1;
    }
    assert_eq!(compared, 7);
}

/// apdu.json; ST-02
#[test]
fn commands_are_accepted_and_refused_as_the_vectors_say() {
    let (_, tests) = group(test_vectors::APDU, "Command");
    assert_eq!(tests.len(), 21);
    for test in tests {
        let bytes = test.bytes("bytes");
        let parsed = Command::parse(&bytes);
        assert_eq!(parsed.is_ok(), test.is_valid(), "{}", test.label());
        let other = iso7816::command::CommandView::try_from(bytes.as_slice());
        if let Ok(command) = parsed {
            assert_eq!(command.data, test.bytes("data"), "{}", test.label());
            assert_eq!(
                command.expected.map(u64::from),
                test.number("expected"),
                "{}",
                test.label()
            );
            assert_eq!(command.encode().unwrap(), bytes, "{}", test.label());
            assert_eq!(
                other.unwrap().data(),
                command.data,
                "the second library: {}",
                test.label()
            );
        }
    }
}

fn today() -> Date {
    Date::new(2026, 11, 21).unwrap()
}

fn fault(test: &Fields, anchor: &Anchor) -> Result<ProvenCertificate, String> {
    let certificate =
        Certificate::decode(&test.bytes("bytes")).map_err(|_| "malformed".to_owned())?;
    let role = match certificate.claims().role {
        Role::Authority => Role::Card,
        role => role,
    };
    let expected = Expectations {
        role,
        validity: Validity::Today(today()),
        min_epoch: 0,
        revoked: None,
    };
    ProvenCertificate::verify(certificate, &[anchor], &expected).map_err(|refusal| {
        match refusal {
            Refusal::Role => "role",
            Refusal::Issuer => "issuer",
            Refusal::Signature => "signature",
            other => panic!("{other}"),
        }
        .to_owned()
    })
}

/// certificate.json; ST-42, ST-44, ST-61
#[test]
fn certificates_are_accepted_and_refused_as_the_vectors_say() {
    let (group, tests) = group(test_vectors::CERTIFICATE, "Leaf");
    assert_eq!(tests.len(), 22);
    let anchor = Anchor::trust_root(&Certificate::decode(&group.bytes("root")).unwrap()).unwrap();
    for test in tests {
        match fault(&test, &anchor) {
            Ok(proven) => {
                assert!(test.is_valid(), "{}", test.label());
                assert_eq!(proven.holder().as_str(), test.text("holder"));
                assert_eq!(proven.holder_hash().to_string(), test.text("holderHash"));
                let claims = proven.certificate().claims().clone();
                assert_eq!(Some(u64::from(claims.role.to_byte())), test.number("role"));
                let signature: [u8; 64] = *test.bytes("bytes").last_chunk().unwrap();
                let again = Certificate::assemble(claims, signature);
                assert_eq!(
                    to_hex(again.encoded()),
                    test.text("bytes"),
                    "one encoding only"
                );
            }
            Err(fault) => assert_eq!(
                Some(fault.as_str()),
                test.optional_text("fault"),
                "{}",
                test.label()
            ),
        }
    }
}

/// certificate.json; ST-60
#[test]
fn requests_and_lists_are_accepted_and_refused_as_the_vectors_say() {
    let (_, tests) = group(test_vectors::CERTIFICATE, "Request");
    assert_eq!(tests.len(), 4);
    for test in tests {
        let request = Request::decode(&test.bytes("bytes"));
        assert_eq!(request.is_ok(), test.is_valid(), "{}", test.label());
        if let Ok(request) = request {
            assert_eq!(to_hex(&request.fields().nonce), test.text("nonce"));
            assert_eq!(request.fields().holder.as_str(), test.text("holder"));
        }
    }
    let (group, tests) = group(test_vectors::CERTIFICATE, "StatusList");
    assert_eq!(tests.len(), 7);
    let anchor = Anchor::trust_root(&Certificate::decode(&group.bytes("root")).unwrap()).unwrap();
    for test in tests {
        let list = StatusList::decode(&test.bytes("bytes"));
        let accepted = list
            .as_ref()
            .is_ok_and(|list| list.verify(&[&anchor]).is_ok());
        assert_eq!(accepted, test.is_valid(), "{}", test.label());
        if test.optional_text("fault") == Some("malformed") {
            assert!(list.is_err(), "{}", test.label());
        }
    }
}

/// certificate.json: a signature made here is the one made there (RFC 6979).
#[test]
fn our_signatures_are_deterministic_and_the_same() {
    let (group, _) = group(test_vectors::CERTIFICATE, "Leaf");
    let root = Certificate::decode(&group.bytes("root")).unwrap();
    let key = PrivateKey::from_scalar(&[1; 32]).unwrap();
    let signature = key.sign(&root.claims().encode_body());
    assert_eq!(
        Certificate::assemble(root.claims().clone(), signature),
        root
    );
}

/// key_schedule.json; ST-31, ST-33, ST-47
#[test]
fn keys_are_derived_as_the_vectors_say() {
    let (_, tests) = group(test_vectors::KEY_SCHEDULE, "Kdf");
    assert_eq!(tests.len(), 48);
    for test in tests {
        let key = MacKey::new(&test.array("key"));
        let (label, context, output) = (
            test.text("label"),
            test.bytes("context"),
            test.bytes("output"),
        );
        let derived = match output.len() {
            16 => kdf::<16>(&key, label, &context).expose().to_vec(),
            32 => kdf::<32>(&key, label, &context).expose().to_vec(),
            128 => kdf::<128>(&key, label, &context).expose().to_vec(),
            other => panic!("{other} bytes"),
        };
        assert_eq!(derived, output, "{}", test.label());
    }
    let (_, tests) = group(test_vectors::KEY_SCHEDULE, "Tag");
    assert_eq!(tests.len(), 3);
    for test in tests {
        let key = PairingKey::new(Secret::copy_of(&test.array("key")));
        let tag_key = key.tag_key();
        assert_eq!(to_hex(&tag_key.tag(&test.array("prand"))), test.text("tag"));
        assert_eq!(
            to_hex(&tag_key.hint(&test.array("prand"), &test.array("nonce"))),
            test.text("hint")
        );
        assert_eq!(to_hex(key.next().expose()), test.text("next"));
    }
    let (_, tests) = group(test_vectors::KEY_SCHEDULE, "Kem");
    assert_eq!(tests.len(), 3);
    for test in tests {
        let private = PrivateKey::from_scalar(&test.array("private")).unwrap();
        let enc = PublicKey::from_uncompressed(&test.bytes("enc")).unwrap();
        assert_eq!(
            to_hex(decapsulate(&private, &private.public_key(), &enc).expose()),
            test.text("shared")
        );
    }
}

/// key_schedule.json; ST-46, ST-47: both stages of set-up and the pairing key.
#[test]
fn the_stages_of_set_up_are_derived_as_the_vectors_say() {
    let (_, tests) = group(test_vectors::KEY_SCHEDULE, "SetUp");
    assert_eq!(tests.len(), 3);
    let probe = |keys| {
        let mut end = TerminalEnd::new(keys);
        let sealed = end.seal(header::STATUS, b"probe", Some(ExpectedLength::Short));
        to_hex(&sealed.unwrap().data)
    };
    for test in tests {
        let secret = |name| Secret::copy_of(&test.array::<32>(name));
        let first = ProvisionalSecret::derive(
            &test.array("th3"),
            &secret("ephemeral"),
            &secret("cardRandom"),
        );
        assert_eq!(probe(first.session_keys()), test.text("sm1Probe"));
        let second = first.authenticate(&test.array("th5"), &secret("terminalRandom"));
        assert_eq!(probe(second.session_keys()), test.text("sm2Probe"));
        assert_eq!(
            to_hex(second.into_pairing_key().expose()),
            test.text("pairingKey")
        );
    }
}

fn header_of(test: &Fields) -> Header {
    let [cla, ins, p1, p2] = test.array("header");
    Header::new(cla, ins, p1, p2)
}

/// secure_messaging.json; ST-50, ST-52: one channel, every case, both directions.
#[test]
fn messages_are_protected_as_the_vectors_say() {
    let (group, tests) = group(test_vectors::SECURE_MESSAGING, "Channel");
    assert_eq!(tests.len(), 64);
    let keys = || SessionKeys::from_bytes(&Secret::copy_of(&group.array("keys")));
    let (mut terminal, mut card) = (TerminalEnd::new(keys()), CardEnd::new(keys()));
    for test in tests {
        let expected = test.optional_text("le").map(|le| {
            assert_eq!(le, "00");
            ExpectedLength::Short
        });
        let sealed = terminal
            .seal(header_of(&test), &test.bytes("data"), expected)
            .unwrap();
        assert_eq!(
            to_hex(&sealed.data),
            test.text("command"),
            "{}",
            test.label()
        );
        let opened = card.open(sealed.header, &sealed.data).unwrap();
        assert_eq!(*opened.data, test.bytes("data"));
        assert_eq!(opened.expected, expected);
        let status = StatusWord(u16::from_be_bytes(test.array("status")));
        let response = card.seal(&test.bytes("answer"), status).unwrap();
        assert_eq!(to_hex(&response), test.text("response"), "{}", test.label());
        let (plain, _) = terminal.open(&response, status).unwrap();
        assert_eq!(*plain, test.bytes("answer"));
    }
}

/// secure_messaging.json; ST-51: structure, MAC and padding, all the same error.
#[test]
fn damaged_commands_break_the_channel_as_the_vectors_say() {
    let (group, tests) = group(test_vectors::SECURE_MESSAGING, "FirstCommand");
    assert_eq!(tests.len(), 19);
    for test in tests {
        let keys = SessionKeys::from_bytes(&Secret::copy_of(&group.array("keys")));
        let field = from_hex(test.text("command"));
        assert!(
            CardEnd::new(keys).open(header_of(&test), &field).is_err(),
            "{}",
            test.label()
        );
    }
}
