//! One wrong bit, anywhere in a session, at either end (T10): set-up, authentication, the PIN, commands of every case.
//!
//! What a flipped message does is judged by what comes of it: the other end goes on as honestly as before, and the run must not reach
//! its end, nor store anything that was not due before.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

use apdu::codec::command::{Command, Form};
use conformance::evidence::report;
use conformance::liar::puppet::{Scene, Stop};
use conformance::liar::tape::{Couple, Moment};
use conformance::liar::visit::Stage;
use terminal_lib::transport::in_process::LocalCard;

/// Bits of the Le: the only ones on the line that neither a MAC nor the transcript covers (§4).
fn uncovered_bits(command: &[u8]) -> usize {
    let command = Command::parse(command).unwrap();
    match (command.expected, command.form) {
        (None, _) => 0,
        (Some(_), Form::Short) => 8,
        (Some(_), Form::Extended) => 16,
    }
}

fn flipped(bytes: &[u8], bit: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[bit / 8] ^= 0x80 >> (bit % 8);
    bytes
}

/// What became of both ends when the card got a flipped command.
fn flip_command(moment: &Moment, bit: usize) -> (Result<(), Stop>, Couple) {
    let mut couple = moment.couple.fork();
    let command = flipped(&moment.said.command, bit);
    let answer = LocalCard::transmit(&mut couple.card, &command);
    let outcome = couple.puppet.hear(&answer).and_then(|()| couple.finish());
    (outcome, couple)
}

/// T10: every bit of every command, on a card forked before each. The Le is the exception, and changes nothing.
#[test]
fn a_card_rejects_every_flipped_bit_of_every_command_and_stores_nothing() {
    let (mut rejected, mut without_effect, mut dead) = (0, 0, 0);
    let scenes = [
        (Couple::strangers(1, 1), Scene::SetUp),
        (Couple::paired(1, 1), Scene::Session),
    ];
    for (mut couple, scene) in scenes {
        for moment in couple.moments(scene) {
            let bits = 8 * moment.said.command.len();
            let covered = bits - uncovered_bits(&moment.said.command);
            for bit in 0..bits {
                let label = format!("{:?}, bit {bit}", moment.said.step);
                let (outcome, after) = flip_command(&moment, bit);
                let memory = &after.card.memory;
                if bit >= covered {
                    assert_eq!(outcome, Ok(()), "{label}: Le has no effect");
                    assert!(memory.same_content(&couple.card.memory), "{label}");
                    without_effect += 1;
                    continue;
                }
                assert!(outcome.is_err(), "{label}: accepted");
                assert!(
                    memory.same_content(&moment.couple.card.memory),
                    "{label}: stored"
                );
                // Without keys the card is where a stranger finds it; with them it is not even that.
                let state = after.card.state();
                dead += u64::from(state == "NONE");
                assert!(matches!(state, "NONE" | "FWAIT"), "{label}: {state}");
                rejected += 1;
            }
        }
    }
    assert!(rejected > 10_000 && without_effect > 100, "{rejected}");
    report(
        "T10",
        rejected,
        format_args!(
            "flipped bits of commands, all rejected, {dead} with the card's session dead at once, nothing stored; \
             besides {without_effect} bits of Le, all without effect"
        ),
    );
}

/// T10: every bit of every answer, each to a terminal that has come that far.
#[test]
fn a_terminal_rejects_every_flipped_bit_of_every_answer_and_stores_nothing() {
    let (mut rejected, mut anew) = (0, 0);
    for stage in [Stage::strangers(), Stage::strangers().paired()] {
        let beats = stage.rehearse();
        for (at, beat) in beats.iter().enumerate() {
            for bit in 0..8 * beat.said.answer.len() {
                let label = format!("{:?}, bit {bit}", beat.said.step);
                let outcome = stage.play(&beats, at, flipped(&beat.said.answer, bit));
                assert!(!outcome.was_taken_in(), "{label}: accepted");
                if outcome.began_anew() {
                    anew += 1;
                } else {
                    assert!(outcome.store.same_content(&beat.store), "{label}: stored");
                    rejected += 1;
                }
            }
        }
    }
    assert!(rejected > 5_000 && anew > 10, "{rejected}, {anew}");
    report(
        "T10",
        rejected + anew,
        format_args!(
            "flipped bits of answers: {rejected} stopped the terminal with its store as it was, \
             {anew} made it begin anew from SELECT; none was accepted"
        ),
    );
}
