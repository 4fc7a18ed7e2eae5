//! Everything that one end can make the other store, as flows that can be run on any pair of memories.

use crate::authority::{
    CARD, PUK, TERMINAL, certified, equip, link, personalise, put_into_use, status_list, terminal,
};
use crate::card::Powered;
use crate::paper::{Paper, Side};
use crate::user::{PIN, User, WRONG_PIN, codes, pin};
use apdu::certificate::Role;
use apdu::message::pairings::{Label, PairingChange, SlotNumber};
use apdu::message::pin::{Digits, Reference, Replacement};
use apdu::message::vault::{ObjectName, Policy as VaultPolicy};
use card_sim::body::VirtualCard;
use getrandom::SysRng;
use terminal_lib::application::Policy;
use terminal_lib::service::{counter::Counter, vault::Vault};
use terminal_lib::session::{Session, SessionError};
use terminal_lib::transport::in_process::InProcess;

/// A card and a terminal, each with a memory on a disk.
#[derive(Clone)]
pub struct Pair {
    /// The card's memory.
    pub card: Paper,
    /// The terminal's memory.
    pub terminal: Paper,
}

impl Pair {
    /// A certified card and a certified terminal that have never met.
    pub fn strangers() -> Self {
        let card = Paper::blank(Side::Card);
        put_into_use(card.clone(), CARD);
        let terminal = certified(Paper::blank(Side::Terminal), TERMINAL);
        Self { card, terminal }.fork()
    }

    /// The same after one session.
    pub fn paired() -> Self {
        let pair = Self::strangers();
        pair.session(User::willing(), |_| Ok(())).unwrap();
        pair.fork()
    }

    /// Another pair with the same memories, on disks without a past.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self {
            card: self.card.fork(),
            terminal: self.terminal.fork(),
        }
    }

    /// The memory of one side.
    pub fn side(&self, side: Side) -> &Paper {
        match side {
            Side::Card => &self.card,
            Side::Terminal => &self.terminal,
        }
    }

    /// One insertion, with `work` in its session. Says what went wrong.
    ///
    /// # Errors
    /// No session, or work that was not done.
    pub fn session(
        &self,
        mut user: User,
        work: impl FnOnce(Session<'_>) -> Result<(), SessionError>,
    ) -> Result<(), String> {
        let mut reader = InProcess::new(Powered(VirtualCard::new(self.card.clone(), SysRng)));
        let mut terminal = terminal(self.terminal.clone());
        let session = terminal
            .connect(&mut reader, &mut user, &Policy::Auto)
            .map_err(|error| error.to_string())?;
        work(session).map_err(|error| error.to_string())
    }
}

/// One flow: from where it starts, what is done, and which tries of the PIN may be seen on the way.
pub struct Flow {
    /// What it is, in words.
    pub name: &'static str,
    /// The memories it starts from.
    pub start: fn() -> Pair,
    /// What is done. A flow that is meant to be refused is done when it was refused.
    pub run: fn(&Pair) -> Result<(), String>,
    /// The PIN's tries after each durable step, none repeated.
    pub tries: &'static [u8],
}

type Done = Result<(), SessionError>;

fn digits(digits: &[u8]) -> Digits {
    Digits::new(Reference::Pin, digits).unwrap()
}

fn new_pin(old: &[u8]) -> Replacement {
    codes_of(Reference::Pin, old, Reference::Pin)
}

fn codes_of(old_of: Reference, old: &[u8], new_of: Reference) -> Replacement {
    Replacement {
        old: Digits::new(old_of, old).unwrap(),
        new: Digits::new(new_of, b"16180339").unwrap(),
    }
}

fn object() -> ObjectName {
    ObjectName::new("badge").unwrap()
}

const OPEN: VaultPolicy = VaultPolicy {
    pin_to_read: false,
    pin_to_write: false,
};

fn write(mut session: Session<'_>, content: &[u8]) -> Done {
    let mut vault = Vault::new();
    vault.write(&mut session, &object(), OPEN, content)
}

fn in_session(pair: &Pair, work: fn(Session<'_>) -> Done) -> Result<(), String> {
    pair.session(User::absent(), work)
}

/// A paired pair whose vault has one object.
fn with_object() -> Pair {
    let pair = Pair::paired();
    in_session(&pair, |session| write(session, &[1; 300])).unwrap();
    pair.fork()
}

/// A paired pair whose PIN has one try left.
fn nearly_blocked() -> Pair {
    let pair = Pair::paired();
    in_session(&pair, |mut session| {
        let _ = session.verify_pin(&digits(WRONG_PIN))?;
        session.verify_pin(&digits(WRONG_PIN)).map(drop)
    })
    .unwrap();
    pair.fork()
}

fn blank() -> Pair {
    Pair {
        card: Paper::blank(Side::Card),
        terminal: Paper::blank(Side::Terminal),
    }
    .fork()
}

/// All flows.
pub const FLOWS: [Flow; 20] = [
    Flow {
        name: "personalise and certify a card and a terminal",
        start: blank,
        run: |pair| {
            personalise(pair.card.clone(), CARD).map_err(|error| error.to_string())?;
            equip(&mut pair.terminal.clone(), TERMINAL).map_err(|error| error.to_string())
        },
        tries: &[3],
    },
    Flow {
        name: "pair",
        start: Pair::strangers,
        run: |pair| pair.session(User::willing(), |_| Ok(())),
        tries: &[3, 2, 3],
    },
    Flow {
        name: "pair with one wrong PIN",
        start: Pair::strangers,
        run: |pair| pair.session(User::with([pin(WRONG_PIN), pin(PIN)]), |_| Ok(())),
        tries: &[3, 2, 1, 3],
    },
    Flow {
        name: "pair again after the terminal forgot",
        start: || Pair {
            card: Pair::paired().card,
            terminal: Pair::strangers().terminal,
        },
        run: |pair| pair.session(User::willing(), |_| Ok(())),
        tries: &[3, 2, 3],
    },
    Flow {
        name: "authenticate",
        start: Pair::paired,
        run: |pair| in_session(pair, |_| Ok(())),
        tries: &[3],
    },
    Flow {
        name: "right PIN",
        start: Pair::paired,
        run: |pair| {
            in_session(pair, |mut session| {
                session.verify_pin(&digits(PIN)).map(drop)
            })
        },
        tries: &[3, 2, 3],
    },
    Flow {
        name: "wrong PIN",
        start: Pair::paired,
        run: |pair| {
            in_session(pair, |mut session| {
                session.verify_pin(&digits(WRONG_PIN)).map(drop)
            })
        },
        tries: &[3, 2],
    },
    Flow {
        name: "last wrong PIN",
        start: nearly_blocked,
        run: |pair| {
            in_session(pair, |mut session| {
                session.verify_pin(&digits(WRONG_PIN)).map(drop)
            })
        },
        tries: &[1, 0],
    },
    Flow {
        name: "change the PIN",
        start: Pair::paired,
        run: |pair| {
            in_session(pair, |mut session| {
                session.change_pin(&new_pin(PIN)).map(drop)
            })
        },
        tries: &[3, 2, 3],
    },
    Flow {
        name: "change the PIN with the wrong old one",
        start: Pair::paired,
        run: |pair| {
            in_session(pair, |mut session| {
                session.change_pin(&new_pin(WRONG_PIN)).map(drop)
            })
        },
        tries: &[3, 2],
    },
    Flow {
        name: "change the PUK",
        start: Pair::paired,
        run: |pair| {
            in_session(pair, |mut session| {
                let puks = codes_of(Reference::Puk, PUK, Reference::Puk);
                session.change_puk(&puks).map(drop)
            })
        },
        tries: &[3],
    },
    Flow {
        name: "unblock the PIN",
        start: nearly_blocked,
        run: |pair| {
            in_session(pair, |mut session| {
                session.unblock_pin(&codes(PUK, b"161803")).map(drop)
            })
        },
        tries: &[1, 3],
    },
    Flow {
        name: "write an object",
        start: Pair::paired,
        run: |pair| in_session(pair, |session| write(session, &[1; 300])),
        tries: &[3],
    },
    Flow {
        name: "overwrite an object",
        start: with_object,
        run: |pair| in_session(pair, |session| write(session, &[2; 500])),
        tries: &[3],
    },
    Flow {
        name: "delete an object",
        start: with_object,
        run: |pair| {
            in_session(pair, |mut session| {
                Vault::new().delete(&mut session, &object())
            })
        },
        tries: &[3],
    },
    Flow {
        name: "count",
        start: Pair::paired,
        run: |pair| {
            in_session(pair, |mut session| {
                Counter::new().add(&mut session, 5).map(drop)
            })
        },
        tries: &[3],
    },
    Flow {
        name: "rename a pairing",
        start: Pair::paired,
        run: |pair| {
            in_session(pair, |mut session| {
                let change = PairingChange {
                    slot: SlotNumber::new(0).unwrap(),
                    label: Label::new(b"kiosk").unwrap(),
                    pinned: true,
                };
                let _ = session.verify_pin(&digits(PIN))?; // the next command tells whether it was right
                session.change_pairing(&change)
            })
        },
        tries: &[3, 2, 3],
    },
    Flow {
        name: "take a status list, a later date and a link",
        start: Pair::paired,
        run: |pair| {
            in_session(pair, |mut session| {
                let list = status_list(1, &[(Role::Terminal, "ZZTALLYTERM00666")]);
                session.put_status_list(&list)?;
                session.put_link(&link())
            })
        },
        tries: &[3],
    },
    Flow {
        name: "unpair",
        start: Pair::paired,
        run: |pair| in_session(pair, |session| session.unpair()),
        tries: &[3],
    },
    Flow {
        name: "factory reset",
        start: Pair::paired,
        run: |pair| {
            in_session(pair, |mut session| {
                let _ = session.verify_pin(&digits(PIN))?; // the next command tells whether it was right
                session.factory_reset()
            })
        },
        tries: &[3, 2, 3],
    },
];
