//! Secure messaging by hand (§10): the terminal's end, and whatever either end could be made to say.
//!
//! Written from the protocol and not from the product's own channel: it can pad wrongly, count wrongly, use the other direction's
//! keys, and put any objects under a right MAC.

use apdu::codec::command::Header;
use apdu::crypto::{BLOCK, CipherKey, MacKey};

/// Which way a message goes; each has keys of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the terminal to the card.
    Command,
    /// From the card to the terminal.
    Answer,
}

/// Keys and counter of a session.
#[derive(Clone)]
pub struct Messaging {
    keys: [u8; 128],
    /// The counter of the last message.
    pub counter: u128,
}

/// `x || 80 || 00*` to a whole block.
pub fn pad(data: &[u8]) -> Vec<u8> {
    let mut padded = data.to_vec();
    padded.push(0x80);
    padded.resize(padded.len().next_multiple_of(BLOCK), 0);
    padded
}

/// `tag length value` with the shortest length.
pub fn object(tag: u8, value: &[u8]) -> Vec<u8> {
    let length = match value.len() {
        length @ ..0x80 => vec![u8::try_from(length).unwrap()],
        length @ 0x80..0x100 => vec![0x81, u8::try_from(length).unwrap()],
        length => {
            let [high, low] = u16::try_from(length).unwrap().to_be_bytes();
            vec![0x82, high, low]
        }
    };
    [&[tag], length.as_slice(), value].concat()
}

/// The top-level objects of a well-formed data field, each with its tag and length.
pub fn objects(field: &[u8]) -> Option<Vec<(u8, Vec<u8>)>> {
    let (mut rest, mut found) = (field, Vec::new());
    while let [tag, after @ ..] = rest {
        let (length, value) = match after {
            [0x81, length, value @ ..] => (usize::from(*length), value),
            [0x82, high, low, value @ ..] => {
                (usize::from(u16::from_be_bytes([*high, *low])), value)
            }
            [length, value @ ..] => (usize::from(*length), value),
            [] => return None,
        };
        let (value, after) = value.split_at_checked(length)?;
        found.push((*tag, value.to_vec()));
        rest = after;
    }
    Some(found)
}

impl Messaging {
    /// A session whose keys were just made.
    pub fn new(keys: [u8; 128]) -> Self {
        Self { keys, counter: 0 }
    }

    /// The same counter under `encC || macC || encT || macT`.
    pub fn swap_directions(&mut self) {
        self.keys.rotate_left(64);
    }

    fn key(&self, direction: Direction, part: usize) -> &[u8; 32] {
        let half = match direction {
            Direction::Command => 0,
            Direction::Answer => 64,
        };
        self.keys[half + 32 * part..].first_chunk().unwrap()
    }

    /// CBC over whole blocks as they are, under the IV of this counter.
    pub fn encrypt(&self, direction: Direction, counter: u128, blocks: &[u8]) -> Vec<u8> {
        let cipher = CipherKey::new(self.key(direction, 0));
        let mut last = cipher.encrypt_block(&counter.to_be_bytes());
        let (blocks, rest) = blocks.as_chunks::<BLOCK>();
        assert!(rest.is_empty(), "only whole blocks can be encrypted");
        let mut encrypted = Vec::new();
        for block in blocks {
            last = cipher.encrypt_block(&core::array::from_fn(|at| block[at] ^ last[at]));
            encrypted.extend(last);
        }
        encrypted
    }

    /// Any objects of a command under a right MAC for this counter.
    pub fn finish_command(&self, counter: u128, header: Header, field: &[u8]) -> Vec<u8> {
        let input = [
            &counter.to_be_bytes()[..],
            &pad(&header.unchained().to_bytes()),
            field,
        ];
        self.finish(Direction::Command, &input.concat(), field)
    }

    /// Any objects of an answer under a right MAC for this counter.
    pub fn finish_answer(&self, counter: u128, field: &[u8]) -> Vec<u8> {
        let input = [&counter.to_be_bytes()[..], field];
        self.finish(Direction::Answer, &input.concat(), field)
    }

    fn finish(&self, direction: Direction, input: &[u8], field: &[u8]) -> Vec<u8> {
        let mac = MacKey::new(self.key(direction, 1)).mac(&[&pad(input)]);
        [field, &object(0x8E, &mac)].concat()
    }

    /// The data field of the next command; `expected` is the content of object 97, if there is one.
    pub fn seal(&mut self, header: Header, data: &[u8], expected: Option<&[u8]>) -> Vec<u8> {
        self.counter += 1;
        let mut field = Vec::new();
        if !data.is_empty() {
            let cryptogram = self.encrypt(Direction::Command, self.counter, &pad(data));
            field.extend(object(0x87, &[&[0x01], cryptogram.as_slice()].concat()));
        }
        if let Some(expected) = expected {
            field.extend(object(0x97, expected));
        }
        self.finish_command(self.counter, header, &field)
    }

    /// The plain data of the next answer; `None` unless it is authentic and its protected word is the outer one.
    pub fn open(&mut self, field: &[u8], word: u16) -> Option<Vec<u8>> {
        self.counter += 1;
        let found = objects(field)?;
        let (cryptogram, status) = match found.as_slice() {
            [(0x87, cryptogram), (0x99, status), (0x8E, _)] => (Some(cryptogram), status),
            [(0x99, status), (0x8E, _)] => (None, status),
            _ => return None,
        };
        let authenticated = field
            .split_at_checked(field.len().checked_sub(2 + BLOCK)?)?
            .0;
        let is_ours = self.finish_answer(self.counter, authenticated) == field;
        if !is_ours || *status != word.to_be_bytes() {
            return None;
        }
        let Some(cryptogram) = cryptogram else {
            return Some(Vec::new());
        };
        let cipher = CipherKey::new(self.key(Direction::Answer, 0));
        let iv = cipher.encrypt_block(&self.counter.to_be_bytes());
        let plain = cipher
            .decrypt(&iv, cryptogram.strip_prefix(&[0x01])?)
            .ok()?;
        Some(plain.to_vec())
    }
}
