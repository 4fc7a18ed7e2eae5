//! The store over any SQL database that has transactions: the same text for SQLite and PostgreSQL.

use super::batch::{Batch, Found, Places, Query};
use super::load::{LAST_LIST, LAST_RESTORATION, ROOTS, node, restored, status_list};
use super::row::{ASKED, HOLDER, ROOT, Row, Value};
use super::schema::{COPYING, STEPS, VERSION};
use super::{Appended, Expected, Needs, Store, StoreError};
use crate::approval::Asked;
use crate::book::{Book, Holder};
use crate::ledger::Line;
use crate::roots::{Root, Roots};
use crate::tree::{MemoryNodes, Nodes as _, SignedTreeHead};
use apdu::certificate::{Certificate, Name, Role, StatusList};

/// In what the databases differ.
pub(super) struct Dialect {
    /// The type of byte strings.
    pub bytes: &'static str,
    /// Whether each statement is a round trip to a server.
    pub far: bool,
    /// Locks a row that was read.
    pub for_update: &'static str,
    /// Locks the tables before they are changed themselves; nothing where the beginning of a change does so.
    pub alone: &'static str,
}

/// A connection to a database. Parameters are `$1`, `$2`, .. in the order of their first use.
pub(super) trait Sql: Send {
    const DIALECT: Dialect;

    /// Which database, for messages.
    fn place(&self) -> &str;

    /// Begins a change. May wait until something is read in it.
    fn begin(&mut self) -> Result<(), StoreError>;

    /// Ends it: durable when this returns.
    fn commit(&mut self) -> Result<(), StoreError>;

    /// Rolls it back. If even that fails, the connection is of no use, and the next change says so.
    fn rollback(&mut self);

    /// The rows of each query, after all that was to be executed before: one round trip in all where the database is far.
    fn queries(&mut self, queries: Vec<Query>) -> Result<Vec<Vec<Row>>, StoreError>;

    /// Executes within a change. May wait until something is read or the change ends; an error comes from there then.
    fn execute(&mut self, text: &str, values: &[Value]) -> Result<(), StoreError>;

    /// Changes the tables themselves, within a change.
    fn define(&mut self, text: &str) -> Result<(), StoreError>;
}

/// Bytes that are written to see whether there is room: more than any change of one task needs.
const TRIAL: usize = 65_536;
/// Requests that an operator can still decide about at the time `$1`.
const OPEN: &str = "issued IS NULL AND refused IS NULL AND until >= $1 AND line > COALESCE((SELECT max(restorations.line) FROM restorations), 0)";

/// A store over a connection.
pub(super) struct SqlStore<S> {
    pub(super) sql: S,
    /// Whether a change is under way.
    pub(super) changing: bool,
    /// The version that stands in the store: [`COPYING`] while a copy into it is being made.
    pub(super) version: i64,
    /// Number of lines before the change, and what its tree ends with.
    pub(super) frontier: Option<(u64, MemoryNodes)>,
    /// Clients and words of answers that the change may delete, for they are too old.
    pub(super) expired: Vec<Value>,
}

impl<S: Sql> SqlStore<S> {
    pub(super) fn damaged(&self, what: impl Into<String>) -> StoreError {
        StoreError::Damaged {
            place: self.sql.place().into(),
            what: what.into(),
        }
    }

    pub(super) fn ask_tail(&self, batch: &mut Batch, lock: &str) -> Places {
        let text = format!("SELECT version, size, time FROM tail{lock}");
        batch.add(text, Vec::new())
    }

    /// Size, and time of the last line.
    pub(super) fn tail_in(
        &self,
        found: &mut Found,
        places: Places,
    ) -> Result<(u64, u64), StoreError> {
        let tail = self.made("the end of the ledger", found, places, |row| {
            Some((row.number::<i64>()?, row.number()?, row.number()?))
        })?;
        match tail.into_iter().next() {
            None => Err(StoreError::Absent(self.sql.place().into())),
            Some((found, size, time)) if found == self.version => Ok((size, time)),
            Some((found, ..)) => Err(self.other_version(found)),
        }
    }

    /// The same, read by itself.
    pub(super) fn tail(&mut self, lock: &str) -> Result<(u64, u64), StoreError> {
        let mut batch = Batch::default();
        let places = self.ask_tail(&mut batch, lock);
        let mut found = self.fetch(batch)?;
        self.tail_in(&mut found, places)
    }
}

impl<S: Sql> Store for SqlStore<S> {
    fn is_far(&self) -> bool {
        S::DIALECT.far
    }

    fn begin_copy(&mut self) {
        self.version = COPYING;
    }

    fn end_copy(&mut self) -> Result<(), StoreError> {
        self.lock()?;
        let text = "UPDATE tail SET version = $1";
        self.settle(|store| store.sql.execute(text, &[Value::Number(VERSION)]))?;
        self.version = VERSION;
        Ok(())
    }

    fn found(
        &mut self,
        first: &Line,
        root: &Certificate,
        head: Option<&SignedTreeHead>,
    ) -> Result<(), StoreError> {
        self.end();
        self.sql.begin()?;
        self.changing = true;
        self.settle(|store| {
            store.make(&STEPS)?;
            store.write_lines(0, std::slice::from_ref(first))?;
            store.write_roots(&[Root {
                certificate: root.clone(),
                link: None,
                line: first.sequence,
            }])?;
            let values = [Value::Number(store.version), first.time.into()];
            let text = "INSERT INTO tail (id, version, size, time) VALUES (1, $1, 1, $2)";
            store.sql.execute(text, &values)?;
            store.write_head(head)
        })
    }

    fn roots(&mut self) -> Result<Roots, StoreError> {
        let mut batch = Batch::default();
        let tail = self.ask_tail(&mut batch, "");
        let roots = batch.add(format!("SELECT {ROOT} {ROOTS}"), Vec::new());
        let mut found = self.fetch(batch)?;
        self.tail_in(&mut found, tail)?; // of this version, or there is none
        let roots = self.made("a root", &mut found, roots, Row::root)?;
        Roots::of(roots).ok_or_else(|| self.damaged("the roots"))
    }

    fn begin(&mut self, needs: &Needs) -> Result<Book, StoreError> {
        self.end();
        self.sql.begin()?;
        self.changing = true;
        self.load(needs).inspect_err(|_| self.end())
    }

    fn append(&mut self, book: &Book) -> Result<Appended, StoreError> {
        self.write_lines(book.size, &book.gained.lines)
    }

    fn commit(&mut self, book: Book, head: Option<&SignedTreeHead>) -> Result<(), StoreError> {
        self.settle(|store| store.write_all(&book, head))
    }

    fn abandon(&mut self) {
        self.end();
    }

    fn holder(&mut self, name: &Name) -> Result<Option<(Holder, u64)>, StoreError> {
        let text = format!("SELECT {HOLDER} FROM holders WHERE name = $1");
        let found = self.read("a holder", &text, &[name.into()], Row::holder)?;
        Ok(found.into_iter().next())
    }

    fn holders(&mut self, after: Option<&Name>, count: u32) -> Result<Vec<Holder>, StoreError> {
        let text = format!("SELECT {HOLDER} FROM holders WHERE name > $1 ORDER BY name LIMIT $2");
        let values = [after.map_or("", Name::as_str).into(), count.into()];
        let found = self.read("a holder", &text, &values, Row::holder)?;
        Ok(found.into_iter().map(|(holder, _)| holder).collect())
    }

    fn waiting(&mut self, role: Role, count: u32) -> Result<Vec<Holder>, StoreError> {
        let text = format!(
            "SELECT {HOLDER} FROM holders WHERE role = $1 AND delivered = 0 AND revoked IS NULL ORDER BY issued DESC, line DESC LIMIT $2"
        );
        let found = self.read("a holder", &text, &[role.into(), count.into()], Row::holder)?;
        Ok(found.into_iter().map(|(holder, _)| holder).collect())
    }

    fn waiting_of(
        &mut self,
        client: &str,
        role: Role,
        count: u32,
    ) -> Result<Vec<Holder>, StoreError> {
        let mut batch = Batch::default();
        let text = |client: &str, role: u8| {
            let limit = role + 1;
            format!(
                "SELECT {HOLDER} FROM holders WHERE client {client} AND role = ${role} AND delivered = 0 AND revoked IS NULL \
                 ORDER BY issued DESC, line DESC LIMIT ${limit}"
            )
        };
        let unbound = vec![role.into(), count.into()];
        let first = batch.add(text("IS NULL", 1), unbound);
        let own = vec![client.into(), role.into(), count.into()];
        let last = batch.add(text("= $1", 2), own);
        let mut found = self.fetch(batch)?;
        let mut found = self.made("a holder", &mut found, first.start..last.end, Row::holder)?;
        found.sort_by_key(|(holder, line)| std::cmp::Reverse((holder.issued, *line)));
        let newest = found
            .into_iter()
            .take(usize::try_from(count).unwrap_or(usize::MAX));
        Ok(newest.map(|(holder, _)| holder).collect())
    }

    fn request(&mut self, line: u64) -> Result<Option<Asked>, StoreError> {
        let text = format!("SELECT {ASKED} FROM requests WHERE line = $1");
        let found = self.read("a request", &text, &[line.into()], Row::asked)?;
        Ok(found.into_iter().next())
    }

    fn requests(&mut self, after: u64, count: u32) -> Result<Vec<Asked>, StoreError> {
        let text = format!("SELECT {ASKED} FROM requests WHERE line > $1 ORDER BY line LIMIT $2");
        self.read(
            "a request",
            &text,
            &[after.into(), count.into()],
            Row::asked,
        )
    }

    fn awaiting(
        &mut self,
        of: Option<(&str, Role)>,
        unix_seconds: u64,
        count: u32,
    ) -> Result<Vec<Asked>, StoreError> {
        let mut values = vec![Value::from(unix_seconds)];
        let mut whose = "";
        if let Some((client, role)) = of {
            values.extend([client.into(), role.into()]);
            whose = "AND client = $2 AND role = $3 ";
        }
        values.push(count.into());
        let text = format!(
            "SELECT {ASKED} FROM requests WHERE {OPEN} {whose}ORDER BY line LIMIT ${}",
            values.len()
        );
        self.read("a request", &text, &values, Row::asked)
    }

    fn awaiting_count(&mut self, unix_seconds: u64) -> Result<u64, StoreError> {
        let text = format!("SELECT count(*) FROM requests WHERE {OPEN}");
        let counts = self.read("a request", &text, &[unix_seconds.into()], Row::number)?;
        Ok(counts.into_iter().next().unwrap_or_default())
    }

    fn restored(&mut self) -> Result<u64, StoreError> {
        let found = self.read("a restoration", LAST_RESTORATION, &[], restored)?;
        Ok(found.first().map_or(0, |restoration| restoration.line))
    }

    fn status_list(&mut self) -> Result<Option<StatusList>, StoreError> {
        Ok(self
            .read("a status list", LAST_LIST, &[], status_list)?
            .pop())
    }

    fn highest(&mut self) -> Result<Option<(String, u32)>, StoreError> {
        let text = "SELECT prefix, highest FROM serials ORDER BY highest DESC, prefix LIMIT 1";
        let found = self.read("a serial number", text, &[], |row| {
            Some((row.text()?, row.number()?))
        })?;
        Ok(found.into_iter().next())
    }

    fn probe(&mut self) -> Result<(), StoreError> {
        let filler = Value::from(&[0; TRIAL][..]);
        self.lock()?;
        self.settle(|store| {
            let then = "ON CONFLICT (id) DO UPDATE SET filler = excluded.filler";
            store.insert("trial (id, filler)", 2, &[1_u64.into(), filler], then)
        })?;
        self.lock()?;
        self.settle(|store| store.sql.execute("DELETE FROM trial", &[]))
    }

    fn differing(&mut self, expected: &Expected<'_>) -> Result<Option<String>, StoreError> {
        SqlStore::differing(self, expected)
    }

    fn last_line(&mut self) -> Result<(u64, u64), StoreError> {
        self.tail("")
    }

    fn size(&mut self) -> Result<u64, StoreError> {
        self.tail("").map(|(size, _)| size)
    }

    fn lines(&mut self, first: u64, count: u32) -> Result<Vec<String>, StoreError> {
        let text = "SELECT entry FROM lines WHERE sequence >= $1 ORDER BY sequence LIMIT $2";
        self.read("a line", text, &[first.into(), count.into()], Row::text)
    }

    fn head(&mut self, size: u64) -> Result<Option<SignedTreeHead>, StoreError> {
        let text = "SELECT head FROM heads WHERE size >= $1 ORDER BY size DESC LIMIT 1";
        let heads = self.read("a head", text, &[size.into()], |row| {
            SignedTreeHead::from_json(row.text()?.as_bytes()).ok()
        })?;
        Ok(heads.into_iter().next())
    }

    fn nodes(&mut self, wanted: &[(u8, u64)]) -> Result<MemoryNodes, StoreError> {
        let keys = wanted.iter();
        let keys = keys.flat_map(|(level, place)| [u32::from(*level).into(), (*place).into()]);
        let keys: Vec<Value> = keys.collect();
        let mut batch = Batch::default();
        let text = "SELECT level, place, hash FROM nodes WHERE";
        let places = batch.pairs(text, ["level", "place"], &keys);
        let mut found = self.fetch(batch)?;
        let mut nodes = MemoryNodes::default();
        nodes.extend(self.made("the tree", &mut found, places, node)?);
        match wanted
            .iter()
            .all(|(level, place)| nodes.node(*level, *place).is_ok())
        {
            true => Ok(nodes),
            false => Err(self.damaged("the tree")),
        }
    }
}
