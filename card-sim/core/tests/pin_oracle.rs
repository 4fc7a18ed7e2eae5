//! T31: between two right codes a card never compares more than the limit, whatever is sent and whenever the power goes.
//!
//! The comparison itself is counted (`codes_equal`), not the answers: an attacker who cuts the power before the answer has guessed
//! all the same. One test in this file, because the count is the process's.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop")]

mod bench;

use apdu::channel::{ExpectedLength, TerminalEnd};
use apdu::codec::command::Header;
use apdu::codec::status::StatusWord;
use apdu::crypto::{Entropy, census};
use apdu::handshake::PairingKey;
use apdu::identifier::{PIN_TRIES, PUK_TRIES, header};
use bench::*;
use card_core::store::{Fault, Record, Store};
use test_vectors::evidence::{cases, report, seed};

const WRONG_PIN: &[u8] = b"000000";
const WRONG_PUK: &[u8] = b"00000000";

/// A random choice.
struct Dice(FixedEntropy);

impl Dice {
    fn below(&mut self, limit: u16) -> u16 {
        let mut bytes = [0; 2];
        self.0.fill(&mut bytes).unwrap();
        u16::from_be_bytes(bytes) % limit
    }
}

/// Wrong comparisons since the last right one, and the most there ever were.
#[derive(Default)]
struct Tally {
    since: u32,
    most: u32,
    all: u32,
}

impl Tally {
    fn wrong(&mut self, compared: u32) {
        self.since += compared;
        self.all += compared;
        self.most = self.most.max(self.since);
    }

    fn right(&mut self, compared: u32) {
        if compared > 0 {
            self.since = 0;
        }
    }
}

/// A card that is attacked, and what is counted.
struct Attack {
    bench: Bench,
    terminal: Terminal,
    key: PairingKey,
    dice: Dice,
    pin: Tally,
    puk: Tally,
}

impl Attack {
    fn on(start: &Bench, key: &PairingKey, dice: Dice) -> Self {
        Self {
            bench: start.fork(),
            terminal: Terminal::new(1),
            key: key.dangerous_copy(),
            dice,
            pin: Tally::default(),
            puk: Tally::default(),
        }
    }

    fn tries(&self, record: Record) -> u8 {
        self.bench.store.read(record).unwrap().unwrap()[0]
    }

    /// One command under secure messaging; what comes back may be anything, or nothing.
    fn send(&mut self, end: &mut TerminalEnd, header: Header, data: &[u8]) -> Option<StatusWord> {
        let sealed = end.seal(header, data, Some(ExpectedLength::Short)).ok()?;
        let response = self.bench.send(sealed.header, &sealed.data);
        let (_, word) = end.open(&response.data, response.status).ok()?;
        Some(word)
    }

    /// Power comes back, if it went; the terminal finds its generation again.
    fn power_on(&mut self) {
        self.bench.power_cycle();
        let next = self.key.next();
        let mut terminal = Terminal::new(1);
        if terminal
            .challenge(&mut self.bench.fork(), &self.key)
            .is_none()
        {
            self.key = next;
        }
    }

    /// A session of the paired terminal, if the power holds.
    fn session(&mut self) -> Option<TerminalEnd> {
        let mut end = self.terminal.challenge(&mut self.bench, &self.key)?;
        let proven = self.send(&mut end, header::STATUS, &[]) == Some(OK);
        if proven {
            self.key = self.key.next();
        }
        proven.then_some(end)
    }

    /// One random command about a code, with everything it may compare counted.
    fn step(&mut self, end: &mut TerminalEnd) {
        let replace = |old: &[u8], new: &[u8]| {
            let length = |digits: &[u8]| u8::try_from(digits.len()).unwrap();
            [&[0x80, length(old)], old, &[0x81, length(new)], new].concat()
        };
        let before = census().code_comparisons;
        let kind = self.dice.below(100);
        let (header, data) = match kind {
            0..40 => (header::VERIFY, WRONG_PIN.to_vec()),
            40..55 => (header::CHANGE_PIN, replace(WRONG_PIN, b"161803")),
            55..58 => (header::UNBLOCK, replace(WRONG_PUK, PIN)),
            58..60 => (header::CHANGE_PUK, replace(WRONG_PUK, PUK)),
            60..70 => (header::VERIFY, b"12345".to_vec()),
            70..80 => (header::CHANGE_PIN, replace(b"1", PIN)),
            80..85 => (header::UNBLOCK, replace(b"1", PIN)),
            85..90 => (header::VERIFY, Vec::new()),
            90..94 => (header::VERIFY, PIN.to_vec()),
            94..97 => (header::CHANGE_PIN, replace(PIN, PIN)),
            _ => (header::UNBLOCK, replace(PUK, PIN)),
        };
        self.send(end, header, &data);
        let compared = census().code_comparisons - before;
        match kind {
            0..55 => self.pin.wrong(compared),
            55..60 => self.puk.wrong(compared),
            60..90 => assert_eq!(compared, 0, "malformed, and yet compared"),
            90..97 => self.pin.right(compared),
            _ => {
                self.puk.right(compared);
                // The right PUK gives the PIN's tries back, once that is durable.
                if self.tries_now(Record::PIN_TRIES) == Some(PIN_TRIES) {
                    self.pin.right(compared);
                }
            }
        }
    }

    fn tries_now(&mut self, record: Record) -> Option<u8> {
        let mut copy = self.bench.store.dangerous_copy();
        copy.power_on();
        copy.read(record).unwrap().map(|tries| tries[0])
    }

    /// A guess by another certified terminal, which has no pairing.
    fn guess_in_set_up(&mut self) {
        let before = census().code_comparisons;
        let was_open = self.tries(Record::PIN_TRIES) > 0;
        let (mut end, _) = Terminal::new(9).set_up_to_pin(&mut self.bench);
        for _ in 0..4 {
            self.send(&mut end, header::VERIFY, WRONG_PIN);
        }
        self.pin.wrong(census().code_comparisons - before);
        let is_open = self.tries(Record::PIN_TRIES) > 0;
        assert_eq!(is_open, was_open, "the last try is not for strangers");
    }
}

#[test]
fn wrong_comparisons_between_two_right_ones_never_exceed_the_limit() {
    let mut start = Bench::operational();
    let key = Terminal::new(1).pair(&mut start);
    start.power_cycle();
    let steps = cases(100_000, 10_000_000);
    let dice = Dice(FixedEntropy::new(seed()));
    let mut attack = Attack::on(&start, &key, dice);
    let (mut done, mut cuts, mut cards, mut blocked) = (0, 0, 1_u64, 0_u64);
    let (mut most_pin, mut most_puk, mut all) = (0, 0, 0);
    while done < steps {
        if attack.dice.below(4) == 0 {
            let kinds = [
                Fault::CutBefore,
                Fault::CutAfter,
                Fault::Fail,
                Fault::FailAfter,
            ];
            let fault = kinds[usize::from(attack.dice.below(4))];
            let commit = attack.bench.store.commits() + usize::from(attack.dice.below(5));
            attack.bench.store.plan(commit, fault);
            cuts += 1;
        }
        if let Some(mut end) = attack.session() {
            for _ in 0..=attack.dice.below(5) {
                attack.step(&mut end);
                done += 1;
            }
        }
        attack.power_on();
        if attack.dice.below(400) == 0 {
            attack.guess_in_set_up();
            done += 4;
            attack.power_on();
        }
        blocked += u64::from(attack.tries(Record::PIN_TRIES) == 0);
        most_pin = most_pin.max(attack.pin.most);
        most_puk = most_puk.max(attack.puk.most);
        if attack.tries(Record::PUK_TRIES) == 0 {
            all += attack.pin.all + attack.puk.all;
            attack = Attack::on(&start, &key, attack.dice);
            cards += 1;
        }
    }
    assert!(
        most_pin <= u32::from(PIN_TRIES),
        "{most_pin} wrong PINs compared"
    );
    assert!(
        most_puk <= u32::from(PUK_TRIES),
        "{most_puk} wrong PUKs compared"
    );
    assert_eq!(
        (most_pin, most_puk),
        (3, 10),
        "the limits are reached, and not only kept"
    );
    assert!(
        blocked > 100 && cards > 5,
        "{blocked} times blocked, {cards} cards"
    );
    report(
        "T31",
        done,
        format_args!(
            "{all} wrong comparisons on {cards} cards with {cuts} planned cuts: at most {most_pin} PINs and {most_puk} PUKs between two right ones"
        ),
    );
}
