//! The register of clients: who may connect as what, and who is invited. It lives in the authority's store, so what one instance
//! enrols or revokes counts at all of them at once.
//!
//! A client is known by the SHA-256 of its certificate, so a revocation works at its next request. Codes stand there only as
//! hashes, and a code enrols once at all instances together: each change holds the store's write lock, and is durable when it returns.

pub use crate::client::{Client, ClientRole};

use super::pool::Pool;
pub use crate::roster::CODE_LIFETIME;

use crate::book::Book;
use crate::client::{Invitation, Roll, RollEdit};
use crate::client_change;
use crate::error::AuthorityError;
use crate::ledger::ClientChange;
use crate::ledger::text::to_hex;
use crate::rights::Rights;
use crate::roster::{ClientRefused, Proposal};
use crate::store::{Needs, Store, StoreError};
use schemars::JsonSchema;
use serde::Serialize;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

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
    /// What it may order.
    pub rights: Rights,
    /// The operator who invited it; null on the authority's machine.
    pub invited_by: Option<String>,
    /// Last second at which its code enrols, Unix time.
    pub expires: u64,
}

/// The register did not do it.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// Against the rules of clients.
    #[error(transparent)]
    Client(#[from] ClientRefused),
    /// Too much to do, or a wrong clock: ask again later.
    #[error("{0}")]
    Busy(String),
    /// Against the rules; the words say which.
    #[error("{0}")]
    Refused(String),
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
                rights: row.rights,
                invited_by: row.invited_by,
                expires: row.expires,
            })
            .collect())
    }

    /// Takes in an invitation whose code has this hash, on the authority's own machine, without limits of rights. Gives the last second at
    /// which it enrols, Unix time.
    ///
    /// # Errors
    /// [`ClientRefused::Name`], [`ClientRefused::Taken`], [`ClientRefused::Full`], [`RegisterError::Store`].
    pub fn invite(
        &self,
        name: &str,
        role: ClientRole,
        code: &[u8; 32],
        now: u64,
    ) -> Result<u64, RegisterError> {
        self.invite_with(name, role, Rights::default(), code, now)
    }

    /// The same with rights.
    ///
    /// # Errors
    /// As [`invite`](Self::invite), and [`RegisterError::Refused`] for rights that cannot be.
    pub fn invite_with(
        &self,
        name: &str,
        role: ClientRole,
        rights: Rights,
        code: &[u8; 32],
        now: u64,
    ) -> Result<u64, RegisterError> {
        let expires = now.saturating_add(CODE_LIFETIME);
        let change = ClientChange::Invited {
            name: name.into(),
            role,
            rights,
            code: to_hex(code),
            expires,
        };
        self.change(|book| client_change::change(book, &change, None, now).map(drop))?;
        Ok(expires)
    }

    /// The invitation whose code has this hash, if it is open now. A wrong code is told without the write lock, and without the roll:
    /// guesses keep nobody from writing. What is looked up is the hash, so the time that it takes says nothing about a code.
    ///
    /// # Errors
    /// [`ClientRefused::NoInvitation`], [`RegisterError::Store`].
    pub fn invitation(&self, code: &[u8; 32], now: u64) -> Result<Invitation, RegisterError> {
        let hash = to_hex(code);
        let open = self.read(|store| store.invitation(&hash))?;
        let open = open.filter(|open| now <= open.expires);
        Ok(open.ok_or(ClientRefused::NoInvitation)?)
    }

    /// Uses up the invitation whose code has this hash. `certify` makes the certificate for the name and role, and its SHA-256.
    ///
    /// # Errors
    /// [`ClientRefused::NoInvitation`], what `certify` says, [`RegisterError::Store`]. On an error the invitation is as before; but
    /// if the store failed at its last moment, the code may be used up.
    pub fn enrol<T, E: From<RegisterError>>(
        &self,
        code: &[u8; 32],
        now: u64,
        certify: impl FnOnce(&str, ClientRole) -> Result<([u8; 32], T), E>,
    ) -> Result<(Client, T), E> {
        let open = self.invitation(code, now)?;
        let (fingerprint, made) = certify(&open.name, open.role)?;
        let change = enrolled(&open.name, code, &fingerprint);
        let by = Some(open.name);
        self.change(|book| client_change::change(book, &change, by, now).map(drop))?;
        let client = self.find(&fingerprint)?;
        let client = client.ok_or(RegisterError::from(ClientRefused::Unknown))?;
        Ok((client, made))
    }

    /// Revokes the client of this name, or takes back its invitation, on the authority's own machine.
    ///
    /// # Errors
    /// [`ClientRefused::Unknown`], [`RegisterError::Store`].
    pub fn revoke(&self, name: &str, now: u64) -> Result<(), RegisterError> {
        let change = self.ending(name)?;
        self.change(|book| client_change::change(book, &change, None, now).map(drop))
    }

    /// What ends a client of this name: its revocation, or the withdrawal of its invitation.
    ///
    /// # Errors
    /// [`ClientRefused::Unknown`], [`RegisterError::Store`].
    pub fn ending(&self, name: &str) -> Result<ClientChange, RegisterError> {
        let roll = self.read(|store| store.roll())?;
        let invited = roll.invitations.iter().any(|open| open.name == name);
        let active = roll.active(name).is_some();
        let name = name.into();
        match (active, invited) {
            (true, _) => Ok(ClientChange::Revoked { name }),
            (false, true) => Ok(ClientChange::Withdrawn { name }),
            (false, false) => Err(ClientRefused::Unknown.into()),
        }
    }

    /// Changes that wait for a second operator now, newest first, at most 1,000.
    ///
    /// # Errors
    /// [`RegisterError::Store`].
    pub fn proposals(&self, now: u64) -> Result<Vec<Proposal>, RegisterError> {
        let (mut open, restored) =
            self.read(|store| Ok((store.proposals()?, store.restored()?)))?;
        open.retain(|proposal| now <= proposal.until && proposal.line > restored);
        Ok(open)
    }

    /// Writes a line for each client that no line knows yet.
    ///
    /// # Errors
    /// [`RegisterError::Store`].
    pub fn adopt(&self, now: u64) -> Result<(), RegisterError> {
        self.change(|book| client_change::adopt(book, now))
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
        let mut edits = Vec::new();
        {
            let mut store = self.store();
            merge(&old, &store.begin_roll()?, &mut edits);
            store.commit_roll(&edits)?;
        }
        let came = edits.len();
        fs::rename(&path, folder.join(TAKEN))
            .and_then(|()| File::open(folder)?.sync_all())
            .map_err(failed)?;
        Ok(came)
    }

    /// One change of the ledger. A head over it is signed with the next lines of the service.
    fn change(
        &self,
        work: impl FnOnce(&mut Book) -> Result<(), AuthorityError>,
    ) -> Result<(), RegisterError> {
        let needs = Needs {
            roll: true,
            ..Needs::default()
        };
        let mut store = self.store();
        let mut book = store.begin(&needs)?;
        let done = work(&mut book);
        if done.is_err() || book.lines() == book.size {
            store.abandon();
            return Ok(done?);
        }
        if let Err(error) = store.append(&book) {
            store.abandon();
            return Err(error.into());
        }
        Ok(store.commit(book, None)?)
    }

    fn store(&self) -> MutexGuard<'_, Box<dyn Store>> {
        // A change that panicked is ended by the next one.
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A client has enrolled with the code of this hash.
pub(super) fn enrolled(name: &str, code: &[u8; 32], fingerprint: &[u8; 32]) -> ClientChange {
    ClientChange::Enrolled {
        name: name.into(),
        code: to_hex(code),
        fingerprint: to_hex(fingerprint),
    }
}

impl From<AuthorityError> for RegisterError {
    fn from(error: AuthorityError) -> Self {
        match error {
            AuthorityError::Store(error) => Self::Store(error),
            AuthorityError::Client(refused) => refused.into(),
            other => Self::Refused(other.to_string()),
        }
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
