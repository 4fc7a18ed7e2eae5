//! Personalisation (§11.8, §12.1): plain commands, taken until the card is activated and never again.
//!
//! Assumption A-perso: it runs where nobody else reaches the card.

use super::{data::private_key, no_data};
use crate::card::{Reply, World};
use crate::lifecycle::LifeCycle;
use crate::phase::Plain;
use crate::refusal::Refusal;
use crate::retry::NewReference;
use crate::store::{Change, Record, Value};
use crate::trust::Trust;
use alloc::vec::Vec;
use apdu::certificate::{Anchor, Certificate, Name, Request, Role};
use apdu::codec::tlv::{Reader, Tag, put_object};
use apdu::crypto::PrivateKey;
use apdu::message::personalise::KeyOrder;
use apdu::message::pin::{Digits, Reference};

const ISSUER: Tag = Tag(0x42);
const HOLDER: Tag = Tag(0x5F20);

pub(super) fn personalise(world: &mut World<'_>, command: Plain, data: &[u8]) -> Reply {
    let life = LifeCycle::of(world.store)?;
    let open = matches!(life, LifeCycle::Blank | LifeCycle::Initialised);
    match command {
        Plain::SetReference(reference) if open || life == LifeCycle::Certified => {
            set_reference(world, reference, data)
        }
        Plain::GenerateKey if open => generate_key(world, data),
        Plain::StoreCertificate if open => store_certificate(world, life, data),
        Plain::Activate if life == LifeCycle::Certified => activate(world, data),
        _ => Err(Refusal::NotNow),
    }
}

/// The first value of PIN or PUK. There is no default: an unset reference never verifies.
fn set_reference(world: &mut World<'_>, reference: Reference, data: &[u8]) -> Reply {
    let digits = Digits::new(reference, data).ok_or(Refusal::Data)?;
    let new = NewReference::draw(world, reference, &digits)?;
    world.store.commit(&new.changes())?;
    Ok(Vec::new())
}

/// A new key pair, and the request for its certificate. The key is written only with the answer ready.
fn generate_key(world: &mut World<'_>, data: &[u8]) -> Reply {
    let order = KeyOrder::decode(data)?;
    let key = PrivateKey::generate(world.entropy)?;
    let request = Request::create(order.issuer, order.holder, Role::Card, order.nonce, &key);
    let mut record = Vec::with_capacity(80);
    record.extend(key.expose_scalar().expose());
    put_object(&mut record, ISSUER, order.issuer.as_bytes());
    put_object(&mut record, HOLDER, order.holder.as_bytes());
    let record = Value::new(record);
    world.store.commit(&[Change::Put(Record::KEY, &record)])?;
    Ok(request.encoded().to_vec())
}

fn store_certificate(world: &mut World<'_>, life: LifeCycle, data: &[u8]) -> Reply {
    let certificate = Certificate::decode(data).map_err(|_| Refusal::Data)?;
    let trust = Trust::read(world.store)?;
    match certificate.claims().role {
        // The root is written once, also across a factory reset: whoever certified first owns the card.
        Role::Authority if trust.has_root_a() => Err(Refusal::NotNow),
        Role::Authority => {
            Anchor::trust_root(&certificate).map_err(|_| Refusal::Data)?;
            world
                .store
                .commit(&[Change::Put(Record::ROOT_A, certificate.encoded())])?;
            Ok(Vec::new())
        }
        Role::Card if life == LifeCycle::Initialised && trust.has_root_a() => {
            store_own(world, &trust, certificate)
        }
        Role::Card => Err(Refusal::NotNow),
        Role::Terminal => Err(Refusal::Data), // no state of the card makes it right
    }
}

/// The card's own certificate: for its key, under the names it asked for, signed by a root it knows. Date, minimum epoch and status
/// list that a factory reset has left judge it as they judge a terminal's.
fn store_own(world: &mut World<'_>, trust: &Trust, certificate: Certificate) -> Reply {
    let (issuer, holder) = requested_names(world)?;
    let key = private_key(world.store)?;
    let claims = certificate.claims();
    if claims.key != key.public_key() || claims.issuer != issuer || claims.holder != holder {
        return Err(Refusal::Data);
    }
    let own = trust
        .judge_leaf(certificate, Role::Card, None)
        .map_err(|_| Refusal::Data)?;
    let claims = own.certificate().claims();
    let date = trust
        .date
        .map_or(claims.from, |date| date.max(claims.from))
        .to_bcd();
    world.store.commit(&[
        Change::Put(Record::CERTIFICATE, own.certificate().encoded()),
        Change::Put(Record::DATE, &date),
    ])?;
    Ok(Vec::new())
}

fn requested_names(world: &World<'_>) -> Result<(Name, Name), Refusal> {
    let record = world.store.read(Record::KEY)?.ok_or(Refusal::NotNow)?;
    let (_, names) = record.split_at_checked(32).ok_or(Refusal::Storage)?;
    let mut reader = Reader::new(names);
    let mut name = |tag| {
        let bytes = reader.expect(tag).map_err(|_| Refusal::Storage)?;
        Name::from_bytes(bytes).ok_or(Refusal::Storage)
    };
    Ok((name(ISSUER)?, name(HOLDER)?))
}

/// Certified to operational, for ever: only when nothing is missing.
fn activate(world: &mut World<'_>, data: &[u8]) -> Reply {
    no_data(data)?;
    for needed in [
        Record::PIN,
        Record::PUK,
        Record::ROOT_A,
        Record::CERTIFICATE,
    ] {
        if world.store.read(needed)?.is_none() {
            return Err(Refusal::NotNow);
        }
    }
    world.store.commit(&[Change::Put(Record::ACTIVE, &[1])])?;
    Ok(Vec::new())
}
