//! The instructions of one C1 (§8.2), counted by callgrind at cards with different numbers of pairings: the same for all.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use super::output;

/// Numbers of pairings on the cards whose C1 is counted.
const PAIRINGS: [u8; 5] = [0, 1, 8, 15, 16];

/// Counts the instructions of one C1 at cards with different numbers of pairings, which must be the same, and prints a line of evidence.
///
/// Counted are the product's own instructions, and how often it calls the system's library, by function. What that library does within is
/// left out: how long it looks for a free place, or how it copies, depends on where things lie and not on the card.
///
/// # Errors
/// Counts that differ, and a callgrind that does not count.
pub fn count(program: &Path) -> Result<(), String> {
    let mut counts = Vec::new();
    for pairings in PAIRINGS {
        let file = program.with_extension(format!("callgrind-{pairings}"));
        let mut valgrind = Command::new("valgrind");
        valgrind
            .args(["--tool=callgrind", "--instr-atstart=no", "-q"])
            .arg(format!("--callgrind-out-file={}", file.display()))
            .arg(program)
            .args(["count", &pairings.to_string()]);
        output(&mut valgrind)?;
        let dump = file.with_extension(format!("callgrind-{pairings}.1"));
        let profile = std::fs::read_to_string(&dump)
            .map_err(|error| format!("{}: {error}", dump.display()))?;
        let count = Count::read(&profile, &program.display().to_string())?;
        println!("C1 with {pairings:>2} pairings: {count:?}");
        counts.push(count);
    }
    match counts.split_first() {
        Some((first, rest)) if rest.iter().all(|count| count == first) => {
            println!(
                "evidence: T15 cases={} seed=0 a C1 takes {} instructions and {} calls of the system's library, with 0 to 16 pairings alike",
                counts.len(),
                first.instructions,
                first.calls.values().sum::<u64>(),
            );
            Ok(())
        }
        _ => Err(format!(
            "the work for a C1 depends on the number of pairings: {counts:?}"
        )),
    }
}

/// What callgrind counted.
#[derive(Debug, PartialEq, Eq)]
struct Count {
    /// Instructions in the program itself.
    instructions: u64,
    /// How often it called each function of another object.
    calls: BTreeMap<String, u64>,
}

impl Count {
    /// Reads callgrind's file. A line of costs belongs to the function named last, that behind `calls=` to the call, and an object that is
    /// not named is the one of the function that calls.
    fn read(profile: &str, program: &str) -> Result<Self, String> {
        let (mut objects, mut functions) = (BTreeMap::new(), BTreeMap::new());
        let mut count = Self {
            instructions: 0,
            calls: BTreeMap::new(),
        };
        let (mut object, mut called_object, mut called, mut is_call) = ("", None, "", false);
        for line in profile.lines() {
            if let Some(named) = line.strip_prefix("ob=") {
                object = name(&mut objects, named);
            } else if let Some(named) = line.strip_prefix("fn=") {
                name(&mut functions, named);
            } else if let Some(named) = line.strip_prefix("cob=") {
                called_object = Some(name(&mut objects, named));
            } else if let Some(named) = line.strip_prefix("cfn=") {
                called = name(&mut functions, named);
            } else if let Some(calls) = line.strip_prefix("calls=") {
                let times = calls.split(' ').next().and_then(|times| times.parse().ok());
                let times: u64 = times.ok_or_else(|| format!("callgrind: {line}"))?;
                if object == program && called_object.is_some_and(|of| of != program) {
                    *count.calls.entry(called.to_owned()).or_default() += times;
                }
                (is_call, called_object) = (true, None);
            } else if line
                .starts_with(|first: char| first.is_ascii_digit() || "+-*".contains(first))
            {
                let cost = line.split(' ').nth(1).and_then(|cost| cost.parse().ok());
                let cost: u64 = cost.unwrap_or_default(); // a line without costs
                count.instructions += cost * u64::from(!is_call && object == program);
                is_call = false;
            }
        }
        match count.instructions {
            0 => Err("callgrind counted nothing".into()),
            _ => Ok(count),
        }
    }
}

/// The name behind `(number) name`, or behind a `(number)` that was said before.
fn name<'a>(names: &mut BTreeMap<&'a str, &'a str>, text: &'a str) -> &'a str {
    match text.split_once(' ') {
        Some((number, name)) => {
            names.insert(number, name);
            name
        }
        None => names.get(text).copied().unwrap_or(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROFILE: &str = "\
events: Ir

ob=(1) /x/program
fn=(1) card::transmit
10 100
cob=(2) /lib/libc.so
cfn=(2) malloc
calls=3 20
11 900
+1 7
cfn=(3) card::choose
calls=1 30
* 40

ob=(2)
fn=(2)
20 300
cfn=(4) _int_malloc
calls=2 50
21 600

fn=(4)
50 600

ob=(1)
fn=(3)
30 40
cob=(2)
cfn=(2)
calls=2 20
31 500
";

    #[test]
    fn the_program_s_own_instructions_are_counted_and_its_calls_of_other_objects() {
        let expected = Count {
            instructions: 100 + 7 + 40,
            calls: BTreeMap::from([("malloc".to_owned(), 5)]),
        };
        assert_eq!(Count::read(PROFILE, "/x/program"), Ok(expected));
        assert!(Count::read(PROFILE, "/x/other").is_err());
        assert!(Count::read("events: Ir\n", "/x/program").is_err());
    }
}
