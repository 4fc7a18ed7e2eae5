//! The rows of the tables that follow from the ledger, with all their columns: for whoever writes and whoever checks them.

use super::row::{Value, owner, replaced};
use crate::approval::{Asked, Verdict};
use crate::book::{Given, Holder};
use crate::client::{Client, Invitation};
use crate::leap::Restoration;
use crate::roots::Root;
use crate::roster::Proposal;
use apdu::certificate::StatusList;

/// A table with all its columns.
pub(super) struct Table {
    pub name: &'static str,
    pub columns: &'static str,
    /// Its key: the first column, or the first two.
    pub key: &'static [&'static str],
    /// One of its rows, for messages.
    pub row: &'static str,
}

const fn table(
    name: &'static str,
    columns: &'static str,
    key: &'static [&'static str],
    row: &'static str,
) -> Table {
    Table {
        name,
        columns,
        key,
        row,
    }
}

#[rustfmt::skip]
mod tables {
    use super::{Table, table};

    pub const NODES: Table = table("nodes", "level, place, hash", &["level", "place"], "a node of the tree");
    pub const ROOTS: Table = table("roots", "line, certificate, link", &["line"], "a root");
    pub const HOLDERS: Table = table("holders", "name, line, issued, role, point, mark, epoch, certificate, replaces, delivered, revoked, client", &["name"], "a holder");
    pub const CHALLENGES: Table = table("challenges", "nonce, time, role, holder, replaces, used, client", &["nonce"], "a challenge");
    pub const SERIALS: Table = table("serials", "prefix, highest, barrier", &["prefix"], "a serial number");
    pub const LISTS: Table = table("lists", "sequence, list", &["sequence"], "a status list");
    pub const RESTORATIONS: Table = table("restorations", "line, leap, floor, lists", &["line"], "a restoration");
    pub const CLIENTS: Table = table("clients", "place, name, role, fingerprint, added, revoked, line, inviter, rights, day, ordered", &["place"], "a client");
    pub const INVITATIONS: Table = table("invitations", "name, role, code, expires, line, inviter, rights", &["name"], "an invitation");
    pub const PROPOSALS: Table = table("proposals", "line, time, client, until, wish, decided", &["line"], "a proposal");
    pub const REQUESTS: Table = table("requests", "line, time, client, replaces, years, until, request, issued, refused, holder, point, role", &["line"], "a request");
}
pub(super) use tables::*;

pub(super) fn root(root: &Root) -> [Value; 3] {
    let link = root.link.as_ref().map_or(&[][..], |link| link.encoded());
    [
        root.line.into(),
        root.certificate.encoded().into(),
        link.into(),
    ]
}

pub(super) fn holder(holder: &Holder, line: u64) -> [Value; 12] {
    let certificate = &holder.certificate;
    let claims = certificate.claims();
    [
        Value::from(&claims.holder),
        line.into(),
        holder.issued.into(),
        claims.role.into(),
        claims.key.to_compressed()[..].into(),
        certificate.holder_hash().0[..].into(),
        claims.epoch.into(),
        certificate.encoded().into(),
        replaced(holder.replaces),
        holder.delivered.into(),
        holder.revoked.as_deref().into(),
        owner(&holder.owner),
    ]
}

pub(super) fn challenge(nonce: &[u8; 16], given: &Given) -> [Value; 7] {
    [
        Value::from(&nonce[..]),
        given.time.into(),
        given.role.into(),
        (&given.holder).into(),
        replaced(given.replaces),
        given.used.into(),
        owner(&given.owner),
    ]
}

pub(super) fn serial(prefix: &str, highest: u32, barrier: u32) -> [Value; 3] {
    [prefix.into(), highest.into(), barrier.into()]
}

pub(super) fn list(list: &StatusList) -> [Value; 2] {
    [list.claims().sequence.into(), list.encoded().into()]
}

pub(super) fn restoration(restoration: &Restoration) -> [Value; 4] {
    let Restoration {
        line,
        leap,
        floor,
        lists,
    } = *restoration;
    [line.into(), leap.into(), floor.into(), lists.into()]
}

fn text(value: &impl serde::Serialize) -> Value {
    let text = serde_json::to_string(value);
    Value::Text(text.unwrap_or_default()) // texts and numbers: cannot fail
}

pub(super) fn client(place: u64, client: &Client) -> [Value; 11] {
    [
        place.into(),
        client.name.as_str().into(),
        client.role.word().into(),
        client.fingerprint.as_str().into(),
        client.added.into(),
        client.revoked.into(),
        client.line.into(),
        client.invited_by.as_deref().into(),
        text(&client.rights),
        client.day.into(),
        client.ordered.into(),
    ]
}

pub(super) fn invitation(open: &Invitation) -> [Value; 7] {
    [
        open.name.as_str().into(),
        open.role.word().into(),
        open.code.as_str().into(),
        open.expires.into(),
        open.line.into(),
        open.invited_by.as_deref().into(),
        text(&open.rights),
    ]
}

pub(super) fn proposal(proposal: &Proposal) -> [Value; 6] {
    [
        proposal.line.into(),
        proposal.time.into(),
        proposal.by.as_str().into(),
        proposal.until.into(),
        text(&proposal.wish),
        proposal.decided.into(),
    ]
}

pub(super) fn request(asked: &Asked) -> [Value; 12] {
    let fields = asked.request.fields();
    let (issued, refused) = match &asked.verdict {
        None => (None, None),
        Some(Verdict::Approved(line)) => (Some(*line), None),
        Some(Verdict::Refused(reason)) => (None, Some(reason.as_str())),
    };
    [
        Value::from(asked.line),
        asked.time.into(),
        asked.by.as_str().into(),
        replaced(asked.replaces),
        asked.years.into(),
        asked.until.into(),
        asked.request.encoded().into(),
        issued.into(),
        refused.into(),
        (&fields.holder).into(),
        fields.key.to_compressed()[..].into(),
        fields.role.into(),
    ]
}
