//! TLS to PostgreSQL (RFC 8446), and when it may be left out: never silently over a network.
//!
//! The words are libpq's: `sslmode=disable`, `require` or `verify-full`, and `sslrootcert`, the file with the certification authority
//! that the server's certificate must be of, PEM. `require` and `verify-full` are the same here: authority and name are both verified,
//! for TLS to nobody knows whom protects nothing. Client certificates and channel binding are not done.

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, InvalidDnsNameError, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_rustls::{TlsConnector, client};

/// How a connection is protected.
#[derive(Clone)]
pub(super) enum Protection {
    /// Not at all: a socket, loopback, or the operator's word for it.
    None,
    /// TLS 1.3, by the authorities that the address names.
    Tls(Tls),
}

/// Takes `sslmode` and `sslrootcert` out of an address, and gives the rest as the library reads it.
///
/// # Errors
/// What is wrong with the address, and what to write; never what stands in it.
pub(super) fn read(address: &str) -> Result<(Config, Protection), String> {
    let (rest, words) = take_out(address);
    let unreadable = "its address is not understood; postgres://user@host/database is one";
    let mut config: Config = rest.parse().map_err(|_| unreadable.to_owned())?;
    let word = |name: &str| {
        let mut found = words.iter().filter(|(key, _)| key == name);
        match (found.next(), found.next()) {
            (_, Some(_)) => Err(format!("{name} is given twice")),
            (found, None) => Ok(found.map(|(_, value)| value.as_str())),
        }
    };
    let root = word("sslrootcert")?;
    let protection = match (word("sslmode")?, root) {
        (Some("require" | "verify-full"), Some(file)) => Protection::Tls(Tls::by(Path::new(file))?),
        (Some("require" | "verify-full"), None) => {
            return Err(
                "TLS needs sslrootcert=FILE in its address: the certificate of the authority \
                        that the server's certificate is of, PEM"
                    .into(),
            );
        }
        (None, Some(file)) => Protection::Tls(Tls::by(Path::new(file))?),
        (Some("disable"), None) => Protection::None,
        (Some("disable"), Some(_)) => {
            return Err("sslmode=disable and sslrootcert contradict each other".into());
        }
        (None, None) if is_here(&config) => Protection::None,
        (None, None) => {
            return Err("its address leads over a network and does not say how it is protected; add \
                        sslmode=verify-full and sslrootcert=FILE, or sslmode=disable where a tunnel protects it"
                .into());
        }
        (Some(_), _) => return Err("sslmode is disable, require or verify-full".into()),
    };
    config.ssl_mode(match protection {
        Protection::None => SslMode::Disable,
        Protection::Tls(_) => SslMode::Require,
    });
    Ok((config, protection))
}

/// The address without the words about TLS, and these.
fn take_out(address: &str) -> (String, Vec<(String, String)>) {
    let ours = |pair: &str| {
        let (key, value) = pair.split_once('=')?;
        let ours = ["sslmode", "sslrootcert"].contains(&key);
        ours.then(|| (key.to_owned(), value.trim_matches('\'').to_owned()))
    };
    let (start, pairs, between, begin) = match address.split_once("://") {
        Some(_) => match address.split_once('?') {
            Some((start, query)) => (start, query, '&', "?"),
            None => (address, "", '&', "?"),
        },
        None => ("", address, ' ', ""),
    };
    let (mut rest, mut words) = (Vec::new(), Vec::new());
    for pair in pairs.split(between).filter(|pair| !pair.is_empty()) {
        match ours(pair) {
            Some(word) => words.push(word),
            None => rest.push(pair),
        }
    }
    let rest = rest.join(&between.to_string());
    let begin = if rest.is_empty() { "" } else { begin };
    (format!("{start}{begin}{rest}"), words)
}

/// Whether the connection stays on this machine.
fn is_here(config: &Config) -> bool {
    let addresses = config.get_hostaddrs();
    if !addresses.is_empty() {
        return addresses.iter().all(IpAddr::is_loopback);
    }
    config.get_hosts().iter().all(|host| match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            let address = name
                .parse()
                .is_ok_and(|address: IpAddr| address.is_loopback());
            address || name == "localhost"
        }
    })
}

/// Makes TLS connections to servers whose certificates are of the authorities in one file.
#[derive(Clone)]
pub(super) struct Tls(Arc<ClientConfig>);

impl Tls {
    fn by(file: &Path) -> Result<Self, String> {
        let wrong =
            |what: &dyn std::fmt::Display| format!("sslrootcert, {}: {what}", file.display());
        let certificates = CertificateDer::pem_file_iter(file).map_err(|error| wrong(&error))?;
        let mut roots = RootCertStore::empty();
        for certificate in certificates {
            let certificate = certificate.map_err(|error| wrong(&error))?;
            roots.add(certificate).map_err(|error| wrong(&error))?;
        }
        if roots.is_empty() {
            return Err(wrong(&"there is no certificate in it"));
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| wrong(&error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(Arc::new(config)))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> MakeTlsConnect<S> for Tls {
    type Stream = Stream<S>;
    type TlsConnect = Connect;
    type Error = InvalidDnsNameError;

    fn make_tls_connect(&mut self, domain: &str) -> Result<Connect, InvalidDnsNameError> {
        Ok(Connect {
            connector: TlsConnector::from(Arc::clone(&self.0)),
            name: ServerName::try_from(domain.to_owned())?,
        })
    }
}

/// One handshake to be.
pub(super) struct Connect {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> TlsConnect<S> for Connect {
    type Stream = Stream<S>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Stream<S>>> + Send>>;

    fn connect(self, stream: S) -> Self::Future {
        Box::pin(async move {
            let stream = self.connector.connect(self.name, stream).await?;
            Ok(Stream(stream))
        })
    }
}

/// A connection under TLS.
pub(super) struct Stream<S>(client::TlsStream<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream for Stream<S> {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Stream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Stream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_over_a_network_has_to_say_how_it_is_protected() {
        for (address, clear) in [
            ("postgres://tally@db.example.org/tally", false),
            ("postgres://tally:hunter2@db.example.org/tally", false),
            ("host=10.0.0.1 user=tally dbname=tally", false),
            ("host=localhost,db.example.org user=tally", false),
            ("host=localhost hostaddr=10.0.0.1 user=tally", false),
            (
                "postgres://tally@db.example.org/tally?sslmode=prefer",
                false,
            ),
            (
                "postgres://tally@db.example.org/tally?sslmode=require",
                false,
            ),
            ("host=db.example.org sslmode=verify-full", false),
            (
                "postgres://tally@localhost/tally?sslmode=disable&sslmode=disable",
                false,
            ),
            (
                "postgres://tally@db.example.org/tally?sslmode=disable",
                true,
            ),
            ("host=db.example.org sslmode=disable user=tally", true),
            ("postgres://tally@localhost/tally", true),
            (
                "postgres://tally@127.0.0.1:5433/tally?connect_timeout=3",
                true,
            ),
            ("host=/run/postgresql user=tally dbname=tally", true),
            ("host=::1 user=tally", true),
        ] {
            let read = read(address);
            let is_clear = matches!(read, Ok((_, Protection::None)));
            assert_eq!(is_clear, clear, "{address}");
            let words = read.err().unwrap_or_default();
            assert!(!words.contains("hunter2"), "{words}");
        }
    }

    #[test]
    fn words_about_tls_are_taken_out_and_all_others_stay() {
        let url = "postgres://u@h/d?sslmode=require&connect_timeout=3&sslrootcert=/a";
        let (rest, words) = take_out(url);
        assert_eq!(rest, "postgres://u@h/d?connect_timeout=3");
        assert_eq!(words.len(), 2);
        assert_eq!(take_out("postgres://u@h/d?sslmode=x").0, "postgres://u@h/d");
        let (rest, words) = take_out("host=h sslrootcert='/a' user=u");
        assert_eq!(rest, "host=h user=u");
        assert_eq!(words, [("sslrootcert".to_owned(), "/a".to_owned())]);
    }
}
