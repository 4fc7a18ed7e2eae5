//! T46: the card's date in random sequences of certificates and lists, against a model of a few lines.
//!
//! Only a set-up that was committed, or a newer list that a root has signed, moves the date: never back, at most 366 days at a time.
//! What is only shown, forged, stale, expired or torn away by a power cut before the commit moves nothing.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop")]

mod bench;

use apdu::certificate::{Date, Name, Role, StatusList, StatusListFields};
use apdu::channel::TerminalEnd;
use apdu::codec::status::StatusWord;
use apdu::crypto::{Entropy, PrivateKey};
use apdu::handshake::PairingKey;
use apdu::identifier::header;
use bench::*;
use card_core::store::{Change, Fault, Record, Store};
use std::collections::BTreeMap;
use test_vectors::evidence::{cases, report, seed};

const SECOND: &str = "ZZTALLYROOT00002";
/// Steps of one sequence: few enough that the date seldom reaches the end of the century.
const STEPS: u64 = 20;
/// The most days of one move (§13).
const MOST: u32 = 366;

struct Dice(FixedEntropy);

impl Dice {
    fn below(&mut self, limit: u32) -> u32 {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes).unwrap();
        u32::from_be_bytes(bytes) % limit
    }

    /// A day near this one, or at either end of time.
    fn near(&mut self, day: u32) -> u32 {
        let last = Date::new(2099, 12, 31).unwrap().days();
        match self.below(12) {
            0 => self.below(last + 1),
            1 => last,
            2 => day.saturating_sub(1),
            3 => (day + MOST).min(last),
            4 => (day + MOST + 1).min(last),
            _ => (day + self.below(1_000)).saturating_sub(400).min(last),
        }
    }
}

fn date(days: u32) -> Date {
    Date::new(2000, 1, 1).unwrap().plus_days(days)
}

/// A card in a sequence, its owner, and what the model knows.
struct Story {
    bench: Bench,
    owner: Terminal,
    key: PairingKey,
    /// The model's date, days since 2000.
    day: u32,
    /// The model's list.
    sequence: u32,
    has_second_root: bool,
}

impl Story {
    fn stored(&self) -> u32 {
        let stored = self.bench.store.read(Record::DATE).unwrap().unwrap();
        Date::from_bcd(stored.as_slice().try_into().unwrap())
            .unwrap()
            .days()
    }

    /// The model: forward only, and not too far.
    fn moves(&mut self, candidate: u32) {
        self.day = self.day.max(candidate.min(self.day + MOST));
    }

    fn session(&mut self) -> TerminalEnd {
        self.owner
            .reconnect(&mut self.bench, &mut self.key)
            .unwrap()
    }

    /// A stranger's terminal, certified with these days; its holder is one of three.
    fn terminal(
        dice: &mut Dice,
        signer: &PrivateKey,
        issuer: &str,
        from: u32,
        until: u32,
    ) -> Terminal {
        let number = 2 + u8::try_from(dice.below(3)).unwrap();
        let mut terminal = Terminal::new(number);
        let holder = format!("ZZTALLYTERM{number:05}");
        let public = terminal.key.public_key();
        terminal.certificate =
            certify_with(signer, issuer, &holder, Role::Terminal, &public, |fields| {
                (fields.from, fields.until) = (date(from), date(until));
            });
        terminal.entropy = FixedEntropy::new(u64::from(dice.below(u32::MAX)));
        terminal
    }

    /// A set-up that is committed, cut, or left at some message. Says what happened.
    fn set_up(&mut self, dice: &mut Dice) -> &'static str {
        let from = dice.near(self.day);
        let until = dice.near(from.max(self.day)).max(from);
        let under_second = self.has_second_root && dice.below(3) == 0;
        let (signer, issuer) = if under_second {
            (private_key(2), SECOND)
        } else {
            (root_key(), ROOT)
        };
        let mut terminal = Self::terminal(dice, &signer, issuer, from, until);
        if until < self.day {
            self.bench.select();
            let word = self
                .bench
                .send(header::VERIFY_CERTIFICATE, terminal.certificate.encoded())
                .status;
            assert_eq!(word, StatusWord::CERTIFICATE_REFUSED);
            return "expired";
        }
        match dice.below(6) {
            0 => {
                drop(terminal.set_up_to_share(&mut self.bench));
                return "left after message 3";
            }
            1 => {
                let (mut end, _) = terminal.set_up_to_pin(&mut self.bench);
                self.bench.secured(&mut end, header::VERIFY, PIN);
                return "left before the commit";
            }
            _ => {}
        }
        let (mut end, _) = terminal.set_up_to_pin(&mut self.bench);
        assert_eq!(self.bench.secured(&mut end, header::VERIFY, PIN).1, OK);
        let fault = self.may_cut(dice);
        let (_, word) = self.bench.secured(&mut end, header::COMMIT, &[]);
        assert_eq!(word == OK, fault.is_none());
        self.outcome(
            fault,
            from,
            ["set-up", "set-up cut before", "set-up cut after"],
        )
    }

    /// A status list: newer, equal, older, or forged; with a power cut now and then.
    fn list(&mut self, dice: &mut Dice) -> &'static str {
        let day = dice.near(self.day);
        let sequence = (self.sequence + dice.below(4)).saturating_sub(1).max(1);
        let forged = dice.below(5) == 0;
        let under_second = self.has_second_root && dice.below(3) == 0;
        let (signer, issuer) = if under_second {
            (private_key(2), SECOND)
        } else {
            (root_key(), ROOT)
        };
        let fields = StatusListFields {
            issuer: Name::new(issuer).unwrap(),
            sequence,
            min_epoch: 0,
            date: date(day),
            revoked: Vec::new(),
        };
        let signature = if forged { private_key(9) } else { signer }.sign(&fields.encode_body());
        let list = StatusList::assemble(fields, signature);
        let mut end = self.session();
        let newer = !forged && sequence > self.sequence;
        let fault = if newer { self.may_cut(dice) } else { None };
        let (_, word) = self
            .bench
            .secured(&mut end, header::PUT_STATUS_LIST, list.encoded());
        match word {
            StatusWord::WRONG_DATA if forged => "forged list",
            StatusWord::CONDITIONS_NOT_SATISFIED if !forged && sequence < self.sequence => {
                "older list"
            }
            StatusWord::OK if !forged && sequence == self.sequence => "same list",
            word => {
                assert!(newer && (word == OK) == fault.is_none(), "{word}");
                if fault != Some(Fault::CutBefore) && fault != Some(Fault::Fail) {
                    self.sequence = sequence;
                }
                self.outcome(
                    fault,
                    day,
                    [
                        "newer list",
                        "newer list cut before",
                        "newer list cut after",
                    ],
                )
            }
        }
    }

    fn may_cut(&mut self, dice: &mut Dice) -> Option<Fault> {
        let fault = match dice.below(8) {
            0 => Fault::CutBefore,
            1 => Fault::CutAfter,
            2 => Fault::Fail,
            _ => return None,
        };
        self.bench.store.plan(self.bench.store.commits(), fault);
        Some(fault)
    }

    fn outcome(
        &mut self,
        fault: Option<Fault>,
        candidate: u32,
        names: [&'static str; 3],
    ) -> &'static str {
        let [done, before, after] = names;
        match fault {
            None => {
                self.moves(candidate);
                done
            }
            Some(Fault::CutAfter) => {
                self.moves(candidate);
                self.bench.power_cycle();
                after
            }
            Some(_) => {
                self.bench.power_cycle();
                before
            }
        }
    }

    /// A certificate in the root's name by somebody else, however late its days.
    fn forged_certificate(&mut self, dice: &mut Dice) -> &'static str {
        let from = dice.near(self.day);
        let terminal = Self::terminal(
            dice,
            &private_key(9),
            ROOT,
            from,
            date(0).plus_days(u32::MAX).days(),
        );
        self.bench.select();
        let word = self
            .bench
            .send(header::VERIFY_CERTIFICATE, terminal.certificate.encoded())
            .status;
        assert_eq!(word, StatusWord::CERTIFICATE_REFUSED);
        "forged certificate"
    }

    /// A link's own days are not the card's.
    fn link(&mut self, dice: &mut Dice) -> &'static str {
        let from = dice.near(self.day);
        let link = certify_with(
            &root_key(),
            ROOT,
            SECOND,
            Role::Authority,
            &private_key(2).public_key(),
            |fields| {
                (fields.from, fields.until) = (date(from), Date::new(2099, 12, 31).unwrap());
            },
        );
        let mut end = self.session();
        assert_eq!(
            self.bench
                .secured(&mut end, header::PUT_LINK, link.encoded())
                .1,
            OK
        );
        self.has_second_root = true;
        "link"
    }

    fn step(&mut self, dice: &mut Dice) -> &'static str {
        match dice.below(12) {
            0..=2 => self.set_up(dice),
            3..=6 => self.list(dice),
            7 | 8 => self.forged_certificate(dice),
            9 => self.link(dice),
            _ => {
                self.bench.power_cycle();
                "restart"
            }
        }
    }
}

/// A card with an owner whose certificate outlives all others.
fn start() -> (Bench, PairingKey) {
    let mut bench = Bench::operational();
    let mut owner = Terminal::new(1);
    owner.certificate = certify_with(
        &root_key(),
        ROOT,
        "ZZTALLYTERM00001",
        Role::Terminal,
        &owner.key.public_key(),
        |fields| {
            fields.until = Date::new(2099, 12, 31).unwrap();
        },
    );
    let key = owner.pair(&mut bench);
    (bench, key)
}

/// T46.
#[test]
fn the_date_follows_the_model_in_random_sequences_of_certificates_and_lists() {
    let (fresh, key) = start();
    let mut dice = Dice(FixedEntropy::new(seed()));
    let (wanted, mut done) = (cases(20_000, 1_000_000), 0);
    let mut seen: BTreeMap<&'static str, u64> = BTreeMap::new();
    let (mut moved, mut longest, mut at_most) = (0, 0, 0);
    while done < wanted {
        let mut bench = fresh.fork();
        let day = dice.below(Date::new(2099, 12, 31).unwrap().days());
        bench
            .store
            .commit(&[Change::Put(Record::DATE, &date(day).to_bcd())])
            .unwrap();
        bench.power_cycle();
        let (owner, key) = (Terminal::new(1), key.dangerous_copy());
        let mut story = Story {
            bench,
            owner,
            key,
            day,
            sequence: 0,
            has_second_root: false,
        };
        for _ in 0..STEPS {
            let before = story.stored();
            let what = story.step(&mut dice);
            let after = story.stored();
            // Said once by the model and once without it.
            assert_eq!(date(after), date(story.day), "{what}");
            assert!(
                (before..=before + MOST).contains(&after),
                "{what}: {} to {}",
                date(before),
                date(after)
            );
            let may_move = [
                "set-up",
                "set-up cut after",
                "newer list",
                "newer list cut after",
            ]
            .contains(&what);
            assert!(may_move || after == before, "{what}");
            *seen.entry(what).or_default() += 1;
            moved += u64::from(after > before);
            longest = longest.max(after - before);
            at_most += u64::from(after - before == MOST);
            done += 1;
        }
    }
    assert_eq!(seen.len(), 15, "{seen:?}");
    assert!(seen.values().all(|count| *count >= 100), "{seen:?}");
    assert!(
        moved > wanted / 20 && longest == MOST && at_most > 100,
        "{moved} {longest} {at_most}"
    );
    report(
        "T46",
        done,
        format_args!(
            "steps: the date moved {moved} times, {at_most} of them by the limit of {MOST} days, and never back; {seen:?}"
        ),
    );
}
