//! The terminal's own identities: key, request, certificate, and whom each of them trusts (§7.2, §15.2).
//!
//! A key is made here and never leaves; a request for its certificate goes out by the terminal's own line, a file or any
//! other, and the certificate comes back the same way (seed Fig. 9, as for a card). Roots are trusted because somebody
//! said so by name, or because a trusted root linked to them; nothing that a card sends can add one.

use crate::store::record::PairingRecord;
use crate::store::{
    Change, Fields, IdentityName, Key, PairingStore, StoreError, begin, end, malformed, push,
};
use crate::trust::{ListAge, Trust};
use apdu::certificate::{
    Anchor, Certificate, CertificateError, Date, Name, Refusal, Request, Role, StatusList,
};
use apdu::crypto::{Entropy, EntropyError, PrivateKey, SecretBytes};

const WHAT: &str = "an identity";

/// Why an identity could not be changed. Nothing was.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no identity of this name.
    #[error("this terminal has no identity {0}; make a request for one first")]
    Missing(IdentityName),
    /// Nothing was asked for.
    #[error("identity {0} waits for no certificate; make a request first")]
    NoRequest(IdentityName),
    /// The certificate is for another key.
    #[error(
        "the certificate is not for the key that was requested; ask for one for the latest request"
    )]
    OtherKey,
    /// The certificate names somebody else.
    #[error("the certificate is for {holder} by {issuer}, and another was requested")]
    OtherNames {
        /// Who holds it.
        holder: Name,
        /// Who issued it.
        issuer: Name,
    },
    /// The certificate does not verify.
    #[error("the certificate is not valid: {0}")]
    Distrusted(Refusal),
    /// What was given as a root is none.
    #[error("{name} cannot be trusted as a root: {refusal}")]
    NotARoot {
        /// Whose certificate it is.
        name: Name,
        /// Why not.
        refusal: Refusal,
    },
    /// Another root of this name is trusted already.
    #[error("another root with the name {0} is trusted already; names are given once")]
    RootConflict(Name),
    /// No trusted root signed the link.
    #[error("the link certificate is not valid: {0}")]
    Link(Refusal),
    /// No trusted root signed the list.
    #[error("the status list is not valid: {0}")]
    List(Refusal),
    /// No randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

/// Makes a key and the request for its certificate. A certificate in use stays in use until the new one is installed.
///
/// A request made earlier and never answered is replaced. `nonce` is the authority's.
pub fn create_request(
    store: &mut dyn PairingStore,
    identity: &IdentityName,
    issuer: Name,
    holder: Name,
    nonce: [u8; 16],
    entropy: &mut dyn Entropy,
) -> Result<Request, IdentityError> {
    let mut record = Own::read(store, identity)?.unwrap_or_default();
    let key = PrivateKey::generate(entropy)?;
    let requested = Requested {
        key,
        issuer,
        holder,
        nonce,
    };
    let request = requested.request();
    record.requested = Some(requested);
    store.commit(&[record.put(identity)])?;
    Ok(request)
}

/// The request that waits for its certificate, the same bytes as when it was made.
pub fn request(
    store: &dyn PairingStore,
    identity: &IdentityName,
) -> Result<Request, IdentityError> {
    let record = read_own(store, identity)?;
    let requested = record
        .requested
        .ok_or_else(|| IdentityError::NoRequest(identity.clone()))?;
    Ok(requested.request())
}

/// Installs the certificate that answers the request, and pins `roots`, all in one commit.
///
/// The certificate must be for the requested key and names, by a root among `roots` or one trusted before, and valid on
/// `today`. Whoever calls this vouches for `roots`.
pub fn install(
    store: &mut dyn PairingStore,
    identity: &IdentityName,
    certificate: &Certificate,
    roots: &[Certificate],
    today: Date,
) -> Result<(), IdentityError> {
    let mut record = read_own(store, identity)?;
    let requested = record
        .requested
        .take()
        .ok_or_else(|| IdentityError::NoRequest(identity.clone()))?;
    let claims = certificate.claims();
    if claims.key != requested.key.public_key() {
        return Err(IdentityError::OtherKey);
    }
    if claims.holder != requested.holder || claims.issuer != requested.issuer {
        return Err(IdentityError::OtherNames {
            holder: claims.holder,
            issuer: claims.issuer,
        });
    }
    let mut trusted = Trusted::read(store, identity)?;
    for root in roots {
        trusted.pin(root)?;
    }
    trusted
        .on(today)?
        .judge_terminal(certificate.clone())
        .map_err(IdentityError::Distrusted)?;
    record.active = Some(Active {
        key: requested.key,
        certificate: certificate.clone(),
    });
    store.commit(&[record.put(identity), trusted.put(identity)])?;
    Ok(())
}

/// Pins a root: the caller vouches for it.
pub fn pin_root(
    store: &mut dyn PairingStore,
    identity: &IdentityName,
    root: &Certificate,
) -> Result<(), IdentityError> {
    let mut trusted = Trusted::read(store, identity)?;
    trusted.pin(root)?;
    store.commit(&[trusted.put(identity)])?;
    Ok(())
}

/// Trusts the root that a link certificate leads to; a trusted root must have signed it.
pub fn add_link(
    store: &mut dyn PairingStore,
    identity: &IdentityName,
    link: &Certificate,
    today: Date,
) -> Result<(), IdentityError> {
    let mut trusted = Trusted::read(store, identity)?;
    trusted
        .on(today)?
        .judge_link(link)
        .map_err(IdentityError::Link)?;
    if trusted.link_to(&link.claims().holder)?.is_none() {
        trusted.links.push(link.encoded().to_vec());
        store.commit(&[trusted.put(identity)])?;
    }
    Ok(())
}

/// Takes a status list if a trusted root signed it and it is newer than the stored one; says which it was.
pub fn take_status_list(
    store: &mut dyn PairingStore,
    identity: &IdentityName,
    list: &StatusList,
    today: Date,
) -> Result<ListAge, IdentityError> {
    let mut trusted = Trusted::read(store, identity)?;
    let age = trusted
        .on(today)?
        .judge_list(list)
        .map_err(IdentityError::List)?;
    if age == ListAge::Newer {
        trusted.min_epoch = trusted.min_epoch.max(list.claims().min_epoch);
        trusted.list = Some(list.clone());
        store.commit(&[trusted.put(identity)])?;
    }
    Ok(age)
}

/// From now on this identity uses no suite below `minimum` (§5). This version has suite 01 only: a higher minimum refuses
/// every card until the terminal is updated.
pub fn set_minimum_suite(
    store: &mut dyn PairingStore,
    identity: &IdentityName,
    minimum: u8,
) -> Result<(), IdentityError> {
    let mut trusted = Trusted::read(store, identity)?;
    trusted.minimum_suite = minimum;
    store.commit(&[trusted.put(identity)])?;
    Ok(())
}

/// The identities in a store, in alphabetical order.
pub fn names(store: &dyn PairingStore) -> Result<Vec<IdentityName>, StoreError> {
    let prefix = Key::identities();
    store
        .list(&prefix)?
        .iter()
        .map(|(key, _)| {
            key.after(&prefix)
                .and_then(|name| core::str::from_utf8(name).ok())
                .and_then(IdentityName::new)
                .ok_or(malformed(WHAT))
        })
        .collect()
}

/// What may be shown about an identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The certificate in use.
    pub certificate: Option<Certificate>,
    /// Under which name a certificate was requested that has not come yet.
    pub requested: Option<Name>,
    /// Pinned roots.
    pub roots: Vec<Certificate>,
    /// Link certificates.
    pub links: Vec<Certificate>,
    /// The newest status list.
    pub list: Option<StatusList>,
}

/// What is stored under this name, without its keys.
pub fn summary(
    store: &dyn PairingStore,
    identity: &IdentityName,
) -> Result<Summary, IdentityError> {
    let own = read_own(store, identity)?;
    let trusted = Trusted::read(store, identity)?;
    Ok(Summary {
        certificate: own.active.map(|active| active.certificate),
        requested: own.requested.map(|requested| requested.holder),
        roots: certificates(&trusted.roots)?,
        links: certificates(&trusted.links)?,
        list: trusted.list,
    })
}

fn read_own(store: &dyn PairingStore, identity: &IdentityName) -> Result<Own, IdentityError> {
    Own::read(store, identity)?.ok_or_else(|| IdentityError::Missing(identity.clone()))
}

/// Keys and certificate of an identity.
#[derive(Default)]
pub(crate) struct Own {
    pub(crate) active: Option<Active>,
    requested: Option<Requested>,
}

/// A certified key.
pub(crate) struct Active {
    pub(crate) key: PrivateKey,
    pub(crate) certificate: Certificate,
}

/// A key whose certificate has not come yet.
struct Requested {
    key: PrivateKey,
    issuer: Name,
    holder: Name,
    nonce: [u8; 16],
}

impl Requested {
    fn request(&self) -> Request {
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

    fn put(&self, identity: &IdentityName) -> Change {
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
    roots: Vec<Vec<u8>>,
    links: Vec<Vec<u8>>,
    list: Option<StatusList>,
    min_epoch: u32,
    minimum_suite: u8,
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

    fn pin(&mut self, root: &Certificate) -> Result<(), IdentityError> {
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

    fn put(&self, identity: &IdentityName) -> Change {
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

fn certificates(encoded: &[Vec<u8>]) -> Result<Vec<Certificate>, StoreError> {
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
