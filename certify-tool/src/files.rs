//! Certificates, requests and lists in files and streams. PEM or DER on the way in, whichever it is.

use crate::cli::{Encoding, OutputArguments};
use crate::failure::Failure;
use apdu::certificate::{Certificate, CertificateError, Request, StatusList, pem};
use host::result_file::{self, Access};
use std::fmt::Display;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Longest file that is read, bytes. A full status list has 1,300 in PEM.
const MAX_INPUT: u64 = 65_536;

/// What a file may hold.
pub enum Content {
    Certificate(Certificate),
    Request(Request),
    List(StatusList),
}

/// The bytes of a file, or of standard input for `-`.
pub fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let cannot =
        |error: io::Error| Failure::failed(format!("cannot read {}: {error}", shown(path)));
    let mut bytes = Vec::new();
    if is_stream(path) {
        let limited = io::stdin().lock().take(MAX_INPUT + 1);
        { limited }.read_to_end(&mut bytes).map_err(cannot)?;
    } else {
        let file = File::open(path).map_err(cannot)?;
        file.take(MAX_INPUT + 1)
            .read_to_end(&mut bytes)
            .map_err(cannot)?;
    }
    if bytes.len() as u64 > MAX_INPUT {
        return Err(Failure::failed(format!(
            "{} is longer than any certificate, request or list",
            shown(path)
        )));
    }
    Ok(bytes)
}

/// A certificate from a file. What is none does not verify: exit code 3.
pub fn certificate(path: &Path) -> Result<Certificate, Failure> {
    decode(path, pem::CERTIFICATE, Certificate::decode)
}

/// A request from a file; its proof of possession holds.
pub fn request(path: &Path) -> Result<Request, Failure> {
    decode(path, pem::REQUEST, Request::decode)
}

/// A status list from a file.
pub fn status_list(path: &Path) -> Result<StatusList, Failure> {
    decode(path, pem::STATUS_LIST, StatusList::decode)
}

fn decode<T>(
    path: &Path,
    label: &'static str,
    decode: fn(&[u8]) -> Result<T, CertificateError>,
) -> Result<T, Failure> {
    let wrong = |error: String| Failure::verification(format!("{}: {error}", shown(path)));
    let bytes = pem::decode(label, &read(path)?).map_err(|error| wrong(error.to_string()))?;
    decode(&bytes).map_err(|error| wrong(error.to_string()))
}

/// Whatever of the three a file holds. A PEM label decides what is meant, else what it is like most; what is malformed is told as
/// [`certificate`] tells it, by rule, object and byte, with exit code 3.
pub fn content(path: &Path) -> Result<Content, Failure> {
    let bytes = read(path)?;
    let wrong = |error: &dyn Display| Failure::verification(format!("{}: {error}", shown(path)));
    let label = match pem::label(&bytes) {
        Ok(label) => label,
        Err(error) => return Err(wrong(&error)),
    };
    let der = |label| pem::decode(label, &bytes).map_err(|error| wrong(&error));
    match label {
        Some(pem::REQUEST) => Request::decode(&der(pem::REQUEST)?)
            .map(Content::Request)
            .map_err(|error| wrong(&format!("as a request: {error}"))),
        Some(pem::STATUS_LIST) => list(&der(pem::STATUS_LIST)?, wrong),
        Some(_) => Certificate::decode(&der(pem::CERTIFICATE)?)
            .map(Content::Certificate)
            .map_err(|error| wrong(&error)),
        None if bytes.first() == Some(&STATUS_LIST) => list(&bytes, wrong),
        None => match (Certificate::decode(&bytes), Request::decode(&bytes)) {
            (Ok(certificate), _) => Ok(Content::Certificate(certificate)),
            (_, Ok(request)) => Ok(Content::Request(request)),
            (Err(error), Err(nearer)) if read_until(nearer) > read_until(error) => {
                Err(wrong(&format!("as a request: {nearer}")))
            }
            (Err(error), Err(_)) => Err(wrong(&error)),
        },
    }
}

/// The tag that only a status list begins with.
const STATUS_LIST: u8 = 0xE0;

fn list(der: &[u8], wrong: impl Fn(&dyn Display) -> Failure) -> Result<Content, Failure> {
    StatusList::decode(der)
        .map(Content::List)
        .map_err(|error| wrong(&format!("as a status list: {error}")))
}

/// How far a decoder came, in bytes.
fn read_until(error: CertificateError) -> usize {
    match error {
        CertificateError::Malformed(error) => error.position,
        CertificateError::Dates | CertificateError::Parameters | CertificateError::TooLong => {
            usize::MAX
        }
    }
}

/// Writes an object where the arguments say. A file appears whole or not at all.
pub fn write(output: &OutputArguments, label: &'static str, der: &[u8]) -> Result<(), Failure> {
    let cannot = |error: String| {
        Failure::failed(format!(
            "cannot write {}: {error}; it is in the ledger, `certify export` writes it once more",
            shown(&output.out)
        ))
    };
    let bytes = match output.format {
        Encoding::Der => der.to_vec(),
        Encoding::Pem => pem::encode(label, der)
            .map_err(|error| cannot(error.to_string()))?
            .into_bytes(),
    };
    put(&output.out, &bytes).map_err(|error| cannot(error.to_string()))
}

/// Writes bytes to a file, which appears whole or not at all, or to standard output for `-`.
pub fn write_bytes(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    put(path, bytes)
        .map_err(|error| Failure::failed(format!("cannot write {}: {error}", shown(path))))
}

fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if !is_stream(path) {
        return result_file::write(path, bytes, Access::Public);
    }
    let mut stream = io::stdout().lock();
    match stream.write_all(bytes).and_then(|()| stream.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()), // whoever reads has enough
        written => written,
    }
}

/// A file with a secret must be its owner's alone.
pub fn require_private(file: &File, path: &Path) -> Result<(), Failure> {
    let about = file
        .metadata()
        .map_err(|error| Failure::failed(format!("cannot read {}: {error}", shown(path))))?;
    match about.is_file() && about.mode() & 0o077 == 0 {
        true => Ok(()),
        false => Err(Failure::failed(format!(
            "{}: other users may read or write it; make it private with `chmod 600` and think about who saw it",
            shown(path)
        ))),
    }
}

/// Whether results of this output go to standard output, so that words must not.
pub fn is_stream(path: &Path) -> bool {
    path == Path::new("-")
}

fn shown(path: &Path) -> String {
    if is_stream(path) {
        "standard input or output".into()
    } else {
        path.display().to_string()
    }
}
