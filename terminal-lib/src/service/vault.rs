//! The vault of named data objects (§14.2).

use crate::exchange::Expects;
use crate::session::{Session, SessionError};
use apdu::crypto::SecretBytes;
use apdu::identifier::{Aid, VAULT_OBJECT_BYTES, header};
use apdu::message::vault::{Entry, ObjectName, Policy, Write, encode_name};

/// A client of the card's vault. It remembers what was listed last.
#[derive(Debug, Clone, Default)]
pub struct Vault {
    listed: Vec<Entry>,
}

impl Vault {
    /// A client that has listed nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The objects as they were listed last.
    pub fn listed(&self) -> &[Entry] {
        &self.listed
    }

    /// Lists the objects. The PIN must be verified if any of them needs it to be read.
    pub fn list(&mut self, session: &mut Session<'_>) -> Result<&[Entry], SessionError> {
        let command = "the vault's list";
        let data =
            session.command_of(Aid::VAULT, command, header::VAULT_LIST, &[], Expects::Long)?;
        self.listed = Entry::decode_all(&data).map_err(|_| SessionError::Malformed { command })?;
        Ok(&self.listed)
    }

    /// The content of one object.
    pub fn read(
        &mut self,
        session: &mut Session<'_>,
        name: &ObjectName,
    ) -> Result<SecretBytes, SessionError> {
        let data = encode_name(name);
        let command = "an object of the vault";
        session.command_of(
            Aid::VAULT,
            command,
            header::VAULT_READ,
            &data,
            Expects::Long,
        )
    }

    /// Writes an object whole: the old content or the new is there, never a mix.
    pub fn write(
        &mut self,
        session: &mut Session<'_>,
        name: &ObjectName,
        policy: Policy,
        content: &[u8],
    ) -> Result<(), SessionError> {
        if content.len() > VAULT_OBJECT_BYTES {
            let length = content.len();
            return Err(SessionError::TooLong { length });
        }
        let write = Write {
            name: name.clone(),
            policy,
            content: SecretBytes::new(content.to_vec()),
        };
        session.command_of(
            Aid::VAULT,
            "the new object for the vault",
            header::VAULT_WRITE,
            &write.encode(),
            Expects::Nothing,
        )?;
        Ok(())
    }

    /// Deletes an object.
    pub fn delete(
        &mut self,
        session: &mut Session<'_>,
        name: &ObjectName,
    ) -> Result<(), SessionError> {
        session.command_of(
            Aid::VAULT,
            "the deletion of an object",
            header::VAULT_DELETE,
            &encode_name(name),
            Expects::Nothing,
        )?;
        self.listed.retain(|entry| entry.name != *name);
        Ok(())
    }
}
