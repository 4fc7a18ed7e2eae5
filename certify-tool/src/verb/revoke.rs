//! Revocation and the status list.

use super::describe::list_sheet;
use crate::cli::{OutputArguments, PassphraseArguments};
use crate::failure::Failure;
use crate::{files, place, secret};
use apdu::certificate::{StatusList, pem};
use authority::Scope;
use std::path::Path;

/// `certify revoke`: into the ledger, then onto the next list.
pub fn revoke(
    folder: &Path,
    name: &str,
    reason: &str,
    output: &OutputArguments,
    passphrase: &PassphraseArguments,
) -> Result<(), Failure> {
    let name = place::name(name)?;
    let passphrase = secret::of_key(folder, passphrase)?;
    let mut authority = place::open(folder)?;
    let mut key = authority.unlock(folder, &passphrase)?; // before anything is written: a wrong passphrase revokes nobody
    let now = place::now()?;
    authority.revoke(&name, reason, now)?;
    let list = authority.publish(key.as_mut(), Scope::Revoked, now)?;
    deliver(&list, output)?;
    eprintln!("{name} is revoked. Terminals and cards refuse it once this list has reached them.");
    Ok(())
}

/// `certify status-list`.
pub fn publish(
    folder: &Path,
    cut_off_all: bool,
    output: &OutputArguments,
    passphrase: &PassphraseArguments,
) -> Result<(), Failure> {
    let passphrase = secret::of_key(folder, passphrase)?;
    let mut authority = place::open(folder)?;
    let mut key = authority.unlock(folder, &passphrase)?;
    let scope = if cut_off_all {
        Scope::Everything
    } else {
        Scope::Revoked
    };
    let list = authority.publish(key.as_mut(), scope, place::now()?)?;
    deliver(&list, output)
}

fn deliver(list: &StatusList, output: &OutputArguments) -> Result<(), Failure> {
    files::write(output, pem::STATUS_LIST, list.encoded())?;
    list_sheet(list).print_aside();
    Ok(())
}
