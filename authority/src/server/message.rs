//! What goes over the interface as JSON. Unknown members are refused; binary values are base64 (RFC 4648 §4, padded).

use super::clients::{Client, ClientRole, Invited};
use super::desk::{HolderRow, Issued, Part, Waiting};
use super::problem::{MALFORMED, Problem};
use crate::ledger::Replaced;
use crate::{Challenge, Holder, NameOrder, Order, Rights, Scope};
use apdu::certificate::{Name, Role, StatusList};
use base64ct::{Base64, Encoding as _};
use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use zeroize::Zeroizing;

/// Bytes, as base64 with padding.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[schemars(transparent, inline, extend("contentEncoding" = "base64"))]
pub struct Binary(#[schemars(with = "String")] pub Vec<u8>);

impl Serialize for Binary {
    fn serialize<S: Serializer>(&self, sink: S) -> Result<S::Ok, S::Error> {
        sink.serialize_str(&Base64::encode_string(&self.0))
    }
}

impl<'de> Deserialize<'de> for Binary {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        let text = String::deserialize(source)?;
        let bytes = Base64::decode_vec(&text).map_err(|_| D::Error::custom("not base64"))?;
        Ok(Self(bytes))
    }
}

/// A name (`docs/protocol.md` §2): 8 to 16 capital letters and digits, of which the first two are letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema)]
#[schemars(transparent, inline, extend("pattern" = "^[A-Z]{2}[A-Z0-9]{6,14}$"))]
pub struct NameText(#[schemars(with = "String")] pub Name);

impl Serialize for NameText {
    fn serialize<S: Serializer>(&self, sink: S) -> Result<S::Ok, S::Error> {
        sink.serialize_str(self.0.as_str())
    }
}

impl<'de> Deserialize<'de> for NameText {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        name(&String::deserialize(source)?)
            .map_err(D::Error::custom)
            .map(Self)
    }
}

/// A name from its text.
pub(super) fn name(text: &str) -> Result<Name, &'static str> {
    Name::new(text)
        .ok_or("a name is 8 to 16 capital letters and digits, of which the first two are letters")
}

/// What is to be certified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum HolderRole {
    /// A card.
    Card,
    /// A terminal.
    Terminal,
}

impl HolderRole {
    /// The role's word; `None` for an authority, which this interface does not certify.
    fn of(role: Role) -> Option<Self> {
        match role {
            Role::Card => Some(Self::Card),
            Role::Terminal => Some(Self::Terminal),
            Role::Authority => None,
        }
    }
}

impl From<HolderRole> for Role {
    fn from(role: HolderRole) -> Self {
        match role {
            HolderRole::Card => Self::Card,
            HolderRole::Terminal => Self::Terminal,
        }
    }
}

/// The root certificate.
#[derive(Serialize, JsonSchema)]
pub struct RootAnswer {
    /// Its holder: the authority's name.
    pub name: NameText,
    /// The certificate, DER.
    pub certificate: Binary,
}

/// A root, and how one comes to it from the one before.
#[derive(Serialize, JsonSchema)]
pub struct LinkedRoot {
    /// Its holder: the authority's name under this root.
    pub name: NameText,
    /// The root certificate, DER.
    pub certificate: Binary,
    /// The link certificate, DER: the same name and key, signed by the root before. Null for the first.
    pub link: Option<Binary>,
    /// The inclusion receipt of the line that tells of it, under the newest root.
    pub receipt: Value,
}

/// All roots.
#[derive(Serialize, JsonSchema)]
pub struct RootsAnswer {
    /// Oldest first; the last one signs.
    pub roots: Vec<LinkedRoot>,
}

/// A signed status list.
#[derive(Serialize, JsonSchema)]
pub struct StatusListAnswer {
    /// Its number, from 1.
    pub sequence: u32,
    /// Certificates of a lower epoch are cut off.
    pub min_epoch: u32,
    /// The list, as cards take it.
    pub status_list: Binary,
}

impl From<&StatusList> for StatusListAnswer {
    fn from(list: &StatusList) -> Self {
        Self {
            sequence: list.claims().sequence,
            min_epoch: list.claims().min_epoch,
            status_list: Binary(list.encoded().to_vec()),
        }
    }
}

/// A one-time code as text: 56 letters and digits; hyphens and blanks do not count. Wiped when it dies.
#[derive(JsonSchema)]
#[schemars(transparent, inline)]
pub struct CodeText(#[schemars(with = "String")] pub Zeroizing<String>);

impl Serialize for CodeText {
    fn serialize<S: Serializer>(&self, sink: S) -> Result<S::Ok, S::Error> {
        sink.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for CodeText {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        Ok(Self(String::deserialize(source)?.into()))
    }
}

/// A one-time code, and the key that is to be certified for it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EnrolBody {
    /// The code, as printed.
    pub code: CodeText,
    /// A certificate request, PKCS#10 (RFC 2986), DER. Only its key is used.
    pub csr: Binary,
}

/// A new client.
#[derive(Serialize, JsonSchema)]
pub struct EnrolAnswer {
    /// Its name.
    pub name: String,
    /// What it may do.
    pub role: ClientRole,
    /// Its certificate, X.509, DER.
    pub certificate: Binary,
    /// The service's TLS CA, X.509, DER: trust this one, and only this one, for this service.
    pub tls_ca: Binary,
}

/// Who is to be certified, under which name.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OrderBody {
    /// As what.
    pub role: HolderRole,
    /// Under which name.
    pub name: NameChoice,
}

/// Which name the holder is to get.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NameChoice {
    /// This one.
    Exactly(NameText),
    /// The next free serial number under this prefix.
    NextOf(String),
    /// The next free serial number under the prefix of an earlier holder, whose place it takes.
    InPlaceOf(NameText),
    /// The next free serial number under this prefix, for a card that was certified before, nobody knows as what.
    InPlaceOfUnknown(String),
}

impl From<&OrderBody> for Order {
    fn from(body: &OrderBody) -> Self {
        Self {
            role: body.role.into(),
            name: match &body.name {
                NameChoice::Exactly(name) => NameOrder::Exactly(name.0),
                NameChoice::NextOf(prefix) => NameOrder::NextOf(prefix.clone()),
                NameChoice::InPlaceOf(name) => NameOrder::InPlaceOf(name.0),
                NameChoice::InPlaceOfUnknown(prefix) => NameOrder::InPlaceOfUnknown(prefix.clone()),
            },
        }
    }
}

/// What the requester has to put into its request.
#[derive(Serialize, JsonSchema)]
pub struct ChallengeAnswer {
    /// The authority, CAR.
    pub issuer: NameText,
    /// The requester's name, CHR.
    pub holder: NameText,
    /// Its role.
    pub role: HolderRole,
    /// The nonce, 16 bytes, good for one request.
    pub nonce: Binary,
    /// Last second at which it may be answered, Unix time.
    pub expires: u64,
    /// Whose place is taken; `unknown` if nobody knows.
    pub replaces: Option<String>,
}

impl TryFrom<Challenge> for ChallengeAnswer {
    type Error = Problem;

    fn try_from(challenge: Challenge) -> Result<Self, Problem> {
        Ok(Self {
            issuer: NameText(challenge.issuer),
            holder: NameText(challenge.holder),
            role: HolderRole::of(challenge.role)
                .ok_or_else(|| Problem::new(MALFORMED, "only cards and terminals are certified"))?,
            nonce: Binary(challenge.nonce.to_vec()),
            expires: challenge.expires,
            replaces: challenge.replaces.map(replaced),
        })
    }
}

fn replaced(replaced: Replaced) -> String {
    match replaced {
        Replaced::Holder(name) => name.to_string(),
        Replaced::Unknown => "unknown".into(),
    }
}

/// A certificate request of a card or terminal.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestBody {
    /// The request (`docs/protocol.md` §7.2), DER, with its proof of possession.
    pub request: Binary,
    /// What was ordered.
    pub role: HolderRole,
    /// Years of validity; the role's default without.
    pub years: Option<u8>,
}

/// What became of a request.
#[derive(Serialize, JsonSchema)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum RequestAnswer {
    /// The certificate was issued.
    Issued {
        /// The certificate, DER.
        certificate: Binary,
        /// The log's inclusion receipt; null where no tree is kept.
        receipt: Value,
    },
    /// An operator has to say yes first.
    AwaitingApproval {
        /// Ask for it under this id.
        id: String,
    },
    /// There will be no certificate for it; name and key are used up.
    Refused {
        /// Why.
        reason: String,
    },
}

impl From<Issued> for RequestAnswer {
    fn from(issued: Issued) -> Self {
        Self::Issued {
            certificate: Binary(issued.certificate.encoded().to_vec()),
            receipt: issued.receipt,
        }
    }
}

/// Certificates that may never have reached their holder.
#[derive(Serialize, JsonSchema)]
pub struct WaitingCertificatesAnswer {
    /// The certificates, DER, newest first, at most 256.
    pub certificates: Vec<Binary>,
    /// The station's own requests that wait for an operator, oldest first, at most 256.
    pub requests: Vec<WaitingRow>,
}

/// A holder, with its certificate.
#[derive(Serialize, JsonSchema)]
pub struct HolderCertificateAnswer {
    /// Its name.
    pub holder: NameText,
    /// Its certificate, DER.
    pub certificate: Binary,
    /// Whether it was seen to have stored it.
    pub delivered: bool,
    /// Why it was revoked; null when it was not.
    pub revoked: Option<String>,
}

impl From<Holder> for HolderCertificateAnswer {
    fn from(holder: Holder) -> Self {
        Self {
            holder: NameText(holder.certificate.claims().holder),
            certificate: Binary(holder.certificate.encoded().to_vec()),
            delivered: holder.delivered,
            revoked: holder.revoked,
        }
    }
}

/// A holder has stored its certificate.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeliveryBody {
    /// Which.
    pub holder: NameText,
}

/// An operator's word about a waiting request.
#[derive(Deserialize, JsonSchema)]
#[serde(tag = "decision", rename_all = "lowercase", deny_unknown_fields)]
pub enum ApprovalBody {
    /// Yes: the certificate is issued.
    Approve {},
    /// No.
    Refuse {
        /// Why: one line of 1 to 200 bytes.
        reason: String,
    },
}

/// A request that waits.
#[derive(Serialize, JsonSchema)]
pub struct WaitingRow {
    /// Its id.
    pub id: String,
    /// The station that asked.
    pub client: String,
    /// Who is to be certified.
    pub holder: NameText,
    /// As what.
    pub role: Option<HolderRole>,
    /// Since when, Unix seconds.
    pub since: u64,
    /// Last second at which it can be approved, Unix time.
    pub until: u64,
    /// Id of the key that is to be certified, 16 hexadecimal digits.
    pub key_id: String,
    /// Whose place is taken; `unknown` if nobody knows.
    pub replaces: Option<String>,
    /// For how many years the certificate is to be valid.
    pub years: u8,
}

impl From<Waiting> for WaitingRow {
    fn from(row: Waiting) -> Self {
        Self {
            id: row.id,
            client: row.client,
            holder: NameText(row.holder),
            role: HolderRole::of(row.role),
            since: row.since,
            until: row.until,
            key_id: row.key_id.to_string(),
            replaces: row.replaces.map(replaced),
            years: row.years,
        }
    }
}

/// Who is to be revoked, for ever.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RevocationBody {
    /// Whom.
    pub holder: NameText,
    /// Why: one line of 1 to 200 bytes.
    pub reason: String,
}

/// What the next status list cuts off.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StatusListBody {
    /// Whom.
    pub scope: ScopeWord,
}

/// Whom a status list cuts off.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ScopeWord {
    /// The revoked holders, by name.
    Revoked,
    /// Every certificate issued so far.
    Everything,
}

impl From<ScopeWord> for Scope {
    fn from(word: ScopeWord) -> Self {
        match word {
            ScopeWord::Revoked => Self::Revoked,
            ScopeWord::Everything => Self::Everything,
        }
    }
}

/// A holder of a certificate.
#[derive(Serialize, JsonSchema)]
pub struct HolderAnswer {
    /// Its name.
    pub holder: NameText,
    /// What it is; null for an authority.
    pub role: Option<HolderRole>,
    /// When its certificate was signed, Unix seconds.
    pub issued: u64,
    /// Its certificate's last day, ISO 8601.
    pub until: String,
    /// Whether it was seen to have stored its certificate.
    pub delivered: bool,
    /// Why it was revoked.
    pub revoked: Option<String>,
    /// In whose place it was certified; `unknown` if nobody knows.
    pub replaces: Option<String>,
    /// Its certificate, DER.
    pub certificate: Binary,
}

impl From<HolderRow> for HolderAnswer {
    fn from(row: HolderRow) -> Self {
        Self {
            holder: NameText(row.holder),
            role: HolderRole::of(row.role),
            issued: row.issued,
            until: row.until,
            delivered: row.delivered,
            revoked: row.revoked,
            replaces: row.replaces.map(replaced),
            certificate: Binary(row.certificate.encoded().to_vec()),
        }
    }
}

/// A page of holders.
#[derive(Serialize, JsonSchema)]
pub struct HoldersAnswer {
    /// The holders, in the order of their names.
    pub holders: Vec<HolderAnswer>,
    /// Ask with `after` this for the next page; null on the last.
    pub next: Option<NameText>,
}

/// Who is invited to enrol.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EnrolmentBody {
    /// The client's name: 1 to 32 letters, digits, `-` or `_`.
    pub name: String,
    /// What it may do.
    pub role: ClientRole,
    /// What it may order; without, whatever a station may.
    #[serde(default)]
    pub rights: Rights,
}

/// All that wait for an operator.
#[derive(Serialize, JsonSchema)]
pub struct WaitingAnswer {
    /// Oldest first, at most 1,000.
    pub waiting: Vec<WaitingRow>,
}

/// All open invitations.
#[derive(Serialize, JsonSchema)]
pub struct EnrolmentsAnswer {
    /// In the order in which they were made.
    pub enrolments: Vec<Invited>,
}

/// All clients.
#[derive(Serialize, JsonSchema)]
pub struct ClientsAnswer {
    /// In the order in which they were enrolled, with those that were revoked.
    pub clients: Vec<Client>,
}

/// How the authority is.
#[derive(Serialize, JsonSchema)]
pub struct HealthAnswer {
    /// Whether every part is well.
    pub ok: bool,
    /// The parts.
    pub parts: Vec<PartAnswer>,
}

/// A part of the authority.
#[derive(Serialize, JsonSchema)]
pub struct PartAnswer {
    /// Its name.
    pub name: &'static str,
    /// Whether it is well.
    pub ok: bool,
    /// What is wrong.
    pub wrong: Option<String>,
}

impl From<Part> for PartAnswer {
    fn from(part: Part) -> Self {
        Self {
            name: part.name,
            ok: part.wrong.is_none(),
            wrong: part.wrong,
        }
    }
}

/// Done; nothing to say.
#[derive(Serialize, JsonSchema)]
pub struct Nothing {}
