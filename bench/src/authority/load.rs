//! Clients that ask as fast as they are answered, for a while.

use super::door::Client;
use super::{CLIENTS, SPAN};
use crate::world::Failure;
use apdu::certificate::{Name, Request, Role};
use apdu::crypto::PrivateKey;
use base64ct::{Base64, Encoding as _};
use getrandom::SysRng;
use serde_json::{Value, json};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

/// Idempotency keys so far.
static WORDS: AtomicU64 = AtomicU64::new(0);
/// Loads so far: each has prefixes of its own.
static LOADS: AtomicU64 = AtomicU64::new(0);

/// Card keys made before the clock runs: making them is the cards' time.
pub struct CardKeys(Mutex<Vec<PrivateKey>>);

impl CardKeys {
    pub fn make(count: usize) -> Result<Self, Failure> {
        let keys: Result<Vec<_>, _> = (0..count)
            .map(|_| PrivateKey::generate(&mut SysRng))
            .collect();
        Ok(Self(Mutex::new(keys?)))
    }

    fn next(&self) -> Result<PrivateKey, Failure> {
        let made = self.0.lock().ok().and_then(|mut keys| keys.pop());
        Ok(match made {
            Some(key) => key,
            None => PrivateKey::generate(&mut SysRng)?,
        })
    }
}

/// What a load did: how often, and how long each took, in order of size.
pub struct Done {
    pub a_second: f64,
    took: Vec<Duration>,
}

impl Done {
    /// The time within which so many of a hundred were done.
    pub fn percentile(&self, hundredths: usize) -> f64 {
        let place = self.took.len() * hundredths / 100;
        let took = self.took.get(place.min(self.took.len().saturating_sub(1)));
        took.map_or(f64::NAN, Duration::as_secs_f64)
    }
}

/// Certificates: an order and a request each, both with idempotency keys, by all these clients at once.
pub fn certificates(clients: &[Client], keys: &CardKeys) -> Result<Done, Failure> {
    let load = LOADS.fetch_add(1, SeqCst);
    repeat(clients, SPAN, |place, client| {
        certificate(client, &format!("ZZB{load:02}{place:02}"), keys)
    })
}

/// Requests that the server answers without a desk, as large as an order.
pub fn bare(clients: &[Client]) -> Result<Done, Failure> {
    let body = order("ZZBARE");
    repeat(clients, SPAN, |_, client| {
        match client.post("/v1/none", "bare", &body)? {
            (404, _) => Ok(()),
            (status, answer) => Err(format!("{status} {answer}").into()),
        }
    })
}

/// What `work` gives while others do `besides`, each as fast as it can.
pub fn beside<T>(
    others: &[Client],
    besides: impl Fn(&Client) -> Result<(), Failure> + Sync,
    work: impl FnOnce() -> Result<T, Failure>,
) -> Result<(T, u64), Failure> {
    let (stop, count) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        let all: Vec<_> = others
            .iter()
            .map(|client| {
                scope.spawn(|| {
                    while !stop.load(SeqCst) {
                        besides(client).map_err(|error| error.to_string())?;
                        count.fetch_add(1, SeqCst);
                    }
                    Ok::<_, String>(())
                })
            })
            .collect();
        let done = work();
        stop.store(true, SeqCst);
        for other in all {
            other.join().map_err(|_| "a client panicked")??;
        }
        Ok((done?, count.load(SeqCst)))
    })
}

fn repeat(
    clients: &[Client],
    span: Duration,
    one: impl Fn(usize, &Client) -> Result<(), Failure> + Sync,
) -> Result<Done, Failure> {
    for (place, client) in clients.iter().enumerate() {
        one(place, client)?; // the connection is there when the clock starts
    }
    let begin = Instant::now();
    let work = |(place, client): (usize, &Client)| {
        let mut took = Vec::new();
        while begin.elapsed() < span {
            let start = Instant::now();
            one(place, client).map_err(|error| error.to_string())?;
            took.push(start.elapsed());
        }
        Ok::<_, String>(took)
    };
    let mut took = thread::scope(|scope| {
        let all: Vec<_> = clients
            .iter()
            .enumerate()
            .map(|client| scope.spawn(move || work(client)))
            .collect();
        let mut took = Vec::new();
        for client in all {
            took.extend(client.join().map_err(|_| "a client panicked")??);
        }
        Ok::<_, Failure>(took)
    })?;
    let elapsed = begin.elapsed().as_secs_f64();
    took.sort();
    let count = f64::from(u32::try_from(took.len())?);
    Ok(Done {
        a_second: count / elapsed,
        took,
    })
}

fn order(prefix: &str) -> Value {
    json!({ "role": "card", "name": { "next_of": prefix } })
}

fn certificate(client: &Client, prefix: &str, keys: &CardKeys) -> Result<(), Failure> {
    let key = keys.next()?;
    let (status, answer) = client.post("/v1/orders", &word(), &order(prefix))?;
    let text = |member: &str| answer[member].as_str().unwrap_or_default();
    let (issuer, holder) = (Name::new(text("issuer")), Name::new(text("holder")));
    let nonce = Base64::decode_vec(text("nonce")).unwrap_or_default();
    let (Some(issuer), Some(holder), Ok(nonce)) = (issuer, holder, nonce.try_into()) else {
        return Err(format!("not ordered: {status} {answer}").into());
    };
    let request = Request::create(issuer, holder, Role::Card, nonce, &key);
    let body = json!({ "role": "card", "request": Base64::encode_string(request.encoded()) });
    let (status, answer) = client.post("/v1/requests", &word(), &body)?;
    match (status, answer["certificate"].is_string()) {
        (201, true) => Ok(()),
        _ => Err(format!("not issued: {status} {answer}").into()),
    }
}

/// A new idempotency key.
fn word() -> String {
    let number = WORDS.fetch_add(1, SeqCst);
    let drawn = apdu::crypto::sha256(&[b"word", &number.to_be_bytes(), &started()]);
    let drawn = drawn.iter().take(16).map(|byte| format!("{byte:02x}"));
    drawn.collect()
}

/// Differs from run to run of the program.
fn started() -> [u8; 4] {
    std::process::id().to_be_bytes()
}

/// So many card keys that none is made while the clock runs.
pub const ENOUGH: usize = CLIENTS * 400;
