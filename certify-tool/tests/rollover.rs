//! `certify rollover`: a second and a third root, and what cards and terminals of all of them make of each other (§7.2, §9.1, §11.7, §13).
#![expect(clippy::unwrap_used, reason = "a test may stop")]

mod support;
mod virtual_card;

use apdu::certificate::{Certificate, CertificateFields, Date, StatusList, pem};
use apdu::crypto::PrivateKey;
use apdu::message::pin::{Digits, Reference};
use card_core::store::{MemoryStore, Record, Store as _};
use card_sim::body::VirtualCard;
use card_sim::vpcd::Body as _;
use getrandom::SysRng;
use std::cell::RefCell;
use std::fs;
use std::rc::Rc;
use support::Desk;
use terminal_lib::application::{Application, Notice, PinAnswer, PinRequest, Policy, SetUpReason};
use terminal_lib::identity::{self, IdentityError};
use terminal_lib::store::{FileStore, IdentityName};
use terminal_lib::transport::in_process::InProcess;
use terminal_lib::trust::{Clock as _, SystemClock};
use terminal_lib::{ConnectError, Terminal};
use virtual_card::{CARD, personalise};

const SECOND: &str = "ZZTALLYROOT00002";
const THIRD: &str = "ZZTALLYROOT00003";
const PASSPHRASE: &[u8] = b"correct horse";

/// Someone who pairs, and knows the PIN.
#[derive(Default)]
struct Owner {
    pins: usize,
    notices: Vec<Notice>,
}

impl Application for Owner {
    fn may_set_up(&mut self, _: SetUpReason) -> bool {
        true
    }

    fn pin(&mut self, _: &PinRequest) -> PinAnswer {
        self.pins += 1;
        PinAnswer::Digits(Digits::new(Reference::Pin, b"271828").unwrap())
    }

    fn notice(&mut self, notice: &Notice) {
        self.notices.push(notice.clone());
    }
}

/// A card with its memory.
struct Card(MemoryStore);

impl Card {
    /// A new card, certified by the desk's authority as it is now.
    fn new(desk: &Desk) -> Self {
        let (ran, memory) = personalise(desk, CARD, MemoryStore::new(), None);
        ran.succeeds();
        Self(memory)
    }

    /// Puts the card into the terminal with this store: how often the PIN was asked for, and what was told; or why there is no session.
    fn meets(&mut self, desk: &Desk, terminal: &str) -> Result<Owner, (ConnectError, usize)> {
        let store = FileStore::open(desk.path(terminal)).unwrap();
        let mut terminal = Terminal::new(store, own());
        let memory = std::mem::take(&mut self.0);
        let card = Rc::new(RefCell::new(VirtualCard::new(memory, SysRng)));
        let body = Rc::clone(&card);
        let mut transport = InProcess::new(move |bytes: &[u8]| body.borrow_mut().transmit(bytes));
        let mut owner = Owner::default();
        let met = terminal
            .connect(&mut transport, &mut owner, &Policy::Auto)
            .map(drop);
        drop(transport);
        self.0 = Rc::into_inner(card).unwrap().into_inner().into_store();
        match met {
            Ok(()) => Ok(owner),
            Err(error) => Err((error, owner.pins)),
        }
    }

    /// Pairs, with one question for the PIN.
    #[track_caller]
    fn pairs_with(&mut self, desk: &Desk, terminal: &str) -> Owner {
        let owner = self.meets(desk, terminal).map_err(|(why, _)| why).unwrap();
        assert_eq!(owner.pins, 1, "{terminal}");
        owner
    }

    /// Goes on without any question.
    #[track_caller]
    fn knows(&mut self, desk: &Desk, terminal: &str) -> Owner {
        let owner = self.meets(desk, terminal).map_err(|(why, _)| why).unwrap();
        assert_eq!(owner.pins, 0, "{terminal}");
        owner
    }

    /// Refuses, or is refused, before the PIN is asked for; what it has stored stays as it is.
    #[track_caller]
    fn is_no_match_for(&mut self, desk: &Desk, terminal: &str) -> String {
        let before = self.0.dangerous_copy();
        let (why, pins) = self.meets(desk, terminal).map(drop).unwrap_err();
        assert_eq!(pins, 0, "{terminal}");
        assert!(self.0.same_content(&before), "{terminal}");
        why.to_string()
    }

    fn root(&self, place: Record) -> Option<String> {
        let bytes = self.0.read(place).unwrap()?;
        let root = Certificate::decode(&bytes).unwrap();
        Some(root.claims().holder.to_string())
    }

    /// Roots A and B.
    fn roots(&self) -> [Option<String>; 2] {
        [Record::ROOT_A, Record::ROOT_B].map(|place| self.root(place))
    }

    fn list(&self) -> Option<StatusList> {
        let bytes = self.0.read(Record::STATUS_LIST).unwrap()?;
        Some(StatusList::decode(&bytes).unwrap())
    }
}

fn own() -> IdentityName {
    IdentityName::new("default").unwrap()
}

fn terminal(desk: &Desk, store: &str) {
    desk.run(&format!(
        "terminal --store {store} --passphrase-file passphrase"
    ))
    .succeeds();
}

fn recertify(desk: &Desk, store: &str) {
    desk.run(&format!(
        "terminal --store {store} --recertify --passphrase-file passphrase"
    ))
    .succeeds();
}

fn roll_over(desk: &Desk, root: &str) -> String {
    desk.run(&format!(
        "rollover --name {root} --passphrase-file passphrase"
    ))
    .succeeds()
    .text()
}

/// What `certify export` writes.
fn exported(desk: &Desk, what: &str) -> Certificate {
    desk.run(&format!("export {what} --out exported.pem"))
        .succeeds();
    let der = pem::decode(pem::CERTIFICATE, &desk.read("exported.pem")).unwrap();
    Certificate::decode(&der).unwrap()
}

/// Gives a terminal the link and the newest list, as `tally identity link` and `status-list` do.
fn updated(desk: &Desk, store: &str) {
    let mut store = FileStore::open(desk.path(store)).unwrap();
    let today = SystemClock.today().unwrap();
    identity::add_link(&mut store, &own(), &exported(desk, "link"), today).unwrap();
    desk.run("export list --out list.pem").succeeds();
    let der = pem::decode(pem::STATUS_LIST, &desk.read("list.pem")).unwrap();
    let list = StatusList::decode(&der).unwrap();
    identity::take_status_list(&mut store, &own(), &list, today).unwrap();
}

/// A terminal under the second root with these links and roots, as somebody may put them into its store.
fn terminal_with(
    desk: &Desk,
    store: &str,
    roots: &[Certificate],
    links: &[Certificate],
) -> Result<(), IdentityError> {
    let told = desk.run("--output-format json challenge").succeeds().json();
    let text = |key: &str| told[key].as_str().unwrap();
    let name = |key: &str| apdu::certificate::Name::new(text(key)).unwrap();
    let nonce = u128::from_str_radix(text("nonce"), 16).unwrap();
    let mut own_store = FileStore::open_or_create(desk.path(store)).unwrap();
    let request = identity::create_request(
        &mut own_store,
        &own(),
        name("issuer"),
        name("name"),
        nonce.to_be_bytes(),
        &mut SysRng,
    )
    .unwrap();
    desk.write("request", request.encoded());
    desk.run("terminal --request request --out certificate.pem --passphrase-file passphrase")
        .succeeds();
    let der = pem::decode(pem::CERTIFICATE, &desk.read("certificate.pem")).unwrap();
    let certificate = Certificate::decode(&der).unwrap();
    let today = SystemClock.today().unwrap();
    identity::install_linked(&mut own_store, &own(), &certificate, roots, links, today)
}

/// A link from the first root to the second, signed by `key`, good until `until`.
fn link(desk: &Desk, key: &PrivateKey, until: Date) -> Certificate {
    let good = exported(desk, "link").claims().clone();
    let fields = CertificateFields {
        from: until.min(good.from),
        until,
        ..good
    };
    let signature = key.sign(&fields.encode_body());
    Certificate::assemble(fields, signature)
}

fn first_key(desk: &Desk) -> PrivateKey {
    let text = fs::read_to_string(desk.path("ca/key.pem")).unwrap();
    PrivateKey::from_encrypted_pem(&text, PASSPHRASE).unwrap()
}

fn yesterday() -> Date {
    let today = SystemClock.today().unwrap();
    let start = Date::new(2026, 1, 1).unwrap();
    start.plus_days(today.days() - start.days() - 1)
}

fn names(roots: [&str; 2]) -> [Option<String>; 2] {
    roots.map(|root| (!root.is_empty()).then(|| root.to_owned()))
}

#[test]
fn cards_and_terminals_of_both_roots_go_on_and_come_together() {
    let desk = Desk::with_authority();
    terminal(&desk, "old");
    terminal(&desk, "older");
    let (mut paired, mut unpaired) = (Card::new(&desk), Card::new(&desk));
    paired.pairs_with(&desk, "old");

    let told = roll_over(&desk, SECOND);
    assert!(
        told.contains("linked by         ZZTALLYROOT00001"),
        "{told}"
    );
    assert_eq!(paired.roots(), names([support::ROOT, ""]));

    // Whoever was paired goes on; whoever could pair still can, and nobody is the wiser.
    paired.knows(&desk, "old");
    unpaired.pairs_with(&desk, "older");
    assert_eq!(unpaired.roots(), names([support::ROOT, ""]));

    // A new terminal shows its link to an old card, which keeps the root: the next one needs no link.
    terminal(&desk, "new");
    paired.pairs_with(&desk, "new");
    assert_eq!(paired.roots(), names([support::ROOT, SECOND]));
    paired.knows(&desk, "new");
    paired.knows(&desk, "old");
    let both = [support::ROOT, SECOND].map(|root| exported(&desk, root));
    terminal_with(&desk, "linkless", &both, &[]).unwrap();
    paired.pairs_with(&desk, "linkless");
    let why = unpaired.is_no_match_for(&desk, "linkless");
    assert!(why.contains("refused this terminal's certificate"), "{why}");

    // A new card knows the new root only: an old terminal needs a certificate under it, and the root.
    let mut card = Card::new(&desk);
    assert_eq!(card.roots(), names([SECOND, ""]));
    card.pairs_with(&desk, "new");
    card.is_no_match_for(&desk, "old");
    recertify(&desk, "old");
    card.pairs_with(&desk, "old");
    paired.knows(&desk, "old");
    assert_eq!(card.roots(), names([SECOND, ""]));

    desk.run("verify exported.pem --root ca/root.cvcert")
        .fails(3, "does not verify");
    exported(&desk, "link");
    desk.run("verify exported.pem --root ca/root.cvcert")
        .succeeds();
}

#[test]
fn an_old_card_takes_a_new_root_from_its_own_authority_only_and_in_time() {
    let desk = Desk::with_authority();
    let mut card = Card::new(&desk);
    roll_over(&desk, SECOND);
    let (first, second) = (exported(&desk, support::ROOT), exported(&desk, "root"));
    let roots = [first, second];
    let today = SystemClock.today().unwrap();

    // A stranger's link does not even get into a terminal's store.
    let stranger = PrivateKey::from_scalar(&[9; 32]).unwrap();
    let forged = link(&desk, &stranger, today);
    assert!(matches!(
        terminal_with(&desk, "forged", &roots, &[forged]),
        Err(IdentityError::Link(_))
    ));
    // And another authority with the same names does not get anywhere with a card of ours.
    let other = Desk::with_authority();
    roll_over(&other, SECOND);
    terminal(&other, "theirs");
    card.is_no_match_for(&other, "theirs");

    let over = link(&desk, &first_key(&desk), yesterday());
    terminal_with(&desk, "over", &roots, &[over]).unwrap();
    card.is_no_match_for(&desk, "over");
    let last_day = link(&desk, &first_key(&desk), today);
    terminal_with(&desk, "in-time", &roots, &[last_day]).unwrap();
    card.pairs_with(&desk, "in-time");
}

#[test]
fn a_terminal_revoked_under_the_old_root_stays_out_once_the_card_has_met_one_that_knows() {
    let desk = Desk::with_authority();
    for store in ["lost", "kept", "stays"] {
        terminal(&desk, store);
    }
    let mut cards = [Card::new(&desk), Card::new(&desk)];
    for card in &mut cards {
        card.pairs_with(&desk, "lost");
        card.pairs_with(&desk, "kept");
    }
    roll_over(&desk, SECOND);
    desk.run("revoke ZZTALLYTERM00001 --reason lost --out list.pem --passphrase-file passphrase")
        .succeeds();
    let [by_pairing, by_reconnect] = &mut cards;
    by_pairing.knows(&desk, "lost"); // nobody has told the card yet

    // By a new terminal, which pairs; or by an old one that was brought up to date, which only reconnects.
    terminal(&desk, "new");
    let owner = by_pairing.pairs_with(&desk, "new");
    assert!(
        owner
            .notices
            .contains(&Notice::StatusListSent { sequence: 1 })
    );
    by_reconnect.knows(&desk, "kept");
    assert_eq!(by_reconnect.list(), None);
    updated(&desk, "kept");
    let owner = by_reconnect.knows(&desk, "kept");
    assert!(
        owner
            .notices
            .contains(&Notice::StatusListSent { sequence: 1 })
    );
    for card in &mut cards {
        assert_eq!(card.roots(), names([support::ROOT, SECOND]));
        let list = card.list().unwrap();
        assert_eq!(list.claims().issuer.as_str(), SECOND);
        card.is_no_match_for(&desk, "lost");
        card.knows(&desk, "kept");
        card.pairs_with(&desk, "stays");
    }
}

/// §11.7: A and B full, a link by B takes the place of A once a terminal under B has paired.
#[test]
fn a_card_reaches_a_third_root_after_a_terminal_of_the_second_has_paired() {
    let desk = Desk::with_authority();
    terminal(&desk, "first");
    let mut card = Card::new(&desk);
    let mut behind = Card::new(&desk);
    card.pairs_with(&desk, "first");
    roll_over(&desk, SECOND);
    terminal(&desk, "second");
    terminal(&desk, "second-too");
    roll_over(&desk, THIRD);
    terminal(&desk, "third");

    card.is_no_match_for(&desk, "third"); // it has never heard of the second root
    card.pairs_with(&desk, "second");
    assert_eq!(card.roots(), names([support::ROOT, SECOND]));
    card.is_no_match_for(&desk, "third"); // B has come by a link, and nobody has used it since
    card.pairs_with(&desk, "second-too");
    card.pairs_with(&desk, "third");
    assert_eq!(card.roots(), names([THIRD, SECOND]));
    card.knows(&desk, "first");
    card.knows(&desk, "second");
    terminal(&desk, "third-too");
    card.pairs_with(&desk, "third-too");

    // A card that has met nobody since goes the same way, and no shorter one.
    behind.is_no_match_for(&desk, "third");
    behind.pairs_with(&desk, "first");
    behind.pairs_with(&desk, "second");
    behind.pairs_with(&desk, "second-too");
    behind.pairs_with(&desk, "third");

    let told = desk.run("log verify").succeeds().text();
    assert_eq!(support::value(&told, "roots"), "3");
    let link = exported(&desk, &format!("link:{SECOND}"));
    assert_eq!(link.claims().issuer.as_str(), support::ROOT);
    desk.run(&format!("export link:{} --out -", support::ROOT))
        .fails(1, "is the authority's first root");
}

/// An old terminal that nobody gives the link can be given a list of its own root; whoever knows both roots ends with the newest's.
#[test]
fn a_list_of_the_old_root_reaches_who_knows_no_other() {
    let desk = Desk::with_authority();
    terminal(&desk, "old");
    let mut card = Card::new(&desk);
    card.pairs_with(&desk, "old");
    roll_over(&desk, SECOND);
    desk.run("revoke ZZTALLYCARD00001 --reason lost --out list.pem --passphrase-file passphrase")
        .succeeds();
    let take = |file: &str, store: &str| {
        let der = pem::decode(pem::STATUS_LIST, &desk.read(file)).unwrap();
        let list = StatusList::decode(&der).unwrap();
        let mut store = FileStore::open(desk.path(store)).unwrap();
        let today = SystemClock.today().unwrap();
        identity::take_status_list(&mut store, &own(), &list, today).map(|_| list)
    };
    assert!(take("list.pem", "old").is_err(), "it knows no such root");
    card.knows(&desk, "old");
    let line = "status-list publish --out list.pem --also-out old.pem --passphrase-file passphrase --also-under";
    desk.run(&format!("{line} {SECOND}"))
        .fails(1, "is no earlier root of this authority");
    desk.run(&format!("{line} {}", support::ROOT)).succeeds();
    take("old.pem", "old").unwrap();
    card.is_no_match_for(&desk, "old");
    terminal(&desk, "new");
    let (earlier, newest) = (
        take("old.pem", "new").unwrap(),
        take("list.pem", "new").unwrap(),
    );
    assert!(earlier.claims().sequence < newest.claims().sequence);
}

#[test]
fn a_roll_over_that_is_refused_changes_nothing() {
    let desk = Desk::with_authority();
    terminal(&desk, "terminal");
    let before = desk.snapshot();
    for (line, code, says) in [
        ("ZZTALLYTERM00001", 1, "was given before"),
        ("ZZTALLYROOT00001", 1, "was given before"),
        ("no-name", 2, "is no name"),
        (
            "ZZTALLYROOT00002 --key pkcs11:token=X;pin-value=1",
            2,
            "--key: ",
        ),
    ] {
        desk.run(&format!(
            "rollover --passphrase-file passphrase --name {line}"
        ))
        .fails(code, says);
    }
    desk.write("wrong", b"wrong horse\n");
    desk.run("rollover --name ZZTALLYROOT00002 --passphrase-file wrong")
        .fails(4, "key.pem");
    assert_eq!(desk.snapshot(), before);
    // A key file of this name is taken for one that an interrupted run has left, if it opens.
    fs::copy(
        desk.path("ca/key.pem"),
        desk.path("ca/key-ZZTALLYROOT00002.pem"),
    )
    .unwrap();
    let line = "rollover --name ZZTALLYROOT00002 --passphrase-file passphrase";
    desk.run(&format!("{line} --new-passphrase-file wrong"))
        .fails(4, "key-ZZTALLYROOT00002.pem");
    desk.run(line).fails(1, "a root needs a key of its own");
    fs::remove_file(desk.path("ca/key-ZZTALLYROOT00002.pem")).unwrap();
    assert_eq!(desk.snapshot(), before);
    desk.run(line).succeeds();
    let before = desk.ledger();
    desk.run(line).fails(1, "there is nothing left to do");
    assert_eq!(desk.ledger(), before);
}

/// Heads and receipts from before are checked with the root they were given under, later ones by the link from it.
#[test]
fn what_the_old_root_has_signed_is_checked_as_before() {
    let desk = Desk::with_authority();
    terminal(&desk, "terminal");
    desk.run("log head --out early").succeeds();
    desk.run("log receipt ZZTALLYTERM00001 --out receipt-early")
        .succeeds();
    desk.run("export root --out root1.pem").succeeds();
    desk.write("other", b"another horse\n");
    desk.run(
        "rollover --name ZZTALLYROOT00002 --passphrase-file passphrase --new-passphrase-file other",
    )
    .succeeds();
    desk.run("status-list publish --out list.pem --passphrase-file passphrase")
        .fails(4, "key-ZZTALLYROOT00002.pem");
    desk.run("status-list publish --out list.pem --passphrase-file other")
        .succeeds();
    desk.run("log head --out late").succeeds();
    desk.run("log receipt ZZTALLYTERM00001 --out receipt-late")
        .succeeds();
    desk.run("export link --out link.pem").succeeds();
    desk.run("export root --out root2.pem").succeeds();
    desk.run("log consistency --from early --to late --out proof")
        .succeeds();

    desk.run("log verify --head early").succeeds();
    desk.run("log verify --head late").succeeds();
    desk.run("log check receipt-early --root root1.pem")
        .succeeds();
    desk.run("log check receipt-early --root root2.pem")
        .fails(3, "the receipt's head is of ZZTALLYROOT00001");
    desk.run("log check receipt-late --root root1.pem")
        .fails(3, "the receipt's head is of ZZTALLYROOT00002");
    desk.run("log check receipt-late --root root1.pem --link link.pem")
        .succeeds();
    let check = "log check proof --from early --to late --root root1.pem";
    desk.run(check).fails(3, "the later head is not signed by");
    desk.run(&format!("{check} --link link.pem")).succeeds();
    desk.run(&format!("{check} --link root2.pem"))
        .fails(3, "does not verify");
    let text = desk.run("inspect link.pem").succeeds().text();
    assert_eq!(support::value(&text, "kind"), "link certificate");
}
