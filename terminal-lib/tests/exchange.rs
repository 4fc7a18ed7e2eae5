//! Logical commands over every kind of reader (§4).
#![expect(clippy::unwrap_used, reason = "a test may stop")]

use apdu::codec::command::{Command, Form, Header};
use apdu::codec::response::Response;
use apdu::codec::status::StatusWord;
use apdu::identifier::{SUITES, header};
use apdu::message::select::{Capabilities, Fci};
use terminal_lib::exchange::{Exchange, ExchangeError, Expects, MAX_RESPONSE, Outgoing};
use terminal_lib::transport::replay::Replay;
use terminal_lib::transport::{Ending, Transport, TransportError};

const HEADER: Header = Header::new(0x0C, 0xDA, 1, 2);

fn outgoing(length: usize, expects: Expects) -> Outgoing {
    Outgoing {
        header: HEADER,
        data: vec![7; length],
        expects,
    }
}

/// A reader whose card joins chains and echoes the logical data field, with the faults of some readers.
#[derive(Default)]
struct Reader {
    chain: Vec<u8>,
    waiting: Vec<u8>,
    commands: Vec<Vec<u8>>,
    /// Answer this to extended commands instead of passing them on.
    refuses_extended: Option<Result<Vec<u8>, TransportError>>,
    extended_failed: bool,
    begun: u32,
    ended: Vec<Ending>,
}

impl Reader {
    fn give(&mut self, form: Form) -> Vec<u8> {
        let limit = if form == Form::Short { 256 } else { 65_533 };
        let now = self.waiting.len().min(limit);
        let rest = self.waiting.split_off(now);
        let data = std::mem::replace(&mut self.waiting, rest);
        let status = match self.waiting.len() {
            0 => StatusWord::OK,
            count => StatusWord::bytes_waiting(count),
        };
        Response { data, status }.into_bytes()
    }
}

impl Transport for Reader {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError> {
        self.commands.push(command.to_vec());
        let command = Command::parse(command).unwrap();
        if command.form == Form::Extended
            && let Some(refusal) = &self.refuses_extended
        {
            return refusal.clone();
        }
        if command.header == header::GET_RESPONSE {
            return Ok(self.give(Form::Short));
        }
        self.chain.extend_from_slice(command.data);
        if command.header.is_chained() {
            return Ok(vec![0x90, 0]);
        }
        self.waiting = std::mem::take(&mut self.chain);
        Ok(self.give(command.form))
    }

    fn atr(&self) -> &[u8] {
        &[]
    }

    fn begin(&mut self) -> Result<(), TransportError> {
        self.begun += 1;
        Ok(())
    }

    fn end(&mut self, ending: Ending) {
        self.ended.push(ending);
    }

    fn reconnect(&mut self) -> Result<(), TransportError> {
        Ok(())
    }

    fn takes_extended_length(&self) -> bool {
        !self.extended_failed
    }

    fn extended_length_failed(&mut self) {
        self.extended_failed = true;
    }
}

fn fci(capabilities: u8, max_command: u16) -> Fci {
    Fci {
        version: 1,
        suites: SUITES,
        capabilities: Capabilities(capabilities),
        max_command,
        max_response: 0xFFFF,
        prand: [0; 8],
        tags: [[0; 4]; 16],
    }
}

/// Sends one echo of `length` bytes to a card that announces `fci`.
fn echo(reader: &mut Reader, fci: &Fci, length: usize) -> usize {
    let before = reader.commands.len();
    let mut exchange = Exchange::begin(reader).unwrap();
    exchange.learn_limits(fci);
    let response = exchange.send(&outgoing(length, Expects::Long)).unwrap();
    assert_eq!(response, Response::ok(vec![7; length]), "{length} bytes");
    drop(exchange);
    reader.commands.len() - before
}

/// ST-02, ST-09: one logical command, in as many APDUs as the card and the reader need.
#[test]
fn a_logical_command_of_any_length_comes_back_whole_in_both_forms() {
    for (capabilities, lengths) in [
        (
            0x82,
            [
                (0, 1),
                (255, 1),
                (256, 2),
                (257, 2 + 1),
                (40_960, 161 + 159),
            ],
        ),
        (0x83, [(0, 1), (255, 1), (256, 1), (257, 1), (40_960, 1)]),
    ] {
        for (length, apdus) in lengths {
            let sent = echo(&mut Reader::default(), &fci(capabilities, 0xFFFF), length);
            assert_eq!(
                sent, apdus,
                "capabilities {capabilities:02X}, {length} bytes"
            );
        }
    }
}

#[test]
fn a_short_command_stays_short_on_a_card_with_extended_length() {
    let mut reader = Reader::default();
    let mut exchange = Exchange::begin(&mut reader).unwrap();
    exchange.learn_limits(&fci(0x83, 0xFFFF));
    exchange.send(&outgoing(16, Expects::Short)).unwrap();
    exchange.send(&outgoing(300, Expects::Short)).unwrap();
    drop(exchange);
    let forms: Vec<_> = reader
        .commands
        .iter()
        .map(|bytes| Command::parse(bytes).unwrap())
        .map(|command| (command.form, command.expected))
        .collect();
    assert_eq!(
        forms,
        [(Form::Short, Some(256)), (Form::Extended, Some(65_536))]
    );
}

#[test]
fn the_longest_command_a_card_announces_is_respected() {
    let mut reader = Reader::default();
    assert_eq!(
        echo(&mut reader, &fci(0x83, 300), 291),
        1,
        "300 bytes in all"
    );
    assert!(echo(&mut reader, &fci(0x83, 300), 292) > 1);
}

#[test]
fn a_reader_that_failed_with_extended_length_is_not_asked_again() {
    for refusal in [
        Ok(vec![0x67, 0x00]),
        Err(TransportError::Reader("too long".into())),
    ] {
        let mut reader = Reader {
            refuses_extended: Some(refusal),
            ..Reader::default()
        };
        assert_eq!(echo(&mut reader, &fci(0x83, 0xFFFF), 256), 1 + 2);
        assert_eq!(echo(&mut reader, &fci(0x83, 0xFFFF), 256), 2, "remembered");
    }
    let mut reader = Reader {
        refuses_extended: Some(Err(TransportError::CardRemoved)),
        ..Reader::default()
    };
    let mut exchange = Exchange::begin(&mut reader).unwrap();
    exchange.learn_limits(&fci(0x83, 0xFFFF));
    assert_eq!(
        exchange.send(&outgoing(300, Expects::Nothing)),
        Err(TransportError::CardRemoved.into()),
        "a card that is gone is no reason to try again"
    );
}

/// Sends `command` to a card that answers as scripted; every scripted command must be sent.
fn scripted(command: &Outgoing, script: &[(&[u8], &[u8])]) -> Result<Response, ExchangeError> {
    let exchanges = script.iter().map(|(c, r)| (c.to_vec(), r.to_vec()));
    let mut replay = Replay::new(&[], exchanges.collect());
    let response = Exchange::begin(&mut replay).unwrap().send(command);
    assert!(replay.is_finished(), "something was not sent");
    response
}

const ASK: Outgoing = Outgoing {
    header: Header::new(0, 0xCA, 1, 1),
    data: Vec::new(),
    expects: Expects::Short,
};

#[test]
fn a_corrected_le_is_followed_once() {
    let corrected = scripted(
        &ASK,
        &[
            (&[0, 0xCA, 1, 1, 0], &[0x6C, 2]),
            (&[0, 0xCA, 1, 1, 2], &[1, 2, 0x90, 0]),
        ],
    );
    assert_eq!(corrected, Ok(Response::ok(vec![1, 2])));
    let twice = scripted(
        &ASK,
        &[
            (&[0, 0xCA, 1, 1, 0], &[0x6C, 2]),
            (&[0, 0xCA, 1, 1, 2], &[0x6C, 3]),
        ],
    );
    assert_eq!(twice, Ok(Response::bare(StatusWord(0x6C03))));
}

#[test]
fn waiting_bytes_are_fetched_and_a_refusal_on_the_way_is_the_response() {
    let fetched = scripted(
        &ASK,
        &[
            (&[0, 0xCA, 1, 1, 0], &[0x61, 2]),
            (&[0, 0xC0, 0, 0, 2], &[1, 0x61, 1]),
            (&[0, 0xC0, 0, 0, 1], &[2, 0x90, 0]),
        ],
    );
    assert_eq!(fetched, Ok(Response::ok(vec![1, 2])));
    let refused = scripted(
        &ASK,
        &[
            (&[0, 0xCA, 1, 1, 0], &[9, 0x61, 2]),
            (&[0, 0xC0, 0, 0, 2], &[0x69, 0x82]),
        ],
    );
    assert_eq!(
        refused,
        Ok(Response::bare(StatusWord::SECURITY_NOT_SATISFIED))
    );
}

#[test]
fn a_card_that_announces_bytes_for_ever_is_stopped() {
    let silent = scripted(
        &ASK,
        &[
            (&[0, 0xCA, 1, 1, 0], &[0x61, 2]),
            (&[0, 0xC0, 0, 0, 2], &[0x61, 2]),
        ],
    );
    assert!(matches!(silent, Err(ExchangeError::Misbehaved(_))));
    let mut asked = 0;
    let endless = terminal_lib::transport::in_process::InProcess::new(|_: &[u8]| {
        asked += 1;
        [&[5; 256][..], &[0x61, 0]].concat()
    });
    let mut endless = endless;
    let response = Exchange::begin(&mut endless).unwrap().send(&ASK);
    assert!(matches!(response, Err(ExchangeError::Misbehaved(_))));
    drop(endless);
    assert!(asked <= MAX_RESPONSE / 256 + 2, "{asked} commands");
}

/// §4: a terminal takes what it asks for, 65,533 bytes, whole or in pieces; one byte more is no answer.
#[test]
fn the_longest_answer_is_taken_in_both_forms_and_one_byte_more_is_not() {
    use terminal_lib::transport::in_process::InProcess;
    const LONGEST: usize = 65_533;
    for extended in [true, false] {
        for length in [40_960, 41_985, LONGEST, LONGEST + 1] {
            let mut left = length;
            let mut card = InProcess::new(|_: &[u8]| {
                let now = if extended { left } else { left.min(256) };
                left -= now;
                let word = match left {
                    0 => [0x90, 0],
                    1..256 => [0x61, u8::try_from(left).unwrap()],
                    _ => [0x61, 0],
                };
                [&vec![5; now][..], &word].concat()
            });
            let mut exchange = Exchange::begin(&mut card).unwrap();
            exchange.learn_limits(&fci(if extended { 0x83 } else { 0x82 }, 0xFFFF));
            let answer = exchange.send(&outgoing(16, Expects::Long));
            match answer {
                Ok(answer) => assert_eq!(
                    (answer.data.len(), answer.status),
                    (length.min(LONGEST), StatusWord::OK)
                ),
                Err(error) => {
                    assert!(length > LONGEST, "{length}, extended {extended}: {error}");
                    assert!(matches!(error, ExchangeError::Misbehaved(_)));
                }
            }
            drop(exchange);
        }
    }
}

#[test]
fn segments_are_answered_by_a_bare_9000_or_the_chain_ends() {
    let long = outgoing(256, Expects::Nothing);
    let first = [&[0x1C, 0xDA, 1, 2, 255][..], &[7; 255]].concat();
    assert_eq!(
        scripted(&long, &[(&first, &[0x68, 0x84])]),
        Ok(Response::bare(StatusWord::CHAINING_UNSUPPORTED))
    );
    assert!(matches!(
        scripted(&long, &[(&first, &[1, 0x90, 0])]),
        Err(ExchangeError::Misbehaved(_))
    ));
    assert!(matches!(
        scripted(&long, &[(&first, &[0x90])]),
        Err(ExchangeError::Misbehaved(_))
    ));
}

#[test]
fn exclusive_use_ends_once_and_as_was_asked() {
    let mut reader = Reader::default();
    let mut exchange = Exchange::begin(&mut reader).unwrap();
    exchange.release();
    exchange.release();
    exchange.hold().unwrap();
    exchange.reset_at_end();
    drop(exchange);
    assert_eq!(reader.begun, 2);
    assert_eq!(reader.ended, [Ending::Leave, Ending::Reset]);
}
