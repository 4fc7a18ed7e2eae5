//! Planted bugs (T81): each must be caught by the test that is there for it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::line::caught;
use crate::workspace;

/// A bug, the item of the test plan that is there for it, and the test: package, file, and the beginning of its name.
struct Plant {
    bug: &'static str,
    item: &'static str,
    test: (&'static str, &'static str, &'static str),
}

const fn plant(
    bug: &'static str,
    item: &'static str,
    test: (&'static str, &'static str, &'static str),
) -> Plant {
    Plant { bug, item, test }
}

const MATRIX: (&str, &str, &str) = ("card-core", "matrix", "every_command_in_every_state");
const SM_VECTORS: (&str, &str, &str) = ("apdu", "vectors", "as_the_vectors_say");
const MEMORY: (&str, &str, &str) = ("conformance", "t50_memory", "a_closed_session");
const FLIPS: (&str, &str, &str) = ("conformance", "t10_flips", "");
const SWEEP: &str = "cut_sweep";

/// Every bug that can be switched on.
const PLANTS: [Plant; 32] = [
    plant("command-mac-unchecked", "T36a", SM_VECTORS),
    plant("response-mac-unchecked", "T10", FLIPS),
    plant("counter-stands-still", "T4", SM_VECTORS),
    plant("one-key-both-ways", "T2", ("card-core", "vectors", "")),
    plant("outer-status-unchecked", "T10", FLIPS),
    plant(
        "plain-answer-accepted",
        "T3",
        ("terminal-lib", "session", ""),
    ),
    plant("role-unchecked", "T44", ("card-core", "handshakes", "")),
    plant(
        "expiry-unchecked",
        "T44",
        ("conformance", "t44_certificates", ""),
    ),
    plant(
        "revocation-unchecked",
        "T44",
        ("card-core", "revocation", ""),
    ),
    plant(
        "link-unverified",
        "T45",
        ("card-core", "revocation", "a_link_certificate"),
    ),
    plant(
        "date-goes-back",
        "T46",
        ("card-core", "revocation", "the_trusted_date"),
    ),
    plant("short-pin-accepted", "T32", MATRIX),
    plant(
        "comparison-before-the-try-is-spent",
        "T31",
        ("card-core", "pin_oracle", ""),
    ),
    plant("verified-outlives-a-wrong-pin", "T12", MATRIX),
    plant(
        "verified-outlives-a-guess",
        "T33",
        ("card-core", "pin_forms", "every_wrong_code"),
    ),
    plant("in-doubt-goes-on", "T25", ("card-core", "in_doubt", "")),
    plant(
        "last-try-for-strangers",
        "T33",
        ("card-core", "handshakes", ""),
    ),
    plant(
        "select-is-not-always-heard",
        "T12",
        ("card-core", "matrix", "while_an_answer_waits"),
    ),
    plant("plain-in-a-session", "T12", MATRIX),
    plant(
        "ratchet-stands-still",
        "T25",
        ("card-core", "cuts", "a_cut_in_reconnect"),
    ),
    plant("pinned-goes-first", "T27", ("card-core", "slot_model", "")),
    plant(
        "prand-repeats",
        "T15",
        ("card-core", "rules", "answers_to_strangers"),
    ),
    plant(
        "read-error-is-absence",
        "T28",
        ("card-core", "rules", "a_read_error"),
    ),
    plant(
        "pending-key-not-stored",
        "T25",
        ("conformance", "torn", "a_torn_set_up"),
    ),
    plant(
        "barrier-missing",
        "T30",
        ("conformance", SWEEP, "a_disk_that_loses"),
    ),
    plant("no-wipe", "T50", MEMORY),
    plant("stack-not-wiped", "T50", MEMORY),
    plant(
        "answers-by-word-alone",
        "T81",
        ("authority", "answers", "answers_in_sqlite"),
    ),
    plant(
        "order-answered-by-anyone",
        "T81",
        ("authority", "bound_orders", ""),
    ),
    plant(
        "client-rows-not-compared",
        "T81",
        ("authority", "store_damage", "rows_that_are_lost"),
    ),
    plant(
        "serials-not-compared",
        "T81",
        ("authority", "store_damage", "rows_that_are_lost"),
    ),
    plant(
        "clock-jump-believed",
        "T81",
        ("authority", "clock", "what_protects_goes_on"),
    ),
];

/// Builds the tests with the bugs in and runs each bug against its test, which must pass without the bug and fail with it.
///
/// # Errors
/// Bugs that were not caught, and bugs that are planted but not in the list.
pub fn check(results: &mut Vec<String>) -> Result<(), String> {
    let planted = planted_in_sources()?;
    let listed: BTreeSet<&str> = PLANTS.iter().map(|plant| plant.bug).collect();
    let unlisted: Vec<&str> = planted
        .iter()
        .map(String::as_str)
        .filter(|bug| !listed.contains(bug))
        .collect();
    if !unlisted.is_empty() {
        return Err(format!(
            "planted, and no test is named for them: {}",
            unlisted.join(", ")
        ));
    }
    let tests: BTreeSet<(&str, &str)> = PLANTS
        .iter()
        .map(|plant| (plant.test.0, plant.test.1))
        .collect();
    let programs = build(&tests)?;
    let (mut free, mut sound) = (Vec::new(), BTreeSet::new());
    for plant in &PLANTS {
        let (package, file, name) = plant.test;
        let program = programs
            .iter()
            .find(|(test, _)| *test == (package, file))
            .map(|(_, program)| program.as_path())
            .ok_or_else(|| format!("{package} has no tests/{file}.rs"))?;
        let folder = workspace::packages()?
            .into_iter()
            .find(|known| known.name == package)
            .map(|known| workspace::root().join(known.folder))
            .ok_or_else(|| format!("no package {package}"))?;
        if sound.insert(plant.test) && !passes(program, &folder, name, None)? {
            return Err(format!(
                "{package} tests/{file}.rs {name}: fails without any bug"
            ));
        }
        if passes(program, &folder, name, Some(plant.bug))? {
            println!(
                "{:<36} NOT CAUGHT by {package} tests/{file}.rs {name}",
                plant.bug
            );
            free.push(plant.bug);
        } else {
            let line = caught(plant.item, plant.bug);
            println!("{line}");
            results.push(line);
        }
    }
    if free.is_empty() {
        Ok(())
    } else {
        Err(format!("not caught: {}", free.join(", ")))
    }
}

/// The names of all bugs in the product's sources.
fn planted_in_sources() -> Result<BTreeSet<String>, String> {
    let files = workspace::files(&workspace::packages()?, &[".rs"])?;
    let product = files.iter().filter(|(path, _)| {
        path.ends_with(".rs") && path.contains("/src/") && !path.starts_with("xtask/")
    });
    let mut found = BTreeSet::new();
    for (_, text) in product {
        for rest in text.split("planted(\"").skip(1) {
            found.extend(rest.split_once('"').map(|(name, _)| name.to_owned()));
        }
    }
    Ok(found)
}

type Programs<'t> = Vec<((&'t str, &'t str), PathBuf)>;

/// Builds the test programs with the bugs in, in a folder of their own so that no other build is disturbed.
fn build<'t>(tests: &BTreeSet<(&'t str, &'t str)>) -> Result<Programs<'t>, String> {
    let mut cargo = Command::new("cargo");
    cargo.args([
        "test",
        "--no-run",
        "--message-format=json",
        "-p",
        "planted",
        "--features",
        "planted/on",
    ]);
    for package in tests
        .iter()
        .map(|(package, _)| *package)
        .collect::<BTreeSet<_>>()
    {
        cargo.args(["-p", package]);
    }
    for file in tests.iter().map(|(_, file)| *file).collect::<BTreeSet<_>>() {
        cargo.args(["--test", file]);
    }
    cargo.current_dir(workspace::root());
    cargo.env("CARGO_TARGET_DIR", workspace::target()?.join("planted"));
    let output = cargo
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cargo: {error}"))?;
    if !output.status.success() {
        return Err("the tests do not build with the bugs in".into());
    }
    let messages = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut programs = Vec::new();
    for message in messages.lines() {
        let Ok(message) = serde_json::from_str::<serde_json::Value>(message) else {
            continue;
        };
        let (Some(program), Some(id), Some(name)) = (
            message["executable"].as_str(),
            message["package_id"].as_str(),
            message["target"]["name"].as_str(),
        ) else {
            continue;
        };
        let owner = |package: &str| {
            let named = id.rsplit(['/', '#']).next().unwrap_or_default();
            named.split('@').next() == Some(package) || id.contains(&format!("/{package}#"))
        };
        let test = tests
            .iter()
            .find(|(package, file)| *file == name && owner(package));
        programs.extend(test.map(|test| (*test, PathBuf::from(program))));
    }
    Ok(programs)
}

/// Whether the tests whose names contain `name` pass. At least one must be there.
fn passes(program: &Path, folder: &Path, name: &str, bug: Option<&str>) -> Result<bool, String> {
    let mut command = Command::new(program);
    command
        .args([name])
        .current_dir(folder)
        .env("CARGO_MANIFEST_DIR", folder);
    if let Some(bug) = bug {
        command.env("TALLYSTICK_PLANTED", bug);
    }
    let output = command
        .output()
        .map_err(|error| format!("{}: {error}", program.display()))?;
    let printed = String::from_utf8_lossy(&output.stdout);
    if printed.contains("running 0 tests") {
        return Err(format!("{}: no test is called {name}", program.display()));
    }
    Ok(output.status.success())
}
