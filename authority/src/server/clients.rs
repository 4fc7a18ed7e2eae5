//! The register of clients: who may connect as what, and who is invited. One file, `clients.json`, exchanged as a whole.
//!
//! A client is known by the SHA-256 of its certificate, so a revocation works at its next request. Codes stand here only as
//! hashes. The command `authority enrol` and a running service change the same file: each change holds the lock beside it, reads,
//! changes and renames, and is durable when it returns.

use crate::custody::create_private;
use crate::ledger::text::{from_hex, to_hex};
use apdu::crypto::equal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// How long a code enrols, in seconds: a day.
pub const CODE_LIFETIME: u64 = 86_400;
/// Most clients, with those that were revoked, and most open invitations.
const MAX_ROWS: usize = 10_000;
const MAX_FILE: u64 = 16 << 20;
const FILE: &str = "clients.json";

/// What a client may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ClientRole {
    /// Orders and requests certificates.
    Station,
    /// Approves, revokes, publishes, enrols.
    Operator,
}

/// A client, as the register knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Client {
    /// 1 to 32 letters, digits, `-` or `_`; one client at a time has it.
    pub name: String,
    /// What it may do.
    pub role: ClientRole,
    /// SHA-256 of its certificate, DER, in small hexadecimal digits.
    pub fingerprint: String,
    /// When it was enrolled, Unix seconds.
    pub added: u64,
    /// When it was revoked, Unix seconds.
    pub revoked: Option<u64>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Invitation {
    name: String,
    role: ClientRole,
    /// SHA-256, in hexadecimal digits.
    code: String,
    expires: u64,
}

#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rows {
    clients: Vec<Client>,
    invitations: Vec<Invitation>,
}

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
    #[error("the register of clients is full; clear out revoked clients")]
    Full,
    /// The file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

/// The open register.
pub struct Register {
    folder: PathBuf,
    /// The file as last read, and what it says.
    seen: Mutex<(Vec<u8>, Arc<Rows>)>,
}

impl Register {
    /// Opens the register in `folder`; without a file it is empty.
    ///
    /// # Errors
    /// When there is a file that cannot be read.
    pub fn open(folder: &Path) -> Result<Self, RegisterError> {
        let register = Self {
            folder: folder.into(),
            seen: Mutex::default(),
        };
        register.rows()?;
        Ok(register)
    }

    /// The client whose certificate has this SHA-256, revoked or not.
    ///
    /// # Errors
    /// [`RegisterError::File`].
    pub fn find(&self, fingerprint: &[u8; 32]) -> Result<Option<Client>, RegisterError> {
        let wanted = to_hex(fingerprint);
        let rows = self.rows()?;
        let found = rows.clients.iter().find(|row| row.fingerprint == wanted);
        Ok(found.cloned())
    }

    /// All clients, in the order in which they were enrolled.
    ///
    /// # Errors
    /// [`RegisterError::File`].
    pub fn clients(&self) -> Result<Vec<Client>, RegisterError> {
        Ok(self.rows()?.clients.clone())
    }

    /// Open invitations.
    ///
    /// # Errors
    /// [`RegisterError::File`].
    pub fn invited(&self, now: u64) -> Result<Vec<Invited>, RegisterError> {
        let rows = self.rows()?;
        let open = rows.invitations.iter().filter(|row| now <= row.expires);
        Ok(open
            .map(|row| Invited {
                name: row.name.clone(),
                role: row.role,
                expires: row.expires,
            })
            .collect())
    }

    /// Takes in an invitation whose code has this hash. Gives the last second at which it enrols, Unix time.
    ///
    /// # Errors
    /// [`RegisterError::Name`], [`RegisterError::Taken`], [`RegisterError::Full`], [`RegisterError::File`].
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
        self.change(|rows| {
            rows.invitations.retain(|row| now <= row.expires);
            let invited = rows.invitations.iter().any(|row| row.name == name);
            if invited || rows.active(name).is_some() {
                return Err(RegisterError::Taken(name.into()));
            }
            if rows.invitations.len() >= MAX_ROWS || rows.clients.len() >= MAX_ROWS {
                return Err(RegisterError::Full);
            }
            rows.invitations.push(Invitation {
                name: name.into(),
                role,
                code: to_hex(code),
                expires,
            });
            Ok(expires)
        })
    }

    /// Uses up the invitation whose code has this hash. `certify` makes the certificate for the name and role, and its SHA-256.
    ///
    /// # Errors
    /// [`RegisterError::NoInvitation`], what `certify` says, [`RegisterError::File`]. On an error the invitation is as before.
    pub fn enrol<T, E: From<RegisterError>>(
        &self,
        code: &[u8; 32],
        now: u64,
        certify: impl FnOnce(&str, ClientRole) -> Result<([u8; 32], T), E>,
    ) -> Result<(Client, T), E> {
        self.change(|rows| {
            // Every row is looked at, in time that does not depend on the code.
            let mut place = None;
            for (at, row) in rows.invitations.iter().enumerate() {
                let stored = from_hex(&row.code).unwrap_or_default();
                if equal(&stored, code) && now <= row.expires {
                    place = Some(at);
                }
            }
            let place = place.ok_or(RegisterError::NoInvitation)?;
            let invitation = rows.invitations.swap_remove(place);
            let (fingerprint, made) = certify(&invitation.name, invitation.role)?;
            let client = Client {
                name: invitation.name,
                role: invitation.role,
                fingerprint: to_hex(&fingerprint),
                added: now,
                revoked: None,
            };
            rows.clients.push(client.clone());
            Ok((client, made))
        })
    }

    /// Revokes the client of this name, or takes back its invitation.
    ///
    /// # Errors
    /// [`RegisterError::Unknown`], [`RegisterError::File`].
    pub fn revoke(&self, name: &str, now: u64) -> Result<(), RegisterError> {
        self.change(|rows| {
            let before = rows.invitations.len();
            rows.invitations.retain(|row| row.name != name);
            let invited = rows.invitations.len() < before;
            match rows.active(name) {
                Some(client) => client.revoked = Some(now),
                None if invited => {}
                None => return Err(RegisterError::Unknown),
            }
            Ok(())
        })
    }

    fn change<T, E: From<RegisterError>>(
        &self,
        change: impl FnOnce(&mut Rows) -> Result<T, E>,
    ) -> Result<T, E> {
        let path = self.folder.join("clients.lock");
        let _lock = locked(&path).map_err(|source| RegisterError::File { path, source })?;
        let mut rows = Rows::clone(&*self.rows()?);
        let result = change(&mut rows)?;
        self.write(&rows)?;
        Ok(result)
    }

    fn rows(&self) -> Result<Arc<Rows>, RegisterError> {
        let path = self.folder.join(FILE);
        let failed = |source| RegisterError::File {
            path: path.clone(),
            source,
        };
        let mut bytes = Vec::new();
        match File::open(&path) {
            Ok(file) => file.take(MAX_FILE).read_to_end(&mut bytes).map(drop),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
        .map_err(failed)?;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.0 != bytes {
            let rows = match bytes.as_slice() {
                [] => Rows::default(),
                bytes => serde_json::from_slice(bytes).map_err(|error| failed(error.into()))?,
            };
            *seen = (bytes, Arc::new(rows));
        }
        Ok(Arc::clone(&seen.1))
    }

    fn write(&self, rows: &Rows) -> Result<(), RegisterError> {
        let path = self.folder.join(FILE);
        exchange(&path, |file| {
            serde_json::to_writer_pretty(&mut *file, rows)?;
            file.write_all(b"\n")
        })
        .map_err(|source| RegisterError::File { path, source })
    }
}

impl Rows {
    fn active(&mut self, name: &str) -> Option<&mut Client> {
        let mut rows = self.clients.iter_mut();
        rows.find(|row| row.name == name && row.revoked.is_none())
    }
}

/// Holds the lock at `path` for as long as the file lives; waits for it.
pub(super) fn locked(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(path)?;
    file.lock()?;
    Ok(file)
}

/// Puts a new private file in the place of `path`, whole and durable, or leaves the old one.
pub(super) fn exchange(
    path: &Path,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> io::Result<()> {
    let beside = path.with_extension("new");
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {} // what an interrupted change left behind
    }
    let mut file = create_private(&beside)?;
    write(&mut file)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all())
}
