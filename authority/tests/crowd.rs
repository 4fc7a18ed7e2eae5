//! Stations at two instances on one PostgreSQL, all at once; requests are sent twice, at both, and by clients that do not wait.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

mod dice;
mod http;
mod pair;
#[path = "support/postgres.rs"]
mod server;
mod support;

use apdu::certificate::{Request, Role};
use apdu::crypto::PrivateKey;
use authority::server::clients::ClientRole;
use authority::store::{copy, postgres, sqlite};
use authority::{Authority, STORE_FILE};
use dice::Dice;
use http::{Answer, Client, bytes, text};
use pair::Pair;
use serde_json::{Value, json};
use server::Server;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::Duration;
use support::{PASSPHRASE, START, Tape, at, name};
use test_vectors::evidence::{cases, report, seed};

const PATIENT: Duration = Duration::from_secs(60);
const STATIONS: u64 = 8;

/// What all stations have done together.
#[derive(Default)]
struct Crowd {
    asked: AtomicU64,
    hurried: AtomicU64,
    doubled: AtomicU64,
    /// Certificates by their holders' names.
    told: Mutex<BTreeMap<String, Vec<u8>>>,
}

/// One station, as it reaches the two instances.
struct Station<'c> {
    crowd: &'c Crowd,
    clients: [Client; 2],
    tape: Tape,
    dice: Dice,
}

impl Station<'_> {
    /// Asks until there is an answer that counts: now and then someone asked before and went away, or asks again at the other instance.
    fn insist(
        &mut self,
        path: &str,
        key: &str,
        body: &Value,
        same: fn(&Answer) -> Value,
    ) -> Answer {
        if self.dice.below(8) == 0 {
            let patience = Duration::from_micros(u64::from(self.dice.byte()) * 16 + 1);
            let instance = self.dice.below(2);
            self.clients[instance].hurry(path, key, body, patience);
            self.crowd.asked.fetch_add(1, SeqCst);
            self.crowd.hurried.fetch_add(1, SeqCst);
        }
        let instance = self.dice.below(2);
        let first = self.answer(instance, path, key, body);
        if self.dice.below(8) == 0 {
            let again = self.answer(1 - instance, path, key, body);
            assert_eq!((again.status, same(&again)), (first.status, same(&first)));
            self.crowd.doubled.fetch_add(1, SeqCst);
        }
        first
    }

    fn answer(&self, instance: usize, path: &str, key: &str, body: &Value) -> Answer {
        loop {
            let answer = self.clients[instance].post_with(path, key, body);
            self.crowd.asked.fetch_add(1, SeqCst);
            match answer.status {
                200..=299 => return answer,
                // The one who went away is still being served.
                409 | 503 => thread::sleep(Duration::from_millis(1)),
                status => panic!("{status}: {}", answer.body),
            }
        }
    }

    /// One card: ordered, certified, delivered.
    fn certify(&mut self, round: u64) {
        let wish = json!({ "role": "card", "name": { "next_of": "ZZCROWD" } });
        let ordered = self.insist("/v1/orders", &format!("order-{round}"), &wish, Answer::json);
        let challenge = ordered.json();
        let part = |part: &str| name(challenge[part].as_str().unwrap());
        let key = PrivateKey::generate(&mut self.tape).unwrap();
        let nonce = bytes(&challenge["nonce"]).try_into().unwrap();
        let holder = part("holder");
        let request = Request::create(part("issuer"), holder, Role::Card, nonce, &key);
        let wish = json!({ "request": text(request.encoded()), "role": "card" });
        let certificate = |answer: &Answer| answer.json()["certificate"].clone();
        let key = format!("request-{round}");
        let issued = self.insist("/v1/requests", &key, &wish, certificate);
        let wish = json!({ "holder": holder.as_str() });
        let nothing = |answer: &Answer| json!(answer.body);
        self.insist(
            "/v1/deliveries",
            &format!("delivery-{round}"),
            &wish,
            nothing,
        );
        let certificate = bytes(&certificate(&issued));
        let mut told = self.crowd.told.lock().unwrap();
        let before = told.insert(holder.to_string(), certificate);
        assert!(before.is_none(), "{holder} was given twice");
    }
}

/// Two instances on one database: names stay unique, and each request is done once, however and wherever it is sent.
#[test]
fn two_instances_give_no_name_twice_however_requests_are_sent() {
    let Some(server) = Server::start() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca");
    let root = name("ZZTALLYROOT00001");
    Authority::init(&ca, root, 15, PASSPHRASE, &mut Tape(0), at(START)).unwrap();
    let address = server.database("crowd");
    let mut home = sqlite::open(&ca.join(STORE_FILE), PATIENT).unwrap();
    let mut away = postgres::open(&address, PATIENT).unwrap();
    copy(home.as_mut(), away.as_mut()).unwrap();
    drop((home, away));
    let pair = Pair::of(folder, {
        let address = address.clone();
        move || postgres::open(&address, PATIENT).unwrap()
    });

    let wanted = cases(1_500, 100_000);
    let crowd = Crowd::default();
    thread::scope(|scope| {
        for number in 0..STATIONS {
            let letter = char::from(b'A' + u8::try_from(number).unwrap());
            let card = pair.enrol(0, &format!("{letter}LINE"), ClientRole::Station);
            let mut station = Station {
                crowd: &crowd,
                clients: [0, 1].map(|instance| pair.at(instance, Some(&card))),
                tape: Tape((number + 1) << 40),
                dice: Dice::new(seed() + number),
            };
            scope.spawn(move || {
                let mut round = 0;
                while station.crowd.asked.load(SeqCst) < wanted {
                    station.certify(round);
                    round += 1;
                }
            });
        }
    });
    pair.stop();

    let told = crowd.told.into_inner().unwrap();
    let numbers: Vec<String> = (1..=told.len()).map(|n| format!("ZZCROWD{n:05}")).collect();
    assert!(
        told.keys().eq(numbers.iter()),
        "no number is left out or given twice"
    );
    let mut authority = Authority::new(postgres::open(&address, PATIENT).unwrap()).unwrap();
    let audit = authority.audit().unwrap();
    let certificates = u64::try_from(told.len()).unwrap();
    assert_eq!(
        (audit.certificates, audit.lines),
        (certificates, 1 + 2 * STATIONS + 3 * certificates),
        "each station is invited and enrols"
    );
    for (holder, certificate) in &told {
        let known = authority.holder(&name(holder)).unwrap();
        assert!(
            known.delivered && known.certificate.encoded() == certificate,
            "{holder}"
        );
    }
    let [asked, hurried, doubled] =
        [crowd.asked, crowd.hurried, crowd.doubled].map(AtomicU64::into_inner);
    assert!(hurried > 0 && doubled > 0);
    report(
        "crowd",
        asked,
        format_args!(
            "requests to two instances on one PostgreSQL, {hurried} by clients that went away, {doubled} repeated at the other instance: {certificates} certificates, each name once"
        ),
    );
}
