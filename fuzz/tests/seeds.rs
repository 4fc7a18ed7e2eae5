//! The committed seeds, run without libFuzzer: every oracle holds on them, and together they reach what the targets are for.
//!
//! `cargo run --no-default-features --example write_seeds` writes them anew.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

use fuzz::card::step::{PLAIN, SECURED};
use fuzz::differential::Verdict;
use fuzz::seeds::{self, Seed, TARGETS};
use fuzz::stores::Outcome;
use fuzz::{card, codecs, differential, framing, stores, terminal};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use test_vectors::evidence;

/// All seeds together, bytes.
const MAX_BYTES: usize = 200 * 1_024;

fn folder(target: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("seeds")
        .join(target)
}

fn committed(target: &'static str) -> Vec<Vec<u8>> {
    let files = fs::read_dir(folder(target)).unwrap();
    files
        .map(|file| fs::read(file.unwrap().path()).unwrap())
        .collect()
}

#[test]
fn the_committed_seeds_are_those_that_the_vectors_give_and_small() {
    let made = seeds::all();
    let mut bytes = 0;
    for Seed {
        target,
        name,
        bytes: seed,
    } in &made
    {
        let stored = fs::read(folder(target).join(name));
        assert_eq!(stored.as_ref().ok(), Some(seed), "{target}/{name}");
        bytes += seed.len();
    }
    let files: usize = TARGETS.iter().map(|target| committed(target).len()).sum();
    assert_eq!(files, made.len(), "a file that nothing makes");
    assert!(bytes <= MAX_BYTES, "{bytes} bytes");
}

/// T22: from every saved state, every command of the card, and every authorisation there is.
#[test]
fn the_seeds_of_the_card_reach_every_instruction_and_use_every_authorisation() {
    let traces: Vec<_> = committed("card")
        .iter()
        .map(|seed| card::run(seed))
        .collect();
    let mut reached = BTreeSet::new();
    let mut authorities = BTreeSet::new();
    for trace in &traces {
        reached.extend(trace.reached.iter().copied());
        authorities.extend(trace.authorities.iter().copied());
    }
    let well: BTreeSet<(u8, u8)> = reached
        .iter()
        .filter(|row| row.3)
        .map(|row| (row.1, row.2))
        .collect();
    for header in PLAIN.iter().chain(&SECURED) {
        assert!(
            well.contains(&(header.cla, header.ins)),
            "{header:02X?} never succeeded"
        );
    }
    let states: BTreeSet<&str> = reached.iter().map(|row| row.0).collect();
    let all = [
        "AUTH", "CERT", "FWAIT", "IDLE", "NONE", "PERSO", "PINOK", "PROV", "SECURE",
    ];
    assert_eq!(states, BTreeSet::from(all));
    let all = [
        "a right code",
        "a wrong code",
        "change of a pairing",
        "deletion of a pairing",
        "factory reset",
        "link",
        "pairing",
        "personalisation",
        "ratchet",
        "service",
        "status list",
    ];
    assert_eq!(authorities, BTreeSet::from(all));
    let apdus: usize = traces.iter().map(|trace| trace.steps).sum();
    evidence::report(
        "T22",
        traces.len() as u64,
        format_args!(
            "seeds replayed: {apdus} APDUs, {} of state x instruction, {} authorisations",
            reached.len(),
            authorities.len()
        ),
    );
}

/// T20: sessions and PINs where there is a card, none where there is a liar, and damage on the way.
#[test]
fn the_seeds_of_the_terminal_open_sessions_with_real_cards_only() {
    let seeds = committed("terminal");
    let seen: Vec<_> = seeds.iter().map(|seed| terminal::run(seed)).collect();
    let sum = |field: fn(&terminal::Seen) -> usize| seen.iter().map(field).sum::<usize>();
    for (seed, seen) in seeds.iter().zip(&seen) {
        assert!(seed[0] >= 80 || seen.sessions == 0, "a session with a liar");
    }
    assert!(sum(|seen| seen.sessions) >= 8);
    assert!(sum(|seen| seen.pins_asked) >= 4);
    assert!(sum(|seen| seen.results) >= 40);
    assert!(sum(|seen| seen.altered) >= 5);
    evidence::report(
        "T20",
        seeds.len() as u64,
        format_args!(
            "seeds replayed: {} sessions, {} results, {} answers altered",
            sum(|seen| seen.sessions),
            sum(|seen| seen.results),
            sum(|seen| seen.altered)
        ),
    );
}

/// T23: each reader accepts something, and refuses something.
#[test]
fn the_seeds_of_the_readers_are_accepted_and_refused_by_each() {
    let mut seen: BTreeMap<&str, BTreeSet<bool>> = BTreeMap::new();
    let inputs = committed("codecs");
    for seed in &inputs {
        let (codec, accepted) = codecs::run(seed);
        seen.entry(codec).or_default().insert(accepted);
    }
    assert_eq!(seen.len(), codecs::CODECS.len());
    for (codec, verdicts) in seen {
        assert_eq!(verdicts.len(), 2, "{codec} saw only one kind");
    }
    let mut outcomes = BTreeSet::new();
    let files = committed("stores");
    outcomes.extend(files.iter().map(|seed| stores::run(seed)));
    for way in 0..2 {
        assert!(outcomes.contains(&(way, Outcome::Read)), "way {way}");
    }
    for way in 2..5 {
        for outcome in [Outcome::Read, Outcome::Refused] {
            assert!(outcomes.contains(&(way, outcome)), "way {way}: {outcome:?}");
        }
    }
    let cases = (inputs.len() + files.len()) as u64;
    evidence::report(
        "T23",
        cases,
        format_args!(
            "seeds replayed through {} readers and both files",
            codecs::CODECS.len()
        ),
    );
}

/// T21: whole streams and pieces, at both ends of a line.
#[test]
fn the_seeds_of_the_framing_mean_the_same_however_they_are_cut() {
    let seen: Vec<_> = committed("framing")
        .iter()
        .map(|seed| framing::run(seed))
        .collect();
    let messages: usize = seen.iter().map(|seen| seen.messages).sum();
    assert!(seen.iter().filter(|seen| seen.over_a_line).count() >= 4);
    assert!(messages > 50);
    evidence::report(
        "T21",
        seen.len() as u64,
        format_args!("seeds replayed: {messages} messages"),
    );
}

/// T24: both readers agree, both refuse, and each rule of difference is one that happens.
#[test]
fn the_seeds_of_the_comparison_use_every_rule() {
    let seeds = committed("differential");
    let verdicts: BTreeSet<Verdict> = seeds.iter().map(|seed| differential::run(seed)).collect();
    let rules = ["A1", "A2", "T1", "T2", "T3", "T4"].map(Verdict::Rule);
    let all = [Verdict::Same, Verdict::BothRefused]
        .into_iter()
        .chain(rules);
    assert_eq!(verdicts, all.collect());
    evidence::report(
        "T24",
        seeds.len() as u64,
        format_args!("seeds replayed: all 6 rules of difference seen"),
    );
}
