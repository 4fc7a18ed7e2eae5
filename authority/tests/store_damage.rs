//! Every table and every column of a store, damaged by SQL: `log verify` finds it, or the documents name it as not checked.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

mod support;

use apdu::certificate::Role;
use apdu::crypto::sha256;
use authority::client::ClientRole;
use authority::custody::NewKey;
use authority::job::{Job, Task};
use authority::ledger::{ClientChange, Line, Wish};
use authority::restore::{Backup, backup};
use authority::server::clients::{Register, RegisterError};
use authority::store::{Token, sqlite};
use authority::{
    Application, Authority, Challenge, NameOrder, NewRoot, Order, Rights, Root, Scope,
};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use support::{Bench, DAY, PASSPHRASE, START, at, name, request};

const STORE: &str = "authority.db";
const DOCUMENT: &str = include_str!("../../docs/authority.md");

fn run(bench: &mut Bench, by: &str, job: Job) -> Line {
    let word = bench.authority.size().unwrap().to_string();
    let client = by.into();
    let task = Task {
        job,
        by: Some(by.into()),
        token: Some(Token { client, word }),
    };
    let now = at(bench.now);
    let done = bench
        .authority
        .run(&[task], Some(bench.key.as_mut()), &mut bench.tape, now);
    done.unwrap().pop().unwrap().unwrap()
}

fn order(bench: &mut Bench) -> Box<Application> {
    let order = Order {
        role: Role::Card,
        name: NameOrder::NextOf("ZZCARD".into()),
    };
    let line = run(bench, "LINE1", Job::Order(order));
    let issuer = bench.authority.root().claims().holder;
    let challenge = Challenge::of(&line, issuer).unwrap();
    let key = bench.key_pair();
    Box::new(Application {
        request: request(&challenge, &key),
        role: Role::Card,
        years: Some(3),
    })
}

/// A store with something in every table, closed.
fn story() -> (Bench, PathBuf) {
    let mut bench = Bench::new();
    let register = sqlite::open(&bench.folder().join(STORE), Duration::from_secs(60)).unwrap();
    let register = Register::new(register);
    for (name, role) in [
        ("LINE1", ClientRole::Station),
        ("ADA", ClientRole::Operator),
        ("BOB", ClientRole::Operator),
    ] {
        let rights = Rights {
            daily: (role == ClientRole::Station).then_some(100),
            ..Rights::default()
        };
        let code = sha256(&[name.as_bytes()]);
        register
            .invite_with(name, role, rights, &code, START)
            .unwrap();
        let certify =
            |name: &str, _| Ok::<_, RegisterError>((sha256(&[b"key", name.as_bytes()]), ()));
        register.enrol(&code, START, certify).unwrap();
    }
    drop(register);
    for delivered in [true, false] {
        let application = order(&mut bench);
        let holder = application.request.fields().holder;
        run(&mut bench, "LINE1", Job::Issue(application));
        if delivered {
            run(&mut bench, "LINE1", Job::Deliver(holder));
        } else {
            let reason = "lost".into();
            run(&mut bench, "ADA", Job::Revoke { holder, reason });
        }
    }
    run(&mut bench, "ADA", Job::Publish(Scope::Revoked));
    for verdict in [true, false] {
        let application = order(&mut bench);
        let ask = Job::Ask {
            application,
            lifetime: DAY,
        };
        let request = run(&mut bench, "LINE1", ask).sequence;
        let reason = "no".into();
        match verdict {
            true => run(&mut bench, "ADA", Job::Approve(request)),
            false => run(&mut bench, "ADA", Job::Refuse { request, reason }),
        };
    }
    let revoke = |name: &str| ClientChange::Revoked { name: name.into() };
    let proposal = run(&mut bench, "ADA", Job::Propose(Wish::Client(revoke("BOB")))).sequence;
    run(&mut bench, "ADA", Job::Dismiss(proposal));
    let file = bench.temporary.path().join("backup");
    let mut store = sqlite::open(&bench.folder().join(STORE), Duration::ZERO).unwrap();
    store.note_tls_ca(&[7; 32]).unwrap();
    backup(store.as_mut(), &file).unwrap();
    drop(store);
    let folder = bench.temporary.path().join("new");
    let kept = bench.folder();
    let from = Backup {
        file: &file,
        kept: &kept,
        newest: None,
        leap: Some(2),
    };
    fs::write(kept.join("tls-ca.pem"), "not looked at").unwrap();
    let secret = |_: &Root| Ok(PASSPHRASE.to_vec().into());
    Authority::restore(&folder, &from, secret, &mut bench.tape, at(bench.now)).unwrap();
    bench.authority = Authority::open(&folder, Duration::ZERO).unwrap();
    let wish = NewRoot {
        name: name("ZZTALLYROOT00009"),
        years: 15,
    };
    let next = NewKey::File {
        passphrase: PASSPHRASE,
    };
    let (key, now) = (bench.key.as_mut(), at(bench.now));
    bench
        .authority
        .roll_over(&folder, key, next, &wish, &mut bench.tape, now)
        .unwrap();
    bench.key = bench.authority.unlock(&folder, PASSPHRASE).unwrap();
    order(&mut bench);
    let proposal = run(&mut bench, "ADA", Job::Propose(Wish::CutOff)).sequence;
    run(&mut bench, "BOB", Job::Confirm(proposal));
    run(&mut bench, "ADA", Job::Propose(Wish::CutOff));
    let invited = ClientChange::Invited {
        name: "LINE2".into(),
        role: ClientRole::Station,
        rights: Rights::default(),
        code: "cd".repeat(32),
        expires: START + 1,
    };
    run(&mut bench, "ADA", Job::Client(invited));
    (bench, folder)
}

fn audit(folder: &Path) -> Result<(), String> {
    let mut authority =
        Authority::open(folder, Duration::ZERO).map_err(|error| error.to_string())?;
    let audit = authority.audit();
    audit.map(drop).map_err(|finding| finding.to_string())
}

/// What the documents name as not checked: `table`, `table.column`, or `table.delete` for a row that is missing.
fn unchecked() -> Vec<&'static str> {
    let from = DOCUMENT.find("| not checked |").unwrap();
    let table = DOCUMENT[from..].lines().skip(2);
    let rows = table.take_while(|line| line.starts_with('|'));
    rows.map(|row| row.split('`').nth(1).unwrap()).collect()
}

#[test]
fn damage_in_any_table_and_column_is_found_or_documented() {
    let (bench, folder) = story();
    drop(bench.authority);
    assert_eq!(audit(&folder), Ok(()));
    let whole = rusqlite::Connection::open(folder.join(STORE)).unwrap();
    whole
        .pragma_update_and_check(None, "wal_checkpoint", "TRUNCATE", |_| Ok(()))
        .unwrap();
    let texts = |text: &str| -> Vec<String> {
        let mut rows = whole.prepare(text).unwrap();
        let rows = rows.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    };
    let tables = texts("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name");
    let unchecked = unchecked();
    let (mut missed, mut tried) = (Vec::new(), 0);
    for table in &tables {
        let rows: u32 = whole
            .query_row(&format!("SELECT count(*) FROM {table}"), [], |row| {
                row.get(0)
            })
            .unwrap();
        if rows == 0 {
            assert!(unchecked.contains(&&**table), "{table} is empty here");
            continue;
        }
        let columns = texts(&format!("SELECT name FROM pragma_table_info('{table}')"));
        let first = format!("rowid = (SELECT min(rowid) FROM {table})");
        let mut hands = vec![(
            format!("{table}.delete"),
            format!("DELETE FROM {table} WHERE {first}"),
        )];
        for column in columns {
            let value = format!(
                "CASE typeof({column}) WHEN 'integer' THEN {column} + 1 WHEN 'null' THEN 1 \
                 WHEN 'text' THEN {column} || 'X' ELSE CAST({column} || x'00' AS BLOB) END"
            );
            let hand = format!("UPDATE {table} SET {column} = {value} WHERE {first}");
            hands.push((format!("{table}.{column}"), hand));
        }
        for (what, hand) in hands {
            let spoilt = tempfile::tempdir().unwrap();
            for entry in fs::read_dir(&folder).unwrap() {
                let entry = entry.unwrap().path();
                fs::copy(&entry, spoilt.path().join(entry.file_name().unwrap())).unwrap();
            }
            let by_hand = rusqlite::Connection::open(spoilt.path().join(STORE)).unwrap();
            if by_hand.execute_batch(&hand).is_err() {
                continue; // the database itself refuses it
            }
            drop(by_hand);
            tried += 1;
            let documented = unchecked.contains(&&*what) || unchecked.contains(&&**table);
            if audit(spoilt.path()).is_ok() && !documented {
                missed.push(what);
            }
        }
    }
    assert_eq!(missed, Vec::<String>::new());
    assert!(tried > 60, "{tried}");
}

/// What stands in every row and not only in the first, and rows that nobody wrote.
#[test]
fn rows_that_are_lost_lowered_reset_or_added_are_found() {
    let (bench, folder) = story();
    drop(bench.authority);
    for (hand, words) in [
        (
            "DELETE FROM nodes WHERE level = 0 AND place = 3",
            "a node of the tree",
        ),
        (
            "DELETE FROM nodes WHERE level = 1 AND place = 2",
            "a node of the tree",
        ),
        (
            "INSERT INTO nodes (level, place, hash) VALUES (63, 1, x'00')",
            "a node of the tree",
        ),
        (
            "UPDATE serials SET highest = highest - 1 WHERE prefix = 'ZZCARD'",
            "a serial number",
        ),
        ("DELETE FROM serials", "a serial number"),
        ("UPDATE challenges SET used = 0", "a challenge"),
        ("UPDATE challenges SET client = 'LINE2'", "a challenge"),
        ("DELETE FROM challenges", "a challenge"),
        ("UPDATE clients SET role = 'operator'", "a client"),
        ("UPDATE clients SET rights = '{}'", "a client"),
        ("UPDATE clients SET revoked = NULL, line = 0", "a client"),
        ("UPDATE clients SET ordered = 0", "a client"),
        ("DELETE FROM clients WHERE name = 'BOB'", "a client"),
        (
            "INSERT INTO clients (place, name, role, fingerprint, added) VALUES (9, 'EVE', 'operator', 'ab', 0)",
            "a client",
        ),
        ("UPDATE invitations SET code = 'ab'", "an invitation"),
        (
            "INSERT INTO invitations (name, role, code, expires) VALUES ('EVE', 'operator', 'ab', 9999999999)",
            "an invitation",
        ),
        ("UPDATE proposals SET decided = NULL", "a proposal"),
        ("UPDATE holders SET client = 'LINE2'", "the record of"),
        ("UPDATE lists SET list = x'00' WHERE sequence = 1", "list"),
        ("UPDATE restorations SET floor = 0", "a restoration"),
        (
            "INSERT INTO lines (sequence, entry) VALUES (1000, '{}')",
            "line",
        ),
        ("DELETE FROM lines WHERE sequence = 4", "line"),
        (
            "UPDATE heads SET head = replace(head, '\"time\":1', '\"time\":01') WHERE size = (SELECT min(size) FROM heads)",
            "the head over",
        ),
        ("UPDATE tail SET time = time + 1", "the end of the ledger"),
    ] {
        let spoilt = tempfile::tempdir().unwrap();
        for entry in fs::read_dir(&folder).unwrap() {
            let entry = entry.unwrap().path();
            fs::copy(&entry, spoilt.path().join(entry.file_name().unwrap())).unwrap();
        }
        let by_hand = rusqlite::Connection::open(spoilt.path().join(STORE)).unwrap();
        by_hand.execute_batch(hand).unwrap();
        drop(by_hand);
        let told = audit(spoilt.path()).unwrap_err();
        assert!(told.contains(words), "{hand}: {told}");
    }
}
