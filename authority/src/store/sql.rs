//! The store over any SQL database that has transactions: the same text for SQLite and PostgreSQL.

use super::row::{ASKED, CHALLENGE, HOLDER, ROOT, Row, Value};
use super::schema::{COPYING, STEPS, VERSION};
use super::{Done, Needs, Store, StoreError, Token};
use crate::approval::Asked;
use crate::book::{Book, Holder};
use crate::leap::Restoration;
use crate::ledger::Line;
use crate::roots::{Root, Roots};
use crate::tree::{Hash, SignedTreeHead};
use apdu::certificate::{Certificate, HolderHash, Name, Role, StatusList};
use std::collections::HashMap;

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

    /// Begins a change.
    fn begin(&mut self) -> Result<(), StoreError>;

    /// Ends it: durable when this returns.
    fn commit(&mut self) -> Result<(), StoreError>;

    /// Ends it without a trace. If even that fails, the connection is of no use, and the next change says so.
    fn rollback(&mut self);

    fn rows(&mut self, text: &str, values: &[Value]) -> Result<Vec<Row>, StoreError>;

    fn execute(&mut self, text: &str, values: &[Value]) -> Result<(), StoreError>;
}

/// Bytes that are written to see whether there is room: more than any change of one task needs.
const TRIAL: usize = 65_536;
/// Most values in one statement; lists are cut to fit.
const MOST_VALUES: usize = 400;

/// Most tokens in one statement: each is a term of its own.
const MOST_TOKENS: usize = 64;

/// Requests that an operator can still decide about at the time `$1`.
const OPEN: &str = "issued IS NULL AND refused IS NULL AND until >= $1 AND line > COALESCE((SELECT max(restorations.line) FROM restorations), 0)";

/// A store over a connection.
pub(super) struct SqlStore<S> {
    pub(super) sql: S,
    /// Whether a change is under way.
    pub(super) changing: bool,
    /// The version that stands in the store: [`COPYING`] while a copy into it is being made.
    pub(super) version: i64,
}

impl<S: Sql> SqlStore<S> {
    pub(super) fn damaged(&self, what: impl Into<String>) -> StoreError {
        StoreError::Damaged {
            place: self.sql.place().into(),
            what: what.into(),
        }
    }

    /// All rows, each made into a record.
    pub(super) fn read<T>(
        &mut self,
        what: &str,
        text: &str,
        values: &[Value],
        make: impl Fn(&mut Row) -> Option<T>,
    ) -> Result<Vec<T>, StoreError> {
        let rows = self.sql.rows(text, values)?;
        let made: Option<Vec<T>> = rows.into_iter().map(|mut row| make(&mut row)).collect();
        made.ok_or_else(|| self.damaged(what))
    }

    /// The records whose key is one of `keys`.
    fn among<T>(
        &mut self,
        what: &str,
        text: &str,
        keys: impl IntoIterator<Item = Value>,
        make: impl Fn(&mut Row) -> Option<T>,
    ) -> Result<Vec<T>, StoreError> {
        let keys: Vec<Value> = keys.into_iter().collect();
        let mut found = Vec::new();
        for keys in keys.chunks(MOST_VALUES) {
            let keys = padded(keys, 1);
            let text = format!("{text} IN ({})", places(1, keys.len()));
            found.extend(self.read(what, &text, &keys, &make)?);
        }
        Ok(found)
    }

    /// Inserts rows of `width` values each.
    pub(super) fn insert(
        &mut self,
        text: &str,
        width: usize,
        values: &[Value],
        then: &str,
    ) -> Result<(), StoreError> {
        for values in values.chunks(MOST_VALUES / width * width) {
            let rows: Vec<String> = (0..values.len() / width)
                .map(|row| format!("({})", places(row * width + 1, width)))
                .collect();
            let text = format!("INSERT INTO {text} VALUES {} {then}", rows.join(", "));
            self.sql.execute(&text, values)?;
        }
        Ok(())
    }

    /// Size, and time of the last line.
    pub(super) fn tail(&mut self, lock: &str) -> Result<(u64, u64), StoreError> {
        let text = format!("SELECT version, size, time FROM tail{lock}");
        let tail = self.read("the end of the ledger", &text, &[], |row| {
            Some((row.number::<i64>()?, row.number()?, row.number()?))
        })?;
        match tail.into_iter().next() {
            None => Err(StoreError::Absent(self.sql.place().into())),
            Some((found, size, time)) if found == self.version => Ok((size, time)),
            Some((found, ..)) => Err(self.other_version(found)),
        }
    }

    fn load(&mut self, needs: &Needs) -> Result<Book, StoreError> {
        let (size, time) = self.tail(S::DIALECT.for_update)?;
        let mut book = Book::empty(self.read_roots()?, size, time);
        book.list = self.newest_list()?;
        book.restored = self.last_restoration()?;
        let min_epoch = book.min_epoch();
        let text = "SELECT mark FROM holders WHERE revoked IS NOT NULL AND epoch >= $1";
        let marks = self.read("a holder", text, &[min_epoch.into()], |row| row.array())?;
        book.cut_off = marks.into_iter().map(HolderHash).collect();
        let mut needs = needs.clone();
        self.load_requests(&mut needs, &mut book)?;
        let text = format!("SELECT {HOLDER} FROM holders WHERE name");
        let names = needs.names.iter().map(Value::from);
        for (holder, line) in self.among("a holder", &text, names, Row::holder)? {
            let name = holder.certificate.claims().holder;
            book.holders.insert(name, (holder, line));
        }
        let text = format!("SELECT {CHALLENGE} FROM challenges WHERE nonce");
        let nonces = needs.nonces.iter().map(|nonce| Value::from(&nonce[..]));
        let challenges = self.among("a challenge", &text, nonces, Row::challenge)?;
        book.challenges = challenges.into_iter().collect();
        let points = needs.points.iter().map(|point| Value::from(&point[..]));
        let text = "SELECT point, name FROM holders WHERE point";
        let found = self.among("a holder", text, points, |row| {
            Some((row.array()?, row.name()?))
        })?;
        book.points.extend(found);
        let prefixes = needs.prefixes.iter().map(|prefix| prefix.as_str().into());
        let text = "SELECT prefix, highest, barrier FROM serials WHERE prefix";
        let serials = self.among("a serial number", text, prefixes, |row| {
            Some((row.text()?, row.number()?, row.number()?))
        })?;
        for (prefix, highest, barrier) in serials {
            book.serials.insert(prefix.clone(), highest);
            book.barriers.insert(prefix, barrier);
        }
        book.done = self.done(&needs)?;
        Ok(book)
    }

    /// The requests for an operator that are asked for, and those that stand in the way of a name or key. Whoever decides about one
    /// needs the records of its name and key as well.
    fn load_requests(&mut self, needs: &mut Needs, book: &mut Book) -> Result<(), StoreError> {
        let numbers: Vec<Value> = needs.requests.iter().map(|line| (*line).into()).collect();
        let names: Vec<Value> = needs.names.iter().map(Value::from).collect();
        let points = needs.points.iter().map(|point| Value::from(&point[..]));
        let points: Vec<Value> = points.collect();
        for (column, keys) in [("line", numbers), ("holder", names), ("point", points)] {
            let text = format!("SELECT {ASKED} FROM requests WHERE {column}");
            for asked in self.among("a request", &text, keys, Row::asked)? {
                let fields = asked.request.fields();
                needs.names.insert(fields.holder);
                needs.points.insert(fields.key.to_compressed());
                book.enlist(asked);
            }
        }
        Ok(())
    }

    /// What was answered before.
    fn done(&mut self, needs: &Needs) -> Result<HashMap<Token, Done>, StoreError> {
        let tokens = needs.tokens.iter();
        let tokens: Vec<Value> = tokens
            .flat_map(|token| [token.client.as_str().into(), token.word.as_str().into()])
            .collect();
        let mut done = HashMap::new();
        for tokens in tokens.chunks(MOST_TOKENS * 2) {
            let tokens = padded(tokens, 2);
            let keys = (1..=tokens.len()).step_by(2);
            let keys = keys.map(|at| format!("(client = ${at} AND word = ${})", at + 1));
            let keys: Vec<String> = keys.collect();
            let text = format!(
                "SELECT client, word, digest, entry FROM answers JOIN lines ON sequence = line WHERE {}",
                keys.join(" OR ")
            );
            done.extend(self.read("an answer", &text, &tokens, |row| {
                let token = Token {
                    client: row.text()?,
                    word: row.text()?,
                };
                let digest = row.array()?;
                let line = Line::read(&row.text()?).ok()?;
                Some((token, Done { digest, line }))
            })?);
        }
        Ok(done)
    }

    fn read_roots(&mut self) -> Result<Roots, StoreError> {
        let text = format!("SELECT {ROOT} FROM roots ORDER BY line");
        let roots = self.read("a root", &text, &[], Row::root)?;
        Roots::of(roots).ok_or_else(|| self.damaged("the roots"))
    }

    fn last_restoration(&mut self) -> Result<Restoration, StoreError> {
        let text = "SELECT line, leap, floor, lists FROM restorations ORDER BY line DESC LIMIT 1";
        let found = self.read("a restoration", text, &[], |row| {
            Some(Restoration {
                line: row.number()?,
                leap: row.number()?,
                floor: row.number()?,
                lists: row.number()?,
            })
        })?;
        Ok(found.into_iter().next().unwrap_or_default())
    }

    fn newest_list(&mut self) -> Result<Option<StatusList>, StoreError> {
        let text = "SELECT list FROM lists ORDER BY sequence DESC LIMIT 1";
        let lists = self.read("a status list", text, &[], |row| {
            StatusList::decode(&row.bytes()?).ok()
        })?;
        Ok(lists.into_iter().next())
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
        self.tail("")?; // of this version, or there is none
        self.read_roots()
    }

    fn begin(&mut self, needs: &Needs) -> Result<Book, StoreError> {
        self.end();
        self.sql.begin()?;
        self.changing = true;
        self.load(needs).inspect_err(|_| self.end())
    }

    fn append(&mut self, book: &Book) -> Result<Hash, StoreError> {
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
        Ok(self.last_restoration()?.line)
    }

    fn status_list(&mut self) -> Result<Option<StatusList>, StoreError> {
        self.newest_list()
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

    fn node(&mut self, level: u8, place: u64) -> Result<Hash, StoreError> {
        let text = "SELECT hash FROM nodes WHERE level = $1 AND place = $2";
        let values = [Value::from(u32::from(level)), place.into()];
        let nodes = self.read("the tree", text, &values, |row| Some(Hash(row.array()?)))?;
        nodes
            .into_iter()
            .next()
            .ok_or_else(|| self.damaged("the tree"))
    }
}

/// `$first, $first+1, ..`: `count` of them.
fn places(first: usize, count: usize) -> String {
    let places: Vec<String> = (first..first + count)
        .map(|place| format!("${place}"))
        .collect();
    places.join(", ")
}

/// Keys of `width` values each, the last one repeated until there are 2^n: so there are few statements to prepare.
fn padded(keys: &[Value], width: usize) -> Vec<Value> {
    let mut padded = keys.to_vec();
    if let Some(last) = keys.chunks(width).next_back() {
        let count = (keys.len() / width).next_power_of_two();
        while padded.len() < count * width {
            padded.extend_from_slice(last);
        }
    }
    padded
}
