//! The terminal's own identities: key, request, certificate, and whom each of them trusts (§7.2, §15.2).
//!
//! A key is made here and never leaves; a request for its certificate goes out by the terminal's own line, a file or any
//! other, and the certificate comes back the same way (seed Fig. 9, as for a card). Roots are trusted because somebody
//! said so by name, or because a trusted root linked to them; nothing that a card sends can add one.

mod record;

use crate::store::{IdentityName, Key, PairingStore, StoreError, malformed};
use crate::trust::ListAge;
use apdu::certificate::{Certificate, Date, Name, Refusal, Request, StatusList};
use apdu::crypto::{Entropy, EntropyError, PrivateKey};
pub(crate) use record::{Active, Own, Trusted};
use record::{Requested, certificates};

const WHAT: &str = "an identity";

/// Why an identity could not be changed. Nothing was; after [`Store`](Self::Store) all of the change may have been, and reading shows it.
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
    install_linked(store, identity, certificate, roots, &[], today)
}

/// The same, with the links between `roots`, which cards of an earlier root need to be shown (§9.1). Each link must be signed by a
/// root that is trusted then.
pub fn install_linked(
    store: &mut dyn PairingStore,
    identity: &IdentityName,
    certificate: &Certificate,
    roots: &[Certificate],
    links: &[Certificate],
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
    for link in links {
        trusted.link(link, today)?;
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
    if trusted.link(link, today)? {
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
