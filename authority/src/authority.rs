//! An authority in a folder: `root.cvcert`, `key.pem` or `key.uri`, `ledger.jsonl`.

use crate::book::{Book, Holder};
use crate::custody::{Custody, CustodyError, NewKey, Signer, create_private};
use crate::error::AuthorityError;
use crate::ledger::{Event, Fault, Ledger, LedgerError, Line, LineHash};
use crate::moment::{Moment, last_day};
use crate::status::RevocationRefused;
use apdu::certificate::{
    Anchor, Certificate, CertificateFields, Expectations, Name, ProvenCertificate, Refusal, Role,
    StatusList, Validity,
};
use apdu::crypto::Entropy;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The root certificate's file, DER.
pub const ROOT_FILE: &str = "root.cvcert";
const LEDGER_FILE: &str = "ledger.jsonl";

/// An open authority. One process holds it at a time.
pub struct Authority {
    folder: PathBuf,
    pub(crate) ledger: Ledger,
    pub(crate) book: Book,
}

/// What a full check of the ledger found right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Audit {
    /// Lines of the ledger.
    pub lines: u64,
    /// Certificates whose signatures verify.
    pub certificates: usize,
    /// Status lists whose signatures verify.
    pub lists: usize,
    /// Hash of the last line.
    pub head: LineHash,
}

impl Authority {
    /// Makes an authority in `folder`, which must be new or empty: key, root certificate, ledger. All or nothing.
    ///
    /// # Errors
    /// [`AuthorityError::Taken`] when something is there; [`CustodyError::WeakPassphrase`]; otherwise files and randomness.
    pub fn init(
        folder: &Path,
        name: Name,
        years: u8,
        passphrase: &[u8],
        entropy: &mut dyn Entropy,
        now: Moment,
    ) -> Result<(), AuthorityError> {
        let key = NewKey::File { passphrase };
        Self::init_with(folder, name, years, key, entropy, now)
    }

    /// As [`init`](Self::init), with a key in a file or on a token. A key that a token has made stays there when a later step
    /// fails; begin again with [`NewKey::Token`] and `existing`.
    ///
    /// # Errors
    /// As [`init`](Self::init); [`CustodyError::Token`] when the token does not make or have such a key.
    pub fn init_with(
        folder: &Path,
        name: Name,
        years: u8,
        key: NewKey<'_>,
        entropy: &mut dyn Entropy,
        now: Moment,
    ) -> Result<(), AuthorityError> {
        refuse_taken(folder)?;
        let parent = match folder.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        fs::create_dir_all(parent).map_err(|error| failed(parent, error))?;
        // Built beside and moved into place by one rename: an interrupted start leaves no half authority behind.
        let number = u64::from_be_bytes(entropy.nonce()?);
        let workshop = parent.join(format!(".authority-{number:016x}"));
        DirBuilder::new()
            .mode(0o700)
            .create(&workshop)
            .map_err(|error| failed(&workshop, error))?;
        let made = build(&workshop, name, years, key, entropy, now).and_then(|()| {
            fs::rename(&workshop, folder).map_err(|error| failed(folder, error))?;
            sync_folder(parent)
        });
        if made.is_err() {
            let _ = fs::remove_dir_all(&workshop); // it holds nothing that anyone uses
        }
        made
    }

    /// Opens the authority in `folder`. Waits up to `patience` while another process has it open.
    ///
    /// # Errors
    /// [`LedgerError::Absent`], [`LedgerError::InUse`], [`LedgerError::Damaged`] with the line, [`AuthorityError::RootFile`].
    pub fn open(folder: &Path, patience: Duration) -> Result<Self, AuthorityError> {
        let mut book = None;
        let path = folder.join(LEDGER_FILE);
        let ledger = Ledger::open(&path, patience, |line: Line| match &mut book {
            None => {
                book = Some(Book::begin(&line.event)?);
                Ok(())
            }
            Some(book) => book.enter(&line),
        })?;
        let book = book.ok_or(LedgerError::Absent(path))?;
        let path = folder.join(ROOT_FILE);
        let mut root = Vec::new();
        File::open(&path)
            .and_then(|file| file.take(4_096).read_to_end(&mut root))
            .map_err(|error| failed(&path, error))?;
        if root != book.root.encoded() {
            return Err(AuthorityError::RootFile(path));
        }
        Ok(Self {
            folder: folder.into(),
            ledger,
            book,
        })
    }

    /// Opens the private key: `secret` is the passphrase of its file, or the PIN of its token.
    ///
    /// # Errors
    /// [`CustodyError::Locked`] for a wrong passphrase or a damaged file, [`CustodyError::Loose`] when others may read it;
    /// [`CustodyError::Token`] for a wrong PIN, a missing token or a key that must not be used.
    pub fn unlock(&self, secret: &[u8]) -> Result<Box<dyn Signer>, CustodyError> {
        Custody::of(&self.folder)?.unlock(secret, &self.book.root.claims().key)
    }

    /// The root certificate.
    pub fn root(&self) -> &Certificate {
        &self.book.root
    }

    /// All holders, by name.
    pub fn holders(&self) -> impl Iterator<Item = &Holder> {
        self.book.holders.values()
    }

    /// One holder.
    ///
    /// # Errors
    /// [`RevocationRefused::Unknown`] when the name was never certified.
    pub fn holder(&self, name: &Name) -> Result<&Holder, RevocationRefused> {
        self.book
            .holders
            .get(name)
            .ok_or(RevocationRefused::Unknown(*name))
    }

    /// The newest status list.
    pub fn status_list(&self) -> Option<&StatusList> {
        self.book.lists.last()
    }

    /// The minimum epoch in force.
    pub fn min_epoch(&self) -> u32 {
        self.book.min_epoch()
    }

    /// The ledger: its length, its head.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Verifies every signature the ledger holds; the chain itself was checked when it was opened.
    ///
    /// # Errors
    /// The holder, or the number of the list, whose signature is wrong.
    pub fn audit(&self) -> Result<Audit, (String, Refusal)> {
        let root = Anchor::trust_root(&self.book.root).map_err(|why| ("root".into(), why))?;
        for holder in self.book.holders.values() {
            let claims = holder.certificate.claims();
            let expected = Expectations {
                role: claims.role,
                validity: Validity::Today(claims.from),
                min_epoch: 0,
                revoked: None,
            };
            ProvenCertificate::verify(holder.certificate.clone(), &[&root], &expected)
                .map_err(|why| (claims.holder.to_string(), why))?;
        }
        for list in &self.book.lists {
            list.verify(&[&root])
                .map_err(|why| (format!("status list {}", list.claims().sequence), why))?;
        }
        Ok(Audit {
            lines: self.ledger.lines(),
            certificates: self.book.holders.len(),
            lists: self.book.lists.len(),
            head: self.ledger.head(),
        })
    }

    /// Takes an event into the book and writes its line; durable when this returns.
    pub(crate) fn record(&mut self, now: Moment, event: Event) -> Result<Line, AuthorityError> {
        let (line, bytes) = self.ledger.next(now, event)?;
        // The book first: what it would not read back is not written. If the write fails, the ledger takes nothing more.
        self.book
            .enter(&line)
            .map_err(|reason| LedgerError::Line(Fault::Contradiction(reason)))?;
        self.ledger.append(&line, &bytes)?;
        Ok(line)
    }
}

fn refuse_taken(folder: &Path) -> Result<(), AuthorityError> {
    match fs::read_dir(folder) {
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => Err(AuthorityError::Taken(folder.into())),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            Err(AuthorityError::Taken(folder.into()))
        }
        Err(error) => Err(failed(folder, error)),
    }
}

fn build(
    folder: &Path,
    name: Name,
    years: u8,
    key: NewKey<'_>,
    entropy: &mut dyn Entropy,
    now: Moment,
) -> Result<(), AuthorityError> {
    let mut key = key.make(folder, entropy)?;
    let fields = CertificateFields {
        issuer: name,
        holder: name,
        role: Role::Authority,
        epoch: 0,
        key: key.public_key(),
        from: now.day(),
        until: last_day(now.day(), years),
    };
    let signature = key.sign(&fields.encode_body())?;
    let root = Certificate::assemble(fields, signature);
    let path = folder.join(ROOT_FILE);
    create_private(&path)
        .and_then(|mut file| {
            file.write_all(root.encoded())?;
            file.sync_all()
        })
        .map_err(|error| failed(&path, error))?;
    let first = Event::Root {
        holder: name,
        key_id: root.key_id(),
        certificate: root,
    };
    Ledger::create(&folder.join(LEDGER_FILE), now, first)?;
    sync_folder(folder)
}

fn sync_folder(folder: &Path) -> Result<(), AuthorityError> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| failed(folder, error))
}

fn failed(path: &Path, source: io::Error) -> AuthorityError {
    AuthorityError::File {
        path: path.into(),
        source,
    }
}
