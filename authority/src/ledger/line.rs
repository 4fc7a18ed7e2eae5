//! One line, and the chain that binds it to the line before.
//!
//! ```text
//! {"sequence":2,"time":1795219200,"previous":"<hash of line 1>","event":{"kind":...},"sha256":"<hash of this line>"}
//! └─────────────────────────────── hashed, with the closing brace ──────────────────┘
//! ```

use super::event::Event;
use super::text::{from_hex, to_hex};
use apdu::crypto::sha256;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Longest line in bytes, newline included. A full status list makes the longest: about 2,000.
pub(super) const MAX_LINE: usize = 16_384;

/// SHA-256 of a line: of its text up to its own hash.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct LineHash(pub [u8; 32]);

impl LineHash {
    /// What the first line names as its predecessor.
    pub const NONE: Self = Self([0; 32]);

    /// From 64 lower-case hexadecimal digits.
    pub fn from_text(text: &str) -> Option<Self> {
        from_hex(text)?.try_into().ok().map(Self)
    }
}

impl fmt::Display for LineHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&to_hex(&self.0))
    }
}

impl fmt::Debug for LineHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&to_hex(&self.0))
    }
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Longer than any line of ours.
    #[error("longer than {MAX_LINE} bytes")]
    TooLong,
    /// Not the shape of a line.
    #[error("not a line of a ledger")]
    Shape,
    /// The hash in the line is not the hash of the line.
    #[error("its content does not match its hash")]
    Hash,
    /// Another line was expected before it.
    #[error("it does not follow the line before it")]
    Chain,
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
    /// What it tells.
    pub event: Event,
    /// Its hash.
    pub hash: LineHash,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    sequence: u64,
    time: u64,
    previous: String,
    event: Event,
}

/// What stands between the hashed part and the hash.
const SEAM: &str = ",\"sha256\":\"";
const END: &str = "\"}";

/// Makes the line after `previous`: the line, and its bytes with the newline.
pub(super) fn encode(
    sequence: u64,
    time: u64,
    previous: LineHash,
    event: Event,
) -> Result<(Line, Vec<u8>), Fault> {
    let body = Body {
        sequence,
        time,
        previous: previous.to_string(),
        event,
    };
    let text = serde_json::to_string(&body).map_err(|error| Fault::Content(error.to_string()))?;
    let hash = LineHash(sha256(&[text.as_bytes()]));
    let open = text.strip_suffix('}').ok_or(Fault::Shape)?;
    let bytes = format!("{open}{SEAM}{hash}{END}\n").into_bytes();
    if bytes.len() > MAX_LINE {
        return Err(Fault::TooLong);
    }
    let line = Line {
        sequence,
        time,
        event: body.event,
        hash,
    };
    Ok((line, bytes))
}

/// Reads the line that must follow line number `sequence - 1` with hash `previous`. `bytes` without the newline.
pub(super) fn decode(sequence: u64, previous: LineHash, bytes: &[u8]) -> Result<Line, Fault> {
    let text = str::from_utf8(bytes).map_err(|_| Fault::Shape)?;
    let (open, hash) = text
        .strip_suffix(END)
        .and_then(|text| text.rsplit_once(SEAM))
        .ok_or(Fault::Shape)?;
    let hash = LineHash::from_text(hash).ok_or(Fault::Shape)?;
    let body_text = format!("{open}}}");
    if sha256(&[body_text.as_bytes()]) != hash.0 {
        return Err(Fault::Hash);
    }
    let body: Body =
        serde_json::from_str(&body_text).map_err(|error| Fault::Content(error.to_string()))?;
    if body.sequence != sequence || body.previous != previous.to_string() {
        return Err(Fault::Chain);
    }
    // One value, one spelling: what this program would not have written is not ours.
    let (line, canonical) = encode(sequence, body.time, previous, body.event)?;
    if canonical.strip_suffix(b"\n") != Some(bytes) {
        return Err(Fault::Shape);
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use apdu::certificate::Name;

    fn sample() -> (Line, Vec<u8>) {
        let event = Event::Revoked {
            holder: Name::new("ZZTALLYCARD00001").unwrap(),
            reason: "lost \"on\" the\ntrain \u{202e}".into(),
        };
        encode(7, 1_795_219_200, LineHash([9; 32]), event).unwrap()
    }

    #[test]
    fn a_line_reads_back_and_stays_one_line_whatever_the_reason_says() {
        let (line, bytes) = sample();
        let (newline, text) = bytes.split_last().unwrap();
        assert_eq!(*newline, b'\n');
        assert!(!text.contains(&b'\n'));
        assert_eq!(decode(7, LineHash([9; 32]), text), Ok(line));
    }

    #[test]
    fn every_changed_byte_of_a_line_is_noticed() {
        let (_, bytes) = sample();
        let text = bytes.strip_suffix(b"\n").unwrap();
        for position in 0..text.len() {
            for bit in 0..8 {
                let mut damaged = text.to_vec();
                damaged[position] ^= 1 << bit;
                let read = decode(7, LineHash([9; 32]), &damaged);
                assert!(read.is_err(), "byte {position} bit {bit}");
            }
        }
    }

    #[test]
    fn a_line_in_another_place_is_refused_although_its_hash_is_right() {
        let (_, bytes) = sample();
        let text = bytes.strip_suffix(b"\n").unwrap();
        assert_eq!(decode(8, LineHash([9; 32]), text), Err(Fault::Chain));
        assert_eq!(decode(7, LineHash([8; 32]), text), Err(Fault::Chain));
    }

    #[test]
    fn another_spelling_of_the_same_line_is_refused() {
        let (_, bytes) = sample();
        let text = String::from_utf8(bytes).unwrap();
        let (open, _) = text.rsplit_once(SEAM).unwrap();
        let spaced = open.replacen(':', ": ", 1);
        let hash = LineHash(sha256(&[format!("{spaced}}}").as_bytes()]));
        let line = format!("{spaced}{SEAM}{hash}{END}");
        assert_eq!(
            decode(7, LineHash([9; 32]), line.as_bytes()),
            Err(Fault::Shape)
        );
    }
}
