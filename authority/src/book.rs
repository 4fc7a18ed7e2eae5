//! What follows from the ledger. Every line passes through here, when it is read and when it is written.

use crate::ledger::{Event, Line, Replaced};
use apdu::certificate::{Certificate, HolderHash, KeyId, Name, Role, StatusList};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// A holder of a certificate, as the ledger knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Its certificate: name, role, key, dates, epoch.
    pub certificate: Certificate,
    /// When the certificate was signed, Unix seconds.
    pub issued: u64,
    /// The holder it replaces: an explicit re-certification.
    pub replaces: Option<Replaced>,
    /// Whether the certificate was seen stored by its holder.
    pub delivered: bool,
    /// Why it was revoked.
    pub revoked: Option<String>,
}

/// A challenge that was given out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Given {
    pub time: u64,
    pub role: Role,
    pub holder: Name,
    pub replaces: Option<Replaced>,
    pub used: bool,
}

/// The state of an authority.
pub(crate) struct Book {
    pub root: Certificate,
    pub holders: BTreeMap<Name, Holder>,
    pub challenges: HashMap<[u8; 16], Given>,
    pub lists: Vec<StatusList>,
    /// Compressed points: each key is certified once.
    keys: HashSet<[u8; 33]>,
    /// Every name that stood in a challenge, certified or not.
    names: BTreeSet<Name>,
}

impl Book {
    /// The book after the first line, which must be the root's.
    pub fn begin(first: &Event) -> Result<Self, &'static str> {
        let Event::Root {
            holder,
            key_id,
            certificate,
        } = first
        else {
            return Err("the first line is not the root's");
        };
        let claims = certificate.claims();
        if !claims.is_root() || claims.holder != *holder || certificate.key_id() != *key_id {
            return Err("the root certificate is of another authority");
        }
        Ok(Self {
            root: certificate.clone(),
            holders: BTreeMap::new(),
            challenges: HashMap::new(),
            lists: Vec::new(),
            keys: HashSet::from([claims.key.to_compressed()]),
            names: BTreeSet::from([*holder]),
        })
    }

    /// Takes in one more line; on an error nothing has changed.
    pub fn enter(&mut self, line: &Line) -> Result<(), &'static str> {
        match &line.event {
            Event::Root { .. } => Err("a second root"),
            Event::Challenge {
                nonce,
                role,
                holder,
                replaces,
            } => {
                let given = Given {
                    time: line.time,
                    role: *role,
                    holder: *holder,
                    replaces: *replaces,
                    used: false,
                };
                self.enter_challenge(*nonce, given)
            }
            Event::Issued {
                nonce,
                role,
                holder,
                key_id,
                replaces,
                certificate,
            } => {
                let claims = certificate.claims();
                if (claims.role, claims.holder) != (*role, *holder)
                    || certificate.key_id() != *key_id
                {
                    return Err("the certificate is for another holder, role or key");
                }
                self.enter_certificate(nonce, *replaces, certificate, line.time)
            }
            Event::Delivered { holder } => {
                let holder = self.holders.get_mut(holder).ok_or("an unknown holder")?;
                holder.delivered = true;
                Ok(())
            }
            Event::Revoked { holder, reason } => {
                let holder = self.holders.get_mut(holder).ok_or("an unknown holder")?;
                if holder.revoked.is_some() {
                    return Err("the holder is revoked already");
                }
                holder.revoked = Some(reason.clone());
                Ok(())
            }
            Event::List {
                sequence,
                min_epoch,
                list,
            } => self.enter_list(*sequence, *min_epoch, list),
        }
    }

    fn enter_challenge(&mut self, nonce: [u8; 16], given: Given) -> Result<(), &'static str> {
        if self.challenges.contains_key(&nonce) {
            return Err("the nonce was given before");
        }
        if given.role == Role::Authority {
            return Err("authorities are not certified");
        }
        self.names.insert(given.holder);
        self.challenges.insert(nonce, given);
        Ok(())
    }

    fn enter_certificate(
        &mut self,
        nonce: &[u8; 16],
        replaces: Option<Replaced>,
        certificate: &Certificate,
        time: u64,
    ) -> Result<(), &'static str> {
        let claims = certificate.claims();
        if claims.issuer != self.root.claims().holder {
            return Err("the certificate is of another authority");
        }
        if claims.epoch != self.min_epoch() {
            return Err("the certificate has another epoch");
        }
        if self.holders.contains_key(&claims.holder) {
            return Err("the name was given before");
        }
        if self.knows_key(certificate) {
            return Err("the key was certified before");
        }
        let given = self
            .challenges
            .get_mut(nonce)
            .ok_or("no challenge has this nonce")?;
        if given.used {
            return Err("the nonce was used before");
        }
        if (given.role, given.holder, given.replaces) != (claims.role, claims.holder, replaces) {
            return Err("the challenge was for another holder or role");
        }
        given.used = true;
        self.keys.insert(claims.key.to_compressed());
        self.holders.insert(
            claims.holder,
            Holder {
                certificate: certificate.clone(),
                issued: time,
                replaces,
                delivered: false,
                revoked: None,
            },
        );
        Ok(())
    }

    fn enter_list(
        &mut self,
        sequence: u32,
        min_epoch: u32,
        list: &StatusList,
    ) -> Result<(), &'static str> {
        let claims = list.claims();
        if claims.issuer != self.root.claims().holder {
            return Err("the list is of another authority");
        }
        if (claims.sequence, claims.min_epoch) != (sequence, min_epoch) {
            return Err("the list has other numbers");
        }
        if Some(sequence) != self.next_sequence() || min_epoch < self.min_epoch() {
            return Err("the list does not follow the one before");
        }
        self.lists.push(list.clone());
        Ok(())
    }

    /// The minimum epoch in force.
    pub fn min_epoch(&self) -> u32 {
        self.lists.last().map_or(0, |list| list.claims().min_epoch)
    }

    /// Number of the next status list, from 1.
    pub fn next_sequence(&self) -> Option<u32> {
        self.lists
            .last()
            .map_or(0, |list| list.claims().sequence)
            .checked_add(1)
    }

    /// Whether a key was certified before, or is the authority's own.
    pub fn knows_key(&self, certificate: &Certificate) -> bool {
        self.keys
            .contains(&certificate.claims().key.to_compressed())
    }

    /// Revoked holders that a list with this minimum epoch has to name, rising.
    pub fn revoked(&self, min_epoch: u32) -> BTreeSet<HolderHash> {
        self.holders
            .values()
            .filter(|holder| holder.revoked.is_some())
            .map(|holder| &holder.certificate)
            .filter(|certificate| certificate.claims().epoch >= min_epoch)
            .map(Certificate::holder_hash)
            .collect()
    }

    /// Every name that was ever planned or given.
    pub fn names(&self) -> impl Iterator<Item = &Name> {
        self.names.iter()
    }

    /// The holder of a key.
    pub fn holder_of_key(&self, key: &KeyId) -> Option<&Holder> {
        self.holders
            .values()
            .find(|holder| holder.certificate.key_id() == *key)
    }
}
