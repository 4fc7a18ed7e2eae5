//! The service as it is run, on a port of the loopback, and clients of it with certificates of their own.

use super::key::{Key, seconds};
use crate::world::Failure;
use authority::client::ClientRole;
use authority::server::clients::Register;
use authority::server::identity::Identity;
use authority::server::ledger_desk::LedgerDesk;
use authority::server::limit::Limits;
use authority::server::listen::Running;
use authority::server::pool::Pool;
use authority::server::{Clock, Service};
use authority::store::Store;
use authority::{Authority, EnrolmentCode};
use base64ct::{Base64, Encoding as _};
use getrandom::SysRng;
use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use ureq::Agent;
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig, TlsProvider};

/// Connections for reading, as `authority serve` has them.
const READERS: usize = 4;

/// How a store is opened once more.
pub type Open<'o> = &'o dyn Fn() -> Result<Box<dyn Store>, Failure>;

/// A running instance.
pub struct Door {
    running: Running,
    tls_ca: Vec<u8>,
}

impl Door {
    /// The TLS authority is in `folder`; without `limits` on rates.
    pub fn open(folder: &Path, open: Open<'_>, key: &Key, limits: Limits) -> Result<Self, Failure> {
        let readers: Result<Vec<_>, Failure> =
            (0..READERS).map(|_| Ok(Authority::new(open()?)?)).collect();
        let clock: Clock = Arc::new(seconds);
        let desk = LedgerDesk::new(
            Authority::new(open()?)?,
            Pool::new(readers?),
            Box::new(key.copy()),
            Arc::clone(&clock),
        );
        let mut store = open()?;
        let identity = Identity::shared(folder, store.as_mut(), seconds())?;
        let tls_ca = identity.certificate().to_vec();
        let readers: Result<Vec<_>, Failure> = (0..READERS).map(|_| open()).collect();
        let register = Register::new(store).with_readers(readers?);
        let service = Service::new(Arc::new(desk), register, identity, limits, clock)?;
        let names = ["localhost".to_owned(), "127.0.0.1".into()];
        let address = ([127, 0, 0, 1], 0).into();
        let running = Running::start(address, &names, Arc::new(service), false)?;
        Ok(Self { running, tls_ca })
    }

    /// The certificate of the TLS authority, DER.
    pub fn tls_ca(&self) -> &[u8] {
        &self.tls_ca
    }

    pub fn stop(self) -> Result<(), Failure> {
        self.running.stop();
        self.running.wait()?;
        Ok(())
    }

    /// A client; without a certificate nobody knows it.
    pub fn client(&self, identity: Option<&ClientIdentity>) -> Result<Client, Failure> {
        let identity = match identity {
            None => None,
            Some(identity) => {
                let key = PrivateKey::from_pem(identity.key.serialize_pem().as_bytes())?;
                let certificate = Certificate::from_der(&identity.certificate).to_owned();
                Some(ClientCert::new_with_certs(&[certificate], key))
            }
        };
        let root = Certificate::from_der(&self.tls_ca).to_owned();
        let tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .root_certs(RootCerts::new_with_certs(&[root]))
            .client_cert(identity)
            .build();
        let config = Agent::config_builder()
            .tls_config(tls)
            .http_status_as_error(false)
            .proxy(None)
            .build();
        Ok(Client {
            agent: config.new_agent(),
            base: format!("https://{}", self.running.address()),
        })
    }

    /// Enrols by a one-time code, over the network.
    pub fn enrol(
        &self,
        open: Open<'_>,
        name: &str,
        role: ClientRole,
    ) -> Result<ClientIdentity, Failure> {
        let code = EnrolmentCode::draw(&self.tls_ca, &mut SysRng)?;
        Register::new(open()?).invite(name, role, &code.hash(), seconds())?;
        let key = KeyPair::generate()?;
        let request = CertificateParams::default().serialize_request(&key)?;
        let body = json!({
            "code": *code.dangerous_text(),
            "csr": Base64::encode_string(request.der()),
        });
        let (status, answer) = self.client(None)?.post("/v1/enrol", "enrol", &body)?;
        let certificate = answer["certificate"].as_str().unwrap_or_default();
        match status {
            201 => Ok(ClientIdentity {
                certificate: Base64::decode_vec(certificate).map_err(|error| error.to_string())?,
                key,
            }),
            status => Err(format!("{name} was not enrolled: {status} {answer}").into()),
        }
    }
}

/// A client's certificate, DER, and its key.
pub struct ClientIdentity {
    certificate: Vec<u8>,
    key: KeyPair,
}

/// A client with connections that stay open.
pub struct Client {
    agent: Agent,
    base: String,
}

impl Client {
    /// Status and answer.
    pub fn post(
        &self,
        path: &str,
        idempotency_key: &str,
        body: &Value,
    ) -> Result<(u16, Value), Failure> {
        let request = self.agent.post(format!("{}{path}", self.base));
        let request = request
            .header("content-type", "application/json")
            .header("idempotency-key", idempotency_key);
        let mut response = request.send(body.to_string())?;
        let text = response.body_mut().read_to_string()?;
        let answer = serde_json::from_str(&text).unwrap_or(Value::Null);
        Ok((response.status().as_u16(), answer))
    }

    /// Length of an answer, or the status that was none of success.
    pub fn get(&self, path: &str) -> Result<usize, Failure> {
        let mut response = self.agent.get(format!("{}{path}", self.base)).call()?;
        let text = response.body_mut().read_to_string()?;
        match response.status().as_u16() {
            200 => Ok(text.len()),
            status => Err(format!("{path}: {status} {text}").into()),
        }
    }
}
