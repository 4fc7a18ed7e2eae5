//! Terminals and cards as T20 finds them: made once, with fixed randomness.

use super::live::Live;
use crate::card::papers::Papers;
use crate::card::starts;
use crate::entropy::Fixed;
use apdu::certificate::{Certificate, CertificateFields, Date, Role};
use apdu::crypto::PrivateKey;
use card_core::store::MemoryStore as CardStore;
use conformance::authority::{ROOT, desk, name, root, today};
use std::cell::RefCell;
use std::rc::Rc;
use terminal_lib::identity;
use terminal_lib::store::MemoryStore;

/// A terminal's store and a card's, as they were left.
pub struct Start {
    /// What it is, in words.
    pub name: &'static str,
    /// The terminal's store.
    pub terminal: MemoryStore,
    /// The card's.
    pub card: CardStore,
    /// Whether both have a key in common.
    pub is_paired: bool,
}

thread_local! {
    static ALL: Vec<Start> = all();
}

/// Works with one of them.
pub fn with<R>(choice: usize, work: impl FnOnce(&Start) -> R) -> R {
    ALL.with(|all| work(&all[choice % all.len()]))
}

/// A terminal that was certified and has met nobody.
fn certified() -> MemoryStore {
    let mut store = MemoryStore::new();
    let (issuer, holder) = (name(ROOT), name("ZZTALLYDESK00001"));
    let request = identity::create_request(
        &mut store,
        &desk(),
        issuer,
        holder,
        [8; 16],
        &mut Fixed::new(5),
    );
    let fields = CertificateFields {
        issuer,
        holder,
        role: Role::Terminal,
        epoch: 1,
        key: request.expect("a request").fields().key.clone(),
        from: Date::new(2026, 1, 1).expect("a day"),
        until: Date::new(2060, 1, 1).expect("a day"),
    };
    let root_key = PrivateKey::from_scalar(&[1; 32]).expect("the key of the tests' root");
    let signature = root_key.sign(&fields.encode_body());
    let certificate = Certificate::assemble(fields, signature);
    identity::install(&mut store, &desk(), &certificate, &[root()], today())
        .expect("a certificate");
    store
}

fn saved(state: &str) -> CardStore {
    starts::with_all(|all| {
        let start = all.iter().find(|start| start.name == state);
        start
            .expect("a saved state of this name")
            .desk
            .store
            .dangerous_copy()
    })
}

fn all() -> Vec<Start> {
    let certified = certified();
    let mut lists = certified.dangerous_copy();
    let newer = Papers::new().lists[1].clone();
    identity::take_status_list(&mut lists, &desk(), &newer, today()).expect("a list");
    let meet = |store: &MemoryStore, card: CardStore, cut_at: Option<usize>| {
        let live = Rc::new(RefCell::new(Live::insert(card)));
        let store = store.dangerous_copy();
        super::live::honest_visit(&store, &live, cut_at);
        let card = live.borrow().store.dangerous_copy();
        (store, card)
    };
    let (paired, paired_card) = meet(&certified, saved("unpaired"), None);
    // The card is pulled when it has committed and has not answered, so that the key is in doubt.
    let (pending, pending_card) = meet(&certified, saved("unpaired"), Some(8));
    let (listed, listed_card) = meet(&lists, saved("unpaired"), None);
    let rows = [
        (
            "strangers",
            certified.dangerous_copy(),
            saved("unpaired"),
            false,
        ),
        (
            "paired",
            paired.dangerous_copy(),
            paired_card.dangerous_copy(),
            true,
        ),
        ("in doubt", pending, pending_card, true),
        ("with a status list", listed, listed_card, true),
        (
            "a list for the card",
            lists,
            paired_card.dangerous_copy(),
            false,
        ),
        ("the card forgot", paired, saved("unpaired"), false),
        (
            "the terminal forgot",
            certified.dangerous_copy(),
            paired_card,
            false,
        ),
        (
            "last tries",
            certified.dangerous_copy(),
            saved("last tries"),
            false,
        ),
        ("a card that is blank", certified, saved("blank"), false),
    ];
    rows.into_iter()
        .map(|(name, terminal, card, is_paired)| Start {
            name,
            terminal,
            card,
            is_paired,
        })
        .collect()
}
