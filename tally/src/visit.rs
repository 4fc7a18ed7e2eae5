//! From the arguments to an open session, the same for every verb that talks to a card.

use crate::cli::{CardArguments, StoreArguments};
use crate::failure::{Failure, Kind};
use crate::person::Person;
use crate::{places, reader};
use apdu::codec::status::StatusWord;
use terminal_lib::session::{Session, SessionError};
use terminal_lib::store::{FileStore, IdentityName};
use terminal_lib::{ConnectError, Terminal};

/// The terminal that the arguments name.
pub fn terminal(arguments: &StoreArguments) -> Result<Terminal, Failure> {
    let identity = identity(arguments)?;
    let path = places::store(arguments.store.as_ref())?;
    let store = FileStore::open_or_create(&path).map_err(|error| {
        Failure::failed(format!("{error} (terminal's store: {})", path.display()))
    })?;
    Ok(Terminal::new(store, identity))
}

/// The identity's name.
pub fn identity(arguments: &StoreArguments) -> Result<IdentityName, Failure> {
    IdentityName::new(&arguments.identity).ok_or_else(|| {
        Failure::usage("an identity's name is 1 to 32 of a-z, 0-9, dot, dash and underscore")
    })
}

/// Finds the card, comes to trust it, and does `work` in the session.
pub fn with_card<R>(
    arguments: &CardArguments,
    work: impl FnOnce(Session<'_>, &mut Person) -> Result<R, Failure>,
) -> Result<R, Failure> {
    let mut terminal = terminal(&arguments.store)?;
    let policy = Person::policy(arguments)?;
    let mut card = reader::open(arguments)?;
    let mut person = Person::new(arguments);
    let session = match terminal.connect(card.as_mut(), &mut person, &policy) {
        Ok(session) => session,
        Err(error) => return Err(person.take_failure().unwrap_or_else(|| judge(&error))),
    };
    if arguments
        .card
        .as_ref()
        .is_some_and(|wanted| wanted != session.card().as_str())
    {
        let message = format!(
            "this is card {}, not {}",
            session.card(),
            arguments.card.as_deref().unwrap_or("")
        );
        session.close();
        return Err(Failure::new(Kind::Authentication, message));
    }
    work(session, &mut person)
}

/// Does `work`; if the card wants the PIN first, verifies it and does it again.
pub fn with_pin_if_needed<R>(
    session: &mut Session<'_>,
    person: &mut Person,
    mut work: impl FnMut(&mut Session<'_>) -> Result<R, SessionError>,
) -> Result<R, Failure> {
    match work(session) {
        Err(SessionError::Refused {
            status: StatusWord::SECURITY_NOT_SATISFIED,
            ..
        }) => {
            person.verify_pin(session)?;
            work(session).map_err(Failure::failed)
        }
        other => other.map_err(Failure::failed),
    }
}

fn judge(error: &ConnectError) -> Failure {
    let kind = match error {
        ConnectError::NotPaired(_)
        | ConnectError::SetUp(_)
        | ConnectError::SecondFailure
        | ConnectError::Reconnect(_) => Kind::Authentication,
        ConnectError::Revoked { .. } => Kind::Verification,
        _ => Kind::Failed,
    };
    Failure::new(kind, error)
}
