//! Routes for operators: approvals, revocations, status lists, holders.

use super::super::clients::ClientRole;
use super::super::desk::Page;
use super::super::message::{
    ApprovalBody, HoldersAnswer, NameText, Nothing, RequestAnswer, RevocationBody, ScopeWord,
    StatusListBody, WaitingAnswer, name,
};
use super::super::message_clients::PublishedAnswer;
use super::super::problem::{MALFORMED, Problem, REFUSED};
use super::super::route::{Call, Told};
use crate::ledger::Wish;
use std::sync::atomic::Ordering::Relaxed;

/// Holders on a page, unless told otherwise, and at most.
const PAGE: u64 = 100;
const MAX_PAGE: u64 = 1_000;

pub fn approvals(call: &Call<'_>) -> Told<WaitingAnswer> {
    let waiting = call.service.desk.approvals()?;
    let waiting = waiting.into_iter().map(Into::into).collect();
    Ok((200, WaitingAnswer { waiting }))
}

pub fn decide(call: &Call<'_>, body: &ApprovalBody) -> Told<Option<RequestAnswer>> {
    let service = call.service;
    match body {
        ApprovalBody::Approve {} => {
            refuse_for_station(call)?;
            let issued = service.desk.approve(call.key()?, call.segment())?;
            service.metrics.issued.fetch_add(1, Relaxed);
            Ok((200, Some(issued.into())))
        }
        ApprovalBody::Refuse { reason } => {
            service.desk.refuse(call.key()?, call.segment(), reason)?;
            service.metrics.refused.fetch_add(1, Relaxed);
            Ok((204, None))
        }
    }
}

/// What a station has asked for before it was revoked is not approved: nobody knows whose hand it was.
fn refuse_for_station(call: &Call<'_>) -> Result<(), Problem> {
    let Some(waiting) = call.service.desk.approval(call.segment())? else {
        return Ok(()); // decided or dead: the desk has words for it
    };
    let clients = call.service.register.clients()?;
    let active = clients.iter().any(|client| {
        let same = client.name == waiting.client && client.role == ClientRole::Station;
        same && client.revoked.is_none() && client.added <= waiting.since
    });
    let own = clients.iter().any(|client| {
        let same = client.name == waiting.client && client.revoked.is_none();
        same && client.invited_by.as_deref() == Some(call.client)
    });
    if own && !call.service.second.own_stations() {
        let detail = format!(
            "{} invited the station {}; another operator has to approve its requests",
            call.client, waiting.client
        );
        return Err(Problem::new(REFUSED, detail));
    }
    match active {
        true => Ok(()),
        false => Err(Problem::new(
            REFUSED,
            format!(
                "the station {} was revoked after it had asked; refuse the request, and order again",
                waiting.client
            ),
        )),
    }
}

pub fn revoke(call: &Call<'_>, body: &RevocationBody) -> Told<Nothing> {
    let desk = &call.service.desk;
    desk.revoke(call.key()?, body.holder.0, &body.reason)?;
    Ok((204, Nothing {}))
}

pub fn publish(call: &Call<'_>, body: &StatusListBody) -> Told<PublishedAnswer> {
    if matches!(body.scope, ScopeWord::Everything) && call.service.second.cut_off() {
        let line = call.service.desk.propose(call.key()?, Wish::CutOff)?;
        return Ok((202, PublishedAnswer::Proposed(line.into())));
    }
    let list = call.service.desk.publish(call.key()?, body.scope.into())?;
    Ok((201, PublishedAnswer::Published((&list).into())))
}

pub fn holders(call: &Call<'_>) -> Told<HoldersAnswer> {
    let limit = call.number("limit")?.unwrap_or(PAGE);
    let limit = usize::try_from(limit.clamp(1, MAX_PAGE))
        .map_err(|_| Problem::new(MALFORMED, "`limit` is too large"))?;
    let malformed = |words: &str| Problem::new(MALFORMED, format!("`after`: {words}"));
    let after = call
        .text("after")
        .map(name)
        .transpose()
        .map_err(malformed)?;
    let rows = call.service.desk.holders(&Page { after, limit })?;
    let full = rows.len() >= limit;
    let next = rows.last().filter(|_| full).map(|row| NameText(row.holder));
    let holders = rows.into_iter().map(Into::into).collect();
    Ok((200, HoldersAnswer { holders, next }))
}
