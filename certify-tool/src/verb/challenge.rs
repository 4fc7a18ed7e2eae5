//! `certify challenge`: a nonce for a terminal elsewhere.

use crate::cli::{NameArguments, Style};
use crate::failure::Failure;
use crate::place;
use crate::sheet::Sheet;
use apdu::certificate::Role;
use authority::{CHALLENGE_LIFETIME, Order};
use getrandom::SysRng;
use std::path::Path;

/// Records the order and prints what the terminal has to put into its request.
pub fn give(folder: &Path, name: &NameArguments, style: Style) -> Result<(), Failure> {
    let order = Order {
        role: Role::Terminal,
        name: place::name_order(name, Role::Terminal)?,
    };
    let mut authority = place::open(folder)?;
    let challenge = authority.order(&order, &mut SysRng, place::now()?)?;
    let nonce = u128::from_be_bytes(challenge.nonce);
    let nonce = format!("{nonce:032x}");
    Sheet::default()
        .text("issuer", &challenge.issuer)
        .text("name", &challenge.holder)
        .text("nonce", &nonce)
        .row("valid seconds", CHALLENGE_LIFETIME)
        .print(style);
    if style == Style::Text {
        eprintln!(
            "On the terminal, within a day:\n  tally identity request --issuer {} --name {} --nonce {nonce} --out request.pem",
            challenge.issuer, challenge.holder
        );
    }
    Ok(())
}
