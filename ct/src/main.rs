//! `constant-time list`, `constant-time run SCENARIO`: for memcheck; `constant-time count PAIRINGS`: one C1, for callgrind;
//! `constant-time time`: t-tests. `cargo xtask constant-time` is what calls it.

use constant_time::memcheck;
use constant_time::scenario::{PLANTED, SCENARIOS, count_challenge};
use constant_time::timing;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut scenarios = SCENARIOS.iter().chain([&PLANTED]);
    match words.as_slice() {
        ["list"] => scenarios.for_each(|scenario| println!("{}", scenario.name)),
        ["run", name] => match scenarios.find(|scenario| scenario.name == *name) {
            Some(scenario) => {
                (scenario.run)();
                let (name, errors) = (scenario.name, memcheck::errors());
                let watched = if memcheck::is_running() { "yes" } else { "no" };
                println!("{name}: done, watched={watched} errors={errors}");
            }
            None => return usage(),
        },
        ["count", pairings] => match pairings.parse() {
            Ok(pairings @ 0..=16) => count_challenge(pairings),
            _ => return usage(),
        },
        ["time"] => {
            if let Err(reason) = timing::report() {
                eprintln!("constant-time: {reason}");
                return ExitCode::FAILURE;
            }
        }
        _ => return usage(),
    }
    ExitCode::SUCCESS
}

fn usage() -> ExitCode {
    eprintln!("constant-time list | run SCENARIO | count PAIRINGS | time");
    ExitCode::from(2)
}
