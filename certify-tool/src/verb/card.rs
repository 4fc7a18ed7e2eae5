//! `certify card`: the certification station of Figure 9.

use super::describe::certificate_sheet;
use super::personalise::{Job, personalise};
use crate::cli::{CardArguments, Style};
use crate::failure::Failure;
use crate::office::Here;
use crate::sheet::Sheet;
use crate::{place, reader, secret};
use apdu::certificate::Role;
use getrandom::SysRng;
use std::path::Path;

/// Personalises the card that the arguments name.
pub fn certify(folder: &Path, arguments: &CardArguments, style: Style) -> Result<(), Failure> {
    let name = place::name_order(&arguments.name, Role::Card)?;
    let pin = secret::new_pin(arguments.pin_file.as_deref())?;
    let (puk, drawn) = match &arguments.puk_file {
        Some(path) => (secret::puk_from_file(path)?, false),
        None => (secret::draw_puk(&mut SysRng)?, true),
    };
    let passphrase = secret::of_key(folder, &arguments.passphrase)?;
    // Tried before the card is awaited.
    let mut office = Here::open(folder, &passphrase)?;
    let mut card = reader::open(arguments)?;
    // Shown once; the card keeps a hash, and nobody else anything.
    let shown_puk = drawn
        .then(|| std::str::from_utf8(puk.expose()).ok())
        .flatten();
    let mut job = Job {
        office: &mut office,
        name,
        recertify: arguments.name.recertify,
        years: arguments.years,
        pin: &pin,
        puk: &puk,
        tell: &mut |step| eprintln!("  {step}"),
        ready: &mut |certificate| {
            let sheet = certificate.map_or_else(
                || Sheet::default().text("kind", "certificate stored earlier"),
                certificate_sheet,
            );
            match shown_puk {
                Some(digits) => sheet.text("puk", digits),
                None => sheet,
            }
            .print(style);
        },
    };
    personalise(&mut *card, &mut job)
}
