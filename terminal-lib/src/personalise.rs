//! What a certification station does with a blank card (§11.8, §12.1; seed Fig. 9): plain commands, in a protected room.
//!
//! Nothing here is authenticated or encrypted: the PIN travels in clear. Personalisation belongs where nobody else
//! reaches the card or its reader (assumption A-perso).

use crate::exchange::{Exchange, ExchangeError, Expects, Outgoing};
use crate::flow::{SelectFault, Selected, select};
use crate::transport::Transport;
use apdu::certificate::{Certificate, CertificateError, Request, Role};
use apdu::codec::command::Header;
use apdu::codec::status::StatusWord;
use apdu::crypto::SecretBytes;
use apdu::identifier::header;
use apdu::message::personalise::KeyOrder;
use apdu::message::pin::Digits;
use zeroize::Zeroize;

/// Why a step of personalisation failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PersonaliseError {
    /// The way to the card.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    /// The card is none of ours.
    #[error(transparent)]
    Card(#[from] SelectFault),
    /// The card is in use already.
    #[error("the card is personalised already; only a factory reset makes it blank again")]
    AlreadyActive,
    /// 6985: a step too early, or one that was done.
    #[error("the card does not take {step} now: {hint}")]
    NotNow {
        /// The step.
        step: &'static str,
        /// What may be missing.
        hint: &'static str,
    },
    /// Another word.
    #[error("the card refused {step}: {status}")]
    Refused {
        /// The step.
        step: &'static str,
        /// The word.
        status: StatusWord,
    },
    /// The card's request is malformed, or its proof of possession wrong.
    #[error("the card's certificate request is no good: {0}")]
    Request(#[from] CertificateError),
    /// The card's request is not what was ordered.
    #[error("the card's certificate request is not about what was ordered")]
    OtherRequest,
}

/// A card that takes personalisation commands.
pub struct Station<'t> {
    exchange: Exchange<'t>,
}

impl<'t> Station<'t> {
    /// Selects the card, which must not be in use yet.
    pub fn begin(transport: &'t mut dyn Transport) -> Result<Self, PersonaliseError> {
        let mut exchange = Exchange::begin(transport)?;
        let selected = Selected::from_answer(&exchange.send(&select())?)?;
        if selected.fci().capabilities.is_operational() {
            return Err(PersonaliseError::AlreadyActive);
        }
        exchange.learn_limits(selected.fci());
        exchange.reset_at_end();
        Ok(Self { exchange })
    }

    /// Sets the first PIN.
    pub fn set_pin(&mut self, pin: &Digits) -> Result<(), PersonaliseError> {
        self.set("the PIN", header::SET_PIN, pin)
    }

    /// Sets the first PUK.
    pub fn set_puk(&mut self, puk: &Digits) -> Result<(), PersonaliseError> {
        self.set("the PUK", header::SET_PUK, puk)
    }

    /// Stores the authority's root, once in the card's life.
    pub fn store_root(&mut self, root: &Certificate) -> Result<(), PersonaliseError> {
        let step = "the root";
        let hint = "a root was stored before, and it stays, also after a factory reset";
        self.tell(step, hint, header::STORE_CERTIFICATE, root.encoded())
    }

    /// Has the card make its key pair, and gives its request: about what was ordered, with a valid proof of possession.
    pub fn generate_key(&mut self, order: &KeyOrder) -> Result<Request, PersonaliseError> {
        let step = "the order for a key pair";
        let hint = "it has a certificate already";
        let command = outgoing(header::GENERATE_KEY, order.encode(), Expects::Short);
        let data = self.ask(step, hint, &command)?;
        let request = Request::decode(&data)?;
        let fields = request.fields();
        let as_ordered = fields.issuer == order.issuer
            && fields.holder == order.holder
            && fields.nonce == order.nonce
            && fields.role == Role::Card;
        match as_ordered {
            true => Ok(request),
            false => Err(PersonaliseError::OtherRequest),
        }
    }

    /// Stores the card's own certificate.
    pub fn store_certificate(&mut self, certificate: &Certificate) -> Result<(), PersonaliseError> {
        let step = "its certificate";
        let hint = "it needs a root and a key first, and takes one certificate only";
        self.tell(step, hint, header::STORE_CERTIFICATE, certificate.encoded())
    }

    /// Whether everything is on the card and only its activation is missing. Changes nothing: an activation with data is refused for the
    /// data (6A80) where the life cycle would allow it, and before that where it does not (6985; §4, order of refusals).
    pub fn awaits_activation(&mut self) -> Result<bool, PersonaliseError> {
        match self.tell("a look at its life cycle", "", header::ACTIVATE, &[0]) {
            Err(PersonaliseError::Refused {
                status: StatusWord::WRONG_DATA,
                ..
            }) => Ok(true),
            Err(PersonaliseError::NotNow { .. }) => Ok(false),
            Err(error) => Err(error),
            Ok(()) => Err(PersonaliseError::AlreadyActive),
        }
    }

    /// Puts the card into use, for ever.
    pub fn activate(&mut self) -> Result<(), PersonaliseError> {
        let hint = "PIN, PUK, root and certificate must all be there";
        self.tell("its activation", hint, header::ACTIVATE, &[])
    }

    fn set(
        &mut self,
        step: &'static str,
        header: Header,
        digits: &Digits,
    ) -> Result<(), PersonaliseError> {
        let mut command = outgoing(header, digits.expose().to_vec(), Expects::Nothing);
        let told = self.ask(step, "its life cycle is past that", &command);
        command.data.zeroize();
        told.map(drop)
    }

    fn tell(
        &mut self,
        step: &'static str,
        hint: &'static str,
        header: Header,
        data: &[u8],
    ) -> Result<(), PersonaliseError> {
        self.ask(
            step,
            hint,
            &outgoing(header, data.to_vec(), Expects::Nothing),
        )
        .map(drop)
    }

    fn ask(
        &mut self,
        step: &'static str,
        hint: &'static str,
        command: &Outgoing,
    ) -> Result<SecretBytes, PersonaliseError> {
        let response = self.exchange.send(command)?;
        match response.status {
            StatusWord::OK => Ok(SecretBytes::new(response.data)),
            StatusWord::CONDITIONS_NOT_SATISFIED => Err(PersonaliseError::NotNow { step, hint }),
            status => Err(PersonaliseError::Refused { step, status }),
        }
    }
}

fn outgoing(header: Header, data: Vec<u8>, expects: Expects) -> Outgoing {
    Outgoing {
        header,
        data,
        expects,
    }
}
