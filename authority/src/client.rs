//! Clients of the network service, as the store keeps them: who may connect as what, and who is invited.

use crate::rights::Rights;
use serde::{Deserialize, Serialize};

/// What a client may do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "serve", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum ClientRole {
    /// Orders and requests certificates.
    #[default]
    Station,
    /// Approves, revokes, publishes, enrols.
    Operator,
    /// Reads, and changes nothing.
    Auditor,
}

impl ClientRole {
    /// As it stands in the store.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Station => "station",
            Self::Operator => "operator",
            Self::Auditor => "auditor",
        }
    }

    /// From [`word`](Self::word).
    pub(crate) fn from_word(word: &str) -> Option<Self> {
        let all = [Self::Station, Self::Operator, Self::Auditor];
        all.into_iter().find(|role| role.word() == word)
    }
}

/// A client, as the register knows it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "serve", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Client {
    /// 1 to 32 letters, digits, `-` or `_`; one client at a time has it.
    pub name: String,
    /// What it may do.
    pub role: ClientRole,
    /// SHA-256 of its certificate, DER, in small hexadecimal digits.
    pub fingerprint: String,
    /// When it was enrolled, Unix seconds.
    pub added: u64,
    /// When it was revoked, Unix seconds.
    pub revoked: Option<u64>,
    /// The operator who invited it; nobody where it was invited on the authority's machine, or before this was noted.
    #[serde(default)]
    pub invited_by: Option<String>,
    /// What it may order.
    #[serde(default)]
    pub rights: Rights,
    /// Number of the line of the ledger that made it a client; 0 while no line knows it.
    #[serde(skip)]
    pub line: u64,
    /// The day, in days since 1970, of its last order that was counted.
    #[serde(skip)]
    pub day: u64,
    /// Orders on that day.
    #[serde(skip)]
    pub ordered: u32,
}

/// An open invitation. Its code is known only as a hash.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Invitation {
    /// The client's name to be; one invitation at a time has it.
    pub name: String,
    /// Its role to be.
    pub role: ClientRole,
    /// SHA-256 of the code ([`EnrolmentCode::hash`](crate::EnrolmentCode::hash)), in small hexadecimal digits.
    pub code: String,
    /// Last second at which the code enrols, Unix time.
    pub expires: u64,
    /// The operator who invited it; nobody on the authority's machine.
    #[serde(default)]
    pub invited_by: Option<String>,
    /// What it may order.
    #[serde(default)]
    pub rights: Rights,
    /// Number of the line of the ledger that invites it; 0 while no line knows it.
    #[serde(skip)]
    pub line: u64,
}

/// Everyone who is enrolled or invited.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Roll {
    /// In the order in which they were enrolled, also those that were revoked.
    pub clients: Vec<Client>,
    /// Invitations that were not used.
    pub invitations: Vec<Invitation>,
}

impl Roll {
    /// The client that has this name now.
    pub fn active(&self, name: &str) -> Option<&Client> {
        let mut clients = self.clients.iter();
        clients.find(|client| client.name == name && client.revoked.is_none())
    }
}

/// One change of the roll.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RollEdit {
    /// A new invitation.
    Invite(Invitation),
    /// The invitation of this name was used, taken back, or has expired.
    Close(String),
    /// A new client.
    Enrol(Client),
    /// The client that has this name is revoked.
    Revoke {
        /// Its name.
        name: String,
        /// When, Unix seconds.
        at: u64,
    },
}
