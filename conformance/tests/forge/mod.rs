//! Certificates that the product's own encoder would never write: a tree of objects that can be edited at will, written by an encoder
//! of its own, and signed anew.
#![allow(dead_code, reason = "each test file uses its part of the forge")]

pub mod cases;

use apdu::crypto::PrivateKey;
use std::fmt;

/// One object: a value, or children.
#[derive(Clone, PartialEq, Eq)]
pub enum Object {
    Value(u32, Vec<u8>),
    Template(u32, Vec<Self>),
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(tag, value) => write!(f, "{tag:X}({})", value.len()),
            Self::Template(tag, children) => write!(f, "{tag:X} {children:?}"),
        }
    }
}

fn tag_bytes(tag: u32) -> Vec<u8> {
    let bytes = tag.to_be_bytes();
    bytes.into_iter().skip_while(|byte| *byte == 0).collect()
}

/// `tag length value` with the shortest length.
pub fn encode(tag: u32, value: &[u8]) -> Vec<u8> {
    let length = match value.len() {
        short @ 0..0x80 => vec![u8::try_from(short).unwrap()],
        long @ 0x80..0x100 => vec![0x81, u8::try_from(long).unwrap()],
        longer => [&[0x82], &u16::try_from(longer).unwrap().to_be_bytes()[..]].concat(),
    };
    [tag_bytes(tag), length, value.to_vec()].concat()
}

impl Object {
    pub fn tag(&self) -> u32 {
        match self {
            Self::Value(tag, _) | Self::Template(tag, _) => *tag,
        }
    }

    pub fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Value(tag, value) => encode(*tag, value),
            Self::Template(tag, children) => encode(
                *tag,
                &children.iter().flat_map(Self::bytes).collect::<Vec<_>>(),
            ),
        }
    }

    /// Reads a row of well-formed objects.
    fn read_all(mut bytes: &[u8]) -> Vec<Self> {
        let mut objects = Vec::new();
        while let [first, rest @ ..] = bytes {
            let (tag, rest) = match (first & 0x1F, rest) {
                (0x1F, [second, rest @ ..]) => (u32::from(*first) << 8 | u32::from(*second), rest),
                _ => (u32::from(*first), rest),
            };
            let (length, rest) = match rest {
                [0x81, length, rest @ ..] => (usize::from(*length), rest),
                [0x82, high, low, rest @ ..] => {
                    (usize::from(u16::from_be_bytes([*high, *low])), rest)
                }
                [length, rest @ ..] => (usize::from(*length), rest),
                [] => panic!("no length"),
            };
            let (value, rest) = rest.split_at(length);
            objects.push(match first & 0x20 {
                0 => Self::Value(tag, value.to_vec()),
                _ => Self::Template(tag, Self::read_all(value)),
            });
            bytes = rest;
        }
        objects
    }

    /// Reads one well-formed object.
    pub fn read(bytes: &[u8]) -> Self {
        let mut objects = Self::read_all(bytes);
        assert_eq!(objects.len(), 1);
        let object = objects.remove(0);
        assert_eq!(object.bytes(), bytes, "the forge reads what it writes");
        object
    }

    pub fn children(&mut self) -> &mut Vec<Self> {
        match self {
            Self::Template(_, children) => children,
            Self::Value(tag, _) => panic!("{tag:X} has no children"),
        }
    }

    /// The template in which the object at `path` stands, and its place there.
    pub fn place(&mut self, path: &[u32]) -> (&mut Vec<Self>, usize) {
        let (last, before) = path.split_last().unwrap();
        let template = before.iter().fold(self, |object, tag| object.child(*tag));
        let at = template
            .children()
            .iter()
            .position(|child| child.tag() == *last)
            .unwrap();
        (template.children(), at)
    }

    fn child(&mut self, tag: u32) -> &mut Self {
        self.children()
            .iter_mut()
            .find(|child| child.tag() == tag)
            .unwrap()
    }

    /// The value at `path`.
    pub fn value(&mut self, path: &[u32]) -> &mut Vec<u8> {
        let (row, at) = self.place(path);
        match &mut row[at] {
            Self::Value(_, value) => value,
            Self::Template(tag, _) => panic!("{tag:X} is a template"),
        }
    }

    /// Signs the body of a certificate anew, if it has a body and a signature.
    pub fn sign(&mut self, key: &PrivateKey) {
        let find = |objects: &[Self], tag| objects.iter().position(|object| object.tag() == tag);
        let children = self.children();
        if let (Some(body), Some(at)) = (find(children, 0x7F4E), find(children, 0x5F37)) {
            children[at] = Self::Value(0x5F37, key.sign(&children[body].bytes()).to_vec());
        }
    }

    /// The paths of all objects below this one, in the order of the encoding, each with the tag that follows it in its template.
    pub fn paths(&mut self) -> Vec<(Vec<u32>, Option<u32>)> {
        let Self::Template(_, children) = self else {
            return Vec::new();
        };
        let tags: Vec<u32> = children.iter().map(Self::tag).collect();
        let mut all = Vec::new();
        for (at, child) in children.iter_mut().enumerate() {
            let tag = child.tag();
            all.push((vec![tag], tags.get(at + 1).copied()));
            for (path, next) in child.paths() {
                all.push(([vec![tag], path].concat(), next));
            }
        }
        all
    }
}
