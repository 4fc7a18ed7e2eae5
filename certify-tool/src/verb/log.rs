//! The ledger: the check of everything, its signed head, receipts, and the proof that it only grew (`docs/ledger.md`); in the
//! authority's folder, or over the network, where all that comes is checked.

use crate::cli::{Arguments, LogVerb, Style};
use crate::failure::Failure;
use crate::office::{self, Office as _};
use crate::sheet::Sheet;
use crate::{files, place};
use apdu::certificate::{Anchor, Certificate};
use authority::ledger::Line;
use authority::tree::{ConsistencyProof, Receipt, SignedTreeHead};
use authority::{Audit, Finding, Roots};
use std::path::{Path, PathBuf};

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
                Some(mut remote) => {
                    signed_if_noted(noted.as_ref(), &remote.roots()?)?;
                    (remote.root().clone(), remote.audit(noted.as_ref())?)
                }
                None => verify(&folder()?, noted.as_ref())?,
            };
            show(&root, &audit).print(style)?;
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
            link,
            from,
            to,
        } => {
            let trusted = trusted(root, link)?;
            match (from, to) {
                (Some(from), Some(to)) => check_consistency(file, &trusted, from, to, style),
                _ => check_receipt(file, &trusted, style),
            }
        }
        LogVerb::Lines { first, count } => {
            let print = |line: &str| {
                crate::sheet::print(&format!("{}\n", terminal_lib::text::ascii_json(line)))?;
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
    signed_if_noted(noted, authority.roots())?;
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
        .row("roots", audit.roots)
        .row("certificates", audit.certificates)
        .row("status lists", audit.lists)
        .text("root", &audit.root)
        .row("signed up to", signed)
}

/// Only the root that was in force at that line may have signed there.
fn signed_if_noted(noted: Option<&SignedTreeHead>, roots: &Roots) -> Result<(), Failure> {
    let Some(noted) = noted else {
        return Ok(());
    };
    let root = roots.at(noted.head.size);
    let root = root.map(|root| root.certificate.clone());
    signed_by(noted, root.as_slice(), "the noted head")
}

/// The root that is trusted, and those that links lead to from it: all in the order in which they signed.
fn trusted(root: &Path, links: &[PathBuf]) -> Result<Vec<Certificate>, Failure> {
    let wrong = |path: &Path| {
        let path = path.display().to_string();
        move |refusal| Failure::verification(format!("{path} does not verify: {refusal}"))
    };
    let certificate = files::certificate(root)?;
    let mut anchor = Anchor::trust_root(&certificate).map_err(wrong(root))?;
    let mut trusted = vec![certificate];
    for path in links {
        let link = files::certificate(path)?;
        anchor = Anchor::trust_link(&link, &[&anchor]).map_err(wrong(path))?;
        trusted.push(link);
    }
    Ok(trusted)
}

fn check_receipt(path: &Path, trusted: &[Certificate], style: Style) -> Result<(), Failure> {
    let wrong = |error: &dyn std::fmt::Display| {
        Failure::verification(format!("{}: {error}", path.display()))
    };
    let receipt = Receipt::from_json(&files::read(path)?).map_err(|error| wrong(&error))?;
    let claims = issuer(&receipt.head, trusted);
    let claims = claims.or(trusted.first()).map(Certificate::claims);
    let claims = claims.ok_or_else(|| wrong(&"no root is trusted"))?;
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
        .print(style)?;
    Ok(())
}

fn check_consistency(
    path: &Path,
    trusted: &[Certificate],
    from: &Path,
    to: &Path,
    style: Style,
) -> Result<(), Failure> {
    let wrong = |error: &dyn std::fmt::Display| {
        Failure::verification(format!("{}: {error}", path.display()))
    };
    let proof = ConsistencyProof::from_json(&files::read(path)?).map_err(|error| wrong(&error))?;
    let (earlier, later) = (head(from)?, head(to)?);
    signed_by(&earlier, trusted, "the earlier head")?;
    signed_by(&later, trusted, "the later head")?;
    let place = |head: &SignedTreeHead| {
        let of = |root: &Certificate| root.claims().holder == head.head.issuer;
        trusted.iter().position(of)
    };
    if place(&earlier) > place(&later) {
        return Err(wrong(&"the later head is of an earlier root"));
    }
    proof
        .verify_linked(&earlier.head, &later.head)
        .map_err(|error| wrong(&error))?;
    Sheet::default()
        .text("authority", &later.head.issuer)
        .row("earlier lines", earlier.head.size)
        .row("later lines", later.head.size)
        .print(style)?;
    Ok(())
}

/// The root or link certificate of the authority that a head says it is of.
fn issuer<'t>(head: &SignedTreeHead, trusted: &'t [Certificate]) -> Option<&'t Certificate> {
    let of = |root: &&Certificate| root.claims().holder == head.head.issuer;
    trusted.iter().find(of)
}

fn signed_by(head: &SignedTreeHead, trusted: &[Certificate], what: &str) -> Result<(), Failure> {
    let ours = issuer(head, trusted).is_some_and(|root| head.verify(&root.claims().key).is_ok());
    let names = || {
        let names: Vec<_> = trusted
            .iter()
            .map(|root| root.claims().holder.to_string())
            .collect();
        names.join(" or ")
    };
    ours.then_some(())
        .ok_or_else(|| Failure::verification(format!("{what} is not signed by {}", names())))
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
