//! One card, one terminal, one line.

use crate::authority::{CARD, TERMINAL, card, terminal, terminal_store};
use crate::card::Disk;
use crate::line::Line;
use crate::user::User;
use terminal_lib::application::Policy;
use terminal_lib::store::MemoryStore;
use terminal_lib::{ConnectError, Session, Terminal};

/// A card in a terminal's reader.
pub struct World {
    /// The card's memory.
    pub card: Disk,
    /// The terminal's memory.
    pub store: MemoryStore,
    /// The terminal's program.
    pub terminal: Terminal,
    /// The reader, with the card in it.
    pub line: Line,
}

impl World {
    /// A certified card and a certified terminal that have never met.
    pub fn new() -> Self {
        Self::meeting(&card(CARD), &terminal_store(TERMINAL))
    }

    /// The same after one session.
    pub fn paired() -> Self {
        let mut world = Self::new();
        world.connect(&mut User::willing()).unwrap().close();
        world.insert();
        world
    }

    /// This card in the reader of the terminal with this store.
    pub fn meeting(card: &Disk, store: &MemoryStore) -> Self {
        Self {
            card: card.clone(),
            store: store.share(),
            terminal: terminal(store.share()),
            line: Line::insert(card),
        }
    }

    /// A world of its own with copies of both memories, the card freshly inserted.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self::meeting(&self.card.copy(), &self.store.dangerous_copy())
    }

    /// The card is pulled and put in again, and the terminal's program starts anew. A power cut on either side is over.
    pub fn insert(&mut self) {
        *self = Self::meeting(&self.card, &self.store.dangerous_copy());
    }

    /// Connects; whether to pair is for the user to say.
    pub fn connect(&mut self, user: &mut User) -> Result<Session<'_>, ConnectError> {
        self.connect_under(user, &Policy::Ask)
    }

    /// Connects under a policy.
    pub fn connect_under(
        &mut self,
        user: &mut User,
        policy: &Policy,
    ) -> Result<Session<'_>, ConnectError> {
        self.terminal.connect(&mut self.line, user, policy)
    }

    /// Connects without a user: only authentication can succeed.
    pub fn reconnect(&mut self) -> Result<Session<'_>, ConnectError> {
        self.connect_under(&mut User::absent(), &Policy::Never)
    }

    /// Connects and closes.
    pub fn visit(&mut self, user: &mut User) -> Result<(), ConnectError> {
        self.connect(user).map(Session::close)
    }

    /// Whether both ends have stored what they had in `other`.
    pub fn same_memories(&self, other: &Self) -> bool {
        self.card.same_content(&other.card) && self.store.same_content(&other.store)
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}
