//! The records of an identity: its keys and certificate, and whom it trusts.

use super::IdentityError;
use crate::store::record::PairingRecord;
use crate::store::{
    Change, Fields, IdentityName, Key, PairingStore, StoreError, begin, end, malformed, push,
};
use crate::trust::Trust;
use apdu::certificate::{
    Anchor, Certificate, CertificateError, Date, Name, Refusal, Request, Role, StatusList,
};
use apdu::crypto::{PrivateKey, SecretBytes};

const WHAT: &str = "an identity";

/// Keys and certificate of an identity.
#[derive(Default)]
pub(crate) struct Own {
    pub(crate) active: Option<Active>,
    pub(super) requested: Option<Requested>,
}

/// A certified key.
pub(crate) struct Active {
    pub(crate) key: PrivateKey,
    pub(crate) certificate: Certificate,
}

/// A key whose certificate has not come yet.
pub(super) struct Requested {
    pub(super) key: PrivateKey,
    pub(super) issuer: Name,
    pub(super) holder: Name,
    pub(super) nonce: [u8; 16],
}

impl Requested {
    pub(super) fn request(&self) -> Request {
        Request::create(
            self.issuer,
            self.holder,
            Role::Terminal,
            self.nonce,
            &self.key,
        )
    }
}

impl Own {
    pub(crate) fn read(
        store: &dyn PairingStore,
        identity: &IdentityName,
    ) -> Result<Option<Self>, StoreError> {
        store
            .read(&Key::identity(identity))?
            .map(|record| Self::decode(&record))
            .transpose()
    }

    pub(super) fn put(&self, identity: &IdentityName) -> Change {
        Change::Put(Key::identity(identity), self.encode())
    }

    fn encode(&self) -> SecretBytes {
        let mut record = begin();
        if let Some(active) = &self.active {
            push(&mut record, 0x80, active.key.expose_scalar().expose());
            push(&mut record, 0x81, active.certificate.encoded());
        }
        if let Some(requested) = &self.requested {
            push(&mut record, 0x82, requested.key.expose_scalar().expose());
            push(&mut record, 0x83, requested.issuer.as_bytes());
            push(&mut record, 0x84, requested.holder.as_bytes());
            push(&mut record, 0x85, &requested.nonce);
        }
        end(record)
    }

    fn decode(record: &[u8]) -> Result<Self, StoreError> {
        let mut fields = Fields::begin(WHAT, record)?;
        let active = match fields.optional(0x80)? {
            None => None,
            Some(scalar) => {
                // Why: whether they belong together was checked when they were installed, and costs a curve operation.
                let certificate = certificate(fields.value(0x81)?)?;
                let key = private_key(scalar)?;
                Some(Active { key, certificate })
            }
        };
        let requested = match fields.optional(0x82)? {
            None => None,
            Some(scalar) => Some(Requested {
                key: private_key(scalar)?,
                issuer: name(fields.value(0x83)?)?,
                holder: name(fields.value(0x84)?)?,
                nonce: fields.fixed(0x85)?,
            }),
        };
        fields.finish()?;
        Ok(Self { active, requested })
    }
}

/// Whom an identity trusts. Certificates are decoded where they are needed: an authentication needs none of them.
#[derive(Default)]
pub(crate) struct Trusted {
    pub(super) roots: Vec<Vec<u8>>,
    pub(super) links: Vec<Vec<u8>>,
    pub(super) list: Option<StatusList>,
    pub(super) min_epoch: u32,
    pub(super) minimum_suite: u8,
}

impl Trusted {
    /// What is stored; nobody is trusted when nothing is.
    pub(crate) fn read(
        store: &dyn PairingStore,
        identity: &IdentityName,
    ) -> Result<Self, StoreError> {
        match store.read(&Key::trust(identity))? {
            Some(record) => Self::decode(&record),
            None => Ok(Self::default()),
        }
    }

    /// As of a day.
    pub(crate) fn on(&self, today: Date) -> Result<Trust, StoreError> {
        let authorities = [certificates(&self.roots)?, certificates(&self.links)?].concat();
        Trust::restored(&authorities, self.list.clone(), self.min_epoch, today)
            .map_err(|_| malformed(WHAT))
    }

    /// The lowest suite this identity uses.
    pub(crate) fn minimum_suite(&self) -> u8 {
        self.minimum_suite
    }

    /// The newest status list.
    pub(crate) fn list(&self) -> Option<&StatusList> {
        self.list.as_ref()
    }

    /// Whether a paired card was cut off since. Its certificate's dates are not looked at: a pairing may outlive the day on
    /// which a new one would be refused.
    pub(crate) fn judge_paired(&self, pairing: &PairingRecord) -> Result<(), Refusal> {
        let holder = pairing.holder_hash();
        if pairing.epoch() < self.min_epoch {
            return Err(Refusal::Epoch);
        }
        match &self.list {
            Some(list) if list.revokes(&holder) => Err(Refusal::Revoked),
            _ => Ok(()),
        }
    }

    /// The link certificate that leads to `issuer`, for a card that does not know it.
    pub(crate) fn link_to(&self, issuer: &Name) -> Result<Option<Certificate>, StoreError> {
        let mut links = certificates(&self.links)?.into_iter();
        Ok(links.find(|link| link.claims().holder == *issuer))
    }

    pub(super) fn pin(&mut self, root: &Certificate) -> Result<(), IdentityError> {
        let name = root.claims().holder;
        Anchor::trust_root(root).map_err(|refusal| IdentityError::NotARoot { name, refusal })?;
        let known = [certificates(&self.roots)?, certificates(&self.links)?].concat();
        match known
            .iter()
            .map(Certificate::claims)
            .find(|known| known.holder == name)
        {
            Some(known) if known.key == root.claims().key => Ok(()),
            Some(_) => Err(IdentityError::RootConflict(name)),
            None => {
                self.roots.push(root.encoded().to_vec());
                Ok(())
            }
        }
    }

    /// Keeps a link certificate that a trusted root has signed; false when there is one for its root already.
    pub(super) fn link(&mut self, link: &Certificate, today: Date) -> Result<bool, IdentityError> {
        let trust = self.on(today)?;
        trust.judge_link(link).map_err(IdentityError::Link)?;
        let new = self.link_to(&link.claims().holder)?.is_none();
        if new {
            self.links.push(link.encoded().to_vec());
        }
        Ok(new)
    }

    pub(super) fn put(&self, identity: &IdentityName) -> Change {
        let mut record = begin();
        push(&mut record, 0x80, &self.min_epoch.to_be_bytes());
        push(&mut record, 0x84, &[self.minimum_suite]);
        for root in &self.roots {
            push(&mut record, 0x81, root);
        }
        for link in &self.links {
            push(&mut record, 0x82, link);
        }
        if let Some(list) = &self.list {
            push(&mut record, 0x83, list.encoded());
        }
        Change::Put(Key::trust(identity), end(record))
    }

    fn decode(record: &[u8]) -> Result<Self, StoreError> {
        let mut fields = Fields::begin(WHAT, record)?;
        let min_epoch = fields.number(0x80)?;
        let [minimum_suite] = fields.fixed(0x84)?;
        let roots = fields.all(0x81)?;
        let links = fields.all(0x82)?;
        let list = match fields.optional(0x83)? {
            None => None,
            Some(list) => {
                Some(StatusList::decode(list).map_err(|_: CertificateError| malformed(WHAT))?)
            }
        };
        fields.finish()?;
        Ok(Self {
            roots,
            links,
            list,
            min_epoch,
            minimum_suite,
        })
    }
}

fn certificate(bytes: &[u8]) -> Result<Certificate, StoreError> {
    Certificate::restored(bytes).map_err(|_| malformed(WHAT))
}

pub(super) fn certificates(encoded: &[Vec<u8>]) -> Result<Vec<Certificate>, StoreError> {
    encoded.iter().map(|bytes| certificate(bytes)).collect()
}

fn name(bytes: &[u8]) -> Result<Name, StoreError> {
    Name::from_bytes(bytes).ok_or(malformed(WHAT))
}

fn private_key(scalar: &[u8]) -> Result<PrivateKey, StoreError> {
    scalar
        .try_into()
        .ok()
        .and_then(PrivateKey::from_scalar)
        .ok_or(malformed(WHAT))
}
