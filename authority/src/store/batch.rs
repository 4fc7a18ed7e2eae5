//! Reads that go to the database together: in one round trip, where it is far away.

use super::StoreError;
use super::row::{Row, Value};
use super::sql::{Sql, SqlStore};
use std::ops::Range;

/// Most values in one statement; lists are cut to fit.
pub(super) const MOST_VALUES: usize = 400;

/// A read: its text, and the values of `$1`, `$2`, ..
pub(super) struct Query {
    pub text: String,
    pub values: Vec<Value>,
}

/// Reads in the order in which they are done.
#[derive(Default)]
pub(super) struct Batch(Vec<Query>);

/// Which of a batch's reads belong together.
pub(super) type Places = Range<usize>;

impl Batch {
    pub(super) fn add(&mut self, text: impl Into<String>, values: Vec<Value>) -> Places {
        let text = text.into();
        self.0.push(Query { text, values });
        self.0.len() - 1..self.0.len()
    }

    pub(super) fn into_queries(self) -> Vec<Query> {
        self.0
    }

    /// The records whose key is one of `keys`; `text` ends where `IN` follows.
    pub(super) fn among(&mut self, text: &str, keys: &[Value]) -> Places {
        let begin = self.0.len();
        for keys in keys.chunks(MOST_VALUES) {
            let keys = padded(keys, 1);
            let text = format!("{text} IN ({})", places(1, keys.len()));
            self.add(text, keys);
        }
        begin..self.0.len()
    }

    /// The records with one of these pairs in two columns; `text` ends where the condition follows.
    pub(super) fn pairs(&mut self, text: &str, columns: [&str; 2], keys: &[Value]) -> Places {
        let begin = self.0.len();
        let [one, other] = columns;
        for keys in keys.chunks(MOST_PAIRS * 2) {
            let keys = padded(keys, 2);
            let firsts = (1..=keys.len()).step_by(2);
            let pairs = firsts.map(|at| format!("({one} = ${at} AND {other} = ${})", at + 1));
            let pairs: Vec<String> = pairs.collect();
            self.add(format!("{text} {}", pairs.join(" OR ")), keys);
        }
        begin..self.0.len()
    }
}

/// Most pairs in one statement: each is a term of its own.
const MOST_PAIRS: usize = 64;

/// What the reads of a batch gave.
pub(super) struct Found(Vec<Vec<Row>>);

impl<S: Sql> SqlStore<S> {
    pub(super) fn fetch(&mut self, batch: Batch) -> Result<Found, StoreError> {
        match batch.0.is_empty() {
            true => Ok(Found(Vec::new())),
            false => self.sql.queries(batch.0).map(Found),
        }
    }

    /// The rows of some reads, each made into a record.
    pub(super) fn made<T>(
        &self,
        what: &str,
        found: &mut Found,
        places: Places,
        make: impl Fn(&mut Row) -> Option<T>,
    ) -> Result<Vec<T>, StoreError> {
        let rows = found.0.get_mut(places).unwrap_or_default();
        let rows = rows.iter_mut().flat_map(std::mem::take);
        let made: Option<Vec<T>> = rows.map(|mut row| make(&mut row)).collect();
        made.ok_or_else(|| self.damaged(what))
    }

    /// One read, each row made into a record.
    pub(super) fn read<T>(
        &mut self,
        what: &str,
        text: &str,
        values: &[Value],
        make: impl Fn(&mut Row) -> Option<T>,
    ) -> Result<Vec<T>, StoreError> {
        let mut batch = Batch::default();
        let places = batch.add(text, values.to_vec());
        let mut found = self.fetch(batch)?;
        self.made(what, &mut found, places, make)
    }

    /// Inserts rows of `width` values each, 2^n in a statement: so there are few statements to prepare.
    pub(super) fn insert(
        &mut self,
        text: &str,
        width: usize,
        values: &[Value],
        then: &str,
    ) -> Result<(), StoreError> {
        let mut rest = values;
        while !rest.is_empty() {
            let count = (rest.len() / width).min(MOST_VALUES / width).max(1);
            let count = 1 << count.ilog2();
            let Some((values, after)) = rest.split_at_checked(count * width) else {
                return Err(self.damaged(text)); // not to happen: a row of another width
            };
            rest = after;
            let rows: Vec<String> = (0..count)
                .map(|row| format!("({})", places(row * width + 1, width)))
                .collect();
            let text = format!("INSERT INTO {text} VALUES {} {then}", rows.join(", "));
            self.sql.execute(&text, values)?;
        }
        Ok(())
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
