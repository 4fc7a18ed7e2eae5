//! What the inputs in a folder reach in a card: state, class and instruction, how often it was said yes or no, and which
//! authorisations were used. `cargo run --no-default-features --example reached FOLDER..`
#![expect(clippy::unwrap_used, reason = "a tool of the workshop may stop")]

use std::collections::{BTreeMap, BTreeSet};

fn main() {
    let mut reached: BTreeMap<(&str, u8, u8), [u64; 2]> = BTreeMap::new();
    let mut authorities = BTreeSet::new();
    let mut inputs = 0;
    for folder in std::env::args().skip(1) {
        for file in std::fs::read_dir(folder).unwrap() {
            let trace = fuzz::card::run(&std::fs::read(file.unwrap().path()).unwrap());
            for (state, cla, ins, good) in trace.reached {
                reached.entry((state, cla, ins)).or_default()[usize::from(good)] += 1;
            }
            authorities.extend(trace.authorities);
            inputs += 1;
        }
    }
    for ((state, cla, ins), [no, yes]) in &reached {
        println!("{state:<7} {cla:02X} {ins:02X}  yes in {yes} inputs, no in {no}");
    }
    let said_yes = reached.iter().filter(|(_, [_, yes])| *yes > 0).count();
    println!(
        "{inputs} inputs: {} pairs of state and instruction, {said_yes} with a yes; authorisations: {authorities:?}",
        reached.len()
    );
}
