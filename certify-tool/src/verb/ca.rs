//! The authority itself: making it, checking its account.

use super::describe::certificate_sheet;
use crate::cli::{KeyArguments, PassphraseArguments, Style};
use crate::failure::Failure;
use crate::sheet::Sheet;
use crate::{place, secret};
use authority::Authority;
use authority::custody::{KeyUri, NewKey};
use authority::ledger::LineHash;
use getrandom::SysRng;
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
        let passphrase = secret::new_passphrase(passphrase)?;
        Authority::init(folder, name, years, &passphrase, &mut SysRng, place::now()?)?;
        show(folder, style)?;
        eprintln!(
            "Back up the folder. Without its key nothing can be certified or revoked; with it, anything can."
        );
        return Ok(());
    };
    let uri = KeyUri::parse(uri).map_err(|why| Failure::usage(format!("--key: {why}")))?;
    let new = NewKey::Token {
        uri: &uri,
        pin: secret::token_pin(key.pin_file.as_deref(), &uri)?,
        existing: key.existing_key,
    };
    Authority::init_with(folder, name, years, new, &mut SysRng, place::now()?)?;
    show(folder, style)?;
    eprintln!(
        "Back up the folder, and the token by its own means: the key is on it ({}) and nowhere else.",
        crate::sheet::escaped(&uri.describe())
    );
    Ok(())
}

fn show(folder: &Path, style: Style) -> Result<(), Failure> {
    let authority = place::open(folder)?;
    certificate_sheet(authority.root())
        .text("folder", &folder.display())
        .text("ledger head", &authority.ledger().head())
        .print(style);
    Ok(())
}

/// `certify ledger verify`.
pub fn verify_ledger(folder: &Path, head: Option<&str>, style: Style) -> Result<(), Failure> {
    let noted = head
        .map(|text| {
            LineHash::from_text(text)
                .ok_or_else(|| Failure::usage("a head is 64 hexadecimal digits, in small letters"))
        })
        .transpose()?;
    let authority = place::open(folder)?;
    if noted.is_some_and(|head| !authority.ledger().holds(head)) {
        return Err(Failure::verification(
            "the ledger does not hold the line with this head: lines were taken away, or it is another ledger",
        ));
    }
    let audit = authority
        .audit()
        .map_err(|(who, why)| Failure::verification(format!("the ledger's {who}: {why}")))?;
    Sheet::default()
        .text("authority", &authority.root().claims().holder)
        .row("lines", audit.lines)
        .row("certificates", audit.certificates)
        .row("status lists", audit.lists)
        .text("head", &audit.head)
        .print(style);
    Ok(())
}
