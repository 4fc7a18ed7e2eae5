//! Routes about what the authority has done: holders, and its log: heads, proofs, receipts, entries.

use super::super::message::{HolderCertificateAnswer, name};
use super::super::problem::{MALFORMED, Problem};
use super::super::route::{Call, Told};
use serde_json::Value;

/// Most entries in one answer.
const MAX_ENTRIES: u64 = 1_000;

pub fn holder(call: &Call<'_>) -> Told<HolderCertificateAnswer> {
    let holder = name(call.segment()).map_err(|words| Problem::new(MALFORMED, words))?;
    Ok((200, call.service.desk.holder(holder)?.into()))
}

pub fn head(call: &Call<'_>) -> Told<Value> {
    Ok((200, call.service.desk.head()?))
}

pub fn consistency(call: &Call<'_>) -> Told<Value> {
    let (from, to) = (call.needed("from")?, call.needed("to")?);
    if from > to {
        return Err(Problem::new(MALFORMED, "`from` is after `to`"));
    }
    Ok((200, call.service.desk.consistency(from, to)?))
}

pub fn receipt(call: &Call<'_>) -> Told<Value> {
    let holder = name(call.segment()).map_err(|words| Problem::new(MALFORMED, words))?;
    Ok((200, call.service.desk.receipt(holder)?))
}

pub fn entries(call: &Call<'_>) -> Told<Value> {
    let count = call.number("count")?.unwrap_or(MAX_ENTRIES);
    let count = count.clamp(1, MAX_ENTRIES);
    let entries = call.service.desk.entries(call.needed("from")?, count)?;
    Ok((200, entries))
}
