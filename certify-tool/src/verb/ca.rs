//! The authority itself: making it, checking its account.

use super::describe::certificate_sheet;
use crate::cli::{PassphraseArguments, Style};
use crate::failure::Failure;
use crate::sheet::Sheet;
use crate::{place, secret};
use authority::Authority;
use authority::ledger::LineHash;
use getrandom::SysRng;
use std::path::Path;

/// `certify ca init`.
pub fn init(
    folder: &Path,
    name: &str,
    years: u8,
    passphrase: &PassphraseArguments,
    style: Style,
) -> Result<(), Failure> {
    let name = place::name(name)?;
    let passphrase = secret::new_passphrase(passphrase)?;
    Authority::init(folder, name, years, &passphrase, &mut SysRng, place::now()?)?;
    let authority = place::open(folder)?;
    certificate_sheet(authority.root())
        .text("folder", &folder.display())
        .text("ledger head", &authority.ledger().head())
        .print(style);
    eprintln!(
        "Back up the folder. Without its key nothing can be certified or revoked; with it, anything can."
    );
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
