//! A ledger moves to another store: line by line, through the same book; the clients of its service go along.

use super::{Needs, Store, StoreError};
use crate::book::split;
use crate::client::RollEdit;
use crate::error::AuthorityError;
use crate::ledger::{Event, Fault, Line};

/// Lines in one durable step.
const PAGE: u32 = 500;

/// Copies the whole ledger of `from` and its roll of clients into the empty store `to`; gives the number of lines. `from` may go on
/// growing: what was there at the beginning is copied. Every line is read as the audit reads it, and
/// the tree and all records are made anew. What clients' tokens stood for is not copied: a request that was answered before the move and is
/// repeated after it is refused by policy instead of answered again.
///
/// # Errors
/// When `to` is not empty, a line is damaged, or a store fails. What was copied stays, and is nothing
/// that can be opened; begin again with an empty store.
pub fn copy(from: &mut dyn Store, to: &mut dyn Store) -> Result<u64, AuthorityError> {
    match to.roots() {
        Err(StoreError::Absent(_)) => {}
        Ok(roots) => return Err(AuthorityError::Occupied(roots.newest().name())),
        Err(error) => return Err(error.into()),
    }
    // The head first: it is never over more lines than are there when they are counted.
    let head = from.head(0)?;
    let size = from.size()?;
    let first = from.lines(1, 1)?.pop().unwrap_or_default();
    let first = Line::read(&first)?;
    let Event::Root { certificate, .. } = &first.event else {
        return Err(Fault::Contradiction("the first line is not the root's").into());
    };
    to.begin_copy();
    to.found(&first, certificate, head.as_ref().filter(|_| size == 1))?;
    let mut done = 1;
    while done < size {
        let rest = u32::try_from(size - done).unwrap_or(u32::MAX);
        let lines = from.lines(done + 1, rest.min(PAGE))?;
        let lines: Result<Vec<Line>, Fault> = lines.iter().map(|text| Line::read(text)).collect();
        let lines = lines?;
        let mut needs = Needs::default();
        for line in &lines {
            name(&line.event, &mut needs);
            needs.clients.extend(line.by.clone());
        }
        // A restoration moves the numbers of roots as well.
        needs.prefixes.extend(to.roots()?.prefixes());
        let mut book = to.begin(&needs)?;
        let entered: Result<(), Fault> = lines.iter().try_for_each(|line| book.enter(line));
        if lines.is_empty() || entered.is_err() {
            to.abandon();
            entered?;
            return Err(Fault::Place.into());
        }
        done = book.lines();
        to.append(&book).inspect_err(|_| to.abandon())?;
        to.commit(book, head.as_ref().filter(|_| done == size))?;
    }
    let roll = from.roll()?;
    // Those that no line knows, of earlier versions: the others are there already.
    let clients = roll.clients.into_iter().filter(|client| client.line == 0);
    let clients = clients.map(RollEdit::Enrol);
    let invited = roll.invitations.into_iter().filter(|open| open.line == 0);
    let invited = invited.map(RollEdit::Invite);
    let edits: Vec<RollEdit> = clients.chain(invited).collect();
    to.begin_roll()?;
    to.commit_roll(&edits)?;
    if let Some(tls_ca) = from.tls_ca()? {
        to.note_tls_ca(&tls_ca)?;
    }
    to.end_copy()?;
    Ok(done)
}

/// The records that a line is about.
fn name(event: &Event, needs: &mut Needs) {
    needs.names.extend(event.holder());
    match event {
        Event::Challenge { nonce, holder, .. } => {
            needs.nonces.insert(*nonce);
            let prefix = split(holder).map(|(prefix, _)| prefix.into());
            needs.prefixes.extend(prefix);
        }
        Event::Requested { nonce, request, .. } => {
            needs.nonces.insert(*nonce);
            needs.points.insert(request.fields().key.to_compressed());
        }
        Event::Refused { request, .. } => {
            needs.requests.insert(*request);
        }
        Event::Issued {
            nonce,
            certificate,
            approves,
            ..
        } => {
            needs.nonces.insert(*nonce);
            needs.requests.extend(*approves);
            needs
                .points
                .insert(certificate.claims().key.to_compressed());
        }
        Event::Rollover {
            holder,
            certificate,
            ..
        } => {
            let prefix = split(holder).map(|(prefix, _)| prefix.into());
            needs.prefixes.extend(prefix);
            needs
                .points
                .insert(certificate.claims().key.to_compressed());
        }
        Event::Client { .. } | Event::Proposed { .. } | Event::Dismissed { .. } => {
            needs.roll = true;
        }
        Event::List { confirms, .. } => needs.roll |= confirms.is_some(),
        Event::Root { .. }
        | Event::Delivered { .. }
        | Event::Revoked { .. }
        | Event::Restored { .. }
        | Event::Void {}
        | Event::Clock { .. } => {}
    }
}
