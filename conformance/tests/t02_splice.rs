//! Messages out of their place (T2): each that was ever said, at each place where it was not said: to its sender, to the other role, in
//! another session, at another card, in another slot, earlier or later.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

use apdu::codec::command::Command;
use conformance::evidence::{cases, report};
use conformance::liar::puppet::{Scene, Step};
use conformance::liar::tape::{Couple, Moment, Said};
use conformance::liar::visit::{Beat, Stage};
use std::collections::BTreeMap;
use terminal_lib::transport::in_process::LocalCard;

/// What was said in one session, and where that was.
struct Tape {
    from: &'static str,
    said: Vec<Said>,
}

/// How a message of a tape was brought to a card.
const WAYS: [&str; 3] = [
    "as it was",
    "its data under the due header",
    "the answer to it",
];

/// The bytes for a card that waits for `due`.
fn command_from(said: &Said, due: &[u8], way: usize) -> Option<Vec<u8>> {
    let due = Command::parse(due).unwrap();
    let data = match way {
        0 => return Some(said.command.clone()),
        1 => Command::parse(&said.command).unwrap().data.to_vec(),
        _ => said.answer[..said.answer.len() - 2].to_vec(),
    };
    let spliced = Command { data: &data, ..due };
    spliced.encode().ok().filter(|_| !data.is_empty())
}

/// The sessions that messages are taken from: of the pair itself, of the card's other slot, of another card.
fn tapes() -> Vec<Tape> {
    let mut tapes = Vec::new();
    let mut add = |from, said| tapes.push(Tape { from, said });
    let mut own = Couple::strangers(1, 1);
    add("another set-up", own.record(Scene::SetUp));
    add("another session", own.record(Scene::Session));
    for _ in 0..cases(9, 200) {
        add("a later session", own.record(Scene::Session));
    }
    add("a later set-up", own.record(Scene::SetUp));
    let mut other_slot = Couple::strangers(1, 2);
    other_slot.card = own.card;
    add("another slot's set-up", other_slot.record(Scene::SetUp));
    add("another slot", other_slot.record(Scene::Session));
    let mut other_card = Couple::strangers(2, 1);
    add("another card's set-up", other_card.record(Scene::SetUp));
    add("another card", other_card.record(Scene::Session));
    tapes
}

/// Goes on after a command that a card took: with what followed on the tape, and with the honest terminal. Neither may get an answer
/// under keys, and nothing may be stored.
fn nothing_comes_of_it(
    label: &str,
    moment: &Moment,
    couple: &Couple,
    rest: &[Said],
    answer: &[u8],
) {
    let mut with_tape = couple.fork();
    for said in rest {
        let answer = LocalCard::transmit(&mut with_tape.card, &said.command);
        let is_secured = said.command[0] & 0x0C != 0;
        assert!(!is_secured || answer.len() == 2, "{label}: {answer:02X?}");
    }
    let mut with_terminal = couple.fork();
    let went_on = with_terminal.puppet.hear(answer);
    let outcome = went_on.and_then(|()| with_terminal.finish());
    assert!(outcome.is_err(), "{label}: the terminal came to its end");
    for after in [with_tape, with_terminal] {
        assert!(
            after.card.memory.same_content(&moment.couple.card.memory),
            "{label}"
        );
    }
}

/// T2: into a card, at every moment of a set-up and of a session.
#[test]
fn no_message_out_of_its_place_is_accepted_by_a_card() {
    let others = tapes();
    let mut told = 0;
    let mut ends: BTreeMap<&str, u64> = BTreeMap::new();
    for (couple, scene) in [
        (Couple::strangers(1, 1), Scene::SetUp),
        (Couple::paired(1, 1), Scene::Session),
    ] {
        // Why another time: chance that repeats itself would make of a recorded message the true one.
        let moments = couple.at_another_time().moments(scene);
        let own = Tape {
            from: "this very session",
            said: moments.iter().map(|moment| moment.said.clone()).collect(),
        };
        for moment in &moments {
            for tape in others.iter().chain([&own]) {
                for (number, said) in tape.said.iter().enumerate() {
                    for (way, words) in WAYS.iter().enumerate() {
                        let Some(command) = command_from(said, &moment.said.command, way) else {
                            continue;
                        };
                        if command == moment.said.command {
                            continue; // in its place
                        }
                        let label = format!(
                            "at {:?}: {:?} of {}, {words}",
                            moment.said.step, said.step, tape.from
                        );
                        let mut couple = moment.couple.fork();
                        let answer = LocalCard::transmit(&mut couple.card, &command);
                        told += 1;
                        *ends.entry(tape.from).or_default() += 1;
                        let is_refused = answer.len() == 2 && answer != [0x90, 0x00];
                        if is_refused {
                            assert_eq!(couple.card.state(), "NONE", "{label}");
                        } else {
                            // SELECT, a certificate, a share, a challenge: anybody may say these. And the first of several segments.
                            let is_public = command[0] & 0x0C == 0 || command[0] & 0x10 != 0;
                            assert!(is_public, "{label}: {answer:02X?}");
                            let rest = &tape.said[number + 1..];
                            nothing_comes_of_it(&label, moment, &couple, rest, &answer);
                        }
                        let before = &moment.couple.card.memory;
                        assert!(couple.card.memory.same_content(before), "{label}: stored");
                    }
                }
            }
        }
    }
    assert!(told >= 16_000 && ends.len() == 9, "{told}: {ends:?}");
    report(
        "T2",
        told,
        format_args!(
            "messages out of their place at a card, from {} sessions of 2 cards and 2 terminals: 0 accepted, nothing stored",
            others.len() + 1
        ),
    );
}

/// The answers that a terminal gets instead of the due one: those of a tape, and commands as answers, its own among them.
fn answers(beats: &[Beat]) -> Vec<(Step, Vec<u8>)> {
    let mut answers = Vec::new();
    for Beat { said, .. } in beats {
        let data = Command::parse(&said.command).unwrap().data;
        answers.push((said.step, said.answer.clone()));
        answers.push((said.step, [data, &[0x90, 0x00]].concat()));
        answers.push((said.step, said.command.clone()));
    }
    answers
}

/// T2: into a terminal, at each of its receive points.
#[test]
fn no_message_out_of_its_place_is_accepted_by_a_terminal() {
    let strangers = Stage::strangers();
    let paired = Stage::strangers().paired();
    let other = Stage::of(2, 2);
    let sources = [
        strangers.rehearse(),
        strangers.at_another_time().rehearse(),
        paired.rehearse(),
        paired.at_another_time().rehearse(),
        other.rehearse(),
        other.paired().rehearse(),
    ];
    let sources: Vec<_> = sources.iter().map(|beats| answers(beats)).collect();
    let (mut told, mut anew) = (0, 0);
    for stage in [strangers, paired] {
        let beats = stage.rehearse();
        for (at, beat) in beats.iter().enumerate() {
            for (source, answers) in sources.iter().enumerate() {
                for (step, answer) in answers {
                    // A bare 9000 says the same wherever it comes from.
                    if *answer == beat.said.answer {
                        continue;
                    }
                    let label = format!("at {:?}: {step:?} of session {source}", beat.said.step);
                    let outcome = stage.play(&beats, at, answer.clone());
                    told += 1;
                    assert!(!outcome.was_taken_in(), "{label}: accepted");
                    if outcome.began_anew() {
                        anew += 1;
                    } else {
                        assert!(outcome.store.same_content(&beat.store), "{label}: stored");
                    }
                }
            }
        }
    }
    assert!(told >= 4_000 && anew > 100, "{told}, {anew}");
    report(
        "T2",
        told,
        format_args!(
            "messages out of their place at a terminal, from {} sessions: 0 accepted; {anew} made it begin anew from SELECT",
            sources.len()
        ),
    );
}
