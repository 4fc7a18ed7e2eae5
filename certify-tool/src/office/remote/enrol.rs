//! Enrolment: from a one-time code to a certificate of our own (`docs/authority.md`).

use super::link::Link;
use super::messages::{Text, binary};
use super::station::Identity;
use crate::failure::Failure;
use authority::EnrolmentCode;
use base64ct::{Base64, Encoding as _};
use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use serde_json::json;
use std::net::TcpStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use zeroize::Zeroizing;

/// How long the other end may take for one step of the handshake.
const PATIENCE: Duration = Duration::from_secs(20);

/// Becomes a client of the service at `url`. The code is sent only to the holder of the TLS CA that it names.
pub fn enrol(
    url: &str,
    code: &Arc<EnrolmentCode>,
    run: u128,
) -> Result<(Identity, String), Failure> {
    let tls_ca = find_ca(url, code)?;
    let key = KeyPair::generate().map_err(Failure::failed)?;
    let mut wish = CertificateParams::default();
    wish.distinguished_name = DistinguishedName::new(); // the authority knows our name
    let wish = wish.serialize_request(&key).map_err(Failure::failed)?;
    let code = code.dangerous_text();
    let body = json!({ "code": code.as_str(), "csr": Base64::encode_string(wish.der()) });
    let told = Link::new(url, &tls_ca, None, run)?.post("/v1/enrol", &body)?;
    let identity = Identity::new(
        url,
        tls_ca,
        binary(&told, "certificate")?,
        Zeroizing::new(key.serialize_pem()),
    );
    Ok((
        identity,
        format!("{}, {}", told.text("name")?, told.text("role")?),
    ))
}

/// The TLS CA that the server shows, if it is the one that the code names. Nothing but a handshake is sent.
fn find_ca(url: &str, code: &Arc<EnrolmentCode>) -> Result<Vec<u8>, Failure> {
    let (host, address) = split(url)?;
    let cannot =
        |error: &dyn std::fmt::Display| Failure::failed(format!("cannot reach {url}: {error}"));
    let mut stream = TcpStream::connect(&address).map_err(|error| cannot(&error))?;
    for set in [TcpStream::set_read_timeout, TcpStream::set_write_timeout] {
        set(&stream, Some(PATIENCE)).map_err(|error| cannot(&error))?;
    }
    let provider = Arc::new(ring::default_provider());
    let looking = Arc::new(Looking {
        code: Arc::clone(code),
        provider: Arc::clone(&provider),
        found: Mutex::new(None),
    });
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| cannot(&error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&looking) as Arc<dyn ServerCertVerifier>)
        .with_no_client_auth();
    let name = ServerName::try_from(host).map_err(|error| cannot(&error))?;
    let mut connection =
        ClientConnection::new(Arc::new(config), name).map_err(|error| cannot(&error))?;
    while connection.is_handshaking() {
        connection
            .complete_io(&mut stream)
            .map_err(|error| cannot(&error))?;
    }
    let found = looking.found.lock();
    found
        .unwrap_or_else(PoisonError::into_inner)
        .take()
        .ok_or_else(|| {
            Failure::verification(
                "the code is for another authority, or somebody else answers at this address",
            )
        })
}

/// `https://host[:port][/]` as a host's name and an address to connect to.
fn split(url: &str) -> Result<(String, String), Failure> {
    let wrong = || {
        Failure::usage(format!(
            "{url} is no address of an authority: https://host:port"
        ))
    };
    let rest = url.strip_prefix("https://").ok_or_else(wrong)?;
    let place = rest.trim_end_matches('/');
    if place.is_empty() || place.contains(['/', '@', '?', '#']) {
        return Err(wrong());
    }
    let (host, port) = match place.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port),
        _ => (place, "443"),
    };
    port.parse::<u16>().map_err(|_| wrong())?;
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    Ok((bare.into(), format!("{host}:{port}")))
}

/// Looks for the TLS CA that a code names, and lets the handshake succeed only under it.
struct Looking {
    code: Arc<EnrolmentCode>,
    provider: Arc<CryptoProvider>,
    found: Mutex<Option<Vec<u8>>>,
}

/// The trait asks for it; there is nothing to show.
impl std::fmt::Debug for Looking {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Looking")
    }
}

impl ServerCertVerifier for Looking {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let unknown = || {
            Error::General(
                "the code is for another authority, or somebody else answers here".into(),
            )
        };
        let ca = intermediates
            .iter()
            .find(|certificate| self.code.is_for(certificate))
            .ok_or_else(unknown)?;
        let mut roots = RootCertStore::empty();
        roots.add(ca.clone().into_owned())?;
        let provider = Arc::clone(&self.provider);
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(|error| Error::General(error.to_string()))?;
        let verified = verifier.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        )?;
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        *found = Some(ca.to_vec());
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.2 is not spoken".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn an_address_has_a_host_and_a_port_and_nothing_else() {
        let place = |host: &str, address: &str| Some((host.to_owned(), address.to_owned()));
        for (url, expected) in [
            (
                "https://ca.example:8443",
                place("ca.example", "ca.example:8443"),
            ),
            ("https://ca.example/", place("ca.example", "ca.example:443")),
            ("https://[::1]:8443", place("::1", "[::1]:8443")),
            ("https://[::1]", place("::1", "[::1]:443")),
            ("http://ca.example", None),
            ("https://", None),
            ("https://ca.example:99999", None),
            ("https://user@ca.example", None),
            ("https://ca.example/path", None),
            ("ca.example:8443", None),
        ] {
            assert_eq!(split(url).ok(), expected, "{url}");
        }
    }
}
