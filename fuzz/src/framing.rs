//! T21: the byte framing of vpcd, from both ends.
//!
//! A stream is cut into pieces as the fuzzer likes. The product must see in it what a second, simpler reader sees that has
//! the whole stream at once: no message more, none less, none of another kind, and no answer that cannot be sent.
//!
//! The first byte of an input chooses: the decoder alone, or both real ends over a loopback connection.

use crate::tape::Tape;
use card_sim::event::Event;
use card_sim::framing::{Decoder, Message, encode};
use card_sim::vpcd::{Body, StopFlag, VpcdClient};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use terminal_lib::transport::Transport;
use terminal_lib::transport::listener::Listener;

/// The longest stream of one input.
const MAX_STREAM: usize = 300_000;
const ATR: [u8; 2] = [0x3B, 0x00];

/// What an input did.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Whole messages in the stream.
    pub messages: usize,
    /// Whether it went over a connection.
    pub over_a_line: bool,
}

/// Runs one input.
pub fn run(input: &[u8]) -> Seen {
    let mut tape = Tape::new(input);
    let way = tape.byte();
    let cuts: Vec<usize> = tape.string().iter().map(|cut| usize::from(*cut)).collect();
    let stream = stream(&mut tape);
    let pieces = pieces(&stream, &cuts);
    let messages = match way {
        0..=247 => decode(&stream, &pieces),
        248..=251 => card_on_a_line(&stream, &pieces),
        252.. => terminal_on_a_line(&stream, &pieces),
    };
    Seen {
        messages,
        over_a_line: way >= 248,
    }
}

/// Bytes of a stream: raw ones, whole messages of a given length, or control bytes.
fn stream(tape: &mut Tape<'_>) -> Vec<u8> {
    let mut stream = Vec::new();
    while !tape.is_at_end() && stream.len() < MAX_STREAM {
        match tape.byte() % 4 {
            0 => stream.extend(tape.string()),
            1 => stream.extend([0, 1, tape.byte()]),
            2 => stream.extend([&[0, 4], tape.take(4)].concat()),
            _ => {
                let length = tape.number();
                stream.extend(length.to_be_bytes());
                stream.extend(std::iter::repeat_n(tape.byte(), length.into()));
            }
        }
    }
    stream
}

/// The stream cut after these numbers of bytes, over and over; 0 stands for the rest.
fn pieces<'a>(stream: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    let mut rest = stream;
    let mut cuts = cuts.iter().cycle();
    // Why the limit: tiny pieces of a long stream would only cost time.
    while !rest.is_empty() && pieces.len() < 4_096 {
        let cut = cuts.next().copied().unwrap_or(0);
        let cut = if cut == 0 {
            rest.len()
        } else {
            cut.min(rest.len())
        };
        let (piece, after) = rest.split_at(cut);
        pieces.push(piece);
        rest = after;
    }
    pieces.push(rest);
    pieces
}

/// The whole messages of a stream, as the second reader sees them.
fn bodies(mut stream: &[u8]) -> Vec<&[u8]> {
    let mut bodies = Vec::new();
    while stream.len() >= 2 {
        let length = usize::from(stream[0]) << 8 | usize::from(stream[1]);
        if stream.len() < 2 + length {
            break;
        }
        bodies.push(&stream[2..2 + length]);
        stream = &stream[2 + length..];
    }
    bodies
}

fn meant(body: &[u8]) -> Message {
    match (body.len(), body.first()) {
        (0, _) => Message::Empty,
        (1, Some(0)) => Message::PowerOff,
        (1, Some(1)) => Message::PowerOn,
        (1, Some(2)) => Message::Reset,
        (1, Some(4)) => Message::AtrWanted,
        (1, Some(other)) => Message::Unknown(*other),
        _ => Message::Command(body.to_vec()),
    }
}

fn decode(stream: &[u8], pieces: &[&[u8]]) -> usize {
    let mut decoder = Decoder::default();
    let mut seen = Vec::new();
    for piece in pieces {
        decoder.push(piece);
        seen.extend(std::iter::from_fn(|| decoder.next_message()));
    }
    let bodies = bodies(stream);
    let meant: Vec<Message> = bodies.iter().map(|body| meant(body)).collect();
    assert_eq!(seen, meant, "the decoder reads the stream otherwise");
    for body in &bodies {
        match encode(body) {
            Ok(frame) => assert_eq!(self::bodies(&frame), [*body], "an answer reads back"),
            Err(refused) => {
                assert_eq!(refused.length, body.len());
                assert!(body.len() < 2, "an answer that can be sent was refused");
            }
        }
    }
    bodies.len()
}

/// Answers every command with its own first and last byte, so that no answer can stand for another.
struct Echo;

fn echo(command: &[u8]) -> Vec<u8> {
    match command {
        // The card's body is only asked what it can answer; some of its answers cannot be sent.
        [0xEE, ..] => Vec::new(),
        [first, .., last] => vec![*first, *last, 0x90, 0x00],
        _ => vec![0x90, 0x00],
    }
}

impl Body for Echo {
    fn power_on(&mut self) {}
    fn power_off(&mut self) {}
    fn reset(&mut self) {}
    fn atr(&self) -> Vec<u8> {
        ATR.to_vec()
    }
    fn transmit(&mut self, command: &[u8]) -> Vec<u8> {
        echo(command)
    }
}

/// The card's client against a driver that sends the stream.
fn card_on_a_line(stream: &[u8], pieces: &[&[u8]]) -> usize {
    let driver = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = driver.local_addr().expect("an address").to_string();
    let bodies = bodies(stream);
    let mut expected = Vec::new();
    for body in &bodies {
        let answer = match meant(body) {
            Message::AtrWanted => ATR.to_vec(),
            Message::Unknown(_) => vec![0x67, 0x00],
            Message::Command(command) => match echo(&command) {
                answer if answer.len() < 2 => vec![0x6F, 0x00],
                answer => answer,
            },
            Message::Empty | Message::PowerOff | Message::PowerOn | Message::Reset => continue,
        };
        expected.extend(frame(&answer));
    }
    let answered = thread::scope(|scope| {
        let line = scope.spawn(move || converse(driver.accept().expect("the card").0, pieces));
        let stop = StopFlag::default();
        let raised = stop.clone();
        VpcdClient::new(address)
            .on_event(move |event| {
                if matches!(event, Event::Lost) {
                    raised.raise();
                }
            })
            .run(&mut Echo, &stop)
            .expect("an address of this machine");
        line.join().expect("the driver")
    });
    assert_eq!(answered, expected, "the card's answers");
    bodies.len()
}

/// Sends the pieces and reads until the other end hangs up.
fn converse(mut line: TcpStream, pieces: &[&[u8]]) -> Vec<u8> {
    line.set_nodelay(true).expect("a socket option");
    let mut reader = line.try_clone().expect("a second handle");
    thread::scope(|scope| {
        // Why a second thread: both sides would wait for ever once both buffers are full.
        let answers = scope.spawn(move || {
            let mut answers = Vec::new();
            let end = reader.read_to_end(&mut answers);
            end.map(|_| answers).unwrap_or_default()
        });
        for piece in pieces {
            // A reader that has hung up wants no more.
            if line.write_all(piece).is_err() {
                break;
            }
        }
        let _ = line.shutdown(Shutdown::Write); // it may be gone already
        answers.join().expect("the reading half")
    })
}

fn frame(body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).expect("a short body");
    [&length.to_be_bytes(), body].concat()
}

/// The terminal's reader against a card that sends the stream, whatever it is asked.
fn terminal_on_a_line(stream: &[u8], pieces: &[&[u8]]) -> usize {
    const COMMANDS: usize = 8;
    let reader = Listener::on_loopback(0).expect("a free port");
    let address = reader.address().expect("an address");
    let bodies = bodies(stream);
    thread::scope(|scope| {
        scope.spawn(move || {
            if let Ok(line) = TcpStream::connect(address) {
                converse(line, pieces);
            }
        });
        let mut expected = bodies.iter();
        let card = reader.wait_for_card();
        let atr = expected.next();
        assert_eq!(card.is_ok(), atr.is_some(), "a card that said its ATR");
        let (Ok(mut card), Some(atr)) = (card, atr) else {
            return;
        };
        assert_eq!(card.atr(), *atr);
        for _ in 0..COMMANDS {
            let answer = card.transmit(&[0x00, 0xA4, 0x04, 0x00]);
            match expected.next() {
                Some(body) => assert_eq!(answer.as_deref(), Ok(*body)),
                None => assert!(answer.is_err(), "an answer that no card gave"),
            }
        }
    });
    bodies.len()
}
