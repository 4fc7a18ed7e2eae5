//! What goes over the interface as JSON about clients, and what a second operator confirms.

use super::clients::ClientRole;
use super::message::{CodeText, StatusListAnswer};
use crate::ledger::{ClientChange, Line, Wish};
use crate::{Proposal, Rights};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A one-time code. It is told here and never again.
#[derive(Serialize, JsonSchema)]
pub struct EnrolmentAnswer {
    /// The client's name.
    pub name: String,
    /// Its role.
    pub role: ClientRole,
    /// The code.
    pub code: CodeText,
    /// Last second at which it enrols, Unix time; where a second operator confirms, its day begins with that.
    pub expires: u64,
    /// The proposal that a second operator has to confirm before the code enrols; null where none has to.
    pub proposal: Option<String>,
}

/// It waits for a second operator.
#[derive(Serialize, JsonSchema)]
pub struct ProposedAnswer {
    /// Under this id.
    pub proposal: String,
}

impl From<Line> for ProposedAnswer {
    fn from(line: Line) -> Self {
        Self {
            proposal: line.sequence.to_string(),
        }
    }
}

/// A status list, or that it waits for a second operator.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
pub enum PublishedAnswer {
    /// The list.
    Published(StatusListAnswer),
    /// It waits.
    Proposed(ProposedAnswer),
}

/// An operator's word about a change that waits.
#[derive(Deserialize, JsonSchema)]
#[serde(tag = "decision", rename_all = "lowercase", deny_unknown_fields)]
pub enum ProposalBody {
    /// It is done; by another operator than who proposed it.
    Confirm {},
    /// It is not done.
    Dismiss {},
}

/// What is to be done.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProposalKind {
    /// Invite a client.
    Invite,
    /// Take back an invitation.
    Withdraw,
    /// Give a client other rights.
    Grant,
    /// Revoke a client.
    Revoke,
    /// Sign a status list that cuts off every certificate issued so far.
    CutOff,
    /// Another change of a client.
    Other,
}

/// A change that waits for a second operator.
#[derive(Serialize, JsonSchema)]
pub struct ProposalRow {
    /// Its id.
    pub id: String,
    /// The operator who proposed it.
    pub by: String,
    /// Since when, Unix seconds.
    pub since: u64,
    /// Last second at which it can be confirmed, Unix time.
    pub until: u64,
    /// What is to be done.
    pub what: ProposalKind,
    /// The client it is about.
    pub client: Option<String>,
    /// Its role to be, of an invitation.
    pub role: Option<ClientRole>,
    /// Its rights to be, of an invitation or other rights.
    pub rights: Option<Rights>,
}

impl From<Proposal> for ProposalRow {
    fn from(proposal: Proposal) -> Self {
        let mut row = Self {
            id: proposal.line.to_string(),
            by: proposal.by,
            since: proposal.time,
            until: proposal.until,
            what: ProposalKind::CutOff,
            client: None,
            role: None,
            rights: None,
        };
        let Wish::Client(change) = proposal.wish else {
            return row;
        };
        let (what, name) = match change {
            ClientChange::Invited {
                name, role, rights, ..
            } => {
                (row.role, row.rights) = (Some(role), Some(rights));
                (ProposalKind::Invite, name)
            }
            ClientChange::Granted { name, rights } => {
                row.rights = Some(rights);
                (ProposalKind::Grant, name)
            }
            ClientChange::Withdrawn { name } => (ProposalKind::Withdraw, name),
            ClientChange::Revoked { name } => (ProposalKind::Revoke, name),
            ClientChange::Enrolled { name, .. }
            | ClientChange::Adopted { name, .. }
            | ClientChange::Renewed { name, .. } => (ProposalKind::Other, name),
        };
        (row.what, row.client) = (what, Some(name));
        row
    }
}

/// All that wait for a second operator.
#[derive(Serialize, JsonSchema)]
pub struct ProposalsAnswer {
    /// Newest first, at most 1,000.
    pub proposals: Vec<ProposalRow>,
}
