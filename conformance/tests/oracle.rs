//! Card and terminal against a second implementation of `docs/protocol.md`, in Python, which was written from the text alone
//! (`test-vectors/oracle/`). Run by `cargo xtask oracle`, which brings the interpreter.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

#[path = "oracle/cards.rs"]
mod cards;
#[path = "oracle/desks.rs"]
mod desks;
#[path = "oracle/hostile.rs"]
mod hostile;
#[path = "oracle/papers.rs"]
mod papers;
#[path = "oracle/peer.rs"]
mod peer;
#[path = "oracle/receipts.rs"]
mod receipts;
#[path = "oracle/script.rs"]
mod script;
#[path = "oracle/wire.rs"]
mod wire;

use conformance::evidence::{cases, report, seed};
use desks::Desk;
use peer::Peer;
use script::{Life, Owner, Talk};
use std::collections::BTreeMap;
use wire::{Event, Wire};

/// Insertions of one life.
const INSERTIONS: usize = 8;

/// What passed in a life, and what the terminals made of it, insertion by insertion.
type Lived = Vec<(Vec<Event>, Vec<String>)>;

/// Lives a script with this card and these terminals.
fn live(
    life: &Life,
    card: &mut dyn cards::Card,
    desk: impl Fn(&Owner, u64) -> Box<dyn Desk>,
) -> Lived {
    let mut lived = Lived::new();
    let mut seed = life.seed;
    let mut desks: Vec<_> = life
        .desks
        .iter()
        .map(|owner| {
            seed = seed.wrapping_add(1);
            desk(owner, seed)
        })
        .collect();
    let (mut is_blank, mut has_root) = (true, false);
    for visit in &life.visits {
        if is_blank {
            let mut heard = Vec::new();
            let mut wire = Wire::insert(card, &mut heard, None, visit.extended);
            let done = desks[visit.desk].personalise(&mut wire, !has_root);
            lived.push((heard, vec![format!("personalised {done}")]));
            if !done {
                break; // its old certificate's root was replaced: this authority has no other for it
            }
            has_root = true;
        }
        let mut heard = Vec::new();
        card.plan(visit.storage);
        let mut wire = Wire::insert(card, &mut heard, visit.incident.clone(), visit.extended);
        let seen = desks[visit.desk].visit(&mut wire, visit);
        card.plan(None);
        is_blank = was_reset(visit.talks.as_slice(), &seen);
        lived.push((heard, seen));
    }
    lived
}

/// Whether the card is blank again. Nothing is said after a factory reset, so its word is the last.
fn was_reset(talks: &[Talk], seen: &[String]) -> bool {
    let resets = talks.iter().any(|talk| matches!(talk, Talk::FactoryReset));
    resets && seen.contains(&"open".into()) && seen.last().is_some_and(|last| last == "9000")
}

/// Stops at the first difference, and shows the way there.
fn compare(what: &str, life: &Life, expected: &Lived, found: &Lived) {
    for (number, (expected, found)) in expected.iter().zip(found).enumerate() {
        let same = expected
            .0
            .iter()
            .zip(&found.0)
            .take_while(|(a, b)| a == b)
            .count();
        assert!(
            expected == found,
            "{what}, seed {}, insertion {number}: {:?}\nafter\n{}\nexpected\n{}{:?}\nfound\n{}{:?}",
            life.seed,
            life.visits
                .get(number)
                .map(|visit| (visit.today, &visit.incident, visit.extended)),
            wire::shown(&expected.0[..same]),
            wire::shown(&expected.0[same..]),
            expected.1,
            wire::shown(&found.0[same..]),
            found.1,
        );
    }
    assert_eq!(expected.len(), found.len(), "{what}");
}

/// Item 3: random lives with fixed entropy. The library with the core, the Python terminal with the core, and the library with the Python card
/// exchange the same bytes, and the terminals say the same of them.
#[test]
fn whole_random_sessions_with_fixed_entropy_are_equal_byte_by_byte() {
    let peer = Peer::start();
    let lives = cases(60, 2_800);
    let mut words = BTreeMap::<String, u64>::new();
    let (mut apdus, mut open, mut lost, mut doubtful) = (0, 0, 0, 0);
    for number in 0..lives {
        let life = Life::write(
            seed().wrapping_mul(1 << 20).wrapping_add(number << 4),
            INSERTIONS,
        );
        let core = live(&life, &mut cards::Core::blank(life.seed), |owner, seed| {
            Box::new(desks::Library::certified(owner, seed))
        });
        let terminal = live(&life, &mut cards::Core::blank(life.seed), |owner, seed| {
            Box::new(desks::Oracle::certified(&peer, owner, seed))
        });
        compare("Python terminal, card core", &life, &core, &terminal);
        let card = live(
            &life,
            &mut cards::Oracle::blank(&peer, life.seed),
            |owner, seed| Box::new(desks::Library::certified(owner, seed)),
        );
        compare("terminal library, Python card", &life, &core, &card);
        for (heard, seen) in &core {
            open += u64::from(seen.contains(&"open".into()));
            lost += u64::from(
                heard
                    .iter()
                    .any(|event| matches!(event, Event::Apdu { answer: None, .. })),
            );
            doubtful += u64::from(heard.iter().any(|event| {
                matches!(event, Event::Apdu { answer: Some(answer), .. } if answer.ends_with(&[0x65, 0x81]))
            }));
            apdus += heard.len() as u64;
            for word in seen {
                let word = word.split(' ').next().unwrap();
                *words.entry(word.into()).or_default() += 1;
            }
        }
    }
    assert!(
        open >= lives * 3,
        "{open} sessions of {lives} lives: {words:?}"
    );
    assert!(lost > 0, "no card was pulled");
    assert!(doubtful > 0, "no write of a card failed");
    report(
        "oracle",
        open,
        format_args!(
            "sessions, {apdus} APDUs, {lost} of them lost, {doubtful} insertions with a failed write: {words:?}"
        ),
    );
}
