//! T24: our BER-TLV and APDU readers against the crates `iso7816-tlv` and `iso7816`.
//!
//! Both sides read the same bytes. They may differ only by these rules, each a predicate on the bytes below:
//!
//! | rule | who is stricter | why |
//! |---|---|---|
//! | T1 | we | a tag in a longer form than it needs, or `00`..`1E`, `80` as second byte (§2: shortest form) |
//! | T2 | we | a length in a longer form than it needs, indefinite, or beyond `82 FF FF` (§2) |
//! | T3 | they | a tag whose first byte is 00 (ISO/IEC 8825-1); no object of ours has it, so the template refuses it |
//! | T4 | they | a constructed object with a value that is no sequence of objects; we look inside when a template enters it |
//! | A1 | they | class FF (ISO/IEC 7816-3, PPS); we answer 6E00 |
//! | A2 | we | an extended Lc of 0 (§4) |

use crate::tape::Tape;
use apdu::codec::command::{Command, Form};
use apdu::codec::tlv::{Reader, Tag, put_object};
use iso7816::command::CommandView;
use iso7816_tlv::ber::{Tlv, Value};

/// Objects may be nested this deep in a comparison; the other reader is recursive.
const MAX_DEPTH: u8 = 8;

/// How both sides saw an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Both read the same.
    Same,
    /// Both refused.
    BothRefused,
    /// They differed by this rule.
    Rule(&'static str),
}

/// Runs one input: its first byte chooses the reader.
pub fn run(input: &[u8]) -> Verdict {
    let mut tape = Tape::new(input);
    match tape.byte() % 2 {
        0 => objects(tape.take(1 << 12)),
        _ => command(tape.rest()),
    }
}

fn command(bytes: &[u8]) -> Verdict {
    let ours = Command::parse(bytes);
    let theirs = CommandView::try_from(bytes);
    match (ours, theirs) {
        (Ok(ours), Ok(theirs)) => {
            let header = [
                theirs.class().into_inner(),
                theirs.instruction().into(),
                theirs.p1,
                theirs.p2,
            ];
            assert_eq!(ours.header.to_bytes(), header);
            assert_eq!(ours.data, theirs.data());
            let expected = ours.expected.unwrap_or(0);
            assert_eq!(usize::try_from(expected), Ok(theirs.expected()));
            assert_eq!(ours.form == Form::Extended, theirs.extended);
            Verdict::Same
        }
        (Err(_), Err(_)) => Verdict::BothRefused,
        (Ok(ours), Err(_)) => {
            assert_eq!(ours.header.cla, 0xFF, "only we read {bytes:02X?}");
            Verdict::Rule("A1")
        }
        (Err(_), Ok(_)) => {
            let extended_lc_0 = bytes.len() == 9 && bytes[4..7] == [0, 0, 0];
            assert!(extended_lc_0, "only they read {bytes:02X?}");
            Verdict::Rule("A2")
        }
    }
}

fn objects(bytes: &[u8]) -> Verdict {
    let mut reader = Reader::new(bytes);
    let (theirs, rest) = Tlv::parse(bytes);
    match (reader.any(), theirs) {
        (Ok(None), Err(_)) | (Err(_), Err(_)) => Verdict::BothRefused,
        (Ok(Some((tag, value))), Ok(theirs)) => {
            let header = bytes.len() - reader.rest().len() - value.len();
            if let Some(rule) = compare(tag, value, &bytes[header..], &theirs, 0) {
                return Verdict::Rule(rule);
            }
            assert_eq!(reader.rest(), rest);
            let mut written = Vec::new();
            put_object(&mut written, tag, value);
            assert_eq!(written, bytes[..bytes.len() - rest.len()]);
            Verdict::Same
        }
        (Ok(Some((tag, value))), Err(_)) => {
            if first_byte(tag) == 0 {
                return Verdict::Rule("T3");
            }
            let opaque = is_constructed(tag) && !is_sequence(value, 0);
            assert!(opaque, "only we read {bytes:02X?}");
            Verdict::Rule("T4")
        }
        (ours, Ok(_)) => {
            assert!(ours.is_err(), "they read an object in nothing");
            Verdict::Rule(
                strictness(bytes).unwrap_or_else(|| panic!("only they read {bytes:02X?}")),
            )
        }
    }
}

/// Compares one object and, where both have looked inside, its children. Names the rule where only one of them has.
///
/// `from_value` goes on after the end of the value: the other reader lets a child with a long length reach past its parent.
fn compare(
    tag: Tag,
    value: &[u8],
    from_value: &[u8],
    theirs: &Tlv,
    depth: u8,
) -> Option<&'static str> {
    let spelled = theirs.tag().to_bytes().iter();
    let spelled = spelled.fold(0, |number, byte| number << 8 | u32::from(*byte));
    assert_eq!(tag.0, spelled);
    let children = match theirs.value() {
        Value::Primitive(bytes) => {
            assert_eq!(bytes, value);
            return None;
        }
        Value::Constructed(children) => children,
    };
    assert!(is_constructed(tag));
    let mut reader = Reader::new(value);
    for theirs in children {
        let before = reader.rest().len();
        let child = &from_value[value.len() - before..];
        let Ok(Some((tag, value))) = reader.any() else {
            return Some(
                strictness(child).unwrap_or_else(|| panic!("only they read {child:02X?}")),
            );
        };
        if depth == MAX_DEPTH {
            return None;
        }
        let header = before - reader.rest().len() - value.len();
        let rule = compare(tag, value, &child[header..], theirs, depth + 1);
        if rule.is_some() {
            return rule;
        }
    }
    assert!(reader.is_at_end(), "they left a child out of {value:02X?}");
    None
}

fn first_byte(tag: Tag) -> u8 {
    let bytes = tag.0.to_be_bytes();
    bytes.into_iter().find(|byte| *byte != 0).unwrap_or(0)
}

fn is_constructed(tag: Tag) -> bool {
    first_byte(tag) & 0x20 != 0
}

/// Whether a value is a sequence of objects, and so on inside: where the other reader looks and ours does not.
fn is_sequence(value: &[u8], depth: u8) -> bool {
    let mut reader = Reader::new(value);
    loop {
        match reader.any() {
            Ok(None) => return true,
            Ok(Some((tag, _))) if first_byte(tag) == 0 => return false,
            Ok(Some((tag, value))) => {
                let inside = is_constructed(tag) && depth < MAX_DEPTH;
                if inside && !is_sequence(value, depth + 1) {
                    return false;
                }
            }
            Err(_) => return false,
        }
    }
}

/// Which of T1 and T2 the first object breaks, read off its bytes without our reader.
fn strictness(bytes: &[u8]) -> Option<&'static str> {
    let (first, rest) = bytes.split_first()?;
    let mut rest = rest;
    if first & 0x1F == 0x1F {
        let (second, after) = rest.split_first()?;
        rest = after;
        if matches!(second, 0x00..=0x1E | 0x80) {
            return Some("T1");
        }
        if second & 0x80 != 0 {
            let (third, after) = rest.split_first()?;
            rest = after;
            if third & 0x80 != 0 {
                return Some("T1"); // four bytes
            }
        }
    }
    let long = match rest {
        [0x80, ..] => true,
        [0x81, length, ..] => *length < 0x80,
        [0x82, high, ..] => *high == 0,
        [0x83..=0xFF, ..] => true,
        _ => false,
    };
    long.then_some("T2")
}
