//! Stores, records and identities (§15.2): durable, whole, strict.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop")]

mod double;

use apdu::certificate::{Anchor, Expectations, ProvenCertificate, Refusal, Role, Validity};
use apdu::crypto::Secret;
use apdu::handshake::PairingKey;
use double::*;
use std::os::unix::fs::PermissionsExt as _;
use terminal_lib::application::Policy;
use terminal_lib::identity::{self, IdentityError};
use terminal_lib::store::{
    Change, FileStore, IdentityName, Key, MemoryStore, PairingStore, StoreError,
    record::PairingRecord,
};
use terminal_lib::{ConnectError, SetUpFailure, Terminal};

fn terminal_on(store: impl PairingStore + 'static) -> Terminal {
    Terminal::new(store, identity_name())
        .with_entropy(FixedEntropy::new(3))
        .with_clock(today())
}

/// ST-12: the terminal's keys and pairings survive in a file that only its owner can read.
#[test]
fn a_pairing_in_a_file_survives_the_program() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pairings.tally");
    assert!(matches!(
        FileStore::open(&path),
        Err(StoreError::Journal(_))
    ));
    assert!(!path.exists(), "a mistyped place makes no store");
    let mut store = FileStore::open_or_create(&path).unwrap();
    for change in copied(&certified_store()) {
        store.commit(&[change]).unwrap();
    }
    let card = DoubleCard::new();
    let mut line = Line::new(&card);
    let mut terminal = terminal_on(store);
    terminal
        .connect(&mut line, &mut User::willing(), &Policy::Auto)
        .unwrap()
        .close();
    drop(terminal);
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    for _ in 0..3 {
        let mut terminal = terminal_on(FileStore::open(&path).unwrap());
        terminal
            .connect(&mut line, &mut User::absent(), &Policy::Never)
            .unwrap()
            .close();
    }
}

/// All records of a store, as changes for another one.
fn copied(store: &dyn PairingStore) -> Vec<Change> {
    let desk = identity_name();
    [Key::identity(&desk), Key::trust(&desk)]
        .into_iter()
        .map(|key| {
            let record = store.read(&key).unwrap().unwrap();
            Change::Put(key, record)
        })
        .collect()
}

/// A superseded pairing key cannot be read from the file any more.
#[test]
fn no_key_of_an_earlier_generation_stays_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pairings.tally");
    let mut store = FileStore::open_or_create(&path).unwrap();
    store.commit(&copied(&certified_store())).unwrap();
    let card = DoubleCard::new();
    let mut line = Line::new(&card);
    let mut terminal = terminal_on(store);
    let mut user = User::willing();
    let mut earlier: Vec<[u8; 32]> = Vec::new();
    for generation in 0..3 {
        let session = terminal.connect(&mut line, &mut user, &Policy::Auto);
        session.unwrap().close();
        let file = std::fs::read(&path).unwrap();
        let contains = |key: &[u8; 32]| file.windows(32).any(|window| window == key);
        let key = *card.inner().slot.as_ref().unwrap().0.expose();
        assert!(contains(&key), "generation {generation}");
        assert!(!earlier.iter().any(contains), "generation {generation}");
        earlier.push(key);
    }
}

#[test]
fn two_programs_on_one_file_see_each_others_pairings() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pairings.tally");
    let mut store = FileStore::open_or_create(&path).unwrap();
    store.commit(&copied(&certified_store())).unwrap();
    let (first, second) = (DoubleCard::new(), DoubleCard::named("ZZTALLYCARD00002", 8));
    let mut one = terminal_on(store);
    let mut other = terminal_on(FileStore::open(&path).unwrap()).with_entropy(FixedEntropy::new(4));
    let mut user = User::with([pin(PIN), pin(PIN)]);
    let session = one
        .connect(&mut Line::new(&first), &mut user, &Policy::Auto)
        .map(drop);
    session.unwrap();
    let session = other
        .connect(&mut Line::new(&second), &mut user, &Policy::Auto)
        .map(drop);
    session.unwrap();
    for (terminal, card) in [(&mut one, &second), (&mut other, &first)] {
        let mut line = Line::new(card);
        let session = terminal.connect(&mut line, &mut User::absent(), &Policy::Never);
        session.unwrap().close();
    }
}

/// A record that is damaged, cut, or of a newer version is an error that names it, never "absent".
#[test]
fn a_damaged_record_of_any_kind_is_an_error_and_not_a_stranger() {
    let mut bench = Bench::paired();
    let desk = identity_name();
    let card = holder(Role::Card, CARD);
    for key in [Key::trust(&desk), Key::pairing(&desk, &card)] {
        let whole = bench.store.read(&key).unwrap().unwrap();
        let mut damaged: Vec<Vec<u8>> = (0..whole.len()).map(|cut| whole[..cut].to_vec()).collect();
        damaged.push([&whole[..], &[0]].concat());
        let mut newer = whole.to_vec();
        newer[0] = 2;
        damaged.push(newer);
        for (number, record) in damaged.into_iter().enumerate() {
            bench
                .store
                .commit(&[Change::Put(key.clone(), record.into())])
                .unwrap();
            let error = bench.fail(&mut User::absent(), &Policy::Auto);
            assert!(
                matches!(error, ConnectError::Store(StoreError::Malformed { .. })),
                "{key:?}, damage {number}: {error}"
            );
        }
        bench.store.commit(&[Change::Put(key, whole)]).unwrap();
        bench.reconnect().unwrap().close();
    }
}

#[test]
fn a_record_under_the_name_of_another_card_is_damaged() {
    let mut bench = Bench::paired();
    let desk = identity_name();
    let (card, other) = (
        holder(Role::Card, CARD),
        holder(Role::Card, "ZZTALLYCARD00002"),
    );
    let record = bench
        .store
        .read(&Key::pairing(&desk, &card))
        .unwrap()
        .unwrap();
    bench
        .store
        .commit(&[Change::Put(Key::pairing(&desk, &other), record)])
        .unwrap();
    assert!(PairingRecord::read(&bench.store, &desk, &other).is_err());
    assert!(PairingRecord::read_all(&bench.store, &desk).is_err());
    bench.terminal.forget(&other).unwrap();
    bench.reconnect().unwrap().close();
}

#[test]
fn a_record_keeps_everything_a_pairing_needs() {
    let bench = Bench::paired();
    let card = holder(Role::Card, CARD);
    let record = PairingRecord::read(&bench.store, &identity_name(), &card)
        .unwrap()
        .unwrap();
    let inner = bench.card.inner();
    let (key, generation) = inner.slot.as_ref().unwrap();
    let (stored, stored_generation) = record.current().unwrap();
    assert_eq!(
        (stored.expose(), stored_generation),
        (key.expose(), *generation)
    );
    assert_eq!(record.certificate().unwrap(), inner.certificate);
    assert_eq!(record.key_id(), inner.certificate.key_id());
    assert_eq!(record.as_terminal(), holder(Role::Terminal, TERMINAL));
    assert_eq!(
        (record.uses(), record.set_up(), record.last_seen()),
        (1, today(), today())
    );
    let again = PairingRecord::decode(&record.encode()).unwrap();
    assert_eq!(*again.encode(), *record.encode());
}

#[test]
fn the_oldest_of_four_pending_keys_goes_and_a_promoted_one_stays_alone() {
    let mut bench = Bench::paired();
    let (desk, card) = (identity_name(), holder(Role::Card, CARD));
    let mut record = PairingRecord::read(&bench.store, &desk, &card)
        .unwrap()
        .unwrap();
    let proven = ProvenCertificate::verify(
        record.certificate().unwrap(),
        &[&Anchor::trust_root(&root()).unwrap()],
        &Expectations {
            role: Role::Card,
            validity: Validity::Today(today()),
            min_epoch: 0,
            revoked: None,
        },
    )
    .unwrap();
    let later = today().plus_days(1);
    for number in 1..=4 {
        let key = PairingKey::new(Secret::copy_of(&[number; 32]));
        record.add_pending(key, &proven, record.as_terminal(), later);
    }
    bench.store.commit(&[record.put(&desk)]).unwrap();
    let mut record = PairingRecord::read(&bench.store, &desk, &card)
        .unwrap()
        .unwrap();
    let pending: Vec<_> = record.pending().map(|key| key.expose()[0]).collect();
    assert_eq!((pending, record.set_up()), (vec![2, 3, 4], today()));
    record.promote_pending(1);
    let (key, generation) = record.current().unwrap();
    assert_eq!((key.expose(), generation), (&[3; 32], 0));
    assert_eq!(
        (record.pending().len(), record.uses(), record.set_up()),
        (0, 0, later)
    );
}

/// ST-10, ST-64: the same flow certifies a terminal: request out, certificate in, by its own line.
#[test]
fn a_terminal_is_certified_by_a_request_and_a_certificate() {
    let (mut store, desk) = (MemoryStore::new(), identity_name());
    let mut entropy = FixedEntropy::new(5);
    let (car, chr) = (name(ROOT), name(TERMINAL));
    let request =
        identity::create_request(&mut store, &desk, car, chr, [9; 16], &mut entropy).unwrap();
    assert_eq!(
        identity::request(&store, &desk).unwrap(),
        request,
        "it can be asked for again"
    );
    let certificate = certify(
        &root_key(),
        ROOT,
        TERMINAL,
        Role::Terminal,
        &request.fields().key,
        |_| {},
    );
    identity::install(&mut store, &desk, &certificate, &[root()], today()).unwrap();
    let summary = identity::summary(&store, &desk).unwrap();
    assert_eq!(summary.certificate, Some(certificate.clone()));
    assert_eq!((summary.requested, summary.roots), (None, vec![root()]));
    assert_eq!(
        identity::names(&store).unwrap(),
        std::slice::from_ref(&desk)
    );
    assert!(matches!(
        identity::install(&mut store, &desk, &certificate, &[root()], today()),
        Err(IdentityError::NoRequest(_))
    ));
}

#[test]
fn a_certificate_that_does_not_answer_the_request_changes_nothing() {
    let (mut store, desk) = (MemoryStore::new(), identity_name());
    let mut entropy = FixedEntropy::new(5);
    let (car, chr) = (name(ROOT), name(TERMINAL));
    let nobody = identity::request(&store, &desk);
    assert!(matches!(nobody, Err(IdentityError::Missing(_))));
    let request =
        identity::create_request(&mut store, &desk, car, chr, [9; 16], &mut entropy).unwrap();
    let key = request.fields().key.clone();
    let other_key = private_key(50).public_key();
    let other = "ZZTALLYTERM00002";
    let good = |signer, holder, role, key| certify(signer, ROOT, holder, role, key, |_| {});
    let rows = [
        (
            "another key",
            good(&root_key(), TERMINAL, Role::Terminal, &other_key),
            vec![root()],
        ),
        (
            "another name",
            good(&root_key(), other, Role::Terminal, &key),
            vec![root()],
        ),
        (
            "a card's role",
            good(&root_key(), TERMINAL, Role::Card, &key),
            vec![root()],
        ),
        (
            "a forged one",
            good(&new_root_key(), TERMINAL, Role::Terminal, &key),
            vec![root()],
        ),
        (
            "no root",
            good(&root_key(), TERMINAL, Role::Terminal, &key),
            vec![],
        ),
        (
            "a root that is none",
            good(&root_key(), TERMINAL, Role::Terminal, &key),
            vec![root(), link()],
        ),
        (
            "tomorrow's",
            certify(
                &root_key(),
                ROOT,
                TERMINAL,
                Role::Terminal,
                &key,
                |fields| {
                    fields.from = today().plus_days(1);
                },
            ),
            vec![root()],
        ),
    ];
    let before = store.dangerous_copy();
    for (label, certificate, roots) in rows {
        let refused = identity::install(&mut store, &desk, &certificate, &roots, today());
        assert!(refused.is_err(), "{label}");
        assert!(store.same_content(&before), "{label}");
    }
}

#[test]
fn a_root_is_trusted_by_name_or_by_link_and_never_replaced() {
    let (mut store, desk) = (MemoryStore::new(), identity_name());
    assert!(matches!(
        identity::add_link(&mut store, &desk, &link(), today()),
        Err(IdentityError::Link(Refusal::Issuer))
    ));
    identity::pin_root(&mut store, &desk, &root()).unwrap();
    identity::pin_root(&mut store, &desk, &root()).unwrap();
    let key = new_root_key().public_key();
    let impostor = certify(&new_root_key(), ROOT, ROOT, Role::Authority, &key, |_| {});
    assert!(matches!(
        identity::pin_root(&mut store, &desk, &impostor),
        Err(IdentityError::RootConflict(_))
    ));
    identity::add_link(&mut store, &desk, &link(), today()).unwrap();
    identity::add_link(&mut store, &desk, &link(), today()).unwrap();
    let summary = identity::summary(&store, &desk);
    assert!(
        matches!(summary, Err(IdentityError::Missing(_))),
        "no key yet"
    );
    certify_identity(&mut store, &new_root_key(), NEW_ROOT, &[]);
    let summary = identity::summary(&store, &desk).unwrap();
    assert_eq!((summary.roots.len(), summary.links.len()), (1, 1));
}

#[test]
fn an_older_status_list_is_not_taken_and_the_epoch_never_falls() {
    use terminal_lib::trust::ListAge;
    let (mut store, desk) = (certified_store(), identity_name());
    let counted = store.share();
    let mut take = |list| identity::take_status_list(&mut store, &desk, &list, today());
    assert_eq!(take(status_list(3, 2, &[])).unwrap(), ListAge::Newer);
    let commits = counted.commits();
    assert_eq!(take(status_list(3, 2, &[])).unwrap(), ListAge::Same);
    assert_eq!(take(status_list(2, 9, &[])).unwrap(), ListAge::Older);
    let list = status_list(4, 0, &[]);
    let forged = apdu::certificate::StatusList::assemble(list.claims().clone(), [1; 64]);
    assert!(take(forged).is_err());
    assert_eq!(counted.commits(), commits);
    assert_eq!(
        identity::summary(&store, &desk).unwrap().list,
        Some(status_list(3, 2, &[]))
    );
    // A newer list that forgot the epoch does not bring back certificates of epoch 1, this terminal's own among them.
    identity::take_status_list(&mut store, &desk, &list, today()).unwrap();
    let mut bench = Bench::with(&DoubleCard::new(), &store);
    let error = bench.fail(&mut User::willing(), &Policy::Auto);
    let own = SetUpFailure::OwnCertificate(Refusal::Epoch);
    assert!(matches!(error, ConnectError::SetUp(failure) if failure == own));
}

#[test]
fn identities_of_one_store_have_pairings_of_their_own() {
    let mut bench = Bench::paired();
    let till = IdentityName::new("till").unwrap();
    bench.terminal = Terminal::new(bench.store.share(), till.clone()).with_clock(today());
    assert!(bench.terminal.pairings().unwrap().is_empty());
    let error = bench.fail(&mut User::willing(), &Policy::Auto);
    assert!(error.to_string().contains("identity till"), "{error}");
    assert!(!bench.terminal.identity().as_str().is_empty() && till.as_str() == "till");
}
