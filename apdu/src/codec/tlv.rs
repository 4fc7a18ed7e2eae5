//! Strict BER-TLV (§2): definite lengths, shortest forms, tags up to 3 bytes, lengths up to `82 FF FF`, depth up to 8.
//!
//! One value has one encoding. A [`Reader`] borrows its input, takes objects in the order the template gives them, and
//! [`finish`](Reader::finish) refuses a rest; so an unknown, repeated or misplaced object is an error by construction.

use alloc::vec::Vec;

/// Objects may be nested this deep.
pub const MAX_DEPTH: u8 = 8;
/// The longest value, bytes: what `82 FF FF` can say.
pub const MAX_VALUE: usize = 0xFFFF;

/// A tag of one to three bytes, as the number its bytes spell: `0x7F21`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(pub u32);

/// What is wrong with an encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TlvFault {
    /// The input ends inside a tag, a length or a value.
    #[error("ends too early")]
    Truncated,
    /// The tag is not in its shortest form, or longer than three bytes.
    #[error("tag in a form that is not allowed")]
    Tag,
    /// The length is indefinite, not in its shortest form, or longer than three bytes.
    #[error("length in a form that is not allowed")]
    Length,
    /// Another object stands where this one was expected.
    #[error("expected object {:X}", .0.0)]
    Expected(Tag),
    /// The value is not one that the template allows here.
    #[error("value of object {:X} is not allowed", .0.0)]
    Value(Tag),
    /// Bytes follow where the template has ended.
    #[error("bytes left over")]
    Rest,
    /// Nested deeper than [`MAX_DEPTH`].
    #[error("nested too deep")]
    Depth,
}

/// A malformed encoding, with the offset of the object that is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{fault} (at byte {position})")]
pub struct TlvError {
    /// What is wrong.
    pub fault: TlvFault,
    /// Offset from the start of the outermost input.
    pub position: usize,
}

/// A cursor over the objects of one level.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
    position: usize,
    depth: u8,
}

impl<'a> Reader<'a> {
    /// Reads `input` from its first byte.
    pub fn new(input: &'a [u8]) -> Self {
        Self {
            rest: input,
            position: 0,
            depth: 0,
        }
    }

    /// Whether every byte of this level was taken.
    pub fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// What is left of this level, untouched.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// An error at the cursor.
    pub fn error(&self, fault: TlvFault) -> TlvError {
        TlvError {
            fault,
            position: self.position,
        }
    }

    /// Takes the next object, whatever its tag; `None` at the end.
    pub fn any(&mut self) -> Result<Option<(Tag, &'a [u8])>, TlvError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let object = self.peek()?;
        self.position += object.header + object.value.len();
        self.rest = object.after;
        Ok(Some((object.tag, object.value)))
    }

    /// Takes the next object, which must have this tag.
    pub fn expect(&mut self, tag: Tag) -> Result<&'a [u8], TlvError> {
        let position = self.position;
        match self.any()? {
            Some((found, value)) if found == tag => Ok(value),
            _ => Err(TlvError {
                fault: TlvFault::Expected(tag),
                position,
            }),
        }
    }

    /// Takes the next object if it has this tag.
    pub fn optional(&mut self, tag: Tag) -> Result<Option<&'a [u8]>, TlvError> {
        if self.rest.is_empty() || self.peek()?.tag != tag {
            return Ok(None);
        }
        self.expect(tag).map(Some)
    }

    /// Takes the next object, which must have this tag and exactly `N` bytes.
    pub fn fixed<const N: usize>(&mut self, tag: Tag) -> Result<[u8; N], TlvError> {
        let wrong = self.error(TlvFault::Value(tag));
        self.expect(tag)?.try_into().map_err(|_| wrong)
    }

    /// Takes the next object, which must have this tag and exactly this value.
    pub fn exactly(&mut self, tag: Tag, value: &[u8]) -> Result<(), TlvError> {
        let wrong = self.error(TlvFault::Value(tag));
        if self.expect(tag)? == value {
            Ok(())
        } else {
            Err(wrong)
        }
    }

    /// Enters the next object, which must have this tag: a reader for its children.
    pub fn enter(&mut self, tag: Tag) -> Result<Reader<'a>, TlvError> {
        let before = self.position;
        let whole = self.rest.len();
        let value = self.expect(tag)?;
        if self.depth + 1 > MAX_DEPTH {
            return Err(TlvError {
                fault: TlvFault::Depth,
                position: before,
            });
        }
        let header = whole - self.rest.len() - value.len();
        Ok(Reader {
            rest: value,
            position: before + header,
            depth: self.depth + 1,
        })
    }

    /// Ends this level: nothing may be left.
    pub fn finish(self) -> Result<(), TlvError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(self.error(TlvFault::Rest))
        }
    }

    fn peek(&self) -> Result<Object<'a>, TlvError> {
        split_object(self.rest).map_err(|fault| self.error(fault))
    }
}

struct Object<'a> {
    tag: Tag,
    header: usize,
    value: &'a [u8],
    after: &'a [u8],
}

fn split_object(input: &[u8]) -> Result<Object<'_>, TlvFault> {
    let (tag, rest) = split_tag(input)?;
    let (length, rest) = split_length(rest)?;
    let header = input.len() - rest.len();
    let (value, after) = rest.split_at_checked(length).ok_or(TlvFault::Truncated)?;
    Ok(Object {
        tag,
        header,
        value,
        after,
    })
}

fn split_tag(input: &[u8]) -> Result<(Tag, &[u8]), TlvFault> {
    match *input {
        [] => Err(TlvFault::Truncated),
        [first, ref rest @ ..] if first & 0x1F != 0x1F => Ok((Tag(first.into()), rest)),
        // Two bytes: numbers 31 to 127. A smaller number has a one-byte form.
        [first, second @ 0x1F..=0x7F, ref rest @ ..] => {
            Ok((Tag(u32::from_be_bytes([0, 0, first, second])), rest))
        }
        // Three bytes: numbers 128 and up; a leading 80 would be a zero digit.
        [
            first,
            second @ 0x81..=0xFF,
            third @ 0x00..=0x7F,
            ref rest @ ..,
        ] => Ok((Tag(u32::from_be_bytes([0, first, second, third])), rest)),
        [_] | [_, 0x81..=0xFF] => Err(TlvFault::Truncated),
        _ => Err(TlvFault::Tag),
    }
}

fn split_length(input: &[u8]) -> Result<(usize, &[u8]), TlvFault> {
    match *input {
        [length @ 0..=0x7F, ref rest @ ..] => Ok((length.into(), rest)),
        [0x81, length @ 0x80..=0xFF, ref rest @ ..] => Ok((length.into(), rest)),
        [0x82, high @ 1..=0xFF, low, ref rest @ ..] => {
            Ok((u16::from_be_bytes([high, low]).into(), rest))
        }
        [] | [0x81] | [0x82] | [0x82, 1..=0xFF] => Err(TlvFault::Truncated),
        _ => Err(TlvFault::Length),
    }
}

/// Builds objects in order; the counterpart of [`Reader`].
#[derive(Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// An empty template.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends one object. Values are at most [`MAX_VALUE`] bytes: the callers' own limits are lower.
    #[must_use]
    pub fn put(mut self, tag: Tag, value: &[u8]) -> Self {
        put_object(&mut self.0, tag, value);
        self
    }

    /// Appends one object with children.
    #[must_use]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a template is used up by its parent"
    )]
    pub fn nest(mut self, tag: Tag, children: Self) -> Self {
        put_object(&mut self.0, tag, &children.0);
        self
    }

    /// Appends bytes that are already encoded.
    #[must_use]
    pub fn raw(mut self, encoded: &[u8]) -> Self {
        self.0.extend_from_slice(encoded);
        self
    }

    /// The encoding.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// Appends `tag`, the shortest length and `value` to `out`.
///
/// # Panics
/// When `value` is longer than [`MAX_VALUE`]: every caller's own limit is below it.
pub fn put_object(out: &mut Vec<u8>, tag: Tag, value: &[u8]) {
    assert!(
        value.len() <= MAX_VALUE,
        "an object's value is at most 65,535 bytes"
    );
    let tag = tag.0.to_be_bytes();
    let leading_zeros = tag.iter().take_while(|byte| **byte == 0).count().min(3);
    out.extend(tag.iter().skip(leading_zeros));
    let [.., high, low] = value.len().to_be_bytes();
    match (high, low) {
        (0, 0..=0x7F) => out.push(low),
        (0, _) => out.extend([0x81, low]),
        _ => out.extend([0x82, high, low]),
    }
    out.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(input: &[u8]) -> TlvFault {
        Reader::new(input).any().unwrap_err().fault
    }

    #[test]
    fn every_length_at_a_border_has_one_form_and_reads_back() {
        for (length, header) in [(0, 2), (127, 2), (128, 3), (255, 3), (256, 4), (65_535, 4)] {
            let bytes = Writer::new()
                .put(Tag(0x80), &alloc::vec![7; length])
                .into_bytes();
            assert_eq!(bytes.len(), header + length, "length {length}");
            let mut reader = Reader::new(&bytes);
            assert_eq!(reader.expect(Tag(0x80)).unwrap().len(), length);
            reader.finish().unwrap();
        }
    }

    #[test]
    fn longer_forms_of_a_length_are_refused() {
        for long in [
            &[0x80, 0x81, 1, 9][..],
            &[0x80, 0x82, 0, 1, 9],
            &[0x80, 0x83, 0, 0, 1, 9],
        ] {
            assert_eq!(fault(long), TlvFault::Length);
        }
        assert_eq!(
            fault(&[0x80, 0x80, 1, 2, 0, 0]),
            TlvFault::Length,
            "indefinite"
        );
    }

    #[test]
    fn second_spellings_of_a_tag_are_refused() {
        assert_eq!(fault(&[0x5F, 0x0A, 0]), TlvFault::Tag);
        assert_eq!(fault(&[0x1F, 0x80, 0x01, 0]), TlvFault::Tag);
        assert_eq!(
            fault(&[0x1F, 0x81, 0x80, 0x01, 0]),
            TlvFault::Tag,
            "four bytes"
        );
        let three = Writer::new().put(Tag(0x1F_8101), &[1]).into_bytes();
        assert_eq!(Reader::new(&three).expect(Tag(0x1F_8101)).unwrap(), [1]);
    }

    #[test]
    fn a_child_cannot_reach_past_its_parent() {
        // The parent ends inside its child, whose bytes follow outside.
        let bytes = [0x30, 0x03, 0x80, 0x02, 0x01, 0xBB];
        let mut outer = Reader::new(&bytes);
        let mut inner = outer.enter(Tag(0x30)).unwrap();
        assert_eq!(
            inner.any().unwrap_err(),
            TlvError {
                fault: TlvFault::Truncated,
                position: 2
            }
        );
    }

    #[test]
    fn truncation_at_every_byte_is_noticed() {
        let whole = Writer::new()
            .nest(Tag(0x7F21), Writer::new().put(Tag(0x5F37), &[3; 200]))
            .into_bytes();
        for length in 1..whole.len() {
            assert_eq!(
                fault(&whole[..length]),
                TlvFault::Truncated,
                "cut at {length}"
            );
        }
    }

    #[test]
    fn nesting_stops_at_the_limit_without_recursion() {
        let mut bytes = Vec::new();
        for _ in 0..=MAX_DEPTH {
            bytes = Writer::new().put(Tag(0x30), &bytes).into_bytes();
        }
        let mut reader = Reader::new(&bytes);
        for _ in 0..MAX_DEPTH {
            reader = reader.enter(Tag(0x30)).unwrap();
        }
        assert_eq!(reader.enter(Tag(0x30)).unwrap_err().fault, TlvFault::Depth);
    }

    #[test]
    fn repeated_and_left_over_objects_are_refused_by_the_template() {
        let twice = Writer::new()
            .put(Tag(0x80), &[1])
            .put(Tag(0x80), &[2])
            .into_bytes();
        let mut reader = Reader::new(&twice);
        reader.fixed::<1>(Tag(0x80)).unwrap();
        assert_eq!(reader.clone().finish().unwrap_err().fault, TlvFault::Rest);
        assert_eq!(
            reader.fixed::<1>(Tag(0x81)).unwrap_err().fault,
            TlvFault::Expected(Tag(0x81))
        );
    }

    #[test]
    fn positions_name_the_object_that_is_wrong() {
        let bytes = [0x30, 0x05, 0x80, 0x01, 0x00, 0x81, 0x00];
        let mut inner = Reader::new(&bytes).enter(Tag(0x30)).unwrap();
        inner.expect(Tag(0x80)).unwrap();
        assert_eq!(inner.fixed::<1>(Tag(0x81)).unwrap_err().position, 5);
    }
}
