//! Commands that no terminal sends, in every state of the card: both cards must refuse them with the same word.
//!
//! The Python terminal leads the card core into a state and strays there; what was sent is then sent again to the Python card, with the
//! same randomness.

use super::cards::{Core, Oracle as Card};
use super::desks::{Desk, Oracle};
use super::papers::{self, Under};
use super::peer::{Peer, hex};
use super::script::Owner;
use super::wire::{Event, Incident, Wire, shown};
use apdu::certificate::{Date, Role};
use apdu::identifier::Aid;
use conformance::authority::{CARD, today};
use conformance::evidence::{cases, report, seed};
use conformance::liar::messaging::object;
use journal::sim::Random;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use terminal_lib::transport::Transport;
use terminal_lib::transport::in_process::LocalCard;

/// INS P1 P2 of everything that means something under secure messaging, and of some that do not.
const SECURED: [[u8; 3]; 21] = [
    [0xCA, 0x7F, 0x21],
    [0xCA, 0x01, 0x01],
    [0xCA, 0x01, 0x02],
    [0xCA, 0x01, 0x03],
    [0xCA, 0x01, 0x04],
    [0xCA, 0x01, 0x05],
    [0xDA, 0x01, 0x02],
    [0xDA, 0x01, 0x03],
    [0xDA, 0x01, 0x04],
    [0xDA, 0x7F, 0x21],
    [0x20, 0x00, 0x81],
    [0x20, 0x00, 0x82],
    [0x24, 0x00, 0x81],
    [0x24, 0x00, 0x82],
    [0x2C, 0x00, 0x81],
    [0xE6, 0x00, 0x00],
    [0xA4, 0x04, 0x00],
    [0x86, 0x01, 0x01],
    [0x86, 0x01, 0x03],
    [0x86, 0x01, 0x04],
    [0x46, 0x80, 0x00],
];
/// INS of the services.
const SERVICE: [u8; 9] = [0x10, 0x12, 0x14, 0x16, 0x18, 0x20, 0x22, 0x24, 0x11];
/// States of a set-up in which the Python terminal can stray.
const STATES: [&str; 4] = ["PROV", "PROV, certificate given", "AUTH", "PINOK"];

struct Chaos(Random);

impl Chaos {
    fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.0.below(of.len())]
    }

    fn now_and_then(&mut self, chance: usize) -> bool {
        self.0.below(chance) == 0
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        let length = self.0.below(most + 1);
        (0..length)
            .map(|_| self.0.bits().to_be_bytes()[0])
            .collect()
    }

    /// A data field that some command takes.
    fn field(&mut self) -> Vec<u8> {
        let pin = papers::FIRST_PIN.as_bytes();
        let puk = papers::FIRST_PUK.as_bytes();
        let slot = self.one(&[0, 1, 15, 16]).to_owned();
        match self.0.below(14) {
            0 => pin.to_vec(),
            1 => b"999999".to_vec(),
            2 => [object(0x80, pin), object(0x81, pin)].concat(),
            3 => [object(0x80, puk), object(0x81, puk)].concat(),
            4 => [object(0x80, puk), object(0x81, pin)].concat(),
            5 => object(0x80, &[slot]),
            6 => [
                object(0x80, &[slot]),
                object(0x82, b"desk"),
                object(0x83, &[1]),
            ]
            .concat(),
            7 => self
                .one(&[Aid::VAULT, Aid::COUNTER, Aid::AUTHENTICATION])
                .0
                .to_vec(),
            8 => object(0x80, b"note"),
            9 => [
                object(0x80, b"note"),
                object(0x81, &[slot & 3]),
                object(0x82, &[7; 40]),
            ]
            .concat(),
            10 => vec![0, 0, 0, slot],
            11 => self.one(&papers::links()).encoded().to_vec(),
            12 => {
                let sequence = u32::from(slot) % 3 + 1;
                papers::list(sequence, 0, today(), None).encoded().to_vec()
            }
            _ => self.bytes(20),
        }
    }

    /// The same, or nothing, or with some damage.
    fn data(&mut self) -> Vec<u8> {
        let mut data = self.field();
        match self.0.below(8) {
            0 => data.clear(),
            1 if !data.is_empty() => {
                let bit = self.0.below(8 * data.len());
                data[bit / 8] ^= 1 << (bit % 8);
            }
            2 => data.truncate(self.0.below(data.len() + 1)),
            3 => data.extend(self.bytes(3)),
            _ => {}
        }
        data
    }

    /// Command, data, Le and class, for the Python terminal's channel.
    fn secured(&mut self) -> Value {
        let mut command = *self.one(&SECURED);
        let mut class = 0x0C;
        if self.now_and_then(3) {
            command = [*self.one(&SERVICE), 0, 0];
            class = 0x8C;
        }
        if self.now_and_then(6) {
            let place = self.0.below(3);
            command[place] = self.0.bits().to_be_bytes()[0];
        }
        let data = match self.now_and_then(4) {
            true => Vec::new(),
            false => self.data(),
        };
        let lengths = [json!(null), json!(256), json!(20), json!(65_533)];
        let expected = self.one(&lengths);
        json!([hex(&command), hex(&data), expected, hex(&[class])])
    }

    /// What `DA 7F 21` may be sent: a link, a root that nobody signed, leaves for others, whole or cut off.
    fn paper(&mut self) -> Vec<u8> {
        let key = papers::key(2).public_key();
        let until = Date::new(2060, 1, 1).unwrap();
        let leaf = |name: &str, role, key| {
            papers::certify(1, conformance::authority::name(name), role, key, until)
        };
        let mut unsigned = papers::root(1).encoded().to_vec();
        if let Some(last) = unsigned.last_mut() {
            *last ^= 1;
        }
        let mut paper = match self.0.below(5) {
            0 => papers::links()[1].encoded().to_vec(),
            1 => leaf("ZZTALLYTERM00001", Role::Terminal, key)
                .encoded()
                .to_vec(),
            2 => unsigned,
            3 => leaf(CARD, Role::Card, key).encoded().to_vec(),
            _ => self.bytes(20),
        };
        if self.now_and_then(4) {
            paper.truncate(self.0.below(paper.len() + 1));
        }
        paper
    }

    /// SELECT with another Le, in extended form, without Le, or as it is.
    fn select(&mut self, whole: Vec<u8>) -> Vec<u8> {
        let bare = &whole[..whole.len() - 1];
        match self.0.below(8) {
            0 => bare.to_vec(),
            1 => [bare, &[self.0.bits().to_be_bytes()[0]]].concat(),
            2 => [&bare[..4], &[0, 0], &bare[4..], &[0, 0]].concat(),
            3 => [&bare[..4], &[0, 0], &bare[4..], &[1, 7]].concat(),
            4 => [&bare[..4], &[0, 0], &bare[4..]].concat(),
            5 => [&bare[..4], &[9], &bare[5..14]].concat(),
            _ => whole,
        }
    }

    /// A plain APDU, or a secured one that nobody with keys has made.
    fn plain(&mut self) -> Vec<u8> {
        let select = [
            &[0x00, 0xA4, 0x04, 0x00, 0x0A][..],
            &Aid::AUTHENTICATION.0,
            &[0],
        ]
        .concat();
        let c1 = [object(0x80, &[1; 4]), object(0x81, &[2; 16])].concat();
        let exchange = object(0x7C, &object(0x85, &[4; 65]));
        let order = [
            object(0x42, b"ZZTALLYROOT00001"),
            [&[0x5F][..], &object(0x20, CARD.as_bytes())].concat(),
            object(0x81, &[3; 16]),
        ];
        let mut apdu = match self.0.below(16) {
            0..3 => self.select(select),
            3 => short([0, 0x86, 1, 1], &object(0x7C, &c1), true),
            4 => short([0, 0x86, 1, 2], &exchange, true),
            5 => short([0, 0x2A, 0, 0xBE], papers::links()[0].encoded(), false),
            6 => short(
                [0x10, 0x2A, 0, 0xBE],
                &papers::links()[0].encoded()[..100],
                false,
            ),
            7 => short([0, 0x46, 0x80, 0], &order.concat(), true),
            8 => short([0, 0x24, 1, 0x81], papers::FIRST_PIN.as_bytes(), false),
            9 => short([0, 0x44, 0, 0], &[], false),
            10 => {
                let paper = self.paper();
                let header = [0, 0xDA, 0x7F, 0x21];
                match u16::try_from(paper.len()).unwrap() {
                    0..256 => short(header, &paper, false),
                    length => [&header[..], &[0], &length.to_be_bytes(), &paper].concat(),
                }
            }
            11 => short([0, 0xC0, 0, 0], &[], true),
            12 => short([0x0C, 0x20, 0, 0x81], &object(0x8E, &[9; 16]), true),
            13 => short([0x1C, 0xDA, 1, 2], &[9; 30], false),
            14 => [0x00, *self.one(&SERVICE), 0x00, 0x00].to_vec(),
            _ => self.bytes(30),
        };
        match self.0.below(8) {
            0 if !apdu.is_empty() => apdu[0] = self.0.bits().to_be_bytes()[0],
            1 if apdu.len() > 3 => {
                let place = 1 + self.0.below(3);
                apdu[place] = self.0.bits().to_be_bytes()[0];
            }
            2 => apdu.truncate(self.0.below(apdu.len() + 1)),
            3 => apdu.extend(self.bytes(3)),
            4 if !apdu.is_empty() => apdu[0] ^= 0x10,
            _ => {}
        }
        apdu
    }
}

fn short(header: [u8; 4], data: &[u8], wants: bool) -> Vec<u8> {
    let mut apdu = header.to_vec();
    if !data.is_empty() {
        apdu.push(u8::try_from(data.len()).unwrap());
        apdu.extend(data);
    }
    apdu.extend(wants.then_some(0));
    apdu
}

/// One life with all kinds of straying; gives what the card core heard and said.
fn stray(peer: &Peer, seed: u64) -> Vec<Event> {
    let mut chaos = Chaos(Random(seed));
    let owner = Owner {
        name: "ZZTALLYTERM00001".into(),
        under: Under::Root,
        until: Date::new(2060, 1, 1).unwrap(),
    };
    let mut desk = Oracle::certified(peer, &owner, seed);
    let (mut card, mut heard) = (Core::blank(seed), Vec::new());
    for _ in 0..6 {
        let mut wire = Wire::insert(&mut card, &mut heard, None, true);
        let apdu = chaos.plain();
        wire.transmit(&apdu).unwrap();
    }
    assert!(desk.personalise(&mut Wire::insert(&mut card, &mut heard, None, true), true));
    for _ in 0..6 {
        let intrusion = chaos
            .now_and_then(3)
            .then(|| (chaos.0.below(16), Incident::Intrude(chaos.plain())));
        let extended = !chaos.now_and_then(4);
        if chaos.now_and_then(2) {
            let state = *chaos.one(&STATES);
            desk.ask(&json!({"do": "stray", "state": state, "arguments": chaos.secured()}));
        }
        let mut wire = Wire::insert(&mut card, &mut heard, intrusion, extended);
        if chaos.now_and_then(6) {
            for _ in 0..8 {
                let apdu = chaos.plain();
                wire.transmit(&apdu).unwrap();
            }
            continue;
        }
        if !desk.opens(&mut wire) {
            continue;
        }
        if chaos.now_and_then(2) {
            let arguments = json!(["200081", hex(papers::FIRST_PIN.as_bytes()), null, "0c"]);
            desk.command(&mut wire, &arguments);
        }
        for _ in 0..10 {
            let arguments = chaos.secured();
            desk.command(&mut wire, &arguments);
        }
        let apdu = chaos.plain();
        wire.transmit(&apdu).unwrap();
    }
    heard
}

/// Item 3: the same words for what is forbidden, malformed, untimely or unknown.
#[test]
fn both_cards_refuse_the_same_commands_in_every_state_with_the_same_words() {
    let peer = Peer::start();
    let lives = cases(60, 5_000);
    let mut words = BTreeMap::<String, u64>::new();
    let mut apdus = 0;
    for number in 0..lives {
        let seed = seed()
            .wrapping_add(1)
            .wrapping_mul(1 << 24)
            .wrapping_add(number);
        let heard = stray(&peer, seed);
        let mut card = Card::blank(&peer, seed);
        for (place, event) in heard.iter().enumerate() {
            let (command, answer) = match event {
                Event::Apdu { command, answer } => (command, answer),
                Event::KeptBack(_) => continue,
                Event::Reset => {
                    card.reset();
                    continue;
                }
            };
            let found = card.transmit(command);
            let expected = answer.as_deref().unwrap();
            assert!(
                found == expected,
                "seed {seed}, after\n{}found\n{}",
                shown(&heard[place.saturating_sub(14)..=place]),
                hex(&found),
            );
            apdus += 1;
            let word = hex(&expected[expected.len() - 2..]).to_uppercase();
            *words.entry(word).or_default() += 1;
        }
    }
    // Rarer ones are not said at every seed.
    for word in [
        "6700", "6881", "6883", "6884", "6982", "6985", "6988", "6A80", "6A82", "6A86", "6D00",
        "6E00", "9000",
    ] {
        assert!(words.contains_key(word), "{word} was never said: {words:?}");
    }
    report(
        "oracle",
        apdus,
        format_args!("commands of {lives} straying terminals, answered alike: {words:?}"),
    );
}
