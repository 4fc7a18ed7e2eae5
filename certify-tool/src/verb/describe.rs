//! What certificates, requests and lists say.

use crate::cli::Style;
use crate::failure::Failure;
use crate::files::{self, Content};
use crate::sheet::Sheet;
use apdu::certificate::{Certificate, HolderHash, KeyId, Request, Role, StatusList};
use std::path::Path;

/// `certify inspect`.
pub fn inspect(file: &Path, style: Style) -> Result<(), Failure> {
    let sheet = match files::content(file)? {
        Content::Certificate(certificate) => certificate_sheet(&certificate),
        Content::Request(request) => request_sheet(&request),
        Content::List(list) => list_sheet(&list),
    };
    sheet.print(style)?;
    Ok(())
}

/// A certificate's claims. Nothing is verified.
pub fn certificate_sheet(certificate: &Certificate) -> Sheet {
    let claims = certificate.claims();
    let kind = match claims.role {
        Role::Authority if claims.is_root() => "root certificate",
        Role::Authority => "link certificate",
        Role::Card | Role::Terminal => "certificate",
    };
    Sheet::default()
        .text("kind", kind)
        .text("holder", &claims.holder)
        .text("role", &claims.role)
        .text("issuer", &claims.issuer)
        .text("valid from", &claims.from)
        .text("valid until", &claims.until)
        .row("epoch", claims.epoch)
        .text("key id", &certificate.key_id())
        .text("holder hash", &certificate.holder_hash())
        .row("bytes", certificate.encoded().len())
}

fn request_sheet(request: &Request) -> Sheet {
    let fields = request.fields();
    let nonce = u128::from_be_bytes(fields.nonce);
    Sheet::default()
        .text("kind", "certificate request")
        .text("holder", &fields.holder)
        .text("role", &fields.role)
        .text("issuer", &fields.issuer)
        .text("nonce", &format!("{nonce:032x}"))
        .text("key id", &KeyId::of(&fields.key))
        .text("proof of possession", "valid")
        .row("bytes", request.encoded().len())
}

/// A status list's claims. Nothing is verified.
pub fn list_sheet(list: &StatusList) -> Sheet {
    let claims = list.claims();
    let revoked: Vec<String> = claims.revoked.iter().map(HolderHash::to_string).collect();
    Sheet::default()
        .text("kind", "status list")
        .text("issuer", &claims.issuer)
        .row("sequence", claims.sequence)
        .row("minimum epoch", claims.min_epoch)
        .text("date", &claims.date)
        .row("revoked", revoked)
        .row("bytes", list.encoded().len())
}
