//! The register of clients: who may connect as what, and who is invited. It lives in the authority's store, so what one instance
//! enrols or revokes counts at all of them at once.
//!
//! A client is known by the SHA-256 of its certificate, so a revocation works at its next request. Codes stand there only as
//! hashes, and a code enrols once at all instances together: each change holds the store's write lock, and is durable when it returns.

pub use crate::client::{Client, ClientRole};

use super::pool::Pool;
use crate::client::{Invitation, Roll, RollEdit};
use crate::ledger::text::{from_hex, to_hex};
use crate::store::{Store, StoreError};
use apdu::crypto::equal;
use schemars::JsonSchema;
use serde::Serialize;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How long a code enrols, in seconds: a day.
pub const CODE_LIFETIME: u64 = 86_400;
/// Most clients, with those that were revoked, and most open invitations.
const MAX_ROWS: usize = 10_000;
const MAX_FILE: u64 = 16 << 20;
/// Where earlier versions kept the register, and what the file is called once it was taken over.
const FILE: &str = "clients.json";
const TAKEN: &str = "clients.json.taken";

/// An open invitation, without its code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Invited {
    /// The client's name to be.
    pub name: String,
    /// Its role to be.
    pub role: ClientRole,
    /// Last second at which its code enrols, Unix time.
    pub expires: u64,
}

/// The register did not do it.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// No such name.
    #[error("a client's name is 1 to 32 letters, digits, `-` or `_`")]
    Name,
    /// There is one.
    #[error("{0} is enrolled or invited already; take another name, or revoke it first")]
    Taken(String),
    /// Wrong, used or expired: these look the same from outside.
    #[error("no open invitation has this code: it is wrong, was used, or has expired")]
    NoInvitation,
    /// Nobody active has this name.
    #[error("no client of this name is enrolled or invited")]
    Unknown,
    /// 10,000 rows.
    #[error("the register of clients is full")]
    Full,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file of an earlier version cannot be read.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

/// The open register: a way of its own to the authority's store for changes, and others for reading, so that nobody who is asked for
/// waits for a change.
pub struct Register {
    store: Mutex<Box<dyn Store>>,
    readers: Option<Pool<Box<dyn Store>>>,
}

impl Register {
    /// The register in an authority's store.
    pub fn new(store: Box<dyn Store>) -> Self {
        Self {
            store: Mutex::new(store),
            readers: None,
        }
    }

    /// The same, which reads by other openings of the same store.
    pub fn with_readers(self, readers: Vec<Box<dyn Store>>) -> Self {
        let readers = Some(Pool::new(readers));
        Self { readers, ..self }
    }

    fn read<T>(
        &self,
        read: impl FnOnce(&mut dyn Store) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        match &self.readers {
            Some(readers) => read(readers.borrow().as_mut()),
            None => read(self.store().as_mut()),
        }
    }

    /// The client whose certificate has this SHA-256, revoked or not.
    ///
    /// # Errors
    /// [`RegisterError::Store`].
    pub fn find(&self, fingerprint: &[u8; 32]) -> Result<Option<Client>, RegisterError> {
        Ok(self.read(|store| store.client(&to_hex(fingerprint)))?)
    }

    /// All clients, in the order in which they were enrolled.
    ///
    /// # Errors
    /// [`RegisterError::Store`].
    pub fn clients(&self) -> Result<Vec<Client>, RegisterError> {
        Ok(self.read(|store| store.roll())?.clients)
    }

    /// Open invitations.
    ///
    /// # Errors
    /// [`RegisterError::Store`].
    pub fn invited(&self, now: u64) -> Result<Vec<Invited>, RegisterError> {
        let all = self.read(|store| store.roll())?.invitations.into_iter();
        let open = all.filter(|row| now <= row.expires);
        Ok(open
            .map(|row| Invited {
                name: row.name,
                role: row.role,
                expires: row.expires,
            })
            .collect())
    }

    /// Takes in an invitation whose code has this hash. Gives the last second at which it enrols, Unix time.
    ///
    /// # Errors
    /// [`RegisterError::Name`], [`RegisterError::Taken`], [`RegisterError::Full`], [`RegisterError::Store`].
    pub fn invite(
        &self,
        name: &str,
        role: ClientRole,
        code: &[u8; 32],
        now: u64,
    ) -> Result<u64, RegisterError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if !(1..=32).contains(&name.len()) || !name.bytes().all(plain) {
            return Err(RegisterError::Name);
        }
        let expires = now.saturating_add(CODE_LIFETIME);
        self.change(|roll, edits| {
            let (open, old): (Vec<_>, Vec<_>) = roll
                .invitations
                .iter()
                .partition(|invitation| now <= invitation.expires);
            let invited = open.iter().any(|invitation| invitation.name == name);
            if invited || roll.active(name).is_some() {
                return Err(RegisterError::Taken(name.into()));
            }
            if open.len() >= MAX_ROWS || roll.clients.len() >= MAX_ROWS {
                return Err(RegisterError::Full);
            }
            edits.extend(old.iter().map(|row| RollEdit::Close(row.name.clone())));
            edits.push(RollEdit::Invite(Invitation {
                name: name.into(),
                role,
                code: to_hex(code),
                expires,
            }));
            Ok(expires)
        })
    }

    /// Uses up the invitation whose code has this hash. `certify` makes the certificate for the name and role, and its SHA-256.
    ///
    /// # Errors
    /// [`RegisterError::NoInvitation`], what `certify` says, [`RegisterError::Store`]. On an error the invitation is as before; but
    /// if the store failed at its last moment, the code may be used up.
    pub fn enrol<T, E: From<RegisterError>>(
        &self,
        code: &[u8; 32],
        now: u64,
        certify: impl FnOnce(&str, ClientRole) -> Result<([u8; 32], T), E>,
    ) -> Result<(Client, T), E> {
        // A wrong code is told without the write lock, and without the roll: guesses keep nobody from writing. What is looked up is the
        // hash, so the time that it takes says nothing about a code.
        let hash = to_hex(code);
        let open = self.read(|store| store.invitation(&hash));
        let open = open.map_err(RegisterError::from)?;
        if open.is_none_or(|invitation| invitation.expires < now) {
            return Err(RegisterError::NoInvitation.into());
        }
        self.change(|roll, edits| {
            // Every row is looked at, in time that does not depend on the code.
            let mut found = None;
            for invitation in &roll.invitations {
                let stored = from_hex(&invitation.code).unwrap_or_default();
                if equal(&stored, code) && now <= invitation.expires {
                    found = Some(invitation);
                }
            }
            let invitation = found.ok_or(RegisterError::NoInvitation)?;
            let (fingerprint, made) = certify(&invitation.name, invitation.role)?;
            let client = Client {
                name: invitation.name.clone(),
                role: invitation.role,
                fingerprint: to_hex(&fingerprint),
                added: now,
                revoked: None,
            };
            edits.push(RollEdit::Close(client.name.clone()));
            edits.push(RollEdit::Enrol(client.clone()));
            Ok((client, made))
        })
    }

    /// Revokes the client of this name, or takes back its invitation.
    ///
    /// # Errors
    /// [`RegisterError::Unknown`], [`RegisterError::Store`].
    pub fn revoke(&self, name: &str, now: u64) -> Result<(), RegisterError> {
        self.change(|roll, edits| {
            if roll.invitations.iter().any(|row| row.name == name) {
                edits.push(RollEdit::Close(name.into()));
            }
            if roll.active(name).is_some() {
                let name = name.into();
                edits.push(RollEdit::Revoke { name, at: now });
            }
            match edits.is_empty() {
                true => Err(RegisterError::Unknown),
                false => Ok(()),
            }
        })
    }

    /// Takes over the register that an earlier version left in `folder`, once: the file has another name afterwards. Who is in the
    /// store already stays as it is there. Gives how many clients and invitations came in.
    ///
    /// # Errors
    /// [`RegisterError::File`] when there is a file that cannot be read or renamed; [`RegisterError::Store`].
    pub fn take_over(&self, folder: &Path) -> Result<usize, RegisterError> {
        let path = folder.join(FILE);
        let failed = |source| RegisterError::File {
            path: path.clone(),
            source,
        };
        let mut text = Vec::new();
        match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            Err(error) => Err(error),
            Ok(file) => file.take(MAX_FILE).read_to_end(&mut text),
        }
        .map_err(failed)?;
        let old: Roll = serde_json::from_slice(&text).map_err(|error| failed(error.into()))?;
        let came = self.change(|roll, edits| {
            merge(&old, roll, edits);
            Ok::<_, RegisterError>(edits.len())
        })?;
        fs::rename(&path, folder.join(TAKEN))
            .and_then(|()| File::open(folder)?.sync_all())
            .map_err(failed)?;
        Ok(came)
    }

    fn change<T, E: From<RegisterError>>(
        &self,
        change: impl FnOnce(&Roll, &mut Vec<RollEdit>) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut store = self.store();
        let roll = store.begin_roll().map_err(RegisterError::from)?;
        let mut edits = Vec::new();
        match change(&roll, &mut edits) {
            Ok(done) => {
                store.commit_roll(&edits).map_err(RegisterError::from)?;
                Ok(done)
            }
            Err(error) => {
                store.abandon();
                Err(error)
            }
        }
    }

    fn store(&self) -> MutexGuard<'_, Box<dyn Store>> {
        // A change that panicked is ended by the next one.
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What of an old register is not in the roll. A name that somebody else has now stays theirs, and a used code stays used.
fn merge(old: &Roll, roll: &Roll, edits: &mut Vec<RollEdit>) {
    for client in &old.clients {
        let known = |row: &Client| row.fingerprint == client.fingerprint;
        if roll.clients.iter().any(known) {
            continue;
        }
        if client.revoked.is_none() && roll.active(&client.name).is_some() {
            tracing::warn!(client = client.name, "not taken over: the name is taken");
            continue;
        }
        edits.push(RollEdit::Enrol(client.clone()));
    }
    for invitation in &old.invitations {
        let made = invitation.expires.saturating_sub(CODE_LIFETIME);
        let used = |row: &Client| row.name == invitation.name && row.added >= made;
        let open = |row: &Invitation| row.name == invitation.name || row.code == invitation.code;
        if !roll.clients.iter().any(used) && !roll.invitations.iter().any(open) {
            edits.push(RollEdit::Invite(invitation.clone()));
        }
    }
}
