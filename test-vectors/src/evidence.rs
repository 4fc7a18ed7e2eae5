//! How much of an evidence test is run, and the line that says what was seen.
//!
//! Every evidence test runs the same code with smaller or larger counts. `cargo xtask evidence` sets the scale, collects the lines that
//! [`report`] prints, and puts them beside the claims of `SECURITY.md`.

use std::fmt::Display;

/// The variable that names the scale: `full`, or anything else for `quick`.
pub const SCALE: &str = "TALLYSTICK_EVIDENCE";
/// The variable with the seed of all random tests, a decimal number.
pub const SEED: &str = "TALLYSTICK_SEED";
/// What a line of evidence begins with.
pub const MARK: &str = "evidence:";

/// The seed without [`SEED`].
const DEFAULT_SEED: u64 = 7816;

/// `quick` cases, or `full` ones where the environment asks for them.
pub fn cases(quick: u64, full: u64) -> u64 {
    match std::env::var(SCALE).as_deref() {
        Ok("full") => full,
        _ => quick,
    }
}

/// The seed of this run.
pub fn seed() -> u64 {
    let given = std::env::var(SEED).ok();
    given.map_or(DEFAULT_SEED, |given| {
        given
            .parse()
            .unwrap_or_else(|_| panic!("{SEED}={given} is no number"))
    })
}

/// Prints one line: the item of the test plan (`T12`), how many cases were run, and what was seen, in words.
///
/// A test that ran nothing proves nothing, and stops here.
pub fn report(item: &str, cases: u64, seen: impl Display) {
    assert!(cases > 0, "{item}: no case was run");
    // Why the newline in front: the test harness prints its own line without one.
    println!("\n{MARK} {item} cases={cases} seed={} {seen}", seed());
}
