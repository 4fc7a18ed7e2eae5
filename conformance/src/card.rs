//! A card's durable memory as a test has it, and the card as a reader in the same process has it.

use card_core::store::{Change, Fault, MemoryStore, Record, Store, StoreError, Value};
use card_sim::body::VirtualCard;
use card_sim::vpcd::Body;
use getrandom::SysRng;
use std::sync::{Arc, Mutex, MutexGuard};
use terminal_lib::transport::in_process::LocalCard;

/// A card's durable memory. Clones are the same memory; [`copy`](Self::copy) makes another one.
#[derive(Clone, Default)]
pub struct Disk(Arc<Mutex<MemoryStore>>);

impl Disk {
    fn content(&self) -> MutexGuard<'_, MemoryStore> {
        self.0.lock().unwrap()
    }

    /// A second card with everything this one has stored, keys included.
    #[must_use]
    pub fn copy(&self) -> Self {
        Self(Arc::new(Mutex::new(self.content().dangerous_copy())))
    }

    /// Whether both cards have stored the same.
    pub fn same_content(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.content().same_content(&other.content())
    }

    /// Commits so far.
    pub fn commits(&self) -> usize {
        self.content().commits()
    }

    /// What happens at the `number`th commit from now on, counted from 0.
    pub fn plan(&self, number: usize, fault: Fault) {
        let mut content = self.content();
        let commit = content.commits() + number;
        content.plan(commit, fault);
    }

    /// Whether a planned cut has taken the power away.
    pub fn is_off(&self) -> bool {
        self.content().is_off()
    }

    /// Ends a cut, and forgets the plan.
    pub fn power_on(&self) {
        self.content().power_on();
    }

    /// Tries left for the PIN, as they are stored.
    pub fn pin_tries(&self) -> u8 {
        let stored = self.content().read(Record::PIN_TRIES).unwrap().unwrap();
        stored[0]
    }

    /// How many pairings are stored.
    pub fn pairings(&self) -> usize {
        let records = self.content().records().unwrap();
        records.iter().filter(|record| record.is_slot()).count()
    }

    /// Erases all pairings, as a card that forgets them does.
    pub fn forget_pairings(&self) {
        let mut content = self.content();
        let records = content.records().unwrap();
        let slots = records.into_iter().filter(|record| record.is_slot());
        let changes: Vec<_> = slots.map(Change::Erase).collect();
        content.commit(&changes).unwrap();
    }
}

impl Store for Disk {
    fn read(&self, record: Record) -> Result<Option<Value>, StoreError> {
        self.content().read(record)
    }

    fn commit(&mut self, changes: &[Change<'_>]) -> Result<(), StoreError> {
        self.content().commit(changes)
    }

    fn records(&self) -> Result<Vec<Record>, StoreError> {
        self.content().records()
    }
}

/// A virtual card under the terminal's trait for cards in the same process.
pub struct Powered<S>(pub VirtualCard<S, SysRng>);

impl<S: Store> LocalCard for Powered<S> {
    fn reset(&mut self) -> Vec<u8> {
        self.0.reset();
        self.0.atr()
    }

    fn transmit(&mut self, command: &[u8]) -> Vec<u8> {
        self.0.transmit(command)
    }
}
