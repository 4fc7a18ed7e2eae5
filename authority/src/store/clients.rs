//! The roll of clients in the store: what is enrolled or revoked at one instance counts at all of them with their next request.

use super::StoreError;
use super::row::{Row, Value};
use super::sql::{Sql, SqlStore};
use crate::client::{Client, ClientRole, Invitation, Roll, RollEdit};
use crate::roster::Proposal;

/// Who may connect to the service, and by which TLS authority its clients know it.
pub trait Clients {
    /// The client whose certificate has this SHA-256, in small hexadecimal digits; revoked or not.
    ///
    /// # Errors
    /// When the medium fails or a record is damaged; so for all below.
    fn client(&mut self, fingerprint: &str) -> Result<Option<Client>, StoreError>;

    /// The invitation whose code has this SHA-256, in small hexadecimal digits; expired or not.
    fn invitation(&mut self, code: &str) -> Result<Option<Invitation>, StoreError>;

    /// All clients and invitations.
    fn roll(&mut self) -> Result<Roll, StoreError>;

    /// Changes that no second operator has decided about, the newest 1,000, newest first; also those that have expired.
    fn proposals(&mut self) -> Result<Vec<Proposal>, StoreError>;

    /// Takes the store's write lock and gives all clients and invitations. Ends with [`Clients::commit_roll`], or with
    /// [`Store::abandon`](super::Store::abandon).
    fn begin_roll(&mut self) -> Result<Roll, StoreError>;

    /// Makes edits of the roll durable, all of them or none.
    fn commit_roll(&mut self, edits: &[RollEdit]) -> Result<(), StoreError>;

    /// SHA-256 of the certificate, DER, of the TLS authority that all instances have.
    fn tls_ca(&mut self) -> Result<Option<[u8; 32]>, StoreError>;

    /// Notes that fingerprint, unless one is noted; gives the one that is noted then.
    fn note_tls_ca(&mut self, fingerprint: &[u8; 32]) -> Result<[u8; 32], StoreError>;

    /// Notes no TLS authority any more: the next instance that starts brings its own.
    fn forget_tls_ca(&mut self) -> Result<(), StoreError>;
}

/// Columns of a client, in the order in which [`client`] takes them.
pub(super) const CLIENT: &str =
    "place, name, role, fingerprint, added, revoked, line, inviter, rights, day, ordered";
/// Columns of an invitation, in the order in which [`invitation`] takes them.
pub(super) const INVITATION: &str = "name, role, code, expires, line, inviter, rights";
/// Columns of a proposal, in the order in which [`proposal`] takes them.
pub(super) const PROPOSAL: &str = "line, time, client, until, wish, decided";
/// Most proposals that are looked at.
const MAX_PROPOSALS: u32 = 1_000;

impl<S: Sql> Clients for SqlStore<S> {
    fn client(&mut self, fingerprint: &str) -> Result<Option<Client>, StoreError> {
        let text = format!("SELECT {CLIENT} FROM clients WHERE fingerprint = $1");
        let found = self.read("a client", &text, &[fingerprint.into()], client)?;
        Ok(found.into_iter().next().map(|(_, client)| client))
    }

    fn invitation(&mut self, code: &str) -> Result<Option<Invitation>, StoreError> {
        let text = format!("SELECT {INVITATION} FROM invitations WHERE code = $1");
        let found = self.read("an invitation", &text, &[code.into()], invitation)?;
        Ok(found.into_iter().next())
    }

    fn roll(&mut self) -> Result<Roll, StoreError> {
        let text = format!("SELECT {CLIENT} FROM clients ORDER BY place");
        let clients = self.read("a client", &text, &[], client)?;
        let clients = clients.into_iter().map(|(_, client)| client).collect();
        let text = format!("SELECT {INVITATION} FROM invitations ORDER BY expires, name");
        let invitations = self.read("an invitation", &text, &[], invitation)?;
        Ok(Roll {
            clients,
            invitations,
        })
    }

    fn proposals(&mut self) -> Result<Vec<Proposal>, StoreError> {
        self.read("a proposal", &open_proposals(), &[], proposal)
    }

    fn begin_roll(&mut self) -> Result<Roll, StoreError> {
        self.lock()?;
        self.roll().inspect_err(|_| self.end())
    }

    fn commit_roll(&mut self, edits: &[RollEdit]) -> Result<(), StoreError> {
        self.settle(|store| edits.iter().try_for_each(|edit| store.edit(edit)))
    }

    fn tls_ca(&mut self) -> Result<Option<[u8; 32]>, StoreError> {
        let text = "SELECT tls_ca FROM service";
        let found = self.read("the TLS authority", text, &[], Row::array)?;
        Ok(found.into_iter().next())
    }

    fn note_tls_ca(&mut self, fingerprint: &[u8; 32]) -> Result<[u8; 32], StoreError> {
        if let Some(noted) = self.tls_ca()? {
            return Ok(noted);
        }
        self.lock()?;
        self.settle(|store| {
            if let Some(noted) = store.tls_ca()? {
                return Ok(noted); // another instance was faster
            }
            let text = "INSERT INTO service (id, tls_ca) VALUES (1, $1)";
            store.sql.execute(text, &[fingerprint[..].into()])?;
            Ok(*fingerprint)
        })
    }

    fn forget_tls_ca(&mut self) -> Result<(), StoreError> {
        self.lock()?;
        self.settle(|store| store.sql.execute("DELETE FROM service", &[]))
    }
}

impl<S: Sql> SqlStore<S> {
    fn edit(&mut self, edit: &RollEdit) -> Result<(), StoreError> {
        match edit {
            RollEdit::Invite(invitation) => {
                let row = [
                    invitation.name.as_str().into(),
                    invitation.role.word().into(),
                    invitation.code.as_str().into(),
                    invitation.expires.into(),
                ];
                let table = "invitations (name, role, code, expires)";
                self.insert(table, row.len(), &row, "")
            }
            RollEdit::Close(name) => {
                let text = "DELETE FROM invitations WHERE name = $1";
                self.sql.execute(text, &[name.as_str().into()])
            }
            RollEdit::Enrol(client) => {
                let text = "SELECT place FROM clients ORDER BY place DESC LIMIT 1";
                let last = self.read("a client", text, &[], Row::number::<u64>)?;
                let mut row = vec![
                    Value::from(last.first().map_or(1, |last| last + 1)),
                    client.name.as_str().into(),
                    client.role.word().into(),
                    client.fingerprint.as_str().into(),
                    client.added.into(),
                ];
                row.extend(client.revoked.map(Value::from));
                let revoked = client.revoked.map_or("", |_| ", revoked");
                let table = format!("clients (place, name, role, fingerprint, added{revoked})");
                self.insert(&table, row.len(), &row, "")
            }
            RollEdit::Revoke { name, at } => {
                let text = "UPDATE clients SET revoked = $1 WHERE name = $2 AND revoked IS NULL";
                self.sql
                    .execute(text, &[(*at).into(), name.as_str().into()])
            }
        }
    }
}

pub(super) fn open_proposals() -> String {
    format!(
        "SELECT {PROPOSAL} FROM proposals WHERE decided IS NULL ORDER BY line DESC LIMIT {MAX_PROPOSALS}"
    )
}

/// From [`CLIENT`]: its place, and the client.
pub(super) fn client(row: &mut Row) -> Option<(u64, Client)> {
    let place = row.number()?;
    let client = Client {
        name: row.text()?,
        role: ClientRole::from_word(&row.text()?)?,
        fingerprint: row.text()?,
        added: row.number()?,
        revoked: row.maybe_number()?,
        line: row.number()?,
        invited_by: row.maybe_text()?,
        rights: serde_json::from_str(&row.text()?).ok()?,
        day: row.number()?,
        ordered: row.number()?,
    };
    Some((place, client))
}

/// From [`INVITATION`].
pub(super) fn invitation(row: &mut Row) -> Option<Invitation> {
    Some(Invitation {
        name: row.text()?,
        role: ClientRole::from_word(&row.text()?)?,
        code: row.text()?,
        expires: row.number()?,
        line: row.number()?,
        invited_by: row.maybe_text()?,
        rights: serde_json::from_str(&row.text()?).ok()?,
    })
}

/// From [`PROPOSAL`].
pub(super) fn proposal(row: &mut Row) -> Option<Proposal> {
    Some(Proposal {
        line: row.number()?,
        time: row.number()?,
        by: row.text()?,
        until: row.number()?,
        wish: serde_json::from_str(&row.text()?).ok()?,
        decided: row.maybe_number()?,
    })
}
