//! A random life of one card and up to three terminals, written before it is lived: the same for every pair of implementations.

use super::papers::{self, Under};
use super::wire::Incident;
use apdu::certificate::{Certificate, Date, StatusList};
use apdu::message::pin::Reference;
use apdu::message::vault::Policy;
use conformance::authority::today;
use journal::sim::Random;

/// Everything that will happen.
pub struct Life {
    /// Where all randomness of this life comes from.
    pub seed: u64,
    /// The terminals.
    pub desks: Vec<Owner>,
    /// Insertions, in order.
    pub visits: Vec<Visit>,
}

/// Whose terminal it is.
#[derive(Clone)]
pub struct Owner {
    /// CHR.
    pub name: String,
    /// Which root its certificate stands under.
    pub under: Under,
    /// The last day of its certificate.
    pub until: Date,
}

/// One insertion.
pub struct Visit {
    /// In whose reader.
    pub desk: usize,
    /// On which day.
    pub today: Date,
    /// Whether the user agrees to pair.
    pub agrees: bool,
    /// What he says when asked for the PIN.
    pub answers: Vec<Said>,
    /// A list that the terminal gets from elsewhere before.
    pub list: Option<StatusList>,
    /// What goes wrong, and at which APDU.
    pub incident: Option<(usize, Incident)>,
    /// Which write of the card fails, counted from 0, and whether it is done all the same.
    pub storage: Option<(usize, bool)>,
    /// Whether the reader takes extended length.
    pub extended: bool,
    /// What is done in the session.
    pub talks: Vec<Talk>,
}

/// A user's answer to the question for the PIN.
#[derive(Clone)]
pub enum Said {
    /// The PIN.
    Pin(String),
    /// PUK and new PIN.
    Puk(String, String),
}

/// One call of a session.
#[derive(Clone)]
pub enum Talk {
    Status,
    Services,
    CardCertificate,
    StatusList,
    PutStatusList(StatusList),
    PutLink(Certificate),
    Pairings,
    ChangePairing(u8, String, bool),
    DeletePairing(u8),
    QueryPin,
    Verify(String),
    Change(Reference, String, String),
    Unblock(String, String),
    VaultList,
    VaultRead(String),
    VaultWrite(String, Policy, Vec<u8>),
    VaultDelete(String),
    CounterRead,
    CounterAdd(u32),
    CounterLimit(u32),
    /// Of the card; it is personalised anew at the next insertion.
    FactoryReset,
}

/// Draws scripts; keeps in mind which codes are probably right.
struct Writer {
    random: Random,
    pin: String,
    puk: String,
    sequence: u32,
    desks: Vec<Owner>,
}

impl Life {
    /// The life of a seed, with this many insertions.
    pub fn write(seed: u64, insertions: usize) -> Self {
        let mut writer = Writer {
            random: Random(seed),
            pin: papers::FIRST_PIN.into(),
            puk: papers::FIRST_PUK.into(),
            sequence: 0,
            desks: Vec::new(),
        };
        let desks = 1 + writer.random.below(3);
        writer.desks = (0..desks).map(|number| writer.owner(number)).collect();
        let mut day = today();
        let visits = (0..insertions).map(|_| {
            let pause = [0, 0, 0, 1, 1, 30, 30, 370][writer.below(8)];
            day = day.plus_days(pause);
            writer.visit(day)
        });
        let visits = visits.collect();
        Self {
            seed,
            desks: writer.desks,
            visits,
        }
    }
}

impl Writer {
    fn below(&mut self, limit: usize) -> usize {
        self.random.below(limit)
    }

    /// One in `chance`.
    fn now_and_then(&mut self, chance: usize) -> bool {
        self.below(chance) == 0
    }

    fn owner(&mut self, number: usize) -> Owner {
        let under = [
            Under::Root,
            Under::Root,
            Under::Link,
            Under::Link,
            Under::SecondLink,
        ][self.below(5)];
        let until = match self.now_and_then(6) {
            true => today().plus_days(200),
            false => Date::new(2060, 1, 1).unwrap(),
        };
        Owner {
            name: format!("ZZTALLYTERM0000{}", number + 1),
            under,
            until,
        }
    }

    fn visit(&mut self, today: Date) -> Visit {
        let incident = self.now_and_then(5).then(|| {
            let incident = match self.below(4) {
                0 => Incident::PullBefore,
                1 => Incident::PullAfter,
                2 => Incident::FlipCommand(self.below(1 << 14)),
                _ => Incident::FlipAnswer(self.below(1 << 14)),
            };
            (self.below(16), incident)
        });
        let list = self.now_and_then(8).then(|| self.list());
        let storage = self
            .now_and_then(6)
            .then(|| (self.below(8), self.now_and_then(2)));
        let talks = (0..self.below(10)).map(|_| self.talk()).collect();
        Visit {
            desk: self.below(self.desks.len()),
            today,
            agrees: !self.now_and_then(12),
            answers: (0..3).map(|_| self.said()).collect(),
            list,
            incident,
            storage,
            extended: !self.now_and_then(4),
            talks,
        }
    }

    fn said(&mut self) -> Said {
        match self.below(12) {
            0 => Said::Puk(self.puk(), self.pin.clone()),
            1 => Said::Pin("000000".into()),
            _ => Said::Pin(self.pin.clone()),
        }
    }

    fn talk(&mut self) -> Talk {
        match self.below(26) {
            0 => Talk::Status,
            1 => Talk::Services,
            2 => Talk::CardCertificate,
            3 => Talk::StatusList,
            4 => Talk::PutStatusList(self.list()),
            5 => Talk::PutLink(papers::links()[self.below(4)].clone()),
            6 | 7 => Talk::Pairings,
            8 => {
                let label = "a desk at a door".get(..self.below(17)).unwrap_or_default();
                Talk::ChangePairing(self.slot(), label.into(), self.now_and_then(2))
            }
            9 => Talk::DeletePairing(self.slot()),
            10 => Talk::QueryPin,
            11..=13 => Talk::Verify(self.pin()),
            14 => match self.now_and_then(2) {
                true => {
                    let (old, new) = (self.pin(), self.digits(6, 12));
                    self.pin.clone_from(&new);
                    Talk::Change(Reference::Pin, old, new)
                }
                false => {
                    let (old, new) = (self.puk(), self.digits(8, 16));
                    self.puk.clone_from(&new);
                    Talk::Change(Reference::Puk, old, new)
                }
            },
            15 => Talk::Unblock(self.puk(), self.pin.clone()),
            16 => Talk::VaultList,
            17 | 18 => Talk::VaultRead(self.object()),
            19 | 20 => {
                let policy = Policy::from_byte([0, 0, 1, 2, 3][self.below(5)]).unwrap();
                let size = [0, 1, 200, 230, 255, 256, 257, 3_000, 32_768][self.below(9)];
                let fill = self.random.bits().to_be_bytes()[0];
                Talk::VaultWrite(self.object(), policy, vec![fill; size])
            }
            21 => Talk::VaultDelete(self.object()),
            22 => Talk::CounterRead,
            23 => Talk::CounterAdd([0, 1, 7, 999_000, u32::MAX][self.below(5)]),
            24 => Talk::CounterLimit([0, 10, 2_000_000][self.below(3)]),
            _ if self.now_and_then(4) => {
                self.pin = papers::FIRST_PIN.into();
                self.puk = papers::FIRST_PUK.into();
                Talk::FactoryReset
            }
            _ => Talk::Status,
        }
    }

    fn slot(&mut self) -> u8 {
        [0, 0, 1, 2, 15][self.below(5)]
    }

    fn object(&mut self) -> String {
        ["note", "seal", "a name of thirty-two characters!"][self.below(3)].into()
    }

    /// Mostly the right one.
    fn pin(&mut self) -> String {
        match self.now_and_then(5) {
            true => "999999999999".into(),
            false => self.pin.clone(),
        }
    }

    fn puk(&mut self) -> String {
        match self.now_and_then(5) {
            true => "0000000000".into(),
            false => self.puk.clone(),
        }
    }

    fn digits(&mut self, least: usize, most: usize) -> String {
        let length = least + self.below(most - least + 1);
        (0..length)
            .map(|_| char::from(b"0123456789"[self.below(10)]))
            .collect()
    }

    /// Mostly the next list; it may revoke a terminal.
    fn list(&mut self) -> StatusList {
        if !self.now_and_then(4) {
            self.sequence += 1;
        }
        let revoked = self.now_and_then(6).then(|| {
            let desk = self.below(self.desks.len());
            self.desks[desk].name.clone()
        });
        let date = today().plus_days([0, 0, 30, 100, 3_000][self.below(5)]);
        let min_epoch =
            [0, 1, 2][usize::from(self.now_and_then(3)) + usize::from(self.now_and_then(20))];
        papers::list(self.sequence.max(1), min_epoch, date, revoked.as_deref())
    }
}
