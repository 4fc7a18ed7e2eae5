//! Backup and restoration: a restored authority never gives a name or a number again that its lost lines may have given.
//!
//! A backup is a ledger that ends earlier. Restoring it writes `restored`, and by as many numbers as lines may be lost, every
//! prefix, the status list and the tree leap (`docs/ledger.md` §10). The key is not in a backup; it is kept apart.
//!
//! A database that somebody put back by hand cannot be told from one that nothing happened to. A head that was kept elsewhere shows it.

use crate::authority::Authority;
use crate::client_change;
use crate::clock::Waits;
use crate::custody::{Custody, create_private, create_private_copy};
use crate::error::AuthorityError;
use crate::folder::{ROOT_FILE, STORE_FILE, in_workshop, refuse_taken};
use crate::leap::MAX_LEAP;
use crate::ledger::{ClientChange, Event};
use crate::moment::Moment;
use crate::roots::Root;
use crate::store::{Needs, Store, copy, sqlite};
use crate::tree::SignedTreeHead;
use apdu::certificate::Name;
use apdu::crypto::Entropy;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;
use zeroize::Zeroizing;

/// The leap when nobody knows how many lines are lost. It is enough when fewer than 10,000 lines were written since the backup, for
/// each gives at most one number; and it leaves room for nine such accidents under each prefix.
pub const DEFAULT_LEAP: u32 = 10_000;

const TLS_CA: &str = "tls-ca.pem";

/// The backup cannot be restored like this. Nothing was made.
#[derive(Debug, thiserror::Error)]
pub enum RestoreRefused {
    /// Not signed by this authority.
    #[error("the head is not signed by this authority, or was changed since; use one that was")]
    Forged,
    /// Signed under a root that the backup has not.
    #[error(
        "the head is {0}'s, and the backup knows no such root: the authority rolled over after it, or the head is another's; do not \
         use an older head in its place, use a later backup, or say with --leap how many lines at most are lost"
    )]
    OtherRoot(Name),
    /// It says nothing about what was lost.
    #[error(
        "the head is over {head} lines and the backup has {backup}: it says nothing about what came later; \
         use the newest receipt or head that anyone has kept, or none"
    )]
    Older {
        /// Lines of the head.
        head: u64,
        /// Lines of the backup.
        backup: u64,
    },
    /// Same size, another tree.
    #[error(
        "the backup is not of the ledger that this head was signed over; keep both: they are the evidence"
    )]
    OtherLedger,
    /// More than a leap can pass.
    #[error("{0} lines are lost, and no prefix has so many serial numbers; found a new authority")]
    TooMany(u64),
    /// The leap would not pass what is lost.
    #[error(
        "{lost} lines are lost, and a leap of {leap} does not pass them; leave --leap out, or take more"
    )]
    TooShort {
        /// What is lost.
        lost: u32,
        /// What was asked for.
        leap: u32,
    },
    /// The default leap ends a prefix.
    #[error(
        "the prefix {prefix} is at {highest}, and a leap of {leap} uses it up: give the newest receipt or head (--newest), or \
         choose with --leap how many lines at most are lost; a prefix that is used up gives no more names"
    )]
    UsedUp {
        /// The prefix.
        prefix: String,
        /// Its highest serial number.
        highest: u32,
        /// The leap.
        leap: u32,
    },
}

/// What to restore, and what is known about what was lost.
pub struct Backup<'a> {
    /// The file that [`backup`] made.
    pub file: &'a Path,
    /// The folder with the key's file, or the name of its token, and the TLS CA.
    pub kept: &'a Path,
    /// The newest head that anybody has, alone or in a receipt. It is verified here.
    pub newest: Option<SignedTreeHead>,
    /// How far to leap, at most 99,999; as far as `newest` says, or [`DEFAULT_LEAP`], if `None`.
    pub leap: Option<u32>,
}

/// What was restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restored {
    /// Lines of the backup.
    pub size: u64,
    /// By how much every number leapt.
    pub leap: u32,
    /// Lines that are known to be lost, if a head said so.
    pub lost: Option<u32>,
}

/// Copies ledger, records and clients of an authority to a new private SQLite file, whole or not at all. Its service may go on; what it
/// writes meanwhile is not in the backup. Gives the number of lines.
///
/// # Errors
/// [`AuthorityError::Taken`] when there is a file already; what store and file system say.
pub fn backup(from: &mut dyn Store, file: &Path) -> Result<u64, AuthorityError> {
    if fs::symlink_metadata(file).is_ok() {
        return Err(AuthorityError::Taken(file.into()));
    }
    let beside = file.with_extension("unfinished");
    let made = sqlite::create(&beside, Duration::ZERO)
        .map_err(Into::into)
        .and_then(|mut to| copy(from, to.as_mut()))
        .and_then(|lines| {
            fs::rename(&beside, file).map_err(|source| failed(file, source))?;
            Ok(lines)
        });
    if made.is_err() {
        let _ = fs::remove_file(&beside); // nobody uses what is not finished
    }
    made
}

impl Authority {
    /// Makes the authority of a backup in `folder`, which must be new or empty: all of it or nothing. `secret` gives
    /// what opens the key of the root that it is asked for.
    ///
    /// # Errors
    /// [`AuthorityError::Taken`]; [`RestoreRefused`]; otherwise the key, the backup's damage, files and clock.
    pub fn restore(
        folder: &Path,
        from: &Backup<'_>,
        secret: impl FnOnce(&Root) -> Result<Zeroizing<Vec<u8>>, AuthorityError>,
        entropy: &mut dyn Entropy,
        now: Moment,
    ) -> Result<Restored, AuthorityError> {
        refuse_taken(folder)?;
        in_workshop(folder, entropy, |workshop, _| {
            rebuild(workshop, from, secret, now)
        })
    }

    /// Ends the backup, and leaps over what may be lost.
    fn leap(
        &mut self,
        leap: u32,
        key: &mut dyn crate::custody::Signer,
        now: Moment,
    ) -> Result<(), AuthorityError> {
        let mut needs = Needs::default();
        needs.prefixes.extend(self.roots.prefixes());
        self.step(&needs, Some(key), (now, Waits::Never), |book, _, now| {
            let size = book.lines();
            let time = now.unix_seconds();
            book.record(time, None, Event::Restored { size, leap })?;
            for _ in 0..leap {
                book.record(time, None, Event::Void {})?;
            }
            Ok(())
        })
    }
}

impl Authority {
    /// A client whose certificate nobody can verify any more must not keep its name.
    fn revoke_clients(
        &mut self,
        key: &mut dyn crate::custody::Signer,
        now: Moment,
    ) -> Result<(), AuthorityError> {
        let needs = Needs {
            roll: true,
            ..Needs::default()
        };
        self.step(&needs, Some(key), (now, Waits::Never), |book, _, now| {
            let now = now.unix_seconds();
            let clients = book.roster.clients.values();
            let active = clients.filter(|client| client.revoked.is_none());
            let names: Vec<String> = active.map(|client| client.name.clone()).collect();
            for name in names {
                client_change::change(book, &ClientChange::Revoked { name }, None, now)?;
            }
            Ok(())
        })
    }
}

fn rebuild(
    folder: &Path,
    from: &Backup<'_>,
    secret: impl FnOnce(&Root) -> Result<Zeroizing<Vec<u8>>, AuthorityError>,
    now: Moment,
) -> Result<Restored, AuthorityError> {
    for entry in fs::read_dir(from.kept).map_err(|source| failed(from.kept, source))? {
        let kept = entry.map_err(|source| failed(from.kept, source))?.path();
        if let Some(name) = kept.file_name().and_then(|name| name.to_str())
            && is_kept_apart(name)
        {
            create_private_copy(&kept, &folder.join(name))
                .map_err(|source| failed(&kept, source))?;
        }
    }
    // A copy of it, for opening a store may change its file.
    let given = folder.join("backup.db");
    create_private_copy(from.file, &given).map_err(|source| failed(from.file, source))?;
    // Of a store that was not closed the newest lines stand beside it.
    let log = beside(from.file, "-wal");
    match create_private_copy(&log, &beside(&given, "-wal")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        copied => copied.map_err(|source| failed(&log, source))?,
    }
    let mut old = sqlite::open(&given, Duration::ZERO)?;
    let mut new = sqlite::create(&folder.join(STORE_FILE), Duration::ZERO)?;
    let size = copy(old.as_mut(), new.as_mut())?;
    drop(old);
    let orphaned = !folder.join(TLS_CA).exists();
    if orphaned {
        new.forget_tls_ca()?; // the service makes a new one, and its clients are enrolled again
    }
    for name in ["backup.db", "backup.db-wal", "backup.db-shm"] {
        match fs::remove_file(folder.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed(&folder.join(name), error));
            }
            _ => {}
        }
    }
    let mut authority = Authority::new(new)?;
    let path = folder.join(ROOT_FILE);
    create_private(&path)
        .and_then(|mut file| {
            let first = authority.roots().at(1);
            let first = first.map(|root| root.certificate.encoded());
            file.write_all(first.unwrap_or_default())?;
            file.sync_all()
        })
        .map_err(|source| failed(&path, source))?;
    let newest = authority.roots().newest();
    if let Custody::File(path) = Custody::of_root(from.kept, newest)? {
        fs::metadata(&path).map_err(|source| failed(&path, source))?; // missed where it was to be kept, not in the copy
    }
    let mut key = authority.unlock(folder, &secret(newest)?)?;
    let lost = match &from.newest {
        Some(newest) => Some(lost(&mut authority, newest, size)?),
        None => None,
    };
    let leap = length(&mut authority, lost, from.leap)?;
    authority.leap(leap, key.as_mut(), now)?;
    if orphaned {
        authority.revoke_clients(key.as_mut(), now)?;
    }
    authority
        .audit()
        .map_err(|finding| AuthorityError::Backup(from.file.into(), Box::new(finding)))?;
    Ok(Restored { size, leap, lost })
}

/// Whether a file of an authority's folder is not in a backup: the keys of its roots or where they are, and the TLS CA of the service.
fn is_kept_apart(name: &str) -> bool {
    let key = matches!(name, "key.pem" | "key.uri")
        || name.starts_with("key-") && (name.ends_with(".pem") || name.ends_with(".uri"));
    key || matches!(name, TLS_CA | "tls-ca.key")
}

/// The file beside another one, whose name goes on so.
fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// How many lines came after the backup, by a head that somebody kept.
fn lost(
    authority: &mut Authority,
    newest: &SignedTreeHead,
    backup: u64,
) -> Result<u32, AuthorityError> {
    let head = newest.head;
    let Some(root) = authority.roots().named(&head.issuer) else {
        return Err(RestoreRefused::OtherRoot(head.issuer).into());
    };
    if newest.verify(&root.certificate.claims().key).is_err() {
        return Err(RestoreRefused::Forged.into());
    }
    if head.size == 0 || head.size <= backup && authority.root_at(head.size)? != head.root {
        return Err(RestoreRefused::OtherLedger.into());
    }
    let head = head.size;
    let lost = head
        .checked_sub(backup)
        .ok_or(RestoreRefused::Older { head, backup })?;
    u32::try_from(lost)
        .ok()
        .filter(|lost| *lost <= MAX_LEAP)
        .ok_or(RestoreRefused::TooMany(lost).into())
}

/// How far to leap.
fn length(
    authority: &mut Authority,
    lost: Option<u32>,
    asked: Option<u32>,
) -> Result<u32, AuthorityError> {
    if let (Some(lost), Some(leap)) = (lost, asked)
        && leap < lost
    {
        return Err(RestoreRefused::TooShort { lost, leap }.into());
    }
    if let Some(leap) = asked.or(lost) {
        return Ok(leap);
    }
    let leap = DEFAULT_LEAP;
    match authority.store.highest()? {
        Some((prefix, highest)) if highest.saturating_add(leap) >= MAX_LEAP => {
            Err(RestoreRefused::UsedUp {
                prefix,
                highest,
                leap,
            }
            .into())
        }
        _ => Ok(leap),
    }
}

fn failed(path: &Path, source: io::Error) -> AuthorityError {
    let path = PathBuf::from(path);
    AuthorityError::File { path, source }
}
