//! The authority's service, a station, cards and terminals over a real pcscd with a real vpcd: run by `cargo xtask lane`.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

mod owner;
mod service;
mod support;

use apdu::certificate::{StatusList, pem};
use authority::Moment;
use authority::server::clients::ClientRole;
use card_core::store::MemoryStore;
use card_sim::body::VirtualCard;
use card_sim::vpcd::{StopFlag, VpcdClient};
use getrandom::SysRng;
use owner::Owner;
use service::{Network, now};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use support::Desk;
use terminal_lib::application::Policy;
use terminal_lib::identity::take_status_list;
use terminal_lib::store::{FileStore, IdentityName};
use terminal_lib::transport::pcsc::Readers;
use terminal_lib::{ConnectError, Terminal};

const READER: &str = "Virtual PCD 00 00";
const PATIENCE: Option<Duration> = Some(Duration::from_secs(10));

/// A blank card in vpcd's first slot until it is dropped.
struct Plugged {
    stop: StopFlag,
    thread: Option<JoinHandle<()>>,
}

impl Plugged {
    fn new() -> Self {
        let readers = Readers::open().expect("no pcscd here: run this test by `cargo xtask lane`");
        assert_eq!(readers.wait_for_removal(READER, PATIENCE), Ok(true));
        let stop = StopFlag::default();
        let flag = stop.clone();
        let thread = thread::spawn(move || {
            let mut card = VirtualCard::new(MemoryStore::new(), SysRng);
            let mut client = VpcdClient::slot(0).on_event(|_| ());
            client.run(&mut card, &flag).unwrap();
        });
        readers.wait_for_card(READER, PATIENCE).unwrap();
        let thread = Some(thread);
        Self { stop, thread }
    }
}

impl Drop for Plugged {
    fn drop(&mut self) {
        self.stop.raise();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

fn identity() -> IdentityName {
    IdentityName::new("desk").unwrap()
}

/// A terminal meets the card in the reader: whether a session came about, and how often the PIN was asked for.
fn meet(desk: &Desk, store: &str) -> (Result<(), ConnectError>, usize) {
    let store = FileStore::open(desk.path(store)).unwrap();
    let mut terminal = Terminal::new(store, identity());
    let mut reader = Readers::open().unwrap().connect(READER).unwrap();
    let mut owner = Owner::default();
    let met = terminal
        .connect(&mut reader, &mut owner, &Policy::Auto)
        .map(|session| session.close());
    (met, owner.asked_about.len())
}

/// An operator revokes over the network, and the list reaches one terminal.
fn revoke(operator: &Desk, holder: &str, store: &str) {
    operator
        .run(&format!("revoke {holder} --reason stolen --out list.pem"))
        .succeeds();
    let list = pem::decode(pem::STATUS_LIST, &operator.read("list.pem")).unwrap();
    let list = StatusList::decode(&list).unwrap();
    let mut store = FileStore::open(operator.path(store)).unwrap();
    let today = Moment::from_unix_seconds(now()).unwrap().day();
    take_status_list(&mut store, &identity(), &list, today).unwrap();
}

/// ST-13, ST-42, ST-44, ST-60: card and terminals certified through the network and the reader; a terminal that is revoked afterwards
/// is out once the card has met another that knows of it, and then the card itself.
#[test]
fn who_is_revoked_at_the_service_is_refused_at_the_reader() {
    let network = Network::start();
    let station = network.station();
    let operator = network.client("ADA", ClientRole::Operator);
    let _card = Plugged::new();
    station
        .run("card --reader Virtual --pin-file pin")
        .succeeds();
    for store in ["stolen.store", "good.store"] {
        station
            .run(&format!("terminal --store {store} --identity desk"))
            .succeeds();
        let (met, asked) = meet(&station, store);
        met.unwrap();
        assert_eq!(asked, 1, "{store}");
    }

    revoke(&operator, "ZZTALLYTERM00001", "good.store");
    let (met, asked) = meet(&station, "stolen.store");
    met.unwrap(); // the card has not heard of it
    assert_eq!(asked, 0);
    let (met, asked) = meet(&station, "good.store");
    met.unwrap();
    assert_eq!(asked, 0);
    for _ in 0..2 {
        let (met, asked) = meet(&station, "stolen.store");
        assert!(matches!(met, Err(ConnectError::SetUp(_))), "{met:?}");
        assert_eq!(
            asked, 0,
            "its reconnect failed, its set-up ended before the PIN"
        );
    }
    meet(&station, "good.store").0.unwrap();

    revoke(&operator, "ZZTALLYCARD00001", "good.store");
    let (met, asked) = meet(&station, "good.store");
    assert!(matches!(met, Err(ConnectError::Revoked { .. })), "{met:?}");
    assert_eq!(asked, 0);
    let (met, asked) = meet(&station, "good.store");
    assert!(matches!(met, Err(ConnectError::SetUp(_))), "{met:?}");
    assert_eq!(asked, 0, "its set-up ended before the PIN");
}
