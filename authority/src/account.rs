//! What the ledger proves to others: its signed head, receipts, and that it only grew (`docs/ledger.md`).

use crate::authority::{Authority, head_over};
use crate::custody::Signer;
use crate::error::AuthorityError;
use crate::status::RevocationRefused;
use crate::store::{Needs, StoreError, StoredNodes};
use crate::tree::{self, ConsistencyProof, Receipt, SignedTreeHead};
use apdu::certificate::Name;

/// The ledger cannot prove what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotProvable {
    /// The newest head was signed before this line.
    #[error(
        "no head is signed over {0} lines yet; whatever is signed next brings one, a status list for example"
    )]
    NotSigned(u64),
    /// The ledger is shorter, or the order is wrong.
    #[error("there is no proof from {first} to {second} lines: the ledger has {size}")]
    Sizes {
        /// Lines of the earlier head.
        first: u64,
        /// Lines of the later head.
        second: u64,
        /// Lines there are.
        size: u64,
    },
}

impl Authority {
    /// The newest signed head.
    ///
    /// # Errors
    /// [`NotProvable::NotSigned`] when none was signed; otherwise what the store says.
    pub fn head(&mut self) -> Result<SignedTreeHead, AuthorityError> {
        self.signed(1)
    }

    /// The receipt of a holder's certificate: its line, and how it leads to the newest signed head.
    ///
    /// # Errors
    /// When the holder is unknown, or no head is signed over its line yet; otherwise what the store says.
    pub fn receipt(&mut self, holder: &Name) -> Result<Receipt, AuthorityError> {
        match self.store.holder(holder)? {
            Some((_, line)) => self.receipt_of(line),
            None => Err(RevocationRefused::Unknown(*holder).into()),
        }
    }

    /// The receipt of a line, by its number from 1.
    ///
    /// # Errors
    /// When no head is signed over it yet; otherwise what the store says.
    pub fn receipt_of(&mut self, line: u64) -> Result<Receipt, AuthorityError> {
        let head = self.signed(line)?;
        let entry = self.store.lines(line, 1)?.pop();
        let (Some(entry), Some(index)) = (entry, line.checked_sub(1)) else {
            return Err(NotProvable::NotSigned(line).into());
        };
        let path = StoredNodes::compute(self.store.as_mut(), |nodes| {
            tree::inclusion(index, head.head.size, nodes)
                .map_err(|_| AuthorityError::from(NotProvable::NotSigned(line)))
        })?;
        Ok(Receipt {
            head,
            index,
            entry,
            path,
        })
    }

    /// The proof that the ledger of `second` lines begins with that of `first` lines.
    ///
    /// # Errors
    /// [`NotProvable::Sizes`] unless 0 < first <= second <= lines; otherwise what the store says.
    pub fn consistency(
        &mut self,
        first: u64,
        second: u64,
    ) -> Result<ConsistencyProof, AuthorityError> {
        let size = self.store.size()?;
        let sizes = NotProvable::Sizes {
            first,
            second,
            size,
        };
        if first == 0 || second > size {
            return Err(sizes.into());
        }
        let path = StoredNodes::compute(self.store.as_mut(), |nodes| {
            tree::consistency(first, second, nodes).map_err(|_| AuthorityError::from(sizes.clone()))
        })?;
        Ok(ConsistencyProof {
            first,
            second,
            path,
        })
    }

    /// Signs a head over all lines now, if the newest is older.
    ///
    /// # Errors
    /// Key, store or clock.
    pub fn sign_head(&mut self, key: &mut dyn Signer) -> Result<SignedTreeHead, AuthorityError> {
        let size = self.store.size()?;
        if let Some(head) = self.store.head(size)? {
            return Ok(head);
        }
        let book = self.store.begin(&Needs::default())?;
        let signed = self
            .root_at(book.lines())
            .map_err(AuthorityError::from)
            .and_then(|root| head_over(&book, root, key));
        match signed {
            Ok(head) => {
                self.store.commit(book, Some(&head))?;
                Ok(head)
            }
            Err(error) => {
                self.store.abandon();
                Err(error)
            }
        }
    }

    /// The newest head, if it is over at least `size` lines.
    fn signed(&mut self, size: u64) -> Result<SignedTreeHead, AuthorityError> {
        let head: Result<_, StoreError> = self.store.head(size);
        head?.ok_or_else(|| NotProvable::NotSigned(size).into())
    }
}
