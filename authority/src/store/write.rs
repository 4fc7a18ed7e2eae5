//! What a change adds, written: lines and the nodes they complete, then the records, the head, and the ledger's new end.

use super::batch::Batch;
use super::records;
use super::row::{CHALLENGE, ROOT, Value};
use super::sql::{Sql, SqlStore};
use super::{Appended, StoreError};
use crate::book::Book;
use crate::leap::Restoration;
use crate::ledger::Line;
use crate::roots::Root;
use crate::tree::{self, MemoryNodes, Node, SignedTreeHead};

impl<S: Sql> SqlStore<S> {
    /// Writes the lines and the nodes of the tree that they complete; gives the tree over all.
    pub(super) fn write_lines(
        &mut self,
        before: u64,
        lines: &[Line],
    ) -> Result<Appended, StoreError> {
        let known = self.frontier.take();
        let known = known.filter(|(size, _)| *size == before);
        let mut nodes = known.map(|(_, nodes)| nodes).unwrap_or_default();
        let mut grown = MemoryNodes::default();
        let mut size = before;
        let mut entries = Vec::new();
        for line in lines {
            tree::append(size, line.hash(), &nodes, &mut grown)
                .map_err(|_| self.damaged("the tree"))?;
            entries.extend([Value::from(line.sequence), line.text.as_str().into()]);
            size += 1;
        }
        self.insert("lines (sequence, entry)", 2, &entries, "")?;
        let row = |node: Node| {
            let level = u32::from(node.level);
            [level.into(), node.index.into(), node.hash.0[..].into()]
        };
        let rows: Vec<Value> = grown.rows().flat_map(row).collect();
        self.insert("nodes (level, place, hash)", 3, &rows, "")?;
        nodes.extend(grown.rows());
        let root = tree::root(size, &nodes).map_err(|_| self.damaged("the tree"))?;
        Ok(Appended { root, nodes })
    }

    pub(super) fn write_roots(&mut self, roots: &[Root]) -> Result<(), StoreError> {
        let rows: Vec<Value> = roots.iter().flat_map(records::root).collect();
        self.insert(&format!("roots ({ROOT})"), 3, &rows, "")
    }

    fn write_records(&mut self, book: &Book) -> Result<(), StoreError> {
        self.write_roots(&book.gained.roots)?;
        let mut rows = Vec::new();
        for (holder, line) in book
            .gained
            .holders
            .iter()
            .filter_map(|name| book.holders.get(name))
        {
            rows.extend(records::holder(holder, *line));
        }
        let text = format!("holders ({})", records::HOLDERS.columns);
        let then = "ON CONFLICT (name) DO UPDATE SET delivered = excluded.delivered, revoked = excluded.revoked";
        self.insert(&text, 12, &rows, then)?;
        let mut rows = Vec::new();
        for nonce in &book.gained.challenges {
            let Some(given) = book.challenges.get(nonce) else {
                continue;
            };
            rows.extend(records::challenge(nonce, given));
        }
        let text = format!("challenges ({CHALLENGE})");
        self.insert(
            &text,
            7,
            &rows,
            "ON CONFLICT (nonce) DO UPDATE SET used = excluded.used",
        )?;
        self.write_requests(book)?;
        self.write_roster(book)?;
        let serials = book.gained.serials.iter();
        let row =
            |prefix: &String| records::serial(prefix, book.highest(prefix), book.barrier(prefix));
        let rows: Vec<Value> = serials.flat_map(row).collect();
        let then = "ON CONFLICT (prefix) DO UPDATE SET highest = excluded.highest, barrier = excluded.barrier";
        self.insert("serials (prefix, highest, barrier)", 3, &rows, then)?;
        let lists = book.gained.lists.iter();
        let rows: Vec<Value> = lists.flat_map(records::list).collect();
        self.insert("lists (sequence, list)", 2, &rows, "")?;
        let mut rows = Vec::new();
        for token in &book.gained.tokens {
            if let Some(done) = book.done.get(token) {
                rows.extend([
                    Value::from(token.client.as_str()),
                    token.word.as_str().into(),
                    done.digest[..].into(),
                    done.line.sequence.into(),
                    done.line.time.into(),
                ]);
            }
        }
        self.insert("answers (client, word, digest, line, time)", 5, &rows, "")?;
        self.forget_answers()
    }

    /// Deletes the answers that were found to be too old: a bounded number, but more than one step adds.
    fn forget_answers(&mut self) -> Result<(), StoreError> {
        let mut batch = Batch::default();
        batch.pairs(
            "DELETE FROM answers WHERE",
            ["client", "word"],
            &std::mem::take(&mut self.expired),
        );
        let mut deletions = batch.into_queries().into_iter();
        deletions.try_for_each(|query| self.sql.execute(&query.text, &query.values))
    }

    /// Clients, invitations and proposals that are new, different or gone.
    fn write_roster(&mut self, book: &Book) -> Result<(), StoreError> {
        let (roster, gained) = (&book.roster, &book.gained);
        for name in &gained.invitations {
            let text = "DELETE FROM invitations WHERE name = $1";
            self.sql.execute(text, &[name.as_str().into()])?;
        }
        let open = gained.invitations.iter();
        let open = open.filter_map(|name| roster.invitations.get(name));
        let rows: Vec<Value> = open.flat_map(records::invitation).collect();
        let text = format!("invitations ({})", records::INVITATIONS.columns);
        self.insert(&text, 7, &rows, "")?;
        let changed = gained.clients.iter();
        let changed = changed.filter_map(|place| Some((*place, roster.clients.get(place)?)));
        let rows = changed.flat_map(|(place, client)| records::client(place, client));
        let rows: Vec<Value> = rows.collect();
        let text = format!("clients ({})", records::CLIENTS.columns);
        let then = "ON CONFLICT (place) DO UPDATE SET fingerprint = excluded.fingerprint, revoked = excluded.revoked, \
                    line = excluded.line, rights = excluded.rights, day = excluded.day, ordered = excluded.ordered";
        self.insert(&text, 11, &rows, then)?;
        let changed = gained.proposals.iter();
        let changed = changed.filter_map(|line| roster.proposals.get(line));
        let rows: Vec<Value> = changed.flat_map(records::proposal).collect();
        let text = format!("proposals ({})", records::PROPOSALS.columns);
        let then = "ON CONFLICT (line) DO UPDATE SET decided = excluded.decided";
        self.insert(&text, 6, &rows, then)
    }

    fn write_requests(&mut self, book: &Book) -> Result<(), StoreError> {
        let mut rows = Vec::new();
        for asked in book
            .gained
            .requests
            .iter()
            .filter_map(|line| book.requests.get(line))
        {
            rows.extend(records::request(asked));
        }
        let text = format!("requests ({})", records::REQUESTS.columns);
        let then =
            "ON CONFLICT (line) DO UPDATE SET issued = excluded.issued, refused = excluded.refused";
        self.insert(&text, 12, &rows, then)
    }

    /// The leap of all numbers, and the end of all open challenges.
    fn write_restoration(&mut self, restoration: &Restoration) -> Result<(), StoreError> {
        let leap = restoration.leap;
        let row = records::restoration(restoration);
        self.insert("restorations (line, leap, floor, lists)", 4, &row, "")?;
        let text = "UPDATE serials SET highest = highest + $1, barrier = highest + $1 + 1";
        self.sql.execute(text, &[leap.into()])?;
        self.sql.execute("DELETE FROM invitations", &[])?;
        self.sql
            .execute("UPDATE challenges SET used = 1 WHERE used = 0", &[])
    }

    pub(super) fn write_head(&mut self, head: Option<&SignedTreeHead>) -> Result<(), StoreError> {
        let Some(head) = head else {
            return Ok(());
        };
        let json = serde_json::to_string(head).map_err(|_| self.damaged("a head"))?;
        let values = [head.head.size.into(), json.as_str().into()];
        self.sql
            .execute("INSERT INTO heads (size, head) VALUES ($1, $2)", &values)
    }

    pub(super) fn write_all(
        &mut self,
        book: &Book,
        head: Option<&SignedTreeHead>,
    ) -> Result<(), StoreError> {
        // First what touches every record: those that the book has seen are written below as it knows them.
        for restoration in &book.gained.restorations {
            self.write_restoration(restoration)?;
        }
        self.write_records(book)?;
        self.write_head(head)?;
        let values = [book.lines().into(), book.last_time.into()];
        self.sql
            .execute("UPDATE tail SET size = $1, time = $2", &values)
    }
}
