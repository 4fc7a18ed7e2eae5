//! What a change has to see, read in one round trip behind the lock; a second one only for requests that wait for an operator.

use super::batch::{Batch, Found, Places};
use super::clients::{CLIENT, INVITATION, client, invitation, open_proposals, proposal};
use super::row::{ASKED, CHALLENGE, HOLDER, ROOT, Row, Value};
use super::sql::{Sql, SqlStore};
use super::{ANSWERS_KEPT, Done, Needs, StoreError, Token};
use crate::book::Book;
use crate::leap::Restoration;
use crate::ledger::Line;
use crate::roots::Roots;
use crate::tree::{Hash, MemoryNodes, Node};
use apdu::certificate::{HolderHash, StatusList};
use apdu::identifier::MAX_REVOKED;
use planted::planted;

pub(super) const ROOTS: &str = "FROM roots ORDER BY line";
pub(super) const LAST_LIST: &str = "SELECT list FROM lists ORDER BY sequence DESC LIMIT 1";
pub(super) const LAST_RESTORATION: &str =
    "SELECT line, leap, floor, lists FROM restorations ORDER BY line DESC LIMIT 1";

/// Most answers that one change deletes, so that no change is long: twice what the largest step of the clerk adds.
const MOST_EXPIRED: u32 = 128;

/// Where in a batch the records of names and keys are.
struct Keyed {
    holders: Places,
    points: Places,
    challenges: Places,
}

impl Keyed {
    fn ask(batch: &mut Batch, needs: &Needs) -> Self {
        let names: Vec<Value> = needs.names.iter().map(Value::from).collect();
        let points = needs.points.iter().map(|point| Value::from(&point[..]));
        let points: Vec<Value> = points.collect();
        let nonces = needs.nonces.iter().map(|nonce| Value::from(&nonce[..]));
        let nonces: Vec<Value> = nonces.collect();
        let text = format!("SELECT {HOLDER} FROM holders WHERE name");
        let challenges = format!("SELECT {CHALLENGE} FROM challenges WHERE nonce");
        Self {
            holders: batch.among(&text, &names),
            points: batch.among("SELECT point, name FROM holders WHERE point", &points),
            challenges: batch.among(&challenges, &nonces),
        }
    }
}

/// Where in a batch the records of clients are.
struct Listed {
    proven: Places,
    clients: Places,
    invitations: Places,
    proposals: Places,
}

impl Listed {
    fn ask(batch: &mut Batch, needs: &Needs) -> Self {
        let text = "SELECT line FROM clients WHERE line > 0 ORDER BY line LIMIT 1";
        let proven = batch.add(text, Vec::new());
        let nothing = proven.end..proven.end;
        if !needs.roll {
            let names = needs.clients.iter().map(|name| name.as_str().into());
            let names: Vec<Value> = names.collect();
            let text = format!("SELECT {CLIENT} FROM clients WHERE revoked IS NULL AND name");
            return Self {
                proven,
                clients: batch.among(&text, &names),
                invitations: nothing.clone(),
                proposals: nothing,
            };
        }
        let text = format!("SELECT {CLIENT} FROM clients ORDER BY place");
        let clients = batch.add(text, Vec::new());
        let text = format!("SELECT {INVITATION} FROM invitations ORDER BY expires, name");
        Self {
            proven,
            clients,
            invitations: batch.add(text, Vec::new()),
            proposals: batch.add(open_proposals(), Vec::new()),
        }
    }
}

impl<S: Sql> SqlStore<S> {
    fn take_roster(
        &self,
        book: &mut Book,
        found: &mut Found,
        listed: Listed,
    ) -> Result<(), StoreError> {
        let proven = self.made("a client", found, listed.proven, Row::number::<u64>)?;
        book.roster.proven = !proven.is_empty();
        for (place, client) in self.made("a client", found, listed.clients, client)? {
            book.roster.enlist(place, client);
        }
        for open in self.made("an invitation", found, listed.invitations, invitation)? {
            book.roster.invitations.insert(open.name.clone(), open);
        }
        for open in self.made("a proposal", found, listed.proposals, proposal)? {
            book.roster.proposals.insert(open.line, open);
        }
        Ok(())
    }

    pub(super) fn load(&mut self, needs: &Needs) -> Result<Book, StoreError> {
        let mut batch = Batch::default();
        let tail = self.ask_tail(&mut batch, S::DIALECT.for_update);
        // The lock comes first: whatever follows sees what the writer before has done.
        let frontier = batch.add(frontier(), Vec::new());
        let roots = batch.add(format!("SELECT {ROOT} {ROOTS}"), Vec::new());
        let list = batch.add(LAST_LIST, Vec::new());
        let restoration = batch.add(LAST_RESTORATION, Vec::new());
        // No more than these can be in force, and the newest epochs are.
        let text = format!(
            "SELECT mark, epoch FROM holders WHERE revoked IS NOT NULL AND epoch >= 0 ORDER BY epoch DESC LIMIT {}",
            MAX_REVOKED + 1
        );
        let revoked = batch.add(text, Vec::new());
        let requests = Self::ask_requests(&mut batch, needs);
        let keyed = Keyed::ask(&mut batch, needs);
        let prefixes = needs.prefixes.iter().map(|prefix| prefix.as_str().into());
        let text = "SELECT prefix, highest, barrier FROM serials WHERE prefix";
        let prefixes: Vec<Value> = prefixes.collect();
        let serials = batch.among(text, &prefixes);
        let done = Self::ask_done(&mut batch, needs);
        let roster = Listed::ask(&mut batch, needs);
        let text = format!(
            "SELECT client, word FROM answers WHERE time < (SELECT time FROM tail) - {ANSWERS_KEPT} ORDER BY time LIMIT {MOST_EXPIRED}"
        );
        let expired = batch.add(text, Vec::new());
        let mut found = self.fetch(batch)?;

        let (size, time) = self.tail_in(&mut found, tail)?;
        let nodes = self.made("the tree", &mut found, frontier, node)?;
        let mut frontier = MemoryNodes::default();
        frontier.extend(nodes);
        self.frontier = Some((size, frontier));
        let roots = self.made("a root", &mut found, roots, Row::root)?;
        let roots = Roots::of(roots).ok_or_else(|| self.damaged("the roots"))?;
        let mut book = Book::empty(roots, size, time);
        book.list = self
            .made("a status list", &mut found, list, status_list)?
            .pop();
        let last = self.made("a restoration", &mut found, restoration, restored)?;
        book.restored = last.into_iter().next().unwrap_or_default();
        let min_epoch = book.min_epoch();
        let revoked = self.made("a holder", &mut found, revoked, |row| {
            Some((row.array()?, row.number::<u32>()?))
        })?;
        let in_force = revoked.into_iter().filter(|(_, epoch)| *epoch >= min_epoch);
        book.cut_off = in_force.map(|(mark, _)| HolderHash(mark)).collect();
        let serials = self.made("a serial number", &mut found, serials, |row| {
            Some((row.text()?, row.number()?, row.number()?))
        })?;
        for (prefix, highest, barrier) in serials {
            book.serials.insert(prefix.clone(), highest);
            book.barriers.insert(prefix, barrier);
        }
        let expired = self.made("an answer", &mut found, expired, |row| {
            Some([row.text()?, row.text()?])
        })?;
        self.expired = expired.into_iter().flatten().map(Value::Text).collect();
        let done = self.made("an answer", &mut found, done, answer)?;
        let asked = |(token, _): &(Token, Done)| needs.tokens.contains(token);
        book.done = done.into_iter().filter(asked).collect();
        self.take_roster(&mut book, &mut found, roster)?;
        let requests = self.made("a request", &mut found, requests, Row::asked)?;
        self.take_in(&mut book, &mut found, keyed)?;
        // Whoever decides about a request needs the records of its order, name and key as well.
        let mut more = Needs::default();
        for asked in requests {
            let fields = asked.request.fields();
            more.nonces.insert(fields.nonce);
            more.names.insert(fields.holder);
            more.points.insert(fields.key.to_compressed());
            book.enlist(asked);
        }
        more.nonces.retain(|nonce| !needs.nonces.contains(nonce));
        more.names.retain(|name| !needs.names.contains(name));
        more.points.retain(|point| !needs.points.contains(point));
        let mut batch = Batch::default();
        let keyed = Keyed::ask(&mut batch, &more);
        let mut found = self.fetch(batch)?;
        self.take_in(&mut book, &mut found, keyed)?;
        Ok(book)
    }

    fn take_in(&self, book: &mut Book, found: &mut Found, keyed: Keyed) -> Result<(), StoreError> {
        for (holder, line) in self.made("a holder", found, keyed.holders, Row::holder)? {
            let name = holder.certificate.claims().holder;
            book.holders.insert(name, (holder, line));
        }
        let points = self.made("a holder", found, keyed.points, |row| {
            Some((row.array()?, row.name()?))
        })?;
        book.points.extend(points);
        let challenges = self.made("a challenge", found, keyed.challenges, Row::challenge)?;
        book.challenges.extend(challenges);
        Ok(())
    }

    /// The requests for an operator that are asked for, and those that stand in the way of a name or key.
    fn ask_requests(batch: &mut Batch, needs: &Needs) -> Places {
        let numbers = needs.requests.iter().map(|line| (*line).into()).collect();
        let names = needs.names.iter().map(Value::from).collect();
        let points = needs.points.iter().map(|point| Value::from(&point[..]));
        let keys: [(&str, Vec<Value>); 3] = [
            ("line", numbers),
            ("holder", names),
            ("point", points.collect()),
        ];
        let places = keys.map(|(column, keys)| {
            batch.among(
                &format!("SELECT {ASKED} FROM requests WHERE {column}"),
                &keys,
            )
        });
        let [first, _, last] = places;
        first.start..last.end
    }

    /// What was answered before, by client and word, as its index is made.
    fn ask_done(batch: &mut Batch, needs: &Needs) -> Places {
        let text =
            "SELECT client, word, digest, entry FROM answers JOIN lines ON sequence = line WHERE";
        if planted("answers-by-word-alone") {
            let words = needs.tokens.iter().map(|token| token.word.as_str().into());
            let words: Vec<Value> = words.collect();
            return batch.among(&format!("{text} word"), &words);
        }
        let tokens = needs.tokens.iter();
        let tokens: Vec<Value> = tokens
            .flat_map(|token| [token.client.as_str().into(), token.word.as_str().into()])
            .collect();
        batch.pairs(text, ["client", "word"], &tokens)
    }
}

/// The complete subtrees that the tree ends with, lowest bit of its size first: all that it takes to make it grow.
fn frontier() -> String {
    let bits: Vec<String> = (0..63).map(|bit| format!("({bit})")).collect();
    format!(
        "WITH bits(bit) AS (VALUES {}) SELECT nodes.level, nodes.place, nodes.hash FROM tail CROSS JOIN bits CROSS JOIN nodes \
         WHERE (tail.size >> bits.bit) & 1 = 1 AND nodes.level = bits.bit AND nodes.place = (tail.size >> bits.bit) - 1",
        bits.join(", ")
    )
}

pub(super) fn node(row: &mut Row) -> Option<Node> {
    let (level, index) = (row.number()?, row.number()?);
    let hash = Hash(row.array()?);
    Some(Node { level, index, hash })
}

pub(super) fn status_list(row: &mut Row) -> Option<StatusList> {
    StatusList::decode(&row.bytes()?).ok()
}

pub(super) fn restored(row: &mut Row) -> Option<Restoration> {
    Some(Restoration {
        line: row.number()?,
        leap: row.number()?,
        floor: row.number()?,
        lists: row.number()?,
    })
}

fn answer(row: &mut Row) -> Option<(Token, Done)> {
    let token = Token {
        client: row.text()?,
        word: row.text()?,
    };
    let digest = row.array()?;
    let line = Line::read(&row.text()?).ok()?;
    Some((token, Done { digest, line }))
}
