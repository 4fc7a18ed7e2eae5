//! The fuzzer's bytes as a tape of choices. At its end every choice is 0 and every string is empty.

/// What is left of an input.
#[derive(Clone)]
pub struct Tape<'a>(&'a [u8]);

impl<'a> Tape<'a> {
    /// A tape from its beginning.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Whether everything was taken.
    pub fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    /// One byte.
    pub fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((byte, rest)) => {
                self.0 = rest;
                *byte
            }
            None => 0,
        }
    }

    /// Two bytes as a number.
    pub fn number(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    /// A choice below `limit`, which is not 0.
    pub fn below(&mut self, limit: usize) -> usize {
        usize::from(self.byte()) % limit
    }

    /// As many bytes, or what is left.
    pub fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// A length byte and as many bytes.
    pub fn string(&mut self) -> &'a [u8] {
        let count = self.byte();
        self.take(count.into())
    }

    /// All that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        self.take(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tape_gives_its_bytes_in_order_and_zeros_after_its_end() {
        let mut tape = Tape::new(&[1, 2, 3, 2, 5, 6, 9]);
        assert_eq!((tape.byte(), tape.number()), (1, 0x0203));
        assert_eq!(tape.string(), [5, 6]);
        assert!(!tape.is_at_end());
        assert_eq!((tape.rest(), tape.is_at_end()), (&[9][..], true));
        assert_eq!((tape.byte(), tape.below(3)), (0, 0));
        assert!(tape.string().is_empty());
    }

    #[test]
    fn a_string_that_is_too_long_is_what_is_left() {
        assert_eq!(Tape::new(&[200, 1]).string(), [1]);
    }
}
