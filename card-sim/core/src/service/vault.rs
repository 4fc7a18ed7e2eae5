//! The vault (§14.2): named data objects with a PIN policy each.
//!
//! One record per object, so that a write is atomic whatever its size.

use super::{Service, ServiceCommand, ServiceRecords, ServiceRefusal};
use crate::store::Value;
use alloc::vec::Vec;
use apdu::codec::command::Header;
use apdu::codec::tlv::TlvError;
use apdu::identifier::{Aid, VAULT_BYTES, VAULT_OBJECTS, header};
use apdu::message::vault::{Entry, ObjectName, Write, decode_name};

pub(super) struct Vault;

impl From<TlvError> for ServiceRefusal {
    fn from(_: TlvError) -> Self {
        Self::Data
    }
}

impl Service for Vault {
    fn identifier(&self) -> Aid {
        Aid::VAULT
    }

    fn quota(&self) -> usize {
        // Each record is the object's WRITE data: three object headers of at most 4 bytes, the name, the policy byte, the content.
        VAULT_BYTES + VAULT_OBJECTS * 13
    }

    fn handle(
        &self,
        command: ServiceCommand<'_>,
        records: &mut ServiceRecords<'_>,
        pin_verified: bool,
    ) -> Result<Vec<u8>, ServiceRefusal> {
        let access = Access { pin_verified };
        match command.header {
            header::VAULT_LIST if command.data.is_empty() => access.list(records),
            header::VAULT_LIST => Err(ServiceRefusal::Data),
            header::VAULT_READ => access.read(records, &decode_name(command.data)?),
            header::VAULT_WRITE => access.write(records, command.data),
            header::VAULT_DELETE => access.delete(records, &decode_name(command.data)?),
            other if COMMANDS.iter().any(|known| known.ins == other.ins) => {
                Err(ServiceRefusal::Parameters)
            }
            _ => Err(ServiceRefusal::Instruction),
        }
    }
}

const COMMANDS: [Header; 4] = [
    header::VAULT_LIST,
    header::VAULT_READ,
    header::VAULT_WRITE,
    header::VAULT_DELETE,
];

/// One stored object and its record's key.
struct Stored {
    key: u8,
    object: Write,
}

/// What the session may do.
struct Access {
    pin_verified: bool,
}

impl Access {
    fn list(&self, records: &ServiceRecords<'_>) -> Result<Vec<u8>, ServiceRefusal> {
        let objects = stored(records)?;
        self.may_see_names(&objects)?;
        let mut entries: Vec<Entry> = Vec::with_capacity(objects.len());
        for Stored { object, .. } in objects {
            entries.push(Entry {
                size: u32::try_from(object.content.len()).map_err(|_| ServiceRefusal::Storage)?,
                name: object.name,
                policy: object.policy,
            });
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Entry::encode_all(&entries))
    }

    fn read(
        &self,
        records: &ServiceRecords<'_>,
        name: &ObjectName,
    ) -> Result<Vec<u8>, ServiceRefusal> {
        let object = self.find(records, name)?.object;
        self.allow(!object.policy.pin_to_read)?;
        Ok(object.content.to_vec())
    }

    fn write(
        &self,
        records: &mut ServiceRecords<'_>,
        data: &[u8],
    ) -> Result<Vec<u8>, ServiceRefusal> {
        let new = Write::decode(data)?;
        let objects = stored(records)?;
        let existing = objects.iter().find(|stored| stored.object.name == new.name);
        // The policy in force decides; for a new object, the one it is to have.
        let policy = existing.map_or(new.policy, |stored| stored.object.policy);
        self.allow(!policy.pin_to_write)?;
        let key = match existing {
            Some(stored) => stored.key,
            None => free_key(&objects).ok_or(ServiceRefusal::Full)?,
        };
        let content =
            |stored: &Stored| stored.object.name.as_str().len() + stored.object.content.len();
        let others: usize = objects
            .iter()
            .filter(|stored| stored.key != key)
            .map(content)
            .sum();
        if others + new.name.as_str().len() + new.content.len() > VAULT_BYTES {
            return Err(ServiceRefusal::Full);
        }
        records.write(key, data)?;
        Ok(Vec::new())
    }

    fn delete(
        &self,
        records: &mut ServiceRecords<'_>,
        name: &ObjectName,
    ) -> Result<Vec<u8>, ServiceRefusal> {
        let found = self.find(records, name)?;
        self.allow(!found.object.policy.pin_to_write)?;
        records.erase(found.key)?;
        Ok(Vec::new())
    }

    /// Whether a name exists is as secret as the list of names.
    fn find(
        &self,
        records: &ServiceRecords<'_>,
        name: &ObjectName,
    ) -> Result<Stored, ServiceRefusal> {
        let objects = stored(records)?;
        let hidden = self.may_see_names(&objects);
        match objects
            .into_iter()
            .find(|stored| stored.object.name == *name)
        {
            Some(found) => Ok(found),
            None => hidden.and(Err(ServiceRefusal::NotFound)),
        }
    }

    fn may_see_names(&self, objects: &[Stored]) -> Result<(), ServiceRefusal> {
        self.allow(
            objects
                .iter()
                .all(|stored| !stored.object.policy.pin_to_read),
        )
    }

    fn allow(&self, without_pin: bool) -> Result<(), ServiceRefusal> {
        if without_pin || self.pin_verified {
            Ok(())
        } else {
            Err(ServiceRefusal::PinNeeded)
        }
    }
}

fn stored(records: &ServiceRecords<'_>) -> Result<Vec<Stored>, ServiceRefusal> {
    let mut objects = Vec::new();
    for key in records.keys()? {
        let record: Value = records.read(key)?.ok_or(ServiceRefusal::Storage)?;
        let object = Write::decode(&record).map_err(|_| ServiceRefusal::Storage)?;
        objects.push(Stored { key, object });
    }
    Ok(objects)
}

fn free_key(objects: &[Stored]) -> Option<u8> {
    let limit = u8::try_from(VAULT_OBJECTS).ok()?;
    (0..limit).find(|key| objects.iter().all(|stored| stored.key != *key))
}
