//! What the card does with each command. Plain commands answer or refuse; secured ones pass through the channel first.

mod data;
mod pairings;
mod personalise;
mod pin;
mod reconnect;
mod select;
mod set_up;

use crate::card::{Card, Reply, World};
use crate::phase::{Phase, Plain, Secured, Session, recognise_secured};
use crate::refusal::Refusal;
use crate::{service, trust};
use alloc::vec::Vec;
use apdu::channel::CardEnd;
use apdu::codec::command::Header;
use apdu::codec::response::Response;
use apdu::codec::status::StatusWord;

/// A plain command. The phase it needs is taken out and put back by its handler; a refusal leaves nothing.
pub(crate) fn plain(
    card: &mut Card,
    world: &mut World<'_>,
    command: Plain,
    data: &[u8],
    expected: Option<u32>,
) -> Reply {
    let phase = core::mem::replace(&mut card.phase, Phase::None);
    match command {
        Plain::Select => select::select(card, world, data, expected),
        Plain::Reconnect => reconnect::challenge(card, world, phase, data),
        Plain::VerifyCertificate => set_up::verify_certificate(card, world, phase, data),
        Plain::KeyExchange => set_up::key_exchange(card, world, phase, data),
        Plain::SetReference(_) | Plain::GenerateKey | Plain::StoreCertificate | Plain::Activate => {
            if !matches!(phase, Phase::Idle { .. } | Phase::Perso) {
                return Err(Refusal::NotNow);
            }
            let answer = personalise::personalise(world, command, data)?;
            card.phase = Phase::Perso;
            Ok(answer)
        }
    }
}

/// What follows a secured command, beside its answer.
pub(crate) enum After {
    /// The session goes on.
    Stay,
    /// The answer is protected, then everything ends.
    End,
}

/// A secured command: unwrap, recognise, act, protect the answer.
pub(crate) fn secured(
    card: &mut Card,
    world: &mut World<'_>,
    header: Header,
    field: &[u8],
) -> Result<Response, Refusal> {
    match core::mem::replace(&mut card.phase, Phase::None) {
        Phase::Provisional(state) => set_up::provisional(card, world, state, header, field),
        Phase::Authenticated(state) => set_up::authenticated(card, world, state, header, field),
        Phase::PinVerified(state) => set_up::pin_verified(card, world, state, header, field),
        Phase::FirstWait { channel, slot } => {
            let (session, data) = reconnect::prove(card, world, channel, slot, header, field)?;
            in_session(card, world, session, header, &data)
        }
        Phase::Secure(mut session) => {
            let opened = session
                .channel
                .open(header, field)
                .map_err(|_| Refusal::Channel)?;
            in_session(card, world, session, header, &opened.data)
        }
        Phase::None
        | Phase::Idle { .. }
        | Phase::Perso
        | Phase::Linked { .. }
        | Phase::Certified { .. } => Err(Refusal::NotNow),
    }
}

/// One command of a paired terminal. A refusal by the command itself is protected, and the session goes on.
fn in_session(
    card: &mut Card,
    world: &mut World<'_>,
    mut session: Session,
    header: Header,
    data: &[u8],
) -> Result<Response, Refusal> {
    let (answer, after) = act(card, world, &mut session, header, data);
    let response = protect(&mut session.channel, answer)?;
    if matches!(after, After::Stay) {
        card.phase = Phase::Secure(session);
    }
    Ok(response)
}

fn act(
    card: &mut Card,
    world: &mut World<'_>,
    session: &mut Session,
    header: Header,
    data: &[u8],
) -> (Reply, After) {
    let command = match recognise_secured(header) {
        Ok(command) => command,
        Err(refusal) => return (Err(refusal), After::Stay),
    };
    let answer = match command {
        Secured::CardCertificate => data::card_certificate(world, data),
        Secured::Status => data::status(world, data),
        Secured::GetStatusList => data::status_list(world, data),
        Secured::PutStatusList => return data::put_status_list(card, world, session, data),
        Secured::ListServices => data::services(card, data),
        Secured::PutLink => data::put_link(world, data),
        Secured::ListPairings => pairings::list(card, session, data),
        Secured::ChangePairing => pairings::change(card, world, session, data),
        Secured::DeletePairing => return pairings::delete(card, world, session, data),
        Secured::Verify => pin::verify(world, session, data),
        Secured::Change(reference) => pin::change(world, session, reference, data),
        Secured::Unblock => pin::unblock_in_session(world, session, data),
        Secured::FactoryReset => return data::factory_reset(card, world, session, data),
        Secured::SelectService => service::select(card, session, data),
        Secured::Service => service::route(card, world, session, header, data),
        Secured::TerminalRandom | Secured::Commit => Err(Refusal::NotNow),
    };
    (answer, After::Stay)
}

/// Protects an answer or a refusal.
fn protect(channel: &mut CardEnd, answer: Reply) -> Result<Response, Refusal> {
    let (data, status) = match answer {
        Ok(data) => (data, StatusWord::OK),
        Err(refusal) => (Vec::new(), refusal.status()),
    };
    let data = channel.seal(&data, status).map_err(|_| Refusal::Channel)?;
    Ok(Response { data, status })
}

/// Refuses data where a command has none.
fn no_data(data: &[u8]) -> Result<(), Refusal> {
    if data.is_empty() {
        Ok(())
    } else {
        Err(Refusal::Data)
    }
}

/// The trusted date, for judging slots.
fn today(world: &World<'_>) -> Result<Option<apdu::certificate::Date>, Refusal> {
    Ok(trust::trusted_date(world.store)?)
}
