//! Which roots a service's authority has. The station believes none of it: a later root must be linked by the one it knows, and earlier
//! ones must stand in the ledger that the newest has signed.

use super::link::Link;
use super::messages::{certificate, strange};
use crate::failure::Failure;
use apdu::certificate::{Anchor, Certificate};
use authority::ledger::{Event, Line};
use authority::tree::Receipt;
use authority::{Root, Roots, follow};
use serde_json::Value;

/// The service's newest root, which must be a root, signed by itself.
pub fn newest(link: &Link) -> Result<Certificate, Failure> {
    let root = certificate(&link.get("/v1/root")?, "certificate")?;
    Anchor::trust_root(&root).map_err(|refusal| {
        Failure::verification(format!("the authority's root does not verify: {refusal}"))
    })?;
    Ok(root)
}

/// All roots, if `known` is one of them, links lead from it to the newest, and the newest has signed the ledger that tells of each.
pub fn all(link: &Link, known: &[u8], url: &str) -> Result<Roots, Failure> {
    let told = link.get("/v1/roots")?;
    let told = told.get("roots").and_then(Value::as_array);
    let told = told.ok_or_else(|| strange("roots"))?;
    let read: Result<Vec<(Root, Receipt)>, Failure> = told.iter().map(read).collect();
    let (roots, receipts): (Vec<Root>, Vec<Receipt>) = read?.into_iter().unzip();
    let mut later = roots
        .iter()
        .skip_while(|root| root.certificate.encoded() != known);
    let other = || {
        Failure::verification(format!(
            "{url}: its root is another one than at enrolment, and no link leads to it; ask its operator before you enrol again"
        ))
    };
    let mut last = later.next().ok_or_else(other)?;
    for root in later {
        let link = root.link.as_ref().ok_or_else(other)?;
        follow(&last.certificate, &root.certificate, link).map_err(|refusal| {
            Failure::verification(format!(
                "{url}: the link from its root {} to {} does not verify: {refusal}; ask its operator",
                last.name(),
                root.name()
            ))
        })?;
        last = root;
    }
    let newest = last.certificate.claims();
    for (root, receipt) in roots.iter().zip(&receipts) {
        let wrong = |reason: String| {
            Failure::verification(format!(
                "the authority's receipt for its root {} does not hold: {reason}",
                root.name()
            ))
        };
        receipt
            .verify_of(&newest.holder, &newest.key)
            .map_err(|error| wrong(error.to_string()))?;
        let line = Line::read(&receipt.entry).map_err(|error| wrong(error.to_string()))?;
        if !tells_of(&line, root) {
            return Err(wrong("it is about something else".into()));
        }
    }
    Roots::of(roots).ok_or_else(other)
}

fn read(told: &Value) -> Result<(Root, Receipt), Failure> {
    let link = match told.get("link") {
        None | Some(Value::Null) => None,
        Some(_) => Some(certificate(told, "link")?),
    };
    let receipt = told.get("receipt").ok_or_else(|| strange("receipt"))?;
    let receipt =
        Receipt::from_json(receipt.to_string().as_bytes()).map_err(|_| strange("receipt"))?;
    let root = Root {
        certificate: certificate(told, "certificate")?,
        link,
        line: receipt.index.saturating_add(1),
    };
    Ok((root, receipt))
}

/// Whether the ledger's line is the one with which this root began.
fn tells_of(line: &Line, root: &Root) -> bool {
    line.sequence == root.line
        && match &line.event {
            Event::Root { certificate, .. } => {
                *certificate == root.certificate && root.link.is_none()
            }
            Event::Rollover {
                certificate, link, ..
            } => *certificate == root.certificate && Some(link) == root.link.as_ref(),
            _ => false,
        }
}
