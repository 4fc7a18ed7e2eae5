//! Secure messaging objects that are not what they must be (T11): dropped, doubled, moved, of another tag or length, cut, extended.
//!
//! Each change is made on the wire, by somebody without keys, and again under a right MAC where no honest end would ever send it.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

use apdu::codec::command::Command;
use conformance::evidence::report;
use conformance::liar::messaging::{Messaging, object, objects};
use conformance::liar::puppet::Scene;
use conformance::liar::tape::{Couple, Moment};
use conformance::liar::visit::Stage;
use terminal_lib::transport::in_process::LocalCard;

type Objects = Vec<(u8, Vec<u8>)>;

/// A changed data field, in words and bytes.
type Change = (String, Vec<u8>);

fn encode(objects: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let encoded = objects.iter().map(|(tag, value)| object(*tag, value));
    encoded.collect::<Vec<_>>().concat()
}

/// The objects, with the one at `at` written by hand.
fn with(objects: &[(u8, Vec<u8>)], at: usize, written: Vec<u8>) -> Vec<u8> {
    [encode(&objects[..at]), written, encode(&objects[at + 1..])].concat()
}

/// Fields that no honest end sends, whatever the MAC over them.
fn malformed(objects: &Objects) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut add = |what: String, field: Vec<u8>| changes.push((what, field));
    for (at, (tag, value)) in objects.iter().enumerate() {
        let double = object(*tag, value).repeat(2);
        add(format!("{tag:02X} doubled"), with(objects, at, double));
        add(
            format!("{tag:02X} empty"),
            with(objects, at, object(*tag, &[])),
        );
        for other in [0x80, 0x81, 0x85, 0x86, 0x96, 0x98, 0xB3, 0xCC, 0x00, 0x1F] {
            let renamed = object(other, value);
            add(
                format!("{tag:02X} named {other:02X}"),
                with(objects, at, renamed),
            );
        }
        let short = u8::try_from(value.len() & 0x7F).unwrap();
        let [high, low] = u16::try_from(value.len()).unwrap().to_be_bytes();
        for (form, length) in [
            ("81", vec![0x81, low]),
            ("82", vec![0x82, high, low]),
            ("83", vec![0x83, 0, high, low]),
            ("indefinite", vec![0x80]),
            ("one less", vec![short.wrapping_sub(1) & 0x7F]),
            ("one more", vec![(short + 1) & 0x7F]),
        ] {
            let written = [&[*tag], length.as_slice(), value].concat();
            if written != object(*tag, value) {
                let what = format!("{tag:02X} with length {form}");
                add(what, with(objects, at, written));
            }
        }
        for cut in [1, 8, 15] {
            if let Some(shorter) = value.len().checked_sub(cut).filter(|left| *left > 0) {
                let cut_value = object(*tag, &value[..shorter]);
                add(
                    format!("{tag:02X} cut by {cut}"),
                    with(objects, at, cut_value),
                );
            }
            let longer = [value.as_slice(), &vec![0; cut]].concat();
            let longer = with(objects, at, object(*tag, &longer));
            add(format!("{tag:02X} longer by {cut}"), longer);
        }
    }
    for at in 0..=objects.len() {
        for unknown in [object(0x80, &[]), object(0x81, &[7]), object(0xB3, &[7; 4])] {
            let field = [encode(&objects[..at]), unknown, encode(&objects[at..])];
            add(format!("unknown object at {at}"), field.concat());
        }
    }
    for at in 1..objects.len() {
        let mut moved = objects.clone();
        moved.swap(at - 1, at);
        add(format!("{at} before its predecessor"), encode(&moved));
    }
    if let [(0x87, cryptogram), ..] = objects.as_slice() {
        for indicator in (0..=255).filter(|indicator| *indicator != 1) {
            let mut changed = objects.clone();
            changed[0].1 = [&[indicator], &cryptogram[1..]].concat();
            add(
                format!("padding indicator {indicator:02X}"),
                encode(&changed),
            );
        }
    }
    changes
}

/// What somebody without keys can do besides: leave objects out, cut, extend.
fn on_the_wire(field: &[u8]) -> Vec<Change> {
    let objects = objects(field).unwrap();
    let mut changes = malformed(&objects);
    for at in 0..objects.len() {
        let mut fewer = objects.clone();
        let (tag, _) = fewer.remove(at);
        changes.push((format!("without {tag:02X}"), encode(&fewer)));
    }
    for length in 0..field.len() {
        changes.push((format!("cut to {length}"), field[..length].to_vec()));
    }
    for more in 1..=16 {
        let longer = [field, &vec![0; more]].concat();
        changes.push((format!("{more} bytes behind"), longer));
    }
    changes
}

/// The malformed fields of a message under a right MAC, made by `finish`.
fn under_a_right_mac(field: &[u8], finish: impl Fn(&[u8]) -> Vec<u8>) -> Vec<Change> {
    let mut objects = objects(field).unwrap();
    objects.pop(); // the MAC itself
    let changes = malformed(&objects).into_iter();
    let finished = changes.map(|(what, field)| (format!("{what}, right MAC"), finish(&field)));
    // A Le cut to one byte, or prolonged to two, is another Le and well-formed.
    finished
        .filter(|(what, _)| !what.starts_with("97 longer by 1") && !what.starts_with("97 cut by 1"))
        .collect()
}

fn with_field(command: &Command<'_>, field: &[u8]) -> Option<Vec<u8>> {
    let changed = Command {
        data: field,
        ..*command
    };
    changed.encode().ok()
}

/// A protected command that is one APDU, and the keys it is under unless they were left behind with it (message 5).
fn protected(moment: &Moment) -> Option<(Command<'_>, Option<&Messaging>)> {
    let command = Command::parse(&moment.said.command).unwrap();
    let is_whole = command.header.cla & 0x1C == 0x0C;
    let channel = moment.couple.puppet.channel.as_ref().filter(|_| is_whole)?;
    let mut found = objects(command.data)?;
    let (tag, mac) = found.pop()?;
    if (tag, mac.len()) != (0x8E, 16) {
        return None; // the last segment of a longer one
    }
    let own = channel.finish_command(channel.counter, command.header, &encode(&found));
    Some((command, (own == command.data).then_some(channel)))
}

/// The card got this instead: it must refuse, forget its keys, and store nothing.
fn card_refuses(label: &str, moment: &Moment, apdu: &[u8]) {
    let mut card = moment.couple.card.fork();
    let answer = LocalCard::transmit(&mut card, apdu);
    let is_refused = matches!(
        answer.as_slice(),
        [0x69, 0x88] | [0x67, 0x00] | [0x69, 0x85]
    );
    assert!(is_refused, "{label}: {answer:02X?}");
    assert_eq!(card.state(), "NONE", "{label}");
    let honest = LocalCard::transmit(&mut card, &moment.said.command);
    assert_eq!(
        honest.len(),
        2,
        "{label}: the true one does not help afterwards"
    );
    assert!(
        card.memory.same_content(&moment.couple.card.memory),
        "{label}"
    );
}

/// T11, the card's side.
#[test]
fn a_card_refuses_every_malformed_command_and_its_session_is_dead() {
    let (mut wire, mut keyed) = (0, 0);
    for (mut couple, scene) in [
        (Couple::strangers(1, 1), Scene::SetUp),
        (Couple::paired(1, 1), Scene::Session),
    ] {
        for moment in couple.moments(scene) {
            let Some((command, channel)) = protected(&moment) else {
                continue;
            };
            let label = |what: &str| format!("{:?}: {what}", moment.said.step);
            for (what, field) in on_the_wire(command.data) {
                let Some(apdu) = with_field(&command, &field) else {
                    continue; // longer than a short command can be
                };
                card_refuses(&label(&what), &moment, &apdu);
                wire += 1;
            }
            let Some(channel) = channel else {
                continue;
            };
            let finish =
                |field: &[u8]| channel.finish_command(channel.counter, command.header, field);
            for (what, field) in under_a_right_mac(command.data, finish) {
                let Some(apdu) = with_field(&command, &field) else {
                    continue;
                };
                card_refuses(&label(&what), &moment, &apdu);
                keyed += 1;
            }
        }
    }
    assert!(wire > 1_000 && keyed > 1_000, "{wire}, {keyed}");
    report(
        "T11",
        wire + keyed,
        format_args!(
            "malformed commands, {keyed} of them under a right MAC: all refused, the session dead, nothing stored"
        ),
    );
}

/// T11, the terminal's side.
#[test]
fn a_terminal_refuses_every_malformed_answer_and_its_session_is_dead() {
    let (mut wire, mut keyed) = (0, 0);
    for (stage, has_keys) in [
        (Stage::strangers(), false),
        (Stage::strangers().paired(), true),
    ] {
        let beats = stage.rehearse();
        let messaging = has_keys.then(|| stage.keys(&beats));
        let refuses = |label: String, at: usize, answer: Vec<u8>| {
            let outcome = stage.play(&beats, at, answer);
            assert!(outcome.result.is_err(), "{label}: accepted");
            assert!(!outcome.began_anew(), "{label}");
            assert!(outcome.store.same_content(&beats[at].store), "{label}");
        };
        let mut counter = 0;
        for (at, beat) in beats.iter().enumerate() {
            if beat.said.command[0] & 0x0C == 0 {
                continue;
            }
            counter += 2;
            let (field, word) = beat.said.answer.split_last_chunk::<2>().unwrap();
            let label = |what: &str| format!("{:?}: {what}", beat.said.step);
            for (what, field) in on_the_wire(field) {
                refuses(label(&what), at, [field.as_slice(), word].concat());
                wire += 1;
            }
            let Some(messaging) = &messaging else {
                continue;
            };
            keyed += forged_answers(messaging, counter, field, *word, |what, answer| {
                refuses(label(what), at, answer);
            });
        }
    }
    assert!(wire > 1_000 && keyed > 1_000, "{wire}, {keyed}");
    report(
        "T11",
        wire + keyed,
        format_args!(
            "malformed answers, {keyed} of them under a right MAC: all refused, the session dead, nothing stored"
        ),
    );
}

/// Malformed answers under a right MAC, and an outer word that is not the protected one.
fn forged_answers(
    messaging: &Messaging,
    counter: u128,
    field: &[u8],
    word: [u8; 2],
    mut told: impl FnMut(&str, Vec<u8>),
) -> u64 {
    let mut count = 0;
    let mut tell = |what: &str, answer: Vec<u8>| {
        told(what, answer);
        count += 1;
    };
    for (what, field) in under_a_right_mac(field, |field| messaging.finish_answer(counter, field)) {
        tell(&what, [field.as_slice(), &word].concat());
    }
    for first in 0x61..=0x6F {
        let outer = [first, 0x82];
        tell("another outer word", [field, &outer].concat());
        let mut inner = objects(field).unwrap();
        inner.pop();
        inner.last_mut().unwrap().1 = outer.to_vec();
        let inner = messaging.finish_answer(counter, &encode(&inner));
        tell("another inner word", [inner.as_slice(), &word].concat());
    }
    // Data beside a word that allows none, both words agreeing.
    let refused = [
        object(0x87, &[&[1], [0x5A; 16].as_slice()].concat()),
        object(0x99, &[0x69, 0x85]),
    ];
    let refused = messaging.finish_answer(counter, &refused.concat());
    tell(
        "data beside 6985",
        [refused.as_slice(), &[0x69, 0x85]].concat(),
    );
    count
}
