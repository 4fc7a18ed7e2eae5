//! What a station may order: set when it is invited, kept in the ledger and with the client.

use crate::book::{counted, split};
use apdu::certificate::{Name, Role};
use serde::{Deserialize, Serialize};

/// Most years of validity that a station may ask for, unless its rights say otherwise.
pub const MOST_YEARS: u8 = 10;
/// How far above the highest serial number of a prefix a station may order a name by wish, unless its rights say otherwise.
pub const MOST_JUMP: u32 = 100;
/// Most prefixes in a client's rights.
const MOST_PREFIXES: usize = 32;

/// What can be certified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "serve", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum HolderKind {
    /// Cards.
    Card,
    /// Terminals.
    Terminal,
}

impl HolderKind {
    fn is(self, role: Role) -> bool {
        match self {
            Self::Card => role == Role::Card,
            Self::Terminal => role == Role::Terminal,
        }
    }
}

/// What a station may order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "serve", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Rights {
    /// Prefixes of names, two capital letters and 1 to 9 capital letters or digits each; all if empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub prefixes: Vec<String>,
    /// What it may have certified; cards and terminals if empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<HolderKind>,
    /// Most years of validity; 10 without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub years: Option<u8>,
    /// Most orders on one day, UTC; as many as it likes without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub daily: Option<u32>,
    /// How far above the highest serial number of its prefix it may choose a name; 100 without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jump: Option<u32>,
}

/// The client has no right to it. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RightRefused {
    /// Another prefix.
    #[error("this station may not order names of the prefix {0}; an operator can grant it")]
    Prefix(String),
    /// Cards instead of terminals, or the other way round.
    #[error("this station may not order a {0}; an operator can grant it")]
    Role(Role),
    /// The serial number is far away.
    #[error(
        "{name} is more than {most} above the highest serial number of its prefix, {highest}; take a lower number, or have an \
         operator grant the station a longer jump"
    )]
    Jump {
        /// The name.
        name: Name,
        /// The right.
        most: u32,
        /// The highest number so far.
        highest: u32,
    },
    /// The day's orders are used up.
    #[error(
        "this station has placed its {0} orders of today; go on tomorrow, or have an operator grant it more"
    )]
    Daily(u32),
    /// More years than it may ask for.
    #[error("{asked} years are more than the {most} that this station may ask for")]
    Years {
        /// What was asked.
        asked: u8,
        /// The right.
        most: u8,
    },
}

impl Rights {
    /// Whether these can stand in a client's record; if not, why.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn check(&self) -> Result<(), &'static str> {
        let good = |prefix: &String| crate::book::numbered(prefix, 1).is_some();
        if !self.prefixes.iter().all(good) {
            return Err("a prefix is two capital letters and 1 to 9 capital letters or digits");
        }
        if self.prefixes.len() > MOST_PREFIXES || self.roles.len() > 2 {
            return Err("rights name at most 32 prefixes and each role once");
        }
        match self.years {
            Some(0) => Err("a validity is at least one year"),
            _ => Ok(()),
        }
    }

    /// Most years of validity.
    pub fn most_years(&self) -> u8 {
        self.years.unwrap_or(MOST_YEARS)
    }

    /// Why a name of this role may not be ordered, if it may not. `highest`: the prefix's highest serial number; `today`: orders so far.
    pub(crate) fn refuse_order(
        &self,
        role: Role,
        name: &Name,
        highest: u32,
        today: u32,
    ) -> Result<(), RightRefused> {
        let prefix = split(name).map_or(name.as_str(), |(prefix, _)| prefix);
        if !self.prefixes.is_empty() && !self.prefixes.iter().any(|known| known == prefix) {
            return Err(RightRefused::Prefix(prefix.into()));
        }
        if !self.roles.is_empty() && !self.roles.iter().any(|kind| kind.is(role)) {
            return Err(RightRefused::Role(role));
        }
        let most = self.jump.unwrap_or(MOST_JUMP);
        if counted(name).is_some_and(|(_, serial)| serial > highest.saturating_add(most)) {
            let name = *name;
            return Err(RightRefused::Jump {
                name,
                most,
                highest,
            });
        }
        match self.daily {
            Some(most) if today >= most => Err(RightRefused::Daily(most)),
            _ => Ok(()),
        }
    }

    /// The years for a certificate that asks for so many, or for the role's default.
    pub(crate) fn years(&self, asked: Option<u8>, default: u8) -> Result<Option<u8>, RightRefused> {
        let most = self.most_years();
        match asked {
            Some(asked) if asked > most => Err(RightRefused::Years { asked, most }),
            None if default > most => Ok(Some(most)),
            asked => Ok(asked),
        }
    }
}
