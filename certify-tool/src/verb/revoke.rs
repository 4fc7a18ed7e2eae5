//! Revocation and the status list.

use super::describe::list_sheet;
use crate::cli::{Arguments, OutputArguments, PassphraseArguments};
use crate::failure::{Failure, Kind};
use crate::office::remote::{Remote, status_list};
use crate::office::{self, Office as _};
use crate::{files, place, secret};
use apdu::certificate::{Anchor, Name, StatusList, pem};
use authority::Scope;
use host::output::note;
use serde_json::json;
use std::path::Path;

/// `certify revoke`: into the ledger, then onto the next list.
pub fn revoke(
    arguments: &Arguments,
    name: &str,
    reason: &str,
    output: &OutputArguments,
    passphrase: &PassphraseArguments,
) -> Result<(), Failure> {
    let name = place::name(name)?;
    if let Some(remote) = office::reach(arguments)? {
        let wish = json!({ "holder": name.as_str(), "reason": reason });
        remote.link().post("/v1/revocations", &wish)?;
        deliver(&publish_remote(&remote, "revoked")?, output)?;
        tell(&name);
        return Ok(());
    }
    let folder = &place::folder(arguments.dir.as_deref())?;
    let mut authority = place::open(folder)?;
    let passphrase = secret::of_key(folder, authority.roots().newest(), passphrase)?;
    let mut key = authority.unlock(folder, &passphrase)?; // before anything is written: a wrong passphrase revokes nobody
    let now = place::now()?;
    authority.revoke(&name, reason, now)?;
    let list = authority.publish(key.as_mut(), Scope::Revoked, now)?;
    deliver(&list, output)?;
    tell(&name);
    Ok(())
}

fn tell(name: &Name) {
    note(format_args!(
        "{name} is revoked. Terminals and cards refuse it once this list has reached them."
    ));
}

/// The next list of an authority over the network; it must be signed by the root that this client knows.
fn publish_remote(remote: &Remote, scope: &str) -> Result<StatusList, Failure> {
    let told = remote
        .link()
        .post("/v1/status-lists", &json!({ "scope": scope }))?;
    if let Some(id) = told.get("proposal").and_then(serde_json::Value::as_str) {
        let words =
            format!("the cut-off waits for another operator's `certify clients confirm {id}`");
        return Err(Failure::new(Kind::Waiting, words));
    }
    let list = status_list(&told, "status_list")?;
    let verified = Anchor::trust_root(remote.root()).and_then(|root| list.verify(&[&root]));
    verified.map_err(|refusal| {
        Failure::verification(format!(
            "the authority's status list does not verify: {refusal}"
        ))
    })?;
    Ok(list)
}

/// `certify status-list publish`.
pub fn publish(
    arguments: &Arguments,
    cut_off_all: bool,
    output: &OutputArguments,
    passphrase: &PassphraseArguments,
) -> Result<(), Failure> {
    if let Some(remote) = office::reach(arguments)? {
        let scope = if cut_off_all { "everything" } else { "revoked" };
        return deliver(&publish_remote(&remote, scope)?, output);
    }
    let folder = &place::folder(arguments.dir.as_deref())?;
    let mut authority = place::open(folder)?;
    let passphrase = secret::of_key(folder, authority.roots().newest(), passphrase)?;
    let mut key = authority.unlock(folder, &passphrase)?;
    let scope = if cut_off_all {
        Scope::Everything
    } else {
        Scope::Revoked
    };
    let list = authority.publish(key.as_mut(), scope, place::now()?)?;
    deliver(&list, output)
}

/// `certify status-list publish --also-under`: the list of an earlier root. The newest root's must follow, with the higher number.
pub fn publish_under(
    folder: &Path,
    root: &str,
    output: &OutputArguments,
    passphrase: &PassphraseArguments,
) -> Result<(), Failure> {
    let name = place::name(root)?;
    let mut authority = place::open(folder)?;
    let roots = authority.roots();
    let root = roots.named(&name).filter(|root| *root != roots.newest());
    let root = root
        .ok_or_else(|| Failure::failed(format!("{name} is no earlier root of this authority")))?;
    let passphrase = secret::of_key(folder, root, passphrase)?;
    let mut key = authority.unlock_of(root, folder, &passphrase)?;
    let list = authority.publish_under(key.as_mut(), place::now()?)?;
    deliver(&list, output)
}

fn deliver(list: &StatusList, output: &OutputArguments) -> Result<(), Failure> {
    files::write(output, pem::STATUS_LIST, list.encoded())?;
    list_sheet(list).print_aside();
    Ok(())
}
