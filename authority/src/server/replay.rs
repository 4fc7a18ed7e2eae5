//! Good answers, kept for a while: who asks again with the same idempotency key gets the same answer and nothing is done twice.
//!
//! This is memory only. What must be exactly once after a restart too, orders and requests, the desk sees to with the same key;
//! the other operations, done again, say that they were done before.

use super::desk::IdempotencyKey;
use super::problem::{IN_PROGRESS, KEY_REUSED, Problem};
use super::route::Answer;
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

/// Most answers that are kept; the oldest goes first.
const MAX_KEPT: usize = 4_096;

#[derive(Default)]
pub(super) struct Replay {
    memory: Mutex<Memory>,
}

#[derive(Default)]
struct Memory {
    entries: HashMap<IdempotencyKey, Entry>,
    done: VecDeque<IdempotencyKey>,
}

struct Entry {
    /// SHA-256 of the request.
    digest: [u8; 32],
    /// `None` while it is being worked on.
    answer: Option<Answer>,
}

impl Replay {
    /// Runs `work` unless it was done under this key.
    pub fn once(
        &self,
        key: &IdempotencyKey,
        digest: [u8; 32],
        work: impl FnOnce() -> Result<Answer, Problem>,
    ) -> Result<Answer, Problem> {
        {
            let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
            match memory.entries.get(key) {
                Some(entry) if entry.digest != digest => {
                    return Err(Problem::new(
                        KEY_REUSED,
                        "the key came with another request before",
                    ));
                }
                Some(Entry {
                    answer: Some(answer),
                    ..
                }) => return Ok(answer.clone()),
                Some(_) => {
                    let detail = "a request with this key is being worked on";
                    return Err(Problem::new(IN_PROGRESS, detail).retry_after(1));
                }
                None => {}
            }
            let answer = None;
            memory.entries.insert(key.clone(), Entry { digest, answer });
        }
        let mut kept = Kept {
            replay: self,
            key,
            answer: None,
        };
        let result = work();
        // An answer that promises more to come is not the last word.
        kept.answer = result
            .as_ref()
            .ok()
            .filter(|answer| answer.status != 202)
            .cloned();
        result
    }
}

/// Ends the work: keeps the answer, or forgets the key; also when the work panicked.
struct Kept<'a> {
    replay: &'a Replay,
    key: &'a IdempotencyKey,
    answer: Option<Answer>,
}

impl Drop for Kept<'_> {
    fn drop(&mut self) {
        let memory = &self.replay.memory;
        let mut memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(answer) = self.answer.take() else {
            memory.entries.remove(self.key);
            return;
        };
        if let Some(entry) = memory.entries.get_mut(self.key) {
            entry.answer = Some(answer);
        }
        memory.done.push_back(self.key.clone());
        if memory.done.len() > MAX_KEPT
            && let Some(oldest) = memory.done.pop_front()
        {
            memory.entries.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::problem::REFUSED;
    use super::*;

    fn key(text: &str) -> IdempotencyKey {
        IdempotencyKey::new("LINE1", text).unwrap()
    }

    fn answer(status: u16, text: &str) -> Answer {
        Answer {
            status,
            media: "text/plain",
            body: text.into(),
        }
    }

    #[test]
    fn the_same_request_gets_the_same_answer_and_is_done_once() {
        let replay = Replay::default();
        let mut runs = 0;
        for _ in 0..3 {
            let given = replay.once(&key("1"), [1; 32], || {
                runs += 1;
                Ok(answer(201, &format!("run {runs}")))
            });
            assert_eq!(given.unwrap().body, b"run 1");
        }
        let other = replay.once(&key("1"), [2; 32], || panic!("not to be run"));
        assert_eq!(other.unwrap_err().word, "idempotency-key-reused");
        let next = replay.once(&key("2"), [1; 32], || Ok(answer(201, "another")));
        assert_eq!(next.unwrap().body, b"another");
    }

    #[test]
    fn what_failed_or_waits_is_done_again() {
        let replay = Replay::default();
        let failed = replay.once(&key("1"), [1; 32], || Err(Problem::new(REFUSED, "no")));
        assert_eq!(failed.unwrap_err().word, "refused");
        for text in ["waits", "waits still"] {
            let given = replay.once(&key("1"), [1; 32], || Ok(answer(202, text)));
            assert_eq!(given.unwrap().body, text.as_bytes());
        }
    }

    #[test]
    fn a_request_that_is_being_worked_on_is_not_begun_again() {
        let replay = Replay::default();
        let outer = replay.once(&key("1"), [1; 32], || {
            let inner = replay.once(&key("1"), [1; 32], || panic!("not to be run"));
            assert_eq!(inner.unwrap_err().word, "in-progress");
            Ok(answer(200, "done"))
        });
        assert!(outer.is_ok());
    }

    #[test]
    fn a_panic_leaves_the_key_free() {
        let replay = Replay::default();
        let work = || replay.once(&key("1"), [1; 32], || panic!("a bug"));
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        assert!(caught.is_err());
        let again = replay.once(&key("1"), [1; 32], || Ok(answer(200, "done")));
        assert!(again.is_ok());
    }

    #[test]
    fn the_oldest_answer_is_forgotten_first() {
        let replay = Replay::default();
        for number in 0..=MAX_KEPT {
            let given = replay.once(&key(&number.to_string()), [0; 32], || {
                Ok(answer(200, "first"))
            });
            assert!(given.is_ok());
        }
        let ask = |number: usize| {
            let given = replay.once(&key(&number.to_string()), [0; 32], || {
                Ok(answer(200, "again"))
            });
            given.unwrap().body
        };
        assert_eq!(ask(1), b"first");
        assert_eq!(ask(0), b"again");
    }
}
