//! Many who ask at once, and requests that come twice.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

mod support;

use apdu::certificate::{Request, Role};
use apdu::crypto::{Entropy, PrivateKey, PublicKey};
use authority::clerk::{Clerk, ClerkError, Machine};
use authority::custody::{CustodyError, Signer};
use authority::job::{Job, Task};
use authority::ledger::{Event, Line};
use authority::store::Token;
use authority::{Application, Authority, AuthorityError, Challenge, Moment, NameOrder, Order};
use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;
use support::{Bench, PASSPHRASE, START, Tape, at, name, request};

struct Fixed(Tape);

impl Machine for Fixed {
    fn now(&mut self) -> Option<Moment> {
        Some(at(START))
    }

    fn entropy(&mut self) -> &mut dyn Entropy {
        &mut self.0
    }
}

fn open(bench: &Bench) -> Authority {
    Authority::open(&bench.folder(), Duration::from_secs(60)).unwrap()
}

fn clerk(bench: &Bench, tape: u64) -> Clerk {
    let authority = open(bench);
    let key = authority.unlock(&bench.folder(), PASSPHRASE).unwrap();
    Clerk::start(authority, key, Box::new(Fixed(Tape(tape))))
}

fn task(client: &str, word: &str, job: Job) -> Task {
    Task {
        job,
        by: Some(client.into()),
        token: Some(Token {
            client: client.into(),
            word: word.into(),
        }),
    }
}

fn next(prefix: &str) -> Job {
    Job::Order(Order {
        role: Role::Card,
        name: NameOrder::NextOf(prefix.into()),
    })
}

fn answer(line: &Line, key: &PrivateKey) -> Request {
    request(&Challenge::of(line, name("ZZTALLYROOT00001")).unwrap(), key)
}

fn issue(request: &Request) -> Job {
    Job::Issue(Box::new(Application {
        request: request.clone(),
        role: Role::Card,
        years: None,
    }))
}

/// What the service sends with a certificate is not read again: it must be what would be read.
#[test]
fn a_new_certificate_comes_with_the_receipt_that_the_store_would_give() {
    let bench = Bench::new();
    let clerk = clerk(&bench, 1 << 33);
    for round in 0..9 {
        let ordered = clerk.make(task("LINE1", &format!("order {round}"), next("ZZCARD")));
        let ordered = ordered.unwrap();
        assert_eq!(ordered.issuer, name("ZZTALLYROOT00001"));
        let key = PrivateKey::generate(&mut Tape((1 << 34) + round * 8)).unwrap();
        let job = issue(&answer(&ordered.line, &key));
        let made = clerk
            .make(task("LINE1", &format!("issue {round}"), job.clone()))
            .unwrap();
        let mut reader = open(&bench);
        let receipt = reader.receipt_of(made.line.sequence).unwrap();
        receipt.verify(&reader.root().claims().key).unwrap();
        assert_eq!(made.receipt, Some(receipt));
        let again = clerk.make(task("LINE1", &format!("issue {round}"), job));
        let again = again.unwrap();
        assert_eq!(
            (again.line, again.receipt),
            (made.line, None),
            "an old line"
        );
    }
}

#[test]
fn many_stations_that_repeat_themselves_get_each_certificate_once() {
    let bench = Bench::new();
    let clerk = clerk(&bench, 1 << 32);
    let station = |number: u64| {
        let clerk = &clerk;
        move || {
            let client = format!("LINE{number}");
            let mut keys = Tape(number << 40);
            let mut names = Vec::new();
            for round in 0..12 {
                let order = task(&client, &format!("order {round}"), next("ZZCARD"));
                let first = clerk.ask(order.clone()).unwrap();
                assert_eq!(clerk.ask(order).unwrap(), first);
                let key = PrivateKey::generate(&mut keys).unwrap();
                let request = answer(&first, &key);
                let issue = task(&client, &format!("issue {round}"), issue(&request));
                let issued = clerk.ask(issue.clone()).unwrap();
                assert_eq!(clerk.ask(issue).unwrap(), issued);
                assert_eq!(issued.by.as_deref(), Some(&*client));
                names.push(issued.event.holder().unwrap());
            }
            names
        }
    };
    let names: Vec<_> = thread::scope(|scope| {
        let stations: Vec<_> = (1..=16)
            .map(|number| scope.spawn(station(number)))
            .collect();
        stations
            .into_iter()
            .flat_map(|station| station.join().unwrap())
            .collect()
    });
    drop(clerk);
    let unique: BTreeSet<_> = names.iter().collect();
    assert_eq!((names.len(), unique.len()), (192, 192));
    let audit = open(&bench).audit().unwrap();
    assert_eq!((audit.lines, audit.certificates), (1 + 2 * 192, 192));
    assert_eq!(
        audit.head.unwrap().head.size,
        audit.lines,
        "signed to the end"
    );
}

#[test]
fn two_clerks_on_one_store_take_turns() {
    let bench = Bench::new();
    let clerks = [clerk(&bench, 1 << 32), clerk(&bench, 1 << 33)];
    let names: BTreeSet<_> = thread::scope(|scope| {
        let asking = |clerk| {
            move || {
                (0..40)
                    .map(|_| Clerk::ask(clerk, next("ZZCARD").into()).unwrap())
                    .collect::<Vec<_>>()
            }
        };
        let both: Vec<_> = clerks
            .iter()
            .map(|clerk| scope.spawn(asking(clerk)))
            .collect();
        let lines = both.into_iter().flat_map(|lines| lines.join().unwrap());
        lines.map(|line| line.event.holder().unwrap()).collect()
    });
    assert_eq!(names.len(), 80);
    assert_eq!(names.last(), Some(&name("ZZCARD00080")));
    open(&bench).audit().unwrap();
}

#[test]
fn a_token_stands_for_one_request_also_after_a_restart() {
    let bench = Bench::new();
    let first = clerk(&bench, 1 << 32);
    let order = task("LINE1", "a", next("ZZCARD"));
    let line = first.ask(order.clone()).unwrap();
    let other = task("LINE1", "a", next("ZZCASE"));
    assert!(matches!(
        first.ask(other),
        Err(ClerkError::Task(AuthorityError::TokenReused))
    ));
    let neighbour = task("LINE2", "a", next("ZZCARD"));
    assert_ne!(
        first.ask(neighbour).unwrap(),
        line,
        "a client has words of its own"
    );
    drop(first);
    assert_eq!(clerk(&bench, 1 << 33).ask(order).unwrap(), line);
    assert_eq!(open(&bench).size().unwrap(), 3);
}

#[test]
fn in_one_step_a_task_against_policy_fails_alone_and_later_ones_see_earlier_ones() {
    let mut bench = Bench::new();
    let exactly = |text: &str| -> Task {
        let name = NameOrder::Exactly(name(text));
        let role = Role::Card;
        Job::Order(Order { role, name }).into()
    };
    let tasks = [
        next("ZZCARD").into(),
        exactly("ZZTALLYROOT00001"),
        next("ZZCARD").into(),
        Job::Deliver(name("ZZCARD00001")).into(),
        task("LINE1", "x", next("ZZCARD")),
        task("LINE1", "x", next("ZZCARD")),
    ];
    let results = bench
        .authority
        .run(&tasks, None, &mut bench.tape, at(START))
        .unwrap();
    let holders: Vec<_> = results
        .iter()
        .map(|result| result.as_ref().ok()?.event.holder())
        .collect();
    let card = |number: u32| Some(name(&format!("ZZCARD{number:05}")));
    assert_eq!(holders, [card(1), None, card(2), None, card(3), card(3)]);
    assert_eq!(bench.authority.size().unwrap(), 4);
    bench.authority.audit().unwrap();
}

/// A device that has lost the key.
struct Lost(PublicKey);

impl Signer for Lost {
    fn public_key(&self) -> PublicKey {
        self.0.clone()
    }

    fn sign(&mut self, _: &[u8]) -> Result<[u8; 64], CustodyError> {
        Err(CustodyError::NotBuiltIn)
    }

    fn describe(&self) -> String {
        "lost".into()
    }
}

#[test]
fn a_key_that_does_not_sign_leaves_no_trace_and_stops_nothing_else() {
    let mut bench = Bench::new();
    let challenge = bench
        .order(Role::Card, NameOrder::NextOf("ZZCARD".into()))
        .unwrap();
    let request = bench.answer(&challenge);
    let mut lost = Lost(bench.authority.root().claims().key.clone());
    let tasks = [issue(&request).into(), next("ZZCARD").into()];
    let results = bench
        .authority
        .run(&tasks, Some(&mut lost), &mut bench.tape, at(START))
        .unwrap();
    assert!(matches!(results[0], Err(AuthorityError::Custody(_))));
    assert!(matches!(&results[1], Ok(line) if matches!(line.event, Event::Challenge { .. })));
    let without = bench
        .authority
        .run(&tasks[..1], None, &mut bench.tape, at(START))
        .unwrap();
    assert!(matches!(without[0], Err(AuthorityError::KeyNeeded)));
    assert_eq!(
        bench.authority.head().unwrap().head.size,
        1,
        "no head could be signed"
    );
    let audit = bench.authority.audit().unwrap();
    assert_eq!((audit.lines, audit.certificates), (3, 0));
    bench.issue(&request, Role::Card).unwrap();
    assert_eq!(bench.authority.head().unwrap().head.size, 4);
    let receipt = bench.authority.receipt(&challenge.holder).unwrap();
    receipt
        .verify(&bench.authority.root().claims().key)
        .unwrap();
}
