//! TLS to a real PostgreSQL: with the right authority, and with nobody else.
#![cfg(feature = "postgres")]
#![expect(clippy::unwrap_used, reason = "a test may stop")]

#[path = "support/postgres.rs"]
mod server;

use authority::store::{StoreError, postgres};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use server::Server;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A certification authority of its own.
struct Ca {
    file: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

impl Ca {
    fn new(folder: &Path, name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut about = CertificateParams::default();
        about.distinguished_name.push(DnType::CommonName, name);
        about.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = about.self_signed(&key).unwrap();
        let file = folder.join(format!("{name}.pem"));
        fs::write(&file, certificate.pem()).unwrap();
        let issuer = Issuer::from_ca_cert_der(certificate.der(), key).unwrap();
        Self { file, issuer }
    }

    /// Certificate and key of a server, PEM.
    fn server(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let about = CertificateParams::new([name.to_owned()]).unwrap();
        let certificate = about.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }
}

/// What a connection to an empty database says: `Absent` is the best there can be.
fn connect(port: u16, words: &str) -> Result<(), StoreError> {
    let address = format!("hostaddr=127.0.0.1 port={port} user=tally dbname=tls {words}");
    postgres::open(&address, Duration::from_secs(60))?
        .size()
        .map(drop)
}

fn refusal(port: u16, words: &str) -> String {
    match connect(port, words) {
        Err(StoreError::Unavailable { reason, .. }) => reason,
        other => panic!("{words}: {other:?}"),
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

#[test]
fn a_server_is_spoken_to_under_tls_when_its_certificate_is_of_the_right_authority_and_name() {
    let Some(server) = Server::start() else {
        return;
    };
    server.database("tls");
    let folder = tempfile::tempdir().unwrap();
    let (right, wrong) = (
        Ca::new(folder.path(), "right"),
        Ca::new(folder.path(), "wrong"),
    );
    let (certificate, key) = right.server("localhost");
    server.write("server.crt", &certificate);
    server.write("server.key", &key);
    server.write("pg_hba.conf", "hostssl all all 127.0.0.1/32 trust\n"); // nobody without TLS
    server.kill();
    let port = free_port();
    let listen = format!("-c listen_addresses=127.0.0.1 -c port={port}");
    server.up_with(&format!("{listen} -c ssl=on"));
    let (right, wrong) = (right.file.display(), wrong.file.display());
    for mode in ["sslmode=verify-full", "sslmode=require", ""] {
        let words = format!("host=localhost {mode} sslrootcert={right}");
        let told = connect(port, &words);
        assert!(
            matches!(told, Err(StoreError::Absent(_))),
            "{mode}: {told:?}"
        );
        let words = format!("host=localhost {mode} sslrootcert={wrong}");
        let told = refusal(port, &words);
        assert!(
            told.contains("TLS") && told.contains("UnknownIssuer"),
            "{told}"
        );
        let words = format!("host=db.example.org {mode} sslrootcert={right}");
        let told = refusal(port, &words);
        assert!(
            told.contains("TLS") && told.contains("not valid for name"),
            "{told}"
        );
    }
    let told = refusal(port, "host=localhost sslmode=disable");
    assert!(told.contains("no encryption"), "{told}");

    server.kill();
    server.write("pg_hba.conf", "host all all 127.0.0.1/32 trust\n");
    server.up_with(&listen);
    let told = refusal(port, &format!("host=localhost sslrootcert={right}"));
    assert!(told.contains("does not support TLS"), "{told}");
    let told = connect(port, "host=localhost sslmode=disable");
    assert!(matches!(told, Err(StoreError::Absent(_))), "{told:?}");
}

#[test]
fn a_root_file_that_is_missing_or_empty_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.pem");
    fs::write(&empty, "").unwrap();
    for file in [empty, folder.path().join("missing.pem")] {
        let told = refusal(1, &format!("host=localhost sslrootcert={}", file.display()));
        assert!(told.contains(&file.display().to_string()), "{told}");
    }
}
