//! The same for every store: SQLite and PostgreSQL.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

#[cfg(feature = "postgres")]
mod plans;
#[cfg(feature = "postgres")]
#[path = "support/postgres.rs"]
mod server;
mod support;

use apdu::certificate::Role;
use apdu::crypto::Entropy;
use apdu::crypto::PrivateKey;
use authority::clerk::{Clerk, Machine};
use authority::custody::NewKey;
use authority::job::{Job, Task};
use authority::restore::backup;
use authority::store::{Needs, Store, StoreError, Token, copy, sqlite};
use authority::{
    Application, Authority, AuthorityError, Challenge, Moment, NameOrder, NewRoot, Order, Scope,
    Verdict, found,
};
use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;
use support::{Key, START, Tape, at, name, request};

/// A way to open one store again and again; the first one is empty.
type Open<'o> = &'o (dyn Fn(Duration) -> Result<Box<dyn Store>, StoreError> + Sync);

const PATIENT: Duration = Duration::from_secs(60);

fn key() -> Key {
    Key(PrivateKey::generate(&mut Tape(5)).unwrap())
}

fn authority(open: Open<'_>) -> Authority {
    Authority::new(open(PATIENT).unwrap()).unwrap()
}

fn order(prefix: &str) -> Order {
    Order {
        role: Role::Card,
        name: NameOrder::NextOf(prefix.into()),
    }
}

fn an_authority_is_founded_once(open: Open<'_>) {
    let root = name("ZZTALLYROOT00001");
    let empty = Authority::new(open(PATIENT).unwrap());
    assert!(matches!(empty.map(drop), Err(StoreError::Absent(_))));
    let made = found(
        open(PATIENT).unwrap().as_mut(),
        root,
        15,
        &mut key(),
        at(START),
    )
    .unwrap();
    let again = found(
        open(PATIENT).unwrap().as_mut(),
        root,
        15,
        &mut key(),
        at(START),
    );
    assert!(again.is_err(), "a second root");
    let mut authority = authority(open);
    assert_eq!(*authority.root(), made);
    assert_eq!(authority.audit().unwrap().lines, 1);
}

fn everything_is_kept_and_proved(open: Open<'_>) {
    let mut first = authority(open);
    let early = first.head().unwrap();
    let (mut tape, mut key) = (Tape(10), key());
    for number in 0..5 {
        let challenge = first.order(&order("ZZKEPT"), &mut tape, at(START)).unwrap();
        let own = PrivateKey::generate(&mut tape).unwrap();
        let request = request(&challenge, &own);
        first
            .issue(&mut key, &request, Role::Card, None, at(START))
            .unwrap();
        if number > 2 {
            first.delivered(&challenge.holder, at(START)).unwrap();
        }
    }
    first
        .revoke(
            &name("ZZKEPT00001"),
            "lost \"on\" the train \u{202e}",
            at(START),
        )
        .unwrap();
    first.publish(&mut key, Scope::Revoked, at(START)).unwrap();
    drop(first);
    let mut second = authority(open);
    second.audit().unwrap();
    let list = second.status_list().unwrap().unwrap();
    let holder = second.holder(&name("ZZKEPT00001")).unwrap();
    assert!(list.revokes(&holder.certificate.holder_hash()));
    let waiting = second.waiting(Role::Card, 9).unwrap();
    let waiting: Vec<_> = waiting
        .iter()
        .map(|holder| holder.certificate.claims().holder)
        .collect();
    assert_eq!(
        waiting,
        [name("ZZKEPT00003"), name("ZZKEPT00002")],
        "newest first"
    );
    let page = second.holders(Some(&name("ZZKEPT00002")), 2).unwrap();
    let page: Vec<_> = page
        .iter()
        .map(|holder| holder.certificate.claims().holder)
        .collect();
    assert_eq!(page, [name("ZZKEPT00003"), name("ZZKEPT00004")]);
    let root_key = second.root().claims().key.clone();
    for number in 1..=5 {
        let receipt = second
            .receipt(&name(&format!("ZZKEPT{number:05}")))
            .unwrap();
        receipt.verify(&root_key).unwrap();
    }
    let late = second.head().unwrap();
    let proof = second.consistency(early.head.size, late.head.size).unwrap();
    proof.verify(&early.head, &late.head).unwrap();
    assert!(
        second
            .consistency(late.head.size, late.head.size + 1)
            .is_err()
    );
    assert!(second.consistency(0, late.head.size).is_err());
}

fn a_change_that_is_abandoned_or_dropped_leaves_nothing(open: Open<'_>) {
    let before = authority(open).audit().unwrap();
    let mut store = open(PATIENT).unwrap();
    store.begin(&Needs::default()).unwrap();
    let other = open(Duration::from_millis(1))
        .unwrap()
        .begin(&Needs::default());
    assert!(
        matches!(other.map(drop), Err(StoreError::Busy(_))),
        "one writer at a time"
    );
    store.abandon();
    let book = store.begin(&Needs::default()).unwrap();
    store.append(&book).unwrap();
    drop(store);
    let mut after = authority(open);
    assert_eq!(after.audit().unwrap(), before);
    after
        .order(&order("ZZAFTER"), &mut Tape(99), at(START))
        .unwrap();
}

struct Fixed(Tape);

impl Machine for Fixed {
    fn now(&mut self) -> Option<Moment> {
        Some(at(START))
    }

    fn entropy(&mut self) -> &mut dyn Entropy {
        &mut self.0
    }
}

/// Two instances, four stations each, every request sent twice, once to each instance.
fn two_instances_issue_at_once_and_nothing_twice(open: Open<'_>) {
    let lines = authority(open).size().unwrap();
    let clerks = [1 << 50, 1 << 51].map(|tape| {
        Clerk::start(
            authority(open),
            Box::new(key()),
            Box::new(Fixed(Tape(tape))),
        )
    });
    let station = |number: u64| {
        let clerks = &clerks;
        move || -> Vec<_> {
            let mut keys = Tape(number << 40);
            let client = format!("LINE{number}");
            let both = |word: String, job: Job| {
                let token = Some(Token {
                    client: client.clone(),
                    word,
                });
                let by = Some(client.clone());
                let task = Task { job, by, token };
                let home = usize::from(number.is_multiple_of(2));
                let first = clerks[home].ask(task.clone()).unwrap();
                assert_eq!(clerks[1 - home].ask(task).unwrap(), first);
                first
            };
            (0..10)
                .map(|round| {
                    let line = both(format!("a{round}"), Job::Order(order("ZZBOTH")));
                    let challenge = Challenge::of(&line, name("ZZTALLYROOT00001")).unwrap();
                    let own = PrivateKey::generate(&mut keys).unwrap();
                    let application = Application {
                        request: request(&challenge, &own),
                        role: Role::Card,
                        years: None,
                    };
                    both(format!("b{round}"), Job::Issue(Box::new(application)));
                    challenge.holder
                })
                .collect()
        }
    };
    let names: BTreeSet<_> = thread::scope(|scope| {
        let stations: Vec<_> = (1..=8).map(|number| scope.spawn(station(number))).collect();
        let names = stations
            .into_iter()
            .flat_map(|station| station.join().unwrap());
        names.collect()
    });
    assert_eq!(names.len(), 80);
    drop(clerks);
    let audit = authority(open).audit().unwrap();
    assert_eq!(audit.lines, lines + 160);
}

fn a_nonce_answered_on_one_instance_is_used_up_on_the_other(open: Open<'_>) {
    let [mut one, mut other] = [authority(open), authority(open)];
    let mut tape = Tape(777);
    let challenge = one.order(&order("ZZONCE"), &mut tape, at(START)).unwrap();
    let first = request(&challenge, &PrivateKey::generate(&mut tape).unwrap());
    let second = request(&challenge, &PrivateKey::generate(&mut tape).unwrap());
    one.issue(&mut key(), &first, Role::Card, None, at(START))
        .unwrap();
    let refused = other.issue(&mut key(), &second, Role::Card, None, at(START));
    assert!(matches!(
        refused,
        Err(AuthorityError::Request(authority::Refused::UsedNonce))
    ));
}

fn named(by: &str, job: Job) -> Task {
    Task {
        job,
        by: Some(by.into()),
        token: None,
    }
}

fn requests_wait_are_counted_and_decided_once(open: Open<'_>) {
    let mut authority = authority(open);
    let before = authority.audit().unwrap().certificates;
    let (mut tape, mut key) = (Tape(1 << 20), key());
    let mut run = |authority: &mut Authority, by: &str, job: Job| {
        let done = authority.run(&[named(by, job)], Some(&mut key), &mut tape, at(START));
        done.unwrap().pop().unwrap()
    };
    let mut ids = Vec::new();
    for (number, by) in (0..).zip(["LINE1", "LINE2", "LINE1"]) {
        let line = run(&mut authority, by, Job::Order(order("ZZASK"))).unwrap();
        let challenge = Challenge::of(&line, name("ZZTALLYROOT00001")).unwrap();
        let own = PrivateKey::generate(&mut Tape((1 << 21) + number * 8)).unwrap();
        let application = Box::new(Application {
            request: request(&challenge, &own),
            role: Role::Card,
            years: (number == 0).then_some(1),
        });
        let lifetime = 10 + number;
        let ask = Job::Ask {
            application,
            lifetime,
        };
        ids.push(run(&mut authority, by, ask).unwrap().sequence);
    }
    let seen = |authority: &mut Authority, of, seconds, count| -> Vec<u64> {
        let found = authority.awaiting(of, at(START + seconds), count).unwrap();
        found.iter().map(|asked| asked.line).collect()
    };
    let one = Some(("LINE1", Role::Card));
    assert_eq!(seen(&mut authority, None, 0, 9), ids, "oldest first");
    assert_eq!(seen(&mut authority, None, 0, 2), ids[..2]);
    assert_eq!(seen(&mut authority, one, 0, 9), [ids[0], ids[2]]);
    let terminals = Some(("LINE1", Role::Terminal));
    assert_eq!(seen(&mut authority, terminals, 0, 9), [0; 0]);
    assert_eq!(seen(&mut authority, None, 11, 9), ids[1..], "one has died");
    assert_eq!(authority.awaiting_count(at(START + 11)).unwrap(), 2);
    assert_eq!(authority.audit().unwrap().certificates, before);
    let refuse = |request| Job::Refuse {
        request,
        reason: "not ours".into(),
    };
    run(&mut authority, "ADA", Job::Approve(ids[0])).unwrap();
    run(&mut authority, "ADA", refuse(ids[1])).unwrap();
    for job in [Job::Approve(ids[0]), Job::Approve(ids[1]), refuse(ids[0])] {
        let again = run(&mut authority, "EVE", job).map_err(|error| error.to_string());
        assert!(again.unwrap_err().contains("decided about the request"));
    }
    drop(authority);
    let mut authority = self::authority(open);
    assert_eq!(seen(&mut authority, None, 0, 9), ids[2..]);
    let first = authority.request(ids[0]).unwrap().unwrap();
    assert_eq!((first.years, first.by.as_str()), (Some(1), "LINE1"));
    assert!(matches!(first.verdict, Some(Verdict::Approved(_))));
    let second = authority.request(ids[1]).unwrap().unwrap();
    assert_eq!(second.verdict, Some(Verdict::Refused("not ours".into())));
    assert_eq!(authority.request(1).unwrap(), None);
    assert_eq!(authority.audit().unwrap().certificates, before + 1);
}

/// The last part, for the key of the suite is the old root's afterwards.
fn a_roll_over_reaches_every_instance(open: Open<'_>) {
    let [mut one, mut other] = [authority(open), authority(open)];
    let folder = tempfile::tempdir().unwrap();
    let next = NewKey::File {
        passphrase: support::PASSPHRASE,
    };
    let wish = NewRoot {
        name: name("ZZTALLYROOT00002"),
        years: 15,
    };
    let (mut tape, now) = (Tape(888), at(START));
    for asked in one.awaiting(None, now, 9).unwrap() {
        let refuse = Job::Refuse {
            request: asked.line,
            reason: "before the roll-over".into(),
        };
        one.run(&[named("ADA", refuse)], None, &mut tape, now)
            .unwrap();
    }
    let made = one
        .roll_over(folder.path(), &mut key(), next, &wish, &mut tape, now)
        .unwrap();
    assert_eq!(other.roots().iter().count(), 1, "not asked yet");
    let late = other.publish(&mut key(), Scope::Revoked, now);
    assert!(matches!(late, Err(AuthorityError::RolledOver(_))));
    assert_eq!(*other.look_again().unwrap().newest(), made);
    let mut new = other.unlock(folder.path(), support::PASSPHRASE).unwrap();
    other.publish(new.as_mut(), Scope::Revoked, now).unwrap();
    assert_eq!(authority(open).audit().unwrap().roots, 2);
}

/// All of it, in one order: each part finds what the one before left.
fn suite(open: Open<'_>) {
    an_authority_is_founded_once(open);
    everything_is_kept_and_proved(open);
    a_change_that_is_abandoned_or_dropped_leaves_nothing(open);
    a_nonce_answered_on_one_instance_is_used_up_on_the_other(open);
    two_instances_issue_at_once_and_nothing_twice(open);
    requests_wait_are_counted_and_decided_once(open);
    a_roll_over_reaches_every_instance(open);
}

#[test]
fn sqlite_keeps_what_a_store_promises() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("authority.db");
    drop(sqlite::create(&path, PATIENT).unwrap());
    suite(&|patience| sqlite::open(&path, patience));
}

#[cfg(feature = "postgres")]
mod postgres {
    use super::*;
    use crate::plans;
    use crate::server::Server;
    use authority::store::postgres;

    #[test]
    fn postgresql_keeps_what_a_store_promises() {
        let Some(server) = Server::start() else {
            return;
        };
        let address = server.database("suite");
        plans::record(&address);
        suite(&|patience| postgres::open(&address, patience));
        a_ledger_moves_from_a_folder_and_goes_on(&server);
        a_database_that_goes_away_is_named_and_comes_back(&server);
        plans::check(&address);
    }

    fn a_database_that_goes_away_is_named_and_comes_back(server: &Server) {
        let address = server.database("gone");
        let open = |patience| postgres::open(&address, patience);
        let root = name("ZZTALLYROOT00001");
        found(
            open(PATIENT).unwrap().as_mut(),
            root,
            15,
            &mut key(),
            at(START),
        )
        .unwrap();
        let mut authority = authority(&open);
        let mut tape = Tape(5_000);
        authority
            .order(&order("ZZGONE"), &mut tape, at(START))
            .unwrap();
        server.kill();
        let gone = authority.order(&order("ZZGONE"), &mut tape, at(START));
        assert!(
            matches!(
                gone,
                Err(AuthorityError::Store(StoreError::Unavailable { .. }))
            ),
            "{gone:?}"
        );
        assert!(postgres::open(&address, PATIENT).is_err());
        server.up();
        let back = authority
            .order(&order("ZZGONE"), &mut tape, at(START))
            .unwrap();
        assert_eq!(back.holder, name("ZZGONE00002"));
        authority.audit().unwrap();
    }

    fn a_ledger_moves_from_a_folder_and_goes_on(server: &Server) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("authority.db");
        let mut home = sqlite::create(&path, PATIENT).unwrap();
        let root = name("ZZTALLYROOT00001");
        found(home.as_mut(), root, 15, &mut key(), at(START)).unwrap();
        everything_is_kept_and_proved(&|patience| sqlite::open(&path, patience));
        a_roll_over_reaches_every_instance(&|patience| sqlite::open(&path, patience));
        let mut before = Authority::new(sqlite::open(&path, PATIENT).unwrap()).unwrap();
        before
            .order(&order("ZZUNSIGNED"), &mut Tape(4_000), at(START))
            .unwrap();
        let audit = before.audit().unwrap();
        let address = server.database("moved");
        let open = |patience| postgres::open(&address, patience);
        let lines = copy(home.as_mut(), open(PATIENT).unwrap().as_mut()).unwrap();
        assert_eq!(lines, audit.lines);
        let again = copy(home.as_mut(), open(PATIENT).unwrap().as_mut());
        assert!(
            matches!(again, Err(AuthorityError::Occupied(_))),
            "only into an empty store: {again:?}"
        );
        let mut after = authority(&open);
        assert_eq!(
            after.audit().unwrap(),
            audit,
            "the same lines, tree and head"
        );
        let file = folder.path().join("backup");
        assert_eq!(
            backup(open(PATIENT).unwrap().as_mut(), &file).unwrap(),
            lines
        );
        let mut kept = Authority::new(sqlite::open(&file, PATIENT).unwrap()).unwrap();
        assert_eq!(kept.audit().unwrap(), audit, "and so has its backup");
        let next = after
            .order(&order("ZZKEPT"), &mut Tape(5_000), at(START))
            .unwrap();
        assert_eq!(next.holder, name("ZZKEPT00006"));
    }

    #[test]
    fn an_address_that_is_none_is_refused_without_repeating_its_password() {
        let Err(error) = postgres::open("postgres://tally:hunter2@", PATIENT) else {
            panic!("opened");
        };
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}
