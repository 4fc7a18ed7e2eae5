//! The whole personalisation of one card (§11.8, §12.1), and its resumption where an earlier one was interrupted.
//!
//! ```text
//! blank        PIN, PUK ─► root ─► key and request ─► issue ─► certificate ─► activate
//! initialised  PIN, PUK ─► a certificate that waits in the ledger ─► activate       (else as blank)
//! certified    PIN, PUK ─► activate
//! ```
//!
//! Where an operator has to approve, it stops or waits after the request. The card keeps its key pair, and at the next try the certificate for
//! it waits in the ledger.
//!
//! The card's own refusals tell in which state it is: each wrong step is answered without any change.

use crate::failure::Failure;
use crate::office::Office;
use apdu::certificate::{Certificate, Role};
use apdu::codec::status::StatusWord;
use apdu::message::personalise::KeyOrder;
use apdu::message::pin::Digits;
use authority::{NameOrder, Order};
use terminal_lib::personalise::{PersonaliseError, Station};
use terminal_lib::transport::Transport;

/// What is to be done, with everything it needs.
pub struct Job<'a> {
    pub office: &'a mut dyn Office,
    pub name: NameOrder,
    pub recertify: bool,
    pub years: u8,
    pub pin: &'a Digits,
    pub puk: &'a Digits,
    /// Progress callback.
    pub tell: &'a mut dyn FnMut(&str),
    /// Called before the card is activated for ever, with the certificate on the card; with `None` when the card had it already. What the
    /// person needs is durable or delivered when this returns; an error keeps the card from being activated.
    pub ready: &'a mut dyn FnMut(Option<&Certificate>) -> Result<(), Failure>,
}

/// Brings a card into use.
pub fn personalise(card: &mut dyn Transport, job: &mut Job<'_>) -> Result<(), Failure> {
    let mut station = Station::begin(card)?;
    station.set_pin(job.pin)?;
    (job.tell)("PIN set");
    station.set_puk(job.puk)?;
    (job.tell)("PUK set");
    drop(station);
    if let Some(certificate) = store_waiting(card, job)? {
        return bring_into_use(card, job, Some(&certificate));
    }
    let rooted = Station::begin(card)?.store_root(job.office.root());
    match rooted {
        Ok(()) => (job.tell)("root stored"),
        Err(PersonaliseError::NotNow { .. }) => {
            if Station::begin(card)?.awaits_activation()? {
                (job.tell)("its certificate was stored earlier");
                return bring_into_use(card, job, None);
            }
            if !job.recertify {
                let certificate = outlast(card, job)?;
                let certificate = certificate.ok_or_else(|| Failure::failed(SECOND_TIME))?;
                return bring_into_use(card, job, Some(&certificate));
            }
            (job.tell)("a root was stored earlier");
        }
        Err(error) => return Err(error.into()),
    }
    certify(card, job)
}

/// The certificate is stored; activation is for ever, so what the person needs is handed over first.
fn bring_into_use(
    card: &mut dyn Transport,
    job: &mut Job<'_>,
    certificate: Option<&Certificate>,
) -> Result<(), Failure> {
    (job.ready)(certificate)?;
    let activated = Station::begin(card)?.activate();
    settle(card, job, activated)
}

/// Whether the card is in use now.
fn settle(
    card: &mut dyn Transport,
    job: &mut Job<'_>,
    activated: Result<(), PersonaliseError>,
) -> Result<(), Failure> {
    match activated {
        Ok(()) => (job.tell)("activated"),
        // The answer may have been lost after the card had done it. A card in use says so when it is selected.
        Err(error) => match Station::begin(card) {
            Err(PersonaliseError::AlreadyActive) => {
                (job.tell)("activated; the card's answer was lost");
            }
            _ => return Err(error.into()),
        },
    }
    Ok(())
}

/// Whether this card's request waits for an operator, the card does not tell. So every request of this station is waited for, and
/// each certificate that comes of one is tried.
fn outlast(card: &mut dyn Transport, job: &mut Job<'_>) -> Result<Option<Certificate>, Failure> {
    loop {
        let awaited = job.office.awaiting(Role::Card)?; // first: so none slips through between the two
        if let Some(certificate) = store_waiting(card, job)? {
            return Ok(Some(certificate));
        }
        if awaited.is_empty() {
            return Ok(None);
        }
        let waited = job.office.wait(Role::Card, &awaited);
        waited.map_err(|failure| failure.and("a card that is none of theirs needs --recertify"))?;
    }
}

/// ST-63. The root stays on a card across a factory reset, so a card cannot pass as new.
const SECOND_TIME: &str = "this card has a root already: it was certified before and reset, or its first certification was \
     interrupted; say --recertify to certify it again, with --name if its earlier name is known; the ledger records it";

/// Key and request, certificate, activation. The certificate is in the ledger before it leaves.
fn certify(card: &mut dyn Transport, job: &mut Job<'_>) -> Result<(), Failure> {
    let order = Order {
        role: Role::Card,
        name: job.name.clone(),
    };
    let challenge = job.office.order(&order)?;
    let order = KeyOrder {
        issuer: challenge.issuer,
        holder: challenge.holder,
        nonce: challenge.nonce,
    };
    let mut station = Station::begin(card)?;
    let request = station.generate_key(&order)?;
    (job.tell)("key pair made by the card, request received");
    let certificate = job.office.issue(&request, Role::Card, job.years)?;
    (job.tell)("certificate issued");
    station
        .store_certificate(&certificate)
        .map_err(|error| match error {
            PersonaliseError::Refused { .. } => Failure::failed(
                "the card refused its certificate: the root on it is of another authority, or an earlier one of this authority; a card keeps the root it was first given",
            ),
            error => error.into(),
        })?;
    job.office.delivered(&challenge.holder)?;
    (job.tell)("certificate stored");
    (job.ready)(Some(&certificate))?;
    let activated = station.activate();
    drop(station);
    settle(card, job, activated)
}

/// Tries the certificates that were issued and never seen stored: a card takes the one for its own key and no other.
fn store_waiting(
    card: &mut dyn Transport,
    job: &mut Job<'_>,
) -> Result<Option<Certificate>, Failure> {
    for certificate in job.office.waiting(Role::Card)? {
        let holder = certificate.claims().holder;
        let stored = Station::begin(card)?.store_certificate(&certificate);
        match stored {
            Ok(()) => {
                job.office.delivered(&holder)?;
                (job.tell)(&format!("certificate {holder}, issued earlier, stored"));
                return Ok(Some(certificate));
            }
            // Blank, or certified, or without a root: then none of them fits.
            Err(PersonaliseError::NotNow { .. }) => return Ok(None),
            // Not this card's key.
            Err(PersonaliseError::Refused {
                status: StatusWord::WRONG_DATA,
                ..
            }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}
