//! The data files: what a liar says where, and how the other end has to fail.

use super::puppet::{Scene, Step};
use serde::Deserialize;
use serde::de::{Deserializer, Error};

/// One file: the lies of one kind of peer.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct File {
    /// Who lies.
    pub peer: Peer,
    /// What it says.
    pub lies: Vec<Lie>,
}

/// A kind of liar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Peer {
    /// A hostile card, for testing terminals.
    Card,
    /// A hostile terminal, for testing cards.
    Terminal,
}

/// One lie, told once.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Lie {
    /// In words; no other lie of the file has this name.
    pub name: String,
    /// The item of the test plan, or the weakness of the patent, that it is about.
    pub item: String,
    /// Whether it is told in a set-up or in a session of a pairing.
    pub scene: Scene,
    /// At which step.
    pub step: Step,
    /// The how-manieth time that step comes, from 1.
    #[serde(default = "once")]
    pub time: usize,
    /// What is done to the message.
    pub deed: Deed,
    /// How the other end fails. A terminal: see [`class`](super::visit::class). A card: its word, and "protected" if it is under its MAC;
    /// or "not-recognised" where it goes on with a decoy.
    pub expected: String,
    /// The last step of the run that follows; the step of the lie itself if there is none.
    pub detected: Option<Step>,
}

fn once() -> usize {
    1
}

impl Lie {
    /// The last step of the run.
    pub fn detected(&self) -> Step {
        self.detected.unwrap_or(self.step)
    }
}

/// What is done. "Data" is the data field of a command, or an answer without its word.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Deed {
    /// One bit of the data is turned over; a negative place counts from the end.
    Flip {
        /// The byte.
        byte: isize,
        /// The bit, 0 is the lowest.
        bit: u8,
    },
    /// Other data.
    Data(Hex),
    /// The data without its last bytes.
    Cut(usize),
    /// More bytes behind the data.
    Extend(Hex),
    /// Something done to one object of secure messaging.
    Object {
        /// Its tag.
        tag: Hex,
        /// What is done.
        change: Change,
    },
    /// The data of an earlier message of the same direction in this visit.
    Earlier(Step),
    /// The data of a message of the same direction in an earlier, honest visit of the same pair.
    Recorded(Step),
    /// The data that the other end sent last.
    Mirror,
    /// A card: another word beside the same data.
    Word(Hex),
    /// A card: only this word.
    Bare(Hex),
    /// A terminal: another header.
    Header(Hex),
    /// A terminal: the step is left out.
    Skip,
    /// A terminal: the command goes out twice.
    Twice,
    /// A terminal: another step's command is sent, under the keys there are.
    Instead(Step),
    /// A terminal: the command without secure messaging.
    InClear,
    /// A terminal: the counter is moved first.
    Counter(i32),
    /// A terminal: it speaks under the keys of answers.
    OtherDirection,
    /// A terminal: these whole blocks in object 87, under a right MAC.
    Blocks(Hex),
    /// A terminal: another certificate for its own key.
    Certificate(Forgery),
    /// A terminal: other digits as the PIN.
    Digits(Hex),
}

/// What is done to an object.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Change {
    /// It is left out.
    Drop,
    /// It stands twice.
    Double,
    /// It stands behind all others.
    Last,
    /// It has another tag.
    Tag(Hex),
    /// It has another value.
    Value(Hex),
}

/// A certificate that a terminal must not get far with.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Forgery {
    /// The root certified the key, as a card's.
    OfACard,
    /// Its own signature under the root's name.
    SelfSigned,
    /// Somebody else's certificate: the key does not belong to it.
    OfAnother,
}

/// Bytes in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hex(pub Vec<u8>);

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let byte = |pair: &[u8]| {
            let pair = core::str::from_utf8(pair).ok()?;
            u8::from_str_radix(pair, 16).ok()
        };
        let bytes: Option<Vec<u8>> = text.as_bytes().chunks(2).map(byte).collect();
        match bytes.filter(|_| text.len().is_multiple_of(2)) {
            Some(bytes) => Ok(Self(bytes)),
            None => Err(D::Error::custom(format!("{text} is not hexadecimal"))),
        }
    }
}

impl File {
    /// Reads a file.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn read(text: &str) -> Result<Self, String> {
        let file: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let mut names: Vec<&str> = file.lies.iter().map(|lie| lie.name.as_str()).collect();
        names.sort_unstable();
        match names.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(format!("two lies are called {}", pair[0])),
            None => Ok(file),
        }
    }
}
