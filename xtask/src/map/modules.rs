//! No file is forgotten: each is reached from a root by `mod` lines.

use std::collections::BTreeMap;

use super::Violation;
use crate::source::{Source, words};
use crate::workspace::{Package, Tree};

/// The files that the compiler reads, and whether the product contains them (`false`: only tests do).
pub fn reach(packages: &[Package], files: &Tree) -> BTreeMap<String, bool> {
    let mut reached = BTreeMap::new();
    for root in packages.iter().flat_map(|package| &package.roots) {
        follow(
            root,
            &folder(root),
            root.contains("/src/"),
            files,
            &mut reached,
        );
    }
    reached
}

/// Complains about every Rust file that was not reached.
pub fn check(files: &Tree, reached: &BTreeMap<String, bool>) -> Vec<Violation> {
    files
        .keys()
        .filter(|path| path.ends_with(".rs") && !reached.contains_key(*path))
        .map(|path| Violation {
            path: path.clone(),
            line: 0,
            reason: "no `mod` line leads to this file".into(),
        })
        .collect()
}

/// Notes one file and follows its `mod` lines; `below` is the folder where they look.
fn follow(
    path: &str,
    below: &str,
    in_product: bool,
    files: &Tree,
    reached: &mut BTreeMap<String, bool>,
) {
    let Some(text) = files.get(path) else { return };
    match reached.get(path) {
        Some(true) => return,
        Some(false) if !in_product => return,
        _ => reached.insert(path.to_owned(), in_product),
    };
    let source = Source::new(text);
    for position in words(&source.code, "mod") {
        let rest = source.code.get(position + 3..).unwrap_or_default();
        let Some((name, _)) = rest.split_once(';') else {
            continue;
        };
        let name = name.trim();
        if name.is_empty()
            || !name
                .chars()
                .all(|letter| letter == '_' || letter.is_alphanumeric())
        {
            continue; // `mod name {` or another word's end
        }
        let still_product = in_product && source.product.get(position..position + 3) == Some("mod");
        if let Some(other) = path_attribute(&source, position) {
            let other = format!("{}/{other}", folder(path));
            follow(&other, &folder(&other), still_product, files, reached);
            continue;
        }
        let own_folder = format!("{below}/{name}");
        follow(
            &format!("{own_folder}.rs"),
            &own_folder,
            still_product,
            files,
            reached,
        );
        follow(
            &format!("{own_folder}/mod.rs"),
            &own_folder,
            still_product,
            files,
            reached,
        );
    }
}

/// The file named by `#[path = ".."]` on the line just above.
fn path_attribute<'a>(source: &Source<'a>, position: usize) -> Option<&'a str> {
    let line_start = source.text.get(..position)?.rfind('\n')?;
    let above = source.text.get(..line_start)?.lines().next_back()?;
    above
        .trim()
        .strip_prefix("#[path = \"")?
        .strip_suffix("\"]")
}

fn folder(path: &str) -> String {
    path.rsplit_once('/')
        .map(|(folder, _)| folder.to_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> Tree {
        files
            .iter()
            .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()))
            .collect()
    }

    fn lost(files: &[(&str, &str)]) -> Vec<String> {
        let files = tree(files);
        let package = Package {
            roots: vec!["a/src/lib.rs".into(), "a/tests/t.rs".into()],
            ..Package::default()
        };
        check(&files, &reach(&[package], &files))
            .into_iter()
            .map(|violation| violation.path)
            .collect()
    }

    #[test]
    fn files_beside_and_below_their_module_are_reached() {
        let files = [
            ("a/src/lib.rs", "mod one;\npub(crate) mod two;\n"),
            ("a/src/one.rs", "mod deep;"),
            ("a/src/one/deep.rs", ""),
            ("a/src/two/mod.rs", "mod side;"),
            ("a/src/two/side.rs", ""),
            (
                "a/tests/t.rs",
                "mod common;\n#[path = \"other_name.rs\"]\nmod odd;",
            ),
            ("a/tests/common/mod.rs", ""),
            ("a/tests/other_name.rs", ""),
        ];
        assert_eq!(lost(&files), [""; 0]);
    }

    #[test]
    fn a_file_that_no_mod_line_names_is_reported() {
        for root in [
            "",
            "// mod lost;",
            "mod lost { }",
            "const A: &str = \"mod lost;\";",
            "let modlost;",
        ] {
            assert_eq!(
                lost(&[("a/src/lib.rs", root), ("a/src/lost.rs", "")]),
                ["a/src/lost.rs"],
                "{root}"
            );
        }
        assert_eq!(
            lost(&[("a/src/lib.rs", "mod lost;"), ("a/src/x/lost.rs", "")]),
            ["a/src/x/lost.rs"]
        );
    }

    #[test]
    fn a_file_is_for_tests_only_when_every_way_to_it_is() {
        let package = Package {
            roots: vec!["a/src/lib.rs".into()],
            ..Package::default()
        };
        let of = |root: &str| {
            let files = tree(&[
                ("a/src/lib.rs", root),
                ("a/src/x.rs", "mod y;"),
                ("a/src/x/y.rs", ""),
            ]);
            reach(std::slice::from_ref(&package), &files)
        };
        let tests_only = of("#[cfg(test)]\nmod x;");
        assert_eq!(
            (tests_only["a/src/x.rs"], tests_only["a/src/x/y.rs"]),
            (false, false)
        );
        let product = of("#[cfg(test)]\nmod x;\n#[cfg(not(test))]\nmod x;");
        assert_eq!(
            (product["a/src/x.rs"], product["a/src/x/y.rs"]),
            (true, true)
        );
    }
}
