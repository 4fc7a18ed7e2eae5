//! `cargo xtask evidence`: every claim of `SECURITY.md`, the tests that carry it, what they saw, and the planted bugs they caught.
//!
//! The tests are ordinary tests. Each prints a line that begins with [`MARK`], with its item of the test plan, the number of cases and
//! the seed; here they are collected and put beside the claims. Scale and seed reach the tests through the environment.

mod claims;
mod line;
mod plants;

use std::path::Path;
use std::process::Command;

pub use line::MARK;

use crate::steps::{self, Outcome, Steps};
use crate::{setup, tools, workspace};
use claims::Claims;
use line::Lines;

/// Where the figures stand as last seen.
const RECORD: &str = "docs/evidence.md";
/// What stands before and after them.
const BEGIN: &str = "<!-- figures: written by `cargo xtask evidence --write` -->\n";
const END: &str = "<!-- end of figures -->\n";

/// How much is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// Minutes.
    Quick,
    /// Hours.
    Full,
}

impl Scale {
    fn word(self) -> &'static str {
        match self {
            Self::Quick => "quick",
            Self::Full => "full",
        }
    }
}

/// What the command line asks for.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// How much.
    pub scale: Scale,
    /// Instead of the fixed one.
    pub seed: Option<&'a str>,
    /// Whether the record is to be rewritten.
    pub write: bool,
}

impl<'a> Request<'a> {
    /// What CI asks for.
    pub const QUICK: Self = Self {
        scale: Scale::Quick,
        seed: None,
        write: false,
    };

    /// Reads the flags.
    pub fn parse(flags: &[&'a str]) -> Option<Self> {
        let mut request = Self::QUICK;
        let mut flags = flags.iter();
        while let Some(flag) = flags.next() {
            match *flag {
                "--quick" => request.scale = Scale::Quick,
                "--full" => request.scale = Scale::Full,
                "--write" => request.write = true,
                "--seed" => request.seed = Some(flags.next()?),
                _ => return None,
            }
        }
        Some(request)
    }
}

/// Runs all evidence by itself and prints the table.
///
/// # Errors
/// The steps that failed, or a claim that nothing carries.
pub fn run(request: Request<'_>) -> Result<(), String> {
    let mut steps = Steps::default();
    steps.step("tests", |results| tests(request, results));
    if setup::reader_is_there() {
        steps.step("tests with a real pcscd", |results| {
            verb(&["lane"], request, results)
        });
    }
    gather(&mut steps, request);
    steps.finish(false)
}

/// The workspace's tests, which print evidence.
pub fn tests(request: Request<'_>, results: &mut Vec<String>) -> Outcome {
    let mut tests = Command::new("cargo");
    tests.args([
        "test",
        "--workspace",
        "--no-fail-fast",
        "--",
        "--show-output",
    ]);
    run_with(&mut tests, request, results)
}

/// Evidence that is not an ordinary test.
struct Search {
    /// The step's name.
    name: &'static str,
    /// What it needs and where that is missing.
    needs: fn() -> Result<(), String>,
    /// The verb of this program.
    arguments: &'static [&'static str],
    /// The items of which only it shows something.
    items: &'static [&'static str],
}

const SEARCHES: [Search; 4] = [
    Search {
        name: "second implementation",
        needs: setup::python_is_there,
        arguments: &["oracle"],
        items: &[],
    },
    Search {
        name: "protocol models",
        needs: || tools::VERIFPAL.ensure().map(drop),
        arguments: &["models"],
        items: &["T70", "T71", "T72"],
    },
    Search {
        name: "constant time",
        needs: setup::valgrind_is_there,
        arguments: &["constant-time"],
        items: &["T40", "T41"],
    },
    Search {
        name: "fuzzing",
        needs: || tools::FUZZ.ensure().map(drop),
        arguments: &["fuzz"],
        items: &["T20", "T21", "T22", "T23", "T24"],
    },
];

/// All evidence that is not an ordinary test, then the table.
pub fn gather(steps: &mut Steps, request: Request<'_>) {
    let scale = format!("--{}", request.scale.word());
    let seconds = match request.scale {
        Scale::Quick => "30",
        Scale::Full => "600",
    };
    for search in &SEARCHES {
        let mut arguments = search.arguments.to_vec();
        match search.arguments {
            ["models"] => arguments.push(&scale),
            ["fuzz"] => arguments.extend(["--seconds", seconds]),
            _ => {}
        }
        steps.step(search.name, |results| match (search.needs)() {
            Ok(()) => verb(&arguments, request, results),
            Err(reason) => Outcome::Skipped(reason),
        });
    }
    steps.step("planted bugs", |results| plants::check(results).into());
    let excused: Vec<&str> = SEARCHES
        .iter()
        .filter(|search| steps.was_skipped(search.name))
        .flat_map(|search| search.items.iter().copied())
        .collect();
    steps.step("claims", |results| table(results, request, &excused));
}

/// Only the planted bugs.
///
/// # Errors
/// Those that no test caught.
pub fn planted() -> Result<(), String> {
    plants::check(&mut Vec::new())
}

/// Another verb of this program, whose lines of evidence are kept.
fn verb(arguments: &[&str], request: Request<'_>, results: &mut Vec<String>) -> Outcome {
    match std::env::current_exe() {
        Ok(program) => run_with(Command::new(program).args(arguments), request, results),
        Err(error) => Outcome::Failed(error.to_string()),
    }
}

fn run_with(command: &mut Command, request: Request<'_>, results: &mut Vec<String>) -> Outcome {
    command.current_dir(workspace::root());
    command.env("TALLYSTICK_EVIDENCE", request.scale.word());
    if let Some(seed) = request.seed {
        command.env("TALLYSTICK_SEED", seed);
    }
    steps::run_tests(command, results).into()
}

/// Puts the lines beside the claims, prints that, and writes it down if asked. An item of which nothing was seen is a failure, unless
/// the step that shows it was skipped.
fn table(results: &[String], request: Request<'_>, excused: &[&str]) -> Outcome {
    let missing = match judge(results, request) {
        Ok(missing) => missing,
        Err(reason) => return Outcome::Failed(reason),
    };
    let (skipped, lost): (Vec<String>, Vec<String>) = missing.into_iter().partition(|missing| {
        let item = missing.split(' ').next().unwrap_or_default();
        excused.contains(&item)
    });
    match (lost.as_slice(), skipped.as_slice()) {
        ([], []) => Outcome::Passed,
        ([], _) => Outcome::Skipped(format!("left out: {}", skipped.join(", "))),
        (_, _) => Outcome::Failed(format!("nothing was seen of {}", lost.join(", "))),
    }
}

/// Prints the table and writes it down if asked; gives the items of which nothing was seen, each with its claim.
fn judge(results: &[String], request: Request<'_>) -> Result<Vec<String>, String> {
    let root = workspace::root();
    let read = |path: &str| {
        std::fs::read_to_string(root.join(path)).map_err(|error| format!("{path}: {error}"))
    };
    let claims = Claims::read(&read("SECURITY.md")?)?;
    let lines = Lines::of(results);
    let (text, missing) = claims.table(&lines);
    println!("{text}");
    if request.write {
        let figures = format!(
            "Scale: {}.\n\n{}",
            request.scale.word(),
            claims.markdown(&lines)
        );
        rewrite(&root.join(RECORD), &figures)?;
    }
    Ok(missing)
}

/// Replaces what stands between the marks.
fn rewrite(path: &Path, figures: &str) -> Result<(), String> {
    let complain = |reason: &str| format!("{}: {reason}", path.display());
    let record = std::fs::read_to_string(path).map_err(|error| complain(&error.to_string()))?;
    let (before, rest) = record
        .split_once(BEGIN)
        .ok_or_else(|| complain("no place for figures"))?;
    let (_, after) = rest
        .split_once(END)
        .ok_or_else(|| complain("no end of figures"))?;
    let record = format!("{before}{BEGIN}\n{figures}\n{END}{after}");
    std::fs::write(path, record).map_err(|error| complain(&error.to_string()))
}
