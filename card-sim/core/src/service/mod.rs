//! Services (§14): they see plain commands, own their records, and are told whether the PIN is verified. Nothing else.
//!
//! To write one: implement [`Service`] for a unit struct and add it to [`standard_services`]. `counter.rs` is the shortest
//! example.

mod counter;
mod vault;

use crate::card::{Card, Reply, World};
use crate::phase::Session;
use crate::refusal::Refusal;
use crate::store::{Change, Record, Store, Value};
use alloc::vec::Vec;
use apdu::codec::command::Header;
use apdu::identifier::Aid;

/// A command for a service, as the terminal meant it: secure messaging is over before a service sees it.
#[derive(Clone, Copy)]
pub struct ServiceCommand<'a> {
    /// Instruction, parameters; the class is always `8C`.
    pub header: Header,
    /// The plain data field.
    pub data: &'a [u8],
}

/// Why a service refuses. The session goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceRefusal {
    /// 6982: the PIN is to be verified first.
    PinNeeded,
    /// 6A80: the data field is malformed or says something impossible.
    Data,
    /// 6A82: no such object.
    NotFound,
    /// 6A84: no room, or beyond a limit.
    Full,
    /// 6A86: P1 or P2 are not 00.
    Parameters,
    /// 6D00: the service has no such instruction.
    Instruction,
    /// 6581: the storage failed; after a write it is not known whether it was done.
    Storage,
}

impl From<crate::store::StoreError> for ServiceRefusal {
    fn from(_: crate::store::StoreError) -> Self {
        Self::Storage
    }
}

impl From<ServiceRefusal> for Refusal {
    fn from(refusal: ServiceRefusal) -> Self {
        match refusal {
            ServiceRefusal::PinNeeded => Self::PinNeeded,
            ServiceRefusal::Data => Self::Data,
            ServiceRefusal::NotFound => Self::NotFound,
            ServiceRefusal::Full => Self::Full,
            ServiceRefusal::Parameters => Self::Parameters,
            ServiceRefusal::Instruction => Self::Instruction,
            ServiceRefusal::Storage => Self::Storage,
        }
    }
}

/// A service on the card. It has no state of its own: everything is in its records.
pub trait Service: Sync {
    /// Its application identifier.
    fn identifier(&self) -> Aid;

    /// The most bytes its records may hold together.
    fn quota(&self) -> usize;

    /// Answers one command. A refusal must leave the records as they were.
    fn handle(
        &self,
        command: ServiceCommand<'_>,
        records: &mut ServiceRecords<'_>,
        pin_verified: bool,
    ) -> Result<Vec<u8>, ServiceRefusal>;
}

/// The services of this version, in the order of their numbers.
pub fn standard_services() -> &'static [&'static dyn Service] {
    &[&vault::Vault, &counter::Counting]
}

/// The records of one service: it cannot name another's, and cannot exceed its quota.
pub struct ServiceRecords<'a> {
    store: &'a mut dyn Store,
    service: u8,
    quota: usize,
}

impl ServiceRecords<'_> {
    /// Reads a record.
    pub fn read(&self, key: u8) -> Result<Option<Value>, ServiceRefusal> {
        Ok(self.store.read(Record::service(self.service, key))?)
    }

    /// Writes one record whole, durably; [`ServiceRefusal::Full`] if the quota would be exceeded.
    pub fn write(&mut self, key: u8, value: &[u8]) -> Result<(), ServiceRefusal> {
        let mut used = value.len();
        for other in self.keys()? {
            if other != key {
                used += self.read(other)?.map_or(0, |value| value.len());
            }
        }
        if used > self.quota {
            return Err(ServiceRefusal::Full);
        }
        Ok(self
            .store
            .commit(&[Change::Put(Record::service(self.service, key), value)])?)
    }

    /// Removes a record, durably.
    pub fn erase(&mut self, key: u8) -> Result<(), ServiceRefusal> {
        Ok(self
            .store
            .commit(&[Change::Erase(Record::service(self.service, key))])?)
    }

    /// The keys of all records, rising.
    pub fn keys(&self) -> Result<Vec<u8>, ServiceRefusal> {
        let own = |record: Record| {
            record
                .as_service()
                .filter(|(service, _)| *service == self.service)
        };
        Ok(self
            .store
            .records()?
            .into_iter()
            .filter_map(own)
            .map(|(_, key)| key)
            .collect())
    }
}

/// SELECT service, under secure messaging: the identifier whole, no prefixes.
pub(crate) fn select(card: &Card, session: &mut Session, data: &[u8]) -> Reply {
    let selected = card
        .services
        .iter()
        .position(|service| service.identifier().0 == data);
    session.service = Some(selected.ok_or(Refusal::NotFound)?);
    Ok(Vec::new())
}

/// A command of the service class goes to the service selected in this session.
pub(crate) fn route(
    card: &Card,
    world: &mut World<'_>,
    session: &Session,
    header: Header,
    data: &[u8],
) -> Reply {
    let index = session.service.ok_or(Refusal::NotNow)?;
    let service = card.services.get(index).ok_or(Refusal::NotNow)?;
    let mut records = ServiceRecords {
        store: world.store,
        service: u8::try_from(index).map_err(|_| Refusal::NotNow)?,
        quota: service.quota(),
    };
    Ok(service.handle(
        ServiceCommand { header, data },
        &mut records,
        session.pin_verified,
    )?)
}
