//! What follows from the ledger, as far as one change looks at it. Every new line passes through here before it is written.

use crate::approval::Asked;
use crate::custody::Signer;
use crate::error::AuthorityError;
use crate::leap::Restoration;
use crate::ledger::{Event, Fault, Line, Replaced, Wish};
use crate::moment::last_day;
use crate::roots::{Root, Roots, links};
use crate::roster::Roster;
use crate::status::is_reason;
use crate::store::{Done, Token};
use apdu::certificate::{Certificate, HolderHash, Name, Role, StatusList};
use planted::planted;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Length of the serial number at the end of a name.
const SERIAL: usize = 5;

/// On whose behalf a certificate was ordered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// Ordered before orders were bound to clients.
    Unbound,
    /// A command on the authority's own machine.
    Machine,
    /// The client of the service that has this name.
    Client(String),
}

impl Owner {
    /// Of a new order by this client; `None` for a command on the authority's machine.
    pub(crate) fn of(by: Option<&str>) -> Self {
        by.map_or(Self::Machine, |name| Self::Client(name.into()))
    }

    /// Whether `by` may answer the order and report its delivery. A command on the authority's machine may.
    pub(crate) fn admits(&self, by: Option<&str>) -> bool {
        if planted("order-answered-by-anyone") {
            return true;
        }
        match (self, by) {
            (Self::Unbound, _) | (_, None) => true,
            (Self::Machine, Some(_)) => false,
            (Self::Client(owner), Some(by)) => owner == by,
        }
    }
}

/// A holder of a certificate, as the ledger knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Its certificate: name, role, key, dates, epoch.
    pub certificate: Certificate,
    /// When the certificate was signed, Unix seconds.
    pub issued: u64,
    /// The holder it replaces: an explicit re-certification.
    pub replaces: Option<Replaced>,
    /// Whether the certificate was seen stored by its holder.
    pub delivered: bool,
    /// Why it was revoked.
    pub revoked: Option<String>,
    /// Who ordered it.
    pub owner: Owner,
}

/// A challenge that was given out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// When, Unix seconds.
    pub time: u64,
    /// What the requester is to become.
    pub role: Role,
    /// Under which name.
    pub holder: Name,
    /// In whose place.
    pub replaces: Option<Replaced>,
    /// Whether it was answered.
    pub used: bool,
    /// Who may answer it.
    pub owner: Owner,
}

/// The records that one change looks at, and what it adds to them.
#[derive(Clone)]
pub struct Book {
    /// The roots.
    pub(crate) roots: Roots,
    /// Lines before this change.
    pub(crate) size: u64,
    /// Time of the last line, Unix seconds.
    pub(crate) last_time: u64,
    /// The newest status list.
    pub(crate) list: Option<StatusList>,
    /// Revoked holders whose certificates are of the epoch in force.
    pub(crate) cut_off: BTreeSet<HolderHash>,
    /// Holders, with the number of the line that made each.
    pub(crate) holders: BTreeMap<Name, (Holder, u64)>,
    pub(crate) challenges: HashMap<[u8; 16], Given>,
    /// Who has a key: compressed points. Each key is certified once.
    pub(crate) points: HashMap<[u8; 33], Name>,
    /// Requests that wait or have waited for an operator, by their lines' numbers.
    pub(crate) requests: BTreeMap<u64, Asked>,
    /// The names in them, and who asked for a key: compressed points.
    pub(crate) asked_names: BTreeSet<Name>,
    pub(crate) asked_points: HashMap<[u8; 33], Name>,
    /// Highest serial number that was ever planned or given under a prefix.
    pub(crate) serials: BTreeMap<String, u32>,
    /// Serial numbers below this one may have been given by lines that are lost, by prefix.
    pub(crate) barriers: BTreeMap<String, u32>,
    /// The last restoration.
    pub(crate) restored: Restoration,
    pub(crate) done: HashMap<Token, Done>,
    /// Clients of the service.
    pub(crate) roster: Roster,
    /// What this change adds.
    pub(crate) gained: Gained,
}

/// What a change adds to the records.
#[derive(Clone, Default)]
pub struct Gained {
    pub(crate) lines: Vec<Line>,
    /// Roots that are new.
    pub(crate) roots: Vec<Root>,
    /// Holders that are new or different.
    pub(crate) holders: BTreeSet<Name>,
    /// Challenges that are new or were used.
    pub(crate) challenges: BTreeSet<[u8; 16]>,
    /// Requests that are new or were decided.
    pub(crate) requests: BTreeSet<u64>,
    pub(crate) serials: BTreeSet<String>,
    pub(crate) lists: Vec<StatusList>,
    pub(crate) restorations: Vec<Restoration>,
    pub(crate) tokens: Vec<Token>,
    /// Places of clients that are new or different.
    pub(crate) clients: BTreeSet<u64>,
    /// Names of invitations that are new or gone.
    pub(crate) invitations: BTreeSet<String>,
    /// Proposals that are new or were decided.
    pub(crate) proposals: BTreeSet<u64>,
}

impl Book {
    /// The book after the first line, which must be the root's.
    pub(crate) fn begin(first: &Line) -> Result<Self, &'static str> {
        let Event::Root {
            holder,
            key_id,
            certificate,
        } = &first.event
        else {
            return Err("the first line is not the root's");
        };
        let claims = certificate.claims();
        if !claims.is_root() || claims.holder != *holder || certificate.key_id() != *key_id {
            return Err("the root certificate is of another authority");
        }
        let roots = Roots::first(certificate.clone());
        Ok(Self::empty(roots, 1, first.time))
    }

    /// A book in which nothing is known yet but the roots.
    pub(crate) fn empty(roots: Roots, size: u64, last_time: u64) -> Self {
        let point = |root: &Root| (root.certificate.claims().key.to_compressed(), root.name());
        Self {
            points: roots.iter().map(point).collect(),
            roots,
            size,
            last_time,
            list: None,
            cut_off: BTreeSet::new(),
            holders: BTreeMap::new(),
            challenges: HashMap::new(),
            requests: BTreeMap::new(),
            asked_names: BTreeSet::new(),
            asked_points: HashMap::new(),
            serials: BTreeMap::new(),
            barriers: BTreeMap::new(),
            restored: Restoration::default(),
            done: HashMap::new(),
            roster: Roster::default(),
            gained: Gained::default(),
        }
    }

    /// Number of lines, this change's among them.
    pub(crate) fn lines(&self) -> u64 {
        let gained = u64::try_from(self.gained.lines.len()).unwrap_or(u64::MAX);
        self.size.saturating_add(gained)
    }

    /// Writes one more line; on an error nothing has changed.
    pub(crate) fn record(
        &mut self,
        time: u64,
        by: Option<String>,
        event: Event,
    ) -> Result<Line, Fault> {
        let time = match event {
            Event::Clock { .. } => time,   // what it is for
            _ => time.max(self.last_time), // seconds may step back a little, the ledger does not
        };
        let line = Line::write(self.lines() + 1, time, by, event)?;
        self.enter(&line)?;
        Ok(line)
    }

    /// Takes in one more line; on an error nothing has changed.
    pub(crate) fn enter(&mut self, line: &Line) -> Result<(), Fault> {
        if line.sequence != self.lines() + 1 {
            return Err(Fault::Place);
        }
        if line.time < self.last_time && !matches!(line.event, Event::Clock { .. }) {
            return Err(Fault::Time);
        }
        self.apply(line).map_err(Fault::Contradiction)?;
        self.last_time = line.time;
        self.gained.lines.push(line.clone());
        Ok(())
    }

    /// Remembers what was done for a client's token.
    pub(crate) fn remember(&mut self, token: Token, digest: [u8; 32], line: Line) {
        self.gained.tokens.push(token.clone());
        self.done.insert(token, Done { digest, line });
    }

    fn apply(&mut self, line: &Line) -> Result<(), &'static str> {
        if self.is_leaping() != matches!(line.event, Event::Void {}) {
            return Err(
                "a restoration is followed by as many void lines as its leap, and by no others",
            );
        }
        self.permit_client(line)?;
        match &line.event {
            Event::Root { .. } => Err("a second root"),
            Event::Rollover {
                holder,
                key_id,
                certificate,
                link,
            } => {
                let claims = certificate.claims();
                if !claims.is_root() || claims.holder != *holder || certificate.key_id() != *key_id
                {
                    return Err("the root certificate is for another name or key");
                }
                self.enter_root(certificate, link, line.sequence)
            }
            Event::Challenge {
                nonce,
                role,
                holder,
                replaces,
                bound,
            } => {
                let owner = match bound {
                    true => Owner::of(line.by.as_deref()),
                    false => Owner::Unbound,
                };
                let given = Given {
                    time: line.time,
                    role: *role,
                    holder: *holder,
                    replaces: *replaces,
                    used: false,
                    owner,
                };
                self.enter_challenge(*nonce, given, line)
            }
            Event::Issued {
                nonce,
                role,
                holder,
                key_id,
                replaces,
                certificate,
                approves,
            } => {
                let claims = certificate.claims();
                if (claims.role, claims.holder) != (*role, *holder)
                    || certificate.key_id() != *key_id
                {
                    return Err("the certificate is for another holder, role or key");
                }
                self.permit(certificate)?;
                let most = self.most_years(line.by.as_deref());
                let most = most.filter(|_| approves.is_none());
                if most.is_some_and(|most| claims.until > last_day(claims.from, most)) {
                    return Err("its client may not ask for so many years");
                }
                match approves {
                    None if self.asked_points.contains_key(&claims.key.to_compressed()) => {
                        return Err("the key stands in a request for an operator");
                    }
                    None => self.answer(nonce, *role, holder, *replaces, line.by.as_deref())?,
                    Some(request) => self.approve(*request, *replaces, certificate, line)?,
                }
                self.enter_certificate(nonce, *replaces, certificate, line);
                Ok(())
            }
            Event::Requested { .. } => self.enter_request(line),
            Event::Refused {
                request,
                holder,
                reason,
            } => self.refuse(*request, holder, reason, line),
            Event::Delivered { holder } => {
                let known = self.known(holder)?;
                if !known.owner.admits(line.by.as_deref()) {
                    return Err("another client than the one that ordered it reports the delivery");
                }
                known.delivered = true;
                self.gained.holders.insert(*holder);
                Ok(())
            }
            Event::Revoked { holder, reason } => {
                let min_epoch = self.min_epoch();
                let known = self.known(holder)?;
                if known.revoked.is_some() {
                    return Err("the holder is revoked already");
                }
                known.revoked = Some(reason.clone());
                let certificate = &known.certificate;
                if certificate.claims().epoch >= min_epoch {
                    let hash = certificate.holder_hash();
                    self.cut_off.insert(hash);
                }
                self.gained.holders.insert(*holder);
                Ok(())
            }
            Event::List {
                sequence,
                min_epoch,
                list,
                confirms,
            } => {
                let before = self.min_epoch();
                self.enter_list(*sequence, *min_epoch, list)?;
                match confirms {
                    None => Ok(()),
                    Some(proposal) => {
                        let rises = *min_epoch > before;
                        let fits = |wish: &Wish| *wish == Wish::CutOff && rises;
                        self.decide(*proposal, line, fits).map(drop)
                    }
                }
            }
            Event::Client { change, confirms } => self.enter_client(change, *confirms, line),
            Event::Proposed { wish, until } => self.enter_proposal(wish, *until, line),
            Event::Dismissed { proposal } => self.decide(*proposal, line, |_| true).map(drop),
            Event::Restored { size, leap } => self.enter_restoration(*size, *leap),
            Event::Void {} => Ok(()),
            Event::Clock { reason } => match is_reason(reason) {
                true => Ok(()),
                false => Err("a word about the clock needs a reason"),
            },
        }
    }

    fn known(&mut self, holder: &Name) -> Result<&mut Holder, &'static str> {
        let known = self.holders.get_mut(holder);
        known.map(|(holder, _)| holder).ok_or("an unknown holder")
    }

    fn enter_challenge(
        &mut self,
        nonce: [u8; 16],
        given: Given,
        line: &Line,
    ) -> Result<(), &'static str> {
        if self.challenges.contains_key(&nonce) {
            return Err("the nonce was given before");
        }
        if given.role == Role::Authority {
            return Err("authorities are not certified");
        }
        if self.may_be_lost(&given.holder) {
            return Err("a line that is lost may have given this name");
        }
        let prefix = split(&given.holder).map_or("", |(prefix, _)| prefix);
        let highest = self.highest(prefix);
        self.permit_order(line, given.role, &given.holder, highest)?;
        if let Some((prefix, serial)) = counted(&given.holder) {
            let highest = serial.max(self.highest(prefix));
            self.serials.insert(prefix.into(), highest);
            self.gained.serials.insert(prefix.into());
        }
        self.challenges.insert(nonce, given);
        self.gained.challenges.insert(nonce);
        Ok(())
    }

    fn enter_root(
        &mut self,
        certificate: &Certificate,
        link: &Certificate,
        line: u64,
    ) -> Result<(), &'static str> {
        if !links(link, &self.roots.newest().certificate, certificate) {
            return Err("the link does not lead from the last root to the new one");
        }
        let claims = certificate.claims();
        if claims.epoch != self.min_epoch() || link.claims().epoch != self.min_epoch() {
            return Err("the new root has another epoch");
        }
        if self.is_given(&claims.holder) || self.asked_names.contains(&claims.holder) {
            return Err("the name was given before");
        }
        if self.may_be_lost(&claims.holder) {
            return Err("a line that is lost may have given this name");
        }
        let point = claims.key.to_compressed();
        if self.points.contains_key(&point) || self.asked_points.contains_key(&point) {
            return Err("the key was certified before");
        }
        self.points.insert(point, claims.holder);
        let root = Root {
            certificate: certificate.clone(),
            link: Some(link.clone()),
            line,
        };
        self.gained.roots.push(root.clone());
        self.roots.push(root);
        Ok(())
    }

    /// What every new certificate must fulfil. Nothing is changed.
    fn permit(&self, certificate: &Certificate) -> Result<(), &'static str> {
        let claims = certificate.claims();
        if claims.issuer != self.roots.newest().name() {
            return Err("the certificate is of another authority");
        }
        if claims.epoch != self.min_epoch() {
            return Err("the certificate has another epoch");
        }
        if self.is_given(&claims.holder) {
            return Err("the name was given before");
        }
        match self.points.contains_key(&claims.key.to_compressed()) {
            true => Err("the key was certified before"),
            false => Ok(()),
        }
    }

    /// A challenge is answered, for good.
    pub(crate) fn answer(
        &mut self,
        nonce: &[u8; 16],
        role: Role,
        holder: &Name,
        replaces: Option<Replaced>,
        by: Option<&str>,
    ) -> Result<(), &'static str> {
        if self.is_given(holder) || self.asked_names.contains(holder) {
            return Err("the name was given or asked for before");
        }
        let given = self
            .challenges
            .get_mut(nonce)
            .ok_or("no challenge has this nonce")?;
        if given.used {
            return Err("the nonce was used before");
        }
        if (given.role, given.holder, given.replaces) != (role, *holder, replaces) {
            return Err("the challenge was for another holder or role");
        }
        if !given.owner.admits(by) {
            return Err("another client than the one that ordered answers");
        }
        given.used = true;
        self.gained.challenges.insert(*nonce);
        Ok(())
    }

    fn enter_certificate(
        &mut self,
        nonce: &[u8; 16],
        replaces: Option<Replaced>,
        certificate: &Certificate,
        line: &Line,
    ) {
        let claims = certificate.claims();
        self.points
            .insert(claims.key.to_compressed(), claims.holder);
        let holder = Holder {
            certificate: certificate.clone(),
            issued: line.time,
            replaces,
            delivered: false,
            revoked: None,
            // A request that waited brought its challenge along.
            owner: (self.challenges.get(nonce)).map_or(Owner::Unbound, |given| given.owner.clone()),
        };
        self.holders.insert(claims.holder, (holder, line.sequence));
        self.gained.holders.insert(claims.holder);
    }

    fn enter_list(
        &mut self,
        sequence: u32,
        min_epoch: u32,
        list: &StatusList,
    ) -> Result<(), &'static str> {
        let claims = list.claims();
        if self.roots.named(&claims.issuer).is_none() {
            return Err("the list is of another authority");
        }
        if (claims.sequence, claims.min_epoch) != (sequence, min_epoch) {
            return Err("the list has other numbers");
        }
        if Some(sequence) != self.next_sequence() || min_epoch < self.min_epoch() {
            return Err("the list does not follow the one before");
        }
        if min_epoch > self.min_epoch() {
            self.cut_off.clear(); // certificates of this epoch are only issued from now on
        }
        self.list = Some(list.clone());
        self.gained.lists.push(list.clone());
        Ok(())
    }

    /// The minimum epoch in force.
    pub(crate) fn min_epoch(&self) -> u32 {
        self.list.as_ref().map_or(0, |list| list.claims().min_epoch)
    }

    /// Number of the next status list, from 1.
    pub(crate) fn next_sequence(&self) -> Option<u32> {
        self.last_sequence().checked_add(1)
    }

    /// The highest number that a status list has, or a lost one may have had.
    pub(crate) fn last_sequence(&self) -> u32 {
        let last = self.list.as_ref().map_or(0, |list| list.claims().sequence);
        last.max(self.restored.lists)
    }

    /// The highest serial number that was ever planned or given under a prefix, to a holder or to a root, or may have been by a lost
    /// line.
    pub(crate) fn highest(&self, prefix: &str) -> u32 {
        let names = self.roots.iter().map(Root::name);
        let serial =
            |name: Name| counted(&name).and_then(|(of, serial)| (of == prefix).then_some(serial));
        let of_roots = names.filter_map(serial).max().unwrap_or(0);
        let known = self.serials.get(prefix).copied();
        known.unwrap_or(self.restored.floor).max(of_roots)
    }

    /// Whether a root or a holder has this name.
    pub(crate) fn is_given(&self, name: &Name) -> bool {
        self.roots.named(name).is_some() || self.holders.contains_key(name)
    }

    /// Everything is signed with the newest root's key.
    pub(crate) fn require_key(&self, key: &dyn Signer) -> Result<(), AuthorityError> {
        let root = self.roots.newest();
        match key.public_key() == root.certificate.claims().key {
            true => Ok(()),
            false => Err(AuthorityError::RolledOver(root.name())),
        }
    }
}

/// Prefix and serial number of a name.
pub(crate) fn split(name: &Name) -> Option<(&str, &str)> {
    let text = name.as_str();
    text.split_at_checked(text.len().checked_sub(SERIAL)?)
}

/// Prefix and serial number of a name whose serial is a number.
pub(crate) fn counted(name: &Name) -> Option<(&str, u32)> {
    let (prefix, serial) = split(name)?;
    let digits = serial.bytes().all(|byte| byte.is_ascii_digit());
    Some((prefix, digits.then(|| serial.parse().ok())??))
}

/// The name with this serial number under a prefix of two letters and 1 to 9 letters or digits.
pub(crate) fn numbered(prefix: &str, number: u32) -> Option<Name> {
    let fits = (3..=11).contains(&prefix.len()) && number < 100_000;
    fits.then(|| Name::new(&format!("{prefix}{number:0SERIAL$}")))?
}
