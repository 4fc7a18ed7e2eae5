//! The setting that says whose certificates wait for an operator.

use apdu::certificate::Role;
use std::str::FromStr;

/// Whose certificates an operator has to approve before they are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Approval {
    /// Nobody's.
    #[default]
    None,
    /// Those of cards.
    Cards,
    /// Those of terminals.
    Terminals,
    /// All.
    All,
}

impl Approval {
    /// Whether a certificate of this role has to wait.
    pub fn is_needed(self, role: Role) -> bool {
        match self {
            Self::None => false,
            Self::Cards => role == Role::Card,
            Self::Terminals => role == Role::Terminal,
            Self::All => true,
        }
    }
}

/// The setting's words.
impl FromStr for Approval {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        match word {
            "none" => Ok(Self::None),
            "cards" => Ok(Self::Cards),
            "terminals" => Ok(Self::Terminals),
            "all" => Ok(Self::All),
            _ => Err(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_asks_for_the_roles_that_it_names_and_other_words_are_none() {
        for (word, card, terminal) in [
            ("none", false, false),
            ("cards", true, false),
            ("terminals", false, true),
            ("all", true, true),
        ] {
            let approval: Approval = word.parse().unwrap();
            let needed = [Role::Card, Role::Terminal].map(|role| approval.is_needed(role));
            assert_eq!(needed, [card, terminal], "{word}");
        }
        for word in ["", "None", "card", "cards,terminals", "true"] {
            assert!(word.parse::<Approval>().is_err(), "{word}");
        }
        assert_eq!(Approval::default(), Approval::None);
    }
}
