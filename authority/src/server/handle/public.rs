//! Routes for everybody: what the authority is and how it is, and how to become a client.

use super::super::clients::enrolled;
use super::super::message::{
    Binary, EnrolAnswer, EnrolBody, HealthAnswer, LinkedRoot, NameText, PartAnswer, RootAnswer,
    RootsAnswer, StatusListAnswer,
};
use super::super::openapi;
use super::super::problem::{BAD_CODE, INTERNAL, MALFORMED, Problem};
use super::super::route::{Call, Told};
use crate::{EnrolmentCode, Root};
use serde_json::Value;
use std::time::{SystemTime, UNIX_EPOCH};

pub fn health(call: &Call<'_>) -> Told<HealthAnswer> {
    let parts: Vec<PartAnswer> = call.service.health().into_iter().map(Into::into).collect();
    let ok = parts.iter().all(|part| part.ok);
    Ok((if ok { 200 } else { 503 }, HealthAnswer { ok, parts }))
}

pub fn metrics(call: &Call<'_>) -> Result<String, Problem> {
    let waiting = call.service.desk.approvals_count().ok(); // health says what is wrong
    Ok(call.service.metrics.text(&call.service.health(), waiting))
}

pub fn description(call: &Call<'_>) -> Result<String, Problem> {
    Ok(openapi::describe(&call.service.routes).to_string())
}

pub fn root(call: &Call<'_>) -> Told<RootAnswer> {
    let root = call.service.desk.root()?;
    let answer = RootAnswer {
        name: NameText(root.claims().holder),
        certificate: Binary(root.encoded().to_vec()),
    };
    Ok((200, answer))
}

pub fn roots(call: &Call<'_>) -> Told<RootsAnswer> {
    let one = |(root, receipt): (Root, Value)| LinkedRoot {
        name: NameText(root.name()),
        certificate: Binary(root.certificate.encoded().to_vec()),
        link: root.link.map(|link| Binary(link.encoded().to_vec())),
        receipt,
    };
    let roots = call.service.desk.roots()?.into_iter().map(one).collect();
    Ok((200, RootsAnswer { roots }))
}

pub fn status_list(call: &Call<'_>) -> Told<StatusListAnswer> {
    let list = call.service.desk.status_list()?;
    Ok((200, (&list).into()))
}

pub fn enrol(call: &Call<'_>, body: &EnrolBody) -> Told<EnrolAnswer> {
    let service = call.service;
    let code = EnrolmentCode::parse(&body.code.0)
        .map_err(|error| Problem::new(MALFORMED, error.to_string()))?;
    if !code.is_for(service.identity.certificate()) {
        return Err(Problem::new(BAD_CODE, "the code is for another authority"));
    }
    // Certificates are dated by the system's clock, by which TLS judges them.
    let today = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_err(|_| Problem::new(INTERNAL, "the clock is wrong"))?
        .as_secs();
    let open = service.register.invitation(&code.hash(), service.now())?;
    let certified = service.identity.certify(&body.csr.0, &open.name, today);
    let (fingerprint, certificate) =
        certified.map_err(|error| Problem::new(MALFORMED, error.to_string()))?;
    let change = enrolled(&open.name, &code.hash(), &fingerprint);
    service.desk.change_client(&open.name, change)?;
    let client = open;
    tracing::info!(client = client.name, role = ?client.role, "enrolled");
    let answer = EnrolAnswer {
        name: client.name,
        role: client.role,
        certificate: Binary(certificate),
        tls_ca: Binary(service.identity.certificate().to_vec()),
    };
    Ok((201, answer))
}
