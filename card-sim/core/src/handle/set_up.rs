//! Set-up (§9): certificates, key exchange, PIN consent, commit. No durable change before the commit but a PIN try.

use super::{data as objects, no_data, pin, protect};
use crate::card::{Card, Reply, World};
use crate::lifecycle::LifeCycle;
use crate::phase::{Link, Phase, Provisional, Secured, SetUp, recognise_secured};
use crate::refusal::Refusal;
use crate::slots::{SlotData, Slots};
use crate::store::{Change, Record};
use crate::trust::{Place, Trust};
use alloc::vec::Vec;
use apdu::certificate::{Certificate, HolderHash, Role};
use apdu::channel::CardEnd;
use apdu::codec::command::Header;
use apdu::codec::response::Response;
use apdu::codec::status::StatusWord;
use apdu::crypto::{PrivateKey, PublicKey, Secret, decapsulate, encapsulate};
use apdu::handshake::ProvisionalSecret;
use apdu::identifier::header;
use apdu::message::key_exchange::{CardShare, TerminalRandom, TerminalShare};
use apdu::message::pairings::Label;

/// Message 2: the terminal's certificate, or a link certificate before it. One word for every reason.
pub(super) fn verify_certificate(
    card: &mut Card,
    world: &mut World<'_>,
    phase: Phase,
    data: &[u8],
) -> Reply {
    let (mut transcript, link) = match phase {
        Phase::Idle { transcript, .. } => (transcript, None),
        Phase::Linked { transcript, link } => (transcript, Some(link)),
        _ => return Err(Refusal::NotNow),
    };
    if !LifeCycle::of(world.store)?.is_in_use() {
        return Err(Refusal::NotNow);
    }
    let certificate = Certificate::decode(data).map_err(|_| Refusal::Certificate)?;
    let trust = Trust::read(world.store)?;
    transcript.command(header::VERIFY_CERTIFICATE, data);
    transcript.response(&[], StatusWord::OK);
    let is_authority = certificate.claims().role == Role::Authority;
    card.phase = match link {
        None if is_authority => {
            let (anchor, place) = trust
                .judge_link(&certificate)
                .map_err(|_| Refusal::Certificate)?;
            Phase::Linked {
                transcript,
                link: Link {
                    certificate,
                    anchor,
                    place,
                },
            }
        }
        link => {
            let anchor = link.as_ref().map(|link| &link.anchor);
            let terminal = trust.judge_leaf(certificate, Role::Terminal, anchor)?;
            Phase::Certified {
                transcript,
                terminal,
                link,
            }
        }
    };
    Ok(Vec::new())
}

/// Message 3: ephemeral keys, and the card's random encapsulated to the terminal's certified key.
pub(super) fn key_exchange(
    card: &mut Card,
    world: &mut World<'_>,
    phase: Phase,
    data: &[u8],
) -> Reply {
    let Phase::Certified {
        mut transcript,
        terminal,
        link,
    } = phase
    else {
        return Err(Refusal::NotNow);
    };
    let TerminalShare(share) = TerminalShare::decode(data).map_err(|_| Refusal::Data)?;
    let ephemeral = PrivateKey::generate(world.entropy)?;
    let (encapsulation, card_random) = encapsulate(terminal.key(), world.entropy)?;
    let answer = CardShare {
        ephemeral: ephemeral.public_key(),
        encapsulation: PublicKey::from_uncompressed(&encapsulation).map_err(|_| Refusal::Data)?,
    }
    .encode();
    transcript.command(header::KEY_EXCHANGE, data);
    transcript.response(&answer, StatusWord::OK);
    let secret =
        ProvisionalSecret::derive(&transcript.hash(), &ephemeral.agree(&share), &card_random);
    card.phase = Phase::Provisional(Provisional {
        channel: CardEnd::new(secret.session_keys()),
        secret,
        transcript,
        terminal,
        link,
        certificate_given: false,
    });
    Ok(answer)
}

/// Messages 4 and 5. A MAC that verifies here proves that the terminal holds its certified key.
pub(super) fn provisional(
    card: &mut Card,
    world: &mut World<'_>,
    mut state: Provisional,
    header: Header,
    field: &[u8],
) -> Result<Response, Refusal> {
    let opened = state
        .channel
        .open(header, field)
        .map_err(|_| Refusal::Channel)?;
    match recognise_secured(header) {
        Ok(Secured::CardCertificate) if !state.certificate_given => {
            let answer = objects::card_certificate(world, &opened.data);
            let succeeded = answer.is_ok();
            let response = protect(&mut state.channel, answer)?;
            state.transcript.command(header, field);
            state.transcript.response(&response.data, response.status);
            state.certificate_given = true;
            if succeeded {
                card.phase = Phase::Provisional(state);
            }
            Ok(response)
        }
        Ok(Secured::TerminalRandom) if state.certificate_given => {
            match terminal_random(world, &opened.data) {
                Err(refusal) => protect(&mut state.channel, Err(refusal)),
                Ok((random, status)) => {
                    state.transcript.command(header, field);
                    let secret = state.secret.authenticate(&state.transcript.hash(), &random);
                    let mut channel = CardEnd::answering(secret.session_keys());
                    let response = protect(&mut channel, Ok(status))?;
                    let (terminal, link) = (state.terminal, state.link);
                    card.phase = Phase::Authenticated(SetUp {
                        channel,
                        secret,
                        terminal,
                        link,
                    });
                    Ok(response)
                }
            }
        }
        Ok(_) => protect(&mut state.channel, Err(Refusal::NotNow)),
        Err(refusal) => protect(&mut state.channel, Err(refusal)),
    }
}

/// What message 5 brings, opened with the card's key, and the status that its answer will carry.
fn terminal_random(world: &World<'_>, data: &[u8]) -> Result<(Secret<32>, Vec<u8>), Refusal> {
    let TerminalRandom(encapsulation) = TerminalRandom::decode(data).map_err(|_| Refusal::Data)?;
    let key = objects::private_key(world.store)?;
    let own = objects::card_certificate(world, &[])?;
    let own = Certificate::restored(&own).map_err(|_| Refusal::Storage)?;
    let random = decapsulate(&key, &own.claims().key, &encapsulation);
    Ok((random, objects::status(world, &[])?))
}

/// Message 6, between the two proofs and the PIN.
pub(super) fn authenticated(
    card: &mut Card,
    world: &mut World<'_>,
    mut state: SetUp,
    header: Header,
    field: &[u8],
) -> Result<Response, Refusal> {
    let opened = state
        .channel
        .open(header, field)
        .map_err(|_| Refusal::Channel)?;
    let answer = match recognise_secured(header) {
        Ok(Secured::Status) => objects::status(world, &opened.data),
        Ok(Secured::Unblock) => {
            pin::unblock_in_set_up(world, card.slots.any_in_use(), &opened.data)
        }
        Ok(Secured::Commit) => Err(Refusal::PinNeeded),
        Ok(Secured::Verify) if opened.data.is_empty() => pin::query(world, false),
        Ok(Secured::Verify) => {
            let verified = pin::verify_in_set_up(world, card.slots.any_in_use(), &opened.data);
            if verified.is_ok() {
                let response = protect(&mut state.channel, verified)?;
                card.phase = Phase::PinVerified(state);
                return Ok(response);
            }
            verified
        }
        Ok(_) => return protect(&mut state.channel, Err(Refusal::NotNow)),
        Err(refusal) => return protect(&mut state.channel, Err(refusal)),
    };
    let response = protect(&mut state.channel, answer)?;
    card.phase = Phase::Authenticated(state);
    Ok(response)
}

/// Message 7, once the PIN was right.
pub(super) fn pin_verified(
    card: &mut Card,
    world: &mut World<'_>,
    mut state: SetUp,
    header: Header,
    field: &[u8],
) -> Result<Response, Refusal> {
    let opened = state
        .channel
        .open(header, field)
        .map_err(|_| Refusal::Channel)?;
    match recognise_secured(header) {
        Ok(Secured::Status) => {
            let answer = objects::status(world, &opened.data);
            let response = protect(&mut state.channel, answer)?;
            card.phase = Phase::PinVerified(state);
            Ok(response)
        }
        Ok(Secured::Commit) => {
            let SetUp {
                mut channel,
                secret,
                terminal,
                link,
            } = state;
            let stored = no_data(&opened.data).and_then(|()| {
                let certificate = terminal.certificate();
                let pairing = NewPairing {
                    holder: certificate.holder_hash(),
                    certificate,
                    link: link.as_ref(),
                };
                commit(card, world, &pairing, secret.into_pairing_key())
            });
            protect(&mut channel, stored.map(|()| Vec::new()))
        }
        Ok(_) => protect(&mut state.channel, Err(Refusal::NotNow)),
        Err(refusal) => protect(&mut state.channel, Err(refusal)),
    }
}

struct NewPairing<'a> {
    holder: HolderHash,
    certificate: &'a Certificate,
    link: Option<&'a Link>,
}

/// One durable commit: the slot, the trusted date, and the linked root.
fn commit(
    card: &mut Card,
    world: &mut World<'_>,
    pairing: &NewPairing<'_>,
    key: apdu::handshake::PairingKey,
) -> Result<(), Refusal> {
    let trust = Trust::read(world.store)?;
    let claims = pairing.certificate.claims();
    let number = card.slots.place(&pairing.holder);
    let previous = card
        .slots
        .data(number)
        .filter(|data| data.holder == pairing.holder);
    let data = SlotData {
        holder: pairing.holder,
        generation: 0,
        epoch: claims.epoch,
        until: claims.until,
        last_use: card.slots.next_use(),
        label: previous.map_or_else(Label::default, |data| data.label.clone()),
        pinned: previous.is_some_and(|data| data.pinned),
    };
    let record = Slots::encode(&data, &key);
    let date = trust.moved_date(claims.from);
    let bcd = date.to_bcd();
    let mut changes = Vec::from([
        Change::Put(Record::slot(number.number()), &record),
        Change::Put(Record::DATE, &bcd),
    ]);
    if let Some(link) = pairing.link {
        changes.extend(place_root(link.place, link.certificate.encoded()));
    }
    if trust.is_root_b(&claims.issuer) {
        changes.push(Change::Put(Record::ROOT_B_PROVEN, &[1]));
    }
    world.store.commit(&changes)?;
    card.slots.put(number, data, Some(key));
    card.slots.expire(world, Some(date));
    Ok(())
}

/// Where a linked root goes. Replacing root A keeps root B where it is; it stays proven.
pub(super) fn place_root(place: Place, certificate: &[u8]) -> Option<Change<'_>> {
    match place {
        Place::Known => None,
        Place::B => Some(Change::Put(Record::ROOT_B, certificate)),
        Place::A => Some(Change::Put(Record::ROOT_A, certificate)),
    }
}
