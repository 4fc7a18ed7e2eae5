//! The authority itself: making it.

use super::describe::certificate_sheet;
use crate::cli::{KeyArguments, PassphraseArguments, Style};
use crate::failure::Failure;
use crate::{place, secret};
use authority::Authority;
use authority::custody::{KeyUri, NewKey};
use getrandom::SysRng;
use host::output::note;
use std::path::Path;

/// `certify ca init`.
pub fn init(
    folder: &Path,
    name: &str,
    years: u8,
    passphrase: &PassphraseArguments,
    key: &KeyArguments,
    style: Style,
) -> Result<(), Failure> {
    let name = place::name(name)?;
    let Some(uri) = &key.key else {
        let passphrase =
            secret::new_passphrase(passphrase.passphrase_file.as_deref(), "--passphrase-file")?;
        Authority::init(folder, name, years, &passphrase, &mut SysRng, place::now()?)?;
        show(folder, style)?;
        note(
            "Back up the folder. Without its key nothing can be certified or revoked; with it, anything can.",
        );
        return Ok(());
    };
    let uri = key_uri(uri)?;
    let new = NewKey::Token {
        uri: &uri,
        pin: secret::token_pin(key.pin_file.as_deref(), &uri)?,
        existing: key.existing_key,
    };
    Authority::init_with(folder, name, years, new, &mut SysRng, place::now()?)?;
    show(folder, style)?;
    note(format_args!(
        "Back up the folder, and the token by its own means: the key is on it ({}) and nowhere else.",
        crate::sheet::escaped(&uri.describe())
    ));
    Ok(())
}

/// The URI of a key on a token. What is refused is not repeated: it may hold a PIN.
pub fn key_uri(text: &str) -> Result<KeyUri, Failure> {
    KeyUri::parse(text).map_err(|why| Failure::usage(format!("--key: {why}")))
}

fn show(folder: &Path, style: Style) -> Result<(), Failure> {
    let mut authority = place::open(folder)?;
    let head = authority.head()?.head;
    certificate_sheet(authority.root())
        .text("folder", &folder.display())
        .text("ledger root", &head.root)
        .print(style)?;
    Ok(())
}
