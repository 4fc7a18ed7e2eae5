//! Lines of evidence: `evidence: T12 cases=207030 seed=7816 what was seen`.

use std::collections::BTreeMap;

/// What a line of evidence begins with.
pub const MARK: &str = "evidence: ";
/// What says that a planted bug was caught, instead of a number of cases.
const CAUGHT: &str = "caught=";

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// How many cases were run.
    pub cases: u64,
    /// The seed.
    pub seed: String,
    /// What was seen, in words.
    pub words: String,
}

/// All lines, by item of the test plan, and the planted bugs that were caught, by item.
#[derive(Debug, Default)]
pub struct Lines {
    /// What was seen.
    pub seen: BTreeMap<String, Vec<Seen>>,
    /// What was caught.
    pub caught: BTreeMap<String, Vec<String>>,
}

impl Lines {
    /// Takes the lines of evidence out of what was printed.
    pub fn of(printed: &[String]) -> Self {
        let mut lines = Self::default();
        for line in printed.iter().filter_map(|line| line.strip_prefix(MARK)) {
            let Some((item, rest)) = line.split_once(' ') else {
                continue;
            };
            if let Some(bug) = rest.strip_prefix(CAUGHT) {
                lines
                    .caught
                    .entry(item.into())
                    .or_default()
                    .push(bug.into());
            } else if let Some(seen) = Seen::parse(rest) {
                lines.seen.entry(item.into()).or_default().push(seen);
            }
        }
        lines
    }
}

impl Seen {
    fn parse(rest: &str) -> Option<Self> {
        let (cases, rest) = rest.strip_prefix("cases=")?.split_once(' ')?;
        let (seed, words) = rest.strip_prefix("seed=")?.split_once(' ')?;
        Some(Self {
            cases: cases.parse().ok().filter(|cases| *cases > 0)?,
            seed: seed.into(),
            words: words.into(),
        })
    }
}

/// The line that says that a bug was caught.
pub fn caught(item: &str, bug: &str) -> String {
    format!("{MARK}{item} {CAUGHT}{bug}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_evidence_are_read_and_others_are_not() {
        let printed = [
            "evidence: T12 cases=7 seed=5 all as in the table",
            "evidence: T12 cases=2 seed=5 more",
            "evidence: T31 cases=0 seed=5 nothing was run",
            "evidence: T31 cases=x seed=5 no number",
            "evidence: T31",
            "test evidence: T31 cases=1 seed=5 not at the beginning",
        ];
        let mut printed = printed.map(str::to_owned).to_vec();
        printed.push(caught("T31", "free-guess"));
        let lines = Lines::of(&printed);
        assert_eq!(lines.seen.keys().collect::<Vec<_>>(), ["T12"]);
        assert_eq!(lines.seen["T12"].len(), 2);
        assert_eq!(lines.seen["T12"][0].words, "all as in the table");
        assert_eq!(lines.caught["T31"], ["free-guess"]);
    }
}
