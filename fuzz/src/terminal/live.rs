//! A real card behind a line that alters what passes, as the input says.

use super::starts;
use super::{Seen, Trusting, personalise, policy, terminal, watched};
use crate::card::saved::Saved;
use crate::entropy::Fixed;
use crate::tape::Tape;
use apdu::crypto::Entropy;
use apdu::identifier::ATR;
use apdu::message::pairings::{Label, PairingChange, SlotNumber};
use apdu::message::pin::{Digits, Reference};
use apdu::message::vault::{ObjectName, Policy as VaultPolicy, Write};
use card_core::lifecycle::LifeCycle;
use card_core::store::{MemoryStore as CardStore, Record, Store};
use card_core::{Card, World};
use conformance::authority::{CARD, desk, name};
use conformance::user::{PIN, WRONG_PIN};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use terminal_lib::application::Policy;
use terminal_lib::service::{counter::Counter, vault::Vault};
use terminal_lib::session::{CodeOutcome, Session, SessionError};
use terminal_lib::store::MemoryStore;
use terminal_lib::store::record::PairingRecord;
use terminal_lib::transport::{Ending, Transport, TransportError};

/// Commands in one session.
const MAX_COMMANDS: usize = 8;

/// A card under power.
pub struct Live {
    card: Card,
    /// Its memory.
    pub store: CardStore,
    entropy: Fixed,
    /// The volatile states it has been in since the last SELECT.
    been: BTreeSet<&'static str>,
    /// Whether the card's answer to a command was altered since this was cleared.
    touched: bool,
}

type Shared = Rc<RefCell<Live>>;

impl Live {
    /// Puts a card with this memory into the reader.
    pub fn insert(mut store: CardStore) -> Self {
        let mut entropy = Fixed::new(9);
        let card = power_up(&mut store, &mut entropy);
        Self {
            card,
            store,
            entropy,
            been: BTreeSet::new(),
            touched: false,
        }
    }

    fn reset(&mut self) {
        self.card = power_up(&mut self.store, &mut self.entropy);
    }

    fn transmit(&mut self, command: &[u8]) -> Vec<u8> {
        let mut world = World {
            store: &mut self.store,
            entropy: &mut self.entropy,
        };
        let answer = self.card.transmit(&mut world, command);
        let state = self.card.phase_name();
        if state == "IDLE" {
            self.been.clear();
        }
        self.been.insert(state);
        answer
    }
}

fn power_up(store: &mut CardStore, entropy: &mut Fixed) -> Card {
    let mut world = World {
        store,
        entropy: entropy as &mut dyn Entropy,
    };
    Card::power_up(&mut world).expect("a card with a sound memory starts")
}

/// The line. The tape says what happens to each exchange; at its end all pass unaltered.
struct Line<'a> {
    live: Shared,
    tape: Tape<'a>,
    last: Vec<u8>,
    altered: usize,
    pulled: bool,
}

impl Transport for Line<'_> {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError> {
        if self.pulled {
            return Err(TransportError::CardRemoved);
        }
        let what = self.tape.byte();
        if what < 128 {
            self.last = self.live.borrow_mut().transmit(command);
            return Ok(self.last.clone());
        }
        self.altered += 1;
        self.alter(what % 16, command)
    }

    fn atr(&self) -> &[u8] {
        &ATR
    }

    fn begin(&mut self) -> Result<(), TransportError> {
        match self.pulled {
            true => Err(TransportError::CardRemoved),
            false => Ok(()),
        }
    }

    fn end(&mut self, ending: Ending) {
        if ending == Ending::Reset {
            self.live.borrow_mut().reset();
        }
    }

    fn reconnect(&mut self) -> Result<(), TransportError> {
        self.begin()?;
        self.live.borrow_mut().reset();
        Ok(())
    }
}

impl Line<'_> {
    fn alter(&mut self, what: u8, command: &[u8]) -> Result<Vec<u8>, TransportError> {
        let mut command = command.to_vec();
        match what {
            0 => {
                let at = usize::from(self.tape.number()) % command.len();
                command[at] ^= self.tape.byte();
            }
            1 => return Err(TransportError::CardReset),
            2 => {
                self.pulled = true;
                return Err(TransportError::CardRemoved);
            }
            3 => self.live.borrow_mut().reset(),
            4 => return Ok(self.tape.string().to_vec()),
            5 => return Ok(self.last.clone()),
            6 => {
                // A driver that sends everything twice.
                self.live.borrow_mut().transmit(&command);
            }
            _ => {}
        }
        let mut answer = self.live.borrow_mut().transmit(&command);
        self.last.clone_from(&answer);
        match what {
            7 => return Err(TransportError::Reader("lost".into())),
            8..=10 => {
                let at = usize::from(self.tape.number()) % answer.len();
                answer[at] ^= self.tape.byte();
            }
            11 => answer.truncate(self.tape.byte().into()),
            12 => answer.extend(self.tape.string()),
            13 => {
                let word = self.tape.take(2);
                answer.truncate(answer.len() - 2);
                answer.extend(word);
            }
            14 => answer = self.tape.string().to_vec(),
            15 => {
                let at = usize::from(self.tape.byte()) % answer.len();
                let inserted = self.tape.string();
                answer.splice(at..at, inserted.iter().copied());
            }
            _ => {}
        }
        // The length in 61xx is not authentic, and need not be: the pieces are.
        let is_piece = matches!(self.last.as_slice(), [.., 0x61, _]);
        if answer != self.last && !is_piece {
            self.live.borrow_mut().touched = true;
        }
        Ok(answer)
    }
}

/// Runs one input.
pub fn run(mut tape: Tape<'_>) -> Seen {
    let (start, flow, policy) = (tape.below(9), tape.byte(), policy(tape.byte()));
    let commands = tape.string();
    let mut seen = Seen::default();
    starts::with(start, |start| {
        let store = start.terminal.dangerous_copy();
        let live = Rc::new(RefCell::new(Live::insert(start.card.dangerous_copy())));
        let mut line = Line {
            live: Rc::clone(&live),
            tape,
            last: Vec::new(),
            altered: 0,
            pulled: false,
        };
        if flow % 8 == 7 {
            let _ = personalise(&mut watched(&mut line, &mut seen.exchanges));
        } else {
            visit(&store, &live, &mut line, &policy, commands, &mut seen);
        }
        seen.altered = line.altered;
        // Why not always: a whole set-up costs as much as everything else. Where there was a pairing it is rarely needed.
        if start.is_paired || flow >= 128 {
            afterwards(&store, &live);
        }
    });
    seen
}

fn visit(
    store: &MemoryStore,
    live: &Shared,
    line: &mut Line<'_>,
    policy: &Policy,
    commands: &[u8],
    seen: &mut Seen,
) {
    let mut user = Trusting {
        asked: 0,
        proven: || live.borrow().been.contains("AUTH"),
    };
    let mut terminal = terminal(store);
    let mut exchanges = 0;
    let mut line = watched(line, &mut exchanges);
    if let Ok(mut session) = terminal.connect(&mut line, &mut user, policy) {
        seen.sessions += 1;
        assert!(
            live.borrow().been.contains("SECURE"),
            "a session that no card has"
        );
        assert_same_key(store, live);
        for command in commands.iter().take(MAX_COMMANDS) {
            live.borrow_mut().touched = false;
            let done = act(&mut session, live, *command);
            if let Ok(()) | Err(SessionError::Refused { .. }) = done {
                let touched = live.borrow().touched;
                assert!(!touched, "an altered answer was taken as the card's");
                seen.results += usize::from(done.is_ok());
            } else {
                assert!(!session.is_open(), "a broken session went on");
            }
        }
    }
    seen.pins_asked += user.asked;
    drop(line);
    seen.exchanges += exchanges;
}

/// Both ends hold the same key of the same generation.
fn assert_same_key(store: &MemoryStore, live: &Shared) {
    let live = live.borrow();
    let holder = apdu::certificate::HolderHash::of(apdu::certificate::Role::Card, &name(CARD));
    let record = PairingRecord::read(store, &desk(), &holder).expect("a sound store");
    let record = record.expect("the pairing of this session");
    let (key, generation) = record.current().expect("a key");
    let slots = Saved(&live.store).usable_slots();
    let same = slots
        .iter()
        .any(|slot| slot.key == *key.expose() && slot.generation == generation);
    assert!(same, "a session under a key that the card does not have");
}

/// One command of a session. Whatever it gives back must be what the card has.
fn act(session: &mut Session<'_>, live: &Shared, choice: u8) -> Result<(), SessionError> {
    let record = |record: Record| live.borrow().store.read(record).expect("a sound store");
    let object = ObjectName::new("badge").expect("a name");
    let digits = |digits| Digits::new(Reference::Pin, digits).expect("digits");
    match choice % 12 {
        0 => {
            let status = session.status()?;
            let live = live.borrow();
            assert_eq!(
                Saved(&live.store).tries(Reference::Pin),
                Some(status.pin_tries)
            );
            assert_eq!(Saved(&live.store).date(), Some(status.trusted_date));
        }
        1 => {
            let certificate = session.card_certificate()?;
            assert_eq!(
                record(Record::CERTIFICATE).expect("one").as_slice(),
                certificate.encoded()
            );
        }
        2 => assert_eq!(session.services()?.len(), 2),
        3 => {
            let outcome = session.verify_pin(&digits(PIN))?;
            let right = Saved(&live.borrow().store).is_right(Reference::Pin, PIN);
            assert!(outcome != CodeOutcome::Right || right);
        }
        4 => assert_ne!(session.verify_pin(&digits(WRONG_PIN))?, CodeOutcome::Right),
        5 => {
            let pairings = session.pairings()?;
            assert_eq!(
                pairings.len(),
                Saved(&live.borrow().store).usable_slots().len()
            );
        }
        6 => {
            let slot = SlotNumber::new(0).expect("a slot");
            let label = Label::new(b"desk").expect("a label");
            session.change_pairing(&PairingChange {
                slot,
                label,
                pinned: true,
            })?;
            assert_eq!(
                Saved(&live.borrow().store)
                    .slot(0)
                    .expect("a pairing")
                    .flags,
                1
            );
        }
        7 => {
            let policy = VaultPolicy {
                pin_to_read: false,
                pin_to_write: false,
            };
            let content = [choice; 700];
            Vault::new().write(session, &object, policy, &content)?;
            let stored = record(Record(0x4000)).expect("the object");
            assert_eq!(
                Write::decode(&stored)
                    .expect("an object")
                    .content
                    .as_slice(),
                content
            );
        }
        8 => {
            let content = Vault::new().read(session, &object)?;
            let stored = record(Record(0x4000)).expect("the object");
            assert_eq!(Write::decode(&stored).expect("an object").content, content);
        }
        9 => {
            let value = Counter::new().add(session, u32::from(choice) + 1)?;
            let stored = record(Record(0x4100)).expect("the counter");
            assert_eq!(stored[..4], value.to_be_bytes());
        }
        10 => {
            let list = session.status_list()?;
            let stored = record(Record::STATUS_LIST);
            assert_eq!(
                stored.map(|list| list.to_vec()),
                list.map(|list| list.encoded().to_vec())
            );
        }
        _ => {
            session.is_pin_verified()?;
        }
    }
    Ok(())
}

/// Whatever happened on the line, card and terminal find together again (§8.4, §9.3).
fn afterwards(store: &MemoryStore, live: &Shared) {
    let ready = {
        let live = live.borrow();
        let saved = Saved(&live.store);
        saved.life() == LifeCycle::Operational
            && saved.is_right(Reference::Pin, PIN)
            && saved.tries(Reference::Pin).is_some_and(|tries| tries > 1)
    };
    if ready {
        honest_visit(store, live, None);
        assert_same_key(store, live);
    }
}

/// A visit with nothing on the line; or the card is pulled before its answer of this number has left.
pub fn honest_visit(store: &MemoryStore, live: &Shared, cut_at: Option<usize>) {
    live.borrow_mut().reset();
    let tape = vec![0; cut_at.unwrap_or(0)];
    let tape = [tape.as_slice(), &[128 + 7][..cut_at.map_or(0, |_| 1)]].concat();
    let mut line = Line {
        live: Rc::clone(live),
        tape: Tape::new(&tape),
        last: Vec::new(),
        altered: 0,
        pulled: false,
    };
    let mut user = Trusting {
        asked: 0,
        proven: || true,
    };
    let mut terminal = terminal(store);
    let opened = terminal.connect(&mut line, &mut user, &Policy::Auto);
    match opened {
        Ok(session) => {
            session.close();
            assert!(cut_at.is_none(), "the card was pulled too late");
        }
        Err(error) => assert!(cut_at.is_some(), "an honest visit failed: {error}"),
    }
}
