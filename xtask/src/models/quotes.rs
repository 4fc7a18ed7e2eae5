//! The models speak of what the specification says (T72): each quotes the rows and lines that it models, and names its own line for
//! each. Every row of the tables and every line of the formats below must be quoted, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

/// Sections whose tables are messages and keys.
const TABLES: [&str; 3] = ["§6.4", "§8.1", "§9.1"];
/// Sections whose formats are signed, authenticated or hashed.
const FORMATS: [&str; 6] = ["§6.2", "§7.1", "§7.2", "§10.1", "§10.2", "§13"];

type Lines = BTreeSet<(String, String)>;

/// Checks models against the specification; the number of lines that both have.
///
/// # Errors
/// Lines that only one of the two has, and lines that stand for nothing in their model.
pub fn check(specification: &str, models: &[(&str, String)]) -> Result<usize, String> {
    let wanted = wanted(specification);
    if wanted.is_empty() {
        return Err("the specification has none of the tables".into());
    }
    let mut quoted = Lines::new();
    let mut wrong = Vec::new();
    for (name, model) in models {
        let code: BTreeSet<&str> = model
            .lines()
            .map(str::trim)
            .filter(|line| !line.starts_with("//"))
            .collect();
        for (quote, named) in quotes(model) {
            for line in &named {
                let own = line.strip_prefix("= ");
                if own.is_some_and(|own| !code.contains(own)) {
                    wrong.push(format!("{name} has no line {line}"));
                }
            }
            if named.is_empty() && quote.1.contains(' ') && !quote.1.ends_with('{') {
                wrong.push(format!("{name} does not say what models {}", quote.1));
            }
            quoted.insert(quote);
        }
    }
    let say = |lines: Vec<&(String, String)>, what: &str| -> Vec<String> {
        lines
            .iter()
            .map(|(section, line)| format!("{what} {section}: {line}"))
            .collect()
    };
    wrong.extend(say(wanted.difference(&quoted).collect(), "no model has"));
    wrong.extend(say(
        quoted.difference(&wanted).collect(),
        "the specification no longer has",
    ));
    if wrong.is_empty() {
        Ok(wanted.len())
    } else {
        Err(wrong.join("\n"))
    }
}

/// The rows and lines that must be quoted, each with its section.
fn wanted(specification: &str) -> Lines {
    let mut lines = Lines::new();
    let (mut section, mut in_format) = ("", false);
    let mut rows: BTreeMap<&str, usize> = BTreeMap::new();
    for line in specification.lines() {
        if let Some(title) = line.strip_prefix('#') {
            section = title
                .trim_start_matches(['#', ' '])
                .split(' ')
                .next()
                .unwrap_or_default();
            in_format = false;
        } else if line.starts_with("```") {
            in_format = !in_format;
        } else if in_format && FORMATS.contains(&section) {
            if line.contains(char::is_alphanumeric) {
                lines.insert((section.into(), line.trim().into()));
            }
        } else if line.starts_with('|') && TABLES.contains(&section) {
            let row = rows.entry(section).or_default();
            *row += 1;
            // The first two are the table's head.
            if *row > 2 {
                lines.insert((section.into(), line.trim().into()));
            }
        }
    }
    lines
}

/// What a model quotes, and the lines that it names for it.
fn quotes(model: &str) -> Vec<((String, String), Vec<&str>)> {
    let mut quotes: Vec<((String, String), Vec<&str>)> = Vec::new();
    let mut section = None;
    for line in model.lines().map_while(|line| line.strip_prefix("//")) {
        if let Some(named) = line.strip_prefix("   ") {
            if let Some((_, all)) = quotes.last_mut() {
                all.push(named);
            }
        } else if let Some(name) = line.strip_prefix(" spec ") {
            section = Some(name);
        } else if let (Some(section), Some(quote)) = (section, line.strip_prefix(' ')) {
            quotes.push(((section.into(), quote.into()), Vec::new()));
        }
    }
    quotes
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPECIFICATION: &str = "### §8.1 Messages\n\n| # | data |\n|---|---|\n| C1 | hint 4 |\n\n## §13 Lists\n\n```text\nlist { a }\n}\n```\n\n```text\n```\n## §14 Other\n| row | of no interest |\n";
    const MODEL: &str = "// A model.\n//\n// spec §8.1\n// | C1 | hint 4 |\n//   = A -> B: hint\n//\n// spec §13\n// list { a }\n//   - not modelled\n\nA -> B: hint\n";

    fn complaint(specification: &str, model: &str) -> String {
        check(specification, &[("m", model.to_owned())]).unwrap_err()
    }

    #[test]
    fn a_model_that_quotes_every_line_is_fine() {
        assert_eq!(check(SPECIFICATION, &[("m", MODEL.into())]), Ok(2));
    }

    #[test]
    fn a_specification_that_changed_is_noticed_on_both_sides() {
        let changed = SPECIFICATION.replace("hint 4", "hint 8");
        let complaint = complaint(&changed, MODEL);
        assert!(
            complaint.contains("no model has §8.1: | C1 | hint 8 |"),
            "{complaint}"
        );
        assert!(
            complaint.contains("no longer has §8.1: | C1 | hint 4 |"),
            "{complaint}"
        );
    }

    #[test]
    fn a_model_that_lost_its_line_or_says_nothing_is_noticed() {
        let lost = MODEL.replace("\nA -> B: hint\n", "\nA -> B: tag\n");
        assert!(complaint(SPECIFICATION, &lost).contains("has no line"));
        let silent = MODEL.replace("//   = A -> B: hint\n", "");
        assert!(complaint(SPECIFICATION, &silent).contains("does not say"));
        assert!(complaint("no tables", "no quotes").contains("none of the tables"));
    }
}
