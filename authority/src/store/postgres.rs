//! PostgreSQL: several authorities' services share one store; the row lock on the ledger's end makes them take turns.

use super::batch::Query;
use super::exchange::{Connection, Sent};
use super::row::{Row, Value};
use super::sql::{Dialect, Sql, SqlStore};
use super::tls::{self, Protection};
use super::{Store, StoreError};
use std::time::Duration;
use tokio::runtime::{self, Runtime};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Config, Error, NoTls};

/// A connection that comes back after it was lost, but never within a change.
///
/// Statements wait in a queue until an answer is needed, and go to the server together: a change costs as many round trips as it has
/// reads that depend on each other, and one for all that it writes.
struct Postgres {
    config: Config,
    protection: Protection,
    place: String,
    patience: Duration,
    connection: Option<Connection>,
    /// What goes with the next exchange.
    queue: Vec<Sent>,
    /// Whether the server is within a change.
    changing: bool,
    /// Last, for the connection's task runs on it. Only while something is exchanged.
    runtime: Runtime,
}

/// An instance that says nothing for so long within a change, or a network that does not, holds nobody up any more.
const HANGING: Duration = Duration::from_secs(60);

/// Opens the store that a `postgres://` URL names, or a string of `key=value` words as libpq takes it. Changes wait up to `patience` for
/// another writer. A connection over a network is under TLS, or says `sslmode=disable`.
///
/// # Errors
/// When the text is no address, or nobody answers there.
pub fn open(address: &str, patience: Duration) -> Result<Box<dyn Store>, StoreError> {
    // Never its own words: an address may hold a password.
    let (config, protection) = tls::read(address).map_err(|reason| StoreError::Unavailable {
        place: "the PostgreSQL store".into(),
        reason,
    })?;
    let mut config = config;
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(HANGING);
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(HANGING);
    }
    let database = config.get_dbname().unwrap_or_default();
    let place = format!("PostgreSQL database {database}");
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let mut postgres = Postgres {
        config,
        protection,
        patience,
        connection: None,
        queue: Vec::new(),
        changing: false,
        runtime: runtime.map_err(|error| StoreError::Unavailable {
            place: place.clone(),
            reason: error.to_string(),
        })?,
        place,
    };
    postgres.connection()?;
    Ok(Box::new(SqlStore::open(postgres)?))
}

impl Postgres {
    fn connection(&mut self) -> Result<(), StoreError> {
        if self.connection.as_ref().is_some_and(Connection::is_closed) {
            self.connection = None;
        }
        if self.connection.is_none() {
            if self.changing {
                return Err(self.unavailable(&"the connection was lost within a change"));
            }
            let connected = self.connect();
            self.connection = Some(connected.map_err(|error| self.failed(&error))?);
        }
        Ok(())
    }

    fn connect(&self) -> Result<Connection, Error> {
        let patience = self.patience.as_millis().max(1);
        let settings = format!(
            "SET synchronous_commit TO on; SET lock_timeout TO {patience}; SET client_min_messages TO error; \
             SET idle_in_transaction_session_timeout TO {}",
            HANGING.as_millis()
        );
        let (config, runtime) = (&self.config, &self.runtime);
        match &self.protection {
            Protection::None => Connection::open(runtime, config, NoTls, &settings),
            Protection::Tls(tls) => Connection::open(runtime, config, tls.clone(), &settings),
        }
    }

    /// Sends what waits, and these; gives the rows of these.
    fn exchange(&mut self, queries: Vec<Query>) -> Result<Vec<Vec<Row>>, StoreError> {
        let mut sent = std::mem::take(&mut self.queue);
        let asked = queries.len();
        sent.extend(queries.into_iter().map(Sent::Statement));
        let (begins, ends) = (
            sent.first().is_some_and(|first| first.is("BEGIN")),
            sent.last().is_some_and(|last| last.is("COMMIT")),
        );
        self.connection()?;
        let mut outcome = self.try_exchange(&sent);
        // That a connection was lost is noticed only when it is used. Outside a change it is made anew then, once; but what may have been
        // committed is not sent again.
        let lost = self.connection.as_ref().is_none_or(Connection::is_closed);
        if outcome.is_err() && lost && !self.changing && !ends {
            self.connection()?;
            outcome = self.try_exchange(&sent);
        }
        self.changing = (self.changing || begins) && !ends;
        let mut rows = outcome.map_err(|error| self.failed(&error))?;
        Ok(rows.split_off(rows.len() - asked))
    }

    fn try_exchange(&mut self, sent: &[Sent]) -> Result<Vec<Vec<Row>>, Error> {
        match &mut self.connection {
            Some(connection) => connection.exchange(&self.runtime, sent),
            None => Ok(vec![Vec::new(); sent.len()]),
        }
    }

    fn failed(&self, error: &Error) -> StoreError {
        let code = error.code();
        if code == Some(&SqlState::LOCK_NOT_AVAILABLE) {
            StoreError::Busy(self.place.clone())
        } else if code == Some(&SqlState::UNDEFINED_TABLE) {
            StoreError::Absent(self.place.clone())
        } else if let Some(database) = error.as_db_error() {
            self.unavailable(&database.message())
        } else {
            let cause = std::error::Error::source(error);
            let cause = cause.map_or(String::new(), |cause| format!(": {cause}"));
            self.unavailable(&format!("{error}{cause}"))
        }
    }

    fn unavailable(&self, reason: &dyn std::fmt::Display) -> StoreError {
        StoreError::Unavailable {
            place: self.place.clone(),
            reason: reason.to_string(),
        }
    }
}

impl Sql for Postgres {
    const DIALECT: Dialect = Dialect {
        bytes: "BYTEA",
        far: true,
        for_update: " FOR UPDATE",
        // Before any row is locked: who holds a row and wants the table would wait for those who wait for the row.
        alone: "LOCK TABLE tail IN ACCESS EXCLUSIVE MODE",
    };

    fn place(&self) -> &str {
        &self.place
    }

    fn begin(&mut self) -> Result<(), StoreError> {
        self.changing = false;
        self.queue = vec![Sent::Plain("BEGIN")];
        Ok(())
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        self.queue.push(Sent::Plain("COMMIT"));
        self.exchange(Vec::new()).map(drop)
    }

    fn rollback(&mut self) {
        self.queue.clear();
        if !self.changing {
            return; // the server has heard of nothing
        }
        self.queue.push(Sent::Plain("ROLLBACK"));
        let done = self.exchange(Vec::new());
        self.changing = false;
        if done.is_err() {
            self.connection = None; // whatever it was doing ends with it
        }
    }

    fn queries(&mut self, queries: Vec<Query>) -> Result<Vec<Vec<Row>>, StoreError> {
        self.exchange(queries)
    }

    fn execute(&mut self, text: &str, values: &[Value]) -> Result<(), StoreError> {
        let (text, values) = (text.to_owned(), values.to_vec());
        self.queue.push(Sent::Statement(Query { text, values }));
        Ok(())
    }

    fn define(&mut self, text: &str) -> Result<(), StoreError> {
        self.execute(text, &[])
    }
}
