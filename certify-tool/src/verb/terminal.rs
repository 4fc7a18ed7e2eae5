//! `certify terminal`: the flow of Figure 9 for a terminal, by files or directly in its store on this machine.

use super::describe::certificate_sheet;
use crate::cli::{Arguments, TerminalArguments};
use crate::failure::Failure;
use crate::office::{self, Office};
use crate::{files, place};
use apdu::certificate::{Certificate, Name, Role, pem};
use authority::{NameOrder, Order};
use getrandom::SysRng;
use std::path::Path;
use terminal_lib::identity::{self, IdentityError, Summary};
use terminal_lib::store::{FileStore, IdentityName};

/// Certifies the terminal that the arguments name.
pub fn certify(arguments: &Arguments, job: &TerminalArguments) -> Result<(), Failure> {
    match (&job.request, &job.store) {
        (Some(request), _) => by_request(arguments, job, request),
        (None, Some(store)) => in_store(arguments, job, store),
        (None, None) => in_store(arguments, job, &place::terminal_store()?),
    }
}

fn by_request(arguments: &Arguments, job: &TerminalArguments, path: &Path) -> Result<(), Failure> {
    let style = arguments.output_format;
    let request = files::request(path)?;
    let mut office = office::open(arguments, &job.passphrase, &job.approval)?;
    let certificate = office.issue(&request, Role::Terminal, job.years)?;
    files::write(&job.output, pem::CERTIFICATE, certificate.encoded())?;
    let sheet = certificate_sheet(&certificate);
    if files::is_stream(&job.output.out) {
        sheet.print_aside();
    } else {
        sheet.print(style)?;
    }
    Ok(())
}

/// ST-15: station and authority on one machine.
fn in_store(arguments: &Arguments, job: &TerminalArguments, path: &Path) -> Result<(), Failure> {
    let style = arguments.output_format;
    let name = IdentityName::new(&job.identity).ok_or_else(|| {
        Failure::usage(format!(
            "{} is no name of an identity: 1 to 32 of a-z 0-9 . _ -",
            job.identity
        ))
    })?;
    let mut office = office::open(arguments, &job.passphrase, &job.approval)?;
    let now = place::now()?;
    let mut store = FileStore::open_or_create(path)?;
    let known = match identity::summary(&store, &name) {
        Ok(summary) => Some(summary),
        Err(IdentityError::Missing(_)) => None,
        Err(error) => return Err(error.into()),
    };
    // A certificate that was issued for this very request but did not reach the store: an interrupted run.
    let requested = known.as_ref().and_then(|known| known.requested);
    let waiting = match requested {
        Some(holder) => earlier(office.as_mut(), &holder)?,
        None => None,
    };
    let certificate = match waiting {
        Some(certificate) => certificate,
        None => {
            let order = Order {
                role: Role::Terminal,
                name: name_order(job, office.as_mut(), known.as_ref())?,
            };
            let challenge = office.order(&order)?;
            let request = identity::create_request(
                &mut store,
                &name,
                challenge.issuer,
                challenge.holder,
                challenge.nonce,
                &mut SysRng,
            )?;
            office.issue(&request, Role::Terminal, job.years)?
        }
    };
    let vouched = office.roots()?;
    let roots: Vec<_> = vouched
        .iter()
        .map(|root| root.certificate.clone())
        .collect();
    let links: Vec<_> = vouched
        .iter()
        .filter_map(|root| root.link.clone())
        .collect();
    identity::install_linked(&mut store, &name, &certificate, &roots, &links, now.day())?;
    if let Some(list) = office.status_list()? {
        identity::take_status_list(&mut store, &name, &list, now.day())?;
    }
    office.delivered(&certificate.claims().holder)?;
    certificate_sheet(&certificate)
        .text("store", &path.display())
        .text("identity", &name)
        .print(style)?;
    Ok(())
}

/// The certificate for a request that was made before: issued, or waited for until an operator has decided.
fn earlier(office: &mut dyn Office, holder: &Name) -> Result<Option<Certificate>, Failure> {
    let awaited = office.awaiting(Role::Terminal)?;
    match awaited.iter().find(|awaited| awaited.holder == *holder) {
        Some(awaited) => {
            office.wait(Role::Terminal, std::slice::from_ref(awaited))?;
            office.granted(awaited).map(Some)
        }
        None => office.waiting_for(holder),
    }
}

/// ST-63: an identity with a certificate gets another one only on purpose, in place of the one it has.
fn name_order(
    job: &TerminalArguments,
    office: &mut dyn Office,
    known: Option<&Summary>,
) -> Result<NameOrder, Failure> {
    let held = known
        .and_then(|known| known.certificate.as_ref())
        .map(|certificate| certificate.claims().holder);
    match (held, job.name.recertify, &job.name.name) {
        (Some(held), false, _) => Err(Failure::failed(format!(
            "identity {} is certified as {held}; say --recertify to certify it again under a new name, which the ledger records",
            job.identity
        ))),
        (Some(held), true, None) if office.knows(&held)? => Ok(NameOrder::InPlaceOf(held)),
        _ => place::name_order(&job.name, Role::Terminal),
    }
}
