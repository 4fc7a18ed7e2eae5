//! Service and database ended by kill -9 under load: no acknowledged certificate is lost, none is made twice, the ledger verifies.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

mod http;
#[path = "support/postgres.rs"]
mod server;
mod support;

use apdu::certificate::{Certificate, Name, Request, Role};
use apdu::crypto::{Entropy, PrivateKey};
use authority::clerk::{Clerk, ClerkError, Machine};
use authority::job::{Job, Task};
use authority::ledger::Event;
use authority::server::clients::{ClientRole, Register};
use authority::server::identity::Identity;
use authority::store::{Store, Token, postgres, sqlite};
use authority::{
    Application, Authority, Challenge, EnrolmentCode, Moment, NameOrder, Order, STORE_FILE, found,
};
use http::{Answer, Card, Client, JSON, bytes, client, request, text};
use rcgen::KeyPair;
use serde_json::{Value, json};
use server::Server;
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use support::{PASSPHRASE, Tape, name};
use tempfile::TempDir;
use test_vectors::evidence::{cases, report};

/// Stations at work.
const STATIONS: u64 = 4;
/// Between two looks at something that is not there yet.
const PAUSE: Duration = Duration::from_millis(5);

/// What the stations were told, while somebody ends what they talk to.
#[derive(Default)]
struct Load {
    told: Mutex<BTreeMap<Name, Vec<u8>>>,
    acknowledged: AtomicU64,
    repeated: AtomicU64,
    enough: AtomicBool,
}

impl Load {
    /// A certificate that was acknowledged: nobody else may have got its name.
    fn acknowledge(&self, holder: Name, certificate: Vec<u8>) {
        let before = self.told.lock().unwrap().insert(holder, certificate);
        assert!(before.is_none(), "{holder} was given twice");
        self.acknowledged.fetch_add(1, SeqCst);
    }

    /// Asks until there is an answer: always with the same words.
    fn insist<T>(&self, ask: impl Fn() -> Option<T>) -> T {
        loop {
            if let Some(answer) = ask() {
                return answer;
            }
            self.repeated.fetch_add(1, SeqCst);
            thread::sleep(PAUSE);
        }
    }

    /// Ends it so many times, each a few certificates after the last.
    fn kill(&self, times: u64, mut kill: impl FnMut()) {
        let mut dice = Tape(9_000_000);
        let dice: &mut dyn Entropy = &mut dice;
        for _ in 0..times {
            let more = u64::from(dice.nonce::<1>().unwrap()[0] % 12) + 1;
            let target = self.acknowledged.load(SeqCst) + more;
            while self.acknowledged.load(SeqCst) < target {
                thread::sleep(PAUSE);
            }
            kill();
        }
        self.enough.store(true, SeqCst);
    }

    /// Compares with the ledger.
    fn compare(&self, mut authority: Authority, clients: u64, kills: u64, what: &str) {
        let told = self.told.lock().unwrap();
        let audit = authority.audit().unwrap();
        assert_eq!(
            audit.certificates,
            told.len() as u64,
            "neither lost nor made twice"
        );
        // A client is invited, and enrols.
        let lines = 1 + 2 * clients + 2 * audit.certificates;
        assert_eq!(audit.lines, lines, "an order for each");
        for (holder, certificate) in told.iter() {
            let known = authority.holder(holder).unwrap();
            assert!(known.certificate.encoded() == certificate, "{holder}");
            authority.receipt(holder).unwrap();
        }
        let repeated = self.repeated.load(SeqCst);
        assert!(repeated > 0, "nobody noticed that anything was ended");
        report(
            "killed",
            kills,
            format_args!(
                "kills of {what} under load: {} certificates acknowledged, none lost, none twice; {repeated} requests had to be repeated",
                told.len()
            ),
        );
    }
}

/// The service as a process, which comes back at another port.
struct Service {
    folder: TempDir,
    child: Mutex<Child>,
    port: AtomicU64,
}

impl Service {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ca = folder.path().join("ca");
        let root = name("ZZTALLYROOT00001");
        Authority::init(&ca, root, 15, PASSPHRASE, &mut Tape(0), now()).unwrap();
        std::fs::write(folder.path().join("passphrase"), PASSPHRASE).unwrap();
        let (child, port) = serve(folder.path());
        Self {
            folder,
            child: Mutex::new(child),
            port: AtomicU64::new(port),
        }
    }

    fn ca(&self) -> PathBuf {
        self.folder.path().join("ca")
    }

    fn kill(&self) {
        let mut child = self.child.lock().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        let port;
        (*child, port) = serve(self.folder.path());
        self.port.store(port, SeqCst);
    }

    /// A station, enrolled on the server's machine.
    fn station(&self, name: &str) -> Card {
        let identity = Identity::open(&self.ca(), seconds()).unwrap();
        let store = match std::fs::read_to_string(self.folder.path().join("store")) {
            Ok(address) => postgres::open(&address, Duration::from_secs(60)).unwrap(),
            Err(_) => sqlite::open(&self.ca().join(STORE_FILE), Duration::from_secs(60)).unwrap(),
        };
        let register = Register::new(store);
        let mut tape = Tape(u64::from(name.as_bytes()[4]) << 32);
        let code = EnrolmentCode::draw(identity.certificate(), &mut tape).unwrap();
        register
            .invite(name, ClientRole::Station, &code.hash(), seconds())
            .unwrap();
        let key = KeyPair::generate().unwrap();
        let wish = request(&key);
        let certify = |name: &str, _| {
            Ok::<_, authority::server::clients::RegisterError>(
                identity.certify(&wish, name, seconds()).unwrap(),
            )
        };
        let (_, certificate) = register.enrol(&code.hash(), seconds(), certify).unwrap();
        Card { certificate, key }
    }

    fn client(&self, card: &Card) -> Client {
        let port = u16::try_from(self.port.load(SeqCst)).unwrap();
        let identity = Identity::open(&self.ca(), seconds()).unwrap();
        client(
            SocketAddr::from(([127, 0, 0, 1], port)),
            identity.certificate(),
            Some(card),
        )
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let mut child = self.child.lock().unwrap();
        let _ = child.kill();
        let _ = child.wait();
    }
}

fn seconds() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap().as_secs()
}

fn now() -> Moment {
    Moment::from_unix_seconds(seconds()).unwrap()
}

fn serve(folder: &Path) -> (Child, u64) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_authority"));
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--log", "off", "--data"])
        .arg(folder.join("ca"))
        .arg("--passphrase-file")
        .arg(folder.join("passphrase"));
    if folder.join("store").exists() {
        command.arg("--store-file").arg(folder.join("store"));
    }
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap())
        .read_line(&mut line)
        .unwrap();
    let port = line.trim().rsplit_once(':').unwrap().1.parse().unwrap();
    (child, port)
}

/// One request of a station; `None` when it is to be repeated.
fn post(client: &Client, path: &str, key: &str, body: &Value) -> Option<Answer> {
    let answer = client
        .send(path, &body.to_string(), &[("idempotency-key", key), JSON])
        .ok()?;
    match answer.status {
        201 => Some(answer),
        409 | 500..=599 => None,
        status => panic!("{status}: {}", answer.body),
    }
}

#[test]
fn a_service_that_is_killed_under_load_loses_and_doubles_nothing() {
    let service = Service::start();
    let load = Load::default();
    let kills = cases(10, 200);
    let station = |number: u64| {
        let card = service.station(&format!("LINE{number}"));
        let (service, load) = (&service, &load);
        move || {
            let mut keys = Tape(number << 40);
            let mut round = 0;
            while !load.enough.load(SeqCst) {
                round += 1;
                let wish = json!({ "role": "card", "name": { "next_of": "ZZKILL" } });
                let word = format!("order-{round}");
                let answer =
                    load.insist(|| post(&service.client(&card), "/v1/orders", &word, &wish));
                let challenge = answer.json();
                let key = PrivateKey::generate(&mut keys).unwrap();
                let part = |part: &str| name(challenge[part].as_str().unwrap());
                let nonce = bytes(&challenge["nonce"]).try_into().unwrap();
                let request =
                    Request::create(part("issuer"), part("holder"), Role::Card, nonce, &key);
                let wish = json!({ "request": text(request.encoded()), "role": "card" });
                let word = format!("request-{round}");
                let answer =
                    load.insist(|| post(&service.client(&card), "/v1/requests", &word, &wish));
                load.acknowledge(part("holder"), bytes(&answer.json()["certificate"]));
            }
        }
    };
    thread::scope(|scope| {
        for number in 1..=STATIONS {
            scope.spawn(station(number));
        }
        load.kill(kills, || service.kill());
    });
    let authority = Authority::open(&service.ca(), Duration::from_secs(60)).unwrap();
    load.compare(authority, STATIONS, kills, "the service");
}

/// Two services on one database, each with the folder: ordered at one, issued at the other, and asked again at the first.
#[test]
fn two_services_on_one_database_are_one_authority() {
    let Some(server) = Server::start() else {
        return;
    };
    let one = Service::start();
    one.kill();
    let store = one.folder.path().join("store");
    std::fs::write(&store, server.database("shared")).unwrap();
    let moved = Command::new(env!("CARGO_BIN_EXE_authority"))
        .args(["move", "--data"])
        .arg(one.ca())
        .arg("--store-file")
        .arg(&store)
        .output()
        .unwrap();
    assert!(
        moved.status.success(),
        "{}",
        String::from_utf8_lossy(&moved.stderr)
    );
    one.kill(); // comes back on the database
    let (child, port) = serve(one.folder.path());
    let two = Service {
        folder: tempfile::tempdir().unwrap(),
        child: Mutex::new(child),
        port: AtomicU64::new(port),
    };
    let card = one.station("LINE1");
    let first = one.client(&card);
    let address = SocketAddr::from(([127, 0, 0, 1], u16::try_from(port).unwrap()));
    let identity = Identity::open(&one.ca(), seconds()).unwrap();
    let second = client(address, identity.certificate(), Some(&card));
    let wish = json!({ "role": "card", "name": { "next_of": "ZZBOTH" } });
    let challenge = post(&first, "/v1/orders", "a", &wish).unwrap().json();
    assert_eq!(
        post(&second, "/v1/orders", "a", &wish).unwrap().json(),
        challenge
    );
    let key = PrivateKey::generate(&mut Tape(1 << 40)).unwrap();
    let part = |part: &str| name(challenge[part].as_str().unwrap());
    let nonce = bytes(&challenge["nonce"]).try_into().unwrap();
    let request = Request::create(part("issuer"), part("holder"), Role::Card, nonce, &key);
    let wish = json!({ "request": text(request.encoded()), "role": "card" });
    let issued = post(&second, "/v1/requests", "b", &wish).unwrap().json();
    let again = post(&first, "/v1/requests", "b", &wish).unwrap().json();
    assert_eq!(again["certificate"], issued["certificate"]);
    let holder = first.get("/v1/holders/ZZBOTH00001").json();
    assert_eq!(holder["certificate"], issued["certificate"]);
    let home = Authority::open(&one.ca(), Duration::from_secs(60))
        .unwrap()
        .size();
    assert_eq!(
        home.unwrap(),
        1,
        "the folder's own store is not used any more"
    );
    // The root changes under both: with the old key neither signs on, and with the new one it is the same request still.
    let rolled = Command::new(env!("CARGO_BIN_EXE_authority"))
        .args(["rollover", "--name", "ZZTALLYROOT00002", "--data"])
        .arg(one.ca())
        .arg("--store-file")
        .arg(&store)
        .arg("--passphrase-file")
        .arg(one.folder.path().join("passphrase"))
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&rolled.stdout);
    assert_eq!(told, "ZZTALLYROOT00002 signs from line 6 on\n");
    let wish = json!({ "role": "card", "name": { "next_of": "ZZBOTH" } });
    let challenge = post(&second, "/v1/orders", "c", &wish).unwrap().json();
    assert_eq!(challenge["issuer"], "ZZTALLYROOT00002");
    let part = |part: &str| name(challenge[part].as_str().unwrap());
    let nonce = bytes(&challenge["nonce"]).try_into().unwrap();
    let key = PrivateKey::generate(&mut Tape(1 << 41)).unwrap();
    let request = Request::create(part("issuer"), part("holder"), Role::Card, nonce, &key);
    let wish = json!({ "request": text(request.encoded()), "role": "card" });
    for client in [&first, &second] {
        let told = client.send(
            "/v1/requests",
            &wish.to_string(),
            &[("idempotency-key", "d"), JSON],
        );
        assert!(told.unwrap().is(503, "unavailable"));
    }
    one.kill();
    let issued = post(&one.client(&card), "/v1/requests", "d", &wish).unwrap();
    let issued = Certificate::decode(&bytes(&issued.json()["certificate"])).unwrap();
    assert_eq!(issued.claims().issuer, name("ZZTALLYROOT00002"));
    drop(two);
}

struct Clock(Tape);

impl Machine for Clock {
    fn now(&mut self) -> Option<Moment> {
        Some(now())
    }

    fn entropy(&mut self) -> &mut dyn Entropy {
        &mut self.0
    }
}

#[test]
fn a_database_that_is_killed_under_load_loses_and_doubles_nothing() {
    let Some(server) = Server::start() else {
        return;
    };
    let address = server.database("killed");
    let open = || -> Box<dyn Store> { postgres::open(&address, Duration::from_secs(60)).unwrap() };
    let folder = tempfile::tempdir().unwrap();
    let root = name("ZZTALLYROOT00001");
    // The key of an authority in a folder, for a store elsewhere.
    Authority::init(
        &folder.path().join("ca"),
        root,
        15,
        PASSPHRASE,
        &mut Tape(0),
        now(),
    )
    .unwrap();
    let home = Authority::open(&folder.path().join("ca"), Duration::ZERO).unwrap();
    let unlock = || home.unlock(&folder.path().join("ca"), PASSPHRASE).unwrap();
    found(open().as_mut(), root, 15, unlock().as_mut(), now()).unwrap();
    let clerks = [1_u64 << 50, 1 << 51].map(|tape| {
        let authority = Authority::new(open()).unwrap();
        Clerk::start(authority, unlock(), Box::new(Clock(Tape(tape))))
    });
    let load = Load::default();
    let kills = cases(10, 200);
    let station = |number: u64| {
        let (clerks, load) = (&clerks, &load);
        move || {
            let mut keys = Tape(number << 40);
            let clerk = &clerks[usize::from(number.is_multiple_of(2))];
            let client = format!("LINE{number}");
            let ask = |word: String, job: Job| {
                let client = client.clone();
                let by = Some(client.clone());
                let token = Some(Token { client, word });
                let task = Task { job, by, token };
                load.insist(|| match clerk.ask(task.clone()) {
                    Ok(line) => Some(line),
                    Err(ClerkError::Store(_)) => None,
                    Err(error) => panic!("{error}"),
                })
            };
            let mut round = 0;
            while !load.enough.load(SeqCst) {
                round += 1;
                let order = Order {
                    role: Role::Card,
                    name: NameOrder::NextOf("ZZKILL".into()),
                };
                let line = ask(format!("order {round}"), Job::Order(order));
                let challenge = Challenge::of(&line, root).unwrap();
                let key = PrivateKey::generate(&mut keys).unwrap();
                let application = Application {
                    request: support::request(&challenge, &key),
                    role: Role::Card,
                    years: None,
                };
                let line = ask(
                    format!("request {round}"),
                    Job::Issue(Box::new(application)),
                );
                let Event::Issued { certificate, .. } = line.event else {
                    panic!("another line");
                };
                load.acknowledge(
                    challenge.holder,
                    Certificate::encoded(&certificate).to_vec(),
                );
            }
        }
    };
    thread::scope(|scope| {
        for number in 1..=STATIONS {
            scope.spawn(station(number));
        }
        load.kill(kills, || {
            server.kill();
            server.up();
        });
    });
    drop(clerks);
    load.compare(Authority::new(open()).unwrap(), 0, kills, "the database");
}
