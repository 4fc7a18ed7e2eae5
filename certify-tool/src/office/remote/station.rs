//! Who we are to an authority's service: a folder with the key, the certificate, and the TLS CA that we trust.

use crate::failure::Failure;
use crate::files;
use apdu::certificate::Certificate;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

const KEY: &str = "key.pem";
const CERTIFICATE: &str = "certificate.der";
const TLS_CA: &str = "tls-ca.der";
const ROOT: &str = "root.cvcert";
const URL: &str = "url";
/// Longest file that is read.
const MAX_FILE: u64 = 16_384;

/// An enrolled client: certificate and key, and whom they are for.
pub struct Identity {
    url: String,
    tls_ca: Vec<u8>,
    certificate: Vec<u8>,
    key: Zeroizing<String>,
    root: Vec<u8>,
}

impl Identity {
    /// What enrolment gave; the root is empty until it is known.
    pub fn new(url: &str, tls_ca: Vec<u8>, certificate: Vec<u8>, key: Zeroizing<String>) -> Self {
        Self {
            url: url.into(),
            tls_ca,
            certificate,
            key,
            root: Vec::new(),
        }
    }

    /// With the authority's root certificate, which is compared from now on.
    pub fn with_root(self, root: &Certificate) -> Self {
        let root = root.encoded().to_vec();
        Self { root, ..self }
    }

    /// The identity in `folder`, for the service at `url`.
    pub fn open(folder: &Path, url: &str) -> Result<Self, Failure> {
        let known = read(folder, URL)?;
        let known = String::from_utf8_lossy(&known).trim().to_owned();
        if known != url {
            return Err(Failure::failed(format!(
                "{}: enrolled with {known}, not with {url}; enrol with `certify enrol {url}`, in another --station folder",
                folder.display()
            )));
        }
        let key = String::from_utf8(read(folder, KEY)?.to_vec())
            .map_err(|_| Failure::failed("this station's key file is damaged; enrol again"))?;
        Ok(Self {
            url: known,
            tls_ca: read(folder, TLS_CA)?.to_vec(),
            certificate: read(folder, CERTIFICATE)?.to_vec(),
            key: Zeroizing::new(key),
            root: read(folder, ROOT)?.to_vec(),
        })
    }

    /// Writes it to a new folder that only its owner may read: all or nothing.
    pub fn store(&self, folder: &Path) -> Result<(), Failure> {
        let cannot = |error: io::Error| {
            Failure::failed(format!("cannot write {}: {error}", folder.display()))
        };
        let workshop = beside(folder);
        if let Some(parent) = folder.parent() {
            fs::create_dir_all(parent).map_err(cannot)?;
        }
        let build = || -> io::Result<()> {
            DirBuilder::new().mode(0o700).create(&workshop)?;
            for (name, content) in [
                (KEY, self.key.as_bytes()),
                (CERTIFICATE, &self.certificate),
                (TLS_CA, &self.tls_ca),
                (ROOT, &self.root),
                (URL, self.url.as_bytes()),
            ] {
                let mut file = OpenOptions::new()
                    .write(true)
                    .create_new(true)
                    .mode(0o600)
                    .open(workshop.join(name))?;
                file.write_all(content)?;
                file.sync_all()?;
            }
            fs::rename(&workshop, folder)
        };
        build().map_err(|error| {
            let _ = fs::remove_dir_all(&workshop); // it may not exist
            cannot(error)
        })
    }

    /// Writes the root in place of the one in `folder`, whole or not at all.
    pub fn store_root(&self, folder: &Path) -> Result<(), Failure> {
        let path = folder.join(ROOT);
        let part = beside(&path);
        let write = || -> io::Result<()> {
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&part)?;
            file.write_all(&self.root)?;
            file.sync_all()?;
            fs::rename(&part, &path)
        };
        write().map_err(|error| {
            let _ = fs::remove_file(&part); // it may not exist
            Failure::failed(format!("cannot write {}: {error}", path.display()))
        })
    }

    /// The TLS CA that we trust, DER.
    pub fn tls_ca(&self) -> &[u8] {
        &self.tls_ca
    }

    /// The authority's newest root certificate that this station has seen, the one of its enrolment or linked by it.
    pub fn root(&self) -> &[u8] {
        &self.root
    }

    /// Our certificate, DER.
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// Our key, PKCS#8 in PEM.
    pub fn key_pem(&self) -> &str {
        &self.key
    }
}

fn beside(folder: &Path) -> PathBuf {
    let mut beside = folder.as_os_str().to_owned();
    beside.push(format!(".{}.part", std::process::id()));
    PathBuf::from(beside)
}

fn read(folder: &Path, name: &str) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let path = folder.join(name);
    let mut bytes = Zeroizing::new(Vec::new());
    let file = File::open(&path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Failure::failed(format!(
            "{}: this station is not enrolled; ask an operator for a code, then `certify enrol`",
            folder.display()
        )),
        _ => Failure::failed(format!("cannot read {}: {error}", path.display())),
    })?;
    if name == KEY {
        files::require_private(&file, &path)?;
    }
    file.take(MAX_FILE)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::failed(format!("cannot read {}: {error}", path.display())))?;
    Ok(bytes)
}
