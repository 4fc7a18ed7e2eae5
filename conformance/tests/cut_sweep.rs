//! Power may go at any byte of any write, and any call of a disk may fail, in every flow and on both ends (T25, T28, T30).
//!
//! The oracle is prefix consistency: what the next boot finds is exactly what was stored after some commit, the last one that
//! returned or the one under way. So a cut can only do what stopping between two commits does, and those few states are judged
//! one by one: the card opens, tries rise only with the right code, dates, lists and epochs never go back.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop")]

use card_core::store::Record;
use conformance::evidence::{cases, report, seed};
use conformance::flow::{FLOWS, Flow, Pair};
use conformance::paper::{Moments, Paper, Records, Side};
use journal::sim::{Fault, Loss, Operation, Random, SimDisk};

const SIDES: [Side; 2] = [Side::Card, Side::Terminal];

/// What may be found after a cut at this operation: what the last finished commit left, or the one after it.
fn expected(moments: &Moments, operation: usize) -> &[(usize, Records)] {
    let next = moments.partition_point(|(done, _)| *done <= operation);
    let last = next.max(1) - 1;
    moments.get(last..(next + 1).min(moments.len())).unwrap()
}

fn record(records: &Records, record: Record) -> Option<&[u8]> {
    records
        .get(record.0.to_be_bytes().as_slice())
        .map(Vec::as_slice)
}

/// What no step of any flow may do to a card, whatever its reason.
fn no_gate_is_softer(label: &str, before: &Records, after: &Records) {
    let date = |records| record(records, Record::DATE).map(<[u8]>::to_vec);
    assert!(
        date(before) <= date(after),
        "{label}: the trusted date goes back"
    );
    let epoch = |records| record(records, Record::MIN_EPOCH).map(<[u8]>::to_vec);
    assert!(
        epoch(before) <= epoch(after),
        "{label}: the minimum epoch goes back"
    );
    for kept in [Record::ROOT_A, Record::ROOT_B, Record::STATUS_LIST] {
        let lost = record(before, kept).is_some() && record(after, kept).is_none();
        assert!(!lost, "{label}: {kept:?} is gone");
    }
    let slots = after.keys().filter(|key| key.first() == Some(&1));
    assert!(slots.count() <= 16, "{label}: more slots than there are");
}

/// The steps of a whole run, judged; the memories it left, with their disks' tapes.
fn whole(flow: &Flow) -> Pair {
    let pair = (flow.start)();
    (flow.run)(&pair).unwrap_or_else(|error| panic!("{}: {error}", flow.name));
    let moments = pair.card.moments();
    for (before, after) in moments.iter().zip(moments.iter().skip(1)) {
        no_gate_is_softer(flow.name, &before.1, &after.1);
    }
    let tries = moments
        .iter()
        .map(|(_, records)| record(records, Record::PIN_TRIES));
    let mut tries: Vec<u8> = tries.flatten().map(|tries| tries[0]).collect();
    tries.dedup();
    assert_eq!(tries, flow.tries, "{}", flow.name);
    pair
}

/// Opens what a cut has left, with a second cut while it opens, and says which moment it is.
fn recover(label: &str, paper: &Paper, operation: usize, crashed: &SimDisk) -> usize {
    let moments = paper.moments();
    let allowed = expected(&moments, operation);
    let found = Paper::open(paper.side, SimDisk::with_content(crashed.content()));
    let found = found.unwrap_or_else(|error| panic!("{label}: {error}"));
    let moment = allowed
        .iter()
        .position(|(_, records)| *records == found.records());
    for second in 0..found.disk.operations().len() {
        let again = found
            .disk
            .crashed_at(second, 0, Loss::Seeded(second as u64));
        let again = Paper::open(paper.side, again).unwrap();
        assert_eq!(again.records(), found.records(), "{label}: a second cut");
    }
    moment.unwrap_or_else(|| panic!("{label}: neither the old nor the new state"))
}

/// T25: every operation of every flow on both ends, torn at every byte.
#[test]
fn a_cut_at_any_byte_of_any_flow_leaves_the_old_or_the_new_state_on_both_ends() {
    let (mut cuts, mut old, mut new) = (0, 0, 0);
    let mut commits = 0;
    for flow in &FLOWS {
        let pair = whole(flow);
        for side in SIDES {
            let paper = pair.side(side);
            commits += paper.moments().len() - 1;
            let start = paper.moments()[0].0;
            let tape = paper.disk.operations();
            for operation in start..=tape.len() {
                let bytes = match tape.get(operation) {
                    Some(Operation::Write { bytes, .. }) => bytes.len(),
                    _ => 0,
                };
                for torn in 0..=bytes {
                    for loss in [Loss::Nothing, Loss::Everything] {
                        let label = format!("{}: {side:?}: {operation}, {torn} bytes", flow.name);
                        let crashed = paper.disk.crashed_at(operation, torn, loss);
                        match recover(&label, paper, operation, &crashed) {
                            0 => old += 1,
                            _ => new += 1,
                        }
                        cuts += 1;
                    }
                }
            }
        }
    }
    assert!(old > 1_000 && new > 1_000, "{old} old, {new} new");
    report(
        "T25",
        cuts,
        format_args!(
            "{} flows, {commits} commits: {old} old states, {new} new ones, 0 others",
            FLOWS.len()
        ),
    );
}

/// T30: unsynced writes lost, reordered and kept in pieces, at random, with a second cut during recovery.
#[test]
fn a_disk_that_loses_and_reorders_unsynced_writes_leaves_the_old_or_the_new_state() {
    let cuts = cases(20_000, 1_000_000);
    let pairs: Vec<(&Flow, Pair)> = FLOWS.iter().map(|flow| (flow, whole(flow))).collect();
    let mut random = Random(seed());
    let (mut old, mut new) = (0_u64, 0_u64);
    for _ in 0..cuts {
        let (flow, pair) = &pairs[random.below(pairs.len())];
        let paper = pair.side(SIDES[random.below(2)]);
        let start = paper.moments()[0].0;
        let tape = paper.disk.operations();
        let operation = start + random.below(tape.len() + 1 - start);
        let torn = match tape.get(operation) {
            Some(Operation::Write { bytes, .. }) => random.below(bytes.len() + 1),
            _ => 0,
        };
        let loss = random.bits();
        let label = format!(
            "{}: {:?}: {operation}, {torn} bytes, loss {loss}",
            flow.name, paper.side
        );
        let crashed = paper.disk.crashed_at(operation, torn, Loss::Seeded(loss));
        match recover(&label, paper, operation, &crashed) {
            0 => old += 1,
            _ => new += 1,
        }
    }
    assert!(old > cuts / 10 && new > cuts / 10, "{old} old, {new} new");
    report(
        "T30",
        cuts,
        format_args!("{old} old states, {new} new ones, 0 others"),
    );
}

/// T28, B35: each call of each flow fails once, cleanly or by half. The end whose disk failed stops, is finished until it is opened
/// again, and then has the old or the new state.
#[test]
fn whichever_call_of_a_disk_fails_the_flow_stops_and_the_old_or_the_new_state_is_there() {
    let (mut failures, mut old, mut new) = (0, 0, 0);
    for flow in &FLOWS {
        for side in SIDES {
            for fault in [Fault::Clean, Fault::Dirty] {
                for call in 0.. {
                    let pair = (flow.start)();
                    let paper = pair.side(side);
                    let number = paper.disk.calls() + call;
                    paper.disk.fail_call(number, fault);
                    let outcome = (flow.run)(&pair);
                    if paper.disk.calls() <= number {
                        break; // no call of this number
                    }
                    let label = format!("{}: {side:?}: call {call}, {fault:?}", flow.name);
                    assert!(outcome.is_err(), "{label}: a failure passed for success");
                    let crashed = paper.disk.after_power_cut(Loss::Nothing);
                    let found = Paper::open(side, SimDisk::with_content(crashed.content()))
                        .unwrap_or_else(|error| panic!("{label}: {error}"))
                        .records();
                    if found == paper.records() {
                        old += 1;
                    } else {
                        assert_eq!(Some(found), paper.attempted(), "{label}");
                        new += 1;
                    }
                    failures += 1;
                }
            }
        }
    }
    assert!(old > 100 && new > 100, "{old} old, {new} new");
    report(
        "T28",
        failures,
        format_args!("every one stopped its flow: {old} old states, {new} new ones, 0 others"),
    );
}
