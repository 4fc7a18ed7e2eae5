//! Connections to the store for those who only read: several at once, so nobody who reads waits for a writer or for one long answer.

use std::ops::{Deref, DerefMut};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Things of one kind that are lent out, each to one borrower at a time.
pub struct Pool<T> {
    all: Vec<Mutex<T>>,
    /// Places of those that are not lent out.
    idle: Mutex<Vec<usize>>,
    returned: Condvar,
}

impl<T> From<T> for Pool<T> {
    fn from(only: T) -> Self {
        Self::new(vec![only])
    }
}

impl<T> Pool<T> {
    /// A pool of these; one at least, or every borrower waits for ever.
    pub fn new(all: Vec<T>) -> Self {
        Self {
            idle: Mutex::new((0..all.len()).collect()),
            all: all.into_iter().map(Mutex::new).collect(),
            returned: Condvar::new(),
        }
    }

    /// Borrows one; waits while all are lent out.
    pub(super) fn borrow(&self) -> Lent<'_, T> {
        let mut idle = self.idle();
        let place = loop {
            if let Some(place) = idle.pop() {
                break place;
            }
            let waited = self.returned.wait(idle);
            idle = waited.unwrap_or_else(PoisonError::into_inner);
        };
        // Whoever has just given it back lets go of it now. Reading leaves nothing half done, also by a panic.
        let thing = self.all[place].lock();
        Lent {
            pool: self,
            place,
            thing: thing.unwrap_or_else(PoisonError::into_inner),
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<usize>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of a pool; goes back when it is dropped.
pub(super) struct Lent<'p, T> {
    pool: &'p Pool<T>,
    place: usize,
    thing: MutexGuard<'p, T>,
}

impl<T> Drop for Lent<'_, T> {
    fn drop(&mut self) {
        self.pool.idle().push(self.place);
        self.pool.returned.notify_one();
    }
}

impl<T> Deref for Lent<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.thing
    }
}

impl<T> DerefMut for Lent<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.thing
    }
}

#[cfg(test)]
mod tests {
    use super::Pool;
    use std::sync::mpsc::channel;
    use std::thread;

    #[test]
    fn as_many_as_there_are_are_lent_at_once_and_the_next_waits_for_one() {
        let pool = Pool::new(vec![1, 2]);
        let (first, second) = (pool.borrow(), pool.borrow());
        assert_eq!(*first + *second, 3);
        thread::scope(|scope| {
            let (got, third) = channel();
            let pool = &pool;
            scope.spawn(move || got.send(*pool.borrow()));
            assert!(third.try_recv().is_err(), "none is left");
            drop(second);
            assert_eq!(third.recv(), Ok(1), "the one that came back");
        });
        drop(first);
        let _both = (pool.borrow(), pool.borrow());
    }

    #[test]
    fn a_panic_gives_it_back() {
        let pool = Pool::from(1);
        let work = || {
            let _lent = pool.borrow();
            panic!("a bug");
        };
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        assert!(caught.is_err());
        assert_eq!(*pool.borrow(), 1);
    }
}
