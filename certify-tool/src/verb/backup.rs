//! A backup of the authority, and the way back from one (`docs/authority.md`, Backup).

use crate::cli::{PassphraseArguments, Style};
use crate::failure::Failure;
use crate::sheet::Sheet;
use crate::{files, place, secret};
use authority::restore::{self, Backup};
use authority::tree::{Receipt, SignedTreeHead};
use authority::{Authority, AuthorityError, Root};
use getrandom::SysRng;
use host::output::note;
use std::path::Path;

/// What a person gave for a restoration.
pub struct Given<'a> {
    pub from: &'a Path,
    pub kept: &'a Path,
    pub newest: Option<&'a Path>,
    pub leap: Option<u32>,
}

/// `certify ca backup`.
pub fn backup(folder: &Path, out: &Path, style: Style) -> Result<(), Failure> {
    let mut store = place::open(folder)?.into_store();
    let lines = restore::backup(store.as_mut(), out)?;
    Sheet::default()
        .text("backup", &out.display())
        .row("lines", lines)
        .print(style)?;
    note(
        "The key is not in it, nor is tls-ca.*: keep the folder's key*.pem or key*.uri, and tls-ca.*, apart from it, and again after every roll-over.",
    );
    Ok(())
}

/// `certify ca restore`.
pub fn restore(
    folder: &Path,
    given: &Given<'_>,
    passphrase: &PassphraseArguments,
    style: Style,
) -> Result<(), Failure> {
    let newest = given.newest.map(head).transpose()?;
    let mut unasked = None;
    let secret = |root: &Root| {
        secret::of_key(given.kept, root, passphrase).map_err(|failure| {
            unasked = Some(failure);
            AuthorityError::KeyNeeded
        })
    };
    let backup = Backup {
        file: given.from,
        kept: given.kept,
        newest,
        leap: given.leap,
    };
    let restored = Authority::restore(folder, &backup, secret, &mut SysRng, place::now()?);
    let restored = restored.map_err(|error| unasked.unwrap_or_else(|| error.into()))?;
    Sheet::default()
        .text("folder", &folder.display())
        .row("lines of the backup", restored.size)
        .row("lines known to be lost", restored.lost)
        .row("leap", restored.leap)
        .print(style)?;
    note(
        "Revoke again whoever was revoked after the backup, holders and clients, and publish a status list. Never start the old authority again.",
    );
    Ok(())
}

/// The head in a file, alone or in a receipt.
fn head(path: &Path) -> Result<SignedTreeHead, Failure> {
    let json = files::read(path)?;
    let receipt = Receipt::from_json(&json).map(|receipt| receipt.head);
    receipt
        .or_else(|_| SignedTreeHead::from_json(&json))
        .map_err(|_| {
            let path = path.display();
            Failure::verification(format!("{path}: neither a receipt nor a signed head"))
        })
}
