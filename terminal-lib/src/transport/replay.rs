//! Recording what passed, and playing it again: an honest double, for it checks what it is sent.

use super::{Ending, Transport, TransportError};

/// One command and its response, whole APDUs.
pub type Exchange = (Vec<u8>, Vec<u8>);

/// A transport that keeps every exchange. The bodies are kept too: for tests and vectors, not for logs.
pub struct Recording<T> {
    inner: T,
    exchanges: Vec<Exchange>,
}

impl<T: Transport> Recording<T> {
    /// Records what passes through `inner`.
    pub fn new(inner: T) -> Self {
        Self {
            inner,
            exchanges: Vec::new(),
        }
    }

    /// What has passed so far.
    pub fn exchanges(&self) -> &[Exchange] {
        &self.exchanges
    }

    /// Stops recording: the transport and what has passed.
    pub fn finish(self) -> (T, Vec<Exchange>) {
        (self.inner, self.exchanges)
    }
}

impl<T: Transport> Transport for Recording<T> {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError> {
        let response = self.inner.transmit(command)?;
        self.exchanges.push((command.to_vec(), response.clone()));
        Ok(response)
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

/// A card that answers as recorded, as long as it is asked as recorded.
pub struct Replay {
    atr: Vec<u8>,
    exchanges: Vec<Exchange>,
    next: usize,
}

impl Replay {
    /// Plays `exchanges` in order.
    pub fn new(atr: &[u8], exchanges: Vec<Exchange>) -> Self {
        Self {
            atr: atr.to_vec(),
            exchanges,
            next: 0,
        }
    }

    /// Whether everything recorded was played.
    pub fn is_finished(&self) -> bool {
        self.next == self.exchanges.len()
    }
}

impl Transport for Replay {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError> {
        let number = self.next;
        let differs = |why| {
            Err(TransportError::Reader(format!(
                "command {number} of the recording {why}"
            )))
        };
        match self.exchanges.get(number) {
            None => differs("does not exist: it ends before"),
            Some((recorded, _)) if recorded != command => differs("is another one"),
            Some((_, response)) => {
                self.next += 1;
                Ok(response.clone())
            }
        }
    }

    fn atr(&self) -> &[u8] {
        &self.atr
    }

    fn begin(&mut self) -> Result<(), TransportError> {
        Ok(())
    }

    fn end(&mut self, _: Ending) {}

    fn reconnect(&mut self) -> Result<(), TransportError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::in_process::InProcess;

    #[test]
    fn a_replay_answers_as_recorded_and_refuses_every_other_command() {
        let mut recording = Recording::new(InProcess::new(|command: &[u8]| {
            [command, &[0x90, 0]].concat()
        }));
        recording.transmit(&[1]).unwrap();
        recording.transmit(&[2]).unwrap();
        let (_, exchanges) = recording.finish();
        let mut replay = Replay::new(&[], exchanges);
        assert_eq!(replay.transmit(&[1]), Ok(vec![1, 0x90, 0]));
        assert!(replay.transmit(&[1]).is_err(), "the second command was [2]");
        assert!(!replay.is_finished());
        assert_eq!(replay.transmit(&[2]), Ok(vec![2, 0x90, 0]));
        assert!(replay.is_finished());
        assert!(replay.transmit(&[3]).is_err(), "nothing more was recorded");
    }
}
