//! An authority: its store, and what is done with it.

use crate::approval::Asked;
use crate::book::{Book, Holder};
use crate::clock::{ClockRule, Waits};
use crate::custody::Signer;
use crate::error::AuthorityError;
use crate::issue::{self, Application};
use crate::job::{self, Job, Task};
use crate::ledger::Line;
use crate::moment::Moment;
use crate::order::{self, Challenge, Order};
use crate::roots::Roots;
use crate::status::{self, RevocationRefused, Scope};
use crate::store::{Needs, Store, StoreError};
use crate::tree::{self, Hash, MemoryNodes, Receipt, SignedTreeHead, TreeHead};
use apdu::certificate::{Certificate, Name, Request, Role, StatusList};
use apdu::crypto::Entropy;

/// An open authority.
pub struct Authority {
    pub(crate) store: Box<dyn Store>,
    pub(crate) roots: Roots,
    /// What became of the last head that had to be signed.
    signed: Option<Result<(), String>>,
    /// The head that the last step signed, and the end of its tree.
    proof: Option<(SignedTreeHead, MemoryNodes)>,
    /// The newest root's name, as the last step found it.
    issuer: Name,
    /// Which clock is believed.
    pub(crate) clock: ClockRule,
}

impl Authority {
    /// The authority in a store.
    ///
    /// # Errors
    /// [`StoreError::Absent`] in an empty store; otherwise what the store says.
    pub fn new(mut store: Box<dyn Store>) -> Result<Self, StoreError> {
        let roots = store.roots()?;
        Ok(Self {
            store,
            issuer: roots.newest().name(),
            roots,
            signed: None,
            proof: None,
            clock: ClockRule::any(),
        })
    }

    /// Its store.
    pub fn into_store(self) -> Box<dyn Store> {
        self.store
    }

    /// Does tasks in one durable step: when this returns, every line that it gives is on the medium.
    ///
    /// A task that is against policy fails alone. With a key, a tree head over all lines is signed as well, once.
    ///
    /// # Errors
    /// When the store failed. Nothing was done then; or all of it, if it failed at its last moment: a task with a token can be tried
    /// again without harm.
    pub fn run(
        &mut self,
        tasks: &[Task],
        mut key: Option<&mut dyn Signer>,
        entropy: &mut dyn Entropy,
        now: Moment,
    ) -> Result<Vec<Result<Line, AuthorityError>>, StoreError> {
        let mut needs = Needs::default();
        tasks.iter().for_each(|task| task.needs(&mut needs));
        let mut book = self.store.begin(&needs)?;
        self.issuer = book.roots.newest().name();
        let mut results = Vec::with_capacity(tasks.len());
        for task in tasks {
            let time = self.clock.time(&book, now, task.job.waits());
            results.push(time.and_then(|time| {
                let key = key.as_mut().map(|key| &mut **key as &mut dyn Signer);
                task.run(&mut book, key, entropy, time)
            }));
        }
        self.finish(book, key)?;
        Ok(results)
    }

    /// One change of the ledger, which is given the time of its lines. If `work` fails, nothing of it stays.
    pub(crate) fn step<T>(
        &mut self,
        needs: &Needs,
        key: Option<&mut dyn Signer>,
        (now, waits): (Moment, Waits),
        work: impl FnOnce(&mut Book, Option<&mut dyn Signer>, Moment) -> Result<T, AuthorityError>,
    ) -> Result<T, AuthorityError> {
        let rule = self.clock;
        self.step_at(needs, key, |book| rule.time(book, now, waits), work)
    }

    /// The same at a time of the caller's.
    pub(crate) fn step_at<T>(
        &mut self,
        needs: &Needs,
        mut key: Option<&mut dyn Signer>,
        time: impl FnOnce(&Book) -> Result<Moment, AuthorityError>,
        work: impl FnOnce(&mut Book, Option<&mut dyn Signer>, Moment) -> Result<T, AuthorityError>,
    ) -> Result<T, AuthorityError> {
        let mut book = self.store.begin(needs)?;
        let done = time(&book).and_then(|time| {
            let key = key.as_mut().map(|key| &mut **key as &mut dyn Signer);
            work(&mut book, key, time)
        });
        match done {
            Ok(done) => {
                self.finish(book, key)?;
                Ok(done)
            }
            Err(error) => {
                self.store.abandon();
                Err(error)
            }
        }
    }

    /// Whether the key signed when it last had to, since this was last asked.
    pub(crate) fn take_signed(&mut self) -> Option<Result<(), String>> {
        self.signed.take()
    }

    /// Makes durable what a book has gained, with a head over it.
    fn finish(&mut self, book: Book, key: Option<&mut dyn Signer>) -> Result<(), StoreError> {
        self.proof = None;
        if book.gained.lines.is_empty() {
            self.store.abandon();
            return Ok(());
        }
        let appended = self.store.append(&book);
        let appended = appended.inspect_err(|_| self.store.abandon())?;
        // A head that cannot be signed now is signed with the next lines.
        let head = match key.map(|key| head_over(&book, appended.root, key)) {
            None => None,
            Some(Ok(head)) => {
                self.signed = Some(Ok(()));
                Some(head)
            }
            Some(Err(error)) => {
                self.signed = Some(Err(error.to_string()));
                None
            }
        };
        self.store.commit(book, head.as_ref())?;
        self.proof = head.map(|head| (head, appended.nodes));
        Ok(())
    }

    /// The receipt of a line of the last step, without reading anything; `None` for another line, or when no head was signed.
    pub(crate) fn fresh_receipt(&self, line: &Line) -> Option<Receipt> {
        let (head, nodes) = self.proof.as_ref()?;
        let index = line.sequence.checked_sub(1)?;
        let path = tree::inclusion(index, head.head.size, nodes).ok()?;
        Some(Receipt {
            head: *head,
            index,
            entry: line.text.clone(),
            path,
        })
    }

    /// The newest root's name, as the last step found it behind the store's lock.
    pub(crate) fn issuer(&self) -> Name {
        self.issuer
    }

    /// Plans a certificate and draws the nonce for its request. The challenge is in the ledger when this returns.
    ///
    /// # Errors
    /// [`crate::OrderRefused`] when policy is against it; otherwise store, clock or randomness.
    pub fn order(
        &mut self,
        order: &Order,
        entropy: &mut dyn Entropy,
        now: Moment,
    ) -> Result<Challenge, AuthorityError> {
        let mut needs = Needs::default();
        order.needs(&mut needs);
        self.step(&needs, None, (now, Waits::ForTheClock), |book, _, now| {
            let made = order::challenge(book, order, entropy.nonce()?, None, now)?;
            Ok(made.0)
        })
    }

    /// Checks a request against its order, signs a certificate, and returns it once it is in the ledger.
    ///
    /// # Errors
    /// [`crate::Refused`] when the request is against policy; otherwise key, store or clock.
    pub fn issue(
        &mut self,
        key: &mut dyn Signer,
        request: &Request,
        role: Role,
        years: Option<u8>,
        now: Moment,
    ) -> Result<Certificate, AuthorityError> {
        let application = Application {
            request: request.clone(),
            role,
            years,
        };
        let mut needs = Needs::default();
        application.needs(&mut needs);
        self.step(
            &needs,
            Some(key),
            (now, Waits::ForTheClock),
            |book, key, now| {
                let key = key.ok_or(AuthorityError::KeyNeeded)?;
                let made = issue::certificate(book, key, &application, None, now)?;
                Ok(made.0)
            },
        )
    }

    /// Notes that a holder has stored its certificate.
    ///
    /// # Errors
    /// When the holder is unknown; otherwise store or clock.
    pub fn delivered(&mut self, holder: &Name, now: Moment) -> Result<(), AuthorityError> {
        let job = Job::Deliver(*holder);
        let mut needs = Needs::default();
        job.needs(&mut needs);
        self.step(&needs, None, (now, Waits::Never), |book, _, now| {
            job::deliver(book, holder, None, now).map(drop)
        })
    }

    /// Revokes a holder, for ever. The revocation is in the ledger when this returns; it works once a list is published.
    ///
    /// # Errors
    /// [`RevocationRefused`] when the name is unknown or revoked, or the list is full; otherwise store or clock.
    pub fn revoke(
        &mut self,
        holder: &Name,
        reason: &str,
        now: Moment,
    ) -> Result<(), AuthorityError> {
        let mut needs = Needs::default();
        needs.names.insert(*holder);
        self.step(&needs, None, (now, Waits::Never), |book, _, now| {
            status::revoke(book, holder, reason, None, now).map(drop)
        })
    }

    /// Signs the next status list: sequence + 1, dated today. It is in the ledger when this returns.
    ///
    /// # Errors
    /// [`RevocationRefused::UsedUp`] after 2^32 lists; otherwise key, store or clock.
    pub fn publish(
        &mut self,
        key: &mut dyn Signer,
        scope: Scope,
        now: Moment,
    ) -> Result<StatusList, AuthorityError> {
        self.step(
            &Needs::default(),
            Some(key),
            (now, Waits::Never),
            |book, key, now| {
                let key = key.ok_or(AuthorityError::KeyNeeded)?;
                let made = status::publish(book, key, scope, None, None, now)?;
                Ok(made.0)
            },
        )
    }

    /// Signs the next status list with an earlier root's key, for terminals and cards that know no later root. Publish one of the newest
    /// root after it: whoever knows both takes the higher number.
    ///
    /// # Errors
    /// [`AuthorityError::RolledOver`] for a key of no root; otherwise as [`publish`](Self::publish).
    pub fn publish_under(
        &mut self,
        earlier: &mut dyn Signer,
        now: Moment,
    ) -> Result<StatusList, AuthorityError> {
        self.step(
            &Needs::default(),
            Some(earlier),
            (now, Waits::Never),
            |book, key, now| {
                let key = key.ok_or(AuthorityError::KeyNeeded)?;
                Ok(status::publish_under(book, key, now)?.0)
            },
        )
    }

    /// The certificate of the newest root, as of the opening or of the last [`look_again`](Self::look_again).
    pub fn root(&self) -> &Certificate {
        &self.roots.newest().certificate
    }

    /// All roots, as of the same time.
    pub fn roots(&self) -> &Roots {
        &self.roots
    }

    /// Reads the roots again: another process may have rolled over.
    ///
    /// # Errors
    /// What the store says.
    pub fn look_again(&mut self) -> Result<&Roots, StoreError> {
        self.roots = self.store.roots()?;
        Ok(&self.roots)
    }

    /// Up to `count` holders after `after`, by name.
    ///
    /// # Errors
    /// What the store says; so for all below.
    pub fn holders(&mut self, after: Option<&Name>, count: u32) -> Result<Vec<Holder>, StoreError> {
        self.store.holders(after, count)
    }

    /// Up to `count` holders of a role, newest first, who may never have got their certificate.
    pub fn waiting(&mut self, role: Role, count: u32) -> Result<Vec<Holder>, StoreError> {
        self.store.waiting(role, count)
    }

    /// The same of one client's orders, and of those from before orders were bound to clients.
    pub fn waiting_of(
        &mut self,
        client: &str,
        role: Role,
        count: u32,
    ) -> Result<Vec<Holder>, StoreError> {
        self.store.waiting_of(client, role, count)
    }

    /// A request that waits or has waited for an operator, by its line's number.
    pub fn request(&mut self, line: u64) -> Result<Option<Asked>, StoreError> {
        self.store.request(line)
    }

    /// Up to `count` requests that wait for an operator now, oldest first; of one client and role, or all.
    pub fn awaiting(
        &mut self,
        of: Option<(&str, Role)>,
        now: Moment,
        count: u32,
    ) -> Result<Vec<Asked>, StoreError> {
        self.store.awaiting(of, now.unix_seconds(), count)
    }

    /// How many requests wait for an operator now.
    pub fn awaiting_count(&mut self, now: Moment) -> Result<u64, StoreError> {
        self.store.awaiting_count(now.unix_seconds())
    }

    /// One holder.
    ///
    /// # Errors
    /// [`RevocationRefused::Unknown`] when the name was never certified.
    pub fn holder(&mut self, name: &Name) -> Result<Holder, AuthorityError> {
        match self.store.holder(name)? {
            Some((holder, _)) => Ok(holder),
            None => Err(RevocationRefused::Unknown(*name).into()),
        }
    }

    /// Number of lines of the ledger.
    pub fn size(&mut self) -> Result<u64, StoreError> {
        self.store.size()
    }

    /// Whether the store takes changes, and has room: writes 64 KiB, durable, and takes them away again.
    pub fn probe(&mut self) -> Result<(), StoreError> {
        self.store.probe()
    }

    /// Texts of up to `count` lines of the ledger from number `first`, from 1.
    pub fn lines(&mut self, first: u64, count: u32) -> Result<Vec<String>, StoreError> {
        self.store.lines(first, count)
    }

    /// Number of the line of the last restoration; 0 if there was none.
    pub fn restored(&mut self) -> Result<u64, StoreError> {
        self.store.restored()
    }

    /// The newest status list.
    pub fn status_list(&mut self) -> Result<Option<StatusList>, StoreError> {
        self.store.status_list()
    }
}

/// The head over all lines of a book.
pub(crate) fn head_over(
    book: &Book,
    root: Hash,
    key: &mut dyn Signer,
) -> Result<SignedTreeHead, AuthorityError> {
    book.require_key(key)?;
    let head = TreeHead {
        issuer: book.roots.newest().name(),
        time: book.last_time,
        size: book.lines(),
        root,
    };
    let signature = key.sign(&head.signed_bytes())?;
    Ok(head.sealed(signature))
}
