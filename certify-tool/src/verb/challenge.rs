//! `certify challenge`: a nonce for a terminal elsewhere.

use crate::cli::{Arguments, NameArguments, Style};
use crate::failure::Failure;
use crate::office::{self, Office as _};
use crate::place;
use crate::sheet::Sheet;
use apdu::certificate::Role;
use authority::{CHALLENGE_LIFETIME, Order};
use getrandom::SysRng;
use host::output::note;

/// Records the order and prints what the terminal has to put into its request.
pub fn give(arguments: &Arguments, name: &NameArguments) -> Result<(), Failure> {
    let style = arguments.output_format;
    let order = Order {
        role: Role::Terminal,
        name: place::name_order(name, Role::Terminal)?,
    };
    let challenge = match office::reach(arguments)? {
        Some(mut remote) => remote.order(&order)?,
        None => {
            let folder = place::folder(arguments.dir.as_deref())?; // no key is needed for it
            place::open(&folder)?.order(&order, &mut SysRng, place::now()?)?
        }
    };
    let nonce = u128::from_be_bytes(challenge.nonce);
    let nonce = format!("{nonce:032x}");
    Sheet::default()
        .text("issuer", &challenge.issuer)
        .text("name", &challenge.holder)
        .text("nonce", &nonce)
        .row("valid seconds", CHALLENGE_LIFETIME)
        .print(style)?;
    if style == Style::Text {
        note(format_args!(
            "On the terminal, within a day:\n  tally identity request --issuer {} --name {} --nonce {nonce} --out request.pem",
            challenge.issuer, challenge.holder
        ));
    }
    Ok(())
}
