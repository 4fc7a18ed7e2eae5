//! `certify rollover`: the authority's next root.

use super::ca;
use super::describe::certificate_sheet;
use crate::cli::{RolloverArguments, Style};
use crate::failure::Failure;
use crate::sheet::Sheet;
use crate::{place, secret};
use authority::custody::{Custody, NewKey};
use authority::{NewRoot, Root};
use getrandom::SysRng;
use host::output::note;
use std::path::Path;

/// Makes the next root: its key, its certificate, and the link from the root there is.
pub fn roll_over(folder: &Path, job: &RolloverArguments, style: Style) -> Result<(), Failure> {
    let wish = NewRoot {
        name: place::name(&job.name)?,
        years: job.years,
    };
    let uri = job.key.as_deref().map(ca::key_uri).transpose()?;
    let mut authority = place::open(folder)?;
    let old = authority.roots().newest().clone();
    let passphrase = secret::of_key(folder, &old, &job.passphrase)?;
    let mut key = authority.unlock(folder, &passphrase)?;
    let kept = key.describe();
    let next = match &uri {
        Some(uri) => NewKey::Token {
            uri,
            pin: secret::token_pin(job.pin_file.as_deref(), uri)?,
            existing: job.existing_key,
        },
        None => NewKey::File {
            passphrase: &match (&job.new_passphrase_file, Custody::of_root(folder, &old)?) {
                (None, Custody::File(_)) => passphrase,
                (file, _) => secret::new_passphrase(file.as_deref(), "--new-passphrase-file")?,
            },
        },
    };
    let now = place::now()?;
    let root = authority.roll_over(folder, key.as_mut(), next, &wish, &mut SysRng, now)?;
    show(&root, &old, style)?;
    note(format_args!(
        "Back up the folder{}. Keep the old key ({}) as well.",
        uri.map_or(String::new(), |uri| format!(
            ", and the token of the new key ({})",
            crate::sheet::escaped(&uri.describe())
        )),
        crate::sheet::escaped(&kept)
    ));
    note(
        "What runs on this authority must be started again. Give terminals the link: `certify export link`, `tally identity link`.",
    );
    Ok(())
}

fn show(root: &Root, old: &Root, style: Style) -> Result<(), Failure> {
    let until = root
        .link
        .as_ref()
        .map(|link| link.claims().until.to_string());
    let sheet: Sheet = certificate_sheet(&root.certificate)
        .text("linked by", &old.name())
        .row("link valid until", until)
        .row("ledger line", root.line);
    sheet.print(style)
}
