//! The check values of `docs/protocol.md` §18, computed by two programs written apart from this code.

#![expect(clippy::unwrap_used, reason = "a test may stop")]

use apdu::certificate::{Date, HolderHash, Name, Role};
use apdu::channel::{CardEnd, ExpectedLength, TerminalEnd};
use apdu::codec::command::{Command, Form};
use apdu::codec::status::StatusWord;
use apdu::crypto::{MacKey, Secret, kdf};
use apdu::handshake::{PairingKey, Transcript};
use apdu::identifier::header;
use apdu::message::reconnect::Challenge;
use apdu::message::select::{self, Capabilities, Fci};
use apdu::message::status::CardStatus;

fn counting<const N: usize>(from: u8) -> [u8; N] {
    std::array::from_fn(|n| from + u8::try_from(n).unwrap())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn pairing_key() -> PairingKey {
    PairingKey::new(Secret::copy_of(&counting(0)))
}

fn fci() -> Fci {
    Fci {
        version: 1,
        suites: 1,
        capabilities: Capabilities(0x83),
        max_command: 0xFFFF,
        max_response: 0xFFFF,
        prand: counting(0),
        tags: [[0; 4]; 16],
    }
}

fn challenge() -> Challenge {
    let terminal_nonce = counting(0);
    let hint = pairing_key().tag_key().hint(&counting(0), &terminal_nonce);
    Challenge {
        hint,
        terminal_nonce,
    }
}

/// th_S, th_F.
fn transcript() -> ([u8; 32], [u8; 32]) {
    let mut transcript = Transcript::start();
    transcript.command(header::SELECT, select::COMMAND.data);
    transcript.response(&fci().encode(), StatusWord::OK);
    let th_s = transcript.hash();
    transcript.command(header::RECONNECT, &challenge().encode());
    (th_s, transcript.reconnect_hash(&counting(0x10)))
}

#[test]
fn the_key_schedule_gives_the_published_values() {
    let expanded = MacKey::new(&counting(0));
    let next = "70278e689560ed5139ea325f069b23e411e6720d37a133f8f606a330cfae215d";
    let tag = "ab568f40bb206f721a4a8966d4f476f1f7102cd2b6d9f492b4475bef8754a1b2";
    assert_eq!(hex(kdf::<32>(&expanded, "next", &[]).expose()), next);
    assert_eq!(hex(pairing_key().next().expose()), next);
    assert_eq!(hex(kdf::<32>(&expanded, "tag", &[]).expose()), tag);
    assert_eq!(hex(&pairing_key().tag_key().tag(&counting(0))), "699bd866");
    assert_eq!(hex(&challenge().hint), "65bad194");
}

#[test]
fn the_transcript_gives_the_published_values() {
    let t0 = "4ab20f6a92255462b615e1ecbf09e691b29645a0c8e593a90d932c2123dddea4";
    assert_eq!(hex(&Transcript::start().hash()), t0);
    let (th_s, th_f) = transcript();
    assert_eq!(
        hex(&th_s),
        "8c9b049280788f228bb0bffe72b908513e63b8489be70d0b23336bbbb46ce521"
    );
    assert_eq!(
        hex(&th_f),
        "4fa6e7220f7a3cb5cb0c283249f5d59e60cc986f4b56c5d7ba1a7e511d50dcf2"
    );
}

#[test]
fn the_card_proof_and_session_keys_are_the_published_values() {
    let (_, th_f) = transcript();
    assert_eq!(
        hex(&pairing_key().card_proof(&th_f)),
        "3df2a81e8bafb2a8f25295c7b85a05f8"
    );
    let smf = "0f31f1ba4b7484224c7b38e2594f5463701ad6d39e1b767ca3e0a921114275e7\
               89e9476cc8e333c1eb6cc39f0f46bb7ff1ebcb07650a74a12a5f7f5fcf8f254d\
               5e5b1b9298f99a56101da291b7a5f39d93aa8ea71a8854656685b318782c06bc\
               6503a39f24b0363121dee0945abca80323b8fd0310b7ec61fb9536de7771b66e";
    let derived = kdf::<128>(&MacKey::new(&counting(0)), "smF", &th_f);
    assert_eq!(hex(derived.expose()), smf);
}

/// ST-50, ST-52: the first secured command and its answer, byte for byte.
#[test]
fn secured_commands_and_answers_are_the_published_bytes() {
    let (_, th_f) = transcript();
    let mut terminal = TerminalEnd::new(pairing_key().session_keys(&th_f));
    let mut card = CardEnd::new(pairing_key().session_keys(&th_f));

    let sealed = terminal
        .seal(header::STATUS, &[], Some(ExpectedLength::Short))
        .unwrap();
    let wire = |header, data: &[u8]| {
        let command = Command {
            header,
            data,
            expected: Some(256),
            form: Form::Short,
        };
        hex(&command.encode().unwrap())
    };
    assert_eq!(
        wire(sealed.header, &sealed.data),
        "0cca0101159701008e10a558183591e9be2e6a7870fb179eabd700"
    );
    card.open(sealed.header, &sealed.data).unwrap();
    let status = CardStatus {
        list_sequence: 7,
        trusted_date: Date::new(2026, 11, 21).unwrap(),
        puk_tries: 10,
        pin_tries: 3,
    };
    let answer = card.seal(&status.encode(), StatusWord::OK).unwrap();
    assert_eq!(
        hex(&answer) + "9000",
        "871101e0c681b8f7760517179ad4bb002bd445990290008e10e4a94fb8fa8b4a51b24dae2d971c1ecc9000"
    );
    let (plain, _) = terminal.open(&answer, StatusWord::OK).unwrap();
    assert_eq!(CardStatus::decode(&plain), Ok(status));

    let query = terminal.seal(header::VERIFY, &[], None).unwrap();
    assert_eq!(
        wire(query.header, &query.data),
        "0c200081128e109feeb96b29df683e3b608d8edac9329800"
    );
}

#[test]
fn the_holder_hash_is_the_published_value() {
    let name = Name::new("ZZTALLYTERM00001").unwrap();
    assert_eq!(
        HolderHash::of(Role::Terminal, &name).to_string(),
        "cb1b446850548a8d87627f5b"
    );
}
