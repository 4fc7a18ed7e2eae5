//! The ledger in its store under tampering and two users.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

mod support;

use apdu::certificate::{Refusal, Role};
use authority::ledger::Fault;
use authority::store::{StoreError, copy, sqlite};
use authority::{Authority, AuthorityError, Finding, NameOrder, STORE_FILE, Scope};
use rusqlite::Connection;
use std::fs;
use std::thread;
use std::time::Duration;
use support::{Bench, Tape, at, message, name};

/// An authority with one line of every kind.
fn written() -> Bench {
    let mut bench = Bench::new();
    bench.certify(Role::Card, "ZZTALLYCARD00001");
    let holder = name("ZZTALLYCARD00001");
    bench.authority.delivered(&holder, at(bench.now)).unwrap();
    bench
        .authority
        .revoke(&holder, "lost", at(bench.now))
        .unwrap();
    bench
        .authority
        .publish(bench.key.as_mut(), Scope::Revoked, at(bench.now))
        .unwrap();
    bench
}

/// A second hand on the store, as a thief of the file has it.
fn hand(bench: &Bench) -> Connection {
    Connection::open(bench.folder().join("authority.db")).unwrap()
}

fn change(bench: &Bench, text: &str) {
    assert_ne!(hand(bench).execute(text, []).unwrap(), 0, "{text}");
}

fn entry(bench: &Bench, line: u32) -> String {
    let read = "SELECT entry FROM lines WHERE sequence = ?1";
    hand(bench)
        .query_row(read, [line], |row| row.get(0))
        .unwrap()
}

fn put(bench: &Bench, line: u32, entry: &str) {
    let write = "UPDATE lines SET entry = ?2 WHERE sequence = ?1";
    hand(bench).execute(write, (line, entry)).unwrap();
}

fn open(bench: &Bench) -> Result<Authority, AuthorityError> {
    Authority::open(&bench.folder(), Duration::ZERO)
}

fn found(bench: &Bench) -> Finding {
    open(bench).unwrap().audit().unwrap_err()
}

#[test]
fn a_ledger_with_every_kind_of_line_reads_back_and_its_signatures_verify() {
    let bench = written();
    let mut authority = open(&bench).unwrap();
    let audit = authority.audit().unwrap();
    assert_eq!((audit.lines, audit.certificates, audit.lists), (6, 1, 1));
    let head = audit.head.unwrap();
    assert_eq!((head.head.size, head.head.root), (6, audit.root));
    head.verify(&bench.authority.root().claims().key).unwrap();
}

#[test]
fn a_changed_byte_in_any_line_is_found() {
    let bench = written();
    let mut changes = 0;
    for line in 1..=6 {
        let good = entry(&bench, line);
        for position in (0..good.len()).step_by(7) {
            let mut damaged = good.clone().into_bytes();
            damaged[position] ^= 1;
            let Ok(damaged) = String::from_utf8(damaged) else {
                continue;
            };
            put(&bench, line, &damaged);
            match found(&bench) {
                Finding::Line { line: named, .. } | Finding::Signature { line: named, .. } => {
                    assert!(named >= line.into(), "line {line} byte {position}: {named}");
                }
                Finding::Tree(_) | Finding::Head(_) | Finding::Record(_) => {}
                other => panic!("line {line} byte {position}: {other}"),
            }
            changes += 1;
        }
        put(&bench, line, &good);
    }
    assert!(changes > 300, "{changes}");
    open(&bench).unwrap().audit().unwrap();
}

#[test]
fn a_reason_that_was_changed_with_its_record_is_found_by_the_tree() {
    let bench = written();
    put(&bench, 5, &entry(&bench, 5).replace("lost", "sold"));
    change(&bench, "UPDATE holders SET revoked = 'sold'");
    assert_eq!(found(&bench), Finding::Tree(6));
}

#[test]
fn a_line_that_is_missing_doubled_or_moved_is_found() {
    let bench = written();
    let [fourth, fifth] = [4, 5].map(|line| entry(&bench, line));
    put(&bench, 4, &fifth);
    put(&bench, 5, &fourth);
    let moved = Finding::Line {
        line: 4,
        fault: Fault::Place,
    };
    assert_eq!(found(&bench), moved);
    put(&bench, 5, &fifth);
    assert_eq!(found(&bench), moved, "doubled");
    put(&bench, 4, &fourth);
    open(&bench).unwrap().audit().unwrap();
    change(&bench, "DELETE FROM lines WHERE sequence = 6");
    assert_eq!(found(&bench), Finding::Length { said: 6, found: 5 });
    change(&bench, "UPDATE tail SET size = 5");
    assert_eq!(found(&bench), Finding::Head(6), "the signed head knew six");
    change(&bench, "DELETE FROM lines WHERE sequence = 3");
    assert!(matches!(found(&bench), Finding::Line { line: 3, .. }));
}

#[test]
fn a_record_that_says_something_else_than_the_ledger_is_found() {
    let bench = written();
    let holder = || Finding::Record("ZZTALLYCARD00001".into());
    change(&bench, "UPDATE holders SET revoked = NULL");
    assert_eq!(found(&bench), holder());
    change(&bench, "UPDATE holders SET revoked = 'lost', delivered = 0");
    assert_eq!(found(&bench), holder());
    change(&bench, "UPDATE holders SET delivered = 1");
    open(&bench).unwrap().audit().unwrap();
    change(&bench, "DELETE FROM lists");
    assert_eq!(found(&bench), Finding::Record("the status list".into()));
    change(&bench, "DELETE FROM holders");
    assert_eq!(found(&bench), holder());
}

#[test]
fn a_certificate_of_another_authority_is_found_by_its_signature() {
    let mut bench = Bench::new();
    let mut other = Bench::drawn_from(Tape(1_000_000));
    bench.certify(Role::Card, "ZZTALLYCARD00001");
    other.certify(Role::Card, "ZZTALLYCARD00001");
    put(&bench, 2, &entry(&other, 2));
    put(&bench, 3, &entry(&other, 3));
    let expected = Finding::Signature {
        line: 3,
        what: "ZZTALLYCARD00001".into(),
        refusal: Refusal::Signature,
    };
    assert_eq!(found(&bench), expected);
}

#[test]
fn a_file_that_is_no_store_is_refused_and_left_as_it_is() {
    for content in [
        &b"not a database, but long enough to be looked at as one"[..],
        &[0; 4_096],
    ] {
        let bench = Bench::new();
        let path = bench.folder().join("authority.db");
        let Bench { temporary, .. } = bench;
        fs::write(&path, content).unwrap();
        let refused = Authority::open(&temporary.path().join("ca"), Duration::ZERO);
        assert!(
            matches!(
                refused,
                Err(AuthorityError::Store(StoreError::Damaged { .. }))
            ),
            "{}",
            message(refused)
        );
        assert_eq!(fs::read(&path).unwrap(), content);
    }
}

#[test]
fn an_absent_store_and_one_of_another_version_are_named() {
    let bench = Bench::new();
    change(&bench, "UPDATE tail SET version = 7");
    assert!(message(open(&bench)).contains("its format is 7, this program has "));
    let nowhere = Authority::open(&bench.temporary.path().join("nowhere"), Duration::ZERO);
    assert!(message(nowhere).contains("make one with `certify ca init`"));
    change(&bench, "DELETE FROM tail");
    assert!(message(open(&bench)).contains("there is no authority in"));
}

#[test]
fn an_earlier_root_tells_whether_lines_were_replaced() {
    let mut bench = Bench::new();
    let noted = bench.authority.root_at(1).unwrap();
    bench.certify(Role::Card, "ZZTALLYCARD00001");
    assert_eq!(open(&bench).unwrap().root_at(1).unwrap(), noted);
    let mut other = Bench::drawn_from(Tape(1_000_000));
    assert_ne!(other.authority.root_at(1).unwrap(), noted);
}

#[test]
fn the_root_file_must_be_the_ledgers_root() {
    let bench = Bench::new();
    let other = Bench::drawn_from(Tape(1_000_000));
    let root = |bench: &Bench| bench.folder().join("root.cvcert");
    fs::copy(root(&other), root(&bench)).unwrap();
    assert!(matches!(open(&bench), Err(AuthorityError::RootFile(_))));
    let key = |bench: &Bench| bench.folder().join("key.pem");
    let bench = Bench::new();
    fs::copy(key(&other), key(&bench)).unwrap();
    let authority = open(&bench).unwrap();
    let refused = authority.unlock(&bench.folder(), support::PASSPHRASE);
    assert!(refused.is_err());
}

#[test]
fn a_second_writer_waits_or_is_told_that_the_authority_is_in_use() {
    let mut bench = Bench::new();
    let other = hand(&bench);
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let busy = bench.order(Role::Card, NameOrder::NextOf("ZZTALLYCARD".into()));
    assert!(matches!(
        busy,
        Err(AuthorityError::Store(StoreError::Busy(_)))
    ));
    assert_eq!(
        bench.authority.holders(None, 9).unwrap(),
        [],
        "reading goes on"
    );
    let folder = bench.folder();
    let waiting = thread::spawn(move || {
        let mut patient = Authority::open(&folder, Duration::from_secs(60)).unwrap();
        let order = authority::Order {
            role: Role::Card,
            name: NameOrder::NextOf("ZZTALLYCARD".into()),
        };
        patient
            .order(&order, &mut Tape(77), at(support::START))
            .unwrap()
    });
    other.execute_batch("ROLLBACK").unwrap();
    let first = waiting.join().unwrap();
    let second = bench.order(Role::Card, NameOrder::NextOf("ZZTALLYCARD".into()));
    let names = [first.holder, second.unwrap().holder];
    assert_eq!(names, ["ZZTALLYCARD00001", "ZZTALLYCARD00002"].map(name));
}

/// A copy that a power cut or a damaged line ends in the middle must never go on as a ledger: it would give names again.
#[test]
fn a_copy_that_was_cut_off_is_no_ledger() {
    let mut bench = Bench::new();
    bench.certify(Role::Card, "ZZCARD00001");
    let path = bench.temporary.path().join("copy.db");
    let copied = |bench: &Bench| {
        let source = bench.folder().join(STORE_FILE);
        let mut from = sqlite::open(&source, Duration::ZERO).unwrap();
        let mut to = sqlite::create(&path, Duration::ZERO).unwrap();
        copy(from.as_mut(), to.as_mut())
    };
    change(
        &bench,
        "UPDATE lines SET entry = replace(entry, 'ZZCARD', 'ZZCART') WHERE sequence = 3",
    );
    copied(&bench).unwrap_err();
    let unfinished = sqlite::open(&path, Duration::ZERO).err().unwrap();
    assert!(
        matches!(unfinished, StoreError::Unfinished(_)),
        "{unfinished}"
    );
    fs::remove_file(&path).unwrap();
    change(
        &bench,
        "UPDATE lines SET entry = replace(entry, 'ZZCART', 'ZZCARD') WHERE sequence = 3",
    );
    assert_eq!(copied(&bench).unwrap(), 3);
    let copy = sqlite::open(&path, Duration::ZERO).unwrap();
    assert_eq!(
        Authority::new(copy).unwrap().audit().unwrap().certificates,
        1
    );
}
