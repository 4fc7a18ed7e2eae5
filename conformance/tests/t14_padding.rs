//! Padding tells nothing (T14): wrong padding under a right MAC looks like a wrong MAC, at both ends.

use apdu::codec::command::Command;
use conformance::evidence::report;
use conformance::liar::messaging::{Direction, object};
use conformance::liar::puppet::{Scene, Step};
use conformance::liar::tape::Couple;
use conformance::liar::visit::Stage;
use terminal_lib::transport::in_process::LocalCard;

/// What stands before the last byte: shapes of one, two and three blocks.
const SHAPES: [fn(u8) -> Vec<u8>; 8] = [
    |last| before(&[0; 15], last),
    |last| before(&[0xFF; 15], last),
    |last| before(b"123456\x80\0\0\0\0\0\0\0\0", last),
    |last| before(b"123456789012345", last),
    |last| before(&[0x80; 15], last),
    |last| before(&[[0x80; 16].as_slice(), &[0; 15]].concat(), last),
    |last| before(&[b"1234567890123456".as_slice(), &[0; 15]].concat(), last),
    |last| before(&[[0; 32].as_slice(), &[1; 15]].concat(), last),
];

fn before(bytes: &[u8], last: u8) -> Vec<u8> {
    [bytes, &[last]].concat()
}

/// §10.2, read once more: a whole number of blocks, an 80 in the last one, zeros behind it.
fn is_padded(plain: &[u8]) -> bool {
    let mark = plain.iter().rposition(|byte| *byte != 0);
    mark.is_some_and(|mark| plain[mark] == 0x80 && plain.len() - mark <= 16)
}

/// All last bytes in all shapes.
fn plaintexts() -> impl Iterator<Item = Vec<u8>> {
    let shapes = SHAPES.iter();
    shapes.flat_map(|shape| (0..=255).map(shape))
}

fn cryptogram(blocks: &[u8]) -> Vec<u8> {
    object(0x87, &[&[0x01], blocks].concat())
}

/// T14: every command of a session with every padding, once under a right and once under a wrong MAC.
#[test]
fn a_card_answers_wrong_padding_under_a_right_mac_as_it_answers_a_wrong_mac() {
    let (mut alike, mut opened) = (0, 0);
    let mut couple = Couple::paired(1, 1);
    let whole = |step| !matches!(step, Step::WriteInPieces | Step::ReadInPieces);
    for moment in couple.moments(Scene::Session) {
        let Some(channel) = moment.couple.puppet.channel.as_ref() else {
            continue;
        };
        if !whole(moment.said.step) {
            continue;
        }
        let command = Command::parse(&moment.said.command).unwrap();
        for plain in plaintexts() {
            let blocks = channel.encrypt(Direction::Command, channel.counter, &plain);
            let right =
                channel.finish_command(channel.counter, command.header, &cryptogram(&blocks));
            let mut wrong = right.clone();
            *wrong.last_mut().unwrap() ^= 1;
            let [right, wrong] = [right, wrong].map(|field| {
                let changed = Command {
                    data: &field,
                    ..command
                };
                let mut card = moment.couple.card.fork();
                let answer = LocalCard::transmit(&mut card, &changed.encode().unwrap());
                (answer, card)
            });
            let label = format!("{:?}: {plain:02X?}", moment.said.step);
            assert_eq!(wrong.0, [0x69, 0x88], "{label}");
            if is_padded(&plain) {
                assert!(right.0.len() > 2, "{label}: a protected answer is due");
                opened += 1;
                continue;
            }
            assert_eq!(right.0, wrong.0, "{label}");
            assert_eq!(
                (right.1.state(), wrong.1.state()),
                ("NONE", "NONE"),
                "{label}"
            );
            let before = &moment.couple.card.memory;
            assert!(right.1.memory.same_content(before), "{label}");
            assert!(wrong.1.memory.same_content(before), "{label}");
            alike += 1;
        }
    }
    assert!(alike > 10_000 && opened >= 100, "{alike}, {opened}");
    report(
        "T14",
        alike,
        format_args!(
            "wrong paddings under a right MAC at a card: the same 6988, the same state NONE, nothing stored, as under a wrong MAC; \
             {opened} right ones were opened"
        ),
    );
}

/// T14: every answer of a session with every padding. The terminal says the same, sends nothing more, and stores nothing.
#[test]
fn a_terminal_takes_wrong_padding_under_a_right_mac_as_it_takes_a_wrong_mac() {
    let (mut alike, mut opened) = (0, 0);
    let stage = Stage::strangers().paired();
    let beats = stage.rehearse();
    let messaging = stage.keys(&beats);
    for at in [2, 6, 9] {
        let counter = 2 * u128::try_from(at - 1).unwrap();
        let beat = &beats[at];
        for plain in plaintexts() {
            let blocks = messaging.encrypt(Direction::Answer, counter, &plain);
            let field = [cryptogram(&blocks), object(0x99, &[0x90, 0x00])].concat();
            let right = messaging.finish_answer(counter, &field);
            let mut wrong = right.clone();
            *wrong.last_mut().unwrap() ^= 1;
            let [right, wrong] = [right, wrong].map(|field| {
                let answer = [field.as_slice(), &[0x90, 0x00]].concat();
                let outcome = stage.play(&beats, at, answer);
                let error = outcome.result.map_err(|error| error.to_string());
                (error, outcome.after.len(), outcome.store)
            });
            let label = format!("{:?}: {plain:02X?}", beat.said.step);
            assert!(wrong.0.is_err() && wrong.1 == 0, "{label}");
            if is_padded(&plain) {
                assert_ne!(right.0, wrong.0, "{label}: authentic, whatever it says");
                opened += 1;
                continue;
            }
            assert_eq!((&right.0, right.1), (&wrong.0, wrong.1), "{label}");
            assert!(right.2.same_content(&beat.store), "{label}");
            assert!(wrong.2.same_content(&beat.store), "{label}");
            alike += 1;
        }
    }
    assert!(alike > 5_000 && opened > 20, "{alike}, {opened}");
    report(
        "T14",
        alike,
        format_args!(
            "wrong paddings under a right MAC at a terminal: the same error, nothing sent, nothing stored, as under a wrong MAC; \
             {opened} right ones were opened"
        ),
    );
}
