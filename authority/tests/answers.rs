//! Answers to clients' tokens: each is its client's, is kept for a week, and goes in small steps. The same in every store.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

#[cfg(feature = "postgres")]
#[path = "support/postgres.rs"]
mod server;
mod support;

use apdu::certificate::Role;
use apdu::crypto::PrivateKey;
use authority::job::{Job, Task};
use authority::store::{ANSWERS_KEPT, Store, Token, sqlite};
use authority::{Authority, NameOrder, Order, found};
use std::time::Duration;
use support::{Key, START, Tape, at, name};

const PATIENT: Duration = Duration::from_secs(60);

fn an_answer_is_its_clients_is_kept_for_a_week_and_goes_in_steps(mut store: Box<dyn Store>) {
    let root = name("ZZTALLYROOT00001");
    let mut key = Key(PrivateKey::generate(&mut Tape(5)).unwrap());
    found(store.as_mut(), root, 15, &mut key, at(START)).unwrap();
    let mut authority = Authority::new(store).unwrap();
    let mut tape = Tape(1 << 40);
    let mut run = |seconds: u64, client: &str, words: std::ops::Range<u32>| -> Vec<u64> {
        let task = |word: u32| Task {
            job: Job::Order(Order {
                role: Role::Card,
                name: NameOrder::NextOf("ZZWEEK".into()),
            }),
            by: Some(client.into()),
            token: Some(Token {
                client: client.into(),
                word: format!("word {word}"),
            }),
        };
        let tasks: Vec<Task> = words.map(task).collect();
        let done = authority.run(&tasks, None, &mut tape, at(START + seconds));
        let lines = done.unwrap().into_iter().map(|line| line.unwrap());
        lines.map(|line| line.sequence).collect()
    };
    let first: Vec<u64> = (2..202).collect();
    assert_eq!(run(0, "LINE1", 0..200), first);
    assert_eq!(run(0, "LINE2", 7..8), [202], "a word is its client's");
    assert_eq!(run(ANSWERS_KEPT, "LINE1", 200..201), [203]);
    assert_eq!(run(ANSWERS_KEPT, "LINE1", 0..200), first, "a whole week");
    assert_eq!(run(ANSWERS_KEPT + 1, "LINE1", 201..202), [204]);
    assert_eq!(run(ANSWERS_KEPT + 1, "LINE1", 202..203), [205]);
    let late = run(ANSWERS_KEPT + 1, "LINE1", 0..200);
    let kept = late.iter().filter(|line| **line < 205).count();
    assert!(kept > 0, "a bounded number goes with one step");
    assert!(kept < 100, "but more than were added: {kept} are left");
}

#[test]
fn answers_in_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let store = sqlite::create(&folder.path().join("authority.db"), PATIENT);
    an_answer_is_its_clients_is_kept_for_a_week_and_goes_in_steps(store.unwrap());
}

#[cfg(feature = "postgres")]
#[test]
fn answers_in_postgresql() {
    let Some(server) = server::Server::start() else {
        return;
    };
    let store = authority::store::postgres::open(&server.database("answers"), PATIENT);
    an_answer_is_its_clients_is_kept_for_a_week_and_goes_in_steps(store.unwrap());
}
