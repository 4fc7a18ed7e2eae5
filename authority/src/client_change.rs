//! Changes of the service's clients, as the authority judges them: what is written is a line, and `roster` has its rules.

use crate::book::Book;
use crate::client::{Client, ClientRole, Invitation};
use crate::error::AuthorityError;
use crate::ledger::{ClientChange, Event, Line, Wish};
use crate::rights::Rights;
use crate::roster::{CODE_LIFETIME, ClientRefused, MAX_ROWS, PROPOSAL_LIFETIME, Proposal};

/// Adopts the clients that no line knows yet.
pub(crate) fn adopt(book: &mut Book, now: u64) -> Result<(), AuthorityError> {
    let clients = book.roster.clients.values();
    let old: Vec<Client> = clients.filter(|client| client.line == 0).cloned().collect();
    let open = book.roster.invitations.values();
    let open: Vec<Invitation> = open.filter(|open| open.line == 0).cloned().collect();
    for client in old {
        let change = ClientChange::Adopted {
            name: client.name,
            role: client.role,
            fingerprint: client.fingerprint,
            added: client.added,
            revoked: client.revoked,
        };
        let confirms = None;
        book.record(now, None, Event::Client { change, confirms })?;
    }
    for open in open {
        book.roster.invitations.remove(&open.name);
        book.gained.invitations.insert(open.name.clone());
        if open.expires >= now.max(book.last_time) {
            let (role, rights) = (open.role, open.rights);
            let change = ClientChange::Invited {
                name: open.name,
                role,
                rights,
                code: open.code,
                expires: open.expires,
            };
            let confirms = None;
            book.record(now, None, Event::Client { change, confirms })?;
        }
    }
    Ok(())
}

/// Makes one change of the clients: its line.
pub(crate) fn change(
    book: &mut Book,
    change: &ClientChange,
    by: Option<String>,
    now: u64,
) -> Result<Line, AuthorityError> {
    adopt(book, now)?;
    check(book, change, now)?;
    let event = Event::Client {
        change: change.clone(),
        confirms: None,
    };
    Ok(book.record(now, by, event)?)
}

/// Notes what an operator wants to be done, and that it waits for a second one.
pub(crate) fn propose(
    book: &mut Book,
    wish: &Wish,
    by: Option<String>,
    now: u64,
) -> Result<Line, AuthorityError> {
    adopt(book, now)?;
    if let Wish::Client(change) = wish {
        check(book, change, now)?;
    }
    let event = Event::Proposed {
        wish: wish.clone(),
        until: now.max(book.last_time).saturating_add(PROPOSAL_LIFETIME),
    };
    Ok(book.record(now, by, event)?)
}

/// What a second operator confirms, if this one can now.
pub(crate) fn proposed(
    book: &Book,
    proposal: u64,
    by: Option<&str>,
    now: u64,
) -> Result<Wish, ClientRefused> {
    let time = now.max(book.last_time);
    let found = book.roster.proposals.get(&proposal);
    let open = |found: &&Proposal| {
        found.decided.is_none() && time <= found.until && proposal > book.restored.line
    };
    let found = found.filter(open);
    let found = found.ok_or(ClientRefused::NoProposal(proposal))?;
    match by {
        Some(by) if *by == found.by => Err(ClientRefused::OwnProposal(by.into())),
        _ => Ok(found.wish.clone()),
    }
}

/// A second operator confirms a change of the clients.
pub(crate) fn confirm(
    book: &mut Book,
    proposal: u64,
    change: ClientChange,
    by: Option<String>,
    now: u64,
) -> Result<Line, AuthorityError> {
    let mut change = change;
    if let ClientChange::Invited { expires, .. } = &mut change {
        *expires = now.max(book.last_time).saturating_add(CODE_LIFETIME); // the code's day begins now
    }
    check(book, &change, now)?;
    let confirms = Some(proposal);
    Ok(book.record(now, by, Event::Client { change, confirms })?)
}

/// An operator, also who proposed it, dismisses a change that waits.
pub(crate) fn dismiss(
    book: &mut Book,
    proposal: u64,
    by: Option<String>,
    now: u64,
) -> Result<Line, AuthorityError> {
    proposed(book, proposal, None, now)?;
    Ok(book.record(now, by, Event::Dismissed { proposal })?)
}

pub(crate) fn check(book: &Book, change: &ClientChange, now: u64) -> Result<(), ClientRefused> {
    let roster = &book.roster;
    let time = now.max(book.last_time);
    match change {
        ClientChange::Invited {
            name, role, rights, ..
        } => {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
            if !(1..=32).contains(&name.len()) || !name.bytes().all(plain) {
                return Err(ClientRefused::Name);
            }
            fit(*role, rights)?;
            let open = roster.invitations.values();
            let open = open.filter(|open| open.expires >= time);
            if open.clone().any(|open| open.name == *name) || roster.active(name).is_some() {
                return Err(ClientRefused::Taken(name.clone()));
            }
            match open.count() >= MAX_ROWS || roster.clients.len() >= MAX_ROWS {
                true => Err(ClientRefused::Full),
                false => Ok(()),
            }
        }
        ClientChange::Enrolled { name, code, .. } => {
            let open = roster.invitations.get(name);
            let good = open.is_some_and(|open| open.code == *code && time <= open.expires);
            good.then_some(()).ok_or(ClientRefused::NoInvitation)
        }
        ClientChange::Withdrawn { name } => {
            let open = roster.invitations.get(name);
            open.map(drop).ok_or(ClientRefused::Unknown)
        }
        ClientChange::Granted { name, rights } => {
            let active = roster.active(name).ok_or(ClientRefused::Unknown)?;
            fit(active.role, rights)
        }
        ClientChange::Renewed { name, .. } | ClientChange::Revoked { name } => {
            let active = roster.active(name);
            active.map(drop).ok_or(ClientRefused::Unknown)
        }
        ClientChange::Adopted { .. } => Ok(()),
    }
}

fn fit(role: ClientRole, rights: &Rights) -> Result<(), ClientRefused> {
    rights.check().map_err(ClientRefused::Rights)?;
    match role == ClientRole::Station || *rights == Rights::default() {
        true => Ok(()),
        false => Err(ClientRefused::Rights(
            "only stations order, so only they have such rights",
        )),
    }
}
