//! The ledger: the check of everything, its signed head, receipts, and the proof that it only grew (`docs/ledger.md`).

use crate::cli::{LogVerb, Style};
use crate::failure::Failure;
use crate::sheet::Sheet;
use crate::{files, place};
use apdu::certificate::Certificate;
use authority::Finding;
use authority::ledger::Line;
use authority::tree::{ConsistencyProof, Receipt, SignedTreeHead};
use std::path::{Path, PathBuf};

/// `certify log ..`.
pub fn run(
    folder: impl Fn() -> Result<PathBuf, Failure>,
    verb: &LogVerb,
    style: Style,
) -> Result<(), Failure> {
    match verb {
        LogVerb::Verify { head } => verify(&folder()?, head.as_deref(), style),
        LogVerb::Head { out } => {
            let head = place::open(&folder()?)?.head()?;
            write(out, serde_json::to_value(head))
        }
        LogVerb::Receipt { name, out } => {
            let name = place::name(name)?;
            let receipt = place::open(&folder()?)?.receipt(&name)?;
            write(out, serde_json::to_value(receipt))
        }
        LogVerb::Consistency { from, to, out } => {
            let mut authority = place::open(&folder()?)?;
            let proof = authority.consistency(head(from)?.head.size, head(to)?.head.size)?;
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
            for line in place::open(&folder()?)?.lines(*first, *count)? {
                println!("{}", terminal_lib::text::ascii_json(&line));
            }
            Ok(())
        }
    }
}

/// Everything that the store holds, and that it goes on where a noted head ended.
fn verify(folder: &Path, noted: Option<&Path>, style: Style) -> Result<(), Failure> {
    let noted = noted.map(head).transpose()?;
    let mut authority = place::open(folder)?;
    let audit = authority.audit().map_err(|finding| match finding {
        Finding::Store(error) => error.into(),
        finding => Failure::verification(format!("{}: {finding}", folder.display())),
    })?;
    if let Some(noted) = noted {
        signed_by(&noted, authority.root(), "the noted head")?;
        let noted = noted.head;
        if noted.size > audit.lines || authority.root_at(noted.size)? != noted.root {
            return Err(Failure::verification(
                "the ledger does not go on where this head ended: lines were taken away or changed; keep the head, it is the evidence",
            ));
        }
    }
    Sheet::default()
        .text("authority", &authority.root().claims().holder)
        .row("lines", audit.lines)
        .row("certificates", audit.certificates)
        .row("status lists", audit.lists)
        .text("root", &audit.root)
        .row("signed up to", audit.head.map(|head| head.head.size))
        .print(style);
    Ok(())
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
