//! The holders, and their certificates once more.

use crate::cli::{OutputArguments, Style};
use crate::failure::Failure;
use crate::sheet::{Sheet, print_all};
use crate::{files, place};
use apdu::certificate::{Date, pem};
use authority::ledger::Replaced;
use authority::{Holder, Root};
use serde_json::Value;
use std::path::Path;

/// Holders read at once.
const PAGE: u32 = 1_000;

/// `certify list`.
pub fn holders(folder: &Path, style: Style) -> Result<(), Failure> {
    let mut authority = place::open(folder)?;
    let today = place::now()?.day();
    let list = authority.status_list()?;
    let min_epoch = list.map_or(0, |list| list.claims().min_epoch);
    let mut sheets: Vec<Sheet> = Vec::new();
    let mut after = None;
    loop {
        let page = authority.holders(after.as_ref(), PAGE)?;
        let Some(last) = page.last() else {
            break;
        };
        after = Some(last.certificate.claims().holder);
        sheets.extend(page.iter().map(|holder| row(holder, min_epoch, today)));
    }
    if sheets.is_empty() && style == Style::Text {
        eprintln!(
            "{} has certified nobody yet",
            authority.root().claims().holder
        );
        return Ok(());
    }
    print_all(&sheets, style);
    Ok(())
}

fn row(holder: &Holder, min_epoch: u32, today: Date) -> Sheet {
    let claims = holder.certificate.claims();
    let state = match &holder.revoked {
        Some(_) => "revoked",
        None if claims.epoch < min_epoch => "cut off",
        None if claims.until < today => "expired",
        None => "valid",
    };
    let replaces = holder.replaces.map(|replaced| match replaced {
        Replaced::Holder(name) => name.to_string(),
        Replaced::Unknown => "unknown".into(),
    });
    Sheet::default()
        .text("name", &claims.holder)
        .text("role", &claims.role)
        .text("issuer", &claims.issuer)
        .text("valid from", &claims.from)
        .text("valid until", &claims.until)
        .text("state", &state)
        .text("stored", &if holder.delivered { "yes" } else { "unknown" })
        .text("key id", &holder.certificate.key_id())
        .row("replaces", replaces.map_or(Value::Null, Value::from))
        .row(
            "reason",
            holder.revoked.clone().map_or(Value::Null, Value::from),
        )
}

/// `certify export`.
pub fn export(folder: &Path, what: &str, output: &OutputArguments) -> Result<(), Failure> {
    let mut authority = place::open(folder)?;
    match what {
        "root" => files::write(output, pem::CERTIFICATE, authority.root().encoded()),
        "link" => link(authority.roots().newest(), output),
        "list" => {
            let list = authority.status_list()?.ok_or_else(|| {
                Failure::failed(
                    "no status list was published yet; `certify status-list` publishes one",
                )
            })?;
            files::write(output, pem::STATUS_LIST, list.encoded())
        }
        name => match name.strip_prefix("link:") {
            Some(name) => {
                let name = place::name(name)?;
                let root = authority.roots().named(&name);
                link(
                    root.ok_or_else(|| {
                        Failure::failed(format!("{name} is no root of this authority"))
                    })?,
                    output,
                )
            }
            None => {
                let name = place::name(name)?;
                if let Some(root) = authority.roots().named(&name) {
                    return files::write(output, pem::CERTIFICATE, root.certificate.encoded());
                }
                let holder = authority.holder(&name)?;
                files::write(output, pem::CERTIFICATE, holder.certificate.encoded())
            }
        },
    }
}

/// The link certificate that leads to a root.
fn link(root: &Root, output: &OutputArguments) -> Result<(), Failure> {
    let link = root.link.as_ref().ok_or_else(|| {
        Failure::failed(format!(
            "{} is the authority's first root, and no link leads to it; `certify rollover` makes a second root",
            root.name()
        ))
    })?;
    files::write(output, pem::CERTIFICATE, link.encoded())
}
