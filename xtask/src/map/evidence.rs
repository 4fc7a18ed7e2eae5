//! No vector is forgotten: every file and every group of tests in it is named by a test.

use serde_json::Value;

use super::Violation;
use crate::source::{Source, words};
use crate::workspace::Tree;

const FOLDER: &str = "test-vectors/vectors/";

/// Checks each vector file. A test names `session.json` as the constant `test_vectors::SESSION`, and a group by its type.
pub fn check(files: &Tree) -> Vec<Violation> {
    let tests: Vec<Source> = files
        .iter()
        .filter(|(path, text)| {
            path.ends_with(".rs") && text.contains("#[test]") && !path.starts_with("xtask/")
        })
        .map(|(_, text)| Source::new(text))
        .collect();
    let mut found = Vec::new();
    for (path, text) in files {
        let Some(name) = path
            .strip_prefix(FOLDER)
            .and_then(|name| name.strip_suffix(".json"))
        else {
            continue;
        };
        let constant = name.to_uppercase();
        let users: Vec<_> = tests
            .iter()
            .filter(|test| names_constant(test, &constant))
            .collect();
        let mut complain = |reason| {
            let path = path.clone();
            found.push(Violation {
                path,
                line: 0,
                reason,
            });
        };
        if users.is_empty() {
            complain(format!("no test names test_vectors::{constant}"));
            continue;
        }
        for group in groups(text) {
            if !users
                .iter()
                .any(|test| test.text.contains(&format!("\"{group}\"")))
            {
                complain(format!(
                    "no test that reads this file names its group \"{group}\""
                ));
            }
        }
    }
    found
}

fn names_constant(test: &Source<'_>, constant: &str) -> bool {
    test.code.contains("test_vectors::") && words(&test.code, constant).next().is_some()
}

fn groups(text: &str) -> Vec<String> {
    let file: Value = serde_json::from_str(text).unwrap_or_default();
    let groups = file["testGroups"].as_array().map_or(&[][..], Vec::as_slice);
    groups
        .iter()
        .filter_map(|group| group["type"].as_str())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const VECTORS: &str = r#"{"testGroups": [{"type": "Leaf"}, {"type": "Request"}]}"#;

    fn complaints(test: &str) -> usize {
        let files = Tree::from([
            (
                "test-vectors/vectors/key_schedule.json".to_owned(),
                VECTORS.to_owned(),
            ),
            ("apdu/tests/a.rs".to_owned(), test.to_owned()),
        ]);
        check(&files).len()
    }

    #[test]
    fn a_file_whose_groups_are_all_named_by_tests_is_fine() {
        let test = "#[test]\nfn a() { read(test_vectors::KEY_SCHEDULE, \"Leaf\", \"Request\") }";
        assert_eq!(complaints(test), 0);
    }

    #[test]
    fn a_group_or_a_file_that_no_test_names_is_reported() {
        for test in [
            "#[test]\nfn a() { read(test_vectors::KEY_SCHEDULE, \"Leaf\") }",
            "fn no_test() { read(test_vectors::KEY_SCHEDULE, \"Leaf\", \"Request\") }",
            "#[test]\nfn a() { /* test_vectors::KEY_SCHEDULE */ }",
            "#[test]\nfn a() { read(test_vectors::KEY_SCHEDULE_TWO, \"Leaf\", \"Request\") }",
        ] {
            assert_eq!(complaints(test), 1, "{test}");
        }
    }
}
