//! T27: the sixteen slots against a model of §9.4 kept here, over random histories with cuts.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop")]

mod bench;

use apdu::certificate::HolderHash;
use apdu::channel::TerminalEnd;
use apdu::crypto::Entropy;
use apdu::handshake::PairingKey;
use apdu::identifier::{PIN_TRIES, SLOTS, header};
use apdu::message::pairings::{Label, Pairing, PairingChange, SlotNumber, encode_delete};
use bench::*;
use card_core::store::{Change, Fault, Record, Store};
use std::panic::{AssertUnwindSafe, catch_unwind};
use test_vectors::evidence::{cases, report, seed};

/// What a slot holds, as far as the choice of slots looks at it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    holder: HolderHash,
    used: u32,
    pinned: bool,
}

/// §9.4.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Model {
    slots: [Option<Entry>; SLOTS],
    clock: u32,
}

impl Model {
    fn of(&self, holder: HolderHash) -> Option<usize> {
        let is_it =
            |slot: &Option<Entry>| slot.as_ref().is_some_and(|entry| entry.holder == holder);
        self.slots.iter().position(is_it)
    }

    fn choose(&self, holder: HolderHash) -> usize {
        let free = || self.slots.iter().position(Option::is_none);
        let oldest = |pinned_too: bool| {
            let used = |number: &usize| self.slots[*number].as_ref().map(|entry| entry.used);
            let fits = |number: &usize| {
                let slot = self.slots[*number].as_ref();
                slot.is_some_and(|entry| pinned_too || !entry.pinned)
            };
            (0..SLOTS).filter(fits).min_by_key(used)
        };
        let chosen = self.of(holder).or_else(free).or_else(|| oldest(false));
        chosen.or_else(|| oldest(true)).unwrap()
    }

    fn pair(&mut self, holder: HolderHash) {
        let number = self.choose(holder);
        let before = self.slots[number]
            .take()
            .filter(|entry| entry.holder == holder);
        self.slots[number] = Some(Entry {
            holder,
            used: 0,
            pinned: before.is_some_and(|entry| entry.pinned),
        });
        self.touch(holder);
    }

    fn touch(&mut self, holder: HolderHash) {
        self.clock += 1;
        let number = self.of(holder).unwrap();
        self.slots[number].as_mut().unwrap().used = self.clock;
    }

    /// Slots, holders, flags, and the slots in the order of their last use.
    fn seen(&self) -> (Vec<(usize, HolderHash, bool)>, Vec<usize>) {
        let used = (0..SLOTS).filter(|number| self.slots[*number].is_some());
        let entry = |number: usize| self.slots[number].as_ref().unwrap();
        let list = used
            .clone()
            .map(|number| (number, entry(number).holder, entry(number).pinned));
        let mut order: Vec<usize> = used.collect();
        order.sort_by_key(|number| entry(*number).used);
        (list.collect(), order)
    }
}

/// What is done in one step.
#[derive(Debug, Clone, Copy)]
enum Step {
    Pair(usize),
    Reconnect(usize),
    DeleteOwn(usize),
    /// The first deletes the second's pairing.
    DeleteOther(usize, usize),
    /// Pins or unpins its own pairing.
    Pin(usize, bool),
}

impl Step {
    /// Whose session it is.
    fn actor(self) -> usize {
        match self {
            Self::Pair(party)
            | Self::Reconnect(party)
            | Self::DeleteOwn(party)
            | Self::DeleteOther(party, _)
            | Self::Pin(party, _) => party,
        }
    }
}

/// One terminal and its key of the moment.
struct Party {
    terminal: Terminal,
    key: Option<PairingKey>,
}

struct History {
    bench: Bench,
    parties: Vec<Party>,
    model: Model,
}

impl History {
    fn new(parties: u8) -> Self {
        let parties = (0..parties).map(|number| Party {
            terminal: Terminal::new(number),
            key: None,
        });
        Self {
            bench: Bench::operational(),
            parties: parties.collect(),
            model: Model::default(),
        }
    }

    fn holder(&self, party: usize) -> HolderHash {
        self.parties[party].terminal.holder()
    }

    fn session(&mut self, party: usize, model: &mut Model) -> TerminalEnd {
        let Party { terminal, key } = &mut self.parties[party];
        let key = key.as_mut().unwrap();
        let end = terminal.reconnect(&mut self.bench, key).unwrap();
        model.touch(terminal.holder());
        end
    }

    fn with_pin(&mut self, party: usize, model: &mut Model) -> TerminalEnd {
        let mut end = self.session(party, model);
        assert_eq!(self.bench.secured(&mut end, header::VERIFY, PIN).1, OK);
        end
    }

    fn slot(model: &Model, holder: HolderHash) -> SlotNumber {
        SlotNumber::new(u8::try_from(model.of(holder).unwrap()).unwrap()).unwrap()
    }

    /// Does a step on the card; `model` follows with every command that was answered.
    fn take(&mut self, step: Step, model: &mut Model) {
        match step {
            Step::Pair(party) => {
                let Party { terminal, key } = &mut self.parties[party];
                let (mut end, new) = terminal.set_up_to_pin(&mut self.bench);
                *key = Some(new); // pending, as a terminal keeps it before its commit
                assert_eq!(self.bench.secured(&mut end, header::VERIFY, PIN).1, OK);
                assert_eq!(self.bench.secured(&mut end, header::COMMIT, &[]).1, OK);
                model.pair(self.holder(party));
            }
            Step::Reconnect(party) => drop(self.session(party, model)),
            Step::DeleteOwn(party) => {
                let mut end = self.session(party, model);
                let holder = self.holder(party);
                let data = encode_delete(Self::slot(model, holder));
                assert_eq!(
                    self.bench
                        .secured(&mut end, header::DELETE_PAIRING, &data)
                        .1,
                    OK
                );
                let number = model.of(holder).unwrap();
                model.slots[number] = None;
            }
            Step::DeleteOther(party, other) => {
                let mut end = self.with_pin(party, model);
                let holder = self.holder(other);
                let data = encode_delete(Self::slot(model, holder));
                assert_eq!(
                    self.bench
                        .secured(&mut end, header::DELETE_PAIRING, &data)
                        .1,
                    OK
                );
                let number = model.of(holder).unwrap();
                model.slots[number] = None;
            }
            Step::Pin(party, pinned) => {
                let mut end = self.with_pin(party, model);
                let holder = self.holder(party);
                let change = PairingChange {
                    slot: Self::slot(model, holder),
                    label: Label::default(),
                    pinned,
                };
                let answer = self
                    .bench
                    .secured(&mut end, header::CHANGE_PAIRING, &change.encode());
                assert_eq!(answer.1, OK);
                let number = model.of(holder).unwrap();
                model.slots[number].as_mut().unwrap().pinned = pinned;
            }
        }
    }

    /// What the card says of its slots to two terminals that it knows, each in a copy of the card; and who asked.
    fn listed(&mut self) -> Vec<(HolderHash, Vec<Pairing>)> {
        let mut lists = Vec::new();
        for Party { terminal, key } in &mut self.parties {
            let mut copy = self.bench.fork();
            let end = key
                .as_ref()
                .and_then(|key| terminal.challenge(&mut copy, key));
            let Some(mut end) = end else { continue };
            assert_eq!(copy.secured(&mut end, header::VERIFY, PIN).1, OK);
            let (list, word) = copy.secured(&mut end, header::LIST_PAIRINGS, &[]);
            assert_eq!(word, OK);
            lists.push((terminal.holder(), Pairing::decode_all(&list).unwrap()));
            if lists.len() == 2 {
                break;
            }
        }
        lists
    }

    /// Whether the card's slots are the model's. A terminal that asks has used its slot last: so one of the two sees what the other hides.
    fn agrees(&mut self, model: &Model) -> bool {
        let lists = self.listed();
        if lists.is_empty() {
            return model.slots.iter().all(Option::is_none);
        }
        lists.iter().all(|(asking, list)| {
            let mut after = model.clone();
            if after.of(*asking).is_none() {
                return false;
            }
            after.touch(*asking);
            let number = |pairing: &Pairing| usize::from(pairing.slot.number());
            let found: Vec<_> = list
                .iter()
                .map(|pairing| (number(pairing), pairing.holder, pairing.pinned))
                .collect();
            let mut order: Vec<&Pairing> = list.iter().collect();
            order.sort_by_key(|pairing| pairing.last_use);
            let order: Vec<usize> = order.into_iter().map(number).collect();
            (found, order) == after.seen()
        })
    }

    /// After a cut, each terminal finds its generation again, or none.
    fn find_generations(&mut self, before: &[Option<PairingKey>]) {
        for (party, old) in self.parties.iter_mut().zip(before) {
            let mut candidates = Vec::new();
            for key in party.key.iter().chain(old) {
                candidates.extend([key.dangerous_copy(), key.next()]);
            }
            let terminal = &mut party.terminal;
            let bench = &mut self.bench;
            party.key = candidates
                .into_iter()
                .find(|key| terminal.challenge(&mut bench.fork(), key).is_some());
        }
    }
}

#[test]
fn the_slots_follow_the_model_through_random_histories_with_cuts() {
    let steps = cases(5_000, 1_000_000);
    let mut random = FixedEntropy::new(seed());
    let mut dice = move |limit: usize| {
        let mut bytes = [0; 2];
        random.fill(&mut bytes).unwrap();
        usize::from(u16::from_be_bytes(bytes)) % limit
    };
    let mut history = History::new(24);
    let (mut cut, mut evicted, mut full) = (0_u64, 0_u64, 0_u64);
    for number in 0..steps {
        // A slot is used up after 65,535 sessions, of which the model knows nothing: a new card long before.
        if number % 20_000 == 19_999 {
            history = History::new(24);
        }
        let model = history.model.clone();
        let paired: Vec<usize> = (0..24)
            .filter(|party| model.of(history.holder(*party)).is_some())
            .collect();
        let any = dice(24);
        let step = match (dice(100), paired.as_slice()) {
            (0..45, _) | (_, []) => Step::Pair(any),
            (45..75, some) => Step::Reconnect(some[dice(some.len())]),
            (75..82, some) => Step::DeleteOwn(some[dice(some.len())]),
            (82..86, some) => Step::DeleteOther(some[dice(some.len())], some[dice(some.len())]),
            (_, some) => Step::Pin(some[dice(some.len())], dice(3) > 0),
        };
        full += u64::from(paired.len() == SLOTS);
        if let Step::Pair(party) = step {
            evicted += u64::from(paired.len() == SLOTS && !paired.contains(&party));
        }
        let mut after = model.clone();
        let keys: Vec<Option<PairingKey>> = history
            .parties
            .iter()
            .map(|party| party.key.as_ref().map(PairingKey::dangerous_copy))
            .collect();
        let is_cut = dice(4) == 0;
        if is_cut {
            let kinds = [
                Fault::CutBefore,
                Fault::CutAfter,
                Fault::Fail,
                Fault::FailAfter,
            ];
            let commit = history.bench.store.commits() + dice(4);
            history.bench.store.plan(commit, kinds[dice(4)]);
        }
        // A step that is cut stops where it is; nobody wants to read of it.
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| {}));
        let whole = catch_unwind(AssertUnwindSafe(|| history.take(step, &mut after))).is_ok();
        std::panic::set_hook(hook);
        history.bench.power_cycle();
        // The PIN's tries are not under test here: what cuts have spent comes back.
        let tries = Change::Put(Record::PIN_TRIES, &[PIN_TRIES]);
        history.bench.store.commit(&[tries]).unwrap();
        if !whole {
            assert!(is_cut, "step {number}: {step:?} went wrong without a cut");
            cut += 1;
            history.find_generations(&keys);
            // What may have happened of the step: nothing, its reconnect, or all of it.
            let mut whole = model.clone();
            match step {
                Step::Pair(party) => whole.pair(history.holder(party)),
                Step::Reconnect(party) => whole.touch(history.holder(party)),
                Step::DeleteOwn(party) | Step::DeleteOther(_, party) => {
                    if let Step::DeleteOther(by, _) = step {
                        whole.touch(history.holder(by));
                    }
                    let number = whole.of(history.holder(party)).unwrap();
                    whole.slots[number] = None;
                }
                Step::Pin(party, pinned) => {
                    let holder = history.holder(party);
                    whole.touch(holder);
                    let number = whole.of(holder).unwrap();
                    whole.slots[number].as_mut().unwrap().pinned = pinned;
                }
            }
            let mut touched = model.clone();
            if let Step::DeleteOwn(party) | Step::DeleteOther(party, _) | Step::Pin(party, _) = step
            {
                touched.touch(history.holder(party));
            }
            // Why the key decides: of two pairings, neither of their terminals can see which was used last.
            let key = history.parties[step.actor()].key.as_ref();
            let old = keys[step.actor()].as_ref();
            let stands = key.map(PairingKey::expose) == old.map(PairingKey::expose);
            let possible = match (key, step) {
                (Some(_), _) if stands => vec![model],
                (Some(_), Step::Pair(_) | Step::Reconnect(_)) => vec![whole],
                (Some(_), _) => vec![touched, whole],
                (None, _) => vec![model, touched, whole],
            };
            let found = possible.into_iter().find(|model| history.agrees(model));
            after = found.unwrap_or_else(|| panic!("step {number}: {step:?} was cut into a mix"));
        } else {
            assert!(history.agrees(&after), "step {number}: {step:?}");
        }
        history.model = after;
    }
    assert!(
        cut > steps / 20 && evicted > steps / 60,
        "{cut} cuts, {evicted} evicted"
    );
    report(
        "T27",
        steps,
        format_args!(
            "{cut} cut, {full} with all slots in use, {evicted} pairings replaced; the slots never drifted"
        ),
    );
}
