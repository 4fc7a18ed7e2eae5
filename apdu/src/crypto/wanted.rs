//! A choice that nobody sees: not in the time it takes, and not in what is read.

use super::secret::Secret;
use core::convert::Infallible;
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

/// A yes or no that steers no branch: it chooses between values that are both read.
#[derive(Clone, Copy)]
pub struct Wanted(Choice);

impl Wanted {
    /// No.
    pub fn no() -> Self {
        Self(Choice::from(0))
    }

    /// Whether two byte strings are equal, in time that depends on their lengths only.
    pub fn if_equal(left: &[u8], right: &[u8]) -> Self {
        Self(left.ct_eq(right))
    }

    /// This or `other`.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// This and `other`.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The opposite.
    #[must_use]
    #[expect(
        clippy::should_implement_trait,
        reason = "beside `and` and `or`, which have no operators either"
    )]
    pub fn not(self) -> Self {
        Self(!self.0)
    }

    /// `yes` or `no`.
    pub fn choose(self, yes: u8, no: u8) -> u8 {
        u8::conditional_select(&no, &yes, self.0)
    }

    /// The answer, for a branch that everybody may see.
    #[must_use]
    pub fn reveal(self) -> bool {
        self.0.into()
    }
}

impl<const N: usize> Secret<N> {
    /// A copy of the last of `others` that is wanted, of `first` if none is. All are read.
    pub fn choose<'a>(first: &Self, others: impl Iterator<Item = (Wanted, &'a Self)>) -> Self {
        let chosen = Self::born(|chosen| {
            chosen.copy_from_slice(first.expose());
            for (wanted, other) in others {
                for (byte, other) in chosen.iter_mut().zip(other.expose()) {
                    byte.conditional_assign(other, wanted.0);
                }
            }
            Ok::<(), Infallible>(())
        });
        match chosen {
            Ok(chosen) => chosen,
            Err(never) => match never {},
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn yes() -> Wanted {
        Wanted::if_equal(&[1, 2], &[1, 2])
    }

    fn no() -> Wanted {
        Wanted::if_equal(&[1, 2], &[1, 3])
    }

    #[test]
    fn a_choice_is_what_was_wanted() {
        assert!(yes().reveal() && !no().reveal() && !Wanted::no().reveal());
        assert!(yes().or(no()).reveal() && no().or(yes()).reveal() && !no().or(no()).reveal());
        assert!(yes().and(yes()).reveal() && !yes().and(no()).reveal());
        assert!(!no().and(yes()).reveal() && no().not().reveal() && !yes().not().reveal());
        assert_eq!((yes().choose(3, 4), no().choose(3, 4)), (3, 4));
    }

    #[test]
    fn the_last_secret_that_is_wanted_is_chosen_and_the_first_when_none_is() {
        let secrets = [1, 2, 3].map(|byte| Secret::copy_of(&[byte; 4]));
        let [first, second, third] = &secrets;
        for (wants, expected) in [
            ([no(), no()], 1),
            ([yes(), no()], 2),
            ([no(), yes()], 3),
            ([yes(), yes()], 3),
        ] {
            let chosen = Secret::choose(first, wants.into_iter().zip([second, third]));
            assert!(chosen.equals(&[expected; 4]), "{expected}");
        }
    }
}
