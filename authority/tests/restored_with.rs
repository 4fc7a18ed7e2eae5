//! Restoration meets roll-over and approval: keys of all roots come back, and nothing that a lost line may have said is said again.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

mod support;

use apdu::certificate::Role;
use authority::custody::NewKey;
use authority::job::{Job, Task};
use authority::ledger::Line;
use authority::restore::{Backup, backup};
use authority::store::sqlite;
use authority::{
    Application, ApprovalRefused, Authority, AuthorityError, Challenge, NameOrder, NewRoot, Order,
    Root, STORE_FILE, Scope,
};
use std::fs;
use std::time::Duration;
use support::{Bench, PASSPHRASE, at, message, name};

/// Puts a backup back in place of the authority, `leap` numbers further on.
fn restore(bench: Bench, leap: u32) -> Bench {
    let (mut bench, file) = (bench, "backup");
    let file = bench.temporary.path().join(file);
    let folder = bench.temporary.path().join("new");
    let kept = bench.folder();
    let from = Backup {
        file: &file,
        kept: &kept,
        newest: None,
        leap: Some(leap),
    };
    let secret = |_: &Root| Ok(PASSPHRASE.to_vec().into());
    Authority::restore(&folder, &from, secret, &mut bench.tape, at(bench.now)).unwrap();
    let _ = fs::remove_dir_all(bench.temporary.path().join("lost")); // of an earlier time
    fs::rename(bench.folder(), bench.temporary.path().join("lost")).unwrap();
    fs::rename(folder, bench.folder()).unwrap();
    let mut bench = bench.reopen();
    bench.key = bench.authority.unlock(&bench.folder(), PASSPHRASE).unwrap();
    bench
}

fn back_up(bench: &Bench) {
    let mut store = sqlite::open(&bench.folder().join(STORE_FILE), Duration::ZERO).unwrap();
    let file = bench.temporary.path().join("backup");
    let _ = fs::remove_file(&file); // of an earlier time
    backup(store.as_mut(), &file).unwrap();
}

fn roll_over(bench: &mut Bench, root: &str) -> Result<Root, AuthorityError> {
    let folder = bench.folder();
    let wish = NewRoot {
        name: name(root),
        years: 15,
    };
    let next = NewKey::File {
        passphrase: PASSPHRASE,
    };
    let (key, now) = (bench.key.as_mut(), at(bench.now));
    let made = bench
        .authority
        .roll_over(&folder, key, next, &wish, &mut bench.tape, now)?;
    bench.key = bench.authority.unlock(&folder, PASSPHRASE).unwrap();
    Ok(made)
}

#[test]
fn a_backup_after_a_roll_over_comes_back_with_both_keys_and_roots() {
    let mut bench = Bench::new();
    let second = roll_over(&mut bench, "ZZTALLYROOT00002").unwrap();
    back_up(&bench);
    let mut bench = restore(bench, 3);
    assert_eq!(*bench.authority.roots().newest(), second);
    assert_eq!(bench.authority.audit().unwrap().roots, 2);
    let challenge = bench
        .order(Role::Card, NameOrder::NextOf("ZZCARD".into()))
        .unwrap();
    let request = bench.answer(&challenge);
    let certificate = bench.issue(&request, Role::Card).unwrap();
    assert_eq!(certificate.claims().issuer, second.name());
    for root in ["ZZTALLYROOT00001", "ZZTALLYROOT00002"] {
        let root = bench.authority.roots().named(&name(root)).unwrap().clone();
        let folder = bench.folder();
        bench
            .authority
            .unlock_of(&root, &folder, PASSPHRASE)
            .unwrap();
    }
}

#[test]
fn a_root_that_lost_lines_may_have_named_is_not_named_again() {
    let mut bench = Bench::new();
    back_up(&bench);
    roll_over(&mut bench, "ZZTALLYROOT00002").unwrap();
    let mut bench = restore(bench, 3);
    let before = bench.authority.size().unwrap();
    for lost in ["ZZTALLYROOT00002", "ZZTALLYROOT00004"] {
        let told = message(roll_over(&mut bench, lost));
        assert!(told.contains("may have given the name"), "{told}");
    }
    assert_eq!(bench.authority.size().unwrap(), before);
    roll_over(&mut bench, "ZZTALLYROOT00005").unwrap();
    assert_eq!(bench.authority.audit().unwrap().roots, 2);
    let order = NameOrder::NextOf("ZZTALLYROOT".into());
    let next = bench.order(Role::Card, order).unwrap();
    assert_eq!(next.holder, name("ZZTALLYROOT00006"));
    back_up(&bench);
    let mut bench = restore(bench, 10);
    let order = NameOrder::NextOf("ZZTALLYROOT".into());
    let next = bench.order(Role::Card, order).unwrap();
    assert_eq!(next.holder, name("ZZTALLYROOT00017"));
    bench.authority.audit().unwrap();
}

/// Whoever restores must not be led to an older head of the root that the backup knows.
#[test]
fn a_head_of_a_root_that_the_backup_has_not_is_named_as_that() {
    let mut bench = Bench::new();
    back_up(&bench);
    roll_over(&mut bench, "ZZTALLYROOT00002").unwrap();
    let newest = bench.authority.head().unwrap();
    let file = bench.temporary.path().join("backup");
    let kept = bench.folder();
    let from = Backup {
        file: &file,
        kept: &kept,
        newest: Some(newest),
        leap: None,
    };
    let folder = bench.temporary.path().join("new");
    let secret = |_: &Root| Ok(PASSPHRASE.to_vec().into());
    let now = at(bench.now);
    let told = message(Authority::restore(
        &folder,
        &from,
        secret,
        &mut bench.tape,
        now,
    ));
    assert!(
        told.contains("the authority rolled over after it"),
        "{told}"
    );
    assert!(!folder.exists());
}

/// A card that waits knows the present root only.
#[test]
fn no_root_follows_while_requests_wait() {
    let mut bench = Bench::new();
    let id = asked(&mut bench);
    let told = message(roll_over(&mut bench, "ZZTALLYROOT00002"));
    assert!(
        told.contains("requests wait for an operator, 1 of them"),
        "{told}"
    );
    run(&mut bench, "ADA", Job::Approve(id)).unwrap();
    roll_over(&mut bench, "ZZTALLYROOT00002").unwrap();
}

/// A killed service leaves its newest lines beside the store's file.
#[test]
fn the_newest_lines_of_a_store_that_was_not_closed_are_restored() {
    let mut bench = Bench::new();
    bench.certify(Role::Card, "ZZCARD00001");
    let size = bench.authority.size().unwrap();
    let copy = bench.temporary.path().join("backup");
    for end in ["", "-wal"] {
        let from = bench.folder().join(format!("{STORE_FILE}{end}"));
        let to = bench.temporary.path().join(format!("backup{end}"));
        fs::copy(from, to).unwrap(); // while it is open: as a power cut would leave it
    }
    assert!(copy.exists());
    let mut bench = restore(bench, 3);
    assert_eq!(bench.authority.size().unwrap(), size + 1 + 3);
    bench.authority.holder(&name("ZZCARD00001")).unwrap();
}

#[test]
fn a_request_that_waited_in_the_backup_is_not_decided_any_more() {
    let mut bench = Bench::new();
    let id = asked(&mut bench);
    back_up(&bench);
    run(&mut bench, "ADA", Job::Approve(id)).unwrap();
    let mut bench = restore(bench, 3);
    let now = at(bench.now);
    assert_eq!(bench.authority.awaiting(None, now, 9).unwrap(), []);
    assert_eq!(bench.authority.awaiting_count(now).unwrap(), 0);
    let refuse = Job::Refuse {
        request: id,
        reason: "not ours".into(),
    };
    for verdict in [Job::Approve(id), refuse] {
        let refused = run(&mut bench, "ADA", verdict);
        assert!(matches!(
            refused,
            Err(AuthorityError::Approval(ApprovalRefused::MayBeLost(_)))
        ));
    }
    bench
        .authority
        .publish(bench.key.as_mut(), Scope::Revoked, now)
        .unwrap();
    assert_eq!(bench.authority.audit().unwrap().certificates, 0);
}

/// A station's request that waits: its number.
fn asked(bench: &mut Bench) -> u64 {
    let order = Order {
        role: Role::Card,
        name: NameOrder::NextOf("ZZCARD".into()),
    };
    let line = run(bench, "LINE1", Job::Order(order)).unwrap();
    let line = bench.authority.lines(line, 1).unwrap().pop().unwrap();
    let issuer = bench.authority.root().claims().holder;
    let challenge = Challenge::of(&Line::read(&line).unwrap(), issuer).unwrap();
    let application = Box::new(Application {
        request: bench.answer(&challenge),
        role: Role::Card,
        years: None,
    });
    let lifetime = 1_000_000;
    let ask = Job::Ask {
        application,
        lifetime,
    };
    run(bench, "LINE1", ask).unwrap()
}

/// Does one job on behalf of a client; the number of its line.
fn run(bench: &mut Bench, by: &str, job: Job) -> Result<u64, AuthorityError> {
    let task = Task {
        job,
        by: Some(by.into()),
        token: None,
    };
    let now = at(bench.now);
    let mut done = bench
        .authority
        .run(&[task], Some(bench.key.as_mut()), &mut bench.tape, now)
        .unwrap();
    done.pop().unwrap().map(|line| line.sequence)
}
