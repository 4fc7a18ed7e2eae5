//! A ledger of many cards, made with the authority's own means in large steps: every line of it is real and verifies.

use super::key::{Counted, Key, now};
use crate::world::Failure;
use apdu::certificate::{Name, Request, Role};
use apdu::crypto::{PrivateKey, sha256};
use authority::job::{Job, Task};
use authority::store::{Store, Token};
use authority::{Application, Authority, NameOrder, Order};
use getrandom::SysRng;
use std::thread;

/// Cards in one step.
const STEP: usize = 500;
/// Cards under one prefix: there are five digits.
const SERIALS: usize = 90_000;

/// Cards that wait for their orders: the requests that they will make.
pub struct Cards(Vec<Request>);

impl Cards {
    /// Makes them on both cores.
    pub fn make(count: usize, root: Name) -> Result<Self, Failure> {
        let half = count / 2;
        let make = |from: usize, to: usize| -> Result<Vec<Request>, String> {
            (from..to)
                .map(|number| card(number, root).map_err(|error| error.to_string()))
                .collect()
        };
        let (first, second) = thread::scope(|scope| {
            let first = scope.spawn(|| make(0, half));
            (make(half, count), first.join())
        });
        let mut all = second.map_err(|_| "a thread panicked")??;
        all.extend(first?);
        Ok(Self(all))
    }

    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Orders and issues them all, each with an idempotency key of one of 16 clients.
    pub fn issue(&self, store: Box<dyn Store>, key: &Key) -> Result<(), Failure> {
        let mut authority = Authority::new(store)?;
        let (mut key, mut nonces) = (key.copy(), Counted(0));
        for (step, cards) in self.0.chunks(STEP).enumerate() {
            let mut run = |what: &str, jobs: Vec<Job>| -> Result<(), Failure> {
                let tasks = jobs.into_iter().enumerate();
                let tasks = tasks.map(|(place, job)| task(what, step * STEP + place, job));
                let tasks: Vec<Task> = tasks.collect();
                let done = authority.run(&tasks, Some(&mut key), &mut nonces, now()?)?;
                done.into_iter().try_for_each(|line| line.map(drop))?;
                Ok(())
            };
            let order = |request: &Request| {
                let name = NameOrder::Exactly(request.fields().holder);
                let role = Role::Card;
                Job::Order(Order { role, name })
            };
            run("order", cards.iter().map(order).collect())?;
            let issue = |request: &Request| {
                Job::Issue(Box::new(Application {
                    request: request.clone(),
                    role: Role::Card,
                    years: None,
                }))
            };
            run("issue", cards.iter().map(issue).collect())?;
        }
        Ok(())
    }
}

fn card(number: usize, root: Name) -> Result<Request, Failure> {
    let (prefix, serial) = (number / SERIALS, number % SERIALS + 1);
    let holder = Name::new(&format!("ZZFILL{prefix}{serial:05}")).ok_or("no name")?;
    let nonce = Counted::nonce(u64::try_from(number)?);
    let nonce = nonce.first_chunk().ok_or("no nonce")?;
    let key = PrivateKey::generate(&mut SysRng)?;
    Ok(Request::create(root, holder, Role::Card, *nonce, &key))
}

fn task(what: &str, number: usize, job: Job) -> Task {
    let client = format!("LINE{}", number % super::CLIENTS);
    // As clients draw their keys: in no order.
    let word = sha256(&[what.as_bytes(), &number.to_be_bytes()]);
    let word = word.iter().take(16).map(|byte| format!("{byte:02x}"));
    Task {
        job,
        by: Some(client.clone()),
        token: Some(Token {
            client,
            word: word.collect(),
        }),
    }
}
