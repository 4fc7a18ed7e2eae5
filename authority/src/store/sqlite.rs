//! SQLite: one file, write-ahead log, every commit on the medium before it returns.

use super::batch::Query;
use super::row::{Row, Value};
use super::sql::{Dialect, Sql, SqlStore};
use super::{Store, StoreError};
use crate::custody::create_private;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags, ToSql, params_from_iter};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;

/// What an SQLite file begins with.
const MAGIC: [u8; 16] = *b"SQLite format 3\0";

struct Sqlite {
    connection: Connection,
    place: String,
}

/// Opens a store that exists. Changes wait up to `patience` for another writer.
///
/// # Errors
/// [`StoreError::Absent`] when there is no such file; otherwise what SQLite says.
pub fn open(path: &Path, patience: Duration) -> Result<Box<dyn Store>, StoreError> {
    let place = path.display().to_string();
    let mut head = [0; MAGIC.len()];
    match File::open(path).and_then(|mut file| file.read_exact(&mut head)) {
        Ok(()) if head == MAGIC => connect(path, patience),
        // Why before SQLite looks: it takes an empty file for an empty database, and begins to write.
        Ok(()) => Err(damaged(&place)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(damaged(&place)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let folder = path.parent().unwrap_or(path);
            Err(StoreError::Absent(folder.display().to_string()))
        }
        Err(error) => Err(unavailable(&place, &error)),
    }
}

/// Makes a new, empty store that only its owner may read.
///
/// # Errors
/// When the file exists or cannot be made.
pub fn create(path: &Path, patience: Duration) -> Result<Box<dyn Store>, StoreError> {
    create_private(path).map_err(|error| unavailable(&path.display().to_string(), &error))?;
    connect(path, patience)
}

fn connect(path: &Path, patience: Duration) -> Result<Box<dyn Store>, StoreError> {
    Ok(Box::new(link(path, patience)?))
}

fn link(path: &Path, patience: Duration) -> Result<SqlStore<Sqlite>, StoreError> {
    let place = path.display().to_string();
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let connection =
        Connection::open_with_flags(path, flags).map_err(|error| failed(&place, &error))?;
    let settle = || {
        connection.busy_timeout(patience)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "trusted_schema", false)?;
        connection.set_prepared_statement_cache_capacity(512);
        Ok(())
    };
    settle().map_err(|error| failed(&place, &error))?;
    SqlStore::open(Sqlite { connection, place })
}

impl Sql for Sqlite {
    const DIALECT: Dialect = Dialect {
        bytes: "BLOB",
        far: false,
        for_update: "",
        alone: "",
    };

    fn place(&self) -> &str {
        &self.place
    }

    fn begin(&mut self) -> Result<(), StoreError> {
        self.run("BEGIN IMMEDIATE", &[])
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        self.run("COMMIT", &[])
    }

    fn rollback(&mut self) {
        let _ = self.run("ROLLBACK", &[]);
    }

    fn queries(&mut self, queries: Vec<Query>) -> Result<Vec<Vec<Row>>, StoreError> {
        let all = queries.iter().map(|query| self.rows(query));
        all.collect()
    }

    fn execute(&mut self, text: &str, values: &[Value]) -> Result<(), StoreError> {
        self.check_plan(text);
        self.run(text, values)
    }

    fn define(&mut self, text: &str) -> Result<(), StoreError> {
        self.run(text, &[])
    }
}

impl Sqlite {
    fn rows(&self, query: &Query) -> Result<Vec<Row>, StoreError> {
        self.check_plan(&query.text);
        let read = || {
            let mut statement = self.connection.prepare_cached(&query.text)?;
            let columns = statement.column_count();
            let mut found = statement.query(params_from_iter(query.values.iter().map(Given)))?;
            let mut rows = Vec::new();
            while let Some(row) = found.next()? {
                let value = |column| Ok(value(row.get_ref(column)?));
                let values: Result<_, rusqlite::Error> = (0..columns).map(value).collect();
                rows.push(Row::new(values?));
            }
            Ok(rows)
        };
        read().map_err(|error| failed(&self.place, &error))
    }

    fn run(&self, text: &str, values: &[Value]) -> Result<(), StoreError> {
        let run = || {
            let mut statement = self.connection.prepare_cached(text)?;
            statement.execute(params_from_iter(values.iter().map(Given)))
        };
        run().map(drop).map_err(|error| failed(&self.place, &error))
    }

    /// Every statement of every store passes here: in a debug build, and so in every test, one that would read a growing table as a whole
    /// ends the program.
    fn check_plan(&self, text: &str) {
        #[cfg(debug_assertions)]
        super::plan::check(&self.connection, text);
        #[cfg(not(debug_assertions))]
        let _ = text;
    }
}

struct Given<'v>(&'v Value);

impl ToSql for Given<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.0 {
            Value::Null => ValueRef::Null,
            Value::Number(number) => ValueRef::Integer(*number),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// What has no place in our tables reads as nothing, and so as damage.
fn value(found: ValueRef<'_>) -> Value {
    match found {
        ValueRef::Integer(number) => Value::Number(number),
        ValueRef::Text(text) => String::from_utf8(text.into()).map_or(Value::Null, Value::Text),
        ValueRef::Blob(bytes) => Value::Bytes(bytes.into()),
        ValueRef::Null | ValueRef::Real(_) => Value::Null,
    }
}

fn failed(place: &str, error: &rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Busy(place.into()),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => damaged(place),
        _ if error.to_string().starts_with("no such table") => StoreError::Absent(place.into()),
        _ => unavailable(place, error),
    }
}

fn damaged(place: &str) -> StoreError {
    StoreError::Damaged {
        place: place.into(),
        what: "the file".into(),
    }
}

fn unavailable(place: &str, error: &dyn std::fmt::Display) -> StoreError {
    StoreError::Unavailable {
        place: place.into(),
        reason: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::book::numbered;
    use crate::custody::{CustodyError, Signer};
    use crate::ledger::Event;
    use crate::store::Needs;
    use apdu::certificate::{Name, Role};
    use apdu::crypto::{Entropy, EntropyError, PrivateKey, PublicKey};

    struct Ones;

    impl Entropy for Ones {
        fn fill(&mut self, bytes: &mut [u8]) -> Result<(), EntropyError> {
            bytes.fill(1);
            Ok(())
        }
    }

    struct Key(PrivateKey);

    impl Signer for Key {
        fn public_key(&self) -> PublicKey {
            self.0.public_key()
        }

        fn sign(&mut self, message: &[u8]) -> Result<[u8; 64], CustodyError> {
            Ok(self.0.sign(message))
        }

        fn describe(&self) -> String {
            "in memory".into()
        }
    }

    /// One more order, of this number.
    fn order(store: &mut SqlStore<Sqlite>, number: u32) -> Result<(), StoreError> {
        let mut book = store.begin(&Needs::default())?;
        let mut nonce = [0; 16];
        nonce[..4].copy_from_slice(&number.to_be_bytes());
        let event = Event::Challenge {
            nonce,
            role: Role::Card,
            holder: numbered("ZZFULL", number).unwrap(),
            replaces: None,
            bound: true,
        };
        book.record(1_795_219_200, None, event).unwrap();
        store.append(&book).inspect_err(|_| store.abandon())?;
        store.commit(book, None)
    }

    /// SQLITE_FULL, as a full disk gives it.
    #[test]
    fn a_full_store_changes_nothing_says_so_and_goes_on_when_there_is_room() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("authority.db");
        drop(create(&path, Duration::ZERO).unwrap());
        let mut store = link(&path, Duration::ZERO).unwrap();
        let root = Name::new("ZZTALLYROOT00001").unwrap();
        let mut key = Key(PrivateKey::generate(&mut Ones).unwrap());
        let now = crate::Moment::from_unix_seconds(1_795_219_200).unwrap();
        crate::found(&mut store, root, 15, &mut key, now).unwrap();
        let pages = |store: &SqlStore<Sqlite>, most: i64| {
            let connection = &store.sql.connection;
            connection.pragma_update_and_check(None, "max_page_count", most, |_| Ok(()))
        };
        pages(&store, 1).unwrap(); // no more than there are
        let mut done = 0;
        let full = loop {
            match order(&mut store, done + 1) {
                Ok(()) => done += 1,
                Err(error) => break error,
            }
        };
        assert!(full.to_string().contains("full"), "{full}");
        for _ in 0..2 {
            assert!(order(&mut store, done + 1).is_err());
            assert_eq!(store.size(), Ok(1 + u64::from(done)));
        }
        pages(&store, 1_000_000).unwrap();
        assert_eq!(store.probe(), Ok(()));
        order(&mut store, done + 1).unwrap();
        let boxed: Box<dyn Store> = Box::new(store);
        let audit = crate::Authority::new(boxed).unwrap().audit().unwrap();
        assert_eq!(audit.lines, 2 + u64::from(done));
    }
}
