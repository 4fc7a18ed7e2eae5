//! Every requirement of `docs/checklist.md` is shown by a test that names its row.
//!
//! A test names a row in the comment just above it (`/// ST-13`) or in its own name (`st_13_...`). An ignored test shows
//! nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use crate::source::{Source, words};
use crate::workspace::{self, Tree};

const PATH: &str = "docs/checklist.md";
const BEGIN: &str = "<!-- rows: third column written by `cargo xtask checklist --write` -->\n";
const END: &str = "<!-- end of rows -->";
/// First and last number of each part.
const PARTS: [(u8, u8); 6] = [(1, 16), (20, 27), (30, 35), (40, 47), (50, 55), (60, 64)];

/// Tests by the row they name, as `file: test`.
type Shown = BTreeMap<String, BTreeSet<String>>;

/// Prints the rows with their tests.
///
/// # Errors
/// Rows without a test, rows that are missing, or a table that is not up to date.
pub fn check() -> Result<(), String> {
    let (text, shown) = (read()?, shown_here()?);
    for (row, tests) in &shown {
        println!(
            "{row}  {}",
            tests
                .iter()
                .map(String::as_str)
                .collect::<Vec<_>>()
                .join("\n       ")
        );
    }
    problems(&text, &shown)
}

/// Writes the third column anew.
///
/// # Errors
/// As [`check`], after writing.
pub fn write() -> Result<(), String> {
    let shown = shown_here()?;
    let text = rewritten(&read()?, &shown)?;
    std::fs::write(workspace::root().join(PATH), &text)
        .map_err(|error| format!("{PATH}: {error}"))?;
    problems(&text, &shown)
}

fn read() -> Result<String, String> {
    std::fs::read_to_string(workspace::root().join(PATH))
        .map_err(|error| format!("{PATH}: {error}"))
}

fn shown_here() -> Result<Shown, String> {
    Ok(shown(&workspace::files(&workspace::packages()?, &[".rs"])?))
}

fn every_row() -> impl Iterator<Item = String> {
    PARTS
        .into_iter()
        .flat_map(|(first, last)| first..=last)
        .map(|number| format!("ST-{number:02}"))
}

fn problems(text: &str, shown: &Shown) -> Result<(), String> {
    let mut problems = Vec::new();
    let listed: Vec<_> = table(text)?
        .lines()
        .filter_map(row)
        .map(|(id, _)| id)
        .collect();
    for id in every_row() {
        match listed.iter().filter(|listed| **listed == id).count() {
            1 => {}
            count => problems.push(format!("{PATH} lists {id} {count} times")),
        }
        if !shown.contains_key(&id) {
            problems.push(format!("no test names {id}"));
        }
    }
    for id in shown
        .keys()
        .filter(|id| !every_row().any(|row| row == **id))
    {
        problems.push(format!("a test names {id}, which is no row"));
    }
    if rewritten(text, shown)? != text {
        problems.push(format!(
            "{PATH} is out of date: `cargo xtask checklist --write`"
        ));
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(problems.join("\n"))
    }
}

/// The text between the marks.
fn table(text: &str) -> Result<&str, String> {
    let after = text.split_once(BEGIN).map(|(_, after)| after);
    let between = after
        .and_then(|after| after.split_once(END))
        .map(|(table, _)| table);
    between.ok_or_else(|| format!("{PATH} has no table between its marks"))
}

/// Id and requirement of one line of the table.
fn row(line: &str) -> Option<(&str, &str)> {
    let mut cells = line.split('|').map(str::trim);
    let (_, id, requirement) = (cells.next()?, cells.next()?, cells.next()?);
    id.starts_with("ST-").then_some((id, requirement))
}

fn rewritten(text: &str, shown: &Shown) -> Result<String, String> {
    let old = table(text)?;
    let mut new = String::new();
    for line in old.lines() {
        let Some((id, requirement)) = row(line) else {
            new.push_str(line);
            new.push('\n');
            continue;
        };
        let tests = shown.get(id).map(|tests| {
            tests
                .iter()
                .map(|test| format!("`{test}`"))
                .collect::<Vec<_>>()
        });
        let tests = tests.map_or_else(|| "none yet".to_owned(), |tests| tests.join("<br>"));
        // A String takes every write.
        let _ = writeln!(new, "| {id} | {requirement} | {tests} |");
    }
    Ok(text.replacen(old, &new, 1))
}

fn shown(files: &Tree) -> Shown {
    let mut shown = Shown::new();
    for (path, text) in files.iter().filter(|(path, _)| path.ends_with(".rs")) {
        for (test, rows) in tests(text) {
            for row in rows {
                shown
                    .entry(row)
                    .or_default()
                    .insert(format!("{path}: {test}"));
            }
        }
    }
    shown
}

/// The tests of one file and the rows each names.
fn tests(text: &str) -> Vec<(String, BTreeSet<String>)> {
    let source = Source::new(text);
    let mut found = Vec::new();
    for (position, _) in source.code.match_indices("#[test]") {
        let after = source.code.get(position..).unwrap_or_default();
        let Some(function) = words(after, "fn").next() else {
            continue;
        };
        let head = after.get(..function).unwrap_or_default();
        if words(head, "ignore").next().is_some() {
            continue;
        }
        let name: String = after
            .get(function + 2..)
            .unwrap_or_default()
            .trim_start()
            .chars()
            .take_while(|letter| *letter == '_' || letter.is_alphanumeric())
            .collect();
        let mut rows = rows_in_name(&name);
        let prose_between = source
            .text
            .get(position..position + function)
            .unwrap_or_default();
        rows.extend(rows_in_prose(prose_between));
        for line in source
            .text
            .get(..position)
            .unwrap_or_default()
            .lines()
            .rev()
            .skip_while(|line| line.trim().is_empty())
        {
            let line = line.trim();
            if !line.starts_with("//") && !line.starts_with("#[") {
                break;
            }
            if line.starts_with("#[ignore") {
                rows.clear();
                break;
            }
            rows.extend(rows_in_prose(line));
        }
        found.push((name, rows));
    }
    found
}

fn rows_in_prose(line: &str) -> BTreeSet<String> {
    line.match_indices("ST-")
        .filter_map(|(position, mark)| id(line.get(position + mark.len()..)?))
        .collect()
}

fn rows_in_name(name: &str) -> BTreeSet<String> {
    let name = format!("_{name}_");
    name.match_indices("_st_")
        .filter_map(|(position, mark)| id(name.get(position + mark.len()..)?))
        .collect()
}

/// The id that starts with these digits; two, and no third.
fn id(digits: &str) -> Option<String> {
    let count = digits.chars().take_while(char::is_ascii_digit).count();
    (count == 2).then(|| digits.get(..2).map(|digits| format!("ST-{digits}")))?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Vec<String> {
        tests(text).into_iter().flat_map(|(_, rows)| rows).collect()
    }

    #[test]
    fn a_test_names_rows_above_itself_or_in_its_name() {
        for text in [
            "/// ST-13\n#[test]\nfn a() {}",
            "// Shows ST-13 over a line.\n#[test]\nfn a() {}",
            "#[test]\n/// ST-13\n#[should_panic]\nfn a() {}",
            "/// ST-13\n#[cfg(unix)]\n#[test]\nfn a() {}",
            "    /// ST-13: words\n    /// more words\n    #[test]\n    fn a() {}",
            "#[test]\nfn st_13_is_shown() {}",
            "#[test]\nfn shows_st_13() {}",
        ] {
            assert_eq!(rows(text), ["ST-13"], "{text}");
        }
        assert_eq!(
            rows("/// ST-20, ST-27\n#[test]\nfn a_st_31() {}"),
            ["ST-20", "ST-27", "ST-31"]
        );
    }

    #[test]
    fn a_mention_elsewhere_shows_nothing() {
        for text in [
            "/// ST-13\nfn helper() {}\n#[test]\nfn a() {}",
            "/// ST-13\n\nfn b() {}\n\n#[test]\nfn a() {}",
            "#[test]\nfn a() { /* ST-13 */ }",
            "/// ST-13\n#[ignore]\n#[test]\nfn a() {}",
            "/// ST-13\n#[test]\n#[ignore = \"slow\"]\nfn a() {}",
            "/// ST-130\n#[test]\nfn a() {}",
            "#[test]\nfn first_13() {}",
            "// #[test]\n/// ST-13\nfn a() {}",
            "//! ST-13\n\nuse a;\n\n#[test]\nfn a() {}",
        ] {
            assert_eq!(rows(text), [""; 0], "{text}");
        }
    }

    /// A table of all rows, and one test that names all of them.
    fn sound() -> (String, Shown) {
        let lines: String = every_row()
            .map(|id| format!("| {id} | words | |\n"))
            .collect();
        let text =
            format!("# Rows\n\n{BEGIN}| id | what | test |\n|---|---|---|\n{lines}{END}\nafter\n");
        let shown = every_row()
            .map(|id| (id, BTreeSet::from(["a.rs: t".to_owned()])))
            .collect();
        (rewritten(&text, &shown).unwrap(), shown)
    }

    #[test]
    fn a_table_that_is_written_is_up_to_date_and_keeps_its_words() {
        let (text, shown) = sound();
        assert_eq!(problems(&text, &shown), Ok(()));
        assert!(
            text.contains("| ST-01 | words | `a.rs: t` |\n") && text.ends_with("after\n"),
            "{text}"
        );
        assert_eq!(every_row().count(), 49);
    }

    #[test]
    fn a_row_without_a_test_a_missing_row_and_a_stale_table_are_errors() {
        let (text, shown) = sound();
        let expect = |text: &str, shown: &Shown, part: &str| {
            let problem = problems(text, shown).unwrap_err();
            assert!(problem.contains(part), "{problem}");
        };
        let mut fewer = shown.clone();
        fewer.remove("ST-42");
        expect(&text, &fewer, "no test names ST-42");
        expect(
            &text.replace("| ST-42 |", "| XT-42 |"),
            &shown,
            "lists ST-42 0 times",
        );
        expect(
            &text.replace("| ST-42 |", "| ST-41 |"),
            &shown,
            "lists ST-41 2 times",
        );
        expect(
            &text.replacen("a.rs: t", "b.rs: t", 1),
            &shown,
            "out of date",
        );
        let mut more = shown.clone();
        more.insert("ST-99".into(), BTreeSet::new());
        expect(&text, &more, "ST-99, which is no row");
        expect("no marks", &shown, "no table");
    }
}
