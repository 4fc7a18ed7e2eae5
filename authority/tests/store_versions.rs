//! A store of an earlier version is brought to this one, once, all of it or nothing; a later one is left alone.
//!
//! The files in `frozen` are what version 1 of the program wrote: never edited.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

#[cfg(feature = "postgres")]
#[path = "support/postgres.rs"]
mod server;
mod support;

use apdu::certificate::Role;
use authority::store::{Store, StoreError, sqlite};
use authority::{Authority, NameOrder, Order};
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;
use support::{Tape, at, name};

/// Later than the frozen ledger's last line: 2026-11-22.
const LATER: u64 = 1_795_305_600;
const PATIENT: Duration = Duration::from_secs(60);

/// A way to open one store.
type Open<'o> = &'o (dyn Fn() -> Result<Box<dyn Store>, StoreError> + Sync);

/// What is done to the tables behind the program's back.
type Hand<'h> = &'h dyn Fn(&str);

fn it_is_brought_to_this_version_and_goes_on(open: Open<'_>) {
    thread::scope(|scope| {
        let opened: Vec<_> = (0..4).map(|_| scope.spawn(|| open().map(drop))).collect();
        for opened in opened {
            assert_eq!(
                opened.join().unwrap(),
                Ok(()),
                "also when many come at once"
            );
        }
    });
    let mut authority = Authority::new(open().unwrap()).unwrap();
    let audit = authority.audit().unwrap();
    assert_eq!((audit.lines, audit.certificates, audit.lists), (11, 2, 1));
    let list = authority.status_list().unwrap().unwrap();
    let revoked = authority.holder(&name("ZZOLD00002")).unwrap();
    assert!(list.revokes(&revoked.certificate.holder_hash()));
    let order = Order {
        role: Role::Card,
        name: NameOrder::NextOf("ZZOLD".into()),
    };
    let next = authority.order(&order, &mut Tape(1), at(LATER)).unwrap();
    assert_eq!(next.holder, name("ZZOLD00004"));
    let mut store = open().unwrap();
    assert_eq!(store.roll().unwrap().clients, []);
    assert_eq!(store.note_tls_ca(&[7; 32]), Ok([7; 32]));
    assert_eq!(
        store.note_tls_ca(&[8; 32]),
        Ok([7; 32]),
        "the first is noted"
    );
}

/// A table that is in the way ends the migration in its middle, after other tables were made.
fn a_migration_that_is_cut_leaves_version_1(open: Open<'_>, hand: Hand<'_>) {
    hand("CREATE TABLE service (in_the_way BIGINT)");
    for _ in 0..2 {
        let cut = open().map(drop);
        assert!(
            matches!(cut, Err(StoreError::Unavailable { .. })),
            "{cut:?}"
        );
        hand("SELECT version FROM tail WHERE version = 1");
    }
    hand("CREATE TABLE clients (nothing_is_there BIGINT)");
    hand("DROP TABLE clients");
    hand("DROP TABLE service");
}

fn a_later_version_is_refused_and_left_alone(open: Open<'_>, hand: Hand<'_>) {
    hand("UPDATE tail SET version = 1000");
    let refused = open().map(drop);
    let Err(StoreError::Version { found, ours, .. }) = refused else {
        panic!("{refused:?}");
    };
    assert!(found == 1_000 && ours < found);
    hand("SELECT version FROM tail WHERE version = 1000");
}

fn suite(open: Open<'_>, hand: Hand<'_>) {
    a_migration_that_is_cut_leaves_version_1(open, hand);
    it_is_brought_to_this_version_and_goes_on(open);
    a_later_version_is_refused_and_left_alone(open, hand);
}

fn frozen(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/frozen")
        .join(name)
}

#[test]
fn an_sqlite_store_of_version_1_is_brought_to_this_version() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("authority.db");
    fs::copy(frozen("version-1.db"), &path).unwrap();
    let hand = |text: &str| {
        let by_hand = rusqlite::Connection::open(&path).unwrap();
        if text.starts_with("SELECT") {
            by_hand.query_row(text, [], |_| Ok(())).unwrap();
        } else {
            by_hand.execute_batch(text).unwrap();
        }
    };
    suite(&|| sqlite::open(&path, PATIENT), &hand);
}

#[cfg(feature = "postgres")]
#[test]
fn a_postgresql_store_of_version_1_is_brought_to_this_version() {
    let Some(server) = server::Server::start() else {
        return;
    };
    let address = server.database("frozen");
    let hand = |text: &str| {
        let mut by_hand = postgres::Client::connect(&address, postgres::NoTls).unwrap();
        if text.starts_with("SELECT") {
            by_hand.query_one(text, &[]).unwrap();
        } else {
            by_hand.batch_execute(text).unwrap();
        }
    };
    hand(&fs::read_to_string(frozen("version-1.sql")).unwrap());
    suite(
        &|| authority::store::postgres::open(&address, PATIENT),
        &hand,
    );
}
