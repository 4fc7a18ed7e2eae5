//! Every row of the tables that follow from the ledger, compared with what the lines say, column by column.
//!
//! Not compared, for no line tells it: `answers`, `service`, `trial`, and signatures of heads before the newest.

use super::StoreError;
use super::batch::Batch;
use super::records::{self, Table};
use super::row::{Row, Value};
use super::sql::{Sql, SqlStore};
use crate::book::Book;
use crate::leap::Restoration;
use crate::roots::{Root, Roots};
use crate::roster::rows_are_compared;
use crate::tree::{self, MemoryNodes, Node, SignedTreeHead};
use apdu::certificate::StatusList;
use planted::planted;
use std::collections::BTreeMap;

/// Rows read at once.
const PAGE: u32 = 1_000;

/// What follows from the lines of a ledger, from the first to the last.
pub struct Expected<'l> {
    pub(crate) book: &'l Book,
    pub(crate) nodes: &'l MemoryNodes,
    /// All status lists.
    pub(crate) lists: &'l [StatusList],
    /// All restorations.
    pub(crate) restorations: &'l [Restoration],
}

/// Rows by key.
type Rows = BTreeMap<Vec<Value>, Vec<Value>>;

impl<S: Sql> SqlStore<S> {
    /// The first record that says something else than the lines.
    pub(super) fn differing(
        &mut self,
        expected: &Expected<'_>,
    ) -> Result<Option<String>, StoreError> {
        let Expected {
            book,
            nodes,
            lists,
            restorations,
        } = *expected;
        if self.tail("")? != (book.lines(), book.last_time) {
            return Ok(Some("the end of the ledger".into()));
        }
        if !self.lines_after(book.lines())?.is_empty() {
            return Ok(Some("a line behind the end of the ledger".into()));
        }
        let serial = |(prefix, highest): (&String, &u32)| {
            records::serial(prefix, *highest, book.barrier(prefix)).to_vec()
        };
        let node = |node: Node| {
            let level = u32::from(node.level);
            vec![level.into(), node.index.into(), node.hash.0[..].into()]
        };
        let holders = book.holders.values();
        let holders = holders.map(|(holder, line)| records::holder(holder, *line).to_vec());
        let challenges = book.challenges.iter();
        let challenges = challenges.map(|(nonce, given)| records::challenge(nonce, given).to_vec());
        let requests = book
            .requests
            .values()
            .map(|asked| records::request(asked).to_vec());
        let serials = match planted("serials-not-compared") {
            true => self.all(&records::SERIALS)?,
            false => book.serials.iter().map(serial).collect(),
        };
        let roots = book.roots.iter().map(|root| records::root(root).to_vec());
        let lists = lists.iter().map(|list| records::list(list).to_vec());
        let leaps = restorations.iter();
        let leaps = leaps.map(|restoration| records::restoration(restoration).to_vec());
        let roster = &book.roster;
        let clients = roster.clients.iter();
        let clients = clients.map(|(place, client)| records::client(*place, client).to_vec());
        let invitations = roster.invitations.values();
        let invitations = invitations.map(|open| records::invitation(open).to_vec());
        let proposals = roster.proposals.values();
        let proposals = proposals.map(|proposal| records::proposal(proposal).to_vec());
        // Before the first line of a client there may be rows of earlier versions, which prove nothing.
        let compared = rows_are_compared();
        let clients = match roster.proven && compared {
            true => clients.collect(),
            false => self.all(&records::CLIENTS)?,
        };
        let invitations = match (roster.proven || !roster.invitations.is_empty()) && compared {
            true => invitations.collect(),
            false => self.all(&records::INVITATIONS)?,
        };
        let all: [(&Table, Vec<Vec<Value>>); 11] = [
            (&records::CLIENTS, clients),
            (&records::INVITATIONS, invitations),
            (&records::PROPOSALS, proposals.collect()),
            (&records::HOLDERS, holders.collect()),
            (&records::CHALLENGES, challenges.collect()),
            (&records::REQUESTS, requests.collect()),
            (&records::SERIALS, serials),
            (&records::ROOTS, roots.collect()),
            (&records::LISTS, lists.collect()),
            (&records::RESTORATIONS, leaps.collect()),
            (&records::NODES, nodes.rows().map(node).collect()),
        ];
        for (table, rows) in all {
            let key = |row: Vec<Value>| (row.iter().take(table.key.len()).cloned().collect(), row);
            if self.differs(table, rows.into_iter().map(key).collect())? {
                return Ok(Some(table.row.into()));
            }
        }
        self.differing_head(&book.roots, nodes, book.lines())
    }

    fn lines_after(&mut self, size: u64) -> Result<Vec<Vec<Value>>, StoreError> {
        let text = "SELECT sequence FROM lines WHERE sequence > $1 ORDER BY sequence LIMIT 1";
        self.read("a line", text, &[size.into()], |row| Some(row.values()))
    }

    /// Whether a table has other rows than these.
    fn differs(&mut self, table: &Table, mut expected: Rows) -> Result<bool, StoreError> {
        let mut after = None;
        loop {
            let page = self.page(table, after.as_deref())?;
            let Some(last) = page.last() else {
                return Ok(!expected.is_empty());
            };
            after = Some(
                last.iter()
                    .take(table.key.len())
                    .cloned()
                    .collect::<Vec<_>>(),
            );
            for row in page {
                let key: Vec<Value> = row.iter().take(table.key.len()).cloned().collect();
                if expected.remove(&key) != Some(row) {
                    return Ok(true);
                }
            }
        }
    }

    fn all(&mut self, table: &Table) -> Result<Vec<Vec<Value>>, StoreError> {
        let mut rows: Vec<Vec<Value>> = Vec::new();
        loop {
            let after = rows.last();
            let after = after.map(|row| {
                row.iter()
                    .take(table.key.len())
                    .cloned()
                    .collect::<Vec<_>>()
            });
            let page = self.page(table, after.as_deref())?;
            if page.is_empty() {
                return Ok(rows);
            }
            rows.extend(page);
        }
    }

    /// The rows behind a key.
    fn page(
        &mut self,
        table: &Table,
        after: Option<&[Value]>,
    ) -> Result<Vec<Vec<Value>>, StoreError> {
        let keys = table.key.join(", ");
        let (columns, name) = (table.columns, table.name);
        let mut values = after.unwrap_or_default().to_vec();
        let behind = match values.len() {
            0 => "",
            1 => &format!("WHERE {keys} > $1 "),
            _ => &format!("WHERE ({keys}) > ($1, $2) "),
        };
        values.push(PAGE.into());
        let text = format!(
            "SELECT {columns} FROM {name} {behind}ORDER BY {keys} LIMIT ${}",
            values.len()
        );
        let mut batch = Batch::default();
        let places = batch.add(text, values);
        let mut found = self.fetch(batch)?;
        self.made(table.row, &mut found, places, |row| Some(Row::values(row)))
    }

    /// The first head whose issuer, size or root is not of these lines.
    fn differing_head(
        &mut self,
        roots: &Roots,
        nodes: &MemoryNodes,
        lines: u64,
    ) -> Result<Option<String>, StoreError> {
        let mut after = 0;
        loop {
            let text = "SELECT size, head FROM heads WHERE size > $1 ORDER BY size LIMIT $2";
            let page = self.read("a head", text, &[Value::from(after), PAGE.into()], |row| {
                Some((row.number::<u64>()?, row.text()?))
            })?;
            let Some((last, _)) = page.last() else {
                return Ok(None);
            };
            after = *last;
            for (size, text) in page {
                let in_force = roots.iter().take_while(|root| root.line <= size).last();
                let good = SignedTreeHead::from_json(text.as_bytes()).is_ok_and(|signed| {
                    let head = &signed.head;
                    serde_json::to_string(&signed).is_ok_and(|same| same == text)
                        && (1..=lines).contains(&size)
                        && head.size == size
                        && tree::root(size, nodes).is_ok_and(|root| root == head.root)
                        && in_force.map(Root::name) == Some(head.issuer)
                });
                if !good {
                    return Ok(Some(format!("the head over {size} lines")));
                }
            }
        }
    }
}
