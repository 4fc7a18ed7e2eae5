//! The ledger: the check of everything, its signed head, receipts, and the proof that it only grew (`docs/ledger.md`); in the
//! authority's folder, or over the network, where all that comes is checked.

use crate::cli::{Arguments, LogVerb, Style};
use crate::failure::Failure;
use crate::office::{self, Office as _};
use crate::sheet::Sheet;
use crate::{files, place};
use apdu::certificate::Certificate;
use authority::ledger::Line;
use authority::tree::{ConsistencyProof, Receipt, SignedTreeHead};
use authority::{Audit, Finding};
use std::path::Path;

/// `certify log ..`.
pub fn run(arguments: &Arguments, verb: &LogVerb) -> Result<(), Failure> {
    let style = arguments.output_format;
    let folder = || place::folder(arguments.dir.as_deref());
    let here = || place::open(&folder()?);
    let remote = || office::reach(arguments);
    match verb {
        LogVerb::Verify { head: noted } => {
            let noted = noted.as_deref().map(head).transpose()?;
            let (root, audit) = match remote()? {
                Some(remote) => {
                    signed_if_noted(noted.as_ref(), remote.root())?;
                    (remote.root().clone(), remote.audit(noted.as_ref())?)
                }
                None => verify(&folder()?, noted.as_ref())?,
            };
            show(&root, &audit).print(style);
            Ok(())
        }
        LogVerb::Head { out } => {
            let head = match remote()? {
                Some(remote) => remote.head()?,
                None => here()?.head()?,
            };
            write(out, serde_json::to_value(head))
        }
        LogVerb::Receipt { name, out } => {
            let name = place::name(name)?;
            let receipt = match remote()? {
                Some(remote) => remote.receipt(&name)?,
                None => here()?.receipt(&name)?,
            };
            write(out, serde_json::to_value(receipt))
        }
        LogVerb::Consistency { from, to, out } => {
            let (from, to) = (head(from)?, head(to)?);
            let proof = match remote()? {
                Some(remote) => remote.consistency(&from, &to)?,
                None => here()?.consistency(from.head.size, to.head.size)?,
            };
            write(out, serde_json::to_value(proof))
        }
        LogVerb::Check {
            file,
            root,
            from,
            to,
        } => {
            let root = files::certificate(root)?;
            match (from, to) {
                (Some(from), Some(to)) => check_consistency(file, &root, from, to, style),
                _ => check_receipt(file, &root, style),
            }
        }
        LogVerb::Lines { first, count } => {
            let print = |line: &str| {
                crate::sheet::print(&format!("{}\n", terminal_lib::text::ascii_json(line)));
                Ok(())
            };
            match remote()? {
                Some(remote) => remote.lines(*first, (*count).into(), print),
                None => here()?
                    .lines(*first, *count)?
                    .iter()
                    .try_for_each(|line| print(line)),
            }
        }
    }
}

/// Everything that the store holds, and that it goes on where a noted head ended.
fn verify(folder: &Path, noted: Option<&SignedTreeHead>) -> Result<(Certificate, Audit), Failure> {
    let mut authority = place::open(folder)?;
    let audit = authority.audit().map_err(|finding| match finding {
        Finding::Store(error) => error.into(),
        finding => Failure::verification(format!("{}: {finding}", folder.display())),
    })?;
    signed_if_noted(noted, authority.root())?;
    if let Some(noted) = noted.map(|noted| &noted.head)
        && (noted.size > audit.lines || authority.root_at(noted.size)? != noted.root)
    {
        return Err(Failure::verification(
            "the ledger does not go on where this head ended: lines were taken away or changed; keep the head, it is the evidence",
        ));
    }
    Ok((authority.root().clone(), audit))
}

fn show(root: &Certificate, audit: &Audit) -> Sheet {
    let signed = audit.head.as_ref().map(|head| head.head.size);
    Sheet::default()
        .text("authority", &root.claims().holder)
        .row("lines", audit.lines)
        .row("certificates", audit.certificates)
        .row("status lists", audit.lists)
        .text("root", &audit.root)
        .row("signed up to", signed)
}

fn signed_if_noted(noted: Option<&SignedTreeHead>, root: &Certificate) -> Result<(), Failure> {
    noted.map_or(Ok(()), |noted| signed_by(noted, root, "the noted head"))
}

fn check_receipt(path: &Path, root: &Certificate, style: Style) -> Result<(), Failure> {
    let wrong = |error: &dyn std::fmt::Display| {
        Failure::verification(format!("{}: {error}", path.display()))
    };
    let receipt = Receipt::from_json(&files::read(path)?).map_err(|error| wrong(&error))?;
    let claims = root.claims();
    receipt
        .verify_of(&claims.holder, &claims.key)
        .map_err(|error| wrong(&error))?;
    let line = Line::read(&receipt.entry).map_err(|error| wrong(&error))?;
    Sheet::default()
        .text("authority", &claims.holder)
        .row("line", line.sequence)
        .text("event", line.event.kind())
        .row("holder", line.event.holder().map(|name| name.to_string()))
        .row("signed up to", receipt.head.head.size)
        .print(style);
    Ok(())
}

fn check_consistency(
    path: &Path,
    root: &Certificate,
    from: &Path,
    to: &Path,
    style: Style,
) -> Result<(), Failure> {
    let wrong = |error: &dyn std::fmt::Display| {
        Failure::verification(format!("{}: {error}", path.display()))
    };
    let proof = ConsistencyProof::from_json(&files::read(path)?).map_err(|error| wrong(&error))?;
    let (earlier, later) = (head(from)?, head(to)?);
    signed_by(&earlier, root, "the earlier head")?;
    signed_by(&later, root, "the later head")?;
    proof
        .verify(&earlier.head, &later.head)
        .map_err(|error| wrong(&error))?;
    Sheet::default()
        .text("authority", &root.claims().holder)
        .row("earlier lines", earlier.head.size)
        .row("later lines", later.head.size)
        .print(style);
    Ok(())
}

fn signed_by(head: &SignedTreeHead, root: &Certificate, what: &str) -> Result<(), Failure> {
    let claims = root.claims();
    let ours = head.head.issuer == claims.holder && head.verify(&claims.key).is_ok();
    ours.then_some(())
        .ok_or_else(|| Failure::verification(format!("{what} is not signed by {}", claims.holder)))
}

fn head(path: &Path) -> Result<SignedTreeHead, Failure> {
    SignedTreeHead::from_json(&files::read(path)?)
        .map_err(|error| Failure::verification(format!("{}: {error}", path.display())))
}

/// JSON, one line; a file appears whole or not at all.
fn write(path: &Path, value: serde_json::Result<serde_json::Value>) -> Result<(), Failure> {
    let value = value.map_err(Failure::failed)?;
    files::write_bytes(path, format!("{value}\n").as_bytes())
}
