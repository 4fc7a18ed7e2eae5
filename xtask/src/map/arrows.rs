//! Which package may need which. An arrow that is not listed here is a violation.

use super::Violation;
use crate::workspace::{Need, Package};

/// What each of our packages may need of ours.
const ARROWS: [(&str, Sees); 16] = [
    ("host", Sees::Only(&[])),
    ("apdu", Sees::Only(&[])),
    ("journal", Sees::Only(&[])),
    ("test-vectors", Sees::Only(&[])),
    (PLANTED, Sees::Only(&[])),
    ("card-core", Sees::Only(&["apdu"])),
    (
        "card-sim",
        Sees::Only(&["card-core", "apdu", "journal", "host"]),
    ),
    ("terminal-lib", Sees::Only(&["apdu", "journal", "host"])),
    ("authority", Sees::Only(&["apdu", "host"])),
    (
        "certify-tool",
        Sees::Only(&["authority", "terminal-lib", "apdu", "host"]),
    ),
    (
        "tallystick-testing",
        Sees::Only(&["terminal-lib", "card-sim", "card-core", "apdu"]),
    ),
    ("tally", Sees::All),
    ("conformance", Sees::All),
    ("constant-time", Sees::All),
    ("bench", Sees::All),
    ("xtask", Sees::All),
];

/// What only tests may need besides. The station's tests bring a real card to the real station.
const TEST_ARROWS: [(&str, &str); 2] =
    [("certify-tool", "card-core"), ("certify-tool", "card-sim")];

/// The evidence: every test may need it, no product may.
const EVIDENCE: &str = "test-vectors";
/// Known bugs for tests of the tests: nothing at all in a build without them, so every package may ask.
const PLANTED: &str = "planted";
/// The package that is nothing but tests.
const TESTS: &str = "conformance";

/// Crates of algorithms: one package makes them into the wire's cryptography.
pub const ALGORITHMS: [&str; 10] = [
    "p256",
    "aes",
    "cbc",
    "cmac",
    "hmac",
    "hkdf",
    "sha2",
    "subtle",
    "ecdsa",
    "elliptic-curve",
];

/// Who may need a crate of an algorithm besides `apdu`, and why.
const ALGORITHM_EXCEPTIONS: [(&str, &str); 1] = [("journal", "sha2")]; // it finds damage, it protects nothing

#[derive(Clone, Copy)]
enum Sees {
    Only(&'static [&'static str]),
    /// A front door or a test bench.
    All,
}

/// Checks what cargo says about the packages.
pub fn check(packages: &[Package]) -> Vec<Violation> {
    let ours =
        |name: &str| packages.iter().any(|package| package.name == name) || row(name).is_some();
    let mut found = Vec::new();
    for package in packages {
        let mut complain = |reason: String| {
            let path = format!("{}/Cargo.toml", package.folder);
            found.push(Violation {
                path,
                line: 0,
                reason,
            });
        };
        let name = package.name.as_str();
        let Some(sees) = row(name) else {
            complain(format!("{name} has no row in the table of arrows"));
            continue;
        };
        for (needed, need) in &package.needs {
            if ours(needed) && !may_need(name, sees, needed, *need) {
                complain(format!("{name} may not need {needed}"));
            }
            if *need == Need::Product && !may_calculate(name, sees, needed) {
                complain(format!(
                    "{name} may not need {needed}: algorithms are for apdu"
                ));
            }
        }
    }
    found
}

fn row(name: &str) -> Option<Sees> {
    ARROWS
        .iter()
        .find(|(package, _)| *package == name)
        .map(|(_, sees)| *sees)
}

fn may_need(name: &str, sees: Sees, needed: &str, need: Need) -> bool {
    let listed = match sees {
        Sees::All => needed != EVIDENCE || name == TESTS,
        Sees::Only(below) => below.contains(&needed),
    };
    let by_test =
        need == Need::Development && (needed == EVIDENCE || TEST_ARROWS.contains(&(name, needed)));
    listed || by_test || needed == PLANTED
}

fn may_calculate(name: &str, sees: Sees, needed: &str) -> bool {
    !ALGORITHMS.contains(&needed)
        || name == "apdu"
        || matches!(sees, Sees::All)
        || ALGORITHM_EXCEPTIONS.contains(&(name, needed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace;

    fn complaints(name: &str, needed: &str, need: Need) -> Vec<String> {
        let package = Package {
            name: name.into(),
            folder: name.into(),
            roots: Vec::new(),
            needs: vec![(needed.into(), need)],
        };
        check(&[package])
            .into_iter()
            .map(|violation| violation.reason)
            .collect()
    }

    #[test]
    fn an_arrow_down_is_fine_and_one_up_or_across_is_not() {
        for (name, needed) in [
            ("card-core", "apdu"),
            ("card-sim", "card-core"),
            ("terminal-lib", "journal"),
            ("certify-tool", "authority"),
            ("tally", "card-sim"),
            ("apdu", "thiserror"),
        ] {
            assert_eq!(
                complaints(name, needed, Need::Product),
                [""; 0],
                "{name} -> {needed}"
            );
        }
        for (name, needed) in [
            ("apdu", "journal"),
            ("card-core", "terminal-lib"),
            ("terminal-lib", "card-core"),
            ("authority", "terminal-lib"),
            ("journal", "apdu"),
            ("card-sim", "tally"),
            ("certify-tool", "card-core"),
        ] {
            let expected = format!("{name} may not need {needed}");
            assert_eq!(complaints(name, needed, Need::Product), [expected]);
        }
    }

    #[test]
    fn tests_may_need_the_evidence_and_products_may_not() {
        for (name, _) in ARROWS {
            assert_eq!(
                complaints(name, EVIDENCE, Need::Development),
                [""; 0],
                "{name}"
            );
            let wrong = usize::from(name != TESTS);
            let found = complaints(name, EVIDENCE, Need::Product).len();
            assert_eq!(found, wrong, "{name}");
        }
    }

    #[test]
    fn the_stations_tests_may_need_a_card_and_the_terminals_may_not() {
        assert_eq!(
            complaints("certify-tool", "card-core", Need::Development),
            [""; 0]
        );
        assert_eq!(
            complaints("terminal-lib", "card-core", Need::Development).len(),
            1
        );
    }

    #[test]
    fn algorithms_are_for_the_wire() {
        assert_eq!(complaints("apdu", "aes", Need::Product), [""; 0]);
        assert_eq!(complaints("journal", "sha2", Need::Product), [""; 0]);
        assert_eq!(complaints("authority", "p256", Need::Development), [""; 0]);
        for (name, needed) in [
            ("authority", "sha2"),
            ("journal", "aes"),
            ("card-core", "subtle"),
        ] {
            assert_eq!(
                complaints(name, needed, Need::Product).len(),
                1,
                "{name} -> {needed}"
            );
        }
    }

    #[test]
    fn a_package_without_a_row_is_a_violation() {
        assert_eq!(complaints("newcomer", "apdu", Need::Product).len(), 1);
    }

    #[test]
    fn every_row_is_a_package_of_this_workspace() {
        let packages = workspace::packages().unwrap();
        for (name, _) in ARROWS {
            assert!(
                packages.iter().any(|package| package.name == name),
                "{name}"
            );
        }
    }
}
