//! Routes for stations: orders, requests, deliveries.

use super::super::desk::{DeskError, Outcome};
use super::super::message::{
    Binary, ChallengeAnswer, DeliveryBody, Nothing, OrderBody, RequestAnswer, RequestBody,
    WaitingCertificatesAnswer,
};
use super::super::problem::{MALFORMED, Problem, REFUSED};
use super::super::route::{Call, Told};
use apdu::certificate::{Request, Role};
use std::sync::atomic::Ordering::Relaxed;

pub fn order(call: &Call<'_>, body: &OrderBody) -> Told<ChallengeAnswer> {
    let challenge = call.service.desk.order(call.key()?, body.into());
    let challenge = challenge.inspect_err(|error| count_refusal(call, error))?;
    Ok((201, challenge.try_into()?))
}

pub fn request(call: &Call<'_>, body: &RequestBody) -> Told<RequestAnswer> {
    let request = Request::decode(&body.request.0)
        .map_err(|error| Problem::new(MALFORMED, format!("the certificate request: {error}")))?;
    let desk = &call.service.desk;
    let outcome = desk.request(call.key()?, request, body.role.into(), body.years);
    let outcome = outcome.inspect_err(|error| count_refusal(call, error))?;
    match &outcome {
        Outcome::Issued(_) => _ = call.service.metrics.issued.fetch_add(1, Relaxed),
        Outcome::AwaitingApproval(_) => {}
        Outcome::Refused(reason) => return Err(Problem::new(REFUSED, reason.clone())),
    }
    Ok(told(outcome, 201))
}

pub fn pending(call: &Call<'_>) -> Told<RequestAnswer> {
    let outcome = call.service.desk.pending(call.client, call.segment())?;
    Ok(told(outcome, 200))
}

pub fn waiting(call: &Call<'_>) -> Told<WaitingCertificatesAnswer> {
    let role = match call.text("role") {
        Some("card") => Role::Card,
        Some("terminal") => Role::Terminal,
        _ => return Err(Problem::new(MALFORMED, "`role` is card or terminal")),
    };
    let desk = &call.service.desk;
    let waiting = desk.waiting(call.client, role)?;
    let requests = desk.awaiting(call.client, role)?;
    let certificates = waiting
        .iter()
        .map(|certificate| Binary(certificate.encoded().to_vec()))
        .collect();
    let answer = WaitingCertificatesAnswer {
        certificates,
        requests: requests.into_iter().map(Into::into).collect(),
    };
    Ok((200, answer))
}

pub fn delivery(call: &Call<'_>, body: &DeliveryBody) -> Told<Nothing> {
    call.service.desk.delivered(call.key()?, body.holder.0)?;
    Ok((204, Nothing {}))
}

fn told(outcome: Outcome, issued: u16) -> (u16, RequestAnswer) {
    match outcome {
        Outcome::Issued(certificate) => (issued, (*certificate).into()),
        Outcome::AwaitingApproval(id) => (202, RequestAnswer::AwaitingApproval { id }),
        Outcome::Refused(reason) => (200, RequestAnswer::Refused { reason }),
    }
}

fn count_refusal(call: &Call<'_>, error: &DeskError) {
    if matches!(error, DeskError::Refused(_)) {
        call.service.metrics.refused.fetch_add(1, Relaxed);
    }
}
