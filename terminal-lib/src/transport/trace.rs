//! What passes between terminal and card, decoded and redacted: names, headers, lengths, structure, status words.
//!
//! Bodies never appear, at any level, and neither does the length of a PIN that is set in clear (§11.8).

use super::{Ending, Transport, TransportError};
use apdu::codec::command::{Command, Header};
use apdu::codec::status::StatusWord;
use apdu::codec::tlv::Reader;
use apdu::identifier::header;
use core::fmt;

/// One command and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceEvent {
    /// 1 for the first command.
    pub number: u64,
    /// The command.
    pub command: CommandTrace,
    /// The answer, or why there is none.
    pub response: Result<ResponseTrace, TransportError>,
}

/// A command without its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandTrace {
    /// Its name, by its header.
    pub name: &'static str,
    /// The four header bytes, as sent; none when the bytes were no command.
    pub header: Option<Header>,
    /// Bytes of the data field; none when the length itself tells something.
    pub length: Option<usize>,
    /// Tags and lengths of the data field: `7C(24) {80(4) 81(16)}`. Empty when it has no such structure.
    pub structure: String,
}

/// An answer without its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseTrace {
    /// Bytes of the data field.
    pub length: usize,
    /// Tags and lengths of the data field.
    pub structure: String,
    /// The status word; none when the answer was too short for one.
    pub status: Option<StatusWord>,
}

impl TraceEvent {
    /// Reads one exchange of whole APDUs.
    pub fn new(number: u64, command: &[u8], response: &Result<Vec<u8>, TransportError>) -> Self {
        let response = match response {
            Ok(bytes) => Ok(ResponseTrace::new(bytes)),
            Err(error) => Err(error.clone()),
        };
        Self {
            number,
            command: CommandTrace::new(command),
            response,
        }
    }
}

impl CommandTrace {
    fn new(bytes: &[u8]) -> Self {
        let Ok(command) = Command::parse(bytes) else {
            return Self {
                name: "not a command",
                header: None,
                length: Some(bytes.len()),
                structure: String::new(),
            };
        };
        let name = name(command.header);
        if [header::SET_PIN, header::SET_PUK].contains(&command.header) {
            return Self {
                name,
                header: Some(command.header),
                length: None,
                structure: String::new(),
            };
        }
        Self {
            name,
            header: Some(command.header),
            length: Some(command.data.len()),
            structure: structure(command.data),
        }
    }
}

impl ResponseTrace {
    fn new(bytes: &[u8]) -> Self {
        let (data, status) = match bytes.split_last_chunk() {
            Some((data, status)) => (data, Some(StatusWord(u16::from_be_bytes(*status)))),
            None => (bytes, None),
        };
        Self {
            length: data.len(),
            structure: structure(data),
            status,
        }
    }
}

impl fmt::Display for TraceEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            number,
            command,
            response,
        } = self;
        write!(f, "{number:>4} > {}", command.name)?;
        if let Some(header) = command.header {
            let [cla, ins, p1, p2] = header.to_bytes();
            write!(f, "  {cla:02X} {ins:02X} {p1:02X} {p2:02X}")?;
        }
        match command.length {
            Some(length) => write!(f, "  {length} bytes {}", command.structure)?,
            None => write!(f, "  (hidden)")?,
        }
        writeln!(f)?;
        match response {
            Err(error) => write!(f, "{number:>4} ! {error}"),
            Ok(response) => {
                write!(f, "{number:>4} < ")?;
                match response.status {
                    Some(status) => write!(f, "{status}")?,
                    None => write!(f, "no status word")?,
                }
                write!(f, "  {} bytes {}", response.length, response.structure)
            }
        }
    }
}

/// A transport that tells `watch` about every exchange.
pub struct Traced<T, F> {
    inner: T,
    watch: F,
    number: u64,
}

impl<T: Transport, F: FnMut(TraceEvent)> Traced<T, F> {
    /// Watches `inner`.
    pub fn new(inner: T, watch: F) -> Self {
        Self {
            inner,
            watch,
            number: 0,
        }
    }
}

impl<T: Transport, F: FnMut(TraceEvent)> Transport for Traced<T, F> {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError> {
        let response = self.inner.transmit(command);
        self.number += 1;
        (self.watch)(TraceEvent::new(self.number, command, &response));
        response
    }

    fn atr(&self) -> &[u8] {
        self.inner.atr()
    }

    fn begin(&mut self) -> Result<(), TransportError> {
        self.inner.begin()
    }

    fn end(&mut self, ending: Ending) {
        self.inner.end(ending);
    }

    fn reconnect(&mut self) -> Result<(), TransportError> {
        self.inner.reconnect()
    }

    fn takes_extended_length(&self) -> bool {
        self.inner.takes_extended_length()
    }

    fn extended_length_failed(&mut self) {
        self.inner.extended_length_failed();
    }
}

/// So many objects are named. A full vault's list has 256; an answer may hold 30,000, and a log is read by people.
const MAX_OBJECTS: usize = 320;

/// Tags and lengths of a row of objects; empty when the bytes are not one. `..` stands for what is too much.
fn structure(bytes: &[u8]) -> String {
    outline(Reader::new(bytes), &mut 0).unwrap_or_default()
}

fn outline(mut reader: Reader<'_>, named: &mut usize) -> Option<String> {
    let mut parts = Vec::new();
    while !reader.is_at_end() {
        if *named == MAX_OBJECTS {
            parts.push("..".to_owned());
            break;
        }
        *named += 1;
        let mut inside = reader.clone();
        let (tag, value) = reader.any().ok()??;
        let part = format!("{:02X}({})", tag.0, value.len());
        parts.push(match is_constructed(tag.0) {
            true => format!("{part} {{{}}}", outline(inside.enter(tag).ok()?, named)?),
            false => part,
        });
    }
    Some(parts.join(" "))
}

fn is_constructed(tag: u32) -> bool {
    const CONSTRUCTED: u8 = 0x20;
    tag.to_be_bytes()
        .into_iter()
        .find(|byte| *byte != 0)
        .is_some_and(|first| first & CONSTRUCTED != 0)
}

fn name(header: Header) -> &'static str {
    let header = header.unchained();
    NAMES
        .iter()
        .find(|(known, _)| *known == header)
        .map_or("unknown command", |(_, name)| name)
}

const NAMES: &[(Header, &str)] = &[
    (header::SELECT, "SELECT"),
    (header::VERIFY_CERTIFICATE, "VERIFY CERTIFICATE"),
    (header::RECONNECT, "AUTHENTICATE reconnect"),
    (header::KEY_EXCHANGE, "AUTHENTICATE key exchange"),
    (header::TERMINAL_RANDOM, "AUTHENTICATE terminal random"),
    (header::COMMIT, "AUTHENTICATE commit"),
    (header::CARD_CERTIFICATE, "GET DATA card certificate"),
    (header::STATUS, "GET DATA status"),
    (header::GET_STATUS_LIST, "GET DATA status list"),
    (header::PUT_STATUS_LIST, "PUT DATA status list"),
    (header::LIST_PAIRINGS, "GET DATA pairings"),
    (header::CHANGE_PAIRING, "PUT DATA change pairing"),
    (header::DELETE_PAIRING, "PUT DATA delete pairing"),
    (header::LIST_SERVICES, "GET DATA services"),
    (header::PUT_LINK, "PUT DATA link certificate"),
    (header::VERIFY, "VERIFY"),
    (header::CHANGE_PIN, "CHANGE PIN"),
    (header::CHANGE_PUK, "CHANGE PUK"),
    (header::UNBLOCK, "UNBLOCK PIN"),
    (header::FACTORY_RESET, "FACTORY RESET"),
    (header::SELECT_SERVICE, "SELECT service"),
    (header::SET_PIN, "SET PIN"),
    (header::SET_PUK, "SET PUK"),
    (header::GENERATE_KEY, "GENERATE KEY PAIR"),
    (header::STORE_CERTIFICATE, "STORE CERTIFICATE"),
    (header::ACTIVATE, "ACTIVATE"),
    (header::GET_RESPONSE, "GET RESPONSE"),
    (header::VAULT_LIST, "vault LIST"),
    (header::VAULT_READ, "vault READ"),
    (header::VAULT_WRITE, "vault WRITE"),
    (header::VAULT_DELETE, "vault DELETE"),
    (header::COUNTER_READ, "counter READ"),
    (header::COUNTER_ADD, "counter ADD"),
    (header::COUNTER_LIMIT, "counter LIMIT"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::in_process::InProcess;
    use apdu::message::reconnect::Challenge;

    /// T20: a card cannot fill the log.
    #[test]
    fn an_answer_of_very_many_objects_makes_a_short_line() {
        let many = |objects: usize| {
            ResponseTrace::new(&[[0x80, 0].repeat(objects), vec![0x90, 0]].concat())
        };
        assert_eq!(
            many(MAX_OBJECTS).structure,
            ["80(0)"; MAX_OBJECTS].join(" ")
        );
        let more = many(32_766).structure;
        assert!(
            more.ends_with("80(0) ..") && more.len() < 2_048,
            "{}",
            more.len()
        );
        let nested = [
            &[0x30, 0x82, 0xFF, 0xF8][..],
            &[0x80, 0].repeat(32_764),
            &[0x90, 0],
        ]
        .concat();
        assert!(ResponseTrace::new(&nested).structure.ends_with("80(0) ..}"));
    }

    #[test]
    fn a_traced_exchange_shows_structure_and_no_body() {
        let challenge = Challenge {
            hint: *b"HINT",
            terminal_nonce: [0xAB; 16],
        };
        let command = Command {
            header: header::RECONNECT,
            data: &challenge.encode(),
            expected: Some(256),
            form: apdu::codec::command::Form::Short,
        };
        let mut seen = Vec::new();
        let card = InProcess::new(|_: &[u8]| vec![0x6A, 0x80]);
        let mut traced = Traced::new(card, |event| seen.push(event));
        traced.transmit(&command.encode().unwrap()).unwrap();
        let text = seen[0].to_string();
        assert_eq!(
            text,
            "   1 > AUTHENTICATE reconnect  00 86 01 01  26 bytes 7C(24) {80(4) 81(16)}\n   \
             1 < 6A80 (wrong data)  0 bytes "
        );
        for secret in ["HINT", "ABAB", "171"] {
            assert!(!format!("{text} {:?}", seen[0]).contains(secret));
        }
    }

    #[test]
    fn a_pin_that_is_set_in_clear_shows_not_even_its_length() {
        let trace = |body: &[u8]| {
            let command = [&[0, 0x24, 1, 0x81], body].concat();
            TraceEvent::new(1, &command, &Ok(vec![0x90, 0]))
        };
        let short = trace(b"\x06271828");
        assert_eq!(short, trace(b"\x0831415926"));
        assert!(short.to_string().contains("SET PIN  00 24 01 81  (hidden)"));
        assert!(!format!("{short:?}").contains("271828"));
    }

    #[test]
    fn bytes_that_are_no_command_are_traced_as_that() {
        let event = TraceEvent::new(7, &[1, 2], &Err(TransportError::CardRemoved));
        assert_eq!(
            event.to_string(),
            "   7 > not a command  2 bytes \n   7 ! the card was removed; insert it again"
        );
    }
}
