//! Developer commands: one place for every check. What CI runs is `cargo xtask test`.
//!
//! | module | what lives there |
//! |---|---|
//! | [`gate`] | `test`: every check in order, and the table at the end |
//! | [`setup`] | `setup`: the Debian packages a machine needs |
//! | [`map`] | `map`: arrows between packages, who may name what, no forgotten file |
//! | [`checklist`] | `checklist`: every requirement is shown by a test that names it |
//! | [`constant_time`] | `constant-time`: no secret steers a branch or an address |
//! | [`coverage`] | `coverage`: the lines of the verifying modules that no test runs |
//! | [`evidence`] | `evidence`: every claim, what carries it, and the planted bugs it catches |
//! | [`fuzz`] | `fuzz`: seeds replayed, then libFuzzer for a while |
//! | [`models`] | `models`: the protocol's models hold, and the broken ones are found broken |
//! | [`lane`] | `lane`, `with-reader`: a `pcscd` of one's own |
//! | [`oracle`] | `oracle`: card and terminal against the second implementation |
//! | [`tools`] | programs from crates.io that checks need, built into a folder of our own |
//! | [`vectors`] | `vectors`: the vectors are what the independent generator makes |
//! | [`source`] | Rust text without comments, strings and test code |
//! | [`steps`], [`workspace`] | running commands; packages and files |

mod checklist;
mod constant_time;
mod coverage;
mod evidence;
mod fuzz;
mod gate;
mod lane;
mod map;
mod models;
mod oracle;
mod setup;
mod source;
mod steps;
mod tools;
mod vectors;
mod workspace;

use std::process::{Command, ExitCode};

const USAGE: &str = "\
cargo xtask COMMAND

  test                  every check in order; installs Debian packages where it may and
                        builds tools from crates.io; what it cannot have it skips and names
  setup                 only installs the Debian packages
  map                   checks the arrows between packages and who may name what
  checklist [--write]   checks that a test names every row of docs/checklist.md
  constant-time         checks that no secret steers a branch or an address, by valgrind
  vectors               checks the vectors against their independent generator
  oracle                card and terminal against the second implementation, in Python
  lane [TEST ARGS]      the tests that need a real pcscd, with a daemon of their own
  with-reader CMD ARGS  runs any command with a pcscd of its own
  evidence [--quick|--full] [--seed N] [--write]
                        every claim of SECURITY.md, what carries it and what was seen;
                        --write puts the figures into docs/evidence.md
  coverage              prints which lines of the verifying modules the tests run
  planted               checks that each planted bug is caught by its test
  fuzz [--seconds N] [TARGET]
                        replays the seeds, then lets libFuzzer search, 30 s a target
  models [--quick|--full]
                        the protocol's models by Verifpal, exhaustive searches, and ProVerif where it is
  bench [--json]        what things cost; with a pcscd of its own where there is one
  bench authority [--store-file FILE] [--cards COUNT] [--json]
                        what a certificate costs at the authority's front door, on a new ledger and on one of 100,000 cards;
                        also on the empty PostgreSQL database that FILE names
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (command, rest) = match arguments.split_first() {
        Some((command, rest)) => (command.as_str(), rest),
        None => ("", &[][..]),
    };
    let flags: Vec<&str> = rest.iter().map(String::as_str).collect();
    let outcome = match (command, flags.as_slice()) {
        ("test", []) => gate::run(),
        ("setup", []) => setup::install().map(|()| println!("every package is there")),
        ("map", []) => map::check(),
        ("checklist", []) => checklist::check(),
        ("checklist", ["--write"]) => checklist::write(),
        ("constant-time", []) => constant_time::check(),
        ("vectors", []) => vectors::check(),
        ("oracle", []) => oracle::tests(),
        ("lane", _) => lane::tests(rest, &mut Vec::new()),
        ("with-reader", [_, ..]) => lane::with_reader(rest),
        (lane::INSIDE, [_, ..]) => lane::inside(rest),
        ("coverage", []) => coverage::check(),
        ("models", [] | ["--quick"]) => models::run(false),
        ("models", ["--full"]) => models::run(true),
        ("planted", []) => evidence::planted(),
        ("evidence", _) => match evidence::Request::parse(&flags) {
            Some(request) => evidence::run(request),
            None => return usage(),
        },
        ("fuzz", _) => match fuzz::Request::parse(&flags) {
            Some(request) => fuzz::run(request),
            None => return usage(),
        },
        ("bench", _) => bench(rest),
        _ => return usage(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("xtask {command}: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> ExitCode {
    eprint!("{USAGE}");
    ExitCode::from(2)
}

/// The figures; those over a reader only where there is one.
fn bench(arguments: &[String]) -> Result<(), String> {
    let mut build = Command::new("cargo");
    build.args(["build", "--profile", "dist", "-p", "bench"]);
    if arguments.first().is_some_and(|first| first == "authority") {
        steps::run(build.args(["--features", "authority"]))?;
        let mut bench = Command::new(workspace::target()?.join("dist/bench"));
        return steps::run(bench.args(arguments));
    }
    if !setup::reader_is_there() {
        steps::run(&mut build)?;
        let mut bench = Command::new(workspace::target()?.join("dist/bench"));
        return steps::run(bench.args(arguments));
    }
    steps::run(build.args(["--features", "pcsc"]))?;
    let bench = workspace::target()?.join("dist/bench");
    let bench = [bench.to_string_lossy().into_owned()];
    // Why one core: waking an idle one costs as much as a round trip, and not the same for both sides of a ratio.
    let pinned = ["taskset", "-c", "0"].map(str::to_owned);
    let pin = if steps::succeeds("taskset", &["--version"]) {
        &pinned[..]
    } else {
        &[]
    };
    let command: Vec<String> = pin.iter().chain(&bench).chain(arguments).cloned().collect();
    lane::with_reader(&command)
}
