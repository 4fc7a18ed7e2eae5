//! No word makes a terminal speak in clear (T3): status words at every place where the terminal waits for an answer.

use apdu::channel::TerminalEnd;
use apdu::channel::{ExpectedLength, SessionKeys};
use apdu::codec::status::StatusWord;
use apdu::crypto::Secret;
use apdu::identifier::header;
use conformance::evidence::{cases, report, seed};
use conformance::liar::chance::Chance;
use conformance::liar::messaging::object;
use conformance::liar::puppet::Step;
use conformance::liar::visit::{Beat, Outcome, Stage};
use conformance::user::PIN;

/// Words that mean something to somebody (§17 and ISO/IEC 7816-4).
const WORDS: [u16; 27] = [
    0x9000, 0x9001, 0x6100, 0x6110, 0x61FF, 0x6200, 0x6285, 0x6300, 0x63C0, 0x63C3, 0x63CF, 0x6581,
    0x6700, 0x6881, 0x6882, 0x6883, 0x6884, 0x6982, 0x6983, 0x6985, 0x6988, 0x6A80, 0x6A82, 0x6A86,
    0x6C00, 0x6D00, 0x6F00,
];

/// In what dress a word comes: bare; with the object that would protect it, and no MAC; with data in clear.
const DRESSES: [fn([u8; 2]) -> Vec<u8>; 3] = [
    |_| Vec::new(),
    |word| object(0x99, &word),
    |_| vec![0, 0, 0, 0, 0x26, 0x11, 0x21, 0xA3],
];

/// Whether the terminal waits under keys at this step.
fn is_secured(step: Step) -> bool {
    use Step::{Certificate, Challenge, KeyExchange, Select};
    !matches!(step, Select | Challenge | Certificate | KeyExchange)
}

/// What must not follow an answer that is none: being taken for one, another command on the handle that had keys, a PIN in clear.
fn judge(label: &str, beat: &Beat, outcome: &Outcome) {
    assert!(!outcome.was_taken_in(), "{label}: taken for the answer");
    assert!(!outcome.sent(PIN), "{label}: the PIN in clear");
    if !is_secured(beat.said.step) {
        return;
    }
    for command in &outcome.after {
        if Step::of(command) == Some(Step::Select) {
            return; // a new run: it begins without keys, and with a card that has to prove itself again
        }
        // The same protected command once more, with another Le or in segments; or the fetching of what is said to wait.
        let is_same =
            command[0] & 0xEF == beat.said.command[0] && command[1..4] == beat.said.command[1..4];
        let is_fetch = command.starts_with(&[0x00, 0xC0, 0x00, 0x00]);
        assert!(is_same || is_fetch, "{label}: then {command:02X?}");
    }
}

/// The words for one place: all at full scale; at quick the known ones and every first byte with some second bytes.
fn words_for(chance: &mut Chance) -> Vec<u16> {
    let seconds = cases(3, 256);
    let mut words = WORDS.to_vec();
    for first in 0..=255 {
        for number in 0..seconds {
            let second = match seconds {
                256 => number.to_be_bytes()[7],
                _ => chance.bytes::<1>()[0],
            };
            words.push(u16::from_be_bytes([first, second]));
        }
    }
    words.sort_unstable();
    words.dedup();
    words
}

/// T3: the whole terminal, at each of its receive points.
#[test]
fn no_status_word_at_any_point_makes_the_terminal_go_on_in_clear() {
    let mut chance = Chance::new(seed());
    let (mut told, mut stopped, mut anew, mut points) = (0, 0, 0, 0);
    for stage in [Stage::strangers(), Stage::strangers().paired()] {
        let beats = stage.rehearse();
        for (at, beat) in beats.iter().enumerate() {
            points += 1;
            for (number, word) in words_for(&mut chance).into_iter().enumerate() {
                let bytes = word.to_be_bytes();
                let is_known = WORDS.contains(&word);
                for (dress, data) in DRESSES.iter().enumerate() {
                    let is_its_turn = number % DRESSES.len() == dress;
                    if cases(0, 1) == 0 && !is_known && !is_its_turn {
                        continue;
                    }
                    let answer = [data(bytes), bytes.to_vec()].concat();
                    if answer == beat.said.answer {
                        continue; // the truth
                    }
                    let label = format!("beat {at}, {:?}: {answer:02X?}", beat.said.step);
                    let outcome = stage.play(&beats, at, answer);
                    judge(&label, beat, &outcome);
                    told += 1;
                    match outcome.began_anew() {
                        true => anew += 1,
                        false => stopped += 1,
                    }
                }
            }
        }
    }
    assert!(points >= 23 && stopped > 1_000 && anew > 1_000);
    report(
        "T3",
        told,
        format_args!(
            "words in three dresses at {points} receive points of the terminal: {stopped} stopped it, {anew} made it begin anew; \
             0 commands in clear on a handle that had keys, 0 PIN bytes"
        ),
    );
}

/// T3: what decides at every receive point under keys is the channel; there, all words in all dresses at every scale.
#[test]
fn a_channel_is_dead_after_any_word_that_its_keys_did_not_protect() {
    let keys = || SessionKeys::from_bytes(&Secret::copy_of(&[0x3C; 128]));
    let mut sealed = TerminalEnd::new(keys());
    let command = sealed.seal(header::STATUS, &[], Some(ExpectedLength::Short));
    assert!(command.is_ok());
    let waiting = [
        ("after a command", sealed),
        ("first", TerminalEnd::awaiting(keys())),
    ];
    let mut refused = 0;
    for (place, channel) in waiting {
        for word in 0..=u16::MAX {
            for data in DRESSES {
                let mut channel = channel.dangerous_copy();
                let opened = channel.open(&data(word.to_be_bytes()), StatusWord(word));
                assert!(opened.is_err(), "{place}: {word:04X}");
                let again = channel.seal(header::STATUS, &[], None);
                assert!(!channel.is_open() && again.is_err(), "{place}: {word:04X}");
                refused += 1;
            }
        }
    }
    assert_eq!(refused, 2 * 3 * 65_536);
    report(
        "T3",
        refused,
        "all words in three dresses at a channel: each refused, and the channel dead",
    );
}
