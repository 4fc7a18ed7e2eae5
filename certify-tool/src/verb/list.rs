//! The holders, and their certificates once more.

use crate::cli::{Arguments, OutputArguments, Style};
use crate::failure::Failure;
use crate::office::{self, Office as _};
use crate::sheet::{Sheet, print_all};
use crate::{files, place};
use apdu::certificate::{Date, pem};
use authority::ledger::Replaced;
use authority::{Authority, Holder, Root};
use host::output::note;
use serde_json::Value;
use std::path::Path;

/// Holders read at once.
const PAGE: u32 = 1_000;

/// `certify list`.
pub fn holders(arguments: &Arguments) -> Result<(), Failure> {
    let style = arguments.output_format;
    let today = place::now()?.day();
    let (root, list, holders) = match office::reach(arguments)? {
        Some(mut remote) => {
            let list = remote.status_list()?;
            (remote.root().claims().holder, list, remote.holders()?)
        }
        None => {
            let mut authority = place::open(&place::folder(arguments.dir.as_deref())?)?;
            let list = authority.status_list()?;
            let holders = all(&mut authority)?;
            (authority.root().claims().holder, list, holders)
        }
    };
    if holders.is_empty() && style == Style::Text {
        note(format_args!("{root} has certified nobody yet"));
        return Ok(());
    }
    let min_epoch = list.map_or(0, |list| list.claims().min_epoch);
    let row = |holder| row(holder, min_epoch, today);
    let sheets: Vec<Sheet> = holders.iter().map(row).collect();
    print_all(&sheets, style)?;
    Ok(())
}

fn all(authority: &mut Authority) -> Result<Vec<Holder>, Failure> {
    let mut holders: Vec<Holder> = Vec::new();
    loop {
        let after = holders.last().map(|last| last.certificate.claims().holder);
        let page = authority.holders(after.as_ref(), PAGE)?;
        if page.is_empty() {
            return Ok(holders);
        }
        holders.extend(page);
    }
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
                    "no status list was published yet; `certify status-list publish` makes one",
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
