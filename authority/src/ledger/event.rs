//! What a line of the ledger tells.

use super::text;
use crate::client::ClientRole;
use crate::rights::Rights;
use apdu::certificate::{Certificate, KeyId, Name, Request, Role, StatusList};
use serde::{Deserialize, Serialize};

/// Whose place a newly certified holder takes: an explicit re-certification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replaced {
    /// This holder's.
    Holder(Name),
    /// Nobody knows: a card was found to have been certified before, and no longer tells its name.
    Unknown,
}

/// A change of the service's clients. Certificates and codes stand here as SHA-256, in small hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "lowercase", deny_unknown_fields)]
pub enum ClientChange {
    /// A client is invited.
    Invited {
        /// Its name to be.
        name: String,
        /// Its role to be.
        role: ClientRole,
        /// What it may order.
        rights: Rights,
        /// Of its one-time code.
        code: String,
        /// Last second at which the code enrols, Unix time.
        expires: u64,
    },
    /// An invitation is taken back.
    Withdrawn {
        /// Whose.
        name: String,
    },
    /// A client has enrolled with its code.
    Enrolled {
        /// Its name.
        name: String,
        /// Of the code.
        code: String,
        /// Of its certificate.
        fingerprint: String,
    },
    /// A client that was enrolled before clients had lines.
    Adopted {
        /// Its name.
        name: String,
        /// Its role.
        role: ClientRole,
        /// Of its certificate.
        fingerprint: String,
        /// When it was enrolled, Unix seconds.
        added: u64,
        /// When it was revoked, Unix seconds.
        revoked: Option<u64>,
    },
    /// A client has another certificate.
    Renewed {
        /// Its name.
        name: String,
        /// Of the new certificate.
        fingerprint: String,
    },
    /// A client has other rights from now on.
    Granted {
        /// Its name.
        name: String,
        /// All that it may order.
        rights: Rights,
    },
    /// A client is revoked.
    Revoked {
        /// Its name.
        name: String,
    },
}

impl ClientChange {
    /// Whether it is the same change, but for the time until which a code is good.
    pub(crate) fn same(&self, other: &Self) -> bool {
        let timeless = |change: &Self| {
            let mut change = change.clone();
            if let Self::Invited { expires, .. } = &mut change {
                *expires = 0;
            }
            change
        };
        timeless(self) == timeless(other)
    }
}

/// What an operator wants to be done, and a second one has to confirm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wish {
    /// A change of the clients.
    Client(ClientChange),
    /// A status list that cuts off every certificate issued so far.
    CutOff,
}

/// One event. Names are never given twice; the last five characters of a name are its serial number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
#[expect(
    clippy::large_enum_variant,
    reason = "an event is made, written and dropped; nobody keeps many"
)]
pub enum Event {
    /// The authority came into being: the first line, and only the first.
    Root {
        /// The authority's name.
        #[serde(with = "text::name")]
        holder: Name,
        /// Id of its key (§7.4).
        #[serde(with = "text::key_id")]
        key_id: KeyId,
        /// The root certificate.
        #[serde(with = "text::certificate")]
        certificate: Certificate,
    },
    /// The authority got another root, which signs everything from here on.
    Rollover {
        /// The authority's name under the new root.
        #[serde(with = "text::name")]
        holder: Name,
        /// Id of the new root's key.
        #[serde(with = "text::key_id")]
        key_id: KeyId,
        /// The new root certificate.
        #[serde(with = "text::certificate")]
        certificate: Certificate,
        /// The link certificate: the same name and key, signed by the root before.
        #[serde(with = "text::certificate")]
        link: Certificate,
    },
    /// A nonce was given out, for one request.
    Challenge {
        /// The nonce.
        #[serde(with = "text::nonce")]
        nonce: [u8; 16],
        /// What the requester is to become.
        #[serde(with = "text::role")]
        role: Role,
        /// Under which name.
        #[serde(with = "text::name")]
        holder: Name,
        /// In place of which earlier holder: an explicit re-certification.
        #[serde(with = "text::replaced")]
        replaces: Option<Replaced>,
        /// Whether only the line's `by` answers it and reports its delivery. Missing in lines of before: those anybody may answer.
        #[serde(default, skip_serializing_if = "is_false")]
        bound: bool,
    },
    /// A request was found good, and waits for an operator. Its nonce, its name and its key are used up, whatever comes of it.
    Requested {
        /// The challenge it answers.
        #[serde(with = "text::nonce")]
        nonce: [u8; 16],
        /// What the requester is to become.
        #[serde(with = "text::role")]
        role: Role,
        /// Under which name.
        #[serde(with = "text::name")]
        holder: Name,
        /// Id of the key that is to be certified.
        #[serde(with = "text::key_id")]
        key_id: KeyId,
        /// In place of which earlier holder.
        #[serde(with = "text::replaced")]
        replaces: Option<Replaced>,
        /// Years of validity that were asked for; the role's default if `None`.
        years: Option<u8>,
        /// Last second at which it can be approved, Unix time.
        until: u64,
        /// The request, whose proof of possession holds: nothing else can be read.
        #[serde(with = "text::request")]
        request: Request,
    },
    /// An operator refused a request that waited: its name and key are never certified.
    Refused {
        /// Number of the line with the request.
        request: u64,
        /// Who was to be certified.
        #[serde(with = "text::name")]
        holder: Name,
        /// Why, in the operator's words.
        reason: String,
    },
    /// A certificate was signed.
    Issued {
        /// The challenge it answers.
        #[serde(with = "text::nonce")]
        nonce: [u8; 16],
        /// What the holder is.
        #[serde(with = "text::role")]
        role: Role,
        /// The holder.
        #[serde(with = "text::name")]
        holder: Name,
        /// Id of the certified key.
        #[serde(with = "text::key_id")]
        key_id: KeyId,
        /// In place of which earlier holder.
        #[serde(with = "text::replaced")]
        replaces: Option<Replaced>,
        /// The certificate.
        #[serde(with = "text::certificate")]
        certificate: Certificate,
        /// Number of the line with the request that an operator approved hereby; missing where none had to wait.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        approves: Option<u64>,
    },
    /// The holder was seen to have stored its certificate.
    Delivered {
        /// The holder.
        #[serde(with = "text::name")]
        holder: Name,
    },
    /// A holder was revoked.
    Revoked {
        /// The holder.
        #[serde(with = "text::name")]
        holder: Name,
        /// Why, in the operator's words.
        reason: String,
    },
    /// A status list was signed.
    List {
        /// Its number.
        sequence: u32,
        /// Certificates of a lower epoch are cut off.
        min_epoch: u32,
        /// The list.
        #[serde(with = "text::status_list")]
        list: StatusList,
        /// Number of the line that proposed to cut everything off, where a second operator confirms it hereby.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        confirms: Option<u64>,
    },
    /// The clients of the service changed.
    Client {
        /// How.
        change: ClientChange,
        /// Number of the line that proposed it, where a second operator confirms it hereby.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        confirms: Option<u64>,
    },
    /// An operator wants something that a second one has to confirm.
    Proposed {
        /// What.
        wish: Wish,
        /// Last second at which it can be confirmed, Unix time.
        until: u64,
    },
    /// An operator dismissed what was proposed.
    Dismissed {
        /// Number of the line that proposed it.
        proposal: u64,
    },
    /// A backup was put back. What was written after it is lost; all numbers leap over it, and open challenges are void.
    Restored {
        /// Lines of the backup: all lines before this one.
        size: u64,
        /// By how much the serial numbers of every prefix and the number of the next status list rise, and how many
        /// [`Event::Void`] lines follow.
        leap: u32,
    },
    /// The place of a line that may be lost.
    Void {},
    /// An operator said that the clock is right: the only line whose time may be before the line's before it.
    Clock {
        /// Why, in the operator's words.
        reason: String,
    },
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands in a reference"
)]
fn is_false(flag: &bool) -> bool {
    !flag
}

impl Event {
    /// The kind in one word; an issued certificate that replaces another is a re-certification.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Root { .. } => "root",
            Self::Rollover { .. } => "rollover",
            Self::Challenge { .. } => "challenge",
            Self::Requested { .. } => "requested",
            Self::Refused { .. } => "refused",
            Self::Issued { replaces: None, .. } => "issued",
            Self::Issued { .. } => "recertified",
            Self::Delivered { .. } => "delivered",
            Self::Revoked { .. } => "revoked",
            Self::List { .. } => "list",
            Self::Client { .. } => "client",
            Self::Proposed { .. } => "proposed",
            Self::Dismissed { .. } => "dismissed",
            Self::Restored { .. } => "restored",
            Self::Void {} => "void",
            Self::Clock { .. } => "clock",
        }
    }

    /// Whom it is about.
    pub fn holder(&self) -> Option<Name> {
        match self {
            Self::Root { holder, .. }
            | Self::Rollover { holder, .. }
            | Self::Challenge { holder, .. }
            | Self::Requested { holder, .. }
            | Self::Refused { holder, .. }
            | Self::Issued { holder, .. }
            | Self::Delivered { holder }
            | Self::Revoked { holder, .. } => Some(*holder),
            Self::List { .. }
            | Self::Client { .. }
            | Self::Proposed { .. }
            | Self::Dismissed { .. }
            | Self::Restored { .. }
            | Self::Void {}
            | Self::Clock { .. } => None,
        }
    }
}
