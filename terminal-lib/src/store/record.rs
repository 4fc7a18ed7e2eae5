//! What is kept about the pairing with one card (§15.2).

use super::{
    Change, Fields, IdentityName, Key, PairingStore, StoreError, begin, end, malformed, push,
};
use apdu::certificate::{Certificate, Date, HolderHash, KeyId, Name, ProvenCertificate, Role};
use apdu::crypto::{Secret, SecretBytes};
use apdu::handshake::PairingKey;

/// Keys of set-ups whose commit was not answered, at most.
pub const MAX_PENDING: usize = 3;
const WHAT: &str = "a pairing";

/// The pairing with one card.
///
/// Name, key id and epoch stand beside the certificate, so that an authentication need not decode its point.
pub struct PairingRecord {
    card: Name,
    key_id: KeyId,
    epoch: u32,
    certificate: Vec<u8>,
    as_terminal: HolderHash,
    current: Option<Current>,
    pending: Vec<Pending>,
    set_up: Date,
    uses: u32,
    last_seen: Date,
}

/// K_g.
struct Current {
    key: PairingKey,
    generation: u32,
}

/// K_0 of a set-up that the card may or may not have committed.
struct Pending {
    key: PairingKey,
    set_up: Date,
}

impl PairingRecord {
    /// A card that has just proved `certificate` for the first time. It has no key yet.
    pub fn new(certificate: &ProvenCertificate, as_terminal: HolderHash, today: Date) -> Self {
        let certificate = certificate.certificate();
        Self {
            card: certificate.claims().holder,
            key_id: certificate.key_id(),
            epoch: certificate.claims().epoch,
            certificate: certificate.encoded().to_vec(),
            as_terminal,
            current: None,
            pending: Vec::new(),
            set_up: today,
            uses: 0,
            last_seen: today,
        }
    }

    /// The card's name.
    pub fn card(&self) -> Name {
        self.card
    }

    /// The card's holder hash.
    pub fn holder_hash(&self) -> HolderHash {
        HolderHash::of(Role::Card, &self.card)
    }

    /// The id of the card's certified key.
    pub fn key_id(&self) -> KeyId {
        self.key_id
    }

    /// The epoch of the card's certificate.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// The card's certificate, as it was proven at the last set-up.
    pub fn certificate(&self) -> Result<Certificate, StoreError> {
        Certificate::restored(&self.certificate).map_err(|_| malformed(WHAT))
    }

    /// As whom the card knows this terminal.
    pub fn as_terminal(&self) -> HolderHash {
        self.as_terminal
    }

    /// The day of the set-up that made the current key.
    pub fn set_up(&self) -> Date {
        self.set_up
    }

    /// Sessions since that set-up.
    pub fn uses(&self) -> u32 {
        self.uses
    }

    /// The day of the last session.
    pub fn last_seen(&self) -> Date {
        self.last_seen
    }

    /// K_g and g. None while the first set-up is in doubt.
    pub fn current(&self) -> Option<(&PairingKey, u32)> {
        self.current
            .as_ref()
            .map(|current| (&current.key, current.generation))
    }

    /// Pending keys, the oldest first.
    pub fn pending(&self) -> impl ExactSizeIterator<Item = &PairingKey> {
        self.pending.iter().map(|pending| &pending.key)
    }

    /// Adds K_0 before the commit is sent: the oldest goes when there are three. The current key is untouched (§9.3).
    pub fn add_pending(
        &mut self,
        key: PairingKey,
        certificate: &ProvenCertificate,
        as_terminal: HolderHash,
        today: Date,
    ) {
        if self.pending.len() == MAX_PENDING {
            self.pending.remove(0);
        }
        self.pending.push(Pending { key, set_up: today });
        let certificate = certificate.certificate();
        self.epoch = certificate.claims().epoch;
        self.certificate = certificate.encoded().to_vec();
        self.as_terminal = as_terminal;
    }

    /// Takes the newest pending key as the current one: the card has answered the commit.
    pub fn commit_newest_pending(&mut self) {
        let newest = self.pending.len().saturating_sub(1);
        self.promote_pending(newest);
    }

    /// Takes the pending key of this number as the current one; all other pending keys go.
    pub fn promote_pending(&mut self, number: usize) {
        let promoted = self.pending.drain(..).nth(number);
        if let Some(Pending { key, set_up }) = promoted {
            self.current = Some(Current { key, generation: 0 });
            self.set_up = set_up;
            self.uses = 0;
        }
        self.pending.clear();
    }

    /// Moves the current key one generation on: the card has done so (§8.4).
    pub fn advance(&mut self) {
        if let Some(current) = &mut self.current {
            current.key = current.key.next();
            current.generation = current.generation.saturating_add(1);
        }
        self.pending.clear();
    }

    /// Forgets pending keys: the card has proved the current one.
    pub fn clear_pending(&mut self) {
        self.pending.clear();
    }

    /// Counts a session.
    pub fn count_use(&mut self, today: Date) {
        self.uses = self.uses.saturating_add(1);
        self.last_seen = today;
    }

    /// The record as stored.
    pub fn encode(&self) -> SecretBytes {
        let mut record = begin();
        push(&mut record, 0x80, self.card.as_bytes());
        push(&mut record, 0x81, &self.key_id.0);
        push(&mut record, 0x82, &self.epoch.to_be_bytes());
        push(&mut record, 0x83, &self.certificate);
        push(&mut record, 0x84, &self.as_terminal.0);
        push(&mut record, 0x85, &self.set_up.to_bcd());
        push(&mut record, 0x86, &self.uses.to_be_bytes());
        push(&mut record, 0x87, &self.last_seen.to_bcd());
        if let Some(Current { key, generation }) = &self.current {
            push(&mut record, 0x88, &generation.to_be_bytes());
            push(&mut record, 0x89, key.expose());
        }
        for Pending { key, set_up } in &self.pending {
            push(&mut record, 0x8A, &set_up.to_bcd());
            push(&mut record, 0x8B, key.expose());
        }
        end(record)
    }

    /// Reads a stored record.
    pub fn decode(record: &[u8]) -> Result<Self, StoreError> {
        let mut fields = Fields::begin(WHAT, record)?;
        let card = Name::from_bytes(fields.value(0x80)?).ok_or(malformed(WHAT))?;
        let key_id = KeyId(fields.fixed(0x81)?);
        let epoch = fields.number(0x82)?;
        let certificate = fields.value(0x83)?.to_vec();
        let as_terminal = HolderHash(fields.fixed(0x84)?);
        let set_up = date(fields.fixed(0x85)?)?;
        let uses = fields.number(0x86)?;
        let last_seen = date(fields.fixed(0x87)?)?;
        let current = match fields.optional(0x88)? {
            None => None,
            Some(generation) => {
                let generation = generation.try_into().map_err(|_| malformed(WHAT))?;
                Some(Current {
                    generation: u32::from_be_bytes(generation),
                    key: key(fields.value(0x89)?)?,
                })
            }
        };
        let mut pending = Vec::new();
        while let Some(day) = fields.optional(0x8A)? {
            pending.push(Pending {
                set_up: date(day.try_into().map_err(|_| malformed(WHAT))?)?,
                key: key(fields.value(0x8B)?)?,
            });
        }
        fields.finish()?;
        if pending.len() > MAX_PENDING || (current.is_none() && pending.is_empty()) {
            return Err(malformed(WHAT));
        }
        Ok(Self {
            card,
            key_id,
            epoch,
            certificate,
            as_terminal,
            current,
            pending,
            set_up,
            uses,
            last_seen,
        })
    }

    /// The pairing of `identity` with `card`, if there is one.
    pub fn read(
        store: &dyn PairingStore,
        identity: &IdentityName,
        card: &HolderHash,
    ) -> Result<Option<Self>, StoreError> {
        store
            .read(&Key::pairing(identity, card))?
            .map(|record| Self::decode_as(&record, &card.0))
            .transpose()
    }

    /// All pairings of `identity`, in an order that stays the same.
    pub fn read_all(
        store: &dyn PairingStore,
        identity: &IdentityName,
    ) -> Result<Vec<Self>, StoreError> {
        let prefix = Key::pairings(identity);
        store
            .list(&prefix)?
            .iter()
            .map(|(key, record)| {
                let card = key.after(&prefix).ok_or(malformed(WHAT))?;
                Self::decode_as(record, card)
            })
            .collect()
    }

    /// The change that stores this record.
    pub fn put(&self, identity: &IdentityName) -> Change {
        Change::Put(Key::pairing(identity, &self.holder_hash()), self.encode())
    }

    /// A record must stand under the name of its own card.
    fn decode_as(record: &[u8], card: &[u8]) -> Result<Self, StoreError> {
        let decoded = Self::decode(record)?;
        if decoded.holder_hash().0 == card {
            Ok(decoded)
        } else {
            Err(malformed(WHAT))
        }
    }
}

fn date(bcd: [u8; 3]) -> Result<Date, StoreError> {
    Date::from_bcd(bcd).ok_or(malformed(WHAT))
}

fn key(bytes: &[u8]) -> Result<PairingKey, StoreError> {
    let bytes: &[u8; 32] = bytes.try_into().map_err(|_| malformed(WHAT))?;
    Ok(PairingKey::new(Secret::copy_of(bytes)))
}
