//! Cards in real readers, through PC/SC. The only file that names the crate `pcsc` (§16).
//!
//! The connection lives in a thread of its own, which follows requests: a transaction borrows the connection for as long
//! as it is held, and that is the shape of a loop within a loop, not of a field in a struct.

use super::{Ending, Transport, TransportError};
use pcsc::{Card, Context, Disposition, Error, Protocols, ReaderState, Scope, ShareMode, State};
use std::ffi::{CStr, CString};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// The longest response APDU: 65,536 bytes of data and the status word.
const LONGEST_RESPONSE: usize = 65_538;
/// The longest short command APDU: header, Lc, 255 bytes, Le.
const LONGEST_SHORT_COMMAND: usize = 261;
/// T=1, or whatever of T=0 and T=1 the card speaks.
const PROTOCOLS: Protocols = Protocols::ANY;
/// So many resets by other programs are waited out while a connection is made.
const MOST_RESETS: usize = 8;

/// The readers of this machine.
pub struct Readers {
    context: Context,
}

impl Readers {
    /// Asks the operating system's card service for access.
    pub fn open() -> Result<Self, TransportError> {
        let context = Context::establish(Scope::User).map_err(fault)?;
        Ok(Self { context })
    }

    /// The readers that are attached now.
    pub fn names(&self) -> Result<Vec<String>, TransportError> {
        let names = self.list()?;
        Ok(names
            .iter()
            .map(|name| name.to_string_lossy().into_owned())
            .collect())
    }

    /// The one reader whose name contains `part`; none or several are an error that lists them.
    pub fn find(&self, part: &str) -> Result<String, TransportError> {
        let names = self.names()?;
        let mut matching = names.iter().filter(|name| name.contains(part));
        match (matching.next(), matching.next()) {
            (Some(only), None) => Ok(only.clone()),
            (None, _) if names.is_empty() => {
                Err(TransportError::Unavailable("no reader is attached".into()))
            }
            (None, _) => Err(TransportError::Unavailable(format!(
                "no reader's name contains \"{part}\"; attached: {}",
                names.join(", ")
            ))),
            (Some(_), Some(_)) => Err(TransportError::Unavailable(format!(
                "several readers' names contain \"{part}\": {}",
                names.join(", ")
            ))),
        }
    }

    /// Waits until a card is in a reader whose name contains `part` ("" for any), and connects to it.
    ///
    /// Blocks in the card service, which wakes it up; readers may come and go meanwhile. `None` waits for ever.
    pub fn wait_for_card(
        &self,
        part: &str,
        patience: Option<Duration>,
    ) -> Result<PcscTransport, TransportError> {
        let deadline = patience.map(|patience| Instant::now() + patience);
        let mut states = vec![ReaderState::new(pcsc::PNP_NOTIFICATION(), State::UNAWARE)];
        loop {
            self.follow_readers(&mut states)?;
            if !self.wait_for_change(&mut states, deadline)? {
                return Err(TransportError::Unavailable(
                    "no card was inserted in time".into(),
                ));
            }
            for state in &states {
                let present = state.event_state().contains(State::PRESENT)
                    && !state
                        .event_state()
                        .intersects(State::MUTE | State::EXCLUSIVE);
                if present && state.name().to_string_lossy().contains(part) {
                    match self.connect_to(state.name()) {
                        Err(TransportError::CardRemoved) => {} // taken out again at once
                        connected => return connected,
                    }
                }
            }
        }
    }

    /// Waits until no card is in `reader`, or the reader is gone. False when `patience` ran out first.
    pub fn wait_for_removal(
        &self,
        reader: &str,
        patience: Option<Duration>,
    ) -> Result<bool, TransportError> {
        let deadline = patience.map(|patience| Instant::now() + patience);
        let mut states = [ReaderState::new(c_name(reader)?, State::UNAWARE)];
        loop {
            match self.wait_for_change(&mut states, deadline) {
                Ok(true) => {}
                Ok(false) => return Ok(false),
                Err(TransportError::Unavailable(_) | TransportError::CardRemoved) => {
                    return Ok(true);
                }
                Err(error) => return Err(error),
            }
            let gone = State::EMPTY | State::UNKNOWN | State::IGNORE | State::UNAVAILABLE;
            if states
                .iter()
                .any(|state| state.event_state().intersects(gone))
            {
                return Ok(true);
            }
            states.iter_mut().for_each(ReaderState::sync_current_state);
        }
    }

    /// Connects to the card in `reader`, shared with other programs.
    pub fn connect(&self, reader: &str) -> Result<PcscTransport, TransportError> {
        self.connect_to(&c_name(reader)?)
    }

    fn connect_to(&self, reader: &CStr) -> Result<PcscTransport, TransportError> {
        let mut card = self
            .context
            .connect(reader, ShareMode::Shared, PROTOCOLS)
            .map_err(fault)?;
        let atr = atr(&mut card).map_err(fault)?;
        let (requests, incoming) = channel();
        let (outgoing, answers) = channel();
        let worker = thread::Builder::new()
            .name("card".into())
            .spawn(move || serve(card, &incoming, &outgoing))
            .map_err(|error| TransportError::Reader(error.to_string()))?;
        Ok(PcscTransport {
            reader: reader.to_string_lossy().into_owned(),
            atr,
            extended_length: true,
            line: Some((requests, answers)),
            worker: Some(worker),
        })
    }

    fn list(&self) -> Result<Vec<CString>, TransportError> {
        match self.context.list_readers_owned() {
            Err(Error::NoReadersAvailable) => Ok(Vec::new()),
            other => other.map_err(fault),
        }
    }

    /// Adds readers that have come, drops those that have gone, and takes every state as known.
    fn follow_readers(&self, states: &mut Vec<ReaderState>) -> Result<(), TransportError> {
        let gone = State::UNKNOWN | State::IGNORE;
        states.retain(|state| {
            state.name() == pcsc::PNP_NOTIFICATION() || !state.event_state().intersects(gone)
        });
        states.iter_mut().for_each(ReaderState::sync_current_state);
        for name in self.list()? {
            if states.iter().all(|state| state.name() != name.as_c_str()) {
                states.push(ReaderState::new(name, State::UNAWARE));
            }
        }
        Ok(())
    }

    /// False when the deadline has passed.
    fn wait_for_change(
        &self,
        states: &mut [ReaderState],
        deadline: Option<Instant>,
    ) -> Result<bool, TransportError> {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        match self.context.get_status_change(left, states) {
            Ok(()) => Ok(true),
            Err(Error::Timeout) => Ok(false),
            Err(error) => Err(fault(error)),
        }
    }
}

/// The card's answer to reset. Another program may reset the card at this very moment, and that does no harm yet.
fn atr(card: &mut Card) -> Result<Vec<u8>, Error> {
    for _ in 0..MOST_RESETS {
        match card.status2_owned() {
            Err(Error::ResetCard) => {
                card.reconnect(ShareMode::Shared, PROTOCOLS, Disposition::LeaveCard)?;
            }
            status => return status.map(|status| status.atr().to_vec()),
        }
    }
    Err(Error::ResetCard)
}

fn c_name(reader: &str) -> Result<CString, TransportError> {
    CString::new(reader)
        .map_err(|_| TransportError::Unavailable("a reader's name has no zero byte".into()))
}

/// A card in a reader. Other programs may use it, too, while no exclusive use was begun.
pub struct PcscTransport {
    reader: String,
    atr: Vec<u8>,
    extended_length: bool,
    line: Option<(Sender<Request>, Receiver<Answer>)>,
    worker: Option<JoinHandle<()>>,
}

enum Request {
    Transmit(Zeroizing<Vec<u8>>),
    Begin,
    End(Ending),
    Reconnect,
}

type Answer = Result<Vec<u8>, TransportError>;

impl PcscTransport {
    /// The reader's name.
    pub fn reader(&self) -> &str {
        &self.reader
    }

    fn ask(&self, request: Request) -> Answer {
        let ended = || TransportError::Reader("the connection to the reader has ended".into());
        let (requests, answers) = self.line.as_ref().ok_or_else(ended)?;
        requests.send(request).map_err(|_| ended())?;
        answers.recv().map_err(|_| ended())?
    }
}

impl Transport for PcscTransport {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError> {
        self.ask(Request::Transmit(Zeroizing::new(command.to_vec())))
    }

    fn atr(&self) -> &[u8] {
        &self.atr
    }

    fn begin(&mut self) -> Result<(), TransportError> {
        self.ask(Request::Begin).map(drop)
    }

    fn end(&mut self, ending: Ending) {
        // A card that is gone needs no ending; the next request will say so.
        let _ = self.ask(Request::End(ending));
    }

    fn reconnect(&mut self) -> Result<(), TransportError> {
        self.atr = self.ask(Request::Reconnect)?;
        Ok(())
    }

    fn takes_extended_length(&self) -> bool {
        self.extended_length
    }

    fn extended_length_failed(&mut self) {
        self.extended_length = false;
    }
}

impl Drop for PcscTransport {
    fn drop(&mut self) {
        self.line = None; // the worker's loop ends with its line
        if let Some(worker) = self.worker.take() {
            let _ = worker.join();
        }
    }
}

/// Follows requests while no transaction is held.
fn serve(mut card: Card, requests: &Receiver<Request>, answers: &Sender<Answer>) {
    let mut buffer = vec![0; LONGEST_RESPONSE];
    while let Ok(request) = requests.recv() {
        let answer = match request {
            Request::Transmit(command) => transmit(&card, &command, &mut buffer),
            Request::Reconnect => reconnect(&mut card),
            Request::End(_) => Ok(Vec::new()),
            Request::Begin => match card.transaction() {
                Err(error) => Err(fault(error)),
                Ok(held) => match serve_held(held, requests, answers, &mut buffer) {
                    Some(answer) => answer,
                    None => break,
                },
            },
        };
        if answers.send(answer).is_err() {
            break;
        }
    }
    // Why: dropping the card would reset it under the programs that share it.
    let _ = card.disconnect(Disposition::LeaveCard);
}

/// Follows requests while a transaction is held; the answer to its end, or `None` when nobody asks any more.
fn serve_held(
    mut held: pcsc::Transaction<'_>,
    requests: &Receiver<Request>,
    answers: &Sender<Answer>,
    buffer: &mut [u8],
) -> Option<Answer> {
    answers.send(Ok(Vec::new())).ok()?;
    let mut gone = false;
    loop {
        let answer = match requests.recv().ok()? {
            Request::Transmit(command) => {
                let answer = transmit(&held, &command, buffer);
                gone = answer == Err(TransportError::CardRemoved);
                answer
            }
            Request::Begin => Ok(Vec::new()),
            Request::Reconnect => held
                .reconnect(ShareMode::Shared, PROTOCOLS, Disposition::LeaveCard)
                .and_then(|()| held.status2_owned())
                .map(|status| status.atr().to_vec())
                .map_err(fault),
            Request::End(ending) => {
                // Why: pcscd 1.9.9 that resets a card which is not there misses the next one that is inserted.
                let disposition = match ending {
                    Ending::Reset if !gone => Disposition::ResetCard,
                    Ending::Leave | Ending::Reset => Disposition::LeaveCard,
                };
                let ended = held.end(disposition).map_err(|(_, error)| fault(error));
                return Some(ended.map(|()| Vec::new()));
            }
        };
        answers.send(answer).ok()?;
    }
}

fn transmit(card: &Card, command: &[u8], buffer: &mut [u8]) -> Answer {
    match card.transmit(command, buffer) {
        Ok(response) => Ok(response.to_vec()),
        // Readers without extended length say the same as readers without a card.
        Err(Error::NotTransacted)
            if command.len() > LONGEST_SHORT_COMMAND && card.status2_owned().is_ok() =>
        {
            Err(TransportError::Reader(
                "it did not take a long command".into(),
            ))
        }
        Err(error) => Err(fault(error)),
    }
}

fn reconnect(card: &mut Card) -> Answer {
    card.reconnect(ShareMode::Shared, PROTOCOLS, Disposition::LeaveCard)
        .and_then(|()| card.status2_owned())
        .map(|status| status.atr().to_vec())
        .map_err(fault)
}

fn fault(error: Error) -> TransportError {
    let unavailable = |text: &str| TransportError::Unavailable(text.into());
    match error {
        Error::ResetCard => TransportError::CardReset,
        Error::RemovedCard
        | Error::NoSmartcard
        | Error::NotTransacted
        | Error::ReaderUnavailable
        | Error::UnpoweredCard => TransportError::CardRemoved,
        Error::NoService | Error::ServiceStopped => {
            unavailable("the card service is not running; start pcscd")
        }
        Error::SecurityViolation | Error::NoAccess => unavailable(
            "the card service refuses this user; allow access_pcsc and access_card in its policy",
        ),
        Error::NoReadersAvailable | Error::UnknownReader => unavailable("no reader is attached"),
        Error::SharingViolation => {
            unavailable("another program uses the card for itself alone; close it")
        }
        other => TransportError::Reader(other.to_string()),
    }
}

/// One reader, as [`diagnose`] finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReaderReport {
    /// Its name.
    pub name: String,
    /// The answer to reset of the card in it; none when it is empty or the card is mute.
    pub atr: Option<Vec<u8>>,
}

/// What stands between this program and a card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Diagnosis {
    /// The card service is not there, or does not let this user in, or failed: the error says what to do.
    NoService(TransportError),
    /// The card service answers. There may be no reader, and no card in a reader.
    Service(Vec<ReaderReport>),
}

/// Looks at the card service, the readers and the cards, and waits for nothing.
pub fn diagnose() -> Diagnosis {
    match look() {
        Ok(readers) => Diagnosis::Service(readers),
        Err(error) => Diagnosis::NoService(error),
    }
}

fn look() -> Result<Vec<ReaderReport>, TransportError> {
    let readers = Readers::open()?;
    let mut states: Vec<_> = readers
        .list()?
        .into_iter()
        .map(|name| ReaderState::new(name, State::UNAWARE))
        .collect();
    if !states.is_empty() {
        readers.wait_for_change(&mut states, Some(Instant::now()))?;
    }
    let report = |state: &ReaderState| ReaderReport {
        name: state.name().to_string_lossy().into_owned(),
        atr: state
            .event_state()
            .contains(State::PRESENT)
            .then(|| state.atr().to_vec())
            .filter(|atr| !atr.is_empty()),
    };
    Ok(states.iter().map(report).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_that_was_taken_out_and_one_that_was_reset_are_told_apart() {
        for error in [
            Error::RemovedCard,
            Error::NoSmartcard,
            Error::NotTransacted,
            Error::ReaderUnavailable,
        ] {
            assert_eq!(fault(error), TransportError::CardRemoved, "{error:?}");
        }
        assert_eq!(fault(Error::ResetCard), TransportError::CardReset);
        assert!(matches!(
            fault(Error::NoService),
            TransportError::Unavailable(_)
        ));
        assert!(matches!(fault(Error::CommError), TransportError::Reader(_)));
    }

    #[test]
    fn a_diagnosis_waits_for_nothing() {
        let begun = Instant::now();
        let _ = diagnose();
        assert!(begun.elapsed() < Duration::from_secs(5));
    }
}
