//! The terminal: one identity over one store, and what it can say about its pairings.

use crate::application::{Application, Policy};
use crate::connect::{ConnectError, connect};
use crate::session::Session;
use crate::store::{Change, IdentityName, Key, PairingStore, StoreError, record::PairingRecord};
use crate::transport::Transport;
use crate::trust::{Clock, SystemClock};
use apdu::certificate::{Date, HolderHash, Name};
use apdu::crypto::{Entropy, wipe_stack};
use getrandom::SysRng;

/// Words of the stack that a handshake or a command may have used for keys and codes, without optimisation.
pub(crate) const USED_STACK: usize = (128 << 10) / 8;

/// One identity of this machine, with its pairings.
pub struct Terminal {
    pub(crate) store: Box<dyn PairingStore>,
    pub(crate) identity: IdentityName,
    pub(crate) entropy: Box<dyn Entropy + Send>,
    pub(crate) clock: Box<dyn Clock + Send>,
}

/// What may be shown about a pairing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairingSummary {
    /// The card's name.
    pub card: Name,
    /// Its holder hash.
    pub holder: HolderHash,
    /// Sessions since the set-up.
    pub uses: u32,
    /// The day of the set-up.
    pub set_up: Date,
    /// The day of the last session.
    pub last_seen: Date,
    /// Whether the card is known to have the pairing: false while the first set-up is in doubt.
    pub confirmed: bool,
}

impl Terminal {
    /// The identity of this name in `store`, with the operating system's randomness and clock.
    pub fn new(store: impl PairingStore + 'static, identity: IdentityName) -> Self {
        Self {
            store: Box::new(store),
            identity,
            entropy: Box::new(SysRng),
            clock: Box::new(SystemClock),
        }
    }

    /// Uses another source of randomness: a fixed one makes a run repeatable, and worthless.
    #[must_use]
    pub fn with_entropy(mut self, entropy: impl Entropy + Send + 'static) -> Self {
        self.entropy = Box::new(entropy);
        self
    }

    /// Uses another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Clock + Send + 'static) -> Self {
        self.clock = Box::new(clock);
        self
    }

    /// Comes to trust the card behind `transport` (§16; seed Fig. 5): authentication first, always; set-up if it fails and
    /// `policy`, the application and the user's PIN agree; then authentication again.
    ///
    /// The session has the card to itself until it is closed or dropped; the card is then reset.
    ///
    /// # Errors
    /// Each says who lacks what. Nothing that was paired is touched by any of them, but for a card that is revoked.
    pub fn connect<'s>(
        &'s mut self,
        transport: &'s mut dyn Transport,
        application: &mut dyn Application,
        policy: &Policy,
    ) -> Result<Session<'s>, ConnectError> {
        let session = connect(self, transport, application, policy);
        wipe_stack::<USED_STACK>(); // also after a failure: keys were made
        session
    }

    /// The cards this identity is paired with.
    pub fn pairings(&self) -> Result<Vec<PairingSummary>, StoreError> {
        let records = PairingRecord::read_all(self.store.as_ref(), &self.identity)?;
        Ok(records
            .iter()
            .map(|record| PairingSummary {
                card: record.card(),
                holder: record.holder_hash(),
                uses: record.uses(),
                set_up: record.set_up(),
                last_seen: record.last_seen(),
                confirmed: record.current().is_some(),
            })
            .collect())
    }

    /// Forgets the pairing with a card, also one whose record is damaged. The card's side stays until it is deleted there.
    pub fn forget(&mut self, card: &HolderHash) -> Result<(), StoreError> {
        let key = Key::pairing(&self.identity, card);
        self.store.commit(&[Change::Erase(key)])
    }

    /// The identity's name.
    pub fn identity(&self) -> &IdentityName {
        &self.identity
    }

    /// The store, for [`identity`](crate::identity)'s functions.
    pub fn store(&self) -> &dyn PairingStore {
        self.store.as_ref()
    }

    /// The store, to change it.
    pub fn store_mut(&mut self) -> &mut dyn PairingStore {
        self.store.as_mut()
    }
}
