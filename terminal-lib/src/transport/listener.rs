//! The terminal as the reader of a virtual card: a card that speaks vpcd's client protocol connects to it over TCP.
//!
//! Every message is a big-endian u16 length and that many bytes. One byte is a control message (00 power off, 01 power
//! on, 02 reset, 04 answer to reset wanted; only the last is answered); anything longer is an APDU. There is no
//! authentication and no encryption on this line: it listens on this machine only, unless told otherwise by name.

use super::{Ending, Transport, TransportError};
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

/// The port vpcd uses.
pub const VPCD_PORT: u16 = 35_963;
/// How long an answer may take before the card counts as removed.
const PATIENCE: Duration = Duration::from_secs(10);

const POWER_OFF: u8 = 0;
const POWER_ON: u8 = 1;
const RESET: u8 = 2;
const GET_ATR: u8 = 4;

/// A reader without a card: it waits for virtual cards.
pub struct Listener {
    socket: TcpListener,
}

impl Listener {
    /// Listens for cards on this machine; port 0 takes any free one.
    pub fn on_loopback(port: u16) -> Result<Self, TransportError> {
        Self::insecure_bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
    }

    /// Listens on any address. The line is not protected: whoever reaches it can be a card.
    pub fn insecure_bind(address: SocketAddr) -> Result<Self, TransportError> {
        let socket = TcpListener::bind(address).map_err(|error| {
            TransportError::Unavailable(format!("cannot listen for cards on {address}: {error}"))
        })?;
        Ok(Self { socket })
    }

    /// Where it listens.
    pub fn address(&self) -> Result<SocketAddr, TransportError> {
        self.socket
            .local_addr()
            .map_err(|error| TransportError::Reader(error.to_string()))
    }

    /// Waits until a card connects, and powers it up. Blocks for as long as it takes.
    pub fn wait_for_card(&self) -> Result<VirtualCard, TransportError> {
        let (stream, _) = self
            .socket
            .accept()
            .map_err(|error| TransportError::Reader(error.to_string()))?;
        VirtualCard::power_up(stream, PATIENCE)
    }
}

/// A virtual card that has connected.
pub struct VirtualCard {
    stream: TcpStream,
    atr: Vec<u8>,
}

impl VirtualCard {
    fn power_up(stream: TcpStream, patience: Duration) -> Result<Self, TransportError> {
        stream
            .set_nodelay(true)
            .and_then(|()| stream.set_read_timeout(Some(patience)))
            .and_then(|()| stream.set_write_timeout(Some(patience)))
            .map_err(|error| TransportError::Reader(error.to_string()))?;
        let mut card = Self {
            stream,
            atr: Vec::new(),
        };
        card.send(&[POWER_ON])?;
        card.read_atr()?;
        Ok(card)
    }

    fn read_atr(&mut self) -> Result<(), TransportError> {
        self.send(&[GET_ATR])?;
        self.atr = self.receive()?;
        Ok(())
    }

    /// Length and body leave in one write: two would wait for each other in the network stack.
    fn send(&mut self, body: &[u8]) -> Result<(), TransportError> {
        let length = u16::try_from(body.len())
            .map_err(|_| TransportError::Reader("a message of more than 65,535 bytes".into()))?;
        let message = [&length.to_be_bytes(), body].concat();
        self.stream.write_all(&message).map_err(gone)
    }

    fn receive(&mut self) -> Result<Vec<u8>, TransportError> {
        let mut length = [0; 2];
        self.stream.read_exact(&mut length).map_err(gone)?;
        let mut body = vec![0; u16::from_be_bytes(length).into()];
        self.stream.read_exact(&mut body).map_err(gone)?;
        Ok(body)
    }
}

/// A card that hangs up or stays silent was removed.
#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn gone(error: std::io::Error) -> TransportError {
    match error.kind() {
        ErrorKind::WouldBlock
        | ErrorKind::TimedOut
        | ErrorKind::UnexpectedEof
        | ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::BrokenPipe => TransportError::CardRemoved,
        _ => TransportError::Reader(error.to_string()),
    }
}

impl Transport for VirtualCard {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError> {
        // One byte would be a control message.
        if command.len() < 4 {
            return Err(TransportError::Reader(
                "a command of less than four bytes".into(),
            ));
        }
        self.send(command)?;
        self.receive()
    }

    fn atr(&self) -> &[u8] {
        &self.atr
    }

    fn begin(&mut self) -> Result<(), TransportError> {
        Ok(()) // nobody else uses this line
    }

    fn end(&mut self, ending: Ending) {
        if ending == Ending::Reset {
            // A card that is gone needs no reset; the next command will say so.
            let _ = self.send(&[RESET]);
        }
    }

    fn reconnect(&mut self) -> Result<(), TransportError> {
        self.send(&[RESET])?;
        self.read_atr()
    }
}

impl Drop for VirtualCard {
    fn drop(&mut self) {
        let _ = self.send(&[POWER_OFF]); // it may be gone already
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    /// Reads one message as a card does.
    fn message(stream: &mut TcpStream) -> Option<Vec<u8>> {
        let mut length = [0; 2];
        stream.read_exact(&mut length).ok()?;
        let mut body = vec![0; u16::from_be_bytes(length).into()];
        stream.read_exact(&mut body).ok()?;
        Some(body)
    }

    /// A card that notes what it is sent; silent on the APDU `FF FF FF FF`.
    fn card(address: SocketAddr) -> thread::JoinHandle<Vec<Vec<u8>>> {
        thread::spawn(move || {
            let mut stream = TcpStream::connect(address).unwrap();
            let mut seen = Vec::new();
            while let Some(body) = message(&mut stream) {
                let answer: &[u8] = match body.as_slice() {
                    [GET_ATR] => &[0, 2, 0x3B, 0],
                    [_] | [0xFF, ..] => &[],
                    _ => &[0, 2, 0x90, 0],
                };
                stream.write_all(answer).unwrap();
                seen.push(body);
            }
            seen
        })
    }

    /// ST-08: a virtual card is reached by the same trait as one in a reader.
    #[test]
    fn a_virtual_card_is_powered_used_reset_and_switched_off() {
        let listener = Listener::on_loopback(0).unwrap();
        let card = card(listener.address().unwrap());
        let mut transport = listener.wait_for_card().unwrap();
        assert_eq!(transport.atr(), [0x3B, 0]);
        assert_eq!(transport.transmit(&[0, 0xA4, 4, 0]), Ok(vec![0x90, 0]));
        assert!(transport.transmit(&[POWER_OFF]).is_err(), "not an APDU");
        transport.end(Ending::Leave);
        transport.end(Ending::Reset);
        drop(transport);
        let seen = card.join().unwrap();
        assert_eq!(
            seen,
            [
                &[POWER_ON][..],
                &[GET_ATR],
                &[0, 0xA4, 4, 0],
                &[RESET],
                &[POWER_OFF]
            ]
        );
    }

    #[test]
    fn a_card_that_stays_silent_or_hangs_up_was_removed() {
        let listener = Listener::on_loopback(0).unwrap();
        let silent = card(listener.address().unwrap());
        let (stream, _) = listener.socket.accept().unwrap();
        let mut transport = VirtualCard::power_up(stream, Duration::from_millis(50)).unwrap();
        assert_eq!(
            transport.transmit(&[0xFF; 4]),
            Err(TransportError::CardRemoved)
        );
        drop(transport);
        silent.join().unwrap();
        let address = listener.address().unwrap();
        let hangs_up = thread::spawn(move || drop(TcpStream::connect(address).unwrap()));
        assert!(matches!(
            listener.wait_for_card(),
            Err(TransportError::CardRemoved)
        ));
        hangs_up.join().unwrap();
    }
}
