//! How a store is opened, brought to this version, and changed: one writer at a time, all of a change or nothing.

use super::StoreError;
use super::row::{Row, Value};
use super::schema::{COPYING, STEPS, VERSION};
use super::sql::{Sql, SqlStore};

impl<S: Sql> SqlStore<S> {
    /// The store behind a connection: empty, or of this version; an older one is brought to it first.
    pub(super) fn open(sql: S) -> Result<Self, StoreError> {
        let mut store = Self {
            sql,
            changing: false,
            version: VERSION,
            frontier: None,
            expired: Vec::new(),
        };
        match store.version() {
            Ok(VERSION) | Err(StoreError::Absent(_)) => Ok(store),
            Ok(_) => store.migrate().map(|()| store),
            Err(error) => Err(error),
        }
    }

    /// Takes the steps that the tables have not, all or none.
    fn migrate(&mut self) -> Result<(), StoreError> {
        self.sql.begin()?;
        self.changing = true;
        self.settle(|store| {
            if !S::DIALECT.alone.is_empty() {
                store.sql.define(S::DIALECT.alone)?;
            }
            // Once more behind the lock: another process may have been faster.
            let found = store.version()?;
            let known = usize::try_from(found).ok().filter(|known| *known > 0);
            let missing = known.and_then(|known| STEPS.get(known..));
            let Some(missing) = missing else {
                return Err(store.other_version(found));
            };
            store.make(missing)?;
            let text = "UPDATE tail SET version = $1";
            store.sql.execute(text, &[Value::Number(VERSION)])
        })
    }

    pub(super) fn make(&mut self, steps: &[&[&str]]) -> Result<(), StoreError> {
        let mut statements = steps.iter().flat_map(|step| step.iter());
        statements.try_for_each(|statement| {
            let statement = statement.replace("BYTES", S::DIALECT.bytes);
            self.sql.define(&statement)
        })
    }

    fn version(&mut self) -> Result<i64, StoreError> {
        let text = "SELECT version FROM tail";
        let found = self.read("the end of the ledger", text, &[], Row::number)?;
        let absent = || StoreError::Absent(self.sql.place().into());
        found.into_iter().next().ok_or_else(absent)
    }

    pub(super) fn other_version(&self, found: i64) -> StoreError {
        let place = self.sql.place().into();
        match found {
            COPYING => StoreError::Unfinished(place),
            found => StoreError::Version {
                place,
                found,
                ours: VERSION,
            },
        }
    }

    /// Begins a change that no other process makes at the same time.
    pub(super) fn lock(&mut self) -> Result<(), StoreError> {
        self.end();
        self.sql.begin()?;
        self.changing = true;
        let locked = self.tail(S::DIALECT.for_update).map(drop);
        locked.inspect_err(|_| self.end())
    }

    /// Ends a change: what `work` does becomes durable, or nothing of it.
    pub(super) fn settle<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let done = work(self).and_then(|done| self.sql.commit().map(|()| done));
        match done {
            Ok(_) => self.changing = false,
            Err(_) => self.end(),
        }
        done
    }

    /// Ends a change without a trace.
    pub(super) fn end(&mut self) {
        if self.changing {
            self.changing = false;
            self.sql.rollback();
        }
    }
}
