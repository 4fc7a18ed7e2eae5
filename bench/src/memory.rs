//! Both ends in one process: what goes over the wire, what is computed, how long it takes.

use crate::table::{Figure, median, time_of};
use crate::world::{Counted, Exchange, Failure, World};
use apdu::channel::{CardEnd, ExpectedLength, TerminalEnd};
use apdu::codec::status::StatusWord;
use apdu::crypto::{Census, Entropy, Secret, census, sha256};
use apdu::handshake::PairingKey;
use apdu::identifier::header;
use getrandom::SysRng;
use std::time::Instant;
use terminal_lib::application::Policy;

/// Runs of everything that is timed; the worst of their ratios counts.
const RUNS: usize = 3;

/// What one connection said and cost.
struct Cost {
    exchanges: Vec<Exchange>,
    card: Census,
    terminal: Census,
    card_commits: usize,
}

fn connect(world: &mut World) -> Result<Cost, Failure> {
    start_counting(world.reader.card_mut());
    let (before, commits) = (census(), world.reader.card().card.store().commits());
    world
        .terminal
        .connect(&mut world.reader, &mut world.user, &Policy::Auto)?
        .close();
    let card_commits = world.reader.card().card.store().commits() - commits;
    let counted = world.reader.card_mut();
    let card = counted.operations;
    let exchanges = counted.exchanges.take().unwrap_or_default();
    Ok(Cost {
        exchanges,
        card,
        terminal: census() - before - card,
        card_commits,
    })
}

fn start_counting(card: &mut Counted) {
    card.exchanges = Some(Vec::new());
    card.operations = Census::default();
}

fn bytes(exchanges: &[Exchange]) -> usize {
    exchanges
        .iter()
        .map(|exchange| exchange.sent + exchange.received)
        .sum()
}

/// The exact counts.
pub fn counts() -> Result<Vec<Figure>, Failure> {
    let mut world = World::new()?;
    let first = connect(&mut world)?;
    let terminal_commits = world.terminal_store.commits();
    let second = connect(&mut world)?;
    let terminal_commits = world.terminal_store.commits() - terminal_commits;
    // The first connection is a reconnect that fails (2), the set-up (7), and a reconnect (3).
    let set_up = first.exchanges.get(2..9).unwrap_or_default();
    let [select, challenge, ..] = second.exchanges.as_slice() else {
        return Err("a reconnect has at least two exchanges".into());
    };
    let operations = |census: Census| usize::try_from(census.total()).unwrap_or(usize::MAX);
    let commits = usize::try_from(terminal_commits).unwrap_or(usize::MAX);
    Ok(vec![
        Figure::count(
            "reconnect: SELECT, both ways",
            bytes(&[*select]),
            "bytes",
            135,
        ),
        Figure::count(
            "reconnect: authentication command, both ways",
            bytes(&[*challenge]),
            "bytes",
            75,
        ),
        Figure::count(
            "reconnect: commands up to the first secured answer",
            second.exchanges.len(),
            "",
            3,
        ),
        Figure::count(
            "reconnect: curve operations, card",
            operations(second.card),
            "",
            0,
        ),
        Figure::count(
            "reconnect: curve operations, terminal",
            operations(second.terminal),
            "",
            0,
        ),
        Figure::count(
            "reconnect: durable writes, card",
            second.card_commits,
            "",
            1,
        ),
        Figure::count("reconnect: durable writes, terminal", commits, "", 1),
        Figure::count("set-up: round trips", set_up.len(), "", 7),
        Figure::count(
            "set-up: both ways, certificates of 199 bytes",
            bytes(set_up),
            "bytes",
            1_100,
        ),
        Figure::count(
            "set-up: curve operations, card",
            operations(first.card),
            "",
            6,
        ),
        Figure::count(
            "set-up: curve operations, terminal (own certificate included)",
            operations(first.terminal),
            "",
            7,
        ),
    ])
}

/// The ratios of CPU time, both ends together.
pub fn ratios() -> Result<Vec<Figure>, Failure> {
    let mut against_set_up: f64 = 0.0;
    let mut against_primitives: f64 = 0.0;
    for _ in 0..RUNS {
        let mut world = World::new()?;
        for _ in 0..50 {
            reconnect(&mut world)?;
        }
        let reconnecting = median(501, || reconnect(&mut world))?;
        let all = median(101, || {
            world.forget()?;
            reconnect(&mut world) // fails, sets up, and reconnects
        })?;
        let set_up = all - 2.0 * reconnecting;
        against_set_up = against_set_up.max(reconnecting / set_up);
        against_primitives = against_primitives.max(reconnecting / primitives()?);
        eprintln!(
            "reconnect {:.1} us, set-up {:.0} us",
            reconnecting * 1e6,
            set_up * 1e6
        );
    }
    Ok(vec![
        Figure::ratio(
            "CPU, both ends: reconnect / set-up",
            against_set_up,
            1.0 / 50.0,
        ),
        Figure::ratio(
            "CPU, both ends: reconnect / its own primitives",
            against_primitives,
            3.0,
        ),
    ])
}

/// From SELECT to the first secured answer; the card's reset at the end is not part of it.
fn reconnect(world: &mut World) -> Result<std::time::Duration, Failure> {
    let begin = Instant::now();
    let session = world
        .terminal
        .connect(&mut world.reader, &mut world.user, &Policy::Auto)?;
    let took = begin.elapsed();
    session.close();
    Ok(took)
}

/// The cryptography of one reconnect with its first command, both ends, by itself.
fn primitives() -> Result<f64, Failure> {
    let key = PairingKey::new(Secret::copy_of(&[7; 32]));
    let tag_key = key.tag_key();
    let entropy: &mut dyn Entropy = &mut SysRng;
    let draws = time_of(|| {
        (
            entropy.nonce::<8>(),
            entropy.nonce::<16>(),
            entropy.nonce::<16>(),
        )
    });
    let tag = time_of(|| tag_key.tag(&[1; 8]));
    let hint = time_of(|| tag_key.hint(&[1; 8], &[2; 16]));
    let derive_tag_key = time_of(|| key.tag_key());
    let next = time_of(|| key.next());
    let proof = time_of(|| key.card_proof(&[3; 32]));
    let session = time_of(|| key.session_keys(&[3; 32]));
    let hash = time_of(|| sha256(&[&[4; 120]]));
    let exchange = time_of(|| {
        let mut terminal = TerminalEnd::new(key.session_keys(&[3; 32]));
        let mut card = CardEnd::new(key.session_keys(&[3; 32]));
        let sealed = terminal
            .seal(header::STATUS, &[], Some(ExpectedLength::Short))
            .ok()?;
        card.open(sealed.header, &sealed.data).ok()?;
        let answer = card.seal(&[5; 8], StatusWord::OK).ok()?;
        terminal.open(&answer, StatusWord::OK).ok().map(drop)
    }) - 2.0 * session;
    // Card: 16 tags, 16 hints. Terminal: the tag keys of its key and of the next, two tags, one hint. Each: proof, session
    // keys, next key; the card its new tag key. Transcript: SELECT, its answer, C1, th_F, on both sides.
    Ok(draws
        + 18.0 * tag
        + 17.0 * hint
        + 3.0 * derive_tag_key
        + 3.0 * next
        + 2.0 * proof
        + 2.0 * session
        + 8.0 * hash
        + exchange)
}
