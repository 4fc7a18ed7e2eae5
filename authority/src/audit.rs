//! A full check: the ledger from its first line to its last, its tree, its signatures, and the records that follow from it.

use crate::authority::Authority;
use crate::book::{Book, Gained, Holder};
use crate::ledger::{Event, Fault, Line};
use crate::roots::{Root, Roots, follow};
use crate::store::{StoreError, StoredNodes};
use crate::tree::{self, Hash, MemoryNodes, SignedTreeHead};
use apdu::certificate::{Anchor, Expectations, ProvenCertificate, Refusal, Validity};
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
    /// A record says something else than the ledger.
    #[error("the record of {0} says something else than the ledger")]
    Record(String),
}

impl Authority {
    /// Checks everything the store holds. Memory grows with the number of holders.
    ///
    /// # Errors
    /// The first [`Finding`].
    pub fn audit(&mut self) -> Result<Audit, Finding> {
        let said = self.store.size()?;
        let newest = self.store.head(0)?;
        let mut replay = Replay::default();
        let mut audit = Audit {
            lines: 0,
            roots: 0,
            certificates: 0,
            lists: 0,
            root: Hash::EMPTY,
            head: newest,
        };
        let mut head_holds = false;
        while audit.lines < said {
            let texts = self.store.lines(audit.lines + 1, PAGE)?;
            if texts.is_empty() {
                break;
            }
            for text in texts {
                let number = audit.lines + 1;
                let wrong = |fault| Finding::Line {
                    line: number,
                    fault,
                };
                let line = Line::read(&text).map_err(wrong)?;
                replay.enter(&line).map_err(wrong)?;
                let Some(book) = &replay.book else {
                    return Err(wrong(Fault::Place));
                };
                judge(&line, &book.roots, &mut audit)?;
                audit.lines = number;
                if let Some(head) = audit.head.filter(|head| head.head.size == number) {
                    let root = book.roots.newest(); // the one that was in force
                    head_holds = Some(head.head.root) == replay.root()
                        && head.head.issuer == root.name()
                        && head.verify(&root.certificate.claims().key).is_ok();
                }
            }
        }
        if audit.lines != said {
            let found = audit.lines;
            return Err(Finding::Length { said, found });
        }
        audit.root = replay.root().ok_or(Finding::Tree(said))?;
        if self.root_at(said)? != audit.root {
            return Err(Finding::Tree(said));
        }
        if let Some(head) = audit.head.filter(|_| !head_holds) {
            return Err(Finding::Head(head.head.size));
        }
        self.compare(replay.book.as_ref())?;
        Ok(audit)
    }

    /// The root of the tree over the first `size` lines, from the stored tree.
    ///
    /// # Errors
    /// What the store says.
    pub fn root_at(&mut self, size: u64) -> Result<Hash, StoreError> {
        tree::root(size, &StoredNodes::of(self.store.as_mut()))
    }

    /// Compares the roots and every holder of the store, and its newest list, with what follows from the ledger.
    fn compare(&mut self, book: Option<&Book>) -> Result<(), Finding> {
        let mut expected: BTreeMap<_, Holder> = book
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
        if let Some(name) = expected.keys().next() {
            return Err(Finding::Record(name.to_string()));
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
}

/// Verifies the signatures in a line. The roots are those after it.
fn judge(line: &Line, roots: &Roots, audit: &mut Audit) -> Result<(), Finding> {
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
            audit.roots += 1;
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
            audit.roots += 1;
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
            audit.certificates += 1;
        }
        Event::List { sequence, list, .. } => {
            let anchors: Result<Vec<Anchor>, Finding> = roots.iter().map(anchor).collect();
            let anchors = anchors?;
            list.verify(&anchors.iter().collect::<Vec<_>>())
                .map_err(wrong(format!("status list {sequence}")))?;
            audit.lists += 1;
        }
        Event::Challenge { .. } | Event::Delivered { .. } | Event::Revoked { .. } => {}
    }
    Ok(())
}

/// The ledger once more, from its first line.
#[derive(Default)]
struct Replay {
    book: Option<Book>,
    nodes: MemoryNodes,
    size: u64,
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
                book.gained = Gained::default();
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
