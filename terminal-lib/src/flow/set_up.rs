//! Set-up (§9; seed Fig. 7): messages 2 to 7 in order, every check where §9.2 has it.
//!
//! ```text
//! SetUp ──2,3,4,5──▶ ProvenCard ──6 PIN──▶ Consented ──7 commit──▶ CardCommitted ──▶ K_0
//!   the terminal proves itself    the card has proved itself    the pairing key is written down before 7
//! ```

use super::consent::ProvenCard;
use super::select::Selected;
use super::step::{open, plain_ok, protected_ok, seal};
use crate::exchange::{Expects, Outgoing};
use crate::trust::Trust;
use apdu::certificate::{
    Certificate, CertificateError, HolderHash, KeyId, Name, ProvenCertificate, Refusal,
};
use apdu::channel::TerminalEnd;
use apdu::codec::response::Response;
use apdu::codec::status::StatusWord;
use apdu::crypto::{Entropy, EntropyError, PrivateKey, PublicKey, decapsulate, encapsulate};
use apdu::handshake::{AuthenticatedSecret, ProvisionalSecret, Transcript};
use apdu::identifier::header;
use apdu::message::key_exchange::{CardShare, KeyExchangeError, TerminalRandom, TerminalShare};
use apdu::message::status::{CardStatus, StatusError};

/// What this terminal brings to a set-up, and whom it wants to meet.
pub struct Intent<'a> {
    /// The private key of `certificate`.
    pub key: &'a PrivateKey,
    /// This terminal's certificate.
    pub certificate: &'a Certificate,
    /// A link certificate to show first, for a card that does not know the issuer yet.
    pub link: Option<&'a Certificate>,
    /// Whom the terminal trusts.
    pub trust: &'a Trust,
    /// The only card that is welcome, if there is one.
    pub expected: Option<HolderHash>,
    /// The cards of all stored pairings, each with the id of its certified key.
    pub paired: &'a [(HolderHash, KeyId)],
}

/// Why a set-up failed. No pairing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetUpFault {
    /// The card is not certified and activated.
    #[error("the card is not certified yet; certify and activate it, then try again")]
    CardNotReady,
    /// 6300 to message 2. It is not authentic.
    #[error(
        "the card, or something in between, refused this terminal's certificate: \
         have the terminal certified by an authority the card knows"
    )]
    TerminalRefused,
    /// An unprotected word where an answer was due. It is not authentic.
    #[error("set-up stopped at {step}: {status}, said by the card or by something in between")]
    Refused {
        /// The message.
        step: &'static str,
        /// The word.
        status: StatusWord,
    },
    /// The key exchange's answer is malformed.
    #[error("the card's part of the key exchange is malformed: {0}")]
    KeyExchange(#[from] KeyExchangeError),
    /// A wrong MAC, or an unprotected answer under session keys.
    #[error(
        "set-up stopped at {step}: the answer is not authentic; try again, and suspect the reader if it stays so"
    )]
    Channel {
        /// The message.
        step: &'static str,
    },
    /// A refusal by the card, under its MAC.
    #[error("the card refused {step}: {status}")]
    CardRefused {
        /// The message.
        step: &'static str,
        /// The word.
        status: StatusWord,
    },
    /// What the card sent as its certificate is none.
    #[error("the card's certificate is malformed: {0}")]
    CardCertificate(#[from] CertificateError),
    /// The card's certificate was verified and refused.
    #[error("this terminal refuses the certificate of card {card}, issued by {issuer}: {refusal}")]
    CardDistrusted {
        /// Who the certificate says the card is.
        card: Name,
        /// Who the certificate says has issued it.
        issuer: Name,
        /// Why.
        refusal: Refusal,
    },
    /// Certified, but not the card that was expected.
    #[error("this is card {card}, and another one was expected")]
    OtherCard {
        /// Who the certificate says the card is.
        card: Name,
    },
    /// The same name as a paired card, another key.
    #[error(
        "card {card} has another key than the card of that name this terminal is paired with; \
         if it was replaced on purpose, forget the old pairing first"
    )]
    KeyChanged {
        /// Who the certificate says the card is.
        card: Name,
    },
    /// The answer to message 5 is not under SM2.
    #[error("the card could not prove that the certificate of {card} is its own; do not use it")]
    CardUnproven {
        /// Who the certificate says the card is.
        card: Name,
    },
    /// The status in the answer to message 5 is malformed.
    #[error(transparent)]
    Status(#[from] StatusError),
    /// No randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

/// What comes after an answer.
pub enum SetUpStep {
    /// Send this, and give the answer to the machine.
    Send(Box<SetUp>, Outgoing),
    /// The card has proved itself; consent is next.
    Proven(Box<ProvenCard>),
}

/// A set-up between a command and its answer, up to message 5.
pub struct SetUp {
    transcript: Transcript,
    state: State,
}

enum State {
    /// The link is under way; the certificate follows.
    Link,
    Certificate,
    KeyExchange {
        ephemeral: PrivateKey,
    },
    CardCertificate {
        secret: ProvisionalSecret,
        channel: TerminalEnd,
    },
    TerminalRandom {
        secret: AuthenticatedSecret,
        channel: TerminalEnd,
        card: Box<ProvenCertificate>,
    },
}

impl SetUp {
    /// Message 2: shows this terminal's certificate to whatever was selected.
    pub fn begin(selected: Selected, intent: &Intent<'_>) -> Result<(Self, Outgoing), SetUpFault> {
        if !selected.fci.capabilities.is_operational() {
            return Err(SetUpFault::CardNotReady);
        }
        let mut transcript = selected.transcript;
        let (state, first) = match intent.link {
            Some(link) => (State::Link, link),
            None => (State::Certificate, intent.certificate),
        };
        let command = show(&mut transcript, first);
        Ok((Self { transcript, state }, command))
    }

    /// Takes the answer to the command given last. Draws E_T's private key, 32 bytes, before message 3, and the
    /// encapsulation's, 32 bytes, before message 5.
    pub fn answer(
        mut self,
        response: &Response,
        intent: &Intent<'_>,
        entropy: &mut dyn Entropy,
    ) -> Result<SetUpStep, SetUpFault> {
        match self.state {
            State::Link => {
                accepted(response)?;
                self.transcript.response(&[], StatusWord::OK);
                let command = show(&mut self.transcript, intent.certificate);
                self.state = State::Certificate;
                Ok(SetUpStep::Send(Box::new(self), command))
            }
            State::Certificate => {
                accepted(response)?;
                self.transcript.response(&[], StatusWord::OK);
                let ephemeral = PrivateKey::generate(entropy)?;
                let data = TerminalShare(ephemeral.public_key()).encode();
                self.transcript.command(header::KEY_EXCHANGE, &data);
                self.state = State::KeyExchange { ephemeral };
                let command = Outgoing {
                    header: header::KEY_EXCHANGE,
                    data,
                    expects: Expects::Short,
                };
                Ok(SetUpStep::Send(Box::new(self), command))
            }
            State::KeyExchange { ephemeral } => {
                let step = "the key exchange";
                plain_ok(step, response)?;
                let share = CardShare::decode(&response.data)?;
                self.transcript.response(&response.data, response.status);
                let secret = ProvisionalSecret::derive(
                    &self.transcript.hash(),
                    &ephemeral.agree(&share.ephemeral),
                    &decapsulate(
                        intent.key,
                        &intent.certificate.claims().key,
                        &share.encapsulation,
                    ),
                );
                let mut channel = TerminalEnd::new(secret.session_keys());
                let header = header::CARD_CERTIFICATE;
                let command = seal(step, &mut channel, header, &[], Expects::Short)?;
                self.transcript.command(command.header, &command.data);
                self.state = State::CardCertificate { secret, channel };
                Ok(SetUpStep::Send(Box::new(self), command))
            }
            State::CardCertificate {
                secret,
                mut channel,
            } => {
                let step = "the card's certificate";
                let data = open(step, &mut channel, response)?;
                self.transcript.response(&response.data, response.status);
                let card = judge(Certificate::decode(&data)?, intent)?;
                let (encapsulation, random) = encapsulate(card.key(), entropy)?;
                let encapsulation = PublicKey::from_uncompressed(&encapsulation)
                    .map_err(KeyExchangeError::Point)?;
                let data = TerminalRandom(encapsulation).encode();
                let header = header::TERMINAL_RANDOM;
                let command = seal(step, &mut channel, header, &data, Expects::Short)?;
                self.transcript.command(command.header, &command.data);
                let secret = secret.authenticate(&self.transcript.hash(), &random); // th_5
                self.state = State::TerminalRandom {
                    channel: TerminalEnd::awaiting(secret.session_keys()),
                    secret,
                    card: Box::new(card),
                };
                Ok(SetUpStep::Send(Box::new(self), command))
            }
            State::TerminalRandom {
                secret,
                mut channel,
                card,
            } => {
                // A card without the certified key cannot make this MAC (§9.2).
                let unproven = |_| SetUpFault::CardUnproven {
                    card: *card.holder(),
                };
                let (data, status) = channel
                    .open(&response.data, response.status)
                    .map_err(unproven)?;
                protected_ok("the terminal's random", status)?;
                let status = CardStatus::decode(&data)?;
                Ok(SetUpStep::Proven(Box::new(ProvenCard {
                    secret,
                    channel,
                    card: *card,
                    status,
                })))
            }
        }
    }
}

/// §9.2, answer 4: role, issuer, signature, time, epoch, revocation, the expected holder, the key of a paired one.
fn judge(certificate: Certificate, intent: &Intent<'_>) -> Result<ProvenCertificate, SetUpFault> {
    let claims = certificate.claims();
    let (card, issuer) = (claims.holder, claims.issuer);
    let proven =
        intent
            .trust
            .judge_card(certificate)
            .map_err(|refusal| SetUpFault::CardDistrusted {
                card,
                issuer,
                refusal,
            })?;
    let holder = proven.holder_hash();
    if intent.expected.is_some_and(|expected| expected != holder) {
        return Err(SetUpFault::OtherCard { card });
    }
    let key = proven.certificate().key_id();
    let mut paired = intent.paired.iter();
    match paired.find(|(known, _)| *known == holder) {
        Some((_, known)) if *known != key => Err(SetUpFault::KeyChanged { card }),
        _ => Ok(proven),
    }
}

fn show(transcript: &mut Transcript, certificate: &Certificate) -> Outgoing {
    let (header, data) = (header::VERIFY_CERTIFICATE, certificate.encoded().to_vec());
    transcript.command(header, &data);
    Outgoing {
        header,
        data,
        expects: Expects::Nothing,
    }
}

fn accepted(response: &Response) -> Result<(), SetUpFault> {
    if response.status == StatusWord::CERTIFICATE_REFUSED {
        return Err(SetUpFault::TerminalRefused);
    }
    plain_ok("this terminal's certificate", response)?;
    if response.data.is_empty() {
        Ok(())
    } else {
        let step = "this terminal's certificate";
        Err(SetUpFault::Channel { step })
    }
}
