//! `cargo xtask bench authority`: what a certificate costs at the authority's desk, beside what a durable write costs on the same medium.
//!
//! The desk is the clerk behind the service: requests are decoded and their proofs checked, certificates and heads signed, lines, tree and
//! records written. What cards and clients do between is not counted. TLS and HTTP are not in these figures.

use crate::table::Figure;
use crate::world::Failure;
use ::postgres::{Client, NoTls};
use apdu::certificate::{Name, Request, Role};
use apdu::crypto::{Entropy, PrivateKey, PublicKey};
use authority::clerk::{Clerk, Machine};
use authority::custody::{CustodyError, Signer};
use authority::job::{Job, Task};
use authority::store::{Store, postgres, sqlite};
use authority::{Application, Authority, Challenge, Moment, NameOrder, Order, found};
use getrandom::SysRng;
use rusqlite::Connection;
use std::path::Path;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Clients at once.
const CLIENTS: usize = 16;
/// Certificates in one round.
const CERTIFICATES: usize = 400;
/// How long each rate is measured.
const SPAN: Duration = Duration::from_secs(4);
const PATIENCE: Duration = Duration::from_secs(60);

/// All figures about the authority: on a new SQLite file, and on the empty PostgreSQL database whose address is in a file, if one is given.
pub fn figures(store_file: Option<&Path>) -> Result<Vec<Figure>, Failure> {
    let folder = tempfile::tempdir()?;
    let raw = raw_sqlite(&folder.path().join("raw.db"))?;
    let path = folder.path().join("authority.db");
    drop(sqlite::create(&path, PATIENCE)?);
    let open = || -> Result<_, Failure> { Ok(sqlite::open(&path, PATIENCE)?) };
    let mut figures = on("SQLite", raw, &open)?;
    let lines = Authority::new(open()?)?.size()?; // and the log is merged into the file
    let bytes = std::fs::metadata(&path)?.len() / lines;
    println!("SQLite: {bytes} bytes for each line of the ledger, with its tree and records");
    if let Some(file) = store_file {
        let address = std::fs::read_to_string(file)?;
        let address = address.trim();
        let raw = raw_postgres(address)?;
        figures.extend(on("PostgreSQL", raw, &|| {
            Ok(postgres::open(address, PATIENCE)?)
        })?);
    }
    figures.push(Figure::ratio(
        "authority: peak memory / 150 MB",
        peak_memory()? / 150.0,
        1.0,
    ));
    Ok(figures)
}

/// The figures of one kind of store, beside its raw rate of durable commits.
fn on(
    kind: &str,
    raw: f64,
    open: &dyn Fn() -> Result<Box<dyn Store>, Failure>,
) -> Result<Vec<Figure>, Failure> {
    let mut key = Key(PrivateKey::generate(&mut SysRng)?);
    found(open()?.as_mut(), root()?, 15, &mut key, now()?)?;
    let serial = rate(open()?, key.copy()?, 1)?;
    let many = rate(open()?, key.copy()?, CLIENTS)?;
    let audit = Authority::new(open()?)?.audit()?;
    println!(
        "{kind}: {raw:.0} durable commits a second, {many:.0} certificates a second for {CLIENTS} clients, {serial:.0} for one; {} certificates, ledger verified",
        audit.certificates
    );
    Ok(vec![
        Figure::ratio(
            format!("{kind}: durable commits / certificates, {CLIENTS} clients"),
            raw / many,
            3.0,
        ),
        Figure::ratio(
            format!("{kind}: 100 a second / certificates, one client"),
            100.0 / serial,
            1.0,
        ),
    ])
}

/// A row as long as the line of a certificate, written and committed by itself, over and over: commits a second.
fn raw_rate(mut commit: impl FnMut(&str) -> Result<(), Failure>) -> Result<f64, Failure> {
    let entry = "x".repeat(600);
    let start = Instant::now();
    let mut commits = 0_u32;
    while start.elapsed() < SPAN {
        commit(&entry)?;
        commits += 1;
    }
    Ok(f64::from(commits) / start.elapsed().as_secs_f64())
}

/// With the settings of the store.
fn raw_sqlite(path: &Path) -> Result<f64, Failure> {
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.execute_batch("CREATE TABLE rows (number INTEGER PRIMARY KEY, entry TEXT)")?;
    let mut insert = connection.prepare("INSERT INTO rows (entry) VALUES (?1)")?;
    raw_rate(|entry| Ok(insert.execute([entry]).map(drop)?))
}

/// In a table that is gone afterwards. Every insertion is a transaction of its own.
fn raw_postgres(address: &str) -> Result<f64, Failure> {
    let mut client = Client::connect(address, NoTls)?;
    client.batch_execute("CREATE TABLE raw_rows (number BIGSERIAL PRIMARY KEY, entry TEXT)")?;
    let insert = client.prepare("INSERT INTO raw_rows (entry) VALUES ($1)")?;
    let rate = raw_rate(|entry| Ok(client.execute(&insert, &[&entry]).map(drop)?));
    client.batch_execute("DROP TABLE raw_rows")?;
    rate
}

/// Certificates a second of the authority's time: orders, then requests, are handed in by so many clients at once. Between the two the
/// cards make their keys and requests, which is the cards' time.
fn rate(store: Box<dyn Store>, key: Key, clients: usize) -> Result<f64, Failure> {
    let clerk = Clerk::start(
        Authority::new(store)?,
        Box::new(key),
        Box::new(Here(SysRng)),
    );
    let root = root()?;
    let mut spent = Duration::ZERO;
    let mut done = 0_u32;
    while spent < SPAN {
        let orders = vec![(); CERTIFICATES];
        let (challenges, ordering) = at_once(clients, orders, |()| order(&clerk, root))?;
        let requests: Result<Vec<_>, Failure> = challenges.iter().map(request).collect();
        let (issued, issuing) = at_once(clients, requests?, |request| issue(&clerk, &request))?;
        spent += ordering + issuing;
        done += u32::try_from(issued.len())?;
    }
    Ok(f64::from(done) / spent.as_secs_f64())
}

/// Does each piece of work, so many at once; what came of it, and how long all took.
fn at_once<W: Send, D: Send>(
    clients: usize,
    work: Vec<W>,
    one: impl Fn(W) -> Result<D, Failure> + Sync,
) -> Result<(Vec<D>, Duration), Failure> {
    let work = Mutex::new(work);
    let next = || work.lock().ok().and_then(|mut work| work.pop());
    let client = || {
        let mut done = Vec::new();
        while let Some(work) = next() {
            done.push(one(work).map_err(|error| error.to_string())?);
        }
        Ok::<_, String>(done)
    };
    let start = Instant::now();
    let done = thread::scope(|scope| {
        let clients: Vec<_> = (0..clients).map(|_| scope.spawn(client)).collect();
        let panicked = || Err("a client panicked".into());
        let ended: Result<Vec<Vec<D>>, String> = clients
            .into_iter()
            .map(|client| client.join().unwrap_or_else(|_| panicked()))
            .collect();
        ended
    })?;
    Ok((done.into_iter().flatten().collect(), start.elapsed()))
}

fn order(clerk: &Clerk, root: Name) -> Result<Challenge, Failure> {
    let order = Order {
        role: Role::Card,
        name: NameOrder::NextOf("ZZBENCH".into()),
    };
    let line = clerk.ask(Task::from(Job::Order(order)))?;
    Ok(Challenge::of(&line, root).ok_or("no challenge")?)
}

/// The card's part.
fn request(challenge: &Challenge) -> Result<Vec<u8>, Failure> {
    let key = PrivateKey::generate(&mut SysRng)?;
    let request = Request::create(
        challenge.issuer,
        challenge.holder,
        challenge.role,
        challenge.nonce,
        &key,
    );
    Ok(request.encoded().to_vec())
}

fn issue(clerk: &Clerk, request: &[u8]) -> Result<(), Failure> {
    let application = Application {
        request: Request::decode(request)?,
        role: Role::Card,
        years: None,
    };
    clerk.ask(Task::from(Job::Issue(Box::new(application))))?;
    Ok(())
}

fn root() -> Result<Name, Failure> {
    Ok(Name::new("ZZTALLYROOT00001").ok_or("no name")?)
}

fn now() -> Result<Moment, Failure> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH)?;
    Ok(Moment::from_unix_seconds(since.as_secs()).ok_or("the clock is wrong")?)
}

/// The most memory that this process ever held, in MB, and so more than the desk alone.
fn peak_memory() -> Result<f64, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    Ok(kilobytes.ok_or("no figure of memory")? / 1_024.0)
}

struct Here(SysRng);

impl Machine for Here {
    fn now(&mut self) -> Option<Moment> {
        now().ok()
    }

    fn entropy(&mut self) -> &mut dyn Entropy {
        &mut self.0
    }
}

/// A key in memory.
struct Key(PrivateKey);

impl Key {
    fn copy(&self) -> Result<Self, Failure> {
        Ok(Self(self.0.dangerous_copy()))
    }
}

impl Signer for Key {
    fn public_key(&self) -> PublicKey {
        self.0.public_key()
    }

    fn sign(&mut self, message: &[u8]) -> Result<[u8; 64], CustodyError> {
        Ok(self.0.sign(message))
    }

    fn describe(&self) -> String {
        "in memory".into()
    }
}
