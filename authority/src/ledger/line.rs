//! One line: what happened, when, and by whose hand. Its text is a leaf of the tree (`docs/ledger.md`).
//!
//! ```text
//! {"sequence":2,"time":1795219200,"by":"LINE1","event":{"kind":...}}
//! ```

use super::event::Event;
use crate::tree::{Hash, leaf_hash};
use serde::{Deserialize, Serialize};

/// Longest line in bytes. A full status list makes the longest: about 2,000.
pub const MAX_LINE: usize = 16_384;

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Longer than any line of ours.
    #[error("longer than {MAX_LINE} bytes")]
    TooLong,
    /// It has another number than its place.
    #[error("it stands in another place than it says")]
    Place,
    /// Time runs backwards.
    #[error("it is older than the line before it")]
    Time,
    /// The text is not what this program writes.
    #[error("its content is not understood: {0}")]
    Content(String),
    /// The event contradicts what came before.
    #[error("it contradicts what came before: {0}")]
    Contradiction(&'static str),
}

/// A line of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Number of the line, from 1.
    pub sequence: u64,
    /// When it was written, Unix seconds.
    pub time: u64,
    /// The client of the service whose request it was; `None` for a command on the authority's own machine.
    pub by: Option<String>,
    /// What it tells.
    pub event: Event,
    /// Its text, exactly as hashed.
    pub text: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    sequence: u64,
    time: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    event: Event,
}

impl Line {
    /// Makes a line.
    pub(crate) fn write(
        sequence: u64,
        time: u64,
        by: Option<String>,
        event: Event,
    ) -> Result<Self, Fault> {
        let body = Body {
            sequence,
            time,
            by,
            event,
        };
        let text = serde_json::to_string(&body).map_err(|error| content(&error))?;
        if text.len() > MAX_LINE {
            return Err(Fault::TooLong);
        }
        Ok(Self {
            sequence,
            time,
            by: body.by,
            event: body.event,
            text,
        })
    }

    /// Reads a line. One value, one spelling: what this program would not have written is not ours.
    ///
    /// # Errors
    /// [`Fault`], for anything else than exactly a line.
    pub fn read(text: &str) -> Result<Self, Fault> {
        if text.len() > MAX_LINE {
            return Err(Fault::TooLong);
        }
        let body: Body = serde_json::from_str(text).map_err(|error| content(&error))?;
        let line = Self::write(body.sequence, body.time, body.by, body.event)?;
        if line.text != text {
            return Err(Fault::Content("it has another spelling than ours".into()));
        }
        Ok(line)
    }

    /// Its leaf in the tree.
    pub fn hash(&self) -> Hash {
        leaf_hash(self.text.as_bytes())
    }
}

fn content(error: &serde_json::Error) -> Fault {
    Fault::Content(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use apdu::certificate::Name;

    fn sample() -> Line {
        let event = Event::Revoked {
            holder: Name::new("ZZTALLYCARD00001").unwrap(),
            reason: "lost \"on\" the train \u{202e}".into(),
        };
        Line::write(7, 1_795_219_200, Some("LINE1".into()), event).unwrap()
    }

    #[test]
    fn a_line_reads_back() {
        let line = sample();
        assert_eq!(Line::read(&line.text), Ok(line));
    }

    #[test]
    fn every_changed_byte_of_a_line_makes_another_leaf() {
        let line = sample();
        for position in 0..line.text.len() {
            for bit in 0..8 {
                let mut damaged = line.text.clone().into_bytes();
                damaged[position] ^= 1 << bit;
                assert_ne!(
                    leaf_hash(&damaged),
                    line.hash(),
                    "byte {position} bit {bit}"
                );
            }
        }
    }

    #[test]
    fn another_spelling_of_the_same_line_is_refused() {
        let spaced = sample().text.replacen(':', ": ", 1);
        assert!(matches!(Line::read(&spaced), Err(Fault::Content(_))));
        let further = sample().text.replacen('{', "{\"x\":1,", 1);
        assert!(matches!(Line::read(&further), Err(Fault::Content(_))));
        let long = format!("{}{}", sample().text, " ".repeat(MAX_LINE));
        assert_eq!(Line::read(&long), Err(Fault::TooLong));
    }
}
