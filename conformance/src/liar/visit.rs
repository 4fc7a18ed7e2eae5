//! The product's terminal at a card that repeats itself: every answer can be another one, and what follows is seen.
//!
//! Terminal and card have chance that repeats itself, so a visit can be told again bit for bit up to any answer. Until then the
//! answers come from the tape; from then on there is the card as it was at that moment.

use super::chance::Chance;
use super::messaging::Messaging;
use super::puppet::{OBJECT, Scene, Step};
use super::subject::{Subject, terminal_store, terminal_with};
use super::tape::Said;
use crate::user::{PIN, User};
use apdu::codec::command::Command;
use apdu::codec::status::StatusWord;
use apdu::crypto::{MacKey, kdf};
use apdu::handshake::Transcript;
use apdu::identifier::{ATR, header};
use apdu::message::pin::{Digits, Reference};
use apdu::message::reconnect::ChallengeAnswer;
use apdu::message::vault::{ObjectName, Policy as VaultPolicy};
use terminal_lib::application::Policy;
use terminal_lib::flow::{ReconnectFault, SelectFault, SetUpFault};
use terminal_lib::service::vault::Vault;
use terminal_lib::session::{Session, SessionError};
use terminal_lib::store::MemoryStore as TerminalStore;
use terminal_lib::transport::in_process::LocalCard;
use terminal_lib::transport::{Ending, Transport, TransportError};
use terminal_lib::{ConnectError, SetUpFailure, Terminal};

/// Why a visit was not finished.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// There was no session.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The session failed.
    #[error(transparent)]
    Session(#[from] SessionError),
}

/// A terminal's visit to a card: set-up and the first session, or a session with every kind of command.
///
/// # Errors
/// Why it was not finished.
pub fn visit(
    terminal: &mut Terminal,
    card: &mut dyn Transport,
    user: &mut User,
    scene: Scene,
) -> Result<(), Failure> {
    let policy = match scene {
        Scene::SetUp => Policy::Auto,
        Scene::Session => Policy::Never,
    };
    let session = terminal.connect(card, user, &policy)?;
    match scene {
        Scene::SetUp => session.close(),
        Scene::Session => work(session)?,
    }
    Ok(())
}

/// A command of every case, short and extended.
fn work(mut session: Session<'_>) -> Result<(), SessionError> {
    let pin = Digits::new(Reference::Pin, PIN).unwrap();
    let object = ObjectName::new(OBJECT).unwrap();
    let policy = VaultPolicy {
        pin_to_read: true,
        pin_to_write: true,
    };
    let mut vault = Vault::new();
    let _ = session.verify_pin(&pin)?; // a liar may say anything
    let _ = session.is_pin_verified()?;
    session.services()?;
    vault.write(&mut session, &object, policy, &[0xA5; 300])?;
    vault.read(&mut session, &object)?;
    vault.list(&mut session)?;
    vault.delete(&mut session, &object)?;
    session.close();
    Ok(())
}

/// The class of a visit's end, as the data files write it.
pub fn class(result: &Result<(), Failure>) -> &'static str {
    use terminal_lib::ConnectError::{Card, Exchange, NotPaired, Reconnect, SetUp};
    let error = match result {
        Ok(()) => return "none",
        Err(Failure::Session(error) | Failure::Connect(ConnectError::Session(error))) => {
            return session_class(error);
        }
        Err(Failure::Connect(error)) => error,
    };
    match error {
        Card(SelectFault::Malformed(_)) | Reconnect(ReconnectFault::Malformed(_)) => "malformed",
        Card(SelectFault::NotOurs) => "another-kind-of-card",
        Card(SelectFault::NewerCard(_)) => "newer-card",
        Card(SelectFault::NoCommonSuite) => "no-common-suite",
        Card(SelectFault::Terminated) => "terminated",
        Card(SelectFault::Refused(_)) | Reconnect(ReconnectFault::Refused(_)) => "plain-word",
        NotPaired(_) => "not-recognised",
        Exchange(_) => "transport",
        SetUp(SetUpFailure::Fault(fault)) => match fault {
            SetUpFault::CardNotReady => "card-not-ready",
            SetUpFault::TerminalRefused => "terminal-refused",
            SetUpFault::Refused { .. } => "plain-word",
            SetUpFault::KeyExchange(_) => "malformed",
            SetUpFault::Channel { .. } => "unauthentic",
            SetUpFault::CardUnproven { .. } => "card-unproven",
            _ => "another-fault",
        },
        SetUp(_) => "another-set-up-failure",
        _ => "another-error",
    }
}

fn session_class(error: &SessionError) -> &'static str {
    match error {
        SessionError::ChannelBroken { .. } => "unauthentic",
        SessionError::Unanswered { .. } => "transport",
        SessionError::Refused { .. } => "refused",
        SessionError::Malformed { .. } => "malformed",
        SessionError::InDoubt { .. } => "in-doubt",
        _ => "another-error",
    }
}

/// One APDU of a visit, and both ends as they were when the answer left.
pub struct Beat {
    /// What was said.
    pub said: Said,
    /// The card.
    pub card: Subject,
    /// What the terminal had stored.
    pub store: TerminalStore,
}

/// A terminal and a card before a visit.
pub struct Stage {
    /// What the terminal has stored.
    pub store: TerminalStore,
    /// The card.
    pub card: Subject,
    scene: Scene,
    seed: u64,
}

/// How a visit went on after an answer that was not the card's.
pub struct Outcome {
    /// Whether it was finished.
    pub result: Result<(), Failure>,
    /// What the terminal sent after that answer.
    pub after: Vec<Vec<u8>>,
    /// What the terminal has stored.
    pub store: TerminalStore,
    /// The card.
    pub card: Subject,
    /// What the user was asked.
    pub user: User,
}

impl Outcome {
    /// Whether the terminal began anew after the lie, with SELECT.
    pub fn began_anew(&self) -> bool {
        let select = |command: &Vec<u8>| Step::of(command) == Some(Step::Select);
        self.after.iter().any(select)
    }

    /// Whether the run in which the lie was told was finished in spite of it.
    pub fn was_taken_in(&self) -> bool {
        self.result.is_ok() && !self.began_anew()
    }

    /// The steps that followed in the run in which the lie was told.
    pub fn went_on_with(&self) -> Vec<Option<Step>> {
        let steps = self.after.iter().map(|command| Step::of(command));
        steps
            .take_while(|step| *step != Some(Step::Select))
            .collect()
    }

    /// Whether the terminal sent these bytes in clear after the lie.
    pub fn sent(&self, bytes: &[u8]) -> bool {
        let has = |command: &Vec<u8>| command.windows(bytes.len()).any(|part| part == bytes);
        self.after.iter().any(has)
    }
}

impl Stage {
    /// A certified card and a certified terminal that have never met, before their set-up.
    pub fn strangers() -> Self {
        Self::of(1, 1)
    }

    /// A card and a terminal of other numbers, before their set-up.
    pub fn of(card: u8, terminal: u8) -> Self {
        let seed = u64::from(terminal);
        Self {
            store: terminal_store(&format!("ZZTALLYTERM{terminal:05}"), 5_000 + seed),
            card: Subject::certified(&format!("ZZTALLYCARD{card:05}"), 6_000 + u64::from(card)),
            scene: Scene::SetUp,
            seed: 7_000 + seed,
        }
    }

    /// The same after set-up, before a session.
    #[must_use]
    pub fn paired(self) -> Self {
        let beats = self.perform();
        let last = beats.last().unwrap();
        Self {
            store: self.store.share(),
            card: last.card.fork(),
            scene: Scene::Session,
            seed: self.seed + 1_000,
        }
    }

    /// The same with other chance on both sides: another session of the same pair.
    #[must_use]
    pub fn at_another_time(&self) -> Self {
        Self {
            store: self.store.dangerous_copy(),
            card: self.card.fork().with_chance(self.seed + 9_000),
            scene: self.scene,
            seed: self.seed + 10_000,
        }
    }

    /// The honest visit. It changes the store.
    pub fn perform(&self) -> Vec<Beat> {
        let mut reader = Recorder {
            card: self.card.fork(),
            store: self.store.share(),
            beats: Vec::new(),
        };
        let mut terminal = self.terminal(&self.store);
        visit(&mut terminal, &mut reader, &mut User::willing(), self.scene).unwrap();
        reader.beats
    }

    /// The honest visit, on copies.
    pub fn rehearse(&self) -> Vec<Beat> {
        let copy = Self {
            store: self.store.dangerous_copy(),
            card: self.card.fork(),
            ..*self
        };
        copy.perform()
    }

    /// The keys of the session on this tape: what nobody has but the two ends, and a test that wants a right MAC.
    pub fn keys(&self, beats: &[Beat]) -> Messaging {
        let [select, challenge, ..] = beats else {
            panic!("a tape begins with SELECT and C1");
        };
        let command = |beat: &Beat| Command::parse(&beat.said.command).unwrap().data.to_vec();
        let (fci, _) = select.said.answer.split_last_chunk::<2>().unwrap();
        let (answer, _) = challenge.said.answer.split_last_chunk::<2>().unwrap();
        let mut transcript = Transcript::start();
        transcript.command(header::SELECT, &command(select));
        transcript.response(fci, StatusWord::OK);
        transcript.command(header::RECONNECT, &command(challenge));
        let nonce = ChallengeAnswer::decode(answer).unwrap().card_nonce;
        let pairing = MacKey::new(&self.card.pairing_keys()[0]);
        Messaging::new(*kdf(&pairing, "smF", &transcript.reconnect_hash(&nonce)).expose())
    }

    /// The visit again, with this answer in place of the one of beat `at`.
    pub fn play(&self, beats: &[Beat], at: usize, instead: Vec<u8>) -> Outcome {
        let store = self.store.dangerous_copy();
        let mut terminal = self.terminal(&store);
        let mut reader = Replay {
            beats,
            at,
            now: 0,
            instead: Some(instead),
            card: beats[at].card.fork(),
            after: Vec::new(),
        };
        let mut user = User::willing();
        let result = visit(&mut terminal, &mut reader, &mut user, self.scene);
        let Replay { card, after, .. } = reader;
        Outcome {
            result,
            after,
            store,
            card,
            user,
        }
    }

    fn terminal(&self, store: &TerminalStore) -> Terminal {
        let mut chance = Chance::new(self.seed);
        let seed = u64::from_be_bytes(chance.bytes());
        terminal_with(store, seed)
    }
}

struct Recorder {
    card: Subject,
    store: TerminalStore,
    beats: Vec<Beat>,
}

impl Transport for Recorder {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError> {
        let answer = LocalCard::transmit(&mut self.card, command);
        self.beats.push(Beat {
            said: Said {
                step: Step::of(command).unwrap(),
                command: command.to_vec(),
                answer: answer.clone(),
            },
            card: self.card.fork(),
            store: self.store.dangerous_copy(),
        });
        Ok(answer)
    }

    fn atr(&self) -> &[u8] {
        &ATR
    }

    fn begin(&mut self) -> Result<(), TransportError> {
        Ok(())
    }

    fn end(&mut self, _: Ending) {} // Why: a reset would draw from the card's chance, which the replay does not see

    fn reconnect(&mut self) -> Result<(), TransportError> {
        Ok(())
    }
}

struct Replay<'a> {
    beats: &'a [Beat],
    at: usize,
    now: usize,
    instead: Option<Vec<u8>>,
    card: Subject,
    after: Vec<Vec<u8>>,
}

impl Transport for Replay<'_> {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError> {
        if self.now > self.at {
            self.after.push(command.to_vec());
            return Ok(LocalCard::transmit(&mut self.card, command));
        }
        let said = &self.beats[self.now].said;
        assert_eq!(command, said.command, "the tape is told bit for bit");
        self.now += 1;
        if self.now > self.at {
            return Ok(self.instead.take().unwrap());
        }
        Ok(said.answer.clone())
    }

    fn atr(&self) -> &[u8] {
        &ATR
    }

    fn begin(&mut self) -> Result<(), TransportError> {
        Ok(())
    }

    fn end(&mut self, _: Ending) {}

    fn reconnect(&mut self) -> Result<(), TransportError> {
        Ok(())
    }
}
