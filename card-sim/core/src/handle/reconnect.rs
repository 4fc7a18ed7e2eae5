//! Reconnect (§8): C1, and the first secured command.

use super::today;
use crate::card::{Card, Reply, World};
use crate::phase::{Phase, Session};
use crate::refusal::Refusal;
use crate::slots::HiddenSlot;
use apdu::channel::CardEnd;
use apdu::codec::command::Header;
use apdu::crypto::SecretBytes;
use apdu::identifier::header;
use apdu::message::reconnect::{Challenge, ChallengeAnswer};
use planted::planted;

/// C1. A stranger gets an answer of the same shape, made with a decoy.
pub(super) fn challenge(
    card: &mut Card,
    world: &mut World<'_>,
    phase: Phase,
    data: &[u8],
) -> Reply {
    let Phase::Idle {
        prand,
        mut transcript,
    } = phase
    else {
        return Err(Refusal::NotNow);
    };
    let challenge = Challenge::decode(data)?;
    let card_nonce = world.entropy.nonce()?;
    transcript.command(header::RECONNECT, data);
    let th_f = transcript.reconnect_hash(&card_nonce);
    let chosen = card
        .slots
        .choose(&prand, &challenge.terminal_nonce, &challenge.hint);
    let answer = ChallengeAnswer {
        card_nonce,
        proof: chosen.key.card_proof(&th_f),
    };
    let channel = CardEnd::new(chosen.key.session_keys(&th_f));
    let slot = chosen.slot;
    card.phase = Phase::FirstWait { channel, slot };
    Ok(answer.encode())
}

/// The first secured command: its MAC is the terminal's proof. The slot moves on durably before anything is executed (§8.4).
pub(super) fn prove(
    card: &mut Card,
    world: &mut World<'_>,
    mut channel: CardEnd,
    slot: HiddenSlot,
    header: Header,
    field: &[u8],
) -> Result<(Session, SecretBytes), Refusal> {
    let opened = channel.open(header, field).map_err(|_| Refusal::Channel)?;
    let slot = slot.reveal().ok_or(Refusal::Channel)?;
    let holder = card.slots.data(slot).ok_or(Refusal::Channel)?.holder;
    let today = today(world)?;
    if !planted("ratchet-stands-still") {
        card.slots.advance(world, slot, today)?;
    }
    let session = Session {
        channel,
        slot,
        holder,
        pin_verified: false,
        service: None,
    };
    Ok((session, opened.data))
}
