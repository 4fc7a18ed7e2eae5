//! A build line that a person copies gives a whole program: `certify` and `tally` are useless at a reader without PC/SC.

use super::Violation;
use crate::workspace::Tree;

/// Programs that talk to readers, by package.
const AT_READERS: [&str; 2] = ["certify-tool", "tally"];

/// Checks each `cargo build` and `cargo install` in documents and in texts of programs.
pub fn check(files: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for (path, text) in files.iter().filter(|(path, _)| !path.starts_with("xtask/")) {
        for (number, line) in text.lines().enumerate() {
            for command in commands(line) {
                if lacks_readers(command) {
                    found.push(Violation {
                        path: path.clone(),
                        line: number + 1,
                        reason: format!("`{command}` builds a program without PC/SC"),
                    });
                }
            }
        }
    }
    found
}

/// What follows `cargo` in a line, up to the end of the quoted command.
fn commands(line: &str) -> impl Iterator<Item = &str> {
    let begins = line.match_indices("cargo ").map(|(place, _)| place);
    begins.filter_map(|place| line.get(place..)?.split(['`', '"', ';', '#']).next())
}

fn lacks_readers(command: &str) -> bool {
    let words: Vec<&str> = command.split_whitespace().collect();
    let builds = matches!(words.as_slice(), ["cargo", "build" | "install", ..]);
    let named = AT_READERS.iter().any(|package| words.contains(package));
    builds && named && !command.contains("pcsc")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_line_without_readers_is_found_wherever_it_stands() {
        let files = Tree::from([
            (
                "docs/a.md".to_owned(),
                "with `cargo build --release -p certify-tool --features pkcs11`.\n".to_owned(),
            ),
            (
                "README.md".into(),
                "$ cargo install --path tally --features pcsc\n$ cargo build -p apdu\n".into(),
            ),
            (
                "tally/src/a.rs".into(),
                "const A: &str = \"cargo install --locked --path tally\";\n".into(),
            ),
        ]);
        let lines: Vec<String> = check(&files).iter().map(Violation::to_string).collect();
        assert_eq!(lines.len(), 2, "{lines:#?}");
        assert!(lines[0].starts_with("docs/a.md:1: "), "{lines:#?}");
        assert!(lines[1].starts_with("tally/src/a.rs:1: "), "{lines:#?}");
    }
}
