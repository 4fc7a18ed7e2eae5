//! A store of an earlier version is brought to this one, once, all of it or nothing; a later one is left alone.
//!
//! The files in `frozen` are what earlier versions of the program wrote: never edited.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

#[cfg(feature = "postgres")]
#[path = "support/postgres.rs"]
mod server;
mod support;

use apdu::certificate::Role;
use authority::job::{Job, Task};
use authority::store::{Store, StoreError, Token, sqlite};
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

fn next() -> Order {
    Order {
        role: Role::Card,
        name: NameOrder::NextOf("ZZOLD".into()),
    }
}

fn opened_by_many_at_once(open: Open<'_>) -> Authority {
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
    Authority::new(open().unwrap()).unwrap()
}

fn version_1_is_brought_to_this_version_and_goes_on(open: Open<'_>) {
    let mut authority = opened_by_many_at_once(open);
    let audit = authority.audit().unwrap();
    assert_eq!((audit.lines, audit.certificates, audit.lists), (11, 2, 1));
    let list = authority.status_list().unwrap().unwrap();
    let revoked = authority.holder(&name("ZZOLD00002")).unwrap();
    assert!(list.revokes(&revoked.certificate.holder_hash()));
    let next = authority.order(&next(), &mut Tape(1), at(LATER)).unwrap();
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

fn version_2_is_brought_to_this_version_and_goes_on(open: Open<'_>) {
    let mut authority = opened_by_many_at_once(open);
    let audit = authority.audit().unwrap();
    assert_eq!((audit.lines, audit.certificates, audit.lists), (10, 2, 1));
    assert_eq!(authority.awaiting_count(at(LATER)), Ok(1));
    let mut order = |client: &str, word: &str| {
        let token = Some(Token {
            client: client.into(),
            word: word.into(),
        });
        let (job, by) = (Job::Order(next()), Some(client.into()));
        let done = authority.run(&[Task { job, by, token }], None, &mut Tape(1), at(LATER));
        done.unwrap().pop().unwrap().unwrap().sequence
    };
    assert_eq!((order("LINE1", "order"), order("LINE2", "order")), (2, 4));
    assert_eq!(order("LINE2", "third"), 11, "the word of another client");
    let mut store = open().unwrap();
    let roll = store.roll().unwrap();
    let names: Vec<_> = roll.clients.iter().map(|client| &*client.name).collect();
    assert_eq!(names, ["LINE1", "LINE2", "ADA"]);
    assert_eq!(roll.invitations.len(), 1);
    assert_eq!(store.tls_ca(), Ok(Some([7; 32])));
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

fn suite(version: u8, open: Open<'_>, hand: Hand<'_>) {
    if version == 1 {
        a_migration_that_is_cut_leaves_version_1(open, hand);
        version_1_is_brought_to_this_version_and_goes_on(open);
    } else {
        version_2_is_brought_to_this_version_and_goes_on(open);
    }
    a_later_version_is_refused_and_left_alone(open, hand);
}

fn frozen(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/frozen")
        .join(name)
}

fn on_sqlite(version: u8) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("authority.db");
    fs::copy(frozen(&format!("version-{version}.db")), &path).unwrap();
    let hand = |text: &str| {
        let by_hand = rusqlite::Connection::open(&path).unwrap();
        if text.starts_with("SELECT") {
            by_hand.query_row(text, [], |_| Ok(())).unwrap();
        } else {
            by_hand.execute_batch(text).unwrap();
        }
    };
    suite(version, &|| sqlite::open(&path, PATIENT), &hand);
}

#[cfg(feature = "postgres")]
fn on_postgresql(version: u8) {
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
    hand(&fs::read_to_string(frozen(&format!("version-{version}.sql"))).unwrap());
    suite(
        version,
        &|| authority::store::postgres::open(&address, PATIENT),
        &hand,
    );
}

#[test]
fn an_sqlite_store_of_version_1_is_brought_to_this_version() {
    on_sqlite(1);
}

#[test]
fn an_sqlite_store_of_version_2_is_brought_to_this_version() {
    on_sqlite(2);
}

#[cfg(feature = "postgres")]
#[test]
fn a_postgresql_store_of_version_1_is_brought_to_this_version() {
    on_postgresql(1);
}

#[cfg(feature = "postgres")]
#[test]
fn a_postgresql_store_of_version_2_is_brought_to_this_version() {
    on_postgresql(2);
}
