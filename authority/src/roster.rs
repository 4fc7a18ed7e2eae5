//! Clients of the service as the ledger knows them: every change of them and of their rights is a line.
//!
//! Rows that are older than the first such line are adopted, each by a line of its own, with the next change.

use crate::book::Book;
use crate::client::{Client, ClientRole, Invitation};
use crate::client_change::{check, proposed};
use crate::ledger::{ClientChange, Event, Line, Wish};
use crate::rights::{RightRefused, Rights};
use apdu::certificate::{Name, Role};
use planted::planted;
use std::collections::BTreeMap;

/// How long a code enrols, in seconds: a day.
pub const CODE_LIFETIME: u64 = 86_400;
/// How long a change waits for a second operator, in seconds: 7 days.
pub const PROPOSAL_LIFETIME: u64 = 7 * 86_400;
/// Most clients, with those that were revoked, and most open invitations.
pub(crate) const MAX_ROWS: usize = 10_000;
const DAY: u64 = 86_400;

/// A change that waits, or has waited, for a second operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// Number of its line: its id.
    pub line: u64,
    /// When it was made, Unix seconds.
    pub time: u64,
    /// The operator who made it.
    pub by: String,
    /// Last second at which it can be confirmed, Unix time.
    pub until: u64,
    /// What is to be done.
    pub wish: Wish,
    /// The line that confirmed or dismissed it.
    pub decided: Option<u64>,
}

/// The change of clients cannot be made. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientRefused {
    /// No such name.
    #[error("a client's name is 1 to 32 letters, digits, `-` or `_`")]
    Name,
    /// There is one.
    #[error("{0} is enrolled or invited already; take another name, or revoke it first")]
    Taken(String),
    /// Wrong, used or expired: these look the same from outside.
    #[error("no open invitation has this code: it is wrong, was used, or has expired")]
    NoInvitation,
    /// Nobody active has this name.
    #[error("no client of this name is enrolled or invited")]
    Unknown,
    /// 10,000 rows.
    #[error("the register of clients is full")]
    Full,
    /// Not such rights.
    #[error("{0}")]
    Rights(&'static str),
    /// Revoked while it asked.
    #[error("{0} is not enrolled any more")]
    NotEnrolled(String),
    /// No change waits under this number.
    #[error(
        "no change with the number {0} waits for a second operator: it was decided, has expired, or never was"
    )]
    NoProposal(u64),
    /// Two people are needed.
    #[error("{0} proposed the change itself; another operator has to confirm it")]
    OwnProposal(String),
}

/// The clients that a change looks at.
#[derive(Clone, Default)]
pub(crate) struct Roster {
    /// By place: the order in which they were enrolled.
    pub clients: BTreeMap<u64, Client>,
    /// Places of the active ones, by name.
    active: BTreeMap<String, u64>,
    /// By name.
    pub invitations: BTreeMap<String, Invitation>,
    /// By line.
    pub proposals: BTreeMap<u64, Proposal>,
    /// Whether any line ever enrolled or adopted a client: from then on every client has one.
    pub proven: bool,
}

impl Roster {
    pub(crate) fn enlist(&mut self, place: u64, client: Client) {
        if client.revoked.is_none() {
            self.active.insert(client.name.clone(), place);
        }
        self.clients.insert(place, client);
    }

    pub(crate) fn active(&self, name: &str) -> Option<&Client> {
        self.clients.get(self.active.get(name)?)
    }

    /// The client whose line the ledger has.
    fn known(&self, by: Option<&str>) -> Option<&Client> {
        let known = self.active(by?);
        known.filter(|client| client.line > 0)
    }

    fn today(client: &Client, time: u64) -> u32 {
        match client.day == time / DAY {
            true => client.ordered,
            false => 0,
        }
    }

    /// Whether a client has the right to this order.
    pub(crate) fn refuse_order(
        &self,
        by: Option<&str>,
        role: Role,
        name: &Name,
        highest: u32,
        time: u64,
    ) -> Result<(), RightRefused> {
        match by.and_then(|by| self.active(by)) {
            None => Ok(()),
            Some(client) => {
                let today = Self::today(client, time);
                client.rights.refuse_order(role, name, highest, today)
            }
        }
    }

    /// What a client may order; nothing where no client of this name is enrolled.
    pub(crate) fn rights(&self, by: Option<&str>) -> Option<&Rights> {
        by.and_then(|by| self.active(by))
            .map(|client| &client.rights)
    }
}

/// The rules as the lines alone tell them.
impl Book {
    /// Whether the line's client is enrolled in a role that may do this.
    pub(crate) fn permit_client(&self, line: &Line) -> Result<(), &'static str> {
        let Some(by) = line.by.as_deref().filter(|_| self.roster.proven) else {
            return Ok(());
        };
        let needed = match &line.event {
            Event::Challenge { .. }
            | Event::Requested { .. }
            | Event::Issued { approves: None, .. }
            | Event::Delivered { .. } => ClientRole::Station,
            Event::Client { change, .. } => match change {
                ClientChange::Enrolled { name, .. } if name == by => return Ok(()),
                ClientChange::Renewed { name, .. } if name == by => {
                    match self.roster.known(Some(by)) {
                        Some(_) => return Ok(()),
                        None => return Err("a client that is not enrolled renews itself"),
                    }
                }
                _ => ClientRole::Operator,
            },
            _ => ClientRole::Operator,
        };
        match self.roster.known(Some(by)) {
            Some(client) if client.role == needed => Ok(()),
            _ => Err("its client is not enrolled in a role that may do this"),
        }
    }

    /// Whether the line's client may order this name; counts the order.
    pub(crate) fn permit_order(
        &mut self,
        line: &Line,
        role: Role,
        name: &Name,
        highest: u32,
    ) -> Result<(), &'static str> {
        let Some(client) = self.roster.known(line.by.as_deref()) else {
            return Ok(());
        };
        let today = Roster::today(client, line.time);
        if client
            .rights
            .refuse_order(role, name, highest, today)
            .is_err()
        {
            return Err("the client has no right to this order");
        }
        let place = self.roster.active.get(&client.name).copied().unwrap_or(0);
        if let Some(client) = self.roster.clients.get_mut(&place)
            && client.rights.daily.is_some()
        {
            (client.day, client.ordered) = (line.time / DAY, today.saturating_add(1));
            self.gained.clients.insert(place);
        }
        Ok(())
    }

    /// Most years that the line's client may ask for, if the ledger knows it.
    pub(crate) fn most_years(&self, by: Option<&str>) -> Option<u8> {
        self.roster
            .known(by)
            .map(|client| client.rights.most_years())
    }

    pub(crate) fn enter_client(
        &mut self,
        change: &ClientChange,
        confirms: Option<u64>,
        line: &Line,
    ) -> Result<(), &'static str> {
        let author = match confirms {
            None => line.by.clone(),
            Some(proposal) => Some(self.decide(proposal, line, |wish| match wish {
                Wish::Client(wish) => wish.same(change),
                Wish::CutOff => false,
            })?),
        };
        if check(self, change, line.time).is_err() {
            return Err("this change contradicts the clients as they are");
        }
        let invitation = |book: &mut Self, name: &str| {
            book.gained.invitations.insert(name.into());
            book.roster.invitations.remove(name)
        };
        match change {
            ClientChange::Invited {
                name,
                role,
                rights,
                code,
                expires,
            } => {
                if *expires > line.time.saturating_add(CODE_LIFETIME) {
                    return Err("the code is good for too long");
                }
                let old: Vec<String> = (self.roster.invitations.values())
                    .filter(|open| open.expires < line.time)
                    .map(|open| open.name.clone())
                    .collect();
                for name in old {
                    invitation(self, &name);
                }
                let open = Invitation {
                    name: name.clone(),
                    role: *role,
                    code: code.clone(),
                    expires: *expires,
                    invited_by: author,
                    rights: rights.clone(),
                    line: line.sequence,
                };
                self.gained.invitations.insert(name.clone());
                self.roster.invitations.insert(name.clone(), open);
            }
            ClientChange::Withdrawn { name } => {
                invitation(self, name);
            }
            ClientChange::Enrolled {
                name, fingerprint, ..
            } => {
                if line.by.as_deref().is_some_and(|by| by != name) {
                    return Err("another client enrols");
                }
                let open = invitation(self, name).ok_or("nobody invited it")?;
                self.add_client(Client {
                    name: open.name,
                    role: open.role,
                    fingerprint: fingerprint.clone(),
                    added: line.time,
                    invited_by: open.invited_by,
                    rights: open.rights,
                    line: line.sequence,
                    ..Client::default()
                })?;
            }
            ClientChange::Adopted {
                name,
                role,
                fingerprint,
                added,
                revoked,
            } => {
                if line.by.is_some() {
                    return Err("a client adopts another");
                }
                self.add_client(Client {
                    name: name.clone(),
                    role: *role,
                    fingerprint: fingerprint.clone(),
                    added: *added,
                    revoked: *revoked,
                    line: line.sequence,
                    ..Client::default()
                })?;
            }
            ClientChange::Renewed { name, fingerprint } => {
                if self.has_fingerprint(fingerprint) {
                    return Err("a client has this certificate already");
                }
                self.edit_client(name, |client| client.fingerprint.clone_from(fingerprint));
            }
            ClientChange::Granted { name, rights } => {
                self.edit_client(name, |client| client.rights = rights.clone());
            }
            ClientChange::Revoked { name } => {
                self.edit_client(name, |client| client.revoked = Some(line.time));
                self.roster.active.remove(name);
            }
        }
        Ok(())
    }

    pub(crate) fn enter_proposal(
        &mut self,
        wish: &Wish,
        until: u64,
        line: &Line,
    ) -> Result<(), &'static str> {
        let by = line.by.clone().ok_or("nobody proposed it")?;
        let proposal = Proposal {
            line: line.sequence,
            time: line.time,
            by,
            until,
            wish: wish.clone(),
            decided: None,
        };
        self.gained.proposals.insert(line.sequence);
        self.roster.proposals.insert(line.sequence, proposal);
        Ok(())
    }

    /// A proposal is decided by this line; gives who made it. Without `fits` it is dismissed, which its author may do as well.
    pub(crate) fn decide(
        &mut self,
        proposal: u64,
        line: &Line,
        fits: impl Fn(&Wish) -> bool,
    ) -> Result<String, &'static str> {
        let dismissed = matches!(line.event, Event::Dismissed { .. });
        let by = line.by.as_deref().filter(|_| !dismissed);
        if line.by.is_none() {
            return Err("nobody decided about the proposal");
        }
        let wish = proposed(self, proposal, by, line.time);
        let wish = wish.map_err(|_| "the proposal cannot be decided by this client now")?;
        if !fits(&wish) {
            return Err("the proposal was for another change");
        }
        self.gained.proposals.insert(proposal);
        let found = self.roster.proposals.get_mut(&proposal);
        let found = found.ok_or("no such proposal")?;
        found.decided = Some(line.sequence);
        Ok(found.by.clone())
    }

    fn has_fingerprint(&self, fingerprint: &str) -> bool {
        let mut all = self.roster.clients.values();
        all.any(|client| client.fingerprint == fingerprint)
    }

    /// A new client takes the next place; one that no line knew keeps its own.
    fn add_client(&mut self, client: Client) -> Result<(), &'static str> {
        let mut unknown = self.roster.clients.iter();
        let unknown =
            unknown.find(|(_, old)| old.line == 0 && old.fingerprint == client.fingerprint);
        let place = match unknown {
            Some((place, _)) => *place,
            None if self.has_fingerprint(&client.fingerprint) => {
                return Err("a client has this certificate already");
            }
            None if client.revoked.is_none() && self.roster.active(&client.name).is_some() => {
                return Err("a client has this name already");
            }
            None => (self.roster.clients.keys().next_back()).map_or(1, |last| last + 1),
        };
        self.gained.clients.insert(place);
        self.roster.proven = true;
        self.roster.enlist(place, client);
        Ok(())
    }

    fn edit_client(&mut self, name: &str, edit: impl FnOnce(&mut Client)) {
        let place = self.roster.active.get(name).copied().unwrap_or(0);
        if let Some(client) = self.roster.clients.get_mut(&place) {
            edit(client);
            self.gained.clients.insert(place);
        }
    }
}

/// Whether the rows of clients are compared with their lines.
pub(crate) fn rows_are_compared() -> bool {
    !planted("client-rows-not-compared")
}
