//! The card from outside: power-up, and one function from command bytes to response bytes.
//!
//! The order of refusals is that of §4: structure, class, chain, plain or secured, secure messaging, then the command itself.

use crate::handle;
use crate::lifecycle::LifeCycle;
use crate::phase::{Phase, Plain, recognise_plain};
use crate::refusal::Refusal;
use crate::service::{Service, standard_services};
use crate::slots::Slots;
use crate::store::{Change, Record, Store, StoreError, Watched};
use crate::trust;
use alloc::vec::Vec;
use apdu::codec::chaining::{Chain, ChainError};
use apdu::codec::command::{Command, Form, Header};
use apdu::codec::response::Response;
use apdu::codec::status::StatusWord;
use apdu::crypto::Entropy;
use apdu::identifier::{MAX_LOGICAL_DATA, header};
use planted::planted;
use zeroize::Zeroizing;

/// The most data bytes a short response carries.
const SHORT_RESPONSE: usize = 256;

/// What a card needs from its body with each command.
pub struct World<'a> {
    /// Durable records.
    pub store: &'a mut dyn Store,
    /// Randomness.
    pub entropy: &'a mut dyn Entropy,
}

/// The card could not start: its storage or its random generator failed. It must not answer anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the card cannot start: its storage or its random generator failed")]
pub struct PowerUpError;

/// A card under power.
pub struct Card {
    pub(crate) phase: Phase,
    pub(crate) slots: Slots,
    pub(crate) services: &'static [&'static dyn Service],
    chain: Option<Chain>,
    /// A commit failed: what is stored is not known until the next power-up (§15.1 R6).
    in_doubt: bool,
    /// Response bytes that wait for GET RESPONSE.
    waiting: Zeroizing<Vec<u8>>,
}

/// What a handler answers: data, or only success.
pub(crate) type Reply = Result<Vec<u8>, Refusal>;

impl Card {
    /// Powers a card up with the services of this version: vault and counter.
    pub fn power_up(world: &mut World<'_>) -> Result<Self, PowerUpError> {
        Self::power_up_with(world, standard_services())
    }

    /// Powers a card up with other services, at most 15.
    pub fn power_up_with(
        world: &mut World<'_>,
        services: &'static [&'static dyn Service],
    ) -> Result<Self, PowerUpError> {
        let today = trust::trusted_date(world.store).map_err(|_| PowerUpError)?;
        LifeCycle::of(world.store).map_err(|_| PowerUpError)?;
        Ok(Self {
            phase: Phase::None,
            slots: Slots::power_up(world, today).map_err(|_| PowerUpError)?,
            services,
            chain: None,
            in_doubt: false,
            waiting: Zeroizing::default(),
        })
    }

    /// Ends the card's life: a local command of its body, never reachable by APDU (§12.1).
    ///
    /// # Errors
    /// The storage failed: whether the life has ended is not known.
    pub fn terminate(&mut self, store: &mut dyn Store) -> Result<(), StoreError> {
        self.end();
        let ended = store.commit(&[Change::Put(Record::TERMINATED, &[1])]);
        self.in_doubt |= ended.is_err();
        ended
    }

    /// Answers one command. Whatever the bytes, there is an answer, and it is a response APDU.
    pub fn transmit(&mut self, world: &mut World<'_>, command: &[u8]) -> Vec<u8> {
        let mut store = Watched::new(world.store);
        let mut watched = World {
            store: &mut store,
            entropy: world.entropy,
        };
        let answer = match self.in_doubt {
            true => Err(Refusal::Storage),
            false => self.receive(&mut watched, command),
        };
        self.in_doubt |= store.has_failed() && !planted("in-doubt-goes-on");
        if self.in_doubt || answer.is_err() {
            self.end();
        }
        let response = answer.unwrap_or_else(|refusal| Response::bare(refusal.status()));
        response.into_bytes()
    }

    /// The volatile state's name in §12.2, for traces and tests.
    pub fn phase_name(&self) -> &'static str {
        self.phase.name()
    }

    /// A second card in the same state, for exploring what would follow; see [`Secret::dangerous_copy`](apdu::crypto::Secret::dangerous_copy).
    #[must_use]
    pub fn dangerous_copy(&self) -> Self {
        Self {
            phase: self.phase.dangerous_copy(),
            slots: self.slots.dangerous_copy(),
            services: self.services,
            chain: self.chain.clone(),
            in_doubt: self.in_doubt,
            waiting: self.waiting.clone(),
        }
    }

    /// A refusal that is not protected ends everything (§12.2).
    fn end(&mut self) {
        self.phase = Phase::None;
        self.chain = None;
        self.waiting = Zeroizing::default();
    }

    fn receive(&mut self, world: &mut World<'_>, bytes: &[u8]) -> Result<Response, Refusal> {
        let command = Command::parse(bytes).map_err(|_| Refusal::Structure)?;
        if command.header == header::SELECT && !planted("select-is-not-always-heard") {
            self.end(); // every SELECT ends what went on before, also a refused one
        }
        if !self.waiting.is_empty() {
            return self.get_response(&command);
        }
        let secured = judge_class(command.header.cla)?;
        let whole = self.join_chain(&command, secured)?;
        let allowed = is_select(command.header) || (!secured && planted("plain-in-a-session"));
        if secured != self.phase.has_channel() && !allowed {
            return Err(if secured {
                Refusal::NotNow
            } else {
                Refusal::PlainInSession
            });
        }
        let Some(data) = whole else {
            return Ok(Response::bare(StatusWord::OK));
        };
        if data.len() > MAX_LOGICAL_DATA {
            return Err(Refusal::Structure);
        }
        let header = command.header.unchained();
        if secured {
            let response = handle::secured(self, world, header, &data)?;
            Ok(self.deliver(response, command.form))
        } else {
            let kind = recognise_plain(header)?;
            let data = handle::plain(self, world, kind, &data, command.expected)?;
            Ok(self.deliver(Response::ok(data), command.form))
        }
    }

    /// Takes a segment; the whole data field once the last one is there.
    fn join_chain(
        &mut self,
        command: &Command<'_>,
        secured: bool,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, Refusal> {
        let Command {
            header,
            data,
            expected,
            ..
        } = *command;
        if header.is_chained() && (data.is_empty() || expected.is_some()) {
            return Err(Refusal::Structure);
        }
        let chain = match self.chain.take() {
            Some(chain) => chain.append(header, data).map_err(|error| match error {
                ChainError::Broken => Refusal::ChainBroken,
                ChainError::TooLong => Refusal::Structure,
            })?,
            None if header.is_chained() && !secured && !may_be_chained(header) => {
                return Err(Refusal::ChainNotAllowed);
            }
            None => Chain::begin(header, data),
        };
        if !header.is_chained() {
            return Ok(Some(chain.into_data()));
        }
        self.chain = Some(chain);
        Ok(None)
    }

    /// A short command's long answer is handed out in pieces; an extended one's at once.
    fn deliver(&mut self, response: Response, form: Form) -> Response {
        if form == Form::Extended || response.data.len() <= SHORT_RESPONSE {
            return response;
        }
        self.waiting = Zeroizing::new(response.into_bytes());
        self.next_piece(SHORT_RESPONSE)
    }

    fn get_response(&mut self, command: &Command<'_>) -> Result<Response, Refusal> {
        if command.header != header::GET_RESPONSE || !command.data.is_empty() {
            return Err(if self.phase.has_channel() {
                Refusal::PlainInSession
            } else {
                Refusal::NotNow
            });
        }
        let expected = usize::try_from(command.expected.unwrap_or(0)).unwrap_or(0);
        if expected == 0 {
            return Err(Refusal::Structure);
        }
        Ok(self.next_piece(expected.min(SHORT_RESPONSE)))
    }

    /// Up to `length` of the waiting bytes; the response's own status word with the last of them.
    fn next_piece(&mut self, length: usize) -> Response {
        let waiting = core::mem::take(&mut self.waiting);
        let left = waiting.len().saturating_sub(2); // the status word stands at the end
        if left <= length {
            return Response::parse(&waiting)
                .unwrap_or_else(|_| Response::bare(StatusWord::UNSPECIFIED));
        }
        let (piece, rest) = waiting.split_at(length);
        self.waiting = Zeroizing::new(rest.to_vec());
        Response {
            data: piece.to_vec(),
            status: StatusWord::bytes_waiting(left - length),
        }
    }
}

/// Whether the class is one of ours, and whether it is secured (§4).
fn judge_class(cla: u8) -> Result<bool, Refusal> {
    match cla {
        0x00 | 0x10 => Ok(false),
        0x0C | 0x1C | 0x8C | 0x9C => Ok(true),
        0x01..=0x03 | 0x40..=0x7F => Err(Refusal::LogicalChannel),
        0x04 | 0x08 | 0x14 | 0x18 | 0x84 | 0x88 => Err(Refusal::SecureMessagingForm),
        _ => Err(Refusal::Class),
    }
}

fn is_select(command: Header) -> bool {
    recognise_plain(command) == Ok(Plain::Select)
}

/// Plain commands whose data may need more than one short command.
fn may_be_chained(command: Header) -> bool {
    [
        header::VERIFY_CERTIFICATE,
        header::RECONNECT,
        header::STORE_CERTIFICATE,
    ]
    .iter()
    .any(|allowed| allowed.ins == command.ins)
}
