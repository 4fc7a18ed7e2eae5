use super::*;
use crate::codec::command::Header;
use crate::codec::status::StatusWord;
use crate::crypto::Secret;
use crate::identifier::{MAX_COMMANDS, header};
use alloc::vec::Vec;

const OK: StatusWord = StatusWord::OK;

fn ends() -> (TerminalEnd, CardEnd) {
    let bytes: [u8; 128] = core::array::from_fn(|n| u8::try_from(n).unwrap());
    let keys = || SessionKeys::from_bytes(&Secret::copy_of(&bytes));
    (TerminalEnd::new(keys()), CardEnd::new(keys()))
}

fn exchange(terminal: &mut TerminalEnd, card: &mut CardEnd, data: &[u8], answer: &[u8]) {
    let sealed = terminal
        .seal(header::STATUS, data, Some(ExpectedLength::Short))
        .unwrap();
    assert_eq!(*card.open(sealed.header, &sealed.data).unwrap().data, data);
    let response = card.seal(answer, OK).unwrap();
    let (plain, status) = terminal.open(&response, OK).unwrap();
    assert_eq!((plain.as_slice(), status), (answer, OK));
}

/// ST-50 to ST-54.
#[test]
fn commands_and_answers_of_every_length_pass_in_order() {
    let (mut terminal, mut card) = ends();
    for length in [0, 1, 15, 16, 17, 127, 128, 200, 255, 256, 40_000] {
        let data = alloc::vec![0xA5; length];
        exchange(&mut terminal, &mut card, &data, &data);
        exchange(&mut terminal, &mut card, &data, &[]);
    }
}

#[test]
fn every_flipped_bit_of_a_command_breaks_the_channel() {
    let (mut terminal, _) = ends();
    let sealed = terminal.seal(header::VERIFY, b"123456", None).unwrap();
    for bit in 0..sealed.data.len() * 8 {
        let (_, mut card) = ends();
        let mut data = sealed.data.clone();
        data[bit / 8] ^= 1 << (bit % 8);
        assert!(card.open(sealed.header, &data).is_err(), "bit {bit}");
        assert!(
            card.open(sealed.header, &sealed.data).is_err(),
            "it stays broken"
        );
    }
}

#[test]
fn every_other_header_breaks_the_channel_but_the_chaining_bit_is_not_part_of_it() {
    let (mut terminal, _) = ends();
    let sealed = terminal.seal(header::VERIFY, b"123456", None).unwrap();
    let Header { cla, ins, p1, p2 } = sealed.header;
    for other in [
        Header::new(0x8C, ins, p1, p2),
        Header::new(cla, ins ^ 4, p1, p2),
        Header::new(cla, ins, p1 ^ 1, p2),
        Header::new(cla, ins, p1, p2 ^ 1),
    ] {
        assert!(ends().1.open(other, &sealed.data).is_err());
    }
    assert!(ends().1.open(sealed.header.chained(), &sealed.data).is_ok());
}

#[test]
fn every_flipped_bit_of_an_answer_breaks_the_channel() {
    let (mut terminal, mut card) = ends();
    let sealed = terminal
        .seal(header::STATUS, &[], Some(ExpectedLength::Short))
        .unwrap();
    card.open(sealed.header, &sealed.data).unwrap();
    let response = card.seal(&[1, 2, 3], OK).unwrap();
    for bit in 0..response.len() * 8 {
        let (mut terminal, _) = ends();
        terminal
            .seal(header::STATUS, &[], Some(ExpectedLength::Short))
            .unwrap();
        let mut data = response.clone();
        data[bit / 8] ^= 1 << (bit % 8);
        assert!(terminal.open(&data, OK).is_err(), "bit {bit}");
        assert!(!terminal.is_open());
    }
}

#[test]
fn replayed_reordered_and_reflected_messages_are_refused() {
    let (mut terminal, mut card) = ends();
    let first = terminal.seal(header::STATUS, &[], None).unwrap();
    card.open(first.header, &first.data).unwrap();
    let answer = card.seal(&[], OK).unwrap();
    terminal.open(&answer, OK).unwrap();
    assert!(
        card.dangerous_copy()
            .open(first.header, &first.data)
            .is_err(),
        "replay"
    );
    let second = terminal.seal(header::STATUS, &[], None).unwrap();
    assert!(ends().1.open(second.header, &second.data).is_err(), "early");
    assert!(terminal.open(&answer, OK).is_err(), "an old answer");
    let (mut terminal, _) = ends();
    let own = terminal.seal(header::STATUS, &[], None).unwrap();
    assert!(terminal.open(&own.data, OK).is_err(), "reflection");
}

#[test]
fn the_outer_status_word_must_equal_the_protected_one() {
    let (mut terminal, mut card) = ends();
    let sealed = terminal.seal(header::STATUS, &[], None).unwrap();
    card.open(sealed.header, &sealed.data).unwrap();
    let response = card.seal(&[], StatusWord::NOT_FOUND).unwrap();
    assert!(terminal.open(&response, OK).is_err());
}

#[test]
fn an_unprotected_answer_is_never_a_result() {
    for word in [
        OK,
        StatusWord::NOT_FOUND,
        StatusWord::SECURE_MESSAGING_INCORRECT,
    ] {
        let (mut terminal, _) = ends();
        terminal.seal(header::STATUS, &[], None).unwrap();
        assert!(terminal.open(&[], word).is_err());
        assert!(
            terminal.seal(header::STATUS, &[], None).is_err(),
            "and the channel is finished"
        );
    }
}

#[test]
fn objects_that_the_template_does_not_name_are_refused() {
    let (mut terminal, _) = ends();
    let sealed = terminal.seal(header::VERIFY, b"123456", None).unwrap();
    let mut with_rest = sealed.data.clone();
    with_rest.extend([0x99, 0]);
    let mac_only: Vec<u8> = sealed.data[sealed.data.len() - 18..].to_vec();
    for data in [
        with_rest,
        mac_only,
        Vec::new(),
        sealed.data[..sealed.data.len() - 18].to_vec(),
    ] {
        assert!(ends().1.open(sealed.header, &data).is_err());
    }
}

/// T17: the session limit.
#[test]
fn a_key_set_protects_65_535_commands_and_not_one_more() {
    let (mut terminal, mut card) = ends();
    terminal.set_counter(2 * (MAX_COMMANDS - 1));
    card.set_counter(2 * (MAX_COMMANDS - 1));
    exchange(&mut terminal, &mut card, &[1], &[2]);
    assert!(terminal.seal(header::STATUS, &[], None).is_err());
    assert!(card.open(header::STATUS, &[0; 18]).is_err());
}

#[test]
fn ends_used_out_of_turn_break() {
    let (mut terminal, mut card) = ends();
    assert!(card.seal(&[], OK).is_err(), "an answer without a command");
    terminal.seal(header::STATUS, &[], None).unwrap();
    assert!(
        terminal.seal(header::STATUS, &[], None).is_err(),
        "two commands under way"
    );
}
