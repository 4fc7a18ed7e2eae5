//! The opponent's end of the keys that a card has agreed to: SM1 and SM2 in set-up, SMF after C1.

use super::oracle::{Pledge, Under};
use super::papers::Papers;
use apdu::certificate::Certificate;
use apdu::channel::{Sealed, TerminalEnd};
use apdu::codec::response::Response;
use apdu::codec::status::StatusWord;
use apdu::crypto::{PrivateKey, PublicKey, Secret, SecretBytes, decapsulate};
use apdu::handshake::{AuthenticatedSecret, PairingKey, ProvisionalSecret, Transcript};
use apdu::identifier::header;
use apdu::message::key_exchange::CardShare;
use apdu::message::reconnect::ChallengeAnswer;

/// Which keys there are.
pub enum Channel {
    /// None.
    None,
    /// SM1.
    Provisional(Box<Provisional>),
    /// SM2.
    Authenticated(Box<Authenticated>),
    /// SMF.
    Reconnected {
        /// The terminal's end.
        end: TerminalEnd,
        /// The slot whose key it is.
        slot: u8,
    },
}

/// Between messages 3 and 5.
pub struct Provisional {
    end: TerminalEnd,
    secret: ProvisionalSecret,
    transcript: Transcript,
    card: Option<Certificate>,
    terminal: usize,
    link: Option<Certificate>,
}

/// From message 5 to the commit.
pub struct Authenticated {
    end: TerminalEnd,
    secret: AuthenticatedSecret,
    terminal: usize,
    link: Option<Certificate>,
}

impl Channel {
    /// SM1, from the answer to message 3.
    pub fn after_key_exchange(
        transcript: Transcript,
        ephemeral: &PrivateKey,
        key: &PrivateKey,
        answer: &[u8],
        terminal: usize,
        link: Option<Certificate>,
    ) -> Self {
        let share = CardShare::decode(answer).expect("the card's share");
        let random = decapsulate(key, &key.public_key(), &share.encapsulation);
        let agreed = ephemeral.agree(&share.ephemeral);
        let secret = ProvisionalSecret::derive(&transcript.hash(), &agreed, &random);
        Self::Provisional(Box::new(Provisional {
            end: TerminalEnd::new(secret.session_keys()),
            secret,
            transcript,
            card: None,
            terminal,
            link,
        }))
    }

    /// SMF, from the answer to C1.
    pub fn after_challenge(
        mut transcript: Transcript,
        key: &PairingKey,
        slot: u8,
        data: &[u8],
        answer: &[u8],
    ) -> Self {
        transcript.command(header::RECONNECT, data);
        let answer = ChallengeAnswer::decode(answer).expect("the card's answer");
        let th_f = transcript.reconnect_hash(&answer.card_nonce);
        Self::Reconnected {
            end: TerminalEnd::new(key.session_keys(&th_f)),
            slot,
        }
    }

    /// The card's certified key, once it has shown it.
    pub fn card(&self) -> Option<PublicKey> {
        match self {
            Self::Provisional(state) => Some(state.card.as_ref()?.claims().key.clone()),
            _ => None,
        }
    }

    /// Under which keys a command goes, as the oracle wants to know it.
    pub fn under(&self, papers: &Papers) -> Option<Under> {
        Some(match self {
            Self::None => return None,
            Self::Provisional(_) => Under::Sm1,
            Self::Authenticated(state) => Under::Sm2(Box::new(Pledge {
                certificate: papers.holders[state.terminal].certificate.clone(),
                link: state.link.clone(),
                key: state.secret.dangerous_copy().into_pairing_key(),
            })),
            Self::Reconnected { slot, .. } => Under::Smf(*slot),
        })
    }

    /// A copy of the end to seal with.
    pub fn end(&self) -> Option<TerminalEnd> {
        Some(match self {
            Self::None => return None,
            Self::Provisional(state) => state.end.dangerous_copy(),
            Self::Authenticated(state) => state.end.dangerous_copy(),
            Self::Reconnected { end, .. } => end.dangerous_copy(),
        })
    }

    /// Opens the answer to a command that `end` has sealed; the keys that come next, the plain data and the protected word.
    ///
    /// `random` is r_T, when the command was message 5.
    pub fn follow(
        self,
        mut end: TerminalEnd,
        sealed: &Sealed,
        response: &Response,
        random: Option<Secret<32>>,
    ) -> Option<(Self, SecretBytes, StatusWord)> {
        if let (Self::Provisional(state), header::TERMINAL_RANDOM) = (&self, sealed.header) {
            let mut transcript = state.transcript.clone();
            transcript.command(sealed.header, &sealed.data);
            let secret = state.secret.dangerous_copy();
            let secret = secret.authenticate(&transcript.hash(), &random?);
            let mut end = TerminalEnd::awaiting(secret.session_keys());
            let (plain, word) = end.open(&response.data, response.status).ok()?;
            let (terminal, link) = (state.terminal, state.link.clone());
            let next = Authenticated {
                end,
                secret,
                terminal,
                link,
            };
            return Some((Self::Authenticated(Box::new(next)), plain, word));
        }
        let (plain, word) = end.open(&response.data, response.status).ok()?;
        let next = match self {
            Self::Provisional(mut state) => {
                state.transcript.command(sealed.header, &sealed.data);
                state.transcript.response(&response.data, response.status);
                state.card = state.card.or_else(|| Certificate::decode(&plain).ok());
                state.end = end;
                Self::Provisional(state)
            }
            Self::Authenticated(mut state) => {
                state.end = end;
                Self::Authenticated(state)
            }
            Self::Reconnected { slot, .. } => Self::Reconnected { end, slot },
            Self::None => Self::None,
        };
        Some((next, plain, word))
    }

    /// The same keys for another card in the same state.
    pub fn dangerous_copy(&self) -> Self {
        match self {
            Self::None => Self::None,
            Self::Provisional(state) => Self::Provisional(Box::new(Provisional {
                end: state.end.dangerous_copy(),
                secret: state.secret.dangerous_copy(),
                transcript: state.transcript.clone(),
                card: state.card.clone(),
                terminal: state.terminal,
                link: state.link.clone(),
            })),
            Self::Authenticated(state) => Self::Authenticated(Box::new(Authenticated {
                end: state.end.dangerous_copy(),
                secret: state.secret.dangerous_copy(),
                terminal: state.terminal,
                link: state.link.clone(),
            })),
            Self::Reconnected { end, slot } => Self::Reconnected {
                end: end.dangerous_copy(),
                slot: *slot,
            },
        }
    }
}
