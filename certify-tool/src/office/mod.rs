//! The authority as a station needs it (ST-13 to ST-15): on this machine, or over the network.

mod here;
pub mod remote;

pub use here::Here;
use remote::Remote;

use crate::cli::{ApprovalArguments, Arguments, PassphraseArguments};
use crate::failure::Failure;
use crate::place;
use apdu::certificate::{Certificate, Name, Request, Role, StatusList};
use authority::{Challenge, Order, Roots};
use std::time::Duration;

/// How many waiting certificates are of interest.
pub const MAX_WAITING: u32 = 256;

/// What a station asks of the authority. Every answer is in the ledger before it is given.
pub trait Office {
    /// The authority's newest root certificate.
    fn root(&self) -> &Certificate;

    /// All roots that the authority's ledger vouches for.
    fn roots(&mut self) -> Result<Roots, Failure>;

    /// Plans a certificate and draws the nonce for its request.
    fn order(&mut self, order: &Order) -> Result<Challenge, Failure>;

    /// Checks a request and signs its certificate. Where an operator has to approve it: waits, as long as was asked for.
    fn issue(&mut self, request: &Request, role: Role, years: u8) -> Result<Certificate, Failure>;

    /// Notes that a holder has stored its certificate.
    fn delivered(&mut self, holder: &Name) -> Result<(), Failure>;

    /// Certificates of a role that may never have reached their holder, newest first, [`MAX_WAITING`] at most.
    fn waiting(&mut self, role: Role) -> Result<Vec<Certificate>, Failure>;

    /// The certificate of a holder that may never have reached it.
    fn waiting_for(&mut self, holder: &Name) -> Result<Option<Certificate>, Failure>;

    /// Requests of this station and role that wait for an operator.
    fn awaiting(&mut self, role: Role) -> Result<Vec<Awaited>, Failure>;

    /// Waits, as long as was asked for, until one of these does not wait any more.
    fn wait(&mut self, role: Role, awaited: &[Awaited]) -> Result<(), Failure>;

    /// What became of a request that has waited.
    fn granted(&mut self, awaited: &Awaited) -> Result<Certificate, Failure>;

    /// Whether the authority has certified this name.
    fn knows(&mut self, holder: &Name) -> Result<bool, Failure>;

    /// The newest status list.
    fn status_list(&mut self) -> Result<Option<StatusList>, Failure>;
}

/// A request that waits for an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Awaited {
    /// Its id.
    pub id: String,
    /// Who is to be certified.
    pub holder: Name,
}

/// The authority that the arguments name: over the network, or in a folder with its key.
pub fn open(
    arguments: &Arguments,
    passphrase: &PassphraseArguments,
    approval: &ApprovalArguments,
) -> Result<Box<dyn Office>, Failure> {
    if let Some(remote) = reach(arguments)? {
        let patience = Duration::from_secs(approval.wait_approval);
        return Ok(Box::new(remote.with_patience(patience)));
    }
    let folder = place::folder(arguments.dir.as_deref())?;
    Ok(Box::new(Here::open(&folder, passphrase)?))
}

/// The authority over the network, if the arguments name one.
pub fn reach(arguments: &Arguments) -> Result<Option<Remote>, Failure> {
    let Some(url) = &arguments.authority else {
        return Ok(None);
    };
    let folder = place::station(arguments.station.as_deref())?;
    Remote::open(url.trim_end_matches('/'), &folder).map(Some)
}
