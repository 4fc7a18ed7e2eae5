//! What waits for an operator is known to every instance on one store, and to the one that is started next.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

mod asking;
mod http;
#[path = "support/postgres.rs"]
mod server;
mod support;

use apdu::certificate::Role;
use asking::{approvals, approve, card, id, refuse, requests};
use authority::server::approval::Approval;
use authority::server::clients::{ClientRole, Register, RegisterError};
use authority::server::identity::Identity;
use authority::server::ledger_desk::LedgerDesk;
use authority::server::limit::Limits;
use authority::server::listen::Running;
use authority::server::{Clock, Service};
use authority::store::{copy, postgres, sqlite};
use authority::{Authority, STORE_FILE};
use http::{Bench, Card, Client, WEEK, bytes};
use rcgen::KeyPair;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use support::{PASSPHRASE, START, Tape, at, name};

/// Two services on one PostgreSQL, with one folder for the key.
struct Pair {
    folder: tempfile::TempDir,
    running: [Running; 2],
    tls_ca: Vec<u8>,
    address: String,
}

impl Pair {
    fn start(address: &str) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path().join("ca");
        let root = name("ZZTALLYROOT00001");
        let now = at(START);
        Authority::init(&folder, root, 15, PASSPHRASE, &mut Tape(0), now).unwrap();
        let mut home = sqlite::open(&folder.join(STORE_FILE), Duration::ZERO).unwrap();
        let mut away = postgres::open(address, Duration::from_secs(60)).unwrap();
        copy(home.as_mut(), away.as_mut()).unwrap();
        let running = [(); 2].map(|()| instance(&folder, address));
        let tls_ca = Identity::open(&folder, http::today()).unwrap();
        Self {
            tls_ca: tls_ca.certificate().to_vec(),
            folder: temporary,
            running,
            address: address.into(),
        }
    }

    /// A client, as each of the two sees it.
    fn client(&self, folder: &Path, name: &str, role: ClientRole) -> [Client; 2] {
        let register = register(&self.address);
        let key = KeyPair::generate().unwrap();
        let code = [u8::try_from(name.len()).unwrap(); 32];
        register.invite(name, role, &code, START).unwrap();
        let identity = Identity::open(folder, http::today()).unwrap();
        let certify = |name: &str, _| {
            let made = identity.certify(&http::request(&key), name, http::today());
            Ok::<_, RegisterError>(made.unwrap())
        };
        let (_, certificate) = register.enrol(&code, START, certify).unwrap();
        let card = Card { certificate, key };
        self.running
            .each_ref()
            .map(|running| http::client(running.address(), &self.tls_ca, Some(&card)))
    }
}

fn register(address: &str) -> Register {
    Register::new(postgres::open(address, Duration::from_secs(60)).unwrap())
}

fn instance(folder: &Path, address: &str) -> Running {
    let open = || {
        let store = postgres::open(address, Duration::from_secs(60)).unwrap();
        Authority::new(store).unwrap()
    };
    let writer = open();
    let key = writer.unlock(folder, PASSPHRASE).unwrap();
    let clock: Clock = Arc::new(|| START);
    let desk = LedgerDesk::new(writer, open(), key, clock.clone());
    let desk = desk.with_approval(Approval::All, WEEK);
    let service = Service::new(
        Arc::new(desk),
        register(address),
        Identity::open(folder, http::today()).unwrap(),
        Limits::default(),
        clock,
    );
    let names = ["localhost".to_owned(), "127.0.0.1".into()];
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    Running::start(listen, &names, Arc::new(service.unwrap()), false).unwrap()
}

#[test]
fn a_request_at_one_instance_is_decided_at_the_other_and_known_to_a_third() {
    let Some(server) = server::Server::start() else {
        return;
    };
    let address = server.database("approvals");
    let pair = Pair::start(&address);
    let folder = pair.folder.path().join("ca");
    let stations = pair.client(&folder, "LINE1", ClientRole::Station);
    let operators = pair.client(&folder, "Ada", ClientRole::Operator);
    let body = card(&stations[0], 1_300);
    let one = stations[0].post_with("/v1/requests", "one", &body);
    let same = stations[1].post_with("/v1/requests", "one", &body);
    assert_eq!(id(&one), id(&same), "one request, however it comes");
    let no = id(&stations[1].post_with("/v1/requests", "two", &card(&stations[0], 1_301)));
    let waits = operators[0].get("/v1/approvals").json();
    assert_eq!(waits["waiting"].as_array().unwrap().len(), 2);
    let yes = operators[1].post_with(&approvals(&id(&one)), "yes", &approve());
    assert_eq!(yes.status, 200, "{}", yes.body);
    let again = operators[0].post_with(&approvals(&id(&one)), "yes", &approve());
    assert_eq!(again.json()["certificate"], yes.json()["certificate"]);
    let late = operators[0].post_with(&approvals(&id(&one)), "no", &refuse("late"));
    assert!(late.is(409, "conflict"), "{}", late.body);
    let refused = operators[0].post_with(&approvals(&no), "no2", &refuse("not ours"));
    assert_eq!(refused.status, 204, "{}", refused.body);
    assert!(
        operators[1]
            .post_with(&approvals(&no), "yes2", &approve())
            .is(409, "conflict")
    );
    let Pair {
        folder: _folder,
        running,
        tls_ca,
        ..
    } = pair;
    for running in running {
        running.stop();
        running.wait().unwrap();
    }
    // An instance that was started later knows it all.
    let third = instance(&folder, &address);
    let key = KeyPair::generate().unwrap();
    let identity = Identity::open(&folder, http::today()).unwrap();
    let (fingerprint, certificate) = identity
        .certify(&http::request(&key), "LINE2", http::today())
        .unwrap();
    let register = register(&address);
    register
        .invite("LINE2", ClientRole::Station, &[9; 32], START)
        .unwrap();
    let enrolled: Result<_, RegisterError> =
        register.enrol(&[9; 32], START, |_, _| Ok((fingerprint, ())));
    enrolled.unwrap();
    let stranger = http::client(third.address(), &tls_ca, Some(&Card { certificate, key }));
    assert!(stranger.get(&requests(&no)).is(404, "not-found"));
    let held = stranger.get("/v1/holders/ZZCARD00001").json();
    assert_eq!(held["certificate"], yes.json()["certificate"]);
    let store = postgres::open(&address, Duration::from_secs(60)).unwrap();
    let mut authority = Authority::new(store).unwrap();
    assert_eq!(authority.audit().unwrap().certificates, 1);
    assert!(authority.holder(&name("ZZCARD00002")).is_err());
}

#[test]
fn a_service_that_was_started_again_knows_what_waits() {
    let bench = Bench::asking(Approval::All);
    let station = bench.station();
    let body = card(&station, 1_400);
    let id = id(&station.post_with("/v1/requests", "k1", &body));
    bench.running.stop();
    let now = at(START);
    let mut authority = Authority::open(&bench.folder(), Duration::from_secs(60)).unwrap();
    let waits = authority
        .awaiting(Some(("LINE1", Role::Card)), now, 9)
        .unwrap();
    let [asked] = waits.as_slice() else {
        panic!("{waits:?}");
    };
    assert_eq!(asked.line.to_string(), id);
    assert_eq!(asked.request.encoded(), bytes(&body["request"]));
    assert_eq!(asked.holder(), name("ZZCARD00001"));
    let nobody = authority.awaiting(Some(("LINE2", Role::Card)), now, 9);
    assert_eq!(nobody.unwrap(), []);
}
