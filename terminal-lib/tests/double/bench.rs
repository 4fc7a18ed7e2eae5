//! A terminal with its store, its user, and the line to the card.

use super::*;
use apdu::message::pin::{Digits, Reference, Replacement};
use std::collections::VecDeque;
use terminal_lib::application::*;
use terminal_lib::store::{IdentityName, MemoryStore};
use terminal_lib::transport::in_process::InProcess;
use terminal_lib::transport::{Ending, Transport, TransportError};
use terminal_lib::{ConnectError, Session, Terminal, identity};

pub fn identity_name() -> IdentityName {
    IdentityName::new("desk").unwrap()
}

pub fn pin(digits: &[u8]) -> PinAnswer {
    PinAnswer::Digits(Digits::new(Reference::Pin, digits).unwrap())
}

pub fn codes(puk: &[u8], new_pin: &[u8]) -> Replacement {
    Replacement {
        old: Digits::new(Reference::Puk, puk).unwrap(),
        new: Digits::new(Reference::Pin, new_pin).unwrap(),
    }
}

/// A store whose identity `desk` is certified and trusts the root.
pub fn certified_store() -> MemoryStore {
    let mut store = MemoryStore::new();
    certify_identity(&mut store, &root_key(), ROOT, &[root()]);
    store
}

pub fn certify_identity(
    store: &mut MemoryStore,
    signer: &PrivateKey,
    issuer: &str,
    roots: &[Certificate],
) {
    let (desk, mut entropy) = (identity_name(), FixedEntropy::new(5));
    let (car, chr) = (name(issuer), name(TERMINAL));
    let request = identity::create_request(store, &desk, car, chr, [9; 16], &mut entropy).unwrap();
    let key = &request.fields().key;
    let certificate = certify(signer, issuer, TERMINAL, Role::Terminal, key, |_| {});
    identity::install(store, &desk, &certificate, roots, today()).unwrap();
}

pub fn terminal(store: &MemoryStore) -> Terminal {
    Terminal::new(store.share(), identity_name())
        .with_entropy(FixedEntropy::new(3))
        .with_clock(today())
}

/// A user who answers as planned, and remembers what was asked.
#[derive(Default)]
pub struct User {
    pub agrees: bool,
    pub answers: VecDeque<PinAnswer>,
    pub asked_to_pair: Vec<SetUpReason>,
    pub asked_for_pin: Vec<PinRequest>,
    pub notices: Vec<Notice>,
    /// Done while the PIN is asked for.
    pub meanwhile: Option<Box<dyn FnMut()>>,
}

impl User {
    pub fn with(answers: impl IntoIterator<Item = PinAnswer>) -> Self {
        Self {
            agrees: true,
            answers: answers.into_iter().collect(),
            ..Self::default()
        }
    }

    /// A user who knows the PIN.
    pub fn willing() -> Self {
        Self::with([pin(PIN)])
    }

    /// A user who must not be asked anything.
    pub fn absent() -> Self {
        Self::default()
    }
}

impl Application for User {
    fn may_set_up(&mut self, reason: SetUpReason) -> bool {
        self.asked_to_pair.push(reason);
        self.agrees
    }

    fn pin(&mut self, request: &PinRequest) -> PinAnswer {
        self.asked_for_pin.push(request.clone());
        if let Some(meanwhile) = &mut self.meanwhile {
            meanwhile();
        }
        self.answers.pop_front().unwrap_or(PinAnswer::Refuse)
    }

    fn notice(&mut self, notice: &Notice) {
        self.notices.push(notice.clone());
    }
}

/// One terminal and one card.
pub struct Bench {
    pub card: DoubleCard,
    pub store: MemoryStore,
    pub terminal: Terminal,
    pub line: Line,
}

impl Bench {
    pub fn new() -> Self {
        Self::with(&DoubleCard::new(), &certified_store())
    }

    pub fn with(card: &DoubleCard, store: &MemoryStore) -> Self {
        Self {
            card: card.clone(),
            store: store.share(),
            terminal: terminal(store),
            line: Line::new(card),
        }
    }

    /// Both have met before; the card's log is empty.
    pub fn paired() -> Self {
        let mut bench = Self::new();
        bench
            .connect(&mut User::willing(), &Policy::Ask)
            .unwrap()
            .close();
        bench.card.take_log();
        bench
    }

    pub fn connect(
        &mut self,
        user: &mut User,
        policy: &Policy,
    ) -> Result<Session<'_>, ConnectError> {
        self.terminal.connect(&mut self.line, user, policy)
    }

    /// Connects without a user: only an authentication can succeed.
    pub fn reconnect(&mut self) -> Result<Session<'_>, ConnectError> {
        self.terminal
            .connect(&mut self.line, &mut User::absent(), &Policy::Never)
    }

    /// The error of a connection that must fail.
    pub fn fail(&mut self, user: &mut User, policy: &Policy) -> ConnectError {
        match self.connect(user, policy) {
            Ok(_) => panic!("connected, and should not"),
            Err(error) => error,
        }
    }
}

/// What the line does to one command, instead of passing it on.
#[derive(Debug, Clone)]
pub enum Break {
    /// The card never gets it.
    Before(TransportError),
    /// The card does it, and its answer is lost.
    After(TransportError),
    /// The card does it, and this comes instead of its answer.
    Garbled(Vec<u8>),
}

/// The line to the card, with planned breaks, keeping book of exclusive use.
pub struct Line {
    inner: InProcess<DoubleCard>,
    /// At which command, counted from 0 since the plan was made, what happens.
    pub plan: Option<(usize, Break)>,
    /// Answers to the next calls of `begin`.
    pub begins: VecDeque<Result<(), TransportError>>,
    pub held: bool,
    pub endings: Vec<Ending>,
    pub reconnects: u32,
}

impl Line {
    pub fn new(card: &DoubleCard) -> Self {
        Self {
            inner: InProcess::new(card.clone()),
            plan: None,
            begins: VecDeque::new(),
            held: false,
            endings: Vec::new(),
            reconnects: 0,
        }
    }
}

impl Transport for Line {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError> {
        assert!(self.held, "a command outside of exclusive use");
        match self.plan.take() {
            Some((0, Break::Before(error))) => Err(error),
            Some((0, Break::After(error))) => {
                self.inner.transmit(command)?;
                Err(error)
            }
            Some((0, Break::Garbled(answer))) => {
                self.inner.transmit(command)?;
                Ok(answer)
            }
            plan => {
                self.plan = plan.map(|(left, what)| (left - 1, what));
                self.inner.transmit(command)
            }
        }
    }

    fn atr(&self) -> &[u8] {
        self.inner.atr()
    }

    fn begin(&mut self) -> Result<(), TransportError> {
        assert!(!self.held, "begun twice");
        self.begins.pop_front().unwrap_or(Ok(()))?;
        self.held = true;
        Ok(())
    }

    fn end(&mut self, ending: Ending) {
        self.held = false;
        self.endings.push(ending);
        self.inner.end(ending);
    }

    fn reconnect(&mut self) -> Result<(), TransportError> {
        self.reconnects += 1;
        self.inner.reconnect()
    }
}
