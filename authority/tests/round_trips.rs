//! What a step over PostgreSQL costs: round trips, counted between the program and the server.
#![cfg(feature = "postgres")]
#![expect(clippy::unwrap_used, reason = "a test may stop")]

#[path = "support/postgres.rs"]
mod server;
mod support;

use apdu::certificate::{Name, Role};
use apdu::crypto::PrivateKey;
use authority::job::{Job, Task};
use authority::ledger::Line;
use authority::store::{Token, postgres};
use authority::{Application, Authority, Challenge, NameOrder, Order, found};
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::Duration;
use support::{Key, START, Tape, at, name, request};

const PATIENT: Duration = Duration::from_secs(60);
const MOST: u64 = 3;

/// Stands between a program and the server, and counts how often the program speaks after the server has answered.
struct Between {
    folder: tempfile::TempDir,
    trips: Arc<AtomicU64>,
}

impl Between {
    fn before(server: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let trips = Arc::new(AtomicU64::new(0));
        let listener = UnixListener::bind(folder.path().join(".s.PGSQL.5432")).unwrap();
        let (socket, counted) = (server.join(".s.PGSQL.5432"), Arc::clone(&trips));
        thread::spawn(move || {
            for program in listener.incoming() {
                join(&program.unwrap(), &socket, &counted);
            }
        });
        Self { folder, trips }
    }

    fn address(&self, database: &str) -> String {
        let host = self.folder.path().display();
        format!("host={host} user=tally dbname={database}")
    }

    /// Round trips since this was last asked.
    fn count(&self) -> u64 {
        self.trips.swap(0, SeqCst)
    }
}

/// Both ways of one connection, each in a thread that ends with it.
fn join(program: &UnixStream, server: &Path, trips: &Arc<AtomicU64>) {
    let server = UnixStream::connect(server).unwrap();
    let answered = Arc::new(AtomicBool::new(true));
    let (mut from, mut to) = (program.try_clone().unwrap(), server.try_clone().unwrap());
    let (trips, heard) = (Arc::clone(trips), Arc::clone(&answered));
    thread::spawn(move || {
        pass(&mut from, &mut to, || {
            if heard.swap(false, SeqCst) {
                trips.fetch_add(1, SeqCst);
            }
        });
    });
    let (mut from, mut to) = (server, program.try_clone().unwrap());
    thread::spawn(move || pass(&mut from, &mut to, || answered.store(true, SeqCst)));
}

fn pass(from: &mut UnixStream, to: &mut UnixStream, note: impl Fn()) {
    let mut bytes = vec![0; 1 << 20];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        note();
        if to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
}

struct Station {
    authority: Authority,
    between: Between,
    key: Key,
    tape: Tape,
    words: u64,
}

impl Station {
    /// One step with one task; its line, and its round trips.
    fn step(&mut self, job: Job) -> (Line, u64) {
        let client = match job {
            Job::Approve(_) => "ADA",
            _ => "LINE1",
        };
        self.words += 1;
        let token = Some(Token {
            client: client.into(),
            word: format!("word {}", self.words),
        });
        let by = Some(client.into());
        self.between.count();
        let done = self.authority.run(
            &[Task { job, by, token }],
            Some(&mut self.key),
            &mut self.tape,
            at(START),
        );
        let line = done.unwrap().pop().unwrap().unwrap();
        (line, self.between.count())
    }

    fn order(&mut self) -> (Line, u64) {
        self.step(Job::Order(Order {
            role: Role::Card,
            name: NameOrder::NextOf("ZZTRIP".into()),
        }))
    }

    fn application(&mut self, line: &Line, root: Name) -> Box<Application> {
        let challenge = Challenge::of(line, root).unwrap();
        let own = PrivateKey::generate(&mut self.tape).unwrap();
        Box::new(Application {
            request: request(&challenge, &own),
            role: Role::Card,
            years: None,
        })
    }
}

/// Also the first of each kind, whose statements the server has not seen; the last ones are in a ledger that has grown.
#[test]
fn a_step_on_postgresql_costs_few_round_trips() {
    let Some(server) = server::Server::start() else {
        return;
    };
    let address = server.database("trips");
    let socket = address.split_whitespace().next().unwrap();
    let socket = PathBuf::from(socket.strip_prefix("host=").unwrap());
    let between = Between::before(&socket);
    let mut key = Key(PrivateKey::generate(&mut Tape(5)).unwrap());
    let root = name("ZZTALLYROOT00001");
    let mut store = postgres::open(&between.address("trips"), PATIENT).unwrap();
    found(store.as_mut(), root, 15, &mut key, at(START)).unwrap();
    let mut station = Station {
        authority: Authority::new(store).unwrap(),
        between,
        key,
        tape: Tape(10),
        words: 0,
    };
    for round in 0..10 {
        let (line, ordering) = station.order();
        let application = station.application(&line, root);
        let (_, issuing) = station.step(Job::Issue(application));
        let (line, _) = station.order();
        let application = station.application(&line, root);
        let lifetime = 1_000;
        let (asked, asking) = station.step(Job::Ask {
            application,
            lifetime,
        });
        let (_, approving) = station.step(Job::Approve(asked.sequence));
        for (what, trips) in [
            ("order", ordering),
            ("issue", issuing),
            ("ask", asking),
            ("approve", approving),
        ] {
            assert!(trips >= 2, "round {round}, {what}: {trips} were seen");
            assert!(trips <= MOST, "round {round}, {what}: {trips} round trips");
        }
    }
    station.authority.audit().unwrap();
}
