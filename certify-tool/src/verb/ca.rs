//! The authority itself: making it.

use super::describe::certificate_sheet;
use crate::cli::{PassphraseArguments, Style};
use crate::failure::Failure;
use crate::{place, secret};
use authority::Authority;
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
    let mut authority = place::open(folder)?;
    let head = authority.head()?.head;
    certificate_sheet(authority.root())
        .text("folder", &folder.display())
        .text("ledger root", &head.root)
        .print(style);
    eprintln!(
        "Back up the folder. Without its key nothing can be certified or revoked; with it, anything can."
    );
    Ok(())
}
