//! The client that plugs a card into one slot of the virtual reader driver `vpcd`; the only file here with sockets.
//!
//! `vpcd` is loaded by `pcscd` and listens on one TCP port per reader slot: 35963 for the first, 35964 for the second.
//! To connect is to insert the card, to close the connection is to remove it. The messages are those of
//! [`framing`](crate::framing).
//!
//! Why the socket options: Debian's driver sends length and command in two pieces, and the kernel holds the second one
//! back until the first is acknowledged, which our kernel delays by 40 ms. Asking for a quick acknowledgement, again
//! after every read and every write because Linux drops the wish by itself, takes a round trip from 44 ms to 0.05 ms.
//!
//! What it does not do: `vpcd` has no notion of who connects. It listens on all interfaces, so anyone on the network can
//! insert a card; keep the port behind a firewall or in a network namespace. And an application that transmits one
//! single byte `00`, `01` or `02` blocks the driver for ever: it looks like a control message, which has no answer.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use thiserror::Error;

use crate::event::{Event, complain};
use crate::fault::{Fault, Plan, flip};
use crate::framing::{Decoder, Message, encode};

/// The TCP port of the driver's first slot; slot *n* is *n* ports higher.
pub const FIRST_PORT: u16 = 35963;

/// How soon the stop flag is noticed while the line is silent.
const READ_TIMEOUT: Duration = Duration::from_millis(100);
/// A driver that takes nothing for this long is gone.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// `pcscd` looks every 400 ms whether the card is there. A card that comes back sooner was never gone for it: it would
/// go on with a session that the card has forgotten.
const PAUSE_AFTER_REMOVAL: Duration = Duration::from_millis(600);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// What the reader hears when the card gave an answer that cannot be sent (§17: no precise diagnosis).
const NO_DIAGNOSIS: [u8; 2] = [0x6F, 0x00];
/// What an application hears that transmits a single byte (§17: wrong length).
const WRONG_LENGTH: [u8; 2] = [0x67, 0x00];

/// A card as the reader sees it: contacts that get power, bytes in, bytes out.
pub trait Body {
    /// The card gets power: volatile state starts anew.
    fn power_on(&mut self);
    /// The card loses power. Also called when the connection to the reader ends.
    fn power_off(&mut self);
    /// The card is reset while it has power.
    fn reset(&mut self);
    /// The answer to reset, 2 to 33 bytes.
    fn atr(&self) -> Vec<u8>;
    /// Carries out one command APDU of 2 to 65,535 bytes and gives the response APDU of 2 to 65,535 bytes.
    fn transmit(&mut self, command: &[u8]) -> Vec<u8>;
}

/// Says to a running [`VpcdClient`], from any thread, that the card is to be removed.
#[derive(Debug, Clone, Default)]
pub struct StopFlag(Arc<AtomicBool>);

impl StopFlag {
    /// Removes the card within about 100 ms.
    pub fn raise(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether the flag was raised.
    pub fn is_raised(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

type Hook = Box<dyn FnMut(&Event<'_>) + Send>;

/// Why [`VpcdClient::run`] ended other than by the stop flag.
#[derive(Debug, Error)]
pub enum VpcdError {
    /// The address is not `host:port`, or the host has no address.
    #[error("{address} is not an address of a vpcd slot: {source}")]
    Address {
        /// The address as given.
        address: String,
        /// What is wrong with it.
        source: io::Error,
    },
}

/// One card in one reader slot.
pub struct VpcdClient {
    address: String,
    hook: Hook,
    faults: Plan,
    powered: bool,
}

impl VpcdClient {
    /// A client for the slot at `host:port`. Until [`Self::on_event`] is called, faults of the driver and of the card
    /// are written to standard error and everything else is silent.
    pub fn new(address: impl Into<String>) -> Self {
        Self {
            address: address.into(),
            hook: Box::new(complain),
            faults: Plan::default(),
            powered: false,
        }
    }

    /// A client for slot 0, 1, ... of the `vpcd` on this machine.
    pub fn slot(slot: u8) -> Self {
        Self::new(format!("127.0.0.1:{}", FIRST_PORT + u16::from(slot)))
    }

    /// Calls `hook` for everything that happens, instead of writing complaints to standard error.
    #[must_use]
    pub fn on_event(mut self, hook: impl FnMut(&Event<'_>) + Send + 'static) -> Self {
        self.hook = Box::new(hook);
        self
    }

    /// Plans a fault at the n-th command, counted from 1 over the client's whole life. For tests.
    #[must_use]
    pub fn with_fault(mut self, command: u64, fault: Fault) -> Self {
        self.faults.add(command, fault);
        self
    }

    /// Keeps the card in the slot until the flag is raised. A driver that is not there is tried again after a pause
    /// that doubles from 50 ms to 2 s. When a connection was lost the card stays out for 600 ms.
    ///
    /// # Errors
    /// [`VpcdError::Address`] when the address can never work.
    pub fn run(&mut self, body: &mut dyn Body, stop: &StopFlag) -> Result<(), VpcdError> {
        let addresses = self.addresses()?;
        let mut pause = FIRST_PAUSE;
        while !stop.is_raised() {
            match connect(&addresses) {
                Ok(line) => {
                    (self.hook)(&Event::Inserted);
                    self.powered = false;
                    self.serve(line, body, stop);
                    body.power_off();
                    if !stop.is_raised() {
                        (self.hook)(&Event::Lost);
                        wait(PAUSE_AFTER_REMOVAL, stop);
                    }
                    pause = FIRST_PAUSE;
                }
                Err(error) => {
                    (self.hook)(&Event::Unreachable {
                        error: &error,
                        pause,
                    });
                    wait(pause, stop);
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
        Ok(())
    }

    fn addresses(&self) -> Result<Vec<SocketAddr>, VpcdError> {
        let refused = |source| VpcdError::Address {
            address: self.address.clone(),
            source,
        };
        let found: Vec<_> = self.address.to_socket_addrs().map_err(refused)?.collect();
        if found.is_empty() {
            return Err(refused(io::Error::new(
                ErrorKind::NotFound,
                "the host has no address",
            )));
        }
        Ok(found)
    }

    /// Serves one connection until it breaks or the flag is raised.
    fn serve(&mut self, mut line: TcpStream, body: &mut dyn Body, stop: &StopFlag) {
        let mut decoder = Decoder::default();
        let mut piece = vec![0; 0x1_0002];
        while !stop.is_raised() {
            let count = match line.read(&mut piece) {
                Ok(0) => return,
                Ok(count) => count,
                Err(error) if is_silence(&error) => continue,
                Err(_) => return,
            };
            quick_ack(&line);
            decoder.push(piece.get(..count).unwrap_or_default());
            while let Some(message) = decoder.next_message() {
                let Some(frame) = self.answer(&message, body) else {
                    continue;
                };
                let sent = line.write_all(&frame.bytes);
                quick_ack(&line);
                if sent.is_err() || frame.last {
                    return;
                }
            }
        }
    }

    /// What to send for one message, if anything.
    fn answer(&mut self, message: &Message, body: &mut dyn Body) -> Option<Frame> {
        match message {
            Message::PowerOff => {
                self.powered = false;
                body.power_off();
            }
            Message::PowerOn => self.power_on(body),
            Message::Reset => {
                self.powered = true;
                body.reset();
            }
            Message::Empty => (self.hook)(&Event::EmptyMessage),
            Message::AtrWanted => {
                return Some(Frame {
                    bytes: self.frame(&body.atr()),
                    last: false,
                });
            }
            Message::Unknown(byte) => {
                // Why answered: no driver sends such a byte, so an application did, and pcscd waits for its answer.
                (self.hook)(&Event::UnknownControl(*byte));
                return Some(Frame {
                    bytes: self.frame(&WRONG_LENGTH),
                    last: false,
                });
            }
            Message::Command(command) => {
                if !self.powered {
                    // Why: a driver that missed a removal sends on without switching the card on.
                    self.power_on(body);
                }
                return Some(self.exchange(command, body));
            }
        }
        None
    }

    fn power_on(&mut self, body: &mut dyn Body) {
        self.powered = true;
        body.power_on();
    }

    fn exchange(&mut self, command: &[u8], body: &mut dyn Body) -> Frame {
        let faults = self.faults.next_command();
        for fault in &faults {
            (self.hook)(&Event::Fault(*fault));
        }
        if faults.contains(&Fault::DropBefore) {
            return Frame {
                bytes: Vec::new(),
                last: true,
            };
        }
        let start = Instant::now();
        let mut answer = body.transmit(command);
        let took = start.elapsed();
        for fault in &faults {
            match fault {
                Fault::FlipBit { bit } => flip(&mut answer, *bit),
                Fault::Delay(delay) => std::thread::sleep(*delay),
                Fault::DropBefore | Fault::DropAfter | Fault::CutAnswer { .. } => {}
            }
        }
        let mut frame = Frame {
            bytes: self.frame(&answer),
            last: false,
        };
        let status_word = frame
            .bytes
            .last_chunk()
            .map_or(0, |word| u16::from_be_bytes(*word));
        (self.hook)(&Event::Exchange {
            command: command.len(),
            answer: answer.len(),
            status_word,
            took,
        });
        for fault in faults {
            match fault {
                Fault::DropAfter => {
                    frame = Frame {
                        bytes: Vec::new(),
                        last: true,
                    }
                }
                Fault::CutAnswer { keep } => {
                    frame.bytes.truncate(keep);
                    frame.last = true;
                }
                Fault::DropBefore | Fault::Delay(_) | Fault::FlipBit { .. } => {}
            }
        }
        frame
    }

    /// The answer as it goes over the line; 6F00 in place of one that cannot.
    fn frame(&mut self, answer: &[u8]) -> Vec<u8> {
        encode(answer).unwrap_or_else(|refused| {
            (self.hook)(&Event::UnsendableAnswer {
                length: refused.length,
            });
            [&[0, 2], &NO_DIAGNOSIS[..]].concat()
        })
    }
}

/// Bytes for the line, and whether the card is pulled after them.
struct Frame {
    bytes: Vec<u8>,
    last: bool,
}

fn connect(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut last = io::Error::from(ErrorKind::AddrNotAvailable);
    for address in addresses {
        match TcpStream::connect_timeout(address, CONNECT_TIMEOUT) {
            Ok(line) => {
                line.set_nodelay(true)?;
                line.set_read_timeout(Some(READ_TIMEOUT))?;
                line.set_write_timeout(Some(WRITE_TIMEOUT))?;
                quick_ack(&line);
                return Ok(line);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Asks the kernel to acknowledge at once. Only speed depends on it, so a refusal is not an error.
#[cfg(target_os = "linux")]
fn quick_ack(line: &TcpStream) {
    use std::os::linux::net::TcpStreamExt;
    let _ = line.set_quickack(true);
}

/// Other systems have no such option: there a driver that sends in one piece is the only cure.
#[cfg(not(target_os = "linux"))]
fn quick_ack(_line: &TcpStream) {}

fn is_silence(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    )
}

fn wait(pause: Duration, stop: &StopFlag) {
    let end = Instant::now() + pause;
    while !stop.is_raised() {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        std::thread::sleep(left.min(READ_TIMEOUT));
    }
}
