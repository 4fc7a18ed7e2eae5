//! `cargo xtask constant-time`: secrets must steer no branch and no address of the compiled product (T40), nor the time
//! that it takes (T15, T41), and the number of pairings not the instructions that a C1 takes (T15).
//!
//! The package `constant-time` runs the product's own code with every secret marked undefined; valgrind's memcheck reports whatever
//! depends on one. Each report must have a frame that `ct/allowed.txt` names with a reason, and a planted leak must be found.

mod challenge;

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{setup, steps, workspace};

/// What may depend on a secret, and why.
const ALLOWED: &str = "ct/allowed.txt";
/// The cargo profile: release, with line numbers.
const PROFILE: &str = "constant-time";
/// The scenario that leaks on purpose.
const PLANTED: &str = "planted-leak";
/// Functions that compare: a decision that is allowed is the outcome of a comparison, never a step of it.
const COMPARISONS: [&str; 9] = [
    "all",
    "any",
    "bcmp",
    "cmp",
    "compare_bytes",
    "eq",
    "equal_same_length",
    "memcmp",
    "ne",
];
/// So many frames of a stack are shown.
const SHOWN: usize = 12;
/// What memcheck's complaints about undefined values have in common.
const COMPLAINT: &str = "uninitialised";

/// Takes the time, then follows the secrets where there is valgrind. Each prints its lines of evidence.
///
/// # Errors
/// A gross difference in time, every report that no line of the list explains, and a planted leak that was not found.
pub fn check() -> Result<(), String> {
    let program = build()?;
    steps::run(Command::new(&program).arg("time"))?;
    match setup::valgrind_is_there() {
        Ok(()) => {
            challenge::count(&program)?;
            follow_secrets(&program)
        }
        Err(reason) => {
            println!("constant-time: T40 SKIPPED, {reason}");
            Ok(())
        }
    }
}

/// Runs every scenario under valgrind and prints a line of evidence.
fn follow_secrets(program: &Path) -> Result<(), String> {
    let list = std::fs::read_to_string(workspace::root().join(ALLOWED))
        .map_err(|error| format!("{ALLOWED}: {error}"))?;
    let allowed = Allowed::parse(&list)?;
    let mut used = vec![false; allowed.0.len()];
    let mut unexplained = Vec::new();
    let (mut scenarios, mut reports, mut planted) = (0, 0, 0);
    for scenario in output(Command::new(program).arg("list"))?.lines() {
        let found = watch(program, scenario)?;
        println!("{scenario:<14} {:>4} reports", found.len());
        for report in found {
            match allowed.explains(scenario, &report) {
                _ if scenario == PLANTED => {
                    planted += usize::from(report.is_at("under ct/src/leak.rs equal"));
                }
                Some(line) => used[line] = true,
                None => unexplained.push(format!("{scenario}: {report}")),
            }
            reports += 1;
        }
        scenarios += 1;
    }
    // Why no error: another compiler may fold a branch away, and the list stays true.
    for (entry, _) in allowed.0.iter().zip(&used).filter(|(_, used)| !**used) {
        println!("{ALLOWED}: nothing needs \"{}\"", entry.place);
    }
    if planted == 0 {
        return Err("the planted leak was not found: nothing here can be believed".into());
    }
    if !unexplained.is_empty() {
        return Err(format!(
            "what depends on a secret and {ALLOWED} does not explain:\n{}",
            unexplained.join("\n")
        ));
    }
    println!(
        "evidence: T40 cases={scenarios} seed=0 {reports} reports, every one explained by one of {} lines; the planted leak was found",
        allowed.0.len()
    );
    Ok(())
}

fn build() -> Result<PathBuf, String> {
    let mut build = Command::new("cargo");
    build.args(["build", "--profile", PROFILE, "-p", "constant-time"]);
    steps::run(build.current_dir(workspace::root()))?;
    Ok(workspace::target()?.join(PROFILE).join("constant-time"))
}

/// Runs one scenario under memcheck.
fn watch(program: &Path, scenario: &str) -> Result<Vec<Report>, String> {
    let log = program.with_extension(format!("{scenario}.log"));
    let root = workspace::root();
    let mut valgrind = Command::new("valgrind");
    valgrind
        .args(["--error-limit=no", "--num-callers=60"])
        .arg(format!("--fullpath-after={}/", root.display()))
        .arg(format!("--log-file={}", log.display()))
        .arg(program)
        .args(["run", scenario]);
    let said = output(&mut valgrind)?;
    if !said.contains("watched=yes") {
        return Err(format!("{scenario}: valgrind does not watch: {said}"));
    }
    let log = std::fs::read_to_string(&log).map_err(|error| format!("{scenario}: {error}"))?;
    Ok(Report::read_all(&log))
}

fn output(command: &mut Command) -> Result<String, String> {
    let shown = steps::shown(command);
    let output = command
        .output()
        .map_err(|error| format!("{shown}: {error}"))?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(format!("{shown}: {}\n{complaint}", output.status));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// One complaint of memcheck: the stack, innermost frame first.
#[derive(Debug, PartialEq, Eq)]
struct Report(Vec<Frame>);

/// `FILE FUNCTION`.
#[derive(Debug, PartialEq, Eq)]
struct Frame {
    text: String,
    /// Whether the file is of this workspace.
    is_ours: bool,
}

impl Report {
    /// Reads memcheck's log.
    fn read_all(log: &str) -> Vec<Self> {
        let mut reports = Vec::new();
        let mut open: Option<Vec<Frame>> = None;
        for line in log.lines() {
            // ==PID== text
            let text = line.splitn(3, "==").nth(2).unwrap_or_default();
            match (Frame::read(text), &mut open) {
                (Some(frame), Some(frames)) => frames.push(frame),
                (Some(_), None) => {}
                (None, frames) => {
                    reports.extend(frames.take().filter(|frames| !frames.is_empty()).map(Self));
                    open = text.contains(COMPLAINT).then(Vec::new);
                }
            }
        }
        reports.extend(open.filter(|frames| !frames.is_empty()).map(Self));
        reports
    }

    /// Whether the innermost frame of ours is this place, and no comparison is within it; for `under PLACE`, whether any frame is.
    fn is_at(&self, place: &str) -> bool {
        match place.strip_prefix("under ") {
            Some(place) => self.0.iter().any(|frame| frame.is(place)),
            None => {
                let ours = self.0.iter().position(|frame| frame.is_ours);
                ours.and_then(|at| self.0.get(..=at))
                    .and_then(<[Frame]>::split_last)
                    .is_some_and(|(frame, within)| {
                        frame.is(place) && !within.iter().any(Frame::compares)
                    })
            }
        }
    }
}

impl Frame {
    /// `   at 0x17CF65: path::function<T> (folder/file.rs:97)`.
    fn read(text: &str) -> Option<Self> {
        let text = text.trim_start();
        let text = text.strip_prefix("at ").or(text.strip_prefix("by "))?;
        let (_, text) = text.split_once(": ")?;
        let (function, place) = text.rsplit_once(" (")?;
        let file = place.split(':').next().unwrap_or_default();
        let plain = without_generics(function);
        let name = plain
            .rsplit("::")
            .find(|part| !part.is_empty())
            .unwrap_or_default();
        Some(Self {
            text: format!("{} {name}", short(file)),
            is_ours: file.ends_with(".rs")
                && !file.starts_with('/')
                && !file.starts_with("library/"),
        })
    }

    fn compares(&self) -> bool {
        let function = self.text.rsplit(' ').next().unwrap_or_default();
        COMPARISONS
            .iter()
            .any(|known| function.trim_start_matches('_').starts_with(known))
    }

    /// Whether it is `FILE FUNCTION`, or of the file in `FILE *`.
    fn is(&self, place: &str) -> bool {
        match place.strip_suffix('*') {
            Some(file) => self.text.starts_with(file),
            None => self.text == place,
        }
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0
            .iter()
            .take(SHOWN)
            .try_for_each(|frame| write!(f, "\n    {}", frame.text))
    }
}

/// A file of the compiler's library or of a crate, without the folders that differ from machine to machine.
fn short(file: &str) -> &str {
    if !file.starts_with('/') {
        return file;
    }
    if let Some(at) = file.find("/library/") {
        return &file[at + 1..];
    }
    let registry = file.split_once("/registry/src/").map(|(_, crates)| crates);
    registry
        .and_then(|crates| crates.split_once('/'))
        .map_or(file, |(_, file)| file)
}

fn without_generics(function: &str) -> String {
    let mut depth = 0_usize;
    let mut plain = String::new();
    for letter in function.replace("->", "").chars() {
        match letter {
            '<' => depth += 1,
            '>' => depth = depth.saturating_sub(1),
            _ if depth == 0 => plain.push(letter),
            _ => {}
        }
    }
    plain
}

/// One line of the list.
struct Entry {
    scenario: String,
    place: String,
}

/// What may depend on a secret.
struct Allowed(Vec<Entry>);

impl Allowed {
    /// `SCENARIO or * | [under] FILE FUNCTION or FILE * | reason`, one a line; `#` begins a remark.
    fn parse(list: &str) -> Result<Self, String> {
        let lines = list
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        let entries = lines.map(|line| {
            let parts: Vec<&str> = line.split('|').map(str::trim).collect();
            match parts.as_slice() {
                [scenario, place, reason]
                    if !scenario.is_empty() && place.contains(' ') && !reason.is_empty() =>
                {
                    Ok(Entry {
                        scenario: (*scenario).to_owned(),
                        place: (*place).to_owned(),
                    })
                }
                _ => Err(format!(
                    "{ALLOWED}: not `SCENARIO | FILE FUNCTION | reason`: {line}"
                )),
            }
        });
        Ok(Self(entries.collect::<Result<_, _>>()?))
    }

    /// The number of the entry that explains a report.
    fn explains(&self, scenario: &str, report: &Report) -> Option<usize> {
        self.0.iter().position(|entry| {
            (entry.scenario == "*" || entry.scenario == scenario) && report.is_at(&entry.place)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "\
==7== Memcheck, a memory error detector
==7== Conditional jump or move depends on uninitialised value(s)
==7==    at 0x17CF65: all<a::b<u8>, fn() -> c> (/rustc/5980/library/core/src/iter.rs:2469)
==7==    by 0x17CF65: constant_time::leak::equal (ct/src/leak.rs:6)
==7==    by 0x12AF4E: main (in /x/constant-time)
==7==
==7== Use of uninitialised value of size 8
==7==    at 0x1: <a::B as c::D>::{closure#0} (apdu/src/b.rs:1)
==7==    by 0x2: a::first::<u8>::second::<u8> (apdu/src/b.rs:2)
==7==    by 0x3: a::finish (/x/.cargo/registry/src/index-1949/digest-0.11.3/src/lib.rs:2)
==7== ERROR SUMMARY: 2 errors from 2 contexts (suppressed: 0 from 0)
";

    #[test]
    fn a_log_of_memcheck_is_read_frame_by_frame() {
        let reports = Report::read_all(LOG);
        let texts = |report: &Report| -> Vec<String> {
            report.0.iter().map(|frame| frame.text.clone()).collect()
        };
        let [leak, other] = reports.as_slice() else {
            panic!("{reports:?}");
        };
        assert_eq!(
            texts(leak),
            [
                "library/core/src/iter.rs all",
                "ct/src/leak.rs equal",
                "in /x/constant-time) main",
            ]
        );
        assert_eq!(
            texts(other),
            [
                "apdu/src/b.rs {closure#0}",
                "apdu/src/b.rs second",
                "digest-0.11.3/src/lib.rs finish",
            ]
        );
        assert_eq!(Report::read_all("==7== nothing\n"), []);
    }

    #[test]
    fn a_report_is_explained_by_a_line_for_its_scenario_and_by_no_other() {
        let [leak, other] = Report::read_all(LOG).try_into().unwrap();
        let allowed = |list| Allowed::parse(list).unwrap();
        let exact = allowed("# why\n\npin | apdu/src/b.rs {closure#0} | because\n");
        assert_eq!(exact.explains("pin", &other), Some(0));
        assert_eq!(exact.explains("tags", &other), None);
        assert_eq!(exact.explains("pin", &leak), None);
        let inside = allowed("* | ct/src/leak.rs equal | because");
        assert_eq!(
            inside.explains("pin", &leak),
            None,
            "a step of a comparison"
        );
        let outer = allowed("a | b.rs c | d\n* | apdu/src/b.rs second | because");
        assert_eq!(outer.explains("pin", &other), None);
        let any = allowed("a | b.rs c | d\n* | under apdu/src/b.rs second | because");
        assert_eq!(any.explains("pin", &other), Some(1));
        let file = allowed("* | apdu/src/b.rs * | because");
        assert_eq!(file.explains("pin", &other), Some(0));
        assert_eq!(file.explains("pin", &leak), None);
        let near = allowed("* | under apdu/src/b.rs secon | because");
        assert_eq!(near.explains("pin", &other), None);
    }

    #[test]
    fn a_line_without_a_reason_is_refused() {
        for line in [
            "a | b.rs c",
            "a | b.rs c |",
            "a | b.rs | why",
            "| b.rs c | why",
        ] {
            assert!(Allowed::parse(line).is_err(), "{line}");
        }
    }
}
