//! The service's own TLS identity: a small certification authority in two files, and certificates under it (RFC 5280).
//!
//! `tls-ca.pem` is the CA's certificate, which clients pin; `tls-ca.key` its key. Both are made at the first start, mode 0600. The
//! server's own certificate and key are made anew at each start and never stored, so they always have the names that are configured.
//!
//! This CA has nothing to do with cards and terminals: it says who may speak to the service, and whom clients speak to.

use crate::custody::create_private;
use crate::ledger::text::to_hex;
use crate::store::{Store, StoreError};
use apdu::crypto::sha256;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{
    CertificateDer, CertificateSigningRequestDer, PrivateKeyDer, PrivatePkcs8KeyDer,
};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// The file with the CA's certificate, PEM.
pub const CA_FILE: &str = "tls-ca.pem";
const KEY_FILE: &str = "tls-ca.key";
const DAY: u64 = 86_400;
/// Days that the CA, a server's and a client's certificate are good for.
const CA_DAYS: u64 = 20 * 365;
const SERVER_DAYS: u64 = 5 * 365;
const CLIENT_DAYS: u64 = 2 * 365;

/// There is no usable TLS identity.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The operating system refused.
    #[error("{}: {source}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// Another instance has another TLS CA.
    #[error(
        "{}: another TLS CA than that of the other instances on this store ({}); copy {CA_FILE} and {KEY_FILE} from one of them to \
         {} and start again; if nobody has them any more, `authority forget-tls-ca`, and enrol all clients again", path.display(), noted, path.parent().unwrap_or(Path::new(".")).display()
    )]
    OtherCa {
        /// The file with our CA's certificate.
        path: PathBuf,
        /// SHA-256 of theirs, in hexadecimal digits.
        noted: String,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Not what was written there once.
    #[error("{}: damaged; put it back from the backup, or remove {CA_FILE} and {KEY_FILE}, `authority forget-tls-ca`, and enrol all clients again", .0.display())]
    Damaged(PathBuf),
    /// A configured name is no DNS name and no address.
    #[error("the certificate cannot be made: {0}; check the configured names")]
    Making(#[from] rcgen::Error),
    /// The TLS library refused the identity.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
}

/// A client's request for a certificate is not usable.
#[derive(Debug, thiserror::Error)]
#[error(
    "the certificate request is not usable: PKCS#10 (RFC 2986), DER, with a P-256, Ed25519 or RSA key, signed by it"
)]
pub struct BadRequest;

/// The CA, open. Its key does not print and is wiped when it dies.
pub struct Identity {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl Identity {
    /// Opens the CA in `folder`, or makes it. `now` is Unix seconds.
    ///
    /// # Errors
    /// [`IdentityError`], which names the file.
    pub fn open(folder: &Path, now: u64) -> Result<Self, IdentityError> {
        let lock = folder.join("tls.lock");
        let _lock = locked(&lock).map_err(|source| failed(&lock, source))?;
        let (path, key_path) = (folder.join(CA_FILE), folder.join(KEY_FILE));
        match fs::read(&path) {
            Ok(pem) => {
                let key = Zeroizing::new(
                    fs::read_to_string(&key_path).map_err(|source| failed(&key_path, source))?,
                );
                let certificate = CertificateDer::from_pem_slice(&pem)
                    .map_err(|_| IdentityError::Damaged(path.clone()))?;
                let key = KeyPair::from_pem(&key).map_err(|_| IdentityError::Damaged(key_path))?;
                Self::of(certificate, key).map_err(|_| IdentityError::Damaged(path))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let key = KeyPair::generate()?;
                let certificate = authority_parameters(&key, now).self_signed(&key)?;
                // The certificate last: while it is missing, nobody has used the key.
                let text = Zeroizing::new(key.serialize_pem());
                exchange(&key_path, |file| file.write_all(text.as_bytes()))
                    .map_err(|source| failed(&key_path, source))?;
                exchange(&path, |file| file.write_all(certificate.pem().as_bytes()))
                    .map_err(|source| failed(&path, source))?;
                Ok(Self::of(certificate.der().clone(), key)?)
            }
            Err(source) => Err(failed(&path, source)),
        }
    }

    fn of(certificate: CertificateDer<'static>, key: KeyPair) -> Result<Self, rcgen::Error> {
        Ok(Self {
            issuer: Issuer::from_ca_cert_der(&certificate, key)?,
            certificate,
        })
    }

    /// Opens the CA in `folder` as [`open`](Self::open) does, for an authority in a store that may have other instances: the first
    /// one notes its CA there, and all others must have the same.
    ///
    /// # Errors
    /// [`IdentityError::OtherCa`], which says what to copy; otherwise as [`open`](Self::open), and the store.
    pub fn shared(folder: &Path, store: &mut dyn Store, now: u64) -> Result<Self, IdentityError> {
        let other = |noted: &[u8; 32]| IdentityError::OtherCa {
            path: folder.join(CA_FILE),
            noted: to_hex(noted),
        };
        // Before a CA is made that nobody may use.
        if let Some(noted) = store.tls_ca()?
            && !folder.join(CA_FILE).exists()
        {
            return Err(other(&noted));
        }
        let identity = Self::open(folder, now)?;
        let own = sha256(&[identity.certificate()]);
        let noted = store.note_tls_ca(&own)?;
        match noted == own {
            true => Ok(identity),
            false => Err(other(&noted)),
        }
    }

    /// The CA's certificate, DER.
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// Certifies a client's key under `name` for two years; everything else that its request (PKCS#10, DER) asks for is ignored.
    /// Gives the certificate, DER, and its SHA-256.
    ///
    /// # Errors
    /// [`BadRequest`] when the request cannot be read or its signature is wrong.
    pub fn certify(
        &self,
        request: &[u8],
        name: &str,
        now: u64,
    ) -> Result<([u8; 32], Vec<u8>), BadRequest> {
        let request =
            CertificateSigningRequestParams::from_der(&CertificateSigningRequestDer::from(request))
                .map_err(|_| BadRequest)?;
        let mut parameters = parameters(name, now, CLIENT_DAYS);
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = parameters
            .signed_by(&request.public_key, &self.issuer)
            .map_err(|_| BadRequest)?;
        let encoded = certificate.der().to_vec();
        Ok((sha256(&[&encoded]), encoded))
    }

    /// TLS for a server of these names and addresses: 1.3 only, client certificates asked for but not required, no resumption.
    /// A certificate that is not of this CA ends the handshake.
    ///
    /// # Errors
    /// [`IdentityError::Making`] for a name that is none.
    pub fn server(&self, names: &[String], now: u64) -> Result<ServerConfig, IdentityError> {
        let key = KeyPair::generate()?;
        let mut server = CertificateParams::new(names)?;
        server.distinguished_name = common_name("tallystick authority");
        limit(&mut server, now, SERVER_DAYS);
        server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let server = server.signed_by(&key, &self.issuer)?;
        // The CA's certificate goes along: a new client compares it with the fingerprint in its code.
        let chain = vec![server.der().clone(), self.certificate.clone()];
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));

        let tls = |error: &dyn std::error::Error| IdentityError::Tls(error.to_string());
        let mut roots = RootCertStore::empty();
        roots
            .add(self.certificate.clone())
            .map_err(|error| tls(&error))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let clients =
            WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(&provider))
                .allow_unauthenticated()
                .build()
                .map_err(|error| tls(&error))?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| tls(&error))?
            .with_client_cert_verifier(clients)
            .with_single_cert(chain, key)
            .map_err(|error| tls(&error))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(config)
    }
}

fn authority_parameters(key: &KeyPair, now: u64) -> CertificateParams {
    // The key's id in the name tells the CAs of two authorities apart.
    let id = sha256(&[key.public_key_raw()]);
    let id: String = to_hex(&id).chars().take(8).collect();
    let mut authority = parameters(&format!("tallystick TLS {id}"), now, CA_DAYS);
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    authority
}

fn parameters(name: &str, now: u64, days: u64) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = common_name(name);
    limit(&mut parameters, now, days);
    parameters
}

fn common_name(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

/// From a day ago, for clocks that differ, to so many days from now.
fn limit(parameters: &mut CertificateParams, now: u64, days: u64) {
    let begin = date_time_ymd(1970, 1, 1);
    parameters.not_before = begin + Duration::from_secs(now.saturating_sub(DAY));
    parameters.not_after = begin + Duration::from_secs(now.saturating_add(days * DAY));
}

fn failed(path: &Path, source: io::Error) -> IdentityError {
    IdentityError::File {
        path: path.into(),
        source,
    }
}

/// Holds the lock at `path` for as long as the file lives; waits for it.
fn locked(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(path)?;
    file.lock()?;
    Ok(file)
}

/// Puts a new private file in the place of `path`, whole and durable, or leaves the old one.
fn exchange(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let beside = path.with_extension("new");
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {} // what an interrupted change left behind
    }
    let mut file = create_private(&beside)?;
    write(&mut file)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all())
}
