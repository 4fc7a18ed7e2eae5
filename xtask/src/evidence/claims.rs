//! The claims of `SECURITY.md`, and the table that says what carries each.

use std::fmt::Write as _;

use super::line::Lines;

/// More claims than these nobody keeps in mind.
const MOST: usize = 8;

/// One claim: a row `| **C1** | what is claimed | T1, T3 |`.
#[derive(Debug, PartialEq, Eq)]
struct Claim {
    name: String,
    words: String,
    items: Vec<String>,
}

/// All claims, in the order of the document.
#[derive(Debug, PartialEq, Eq)]
pub struct Claims(Vec<Claim>);

impl Claims {
    /// Reads the rows of the document's table.
    ///
    /// # Errors
    /// No claim, too many, or one without tests.
    pub fn read(document: &str) -> Result<Self, String> {
        let claims: Vec<Claim> = document.lines().filter_map(Claim::read).collect();
        if claims.is_empty() || claims.len() > MOST {
            return Err(format!(
                "SECURITY.md has {} claims, not 1 to {MOST}",
                claims.len()
            ));
        }
        match claims.iter().find(|claim| claim.items.is_empty()) {
            Some(claim) => Err(format!("{} of SECURITY.md names no test", claim.name)),
            None => Ok(Self(claims)),
        }
    }

    /// The table for a terminal, and the items of which nothing was seen.
    pub fn table(&self, lines: &Lines) -> (String, Vec<String>) {
        let (mut text, mut missing) = (String::new(), Vec::new());
        for claim in &self.0 {
            let _ = writeln!(text, "\n{}  {}", claim.name, claim.words);
            for item in &claim.items {
                let seen = lines.seen.get(item).map_or(&[][..], Vec::as_slice);
                if seen.is_empty() {
                    missing.push(format!("{item} ({})", claim.name));
                    let _ = writeln!(text, "    {item:<5} NOTHING WAS SEEN");
                }
                for seen in seen {
                    let (cases, seed) = (grouped(seen.cases), &seen.seed);
                    let _ = writeln!(
                        text,
                        "    {item:<5} {cases:>12} cases, seed {seed}: {}",
                        seen.words
                    );
                }
                if let Some(bugs) = lines.caught.get(item) {
                    let _ = writeln!(text, "          caught: {}", bugs.join(", "));
                }
            }
        }
        let others = lines.seen.keys().filter(|item| !self.carries(item));
        let others: Vec<&str> = others.map(String::as_str).collect();
        let bugs: usize = lines.caught.values().map(Vec::len).sum();
        let _ = writeln!(
            text,
            "\nseen besides: {}\nplanted bugs caught: {bugs}",
            others.join(", ")
        );
        (text, missing)
    }

    /// The same for a document; everything seen, claimed or not.
    pub fn markdown(&self, lines: &Lines) -> String {
        let mut text = String::from(
            "| item | claim | cases | seed | seen | planted bugs caught |\n|---|---|---|---|---|---|\n",
        );
        for (item, seen) in &lines.seen {
            let claims: Vec<&str> = self
                .0
                .iter()
                .filter(|claim| claim.items.contains(item))
                .map(|claim| claim.name.as_str())
                .collect();
            let bugs = lines
                .caught
                .get(item)
                .map_or_else(String::new, |bugs| bugs.join(", "));
            for (number, seen) in seen.iter().enumerate() {
                let bugs = if number == 0 { bugs.as_str() } else { "" };
                let _ = writeln!(
                    text,
                    "| {item} | {} | {} | {} | {} | {bugs} |",
                    claims.join(", "),
                    grouped(seen.cases),
                    seen.seed,
                    seen.words.replace('|', "\\|"),
                );
            }
        }
        text
    }

    fn carries(&self, item: &str) -> bool {
        self.0
            .iter()
            .any(|claim| claim.items.iter().any(|own| own == item))
    }
}

impl Claim {
    fn read(row: &str) -> Option<Self> {
        let cells: Vec<&str> = row.trim().split('|').map(str::trim).collect();
        let ["", name, words, items, ""] = cells.as_slice() else {
            return None;
        };
        let name = name.strip_prefix("**C")?.strip_suffix("**")?;
        name.parse::<u8>().ok()?;
        Some(Self {
            name: format!("C{name}"),
            words: (*words).into(),
            items: items
                .split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .map(str::to_owned)
                .collect(),
        })
    }
}

/// 1234567 as 1,234,567.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = "\
| claim | what | tests |
|---|---|---|
| **C1** | nothing leaves in clear | T3, T52 |
| **C2** | three guesses | T31 |
";

    #[test]
    fn a_claim_of_which_nothing_was_seen_is_named() {
        let claims = Claims::read(DOCUMENT).unwrap();
        let seen =
            ["T3", "T31", "T99"].map(|item| format!("evidence: {item} cases=1234567 seed=1 fine"));
        let (text, missing) = claims.table(&Lines::of(&seen));
        assert_eq!(missing, ["T52 (C1)"]);
        assert!(
            text.contains("1,234,567 cases") && text.contains("seen besides: T99"),
            "{text}"
        );
    }

    #[test]
    fn a_document_without_claims_or_with_one_without_tests_is_refused() {
        assert!(Claims::read("no table").is_err());
        assert!(Claims::read("| **C1** | words |  |").is_err());
        let many: String = (1..=9)
            .map(|n| format!("| **C{n}** | words | T1 |\n"))
            .collect();
        assert!(Claims::read(&many).is_err());
    }
}
