//! `certify verify`: the checks of §7.3, as a terminal makes them.

use super::describe::certificate_sheet;
use crate::cli::{Style, VerifyArguments};
use crate::failure::Failure;
use crate::{files, place};
use apdu::certificate::{
    Anchor, Certificate, Date, Expectations, ProvenCertificate, Refusal, Role, StatusList, Validity,
};
use std::path::Path;

/// Verifies; exit code 3 when it does not.
pub fn verify(what: &VerifyArguments, style: Style) -> Result<(), Failure> {
    let day = match &what.at {
        None => place::now()?.day(),
        Some(text) => Date::from_iso(text)
            .ok_or_else(|| Failure::usage(format!("{text} is no day: YYYY-MM-DD, 2000 to 2099")))?,
    };
    let trusted = files::certificate(&what.root)?;
    let root = Anchor::trust_root(&trusted).map_err(refused(&what.root))?;
    let link = match &what.link {
        None => None,
        Some(path) => {
            let link = files::certificate(path)?;
            Some(Anchor::trust_link(&link, &[&root]).map_err(refused(path))?)
        }
    };
    let anchors: Vec<&Anchor> = std::iter::once(&root).chain(&link).collect();
    let list = match &what.list {
        None => None,
        Some(path) => {
            let list = files::status_list(path)?;
            list.verify(&anchors).map_err(refused(path))?;
            Some(list)
        }
    };
    let certificate = files::certificate(&what.certificate)?;
    judge(&certificate, &trusted, &anchors, list.as_ref(), day)
        .map_err(refused(&what.certificate))?;
    certificate_sheet(&certificate)
        .text(
            "verified",
            &format!("under {} for {day}", trusted.claims().holder),
        )
        .row("status list", list.map(|list| list.claims().sequence))
        .print(style)?;
    Ok(())
}

fn judge(
    certificate: &Certificate,
    root: &Certificate,
    anchors: &[&Anchor],
    list: Option<&StatusList>,
    day: Date,
) -> Result<(), Refusal> {
    let claims = certificate.claims();
    match claims.role {
        Role::Authority => {
            // A root is trusted by being the one that was named; a link by the root's signature.
            if claims.is_root() {
                let same = certificate.encoded() == root.encoded();
                return same.then_some(()).ok_or(Refusal::Issuer);
            }
            Anchor::trust_link(certificate, anchors).map(drop)
        }
        role => {
            let expected = Expectations {
                role,
                validity: Validity::Today(day),
                min_epoch: list.map_or(0, |list| list.claims().min_epoch),
                revoked: list,
            };
            ProvenCertificate::verify(certificate.clone(), anchors, &expected).map(drop)
        }
    }
}

fn refused(path: &Path) -> impl Fn(Refusal) -> Failure + '_ {
    move |refusal| Failure::verification(format!("{} does not verify: {refusal}", path.display()))
}
