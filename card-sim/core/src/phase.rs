//! The volatile state (§12.2): one enum, each variant holding what it needs, and the tables of what is allowed when.
//!
//! It is lost at power-off, reset, SELECT, and at every refusal that is not protected.

use crate::slots::HiddenSlot;
use crate::trust::Place;
use apdu::certificate::{Anchor, Certificate, HolderHash, ProvenCertificate};
use apdu::channel::CardEnd;
use apdu::codec::command::Header;
use apdu::handshake::{AuthenticatedSecret, ProvisionalSecret, Transcript};
use apdu::identifier::{CLA_SERVICE, header};
use apdu::message::pairings::SlotNumber;
use apdu::message::pin::Reference;

use crate::refusal::Refusal;

/// What the card waits for, and what it holds meanwhile.
pub(crate) enum Phase {
    /// SELECT.
    None,
    /// The first command after SELECT.
    Idle {
        prand: [u8; 8],
        transcript: Transcript,
    },
    /// More personalisation.
    Perso,
    /// The terminal's certificate, after a link certificate.
    Linked { transcript: Transcript, link: Link },
    /// The key exchange, after the terminal's certificate (§9: CERT).
    Certified {
        transcript: Transcript,
        terminal: ProvenCertificate,
        link: Option<Link>,
    },
    /// Under SM1: the certificate's retrieval, then the terminal's random (§9: PROV).
    Provisional(Provisional),
    /// Under SM2: the PIN (§9: AUTH).
    Authenticated(SetUp),
    /// Under SM2: the commit (§9: PINOK).
    PinVerified(SetUp),
    /// Under SMF: the first secured command, whose MAC is the terminal's proof (§8: FWAIT).
    FirstWait { channel: CardEnd, slot: HiddenSlot },
    /// Under SMF: commands.
    Secure(Session),
}

/// A link certificate that was verified, and where its root would go.
#[derive(Clone)]
pub(crate) struct Link {
    pub(crate) certificate: Certificate,
    pub(crate) anchor: Anchor,
    pub(crate) place: Place,
}

pub(crate) struct Provisional {
    pub(crate) channel: CardEnd,
    pub(crate) secret: ProvisionalSecret,
    pub(crate) transcript: Transcript,
    pub(crate) terminal: ProvenCertificate,
    pub(crate) link: Option<Link>,
    pub(crate) certificate_given: bool,
}

pub(crate) struct SetUp {
    pub(crate) channel: CardEnd,
    pub(crate) secret: AuthenticatedSecret,
    pub(crate) terminal: ProvenCertificate,
    pub(crate) link: Option<Link>,
}

pub(crate) struct Session {
    pub(crate) channel: CardEnd,
    pub(crate) slot: SlotNumber,
    pub(crate) holder: HolderHash,
    pub(crate) pin_verified: bool,
    /// Index of the selected service.
    pub(crate) service: Option<usize>,
}

impl Phase {
    /// Whether plain commands (but SELECT and GET RESPONSE) are refused because a session is under way.
    pub(crate) fn has_channel(&self) -> bool {
        matches!(
            self,
            Self::Provisional(_)
                | Self::Authenticated(_)
                | Self::PinVerified(_)
                | Self::FirstWait { .. }
                | Self::Secure(_)
        )
    }

    /// The name in the specification's state table.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Idle { .. } => "IDLE",
            Self::Perso => "PERSO",
            Self::Linked { .. } | Self::Certified { .. } => "CERT",
            Self::Provisional(_) => "PROV",
            Self::Authenticated(_) => "AUTH",
            Self::PinVerified(_) => "PINOK",
            Self::FirstWait { .. } => "FWAIT",
            Self::Secure(_) => "SECURE",
        }
    }

    pub(crate) fn dangerous_copy(&self) -> Self {
        match self {
            Self::None => Self::None,
            Self::Idle { prand, transcript } => Self::Idle {
                prand: *prand,
                transcript: transcript.clone(),
            },
            Self::Perso => Self::Perso,
            Self::Linked { transcript, link } => Self::Linked {
                transcript: transcript.clone(),
                link: link.clone(),
            },
            Self::Certified {
                transcript,
                terminal,
                link,
            } => Self::Certified {
                transcript: transcript.clone(),
                terminal: terminal.clone(),
                link: link.clone(),
            },
            Self::Provisional(state) => Self::Provisional(Provisional {
                channel: state.channel.dangerous_copy(),
                secret: state.secret.dangerous_copy(),
                transcript: state.transcript.clone(),
                terminal: state.terminal.clone(),
                link: state.link.clone(),
                certificate_given: state.certificate_given,
            }),
            Self::Authenticated(state) => Self::Authenticated(state.dangerous_copy()),
            Self::PinVerified(state) => Self::PinVerified(state.dangerous_copy()),
            Self::FirstWait { channel, slot } => Self::FirstWait {
                channel: channel.dangerous_copy(),
                slot: *slot,
            },
            Self::Secure(session) => Self::Secure(Session {
                channel: session.channel.dangerous_copy(),
                slot: session.slot,
                holder: session.holder,
                pin_verified: session.pin_verified,
                service: session.service,
            }),
        }
    }
}

impl SetUp {
    fn dangerous_copy(&self) -> Self {
        Self {
            channel: self.channel.dangerous_copy(),
            secret: self.secret.dangerous_copy(),
            terminal: self.terminal.clone(),
            link: self.link.clone(),
        }
    }
}

/// A plain command the card knows (§11).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plain {
    Select,
    VerifyCertificate,
    Reconnect,
    KeyExchange,
    SetReference(Reference),
    GenerateKey,
    StoreCertificate,
    Activate,
}

/// A secured command the card knows (§11).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Secured {
    TerminalRandom,
    Commit,
    CardCertificate,
    Status,
    GetStatusList,
    PutStatusList,
    ListPairings,
    ChangePairing,
    DeletePairing,
    ListServices,
    PutLink,
    Verify,
    Change(Reference),
    Unblock,
    FactoryReset,
    SelectService,
    Service,
}

const PLAIN: [(Header, Plain); 9] = [
    (header::SELECT, Plain::Select),
    (header::VERIFY_CERTIFICATE, Plain::VerifyCertificate),
    (header::RECONNECT, Plain::Reconnect),
    (header::KEY_EXCHANGE, Plain::KeyExchange),
    (header::SET_PIN, Plain::SetReference(Reference::Pin)),
    (header::SET_PUK, Plain::SetReference(Reference::Puk)),
    (header::GENERATE_KEY, Plain::GenerateKey),
    (header::STORE_CERTIFICATE, Plain::StoreCertificate),
    (header::ACTIVATE, Plain::Activate),
];

const SECURED: [(Header, Secured); 17] = [
    (header::TERMINAL_RANDOM, Secured::TerminalRandom),
    (header::COMMIT, Secured::Commit),
    (header::CARD_CERTIFICATE, Secured::CardCertificate),
    (header::STATUS, Secured::Status),
    (header::GET_STATUS_LIST, Secured::GetStatusList),
    (header::PUT_STATUS_LIST, Secured::PutStatusList),
    (header::LIST_PAIRINGS, Secured::ListPairings),
    (header::CHANGE_PAIRING, Secured::ChangePairing),
    (header::DELETE_PAIRING, Secured::DeletePairing),
    (header::LIST_SERVICES, Secured::ListServices),
    (header::PUT_LINK, Secured::PutLink),
    (header::VERIFY, Secured::Verify),
    (header::CHANGE_PIN, Secured::Change(Reference::Pin)),
    (header::CHANGE_PUK, Secured::Change(Reference::Puk)),
    (header::UNBLOCK, Secured::Unblock),
    (header::FACTORY_RESET, Secured::FactoryReset),
    (header::SELECT_SERVICE, Secured::SelectService),
];

/// Finds a plain command: first its instruction, then its parameters (§4, order of refusal 6 and 7).
pub(crate) fn recognise_plain(header: Header) -> Result<Plain, Refusal> {
    recognise(&PLAIN, header)
}

/// Finds a secured command. Every command of the service class is the selected service's.
pub(crate) fn recognise_secured(header: Header) -> Result<Secured, Refusal> {
    if header.cla == CLA_SERVICE {
        return Ok(Secured::Service);
    }
    recognise(&SECURED, header)
}

fn recognise<T: Copy>(table: &[(Header, T)], header: Header) -> Result<T, Refusal> {
    if !table.iter().any(|(row, _)| row.ins == header.ins) {
        return Err(Refusal::Instruction);
    }
    table
        .iter()
        .find(|(row, _)| *row == header)
        .map(|(_, command)| *command)
        .ok_or(Refusal::Parameters)
}
