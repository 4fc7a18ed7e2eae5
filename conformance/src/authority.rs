//! An authority in memory: one fixed root key that certifies whoever asks.

use crate::user::PIN;
use apdu::certificate::{
    Certificate, CertificateFields, Date, HolderHash, Name, Request, Role, StatusList,
    StatusListFields,
};
use apdu::crypto::{PrivateKey, PublicKey};
use apdu::message::personalise::KeyOrder;
use apdu::message::pin::{Digits, Reference};
use card_core::store::Store;
use card_sim::body::VirtualCard;
use getrandom::SysRng;
use terminal_lib::identity::IdentityError;
use terminal_lib::personalise::{PersonaliseError, Station};
use terminal_lib::store::{IdentityName, MemoryStore, PairingStore};
use terminal_lib::transport::in_process::InProcess;
use terminal_lib::{Terminal, identity};

use crate::card::{Disk, Powered};

/// The root's name.
pub const ROOT: &str = "ZZTALLYROOT00001";
/// The first card's name.
pub const CARD: &str = "ZZTALLYCARD00001";
/// The first terminal's name.
pub const TERMINAL: &str = "ZZTALLYTERM00001";
/// The PUK of every card.
pub const PUK: &[u8] = b"31415926";

/// A name that is written in a test.
pub fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// The day on which every test happens.
pub fn today() -> Date {
    Date::new(2026, 11, 21).unwrap()
}

/// The identity of every terminal in its store.
pub fn desk() -> IdentityName {
    IdentityName::new("desk").unwrap()
}

fn root_key() -> PrivateKey {
    PrivateKey::from_scalar(&[1; 32]).unwrap()
}

/// Certifies a key, valid from the beginning of 2026 until `until`.
pub fn certify(holder: Name, role: Role, key: PublicKey, until: Date) -> Certificate {
    let fields = CertificateFields {
        issuer: name(ROOT),
        holder,
        role,
        epoch: 1,
        key,
        from: Date::new(2026, 1, 1).unwrap(),
        until,
    };
    let signature = root_key().sign(&fields.encode_body());
    Certificate::assemble(fields, signature)
}

fn certify_request(request: &Request) -> Certificate {
    let asked = request.fields();
    let until = Date::new(2060, 1, 1).unwrap();
    certify(asked.holder, asked.role, asked.key.clone(), until)
}

/// The root's own certificate.
pub fn root() -> Certificate {
    let until = Date::new(2060, 1, 1).unwrap();
    certify(name(ROOT), Role::Authority, root_key().public_key(), until)
}

/// A signed status list that revokes these holders.
pub fn status_list(sequence: u32, revoked: &[(Role, &str)]) -> StatusList {
    let mut revoked: Vec<_> = revoked
        .iter()
        .map(|(role, holder)| HolderHash::of(*role, &name(holder)))
        .collect();
    revoked.sort();
    let fields = StatusListFields {
        issuer: name(ROOT),
        sequence,
        min_epoch: 0,
        date: Date::new(2026, 11, 1).unwrap(),
        revoked,
    };
    let signature = root_key().sign(&fields.encode_body());
    StatusList::assemble(fields, signature)
}

/// Makes the blank card in `store` an operational one, by the station's own commands (§12.1).
pub fn put_into_use<S: Store>(store: S, holder: &str) {
    personalise(store, holder).unwrap();
}

/// The same, for a card that may fail on the way.
///
/// # Errors
/// What the station says.
pub fn personalise<S: Store>(store: S, holder: &str) -> Result<(), PersonaliseError> {
    let mut reader = InProcess::new(Powered(VirtualCard::new(store, SysRng)));
    let mut station = Station::begin(&mut reader)?;
    let digits = |reference, digits| Digits::new(reference, digits).unwrap();
    station.set_pin(&digits(Reference::Pin, PIN))?;
    station.set_puk(&digits(Reference::Puk, PUK))?;
    station.store_root(&root())?;
    let order = KeyOrder {
        issuer: name(ROOT),
        holder: name(holder),
        nonce: [7; 16],
    };
    let request = station.generate_key(&order)?;
    station.store_certificate(&certify_request(&request))?;
    station.activate()
}

/// An operational card in memory.
pub fn card(holder: &str) -> Disk {
    let disk = Disk::default();
    put_into_use(disk.clone(), holder);
    disk
}

/// The store of a certified terminal that trusts the root.
pub fn terminal_store(holder: &str) -> MemoryStore {
    certified(MemoryStore::new(), holder)
}

/// The store of a terminal that has asked for a certificate and trusts the root, and has no certificate yet.
pub fn terminal_store_with_request(holder: &str) -> MemoryStore {
    let mut store = MemoryStore::new();
    ask(&mut store, holder).unwrap();
    store
}

/// Certifies the terminal whose store this is.
pub fn certified<S: PairingStore>(mut store: S, holder: &str) -> S {
    equip(&mut store, holder).unwrap();
    store
}

/// The same, for a store that may fail on the way.
///
/// # Errors
/// What the store says.
pub fn equip<S: PairingStore>(store: &mut S, holder: &str) -> Result<(), IdentityError> {
    ask(store, holder)?;
    let request = identity::request(store, &desk())?;
    let certificate = certify_request(&request);
    identity::install(store, &desk(), &certificate, &[root()], today())?;
    Ok(())
}

fn ask<S: PairingStore>(store: &mut S, holder: &str) -> Result<(), IdentityError> {
    let (issuer, holder) = (name(ROOT), name(holder));
    identity::create_request(store, &desk(), issuer, holder, [8; 16], &mut SysRng)?;
    identity::pin_root(store, &desk(), &root())
}

/// A link from the root to a second one.
pub fn link() -> Certificate {
    let until = Date::new(2060, 1, 1).unwrap();
    let second = PrivateKey::from_scalar(&[2; 32]).unwrap().public_key();
    certify(name("ZZTALLYROOT00002"), Role::Authority, second, until)
}

/// The terminal program over a certified store.
pub fn terminal(store: impl PairingStore + 'static) -> Terminal {
    Terminal::new(store, desk()).with_clock(today())
}
