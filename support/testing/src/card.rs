//! A card's memory, and the card in a reader of the same process.

use card_core::store::{Change, MemoryStore, Record, Store, StoreError, Value};
use card_sim::body::VirtualCard;
use card_sim::vpcd::Body;
use getrandom::SysRng;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use terminal_lib::transport::in_process::{InProcess, LocalCard};

/// A reader with a test card in it: hand it to [`terminal_lib::Terminal::connect`].
pub type TestReader = InProcess<Powered>;

/// An operational card. Keeping it is keeping the plastic: pairings, tries and objects stay from one insertion to the next.
pub struct TestCard(Memory);

impl TestCard {
    pub(crate) fn of(memory: Memory) -> Self {
        Self(memory)
    }

    /// Puts the card into a reader and powers it up.
    pub fn insert(&self) -> TestReader {
        InProcess::new(Powered(VirtualCard::new(self.0.clone(), SysRng)))
    }
}

/// A virtual card with power.
pub struct Powered(pub(crate) VirtualCard<Memory, SysRng>);

impl LocalCard for Powered {
    fn reset(&mut self) -> Vec<u8> {
        self.0.reset();
        self.0.atr()
    }

    fn transmit(&mut self, command: &[u8]) -> Vec<u8> {
        self.0.transmit(command)
    }
}

/// A card's durable memory. Clones are the same memory.
#[derive(Clone, Default)]
pub struct Memory(Arc<Mutex<MemoryStore>>);

impl Memory {
    fn content(&self) -> MutexGuard<'_, MemoryStore> {
        // A commit is all or nothing, also in a test that panicked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for Memory {
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
