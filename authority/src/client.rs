//! Clients of the network service, as the store keeps them: who may connect as what, and who is invited.

use serde::{Deserialize, Serialize};

/// What a client may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "serve", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum ClientRole {
    /// Orders and requests certificates.
    Station,
    /// Approves, revokes, publishes, enrols.
    Operator,
}

impl ClientRole {
    /// As it stands in the store.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Station => "station",
            Self::Operator => "operator",
        }
    }

    /// From [`word`](Self::word).
    pub(crate) fn from_word(word: &str) -> Option<Self> {
        let all = [Self::Station, Self::Operator];
        all.into_iter().find(|role| role.word() == word)
    }
}

/// A client, as the register knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
}

/// An open invitation. Its code is known only as a hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
