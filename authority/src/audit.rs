//! A full check: the ledger from its first line to its last, its tree, its signatures, and the records that follow from it.
//!
//! [`LineAudit`] needs nothing but the lines and the root certificate, so whoever fetched them can do it too.

use crate::approval::Asked;
use crate::authority::Authority;
use crate::book::{Book, Holder};
use crate::leap::Restoration;
use crate::ledger::{Event, Fault, Line};
use crate::roots::{Root, Roots, follow};
use crate::store::{Expected, StoreError, StoredNodes};
use crate::tree::{self, Hash, MemoryNodes, SignedTreeHead};
use apdu::certificate::{
    Anchor, Certificate, Expectations, Name, ProvenCertificate, Refusal, StatusList, Validity,
};
use std::collections::BTreeMap;

/// Lines read at once.
const PAGE: u32 = 1_000;

/// What a full check found right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    /// Lines of the ledger.
    pub lines: u64,
    /// Roots, each but the first linked by the one before.
    pub roots: u64,
    /// Certificates whose signatures verify.
    pub certificates: u64,
    /// Status lists whose signatures verify.
    pub lists: u64,
    /// Root of the tree over all lines.
    pub root: Hash,
    /// The newest signed head.
    pub head: Option<SignedTreeHead>,
}

/// What a full check found wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Finding {
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A line is not what was written there.
    #[error("line {line}: {fault}")]
    Line {
        /// Its number.
        line: u64,
        /// What is wrong with it.
        fault: Fault,
    },
    /// A signature in a line does not verify.
    #[error("line {line}, {what}: {refusal}")]
    Signature {
        /// The line's number.
        line: u64,
        /// Whose certificate, or which list.
        what: String,
        /// Why it is refused.
        refusal: Refusal,
    },
    /// There are fewer or more lines than the ledger says.
    #[error("the ledger says that it has {said} lines, and has {found}")]
    Length {
        /// What it says.
        said: u64,
        /// What there is.
        found: u64,
    },
    /// The stored tree is not that of the lines: a line was changed, removed or inserted.
    #[error(
        "the tree over {0} lines is another than the stored one: a line was changed, removed or inserted"
    )]
    Tree(u64),
    /// The signed head is not over these lines, or not signed by this authority.
    #[error("the signed head over {0} lines is not of this ledger")]
    Head(u64),
    /// The ledger is of another authority than the one that is trusted.
    #[error("{0} is none of the ledger's roots")]
    Stranger(Name),
    /// A record says something else than the ledger.
    #[error("the record of {0} says something else than the ledger")]
    Record(String),
    /// A row of the store says something else than the ledger.
    #[error("{0} in the store is another one than the ledger says")]
    Differs(String),
}

impl Authority {
    /// Checks everything the store holds, but what no line tells: answers to idempotency keys, the fingerprint of the TLS CA, and
    /// signatures of heads before the newest. Memory grows with the number of holders.
    ///
    /// # Errors
    /// The first [`Finding`].
    pub fn audit(&mut self) -> Result<Audit, Finding> {
        let said = self.store.size()?;
        let newest = self.store.head(0)?;
        let trusted = self.roots.newest().certificate.clone();
        let mut lines = LineAudit::new(trusted, newest.into_iter().collect());
        while lines.lines() < said {
            let texts = self.store.lines(lines.lines() + 1, PAGE)?;
            if texts.is_empty() {
                break;
            }
            for text in texts {
                lines.enter(&text)?;
            }
        }
        if lines.lines() != said {
            let found = lines.lines();
            return Err(Finding::Length { said, found });
        }
        if Some(self.root_at(said)?) != lines.replay.root() {
            return Err(Finding::Tree(said));
        }
        let (audit, replay) = lines.end()?;
        self.compare(replay.book.as_ref())?;
        if let Some(book) = &replay.book {
            let expected = Expected {
                book,
                nodes: &replay.nodes,
                lists: &replay.lists,
                restorations: &replay.restorations,
            };
            if let Some(record) = self.store.differing(&expected)? {
                return Err(Finding::Differs(record));
            }
        }
        Ok(audit)
    }

    /// The root of the tree over the first `size` lines, from the stored tree.
    ///
    /// # Errors
    /// What the store says.
    pub fn root_at(&mut self, size: u64) -> Result<Hash, StoreError> {
        let lacking = StoreError::Damaged {
            place: "the store".into(),
            what: "the tree".into(),
        };
        StoredNodes::compute(self.store.as_mut(), |nodes| {
            tree::root(size, nodes).map_err(|_| lacking.clone())
        })
    }

    /// Compares every record of the store with what follows from the ledger.
    fn compare(&mut self, book: Option<&Book>) -> Result<(), Finding> {
        self.compare_holders(book)?;
        let mut expected: BTreeMap<u64, Asked> =
            book.map(|book| book.requests.clone()).unwrap_or_default();
        let mut after = 0;
        loop {
            let page = self.store.requests(after, PAGE)?;
            let Some(last) = page.last() else {
                break;
            };
            after = last.line;
            for asked in page {
                let (line, holder) = (asked.line, asked.holder());
                if expected.remove(&line) != Some(asked) {
                    return Err(Finding::Record(format!("the request for {holder}")));
                }
            }
        }
        if let Some(asked) = expected.values().next() {
            let holder = asked.holder();
            return Err(Finding::Record(format!("the request for {holder}")));
        }
        let roots = self.store.roots()?;
        if book.map(|book| &book.roots) != Some(&roots) {
            return Err(Finding::Record("the roots".into()));
        }
        let list = book.and_then(|book| book.list.clone());
        if self.store.status_list()? != list {
            return Err(Finding::Record("the status list".into()));
        }
        Ok(())
    }

    fn compare_holders(&mut self, book: Option<&Book>) -> Result<(), Finding> {
        let mut expected: BTreeMap<Name, Holder> = book
            .map(|book| book.holders.clone())
            .unwrap_or_default()
            .into_iter()
            .map(|(name, (holder, _))| (name, holder))
            .collect();
        let mut after = None;
        loop {
            let page = self.store.holders(after.as_ref(), PAGE)?;
            let Some(last) = page.last() else {
                break;
            };
            after = Some(last.certificate.claims().holder);
            for holder in page {
                let name = holder.certificate.claims().holder;
                if expected.remove(&name) != Some(holder) {
                    return Err(Finding::Record(name.to_string()));
                }
            }
        }
        match expected.keys().next() {
            Some(name) => Err(Finding::Record(name.to_string())),
            None => Ok(()),
        }
    }
}

/// A check of the ledger from its lines alone: each follows from those before by the authority's own rules, every signature
/// verifies, and heads are over exactly these lines. Memory grows with the number of holders.
pub struct LineAudit {
    /// A root that must be among the ledger's.
    trusted: Certificate,
    /// Heads, and whether the lines were seen to lead to each, under the root in force there.
    heads: Vec<(SignedTreeHead, bool)>,
    replay: Replay,
    seen: Seen,
}

/// Signatures that were verified.
#[derive(Default)]
struct Seen {
    roots: u64,
    certificates: u64,
    lists: u64,
}

impl LineAudit {
    /// Begins a check under a root certificate that is trusted: one of the authority's roots. Of `heads`, the first is the newest.
    pub fn new(trusted: Certificate, heads: Vec<SignedTreeHead>) -> Self {
        Self {
            trusted,
            heads: heads.into_iter().map(|head| (head, false)).collect(),
            replay: Replay::default(),
            seen: Seen::default(),
        }
    }

    /// Number of lines so far.
    pub fn lines(&self) -> u64 {
        self.replay.size
    }

    /// Takes in the next line.
    ///
    /// # Errors
    /// What is wrong with it; the check is over then.
    pub fn enter(&mut self, text: &str) -> Result<(), Finding> {
        let number = self.lines() + 1;
        let wrong = |fault| Finding::Line {
            line: number,
            fault,
        };
        let line = Line::read(text).map_err(wrong)?;
        self.replay.enter(&line).map_err(wrong)?;
        let Some(book) = &self.replay.book else {
            return Err(wrong(Fault::Place));
        };
        judge(&line, &book.roots, &mut self.seen)?;
        for (head, seen) in &mut self.heads {
            if head.head.size == number {
                let root = book.roots.newest(); // the one that was in force
                *seen = Some(head.head.root) == self.replay.root()
                    && head.head.issuer == root.name()
                    && head.verify(&root.certificate.claims().key).is_ok();
            }
        }
        Ok(())
    }

    /// Ends the check after the last line: every head must have been met on the way, and be signed by this authority.
    ///
    /// # Errors
    /// [`Finding::Head`]; [`Finding::Tree`] when there was no line at all; [`Finding::Stranger`] when the trusted root is none of the
    /// ledger's.
    pub fn finish(self) -> Result<Audit, Finding> {
        self.end().map(|(audit, _)| audit)
    }

    fn end(self) -> Result<(Audit, Replay), Finding> {
        if let Some((head, _)) = self.heads.iter().find(|(_, seen)| !seen) {
            return Err(Finding::Head(head.head.size));
        }
        let lines = self.lines();
        let (Some(book), Some(root)) = (self.replay.book.as_ref(), self.replay.root()) else {
            return Err(Finding::Tree(lines));
        };
        let trusted = self.trusted.claims().holder;
        if book.roots.named(&trusted).map(|root| &root.certificate) != Some(&self.trusted) {
            return Err(Finding::Stranger(trusted));
        }
        let audit = Audit {
            lines,
            roots: self.seen.roots,
            certificates: self.seen.certificates,
            lists: self.seen.lists,
            root,
            head: self.heads.into_iter().next().map(|(head, _)| head),
        };
        Ok((audit, self.replay))
    }
}

/// Verifies the signatures in a line. The roots are those after it.
fn judge(line: &Line, roots: &Roots, seen: &mut Seen) -> Result<(), Finding> {
    let wrong = |what: String| {
        let line = line.sequence;
        move |refusal| Finding::Signature {
            line,
            what,
            refusal,
        }
    };
    let anchor =
        |root: &Root| Anchor::restored(&root.certificate).map_err(wrong(root.name().to_string()));
    match &line.event {
        Event::Root { certificate, .. } => {
            Anchor::trust_root(certificate).map_err(wrong("the root".into()))?;
            seen.roots += 1;
        }
        Event::Rollover {
            holder,
            certificate,
            link,
            ..
        } => {
            let known = roots.before().ok_or(Refusal::Issuer);
            known
                .and_then(|known| follow(&known.certificate, certificate, link))
                .map_err(wrong(format!("root {holder}")))?;
            seen.roots += 1;
        }
        Event::Issued { certificate, .. } => {
            let claims = certificate.claims();
            let expected = Expectations {
                role: claims.role,
                validity: Validity::Today(claims.from),
                min_epoch: 0,
                revoked: None,
            };
            let anchor = anchor(roots.newest())?;
            ProvenCertificate::verify(certificate.clone(), &[&anchor], &expected)
                .map_err(wrong(claims.holder.to_string()))?;
            seen.certificates += 1;
        }
        Event::List { sequence, list, .. } => {
            let anchors: Result<Vec<Anchor>, Finding> = roots.iter().map(anchor).collect();
            let anchors = anchors?;
            list.verify(&anchors.iter().collect::<Vec<_>>())
                .map_err(wrong(format!("status list {sequence}")))?;
            seen.lists += 1;
        }
        _ => {}
    }
    Ok(())
}

/// The ledger once more, from its first line.
#[derive(Default)]
struct Replay {
    book: Option<Book>,
    nodes: MemoryNodes,
    size: u64,
    lists: Vec<StatusList>,
    restorations: Vec<Restoration>,
}

impl Replay {
    fn enter(&mut self, line: &Line) -> Result<(), Fault> {
        match &mut self.book {
            None if line.sequence != 1 => return Err(Fault::Place),
            None => self.book = Some(Book::begin(line).map_err(Fault::Contradiction)?),
            Some(book) => {
                book.enter(line)?;
                // What was gained is not written anywhere: only the number of lines counts.
                book.size = book.lines();
                let gained = std::mem::take(&mut book.gained);
                self.lists.extend(gained.lists);
                self.restorations.extend(gained.restorations);
            }
        }
        let nowhere = MemoryNodes::default(); // all nodes are among the new ones
        let grown = tree::append(self.size, line.hash(), &nowhere, &mut self.nodes);
        grown.map_err(|_| Fault::Place)?;
        self.size += 1;
        Ok(())
    }

    fn root(&self) -> Option<Hash> {
        tree::root(self.size, &self.nodes).ok()
    }
}
