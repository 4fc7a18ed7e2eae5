//! SELECT (§5): the one command that is always accepted.

use crate::card::{Card, Reply, World};
use crate::lifecycle::LifeCycle;
use crate::phase::Phase;
use crate::refusal::Refusal;
use apdu::codec::status::StatusWord;
use apdu::handshake::Transcript;
use apdu::identifier::{Aid, MAX_APDU, SUITES, VERSION, header};
use apdu::message::select::{Capabilities, Fci};
use planted::planted;

pub(super) fn select(
    card: &mut Card,
    world: &mut World<'_>,
    data: &[u8],
    expected: Option<u32>,
) -> Reply {
    // Nothing tells what is on the card: a service's name, a prefix and a stranger's name look alike.
    if data != Aid::AUTHENTICATION.0 {
        return Err(Refusal::NotFound);
    }
    if expected.is_none() {
        return Err(Refusal::Structure);
    }
    let life = LifeCycle::of(world.store)?;
    if life == LifeCycle::Terminated {
        return Err(Refusal::Terminated);
    }
    let operational = if life.is_in_use() {
        Capabilities::OPERATIONAL
    } else {
        0
    };
    let prand = if planted("prand-repeats") {
        [7; 8]
    } else {
        world.entropy.nonce()?
    };
    let fci = Fci {
        version: VERSION,
        suites: SUITES,
        capabilities: Capabilities(
            operational | Capabilities::CHAINING | Capabilities::EXTENDED_LENGTH,
        ),
        max_command: MAX_APDU,
        max_response: MAX_APDU,
        prand,
        tags: card.slots.tags(&prand),
    };
    let answer = fci.encode();
    let mut transcript = Transcript::start();
    transcript.command(header::SELECT, data);
    transcript.response(&answer, StatusWord::OK);
    card.phase = Phase::Idle { prand, transcript };
    Ok(answer)
}
