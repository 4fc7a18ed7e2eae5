//! The architecture as a check: which package may see which, and who may name what.

mod arrows;
mod documents;
mod evidence;
mod modules;
mod names;

use std::fmt;

use crate::workspace::{self, Package, Tree};

/// One line that breaks one rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// The file, relative to the workspace.
    pub path: String,
    /// The line, counted from 1; 0 for the whole file.
    pub line: usize,
    /// What is wrong.
    pub reason: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, line, reason } = self;
        match line {
            0 => write!(f, "{path}: {reason}"),
            _ => write!(f, "{path}:{line}: {reason}"),
        }
    }
}

/// Checks this workspace and prints every violation.
///
/// # Errors
/// How many there are.
pub fn check() -> Result<(), String> {
    let packages = workspace::packages()?;
    let mut files = workspace::files(&packages, &[".rs", ".json"])?;
    files.extend(workspace::documents()?);
    let found = violations(&packages, &files);
    for violation in &found {
        println!("{violation}");
    }
    match found.len() {
        0 => {
            println!(
                "{} packages, {} files: every arrow points down",
                packages.len(),
                files.len()
            );
            Ok(())
        }
        count => Err(format!("{count} violations of the map")),
    }
}

fn violations(packages: &[Package], files: &Tree) -> Vec<Violation> {
    let reached = modules::reach(packages, files);
    let mut found = arrows::check(packages);
    found.extend(names::check(packages, files, &reached));
    found.extend(modules::check(files, &reached));
    found.extend(evidence::check(files));
    found.extend(documents::check(files));
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sound_tree_has_no_violation_and_all_rules_are_asked() {
        let package = Package {
            name: "apdu".into(),
            folder: "apdu".into(),
            roots: vec!["apdu/src/lib.rs".into()],
            needs: Vec::new(),
        };
        let mut files = Tree::from([("apdu/src/lib.rs".to_owned(), "//! The wire.\n".to_owned())]);
        let mut packages = vec![package];
        assert_eq!(violations(&packages, &files), []);

        packages[0]
            .needs
            .push(("tally".into(), workspace::Need::Product));
        files.insert("apdu/src/lib.rs".into(), "unsafe fn a() {}".into());
        files.insert("apdu/src/lost.rs".into(), String::new());
        files.insert("test-vectors/vectors/lost.json".into(), "{}".into());
        let lines: Vec<_> = violations(&packages, &files)
            .iter()
            .map(Violation::to_string)
            .collect();
        assert_eq!(lines.len(), 4, "{lines:#?}");
        assert!(
            lines.contains(&"apdu/src/lib.rs:1: `unsafe` is not for this workspace".to_owned()),
            "{lines:#?}"
        );
    }
}
