//! Running commands one after the other, each with a heading and a time, and the table at the end.

use crate::evidence::MARK;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Runs a command with our own input and output.
///
/// # Errors
/// What went wrong, in one sentence.
pub fn run(command: &mut Command) -> Result<(), String> {
    let shown = shown(command);
    let status = command
        .status()
        .map_err(|error| format!("{shown}: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{shown}: {status}"))
    }
}

/// Runs a command, shows what it prints and keeps cargo's lines about test results, and lines of evidence.
///
/// # Errors
/// What went wrong, in one sentence.
pub fn run_tests(command: &mut Command, results: &mut Vec<String>) -> Result<(), String> {
    let shown = shown(command);
    let complain = |error| format!("{shown}: {error}");
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(complain)?;
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).lines() {
            let line = line.map_err(complain)?;
            println!("{line}");
            if line.starts_with("test result: ") || line.starts_with(MARK) {
                results.push(line);
            }
        }
    }
    let status = child.wait().map_err(complain)?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{shown}: {status}"))
    }
}

/// Whether a command can be started and ends well; it prints nothing.
pub fn succeeds(program: &str, arguments: &[&str]) -> bool {
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// A command as one would type it.
pub fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

/// How a step ended.
pub enum Outcome {
    /// Well.
    Passed,
    /// It did not run, and why.
    Skipped(String),
    /// Badly, and why.
    Failed(String),
}

/// The steps done so far.
#[derive(Default)]
pub struct Steps {
    done: Vec<(String, Outcome, Duration)>,
    /// Cargo's own lines about test results.
    pub results: Vec<String>,
}

impl Steps {
    /// Runs one step under its heading.
    pub fn step(&mut self, name: &str, work: impl FnOnce(&mut Vec<String>) -> Outcome) {
        println!("\n=== {name}");
        let start = Instant::now();
        let outcome = work(&mut self.results);
        let took = start.elapsed();
        match &outcome {
            Outcome::Passed => println!("=== {name}: passed, {:.1} s", took.as_secs_f64()),
            Outcome::Skipped(reason) => println!("=== {name}: SKIPPED, {reason}"),
            Outcome::Failed(reason) => println!("=== {name}: FAILED, {reason}"),
        }
        self.done.push((name.to_owned(), outcome, took));
    }

    /// Prints the table, and the names of the steps that were skipped.
    ///
    /// # Errors
    /// The names of the steps that failed; with `complete`, of those that were skipped as well.
    pub fn finish(&self, complete: bool) -> Result<(), String> {
        println!("\n{}", self.table());
        let failed = self.names(|outcome| matches!(outcome, Outcome::Failed(_)));
        let skipped = self.names(|outcome| matches!(outcome, Outcome::Skipped(_)));
        if !skipped.is_empty() {
            println!("skipped: {}", skipped.join(", "));
        }
        match (failed.as_slice(), skipped.as_slice()) {
            ([], []) => Ok(()),
            ([], _) if !complete => Ok(()),
            ([], _) => Err(format!("skipped, which CI may not: {}", skipped.join(", "))),
            (_, _) => Err(format!("failed: {}", failed.join(", "))),
        }
    }

    /// Whether the step of this name was skipped.
    pub fn was_skipped(&self, name: &str) -> bool {
        self.names(|outcome| matches!(outcome, Outcome::Skipped(_)))
            .contains(&name)
    }

    fn names(&self, which: impl Fn(&Outcome) -> bool) -> Vec<&str> {
        let those = self.done.iter().filter(|(_, outcome, _)| which(outcome));
        those.map(|(name, _, _)| name.as_str()).collect()
    }

    fn table(&self) -> String {
        let mut table = String::new();
        for (name, outcome, took) in &self.done {
            let (word, reason) = match outcome {
                Outcome::Passed => ("passed", ""),
                Outcome::Skipped(reason) => ("SKIPPED", reason.as_str()),
                Outcome::Failed(reason) => ("FAILED", reason.lines().next().unwrap_or_default()),
            };
            let seconds = took.as_secs_f64();
            let line = format!("{name:<34} {word:<8} {seconds:>7.1} s  {reason}");
            table.push_str(line.trim_end());
            table.push('\n');
        }
        for line in self.results.iter().filter(|line| !line.starts_with(MARK)) {
            table.push_str(line);
            table.push('\n');
        }
        table
    }
}

impl From<Result<(), String>> for Outcome {
    fn from(result: Result<(), String>) -> Self {
        match result {
            Ok(()) => Self::Passed,
            Err(reason) => Self::Failed(reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failed_step_fails_the_whole_and_a_skipped_one_only_where_all_must_run() {
        let mut steps = Steps::default();
        steps.step("one", |_| Outcome::Passed);
        steps.step("two", |_| Outcome::Skipped("no reader".into()));
        assert_eq!(steps.finish(false), Ok(()));
        assert_eq!(
            steps.finish(true),
            Err("skipped, which CI may not: two".into())
        );
        steps.step("three", |_| Outcome::Failed("broken".into()));
        steps.step("four", |_| Outcome::Passed);
        assert_eq!(steps.finish(false), Err("failed: three".into()));
        let table = steps.table();
        assert!(
            table.contains("two") && table.contains("SKIPPED") && table.contains("broken"),
            "{table}"
        );
    }

    #[test]
    fn the_lines_of_cargo_test_are_kept_and_no_others() {
        let mut results = Vec::new();
        let mut command = Command::new("printf");
        command.arg("running 1 test\ntest a ... ok\ntest result: ok. 1 passed\n");
        run_tests(&mut command, &mut results).unwrap();
        assert_eq!(results, ["test result: ok. 1 passed"]);
    }

    #[test]
    fn a_command_that_fails_or_is_missing_is_named() {
        let failed = run(&mut Command::new("false")).unwrap_err();
        assert!(failed.starts_with("false: "), "{failed}");
        let missing = run(Command::new("no-such-program").arg("x")).unwrap_err();
        assert!(missing.starts_with("no-such-program x: "), "{missing}");
    }
}
