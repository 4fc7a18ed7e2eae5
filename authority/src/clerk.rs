//! The one hand that writes: many ask at once, their tasks are written together.
//!
//! While one step reaches the medium the next tasks gather, and go in one step of their own. So the cost of a durable write is shared by
//! all who wait for it, and nobody waits longer than two steps and a quarter.

use crate::authority::Authority;
use crate::custody::Signer;
use crate::error::AuthorityError;
use crate::job::Task;
use crate::ledger::Line;
use crate::moment::Moment;
use crate::store::StoreError;
use crate::tree::Receipt;
use apdu::certificate::Name;
use apdu::crypto::Entropy;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Most tasks in one step.
const BATCH: usize = 64;
/// A step waits for more tasks at most this part of the time that the last one took.
const PATIENCE: u32 = 4;
/// How often the clock is looked at while nothing is to be done.
const CLOCK_WATCH: Duration = Duration::from_secs(30);
/// 2000-01-01 in Unix seconds: the first time that a line can have.
const YEAR_2000: u64 = 946_684_800;
/// Most tasks that wait.
const QUEUE: usize = 1_024;

/// Why a task was not done.
#[derive(Debug, thiserror::Error)]
pub enum ClerkError {
    /// Policy, or what the task needs.
    #[error(transparent)]
    Task(#[from] AuthorityError),
    /// The store failed. Whether the task was done is known by asking again with its token.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The clock gives no date, or randomness is missing.
    #[error("the clock of the authority's machine is wrong")]
    Clock,
    /// More tasks wait than can be kept.
    #[error("too many tasks wait; try again later")]
    Full,
    /// The clerk has stopped.
    #[error("the authority is stopping; try again later")]
    Stopping,
}

/// What the clerk needs from its machine.
pub trait Machine: Send {
    /// The time; `None` if the clock cannot be right.
    fn now(&mut self) -> Option<Moment>;
    /// Randomness.
    fn entropy(&mut self) -> &mut dyn Entropy;
}

/// What came of a task.
#[derive(Debug, Clone)]
pub struct Made {
    /// Its line, which is durable.
    pub line: Line,
    /// The receipt of a new line, if a head was signed over it at once.
    pub receipt: Option<Receipt>,
    /// The newest root when the line was made or found.
    pub issuer: Name,
}

struct Asked {
    task: Task,
    answer: SyncSender<Result<Made, ClerkError>>,
}

/// A thread that owns the authority's key and its way to the store. Dropping it ends the thread, when all who wait have their answers.
pub struct Clerk {
    ask: Option<SyncSender<Asked>>,
    /// What was wrong with the key when it last had to sign.
    key_trouble: Arc<Mutex<Option<String>>>,
    /// What was wrong with the clock when it was last looked at.
    clock_trouble: Arc<Mutex<Option<String>>>,
    thread: Option<JoinHandle<()>>,
}

impl Clerk {
    /// Sets a clerk to work.
    pub fn start(authority: Authority, key: Box<dyn Signer>, machine: Box<dyn Machine>) -> Self {
        let (ask, asked) = sync_channel(QUEUE);
        let key_trouble = Arc::new(Mutex::new(None));
        let clock_trouble = Arc::new(Mutex::new(None));
        let troubles = (Arc::clone(&key_trouble), Arc::clone(&clock_trouble));
        let thread = thread::spawn(move || {
            work(authority, key, machine, &asked, &troubles.0, &troubles.1);
        });
        Self {
            ask: Some(ask),
            key_trouble,
            clock_trouble,
            thread: Some(thread),
        }
    }

    /// What was wrong with the key when it last had to sign. It signs a head with every step, so this is never old news for long.
    pub fn key_trouble(&self) -> Option<String> {
        let trouble = self.key_trouble.lock();
        trouble.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What was wrong with the clock when it was last looked at: at the start, and every half minute.
    pub fn clock_trouble(&self) -> Option<String> {
        let trouble = self.clock_trouble.lock();
        trouble.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes what is wrong with the key before it ever had to sign.
    #[cfg(feature = "serve")]
    pub(crate) fn note_key_trouble(&self, trouble: Option<String>) {
        note(&self.key_trouble, trouble);
    }

    /// Has a task done; returns when its line is durable.
    ///
    /// # Errors
    /// [`ClerkError`]: nothing was done, except as said at [`ClerkError::Store`].
    pub fn ask(&self, task: Task) -> Result<Line, ClerkError> {
        self.make(task).map(|made| made.line)
    }

    /// The same, with what the step knows besides: nobody has to read it again.
    ///
    /// # Errors
    /// As [`ask`](Self::ask).
    pub fn make(&self, task: Task) -> Result<Made, ClerkError> {
        let (answer, answered) = sync_channel(1);
        let ask = self.ask.as_ref().ok_or(ClerkError::Stopping)?;
        ask.try_send(Asked { task, answer })
            .map_err(|error| match error {
                TrySendError::Full(_) => ClerkError::Full,
                TrySendError::Disconnected(_) => ClerkError::Stopping,
            })?;
        answered.recv().unwrap_or(Err(ClerkError::Stopping))
    }
}

impl Drop for Clerk {
    fn drop(&mut self) {
        self.ask = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // a thread that panicked has told so
        }
    }
}

/// The last step over a store that is far away: how many tasks it had, and how long it took.
#[derive(Default)]
struct Usual {
    size: usize,
    took: Duration,
}

/// What goes in one step. Those who had their answers together ask again together, but not at one instant: a step that waits a little
/// for them is one step instead of two, which counts where a step is many round trips. A client that is alone waits for nobody.
fn gather(first: Asked, asked: &Receiver<Asked>, usual: &Usual) -> Vec<Asked> {
    let mut batch = vec![first];
    let end = Instant::now() + usual.took / PATIENCE;
    while batch.len() < BATCH {
        let next = match batch.len() < usual.size {
            true => asked
                .recv_timeout(end.saturating_duration_since(Instant::now()))
                .ok(),
            false => asked.try_recv().ok(),
        };
        let Some(next) = next else {
            break;
        };
        batch.push(next);
    }
    batch
}

fn note(key_trouble: &Mutex<Option<String>>, trouble: Option<String>) {
    *key_trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
}

/// What the tasks say about the key, if anything.
fn refused_by_key(results: &[Result<Line, AuthorityError>]) -> Option<String> {
    let errors = results.iter().filter_map(|result| result.as_ref().err());
    let mut of_key = errors.filter(|error| {
        matches!(
            error,
            AuthorityError::Custody(_) | AuthorityError::RolledOver(_)
        )
    });
    of_key.next().map(ToString::to_string)
}

fn work(
    mut authority: Authority,
    mut key: Box<dyn Signer>,
    mut machine: Box<dyn Machine>,
    asked: &Receiver<Asked>,
    key_trouble: &Mutex<Option<String>>,
    clock_trouble: &Mutex<Option<String>>,
) {
    let mut usual = Usual::default();
    let mut watched: Option<Instant> = None;
    loop {
        if watched.is_none_or(|watched| watched.elapsed() >= CLOCK_WATCH) {
            watch_clock(&mut authority, machine.as_mut(), clock_trouble);
            watched = Some(Instant::now());
        }
        let first = match asked.recv_timeout(CLOCK_WATCH) {
            Ok(first) => first,
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let batch = gather(first, asked, &usual);
        let (size, begun) = (batch.len(), Instant::now());
        let (tasks, answers): (Vec<_>, Vec<_>) = batch
            .into_iter()
            .map(|asked| (asked.task, asked.answer))
            .unzip();
        // What does not wait for the clock goes on with one that is no clock: that is one which is far behind.
        let results = match machine.now().or(Moment::from_unix_seconds(YEAR_2000)) {
            None => Err(ClerkError::Clock),
            Some(now) => authority
                .run(&tasks, Some(key.as_mut()), machine.entropy(), now)
                .map_err(ClerkError::Store),
        };
        if authority.store.is_far() {
            let took = begun.elapsed();
            usual = Usual { size, took };
        }
        if let Some(signed) = authority.take_signed() {
            note(key_trouble, signed.err());
        }
        match results {
            Ok(results) => {
                if let Some(trouble) = refused_by_key(&results) {
                    note(key_trouble, Some(trouble));
                }
                for (answer, result) in answers.iter().zip(results) {
                    let made = result.map(|line| Made {
                        receipt: authority.fresh_receipt(&line),
                        issuer: authority.issuer(),
                        line,
                    });
                    let _ = answer.send(made.map_err(Into::into)); // whoever asked may have gone
                }
            }
            Err(error) => {
                for answer in &answers {
                    let _ = answer.send(Err(again(&error)));
                }
            }
        }
    }
}

/// Takes note of the time, or of what is wrong with it. A store that does not answer says so at the next task.
fn watch_clock(
    authority: &mut Authority,
    machine: &mut dyn Machine,
    clock_trouble: &Mutex<Option<String>>,
) {
    let Some(now) = machine.now() else {
        return note(clock_trouble, Some(ClerkError::Clock.to_string()));
    };
    if let Ok(trouble) = authority.watch_clock(now) {
        note(clock_trouble, trouble.map(|trouble| trouble.to_string()));
    }
}

/// The same error once more.
fn again(error: &ClerkError) -> ClerkError {
    match error {
        ClerkError::Store(error) => ClerkError::Store(error.clone()),
        _ => ClerkError::Clock,
    }
}
