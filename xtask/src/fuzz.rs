//! `cargo xtask fuzz`: replays the committed seeds, then lets libFuzzer look for more, target after target.
//!
//! The targets are a workspace of their own under `fuzz/`, built once with AddressSanitizer. libFuzzer needs flags that the stable
//! compiler keeps for itself; `RUSTC_BOOTSTRAP=1` opens them, so no second toolchain is needed. What is found new stays in
//! `fuzz/corpus-work`, and the next run begins with it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::evidence::MARK;
use crate::{steps, tools, workspace};

/// Each target and its item of the test plan.
const TARGETS: [(&str, &str); 6] = [
    ("card", "T22"),
    ("terminal", "T20"),
    ("framing", "T21"),
    ("codecs", "T23"),
    ("stores", "T23"),
    ("differential", "T24"),
];
/// Seconds for each target, unless told otherwise.
const SECONDS: &str = "30";
/// As the evidence tests have it.
const DEFAULT_SEED: &str = "7816";
/// No input of a sound target takes so long (seconds, also on a machine with much else to do), or so much memory at once or in
/// all (MiB).
const LIMITS: [&str; 3] = ["-timeout=60", "-malloc_limit_mb=64", "-rss_limit_mb=3072"];
/// Freed memory is watched for a while, but not so long that it looks like a leak.
const SANITIZER: &str = "detect_odr_violation=0:quarantine_size_mb=16";

/// What the command line asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request<'a> {
    seconds: &'a str,
    target: Option<&'a str>,
}

impl<'a> Request<'a> {
    /// Reads the flags.
    pub fn parse(flags: &[&'a str]) -> Option<Self> {
        let (seconds, rest) = match flags {
            ["--seconds", seconds, rest @ ..] => (*seconds, rest),
            rest => (SECONDS, rest),
        };
        seconds.parse::<u32>().ok()?;
        let target = match rest {
            [] => None,
            [target] if TARGETS.iter().any(|(name, _)| name == target) => Some(*target),
            _ => return None,
        };
        Some(Self { seconds, target })
    }
}

/// Replays, builds, runs.
///
/// # Errors
/// A seed on which an oracle does not hold, a build that failed, or what a target found and where the input lies.
pub fn run(request: Request<'_>) -> Result<(), String> {
    let folder = workspace::root().join("fuzz");
    let target = built_in(&folder);
    replay(&folder)?;
    let path = tools::FUZZ.search_path()?;
    let mut build = Command::new("cargo");
    build.args(["fuzz", "build", "--fuzz-dir"]).arg(&folder);
    build.env("PATH", path);
    steps::run(prepared(&mut build, &folder))?;
    let programs = target.join(host()?).join("release");
    let wanted = |name: &str| request.target.is_none_or(|target| target == name);
    let mut found = Vec::new();
    for (name, item) in TARGETS.into_iter().filter(|(name, _)| wanted(name)) {
        match search(
            &folder,
            &target,
            &programs.join(name),
            name,
            request.seconds,
        ) {
            Ok(figures) => println!("{}", figures.line(item, name)),
            Err(reason) => found.push(reason),
        }
    }
    match found.is_empty() {
        true => Ok(()),
        false => Err(found.join("\n")),
    }
}

/// The oracles on the committed seeds, as plain tests.
fn replay(folder: &Path) -> Result<(), String> {
    let mut tests = Command::new("cargo");
    tests.args(["test", "--no-default-features", "--", "--show-output"]);
    steps::run(tests.current_dir(folder))
}

/// Where cargo puts what it builds in that folder.
fn built_in(folder: &Path) -> PathBuf {
    let given = std::env::var_os("CARGO_TARGET_DIR");
    given.map_or_else(
        || folder.join("target"),
        |given| workspace::root().join(given),
    )
}

fn prepared<'a>(command: &'a mut Command, folder: &Path) -> &'a mut Command {
    command
        .current_dir(folder)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("ASAN_OPTIONS", SANITIZER)
}

/// The triple of this machine, under which cargo-fuzz builds.
fn host() -> Result<String, String> {
    let output = Command::new("rustc").arg("-vV").output();
    let output = output.map_err(|error| format!("rustc: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned)
        .ok_or_else(|| "rustc names no host".into())
}

/// Runs one target for its time.
fn search(
    folder: &Path,
    target: &Path,
    program: &Path,
    name: &str,
    seconds: &str,
) -> Result<Figures, String> {
    let corpus = folder.join("corpus-work").join(name);
    let artifacts = target.join("fuzz-artifacts");
    for made in [&corpus, &artifacts] {
        std::fs::create_dir_all(made).map_err(|error| format!("{}: {error}", made.display()))?;
    }
    let seed = std::env::var("TALLYSTICK_SEED").unwrap_or_else(|_| DEFAULT_SEED.into());
    let mut command = Command::new(program);
    command
        .arg(&corpus)
        .arg(folder.join("seeds").join(name))
        .args(LIMITS);
    command.args([
        format!("-max_total_time={seconds}"),
        format!("-seed={seed}"),
        format!("-artifact_prefix={}/{name}-", artifacts.display()),
        "-print_final_stats=1".into(),
    ]);
    let command = prepared(&mut command, folder)
        .stderr(Stdio::piped())
        .stdout(Stdio::null());
    let complain = |error| format!("{name}: {error}");
    let mut child = command.spawn().map_err(complain)?;
    let mut figures = Figures::new(seed);
    let mut said = Vec::new();
    if let Some(output) = child.stderr.take() {
        for line in BufReader::new(output).split(b'\n') {
            let line = line.map_err(complain)?;
            let line = String::from_utf8_lossy(&line).into_owned();
            figures.read(&line);
            said.push(line);
        }
    }
    let status = child.wait().map_err(complain)?;
    if status.success() && figures.executions > 0 {
        return Ok(figures);
    }
    // What was said before the search began to fail is of no use; the end names the input.
    let begin = said.len().saturating_sub(60);
    for line in said.iter().skip(begin) {
        println!("{line}");
    }
    Err(format!(
        "{name}: {status}; the input lies in {}",
        artifacts.display()
    ))
}

/// What libFuzzer says about a run.
#[derive(Debug, PartialEq, Eq)]
struct Figures {
    seed: String,
    executions: u64,
    per_second: u64,
    coverage: u64,
    features: u64,
}

impl Figures {
    fn new(seed: String) -> Self {
        Self {
            seed,
            executions: 0,
            per_second: 0,
            coverage: 0,
            features: 0,
        }
    }

    /// Takes what a line has: `#8 NEW cov: 5 ft: 7 ..`, `stat::number_of_executed_units: 9`.
    fn read(&mut self, line: &str) {
        let after = |mark: &str| -> Option<u64> {
            let (_, rest) = line.split_once(mark)?;
            rest.split_whitespace().next()?.parse().ok()
        };
        if line.starts_with('#') {
            self.coverage = after(" cov: ").unwrap_or(self.coverage);
            self.features = after(" ft: ").unwrap_or(self.features);
        }
        self.executions = after("stat::number_of_executed_units:").unwrap_or(self.executions);
        self.per_second = after("stat::average_exec_per_sec:").unwrap_or(self.per_second);
    }

    fn line(&self, item: &str, name: &str) -> String {
        let Self {
            seed,
            executions,
            per_second,
            coverage,
            features,
        } = self;
        format!(
            "{MARK}{item} cases={executions} seed={seed} fuzzing {name}: {per_second} a second, {coverage} edges, {features} features, crashes 0"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_are_the_last_ones_that_the_fuzzer_prints() {
        let mut figures = Figures::new("5".into());
        for line in [
            "#2\tINITED cov: 10 ft: 11 corp: 1/1b exec/s: 0 rss: 30Mb",
            "#99\tDONE   cov: 444 ft: 1257 corp: 279/21Kb lim: 4096 exec/s: 43723 rss: 522Mb",
            "stat::number_of_executed_units: 918190",
            "stat::average_exec_per_sec:     43723",
            "a panic that says cov: 1",
        ] {
            figures.read(line);
        }
        assert_eq!(
            figures.line("T24", "differential"),
            "evidence: T24 cases=918190 seed=5 fuzzing differential: 43723 a second, 444 edges, 1257 features, crashes 0"
        );
    }

    #[test]
    fn seconds_and_a_target_may_be_named_and_nothing_else() {
        let all = Request {
            seconds: "30",
            target: None,
        };
        assert_eq!(Request::parse(&[]), Some(all));
        let one = Request {
            seconds: "600",
            target: Some("card"),
        };
        assert_eq!(Request::parse(&["--seconds", "600", "card"]), Some(one));
        for wrong in [
            &["--seconds"][..],
            &["--seconds", "x"],
            &["cards"],
            &["card", "card"],
        ] {
            assert_eq!(Request::parse(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn every_target_has_its_file_its_seeds_and_no_file_is_forgotten() {
        let folder = workspace::root().join("fuzz");
        for (name, _) in TARGETS {
            assert!(folder.join("seeds").join(name).is_dir(), "{name}");
        }
        let files = std::fs::read_dir(folder.join("fuzz_targets")).unwrap();
        let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
        files.sort();
        let mut named =
            TARGETS.map(|(name, _)| folder.join("fuzz_targets").join(name).with_extension("rs"));
        named.sort();
        assert_eq!(files, named);
    }
}
