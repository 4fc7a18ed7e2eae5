//! The service over the authority in a temporary folder, on a free port of the loopback, and clients that speak TLS to it.
#![allow(dead_code, reason = "each test program uses a part of it")]

use crate::support::{PASSPHRASE, START, Tape, name};
use apdu::crypto::sha256;
use authority::server::approval::Approval;
use authority::server::clients::{ClientRole, Register};
use authority::server::desk::Desk;
use authority::server::identity::Identity;
use authority::server::ledger_desk::LedgerDesk;
use authority::server::limit::Limits;
use authority::server::listen::Running;
use authority::server::second::Second;
use authority::server::{Clock, Service};
use authority::store::sqlite;
use authority::{Authority, EnrolmentCode, Moment, STORE_FILE};
use base64ct::{Base64, Encoding as _};
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
};
use serde_json::Value;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig, TlsProvider};

/// How long a request waits for an operator.
pub const WEEK: Duration = Duration::from_secs(7 * 86_400);

/// A client's certificate and key, DER.
pub struct Card {
    pub certificate: Vec<u8>,
    pub key: KeyPair,
}

/// An answer: status, headers that matter, body.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub media: String,
    pub retry_after: Option<String>,
    pub allow: Option<String>,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or(Value::Null)
    }

    /// The stable word of a problem; empty when it is none.
    pub fn word(&self) -> String {
        match self.media.as_str() {
            "application/problem+json" => self.json()["type"].as_str().unwrap().into(),
            _ => String::new(),
        }
    }

    /// Status and word.
    pub fn is(&self, status: u16, word: &str) -> bool {
        self.status == status && self.word() == word
    }
}

/// The register of the authority in a folder.
pub fn register(folder: &Path) -> Register {
    let path = folder.join(STORE_FILE);
    Register::new(sqlite::open(&path, Duration::from_secs(60)).unwrap())
}

/// A running service and what belongs to it.
pub struct Bench {
    pub temporary: TempDir,
    pub running: Running,
    pub tls_ca: Vec<u8>,
    /// Seconds after 2026-11-21 by the service's clock.
    pub clock: Arc<AtomicU64>,
    keys: AtomicU64,
}

impl Bench {
    pub fn new() -> Self {
        Self::limited(Limits::default())
    }

    pub fn limited(limits: Limits) -> Self {
        Self::behind(limits, |desk| desk)
    }

    /// Where an operator has to approve certificates, within 7 days.
    pub fn asking(approval: Approval) -> Self {
        Self::made(Limits::default(), approval, Second::default(), |desk| desk)
    }

    /// The same with settings about a second operator.
    pub fn with_second(approval: Approval, second: Second) -> Self {
        Self::made(Limits::default(), approval, second, |desk| desk)
    }

    /// With something between the service and its desk.
    pub fn behind(limits: Limits, put: impl FnOnce(Arc<dyn Desk>) -> Arc<dyn Desk>) -> Self {
        Self::made(limits, Approval::None, Second::default(), put)
    }

    fn made(
        limits: Limits,
        approval: Approval,
        second: Second,
        put: impl FnOnce(Arc<dyn Desk>) -> Arc<dyn Desk>,
    ) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path().join("ca");
        let now = Moment::from_unix_seconds(START).unwrap();
        let mut tape = Tape(0);
        Authority::init(
            &folder,
            name("ZZTALLYROOT00001"),
            15,
            PASSPHRASE,
            &mut tape,
            now,
        )
        .unwrap();
        let authority = Authority::open(&folder, Duration::ZERO).unwrap();
        let reader = Authority::open(&folder, Duration::ZERO).unwrap();
        let key = authority.unlock(&folder, PASSPHRASE).unwrap();
        let clock = Arc::new(AtomicU64::new(0));
        let seconds = Arc::clone(&clock);
        let read: Clock = Arc::new(move || START + seconds.load(SeqCst));
        let desk = LedgerDesk::new(authority, reader, key, Arc::clone(&read));
        let desk = put(Arc::new(desk.with_approval(approval, WEEK)));
        let identity = Identity::open(&folder, today()).unwrap();
        let tls_ca = identity.certificate().to_vec();
        let register = register(&folder);
        let service = Service::new(desk, register, identity, limits, read).unwrap();
        let service = service.with_second(second);
        let names = ["localhost".to_owned(), "127.0.0.1".into()];
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let running = Running::start(address, &names, Arc::new(service), false).unwrap();
        Self {
            temporary,
            running,
            tls_ca,
            clock,
            keys: AtomicU64::new(0),
        }
    }

    pub fn folder(&self) -> PathBuf {
        self.temporary.path().join("ca")
    }

    /// The lines of the ledger.
    pub fn lines(&self) -> Vec<String> {
        let mut authority = Authority::open(&self.folder(), Duration::from_secs(60)).unwrap();
        authority.lines(1, 1_000).unwrap()
    }

    /// The register, as `authority enrol` on the same machine would open it.
    pub fn register(&self) -> Register {
        register(&self.folder())
    }

    pub fn identity(&self) -> Identity {
        Identity::open(&self.folder(), today()).unwrap()
    }

    pub fn now(&self) -> u64 {
        START + self.clock.load(SeqCst)
    }

    /// A code as `authority enrol` prints it.
    pub fn code(&self, name: &str, role: ClientRole) -> String {
        let mut tape = Tape(1_000 + u64::from(sha256(&[name.as_bytes()])[0]) * 1_000);
        let code = EnrolmentCode::draw(&self.tls_ca, &mut tape).unwrap();
        self.register()
            .invite(name, role, &code.hash(), self.now())
            .unwrap();
        code.dangerous_text().to_string()
    }

    /// A client that was enrolled over the network.
    pub fn client(&self, name: &str, role: ClientRole) -> Client {
        let code = self.code(name, role);
        let key = KeyPair::generate().unwrap();
        let body = enrol_body(&code, &request(&key));
        let answer = self.nobody().post("/v1/enrol", &body);
        assert_eq!(answer.status, 201, "{}", answer.body);
        let certificate = bytes(&answer.json()["certificate"]);
        self.with(Some(&Card { certificate, key }))
    }

    pub fn station(&self) -> Client {
        self.client("LINE1", ClientRole::Station)
    }

    pub fn operator(&self) -> Client {
        self.client("Ada", ClientRole::Operator)
    }

    /// Somebody without a certificate.
    pub fn nobody(&self) -> Client {
        self.with(None)
    }

    pub fn with(&self, card: Option<&Card>) -> Client {
        self.trusting(&self.tls_ca, card)
    }

    /// A client that trusts this TLS CA.
    pub fn trusting(&self, tls_ca: &[u8], card: Option<&Card>) -> Client {
        let client = client(self.running.address(), tls_ca, card);
        let number = self.keys.fetch_add(1, SeqCst);
        client.keys.store(number << 32, SeqCst);
        client
    }

    /// A plain TCP connection to the service.
    pub fn tcp(&self) -> TcpStream {
        let stream = TcpStream::connect(self.running.address()).unwrap();
        // Long enough that only a hanging service reaches it.
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        stream
    }

    /// A TLS connection, on which anything can be sent.
    pub fn tls(&self, versions: &[&'static SupportedProtocolVersion], card: Option<&Card>) -> Tls {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from(self.tls_ca.clone()))
            .unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots);
        let config = match card {
            None => builder.with_no_client_auth(),
            Some(card) => builder
                .with_client_auth_cert(
                    vec![CertificateDer::from(card.certificate.clone())],
                    PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(card.key.serialize_der())),
                )
                .unwrap(),
        };
        let name = ServerName::try_from("localhost").unwrap();
        let connection = ClientConnection::new(Arc::new(config), name).unwrap();
        Tls(StreamOwned::new(connection, self.tcp()))
    }

    /// A TLS 1.3 connection without a certificate.
    pub fn raw(&self) -> Tls {
        self.tls(&[&rustls::version::TLS13], None)
    }

    pub fn stop(self) -> usize {
        self.running.stop();
        self.running.wait().unwrap()
    }
}

/// A raw TLS connection.
pub struct Tls(pub StreamOwned<ClientConnection, TcpStream>);

impl Tls {
    /// Sends bytes, and gives what comes back until the other end closes.
    pub fn exchange(&mut self, bytes: &[u8]) -> String {
        let _ = self.0.write_all(bytes); // the other end may have had enough
        let _ = self.0.flush();
        self.rest()
    }

    /// Sends bytes and says that no more will come, so that nobody has to wait for them.
    pub fn exchange_and_end(&mut self, bytes: &[u8]) -> String {
        let _ = self.0.write_all(bytes); // the other end may have had enough
        self.0.conn.send_close_notify();
        let _ = self.0.flush();
        let _ = self.0.sock.shutdown(Shutdown::Write);
        self.rest()
    }

    /// What comes back until the other end closes.
    pub fn rest(&mut self) -> String {
        let mut all = Vec::new();
        let mut piece = [0; 4_096];
        loop {
            match self.0.read(&mut piece) {
                Ok(0) => break,
                Ok(length) => all.extend_from_slice(&piece[..length]),
                Err(error) if timed_out(&error) => panic!("the service hangs"),
                Err(_) => break,
            }
        }
        String::from_utf8_lossy(&all).into_owned()
    }

    /// Reads one answer's head and what came with it.
    pub fn some(&mut self) -> String {
        let mut piece = [0; 4_096];
        let length = self.0.read(&mut piece).unwrap();
        String::from_utf8_lossy(&piece[..length]).into_owned()
    }
}

pub fn timed_out(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}

/// A client by others: ureq.
pub struct Client {
    agent: ureq::Agent,
    base: String,
    keys: AtomicU64,
}

impl Client {
    pub fn get(&self, path: &str) -> Answer {
        told(self.agent.get(format!("{}{path}", self.base)).call()).unwrap()
    }

    pub fn delete(&self, path: &str) -> Answer {
        told(self.agent.delete(format!("{}{path}", self.base)).call()).unwrap()
    }

    /// POST with a new idempotency key.
    pub fn post(&self, path: &str, body: &Value) -> Answer {
        let key = format!("key-{}", self.keys.fetch_add(1, SeqCst));
        self.send(path, &body.to_string(), &[("idempotency-key", &key), JSON])
            .unwrap()
    }

    pub fn post_with(&self, path: &str, key: &str, body: &Value) -> Answer {
        self.send(path, &body.to_string(), &[("idempotency-key", key), JSON])
            .unwrap()
    }

    /// POST by someone who goes away after `patience`, whether or not there was an answer.
    pub fn hurry(&self, path: &str, key: &str, body: &Value, patience: Duration) {
        let request = self.agent.post(format!("{}{path}", self.base));
        let request = request.header(JSON.0, JSON.1);
        let request = request.header("idempotency-key", key);
        let request = request.config().timeout_global(Some(patience)).build();
        let _ = request.send(body.to_string()); // nobody waits for it
    }

    pub fn send(
        &self,
        path: &str,
        body: &str,
        headers: &[(&str, &str)],
    ) -> Result<Answer, ureq::Error> {
        let mut request = self.agent.post(format!("{}{path}", self.base));
        for (key, value) in headers {
            request = request.header(*key, *value);
        }
        told(request.send(body))
    }

    /// One request that may fail below HTTP.
    pub fn try_get(&self, path: &str) -> Result<Answer, ureq::Error> {
        told(self.agent.get(format!("{}{path}", self.base)).call())
    }

    /// By method, with a body where there is one.
    pub fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        match (method, body) {
            ("post", Some(body)) => self.post(path, body),
            ("delete", _) => self.delete(path),
            _ => self.get(path),
        }
    }
}

/// What all are told who send the same at once, in order.
pub fn statuses_at_once(clients: &[Client], path: &str, body: &Value) -> Vec<u16> {
    let mut told: Vec<u16> = thread::scope(|scope| {
        let threads: Vec<_> = clients
            .iter()
            .map(|client| scope.spawn(move || client.post(path, body).status))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    told.sort_unstable();
    told
}

/// A client of the service at `address` that trusts this TLS CA.
pub fn client(address: SocketAddr, tls_ca: &[u8], card: Option<&Card>) -> Client {
    let certificate = |der: &[u8]| Certificate::from_der(der).to_owned();
    let tls = TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .root_certs(RootCerts::new_with_certs(&[certificate(tls_ca)]))
        .client_cert(card.map(|card| {
            let key = card.key.serialize_pem();
            let key = PrivateKey::from_pem(key.as_bytes()).unwrap();
            ClientCert::new_with_certs(&[certificate(&card.certificate)], key)
        }))
        .build();
    let config = ureq::Agent::config_builder()
        .tls_config(tls)
        .http_status_as_error(false)
        .proxy(None)
        .build();
    Client {
        agent: config.new_agent(),
        base: format!("https://{address}"),
        keys: AtomicU64::new(0),
    }
}

pub const JSON: (&str, &str) = ("content-type", "application/json");

fn told(
    result: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
) -> Result<Answer, ureq::Error> {
    let mut response = result?;
    let header = |name: &str| {
        let value = response.headers().get(name)?;
        Some(value.to_str().unwrap().to_owned())
    };
    let (media, retry_after, allow) = (
        header("content-type"),
        header("retry-after"),
        header("allow"),
    );
    Ok(Answer {
        status: response.status().as_u16(),
        media: media.unwrap_or_default(),
        retry_after,
        allow,
        body: response.body_mut().read_to_string()?,
    })
}

/// A certificate request for a key, PKCS#10, DER.
pub fn request(key: &KeyPair) -> Vec<u8> {
    let request = CertificateParams::default().serialize_request(key).unwrap();
    request.der().to_vec()
}

pub fn enrol_body(code: &str, request: &[u8]) -> Value {
    serde_json::json!({ "code": code, "csr": text(request) })
}

pub fn text(bytes: &[u8]) -> String {
    Base64::encode_string(bytes)
}

pub fn bytes(value: &Value) -> Vec<u8> {
    Base64::decode_vec(value.as_str().unwrap()).unwrap()
}

pub fn today() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

/// A station, LINE1, enrolled on the server's machine by the system's clock.
pub fn enrolled(ca: &Path, identity: &Identity) -> Card {
    let register = register(ca);
    let code = EnrolmentCode::draw(identity.certificate(), &mut Tape(7)).unwrap();
    let hash = code.hash();
    register
        .invite("LINE1", ClientRole::Station, &hash, today())
        .unwrap();
    let key = KeyPair::generate().unwrap();
    let wish = request(&key);
    let certify = |name: &str, _| {
        let made = identity.certify(&wish, name, today()).unwrap();
        Ok::<_, authority::server::clients::RegisterError>(made)
    };
    let (_, certificate) = register.enrol(&hash, today(), certify).unwrap();
    Card { certificate, key }
}
