//! PostgreSQL: several authorities' services share one store; the row lock on the ledger's end makes them take turns.

use super::row::{Row, Value};
use super::sql::{Dialect, Sql, SqlStore};
use super::tls::{self, Protection};
use super::{Store, StoreError};
use postgres::error::SqlState;
use postgres::types::{ToSql, Type};
use postgres::{Client, Config, Error, NoTls, Statement};
use std::collections::HashMap;
use std::time::Duration;

/// Most statements that stay prepared.
const PREPARED: usize = 256;

/// A connection that comes back after it was lost, but never within a change.
struct Postgres {
    config: Config,
    protection: Protection,
    place: String,
    patience: Duration,
    connection: Option<Connection>,
    changing: bool,
}

struct Connection {
    client: Client,
    prepared: HashMap<String, Statement>,
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
    let mut postgres = Postgres {
        config,
        protection,
        place,
        patience,
        connection: None,
        changing: false,
    };
    postgres.connection()?;
    Ok(Box::new(SqlStore::open(postgres)?))
}

impl Postgres {
    fn connection(&mut self) -> Result<&mut Connection, StoreError> {
        let lost = |connection: &Connection| connection.client.is_closed();
        if self.connection.as_ref().is_some_and(lost) {
            self.connection = None;
        }
        if self.connection.is_none() {
            if self.changing {
                return Err(self.unavailable(&"the connection was lost within a change"));
            }
            let connected = self.connect();
            self.connection = Some(connected.map_err(|error| self.failed(&error))?);
        }
        match &mut self.connection {
            Some(connection) => Ok(connection),
            None => Err(StoreError::Absent(self.place.clone())),
        }
    }

    fn connect(&self) -> Result<Connection, Error> {
        let mut client = match &self.protection {
            Protection::None => self.config.connect(NoTls)?,
            Protection::Tls(tls) => self.config.connect(tls.clone())?,
        };
        let patience = self.patience.as_millis().max(1);
        client.batch_execute(&format!(
            "SET synchronous_commit TO on; SET lock_timeout TO {patience}; SET client_min_messages TO error; \
             SET idle_in_transaction_session_timeout TO {}",
            HANGING.as_millis()
        ))?;
        Ok(Connection {
            client,
            prepared: HashMap::new(),
        })
    }

    fn run<T>(
        &mut self,
        text: &str,
        values: &[Value],
        run: impl Fn(&mut Client, &Statement, &[&(dyn ToSql + Sync)]) -> Result<T, Error>,
    ) -> Result<T, StoreError> {
        self.patiently(|connection| {
            let statement = connection.statement(text)?;
            let values = values.iter().zip(statement.params());
            let values: Vec<&(dyn ToSql + Sync)> = values.map(as_sql).collect();
            run(&mut connection.client, &statement, &values)
        })
    }

    fn plain(&mut self, text: &str) -> Result<(), StoreError> {
        self.patiently(|connection| connection.client.batch_execute(text))
    }

    /// That a connection was lost is noticed only when it is used. Outside a change it is made anew then, once.
    fn patiently<T>(
        &mut self,
        run: impl Fn(&mut Connection) -> Result<T, Error>,
    ) -> Result<T, StoreError> {
        let connection = self.connection()?;
        let mut outcome = run(connection);
        if outcome.is_err() && connection.client.is_closed() && !self.changing {
            outcome = run(self.connection()?);
        }
        outcome.map_err(|error| self.failed(&error))
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

impl Connection {
    fn statement(&mut self, text: &str) -> Result<Statement, Error> {
        if let Some(statement) = self.prepared.get(text) {
            return Ok(statement.clone());
        }
        if self.prepared.len() >= PREPARED {
            self.prepared.clear();
        }
        let statement = self.client.prepare(text)?;
        self.prepared.insert(text.into(), statement.clone());
        Ok(statement)
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
        self.plain("BEGIN")?;
        self.changing = true;
        Ok(())
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        let done = self.plain("COMMIT");
        self.changing = false;
        done
    }

    fn rollback(&mut self) {
        let done = self.plain("ROLLBACK");
        self.changing = false;
        if done.is_err() {
            self.connection = None; // whatever it was doing ends with it
        }
    }

    fn rows(&mut self, text: &str, values: &[Value]) -> Result<Vec<Row>, StoreError> {
        self.run(text, values, |client, statement, values| {
            let rows = client.query(statement, values)?;
            Ok(rows.iter().map(row).collect())
        })
    }

    fn execute(&mut self, text: &str, values: &[Value]) -> Result<(), StoreError> {
        self.run(text, values, |client, statement, values| {
            client.execute(statement, values).map(drop)
        })
    }
}

/// A value for a column of this type; nothing has a type too.
fn as_sql<'v>((value, column): (&'v Value, &Type)) -> &'v (dyn ToSql + Sync) {
    match value {
        Value::Null if *column == Type::INT8 => &None::<i64>,
        Value::Null => &None::<String>,
        Value::Number(number) => number,
        Value::Text(text) => text,
        Value::Bytes(bytes) => bytes,
    }
}

/// What has no place in our tables reads as nothing, and so as damage.
fn row(row: &postgres::Row) -> Row {
    let value = |(place, column): (usize, &postgres::Column)| {
        let found = match *column.type_() {
            Type::INT8 => row
                .try_get(place)
                .map(|found: Option<i64>| found.map(Value::Number)),
            Type::TEXT => row
                .try_get(place)
                .map(|found: Option<String>| found.map(Value::Text)),
            Type::BYTEA => row
                .try_get(place)
                .map(|found: Option<Vec<u8>>| found.map(Value::Bytes)),
            _ => Ok(None),
        };
        found.ok().flatten().unwrap_or(Value::Null)
    };
    Row::new(row.columns().iter().enumerate().map(value).collect())
}
