//! Roots, trusted date, status list, minimum epoch: what the card judges certificates by (§7.3, §13).

use crate::refusal::Refusal;
use crate::store::{Record, Store, StoreError};
use alloc::vec::Vec;
use apdu::certificate::{
    Anchor, Certificate, Date, Expectations, HolderHash, ProvenCertificate, Role, StatusList,
    Validity,
};
use planted::planted;

/// The trusted date moves by at most this many days at a time.
const MAX_STEP: u32 = 366;

/// Everything a certificate is judged by, read at once.
pub(crate) struct Trust {
    root_a: Option<Anchor>,
    root_b: Option<Anchor>,
    root_b_proven: bool,
    /// The trusted date; none before the card is certified.
    pub(crate) date: Option<Date>,
    /// Certificates of a lower epoch are refused.
    pub(crate) min_epoch: u32,
    /// The newest status list.
    pub(crate) list: Option<StatusList>,
}

/// Where a link certificate's root is to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// It is there already.
    Known,
    /// In the free place for root B.
    B,
    /// In place of root A: the link is root B's, and root B is proven.
    A,
}

impl Trust {
    pub(crate) fn read(store: &dyn Store) -> Result<Self, StoreError> {
        Ok(Self {
            root_a: read_anchor(store, Record::ROOT_A)?,
            root_b: read_anchor(store, Record::ROOT_B)?,
            root_b_proven: store.read(Record::ROOT_B_PROVEN)?.is_some(),
            date: trusted_date(store)?,
            min_epoch: read_u32(store, Record::MIN_EPOCH)?.unwrap_or(0),
            list: status_list(store)?,
        })
    }

    pub(crate) fn has_root_a(&self) -> bool {
        self.root_a.is_some()
    }

    /// Whether `issuer` is root B, so that a pairing under it proves that root B is in use.
    pub(crate) fn is_root_b(&self, issuer: &apdu::certificate::Name) -> bool {
        self.root_b
            .as_ref()
            .is_some_and(|root| root.name() == issuer)
    }

    fn roots(&self) -> Vec<&Anchor> {
        self.root_a.iter().chain(&self.root_b).collect()
    }

    /// The certificate's new root, and where it would be stored; refused when there is no place for it.
    pub(crate) fn judge_link(&self, link: &Certificate) -> Result<(Anchor, Place), Refusal> {
        let anchor = Anchor::trust_link(link, &self.roots()).map_err(|_| Refusal::Certificate)?;
        let claims = link.claims();
        let current = self.date.is_none_or(|date| date <= claims.until);
        if !current || claims.epoch < self.min_epoch {
            return Err(Refusal::Certificate);
        }
        if let Some(known) = self
            .roots()
            .into_iter()
            .find(|root| root.name() == anchor.name())
        {
            // The same name with another key would be a second root in disguise.
            return if *known == anchor {
                Ok((anchor, Place::Known))
            } else {
                Err(Refusal::Certificate)
            };
        }
        let place = match &self.root_b {
            None => Place::B,
            Some(root_b) if self.root_b_proven && *root_b.name() == claims.issuer => Place::A,
            Some(_) => return Err(Refusal::NotNow),
        };
        Ok((anchor, place))
    }

    /// Verifies a leaf under the roots, or under the root a link has just led to.
    pub(crate) fn judge_leaf(
        &self,
        certificate: Certificate,
        role: Role,
        linked: Option<&Anchor>,
    ) -> Result<ProvenCertificate, Refusal> {
        let mut anchors = self.roots();
        anchors.extend(linked);
        // Before its first certificate the card knows no date at all.
        let date = self.date.unwrap_or(certificate.claims().from);
        let expected = Expectations {
            role,
            validity: Validity::NotExpiredAt(date),
            min_epoch: self.min_epoch,
            revoked: self.list.as_ref(),
        };
        ProvenCertificate::verify(certificate, &anchors, &expected)
            .map_err(|_| Refusal::Certificate)
    }

    /// Whether a root of the card signed the list.
    pub(crate) fn judge_list(&self, list: &StatusList) -> Result<(), Refusal> {
        list.verify(&self.roots()).map_err(|_| Refusal::Data)
    }

    /// The sequence number of the stored list, 0 without one.
    pub(crate) fn list_sequence(&self) -> u32 {
        self.list.as_ref().map_or(0, |list| list.claims().sequence)
    }

    /// The trusted date after seeing an authentic `candidate`: never back, at most 366 days on.
    pub(crate) fn moved_date(&self, candidate: Date) -> Date {
        match self.date {
            _ if planted("date-goes-back") => candidate,
            None => candidate,
            Some(date) => candidate.min(date.plus_days(MAX_STEP)).max(date),
        }
    }
}

/// Whether a pairing of `holder` with this epoch survives `list`.
pub(crate) fn survives(list: &StatusList, min_epoch: u32, holder: &HolderHash, epoch: u32) -> bool {
    epoch >= min_epoch && !list.revokes(holder)
}

pub(crate) fn trusted_date(store: &dyn Store) -> Result<Option<Date>, StoreError> {
    let Some(bytes) = store.read(Record::DATE)? else {
        return Ok(None);
    };
    let bytes: [u8; 3] = bytes.as_slice().try_into().map_err(|_| StoreError)?;
    Date::from_bcd(bytes).map(Some).ok_or(StoreError)
}

/// The sequence number of the stored list, 0 without one; cheaper than reading all of [`Trust`].
pub(crate) fn list_sequence(store: &dyn Store) -> Result<u32, StoreError> {
    Ok(status_list(store)?.map_or(0, |list| list.claims().sequence))
}

fn status_list(store: &dyn Store) -> Result<Option<StatusList>, StoreError> {
    let read = match store.read(Record::STATUS_LIST) {
        Err(_) if planted("read-error-is-absence") => Ok(None),
        read => read,
    };
    read?
        .map(|bytes| StatusList::decode(&bytes).map_err(|_| StoreError))
        .transpose()
}

fn read_anchor(store: &dyn Store, record: Record) -> Result<Option<Anchor>, StoreError> {
    store
        .read(record)?
        .map(|bytes| {
            let certificate = Certificate::restored(&bytes).map_err(|_| StoreError)?;
            Anchor::restored(&certificate).map_err(|_| StoreError)
        })
        .transpose()
}

fn read_u32(store: &dyn Store, record: Record) -> Result<Option<u32>, StoreError> {
    store
        .read(record)?
        .map(|bytes| {
            bytes
                .as_slice()
                .try_into()
                .map(u32::from_be_bytes)
                .map_err(|_| StoreError)
        })
        .transpose()
}
