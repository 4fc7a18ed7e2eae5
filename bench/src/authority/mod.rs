//! `cargo xtask bench authority`: what a certificate costs at the service's front door: HTTPS, client certificates, idempotency keys,
//! connections that stay open, and the clients on the same cores.
//!
//! Everything is measured on a new ledger and on one of 100,000 cards, beside what a request costs that the same server answers without
//! a desk, and what a durable write costs on the same medium.

mod door;
mod fill;
mod key;
mod load;
mod raw;

use crate::table::Figure;
use crate::world::Failure;
use ::postgres::{Client as Database, NoTls};
use apdu::certificate::Name;
use apdu::crypto::PrivateKey;
use authority::client::ClientRole;
use authority::server::limit::Limits;
use authority::store::{postgres, sqlite};
use authority::{Authority, EnrolmentCode, found};
use base64ct::{Base64, Encoding as _};
use door::{Client, ClientIdentity, Door, Open};
use fill::Cards;
use getrandom::SysRng;
use key::{Key, now};
use load::{CardKeys, Done, ENOUGH, bare, beside, certificates};
use serde_json::json;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

/// Clients at once.
const CLIENTS: usize = 16;
/// Clients that try wrong codes, and how long each waits before the next: 1,000 a second at most, all of which the limits let in. As fast
/// as they can, they would take the cores from everybody, whatever the service does with them.
const GUESSERS: usize = 4;
const GUESS_PAUSE: Duration = Duration::from_millis(4);
/// Cards of the ledger that has grown, unless told otherwise.
pub const CARDS: usize = 100_000;
/// How long each rate is measured.
const SPAN: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(60);

/// One kind of store, and what it is to reach.
struct Kind<'k> {
    name: &'static str,
    raw: f64,
    /// Certificates a second for all clients, after 100,000 cards.
    goal: f64,
    open: Open<'k>,
    folder: &'k Path,
    /// Whether several instances can share it.
    shared: bool,
}

/// All figures about the authority: on a new SQLite file, and on the empty PostgreSQL database whose address is in a file, if one is given.
pub fn figures(store_file: Option<&Path>, count: usize) -> Result<Vec<Figure>, Failure> {
    let folder = tempfile::tempdir()?;
    let start = Instant::now();
    let cards = Cards::make(count, root()?)?;
    println!(
        "{count} cards made in {:.0} s",
        start.elapsed().as_secs_f64()
    );
    let mut key = Key(PrivateKey::generate(&mut SysRng)?);
    let path = folder.path().join("authority.db");
    drop(sqlite::create(&path, PATIENCE)?);
    let mut figures = Vec::new();
    figures.extend(on(
        &Kind {
            name: "SQLite",
            raw: raw::sqlite(&folder.path().join("raw.db"))?,
            goal: 600.0,
            open: &|| Ok(sqlite::open(&path, PATIENCE)?),
            folder: folder.path(),
            shared: false,
        },
        &cards,
        &mut key,
    )?);
    let lines = Authority::new(sqlite::open(&path, PATIENCE)?)?.size()?;
    let bytes = std::fs::metadata(&path)?.len() / lines;
    println!(
        "SQLite: {bytes} bytes for each line of the ledger, with its tree, records and answers"
    );
    if let Some(file) = store_file {
        let address = std::fs::read_to_string(file)?;
        let address = address.trim();
        let other = tempfile::tempdir()?;
        figures.extend(on(
            &Kind {
                name: "PostgreSQL",
                raw: raw::postgres(address)?,
                goal: 400.0,
                open: &|| Ok(postgres::open(address, PATIENCE)?),
                folder: other.path(),
                shared: true,
            },
            &cards,
            &mut key,
        )?);
        let mut database = Database::connect(address, NoTls)?;
        database.batch_execute("CHECKPOINT")?;
    }
    Ok(figures)
}

/// The figures of one kind of store.
fn on(kind: &Kind<'_>, cards: &Cards, key: &mut Key) -> Result<Vec<Figure>, Failure> {
    let Kind { name, goal, .. } = *kind;
    let (count, before) = (cards.count(), memory()?);
    found((kind.open)()?.as_mut(), root()?, 15, key, now()?)?;
    let door = Door::open(kind.folder, kind.open, key, unlimited())?;
    let enrol = |name: &str, role| door.enrol(kind.open, name, role);
    let stations: Result<Vec<_>, Failure> = (0..CLIENTS)
        .map(|number| enrol(&format!("LINE{number}"), ClientRole::Station))
        .collect();
    let stations = stations?;
    let reading = enrol("READER", ClientRole::Station)?;
    let clients = all(&door, &stations)?;
    let one = clients.get(..1).unwrap_or_default();
    let keys = || CardKeys::make(ENOUGH);
    let bare = bare(&clients)?;
    let empty = certificates(&clients, &keys()?)?;
    let empty_one = certificates(one, &keys()?)?;
    drop(clients);
    door.stop()?;

    let start = Instant::now();
    cards.issue((kind.open)()?, key)?;
    println!(
        "{name}: {count} cards issued in {:.0} s",
        start.elapsed().as_secs_f64()
    );

    let door = Door::open(kind.folder, kind.open, key, unlimited())?;
    let clients = all(&door, &stations)?;
    let one = clients.get(..1).unwrap_or_default();
    let full = certificates(&clients, &keys()?)?;
    let full_one = certificates(one, &keys()?)?;
    let reader = [door.client(Some(&reading))?];
    let page = AtomicUsize::new(0);
    let read = |client: &Client| {
        let from = page.fetch_add(1, SeqCst) % (count / 1_000).max(1) * 1_000;
        let entries = client.get(&format!("/v1/log/entries?from={from}&count=1000"))?;
        (entries > 1_000)
            .then_some(())
            .ok_or_else(|| "no entries".into())
    };
    let card_keys = keys()?;
    let (beside_reader, pages) = beside(&reader, read, || certificates(one, &card_keys))?;
    println!(
        "{name}: {:.0} durable commits and {:.0} bare requests a second; certificates a second: {:.0} for {CLIENTS} clients and {:.0} for one on a new ledger, {:.0} and {:.0} after {count} cards; {:.0} for one beside a client that reads {} pages of 1,000 entries",
        kind.raw,
        bare.a_second,
        empty.a_second,
        empty_one.a_second,
        full.a_second,
        full_one.a_second,
        beside_reader.a_second,
        pages
    );
    let mut figures = vec![
        Figure::ratio(
            format!("{name}: certificates, new ledger / after {count} cards"),
            empty.a_second / full.a_second,
            1.0 / 0.9,
        ),
        Figure::ratio(
            format!("{name}: {goal:.0} a second / certificates after {count} cards"),
            goal / full.a_second,
            1.0,
        ),
        Figure::ratio(
            format!("{name}: one station alone / beside a client that reads"),
            full_one.a_second / beside_reader.a_second,
            1.0 / 0.75,
        ),
    ];
    let card_requests = 2.0 * full.a_second;
    println!(
        "{name}: a bare request costs {:.2} of one for a certificate (an order or a request) after {count} cards",
        card_requests / bare.a_second
    );
    if kind.shared {
        figures.push(two_instances(kind, key, &stations)?);
    }
    drop(clients);
    drop(reader);
    door.stop()?;
    figures.push(wrong_codes(kind, key, &stations)?);
    figures.push(Figure::ratio(
        format!("{name}: memory of the services and their clients / 150 MB"),
        (memory()? - before) / 150.0,
        1.0,
    ));
    let start = Instant::now();
    let audit = Authority::new((kind.open)()?)?.audit()?;
    println!(
        "{name}: {} certificates, ledger verified in {:.0} s",
        audit.certificates,
        start.elapsed().as_secs_f64()
    );
    Ok(figures)
}

/// One instance, then two, with the same clients, one after the other so that both are as warm.
fn two_instances(
    kind: &Kind<'_>,
    key: &Key,
    stations: &[ClientIdentity],
) -> Result<Figure, Failure> {
    let doors = [
        Door::open(kind.folder, kind.open, key, unlimited())?,
        Door::open(kind.folder, kind.open, key, unlimited())?,
    ];
    let [first, second] = &doors;
    let alone = certificates(&all(first, stations)?, &CardKeys::make(ENOUGH)?)?;
    let halves = stations.split_at(CLIENTS / 2);
    let mut clients = all(first, halves.0)?;
    clients.extend(all(second, halves.1)?);
    let both = certificates(&clients, &CardKeys::make(ENOUGH)?)?;
    println!(
        "{}: certificates a second for {CLIENTS} clients: {:.0} at one instance, {:.0} at two",
        kind.name, alone.a_second, both.a_second
    );
    drop(clients);
    doors.into_iter().try_for_each(Door::stop)?;
    Ok(Figure::ratio(
        format!("{}: one instance / two", kind.name),
        alone.a_second / both.a_second,
        1.0 / 1.2,
    ))
}

/// How long a station waits, alone and while strangers try codes; with the limits that the service has, but twice the rate: one station
/// may ask faster than it is allowed to.
fn wrong_codes(kind: &Kind<'_>, key: &Key, stations: &[ClientIdentity]) -> Result<Figure, Failure> {
    let rate = Limits::default().rate * 2.0;
    let limits = Limits {
        rate,
        ..Limits::default()
    };
    let door = Door::open(kind.folder, kind.open, key, limits)?;
    let station = all(&door, stations.get(..1).unwrap_or_default())?;
    let strangers: Result<Vec<_>, Failure> = (0..GUESSERS).map(|_| door.client(None)).collect();
    let strangers = strangers?;
    let own = rcgen::KeyPair::generate()?;
    let request = rcgen::CertificateParams::default().serialize_request(&own)?;
    let request = Base64::encode_string(request.der());
    let guess = |client: &Client| {
        thread::sleep(GUESS_PAUSE);
        let code = EnrolmentCode::draw(door.tls_ca(), &mut SysRng)?;
        let body = json!({ "code": *code.dangerous_text(), "csr": request });
        match client.post("/v1/enrol", "guess", &body)?.0 {
            400..500 => Ok(()),
            status => Err(format!("a wrong code: {status}").into()),
        }
    };
    let calm: Done = certificates(&station, &CardKeys::make(ENOUGH)?)?;
    let card_keys = CardKeys::make(ENOUGH)?;
    let (beside, guesses) = beside(&strangers, guess, || certificates(&station, &card_keys))?;
    println!(
        "{}: 99 of 100 certificates within {:.1} ms, {:.1} ms beside {guesses} wrong codes",
        kind.name,
        calm.percentile(99) * 1_000.0,
        beside.percentile(99) * 1_000.0
    );
    drop(station);
    drop(strangers);
    let figure = Figure::ratio(
        format!("{}: 99 of 100 beside wrong codes / without", kind.name),
        beside.percentile(99) / calm.percentile(99),
        2.0,
    );
    door.stop()?;
    Ok(figure)
}

fn all(door: &Door, stations: &[ClientIdentity]) -> Result<Vec<Client>, Failure> {
    let clients = stations.iter().map(|station| door.client(Some(station)));
    clients.collect()
}

/// No rates: the clients ask as fast as they are answered.
fn unlimited() -> Limits {
    Limits {
        rate: 1e9,
        burst: 1e9,
        ..Limits::default()
    }
}

fn root() -> Result<Name, Failure> {
    Ok(Name::new("ZZTALLYROOT00001").ok_or("no name")?)
}

/// Memory that this process holds now, in MB.
fn memory() -> Result<f64, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    Ok(kilobytes.ok_or("no figure of memory")? / 1_024.0)
}
