//! What one operator alone may not do: the settings.

use std::str::FromStr;

/// What waits for a second operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SecondOperator {
    /// Nothing.
    #[default]
    None,
    /// Changes of clients: invitations, revocations, rights.
    Clients,
    /// Cutting off every certificate issued so far.
    CutOff,
    /// Both.
    All,
}

/// The setting's words.
impl FromStr for SecondOperator {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        match word {
            "none" => Ok(Self::None),
            "clients" => Ok(Self::Clients),
            "cut-off" => Ok(Self::CutOff),
            "all" => Ok(Self::All),
            _ => Err(()),
        }
    }
}

/// Whether an operator may approve requests of stations that it invited itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ApproveOwn {
    /// Where nothing waits for a second operator.
    #[default]
    Auto,
    /// Yes.
    Yes,
    /// No.
    No,
}

/// The setting's words.
impl FromStr for ApproveOwn {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        match word {
            "auto" => Ok(Self::Auto),
            "yes" => Ok(Self::Yes),
            "no" => Ok(Self::No),
            _ => Err(()),
        }
    }
}

/// Both settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Second {
    /// What waits for a second operator.
    pub operator: SecondOperator,
    /// Whether operators approve requests of their own stations.
    pub approve_own: ApproveOwn,
}

impl Second {
    /// Whether changes of clients wait.
    pub fn clients(self) -> bool {
        use SecondOperator::{All, Clients};
        matches!(self.operator, Clients | All)
    }

    /// Whether cutting everything off waits.
    pub fn cut_off(self) -> bool {
        use SecondOperator::{All, CutOff};
        matches!(self.operator, CutOff | All)
    }

    /// Whether an operator may approve requests of stations that it invited itself.
    pub fn own_stations(self) -> bool {
        match self.approve_own {
            ApproveOwn::Auto => self.operator == SecondOperator::None,
            ApproveOwn::Yes => true,
            ApproveOwn::No => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_demands_what_it_names_and_own_stations_follow() {
        for (word, clients, cut_off) in [
            ("none", false, false),
            ("clients", true, false),
            ("cut-off", false, true),
            ("all", true, true),
        ] {
            for (own, allowed) in [("auto", word == "none"), ("yes", true), ("no", false)] {
                let second = Second {
                    operator: word.parse().unwrap(),
                    approve_own: own.parse().unwrap(),
                };
                let told = (second.clients(), second.cut_off(), second.own_stations());
                assert_eq!(told, (clients, cut_off, allowed), "{word} {own}");
            }
        }
        assert!("two".parse::<SecondOperator>().is_err() && "".parse::<ApproveOwn>().is_err());
    }
}
