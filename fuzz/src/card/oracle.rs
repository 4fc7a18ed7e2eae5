//! The oracle of T22: what one command may have changed, said from docs/protocol.md and from what is stored, not from the card's code.
//!
//! The trace of commands holds an **authorisation** where the opponent delivered, whole and undamaged, a command that was sealed
//! under keys the card agreed to ([`Claim`]), or where the card's life has not begun. Everything else, whatever its bytes, must leave
//! every durable record as it was.
//!
//! | authorisation | what may change | where |
//! |---|---|---|
//! | personalisation, before activation, plain | the record that the command names, once for a root | §11.8, §12.1 |
//! | the first command under SMF of a usable slot | that slot moves one generation on, and must | §8.2, §8.4 |
//! | a command in a session | the records of that command, with the PIN where it is needed | §11, §14 |
//! | VERIFY, UNBLOCK in AUTH | tries, but never the last one while a pairing exists | §11.5 |
//! | commit in PINOK | one slot, chosen by §9.4; date; a link's root | §9.3 |

use super::saved::{Saved, Slot, code_records, is_value_of, slot_record};
use apdu::certificate::{Anchor, Certificate, ProvenCertificate, Role, StatusList};
use apdu::codec::command::{Command, Form, Header};
use apdu::codec::response::Response;
use apdu::crypto::PrivateKey;
use apdu::handshake::PairingKey;
use apdu::identifier::header;
use apdu::message::pairings::{PairingChange, decode_delete};
use apdu::message::pin::{Reference, Replacement};
use apdu::message::vault;
use card_core::lifecycle::LifeCycle;
use card_core::store::Record;

/// A command that was sealed under keys the card agreed to, and delivered whole and undamaged.
pub struct Claim {
    /// Its header, class included.
    pub header: Header,
    /// Its plain data.
    pub data: Vec<u8>,
    /// Under which keys.
    pub under: Under,
}

/// Under which keys a command was sealed.
pub enum Under {
    /// SM1: message 4 or 5.
    Sm1,
    /// SM2, with what a commit would store.
    Sm2 {
        /// The terminal's certificate.
        certificate: Certificate,
        /// The link certificate shown before it.
        link: Option<Certificate>,
        /// K_0.
        key: PairingKey,
    },
    /// SMF of this slot.
    Smf(u8),
}

/// What a session of the card may do, as the oracle has followed it.
#[derive(Clone, Copy)]
pub struct Session {
    /// Of the pairing it stands on.
    pub slot: u8,
    /// Whether the PIN was verified in it.
    pub pin_verified: bool,
    /// Number of the selected service.
    pub service: Option<u8>,
}

/// How a PIN or PUK in a command must be taken.
enum Code {
    /// No code was tried: none there, malformed, no tries, or kept for others.
    NotTried,
    Wrong(Reference),
    Right(Reference),
}

/// One command, its answer, and what was stored and held before and after.
pub struct Step<'a> {
    /// Stored before.
    pub before: Saved<'a>,
    /// Stored after.
    pub after: Saved<'a>,
    /// The volatile state before.
    pub was: &'static str,
    /// The volatile state after.
    pub is: &'static str,
    /// The command.
    pub apdu: &'a [u8],
    /// Its claim, with the last segment.
    pub claim: Option<&'a Claim>,
    /// The session before.
    pub session: Option<Session>,
    /// The answer.
    pub response: &'a Response,
}

impl Step<'_> {
    /// Judges the step; gives the names of the authorisations that were used.
    pub fn judge(&self) -> Vec<&'static str> {
        self.judge_answer();
        self.judge_state();
        let mut used = Vec::new();
        for (record, old, new) in self.before.differences(self.after) {
            match self.authority(record, old.as_deref(), new.as_deref()) {
                Some(authority) => used.push(authority),
                None => self.stop(&format!(
                    "record {:04X} changed without authority",
                    record.0
                )),
            }
        }
        self.judge_duties();
        used.sort_unstable();
        used.dedup();
        used
    }

    fn stop(&self, what: &str) -> ! {
        panic!(
            "{what}: {} -> {} on {:02X?}, claim {:02X?}, answer {}",
            self.was,
            self.is,
            self.apdu.get(..self.apdu.len().min(16)),
            self.claim.map(|claim| claim.header.to_bytes()),
            self.response.status,
        );
    }

    /// Whether the card has opened the claim: everything protected has objects, every plain refusal is bare.
    pub fn executed(&self) -> Option<&Claim> {
        self.claim.filter(|_| !self.response.data.is_empty())
    }

    /// No answer is longer than the command allows, and no unknown word is said (§4, §17).
    fn judge_answer(&self) {
        let data = self.response.data.len();
        let allowed = match Command::parse(self.apdu) {
            Ok(command) if command.header == header::GET_RESPONSE => {
                usize::try_from(command.expected.unwrap_or(0))
                    .unwrap()
                    .min(256)
            }
            Ok(command) if command.form == Form::Extended => 65_533,
            Ok(_) => 256,
            Err(_) => 0,
        };
        if data > allowed {
            self.stop(&format!("{data} bytes where {allowed} are allowed"));
        }
        let word = self.response.status.0;
        let known = match word {
            0x6100..=0x61FF => data > 0,
            0x63C0..=0x63C9 | 0x6983 | 0x6A84 => self.executed().is_some(),
            0x9000 => true,
            0x6300 | 0x6581 | 0x6700 | 0x6982 | 0x6985 | 0x6A80 | 0x6A82 | 0x6A86 | 0x6D00
            | 0x6F00 => true,
            0x6285 | 0x6881..=0x6884 | 0x6988 | 0x6E00 => data == 0,
            _ => false,
        };
        if !known {
            self.stop("a word that §17 does not have here");
        }
        let plain_refusal = data == 0 && word != 0x9000;
        if plain_refusal && self.is != "NONE" {
            self.stop("a plain refusal did not end everything");
        }
        if self.response.data.len() < 2_048 {
            let mut windows = self.response.data.windows(32);
            let secrets = self.before.secrets();
            if windows.any(|window| secrets.iter().any(|secret| secret == window)) {
                self.stop("a stored secret in an answer");
            }
        }
    }

    /// A state that means trust is reached by a claim only (§12.2).
    fn judge_state(&self) {
        let command = self.executed().map(|claim| claim.header);
        let goes_on = self.was == self.is;
        let fine = match self.is {
            "IDLE" => self.apdu.starts_with(&[0x00, 0xA4, 0x04, 0x00]) || goes_on,
            "FWAIT" => self.was == "IDLE" || goes_on,
            "CERT" => self.was == "IDLE" || goes_on,
            "PROV" => self.was == "CERT" || goes_on,
            "PERSO" => (self.was == "IDLE" || goes_on) && self.is_unborn(),
            "AUTH" => goes_on || self.was == "PROV" && command == Some(header::TERMINAL_RANDOM),
            "PINOK" => {
                let right = matches!(self.code(), Code::Right(Reference::Pin));
                goes_on || self.was == "AUTH" && command == Some(header::VERIFY) && right
            }
            "SECURE" => goes_on || self.was == "FWAIT" && command.is_some(),
            _ => self.is == "NONE",
        };
        if !fine {
            self.stop("a state that nothing led to");
        }
    }

    fn is_unborn(&self) -> bool {
        let unborn = [
            LifeCycle::Blank,
            LifeCycle::Initialised,
            LifeCycle::Certified,
        ];
        unborn.contains(&self.before.life())
    }

    /// What allows this change of this record.
    fn authority(
        &self,
        record: Record,
        old: Option<&[u8]>,
        new: Option<&[u8]>,
    ) -> Option<&'static str> {
        let Some(claim) = self.executed() else {
            return self
                .personalised(record, old, new)
                .then_some("personalisation");
        };
        match (self.was, &claim.under) {
            ("FWAIT", Under::Smf(slot)) if record == slot_record(*slot) => {
                let moved = self
                    .before
                    .slot(*slot)
                    .map(|slot| self.next_generation(&slot))?;
                if new.map(Slot::read).as_ref() == Some(&moved) {
                    return Some("ratchet");
                }
                let first = Session {
                    slot: *slot,
                    pin_verified: false,
                    service: None,
                };
                self.in_session(claim, first, record, old, new)
            }
            ("FWAIT", Under::Smf(slot)) => {
                let first = Session {
                    slot: *slot,
                    pin_verified: false,
                    service: None,
                };
                self.in_session(claim, first, record, old, new)
            }
            ("SECURE", Under::Smf(_)) => self.in_session(claim, self.session?, record, old, new),
            ("AUTH", Under::Sm2 { .. })
                if matches!(claim.header, header::VERIFY | header::UNBLOCK) =>
            {
                self.coded(claim, record, new)
            }
            (
                "PINOK",
                Under::Sm2 {
                    certificate,
                    link,
                    key,
                },
            ) if claim.header == header::COMMIT => self
                .paired(certificate, link.as_ref(), key, record, old, new)
                .then_some("pairing"),
            _ => None,
        }
    }

    /// The same slot one generation on (§8.2).
    fn next_generation(&self, slot: &Slot) -> Slot {
        let newest = self
            .before
            .usable_slots()
            .iter()
            .map(|slot| slot.last_use)
            .max();
        Slot {
            generation: slot.generation + 1,
            last_use: newest.unwrap_or(0).saturating_add(1),
            key: *slot.pairing_key().next().expose(),
            ..slot.clone()
        }
    }

    /// §11.8 and the table of §12.1: plain commands until the card is activated, each its own record.
    fn personalised(&self, record: Record, old: Option<&[u8]>, new: Option<&[u8]>) -> bool {
        let said_yes = matches!(self.response.status.0, 0x9000 | 0x6100..=0x61FF);
        let (Ok(command), Some(new)) = (Command::parse(self.apdu), new) else {
            return false;
        };
        if !said_yes || !self.is_unborn() || !matches!(self.was, "IDLE" | "PERSO") {
            return false;
        }
        let life = self.before.life();
        match (command.header, record) {
            (header::SET_PIN, Record::PIN) => is_value_of(new, Reference::Pin, command.data),
            (header::SET_PIN, Record::PIN_TRIES) => new == [3],
            (header::SET_PUK, Record::PUK) => is_value_of(new, Reference::Puk, command.data),
            (header::SET_PUK, Record::PUK_TRIES) => new == [10],
            (header::GENERATE_KEY, Record::KEY) => life != LifeCycle::Certified,
            (header::STORE_CERTIFICATE, Record::ROOT_A) => {
                let root = Certificate::decode(new).ok();
                let is_root = root.is_some_and(|root| Anchor::trust_root(&root).is_ok());
                old.is_none() && life != LifeCycle::Certified && is_root
            }
            (header::STORE_CERTIFICATE, Record::CERTIFICATE) => {
                life == LifeCycle::Initialised && self.is_own_certificate(new)
            }
            (header::STORE_CERTIFICATE, Record::DATE) => {
                let from = Certificate::decode(&self.after.value(Record::CERTIFICATE).unwrap());
                let from = from.unwrap().claims().from;
                let date = self.before.date().map_or(from, |date| date.max(from));
                life == LifeCycle::Initialised && new == date.to_bcd()
            }
            (header::ACTIVATE, Record::ACTIVE) => {
                let needed = [Record::PIN, Record::PUK, Record::ROOT_A];
                let all = needed
                    .iter()
                    .all(|record| self.before.value(*record).is_some());
                life == LifeCycle::Certified && all
            }
            _ => false,
        }
    }

    fn is_own_certificate(&self, bytes: &[u8]) -> bool {
        let certificate = Certificate::decode(bytes).unwrap();
        let key = self.before.value(Record::KEY).unwrap();
        let key = PrivateKey::from_scalar(key.first_chunk().unwrap()).unwrap();
        let roots = self.before.roots();
        let roots: Vec<&Anchor> = roots.iter().collect();
        let expected = apdu::certificate::Expectations {
            role: Role::Card,
            validity: apdu::certificate::Validity::NotExpiredAt(certificate.claims().from),
            min_epoch: self.before.min_epoch(),
            revoked: None,
        };
        certificate.claims().key == key.public_key()
            && ProvenCertificate::verify(certificate, &roots, &expected).is_ok()
    }

    /// How the code in this command must be taken: §11.5, from what was stored before.
    fn code(&self) -> Code {
        let Some(claim) = self.executed() else {
            return Code::NotTried;
        };
        let replaced = |old, new| {
            let both = Replacement::decode(&claim.data, old, new);
            both.map(|both| both.old.expose().to_vec())
        };
        let (reference, digits) = match (self.was, claim.header) {
            ("AUTH" | "FWAIT" | "SECURE", header::VERIFY) => {
                let formed = Reference::Pin.accepts(&claim.data);
                (Reference::Pin, formed.then(|| claim.data.clone()))
            }
            ("AUTH" | "FWAIT" | "SECURE", header::UNBLOCK) => {
                (Reference::Puk, replaced(Reference::Puk, Reference::Pin))
            }
            ("FWAIT" | "SECURE", header::CHANGE_PIN) => {
                (Reference::Pin, replaced(Reference::Pin, Reference::Pin))
            }
            ("FWAIT" | "SECURE", header::CHANGE_PUK) => {
                (Reference::Puk, replaced(Reference::Puk, Reference::Puk))
            }
            _ => return Code::NotTried,
        };
        let left = self.before.tries(reference).unwrap_or(0);
        let kept = self.was == "AUTH" && left == 1 && !self.before.usable_slots().is_empty();
        let blocked = self.before.tries(Reference::Puk) == Some(0);
        match digits {
            Some(digits) if left > 0 && !kept && !blocked => {
                match self.before.is_right(reference, &digits) {
                    true => Code::Right(reference),
                    false => Code::Wrong(reference),
                }
            }
            _ => Code::NotTried,
        }
    }

    /// Tries and values of codes after a command with a code.
    fn coded(&self, claim: &Claim, record: Record, new: Option<&[u8]>) -> Option<&'static str> {
        let new = new?;
        match self.code() {
            Code::NotTried => None,
            Code::Wrong(reference) => {
                let (_, tries, _) = code_records(reference);
                let spent = self.before.tries(reference)?.checked_sub(1)?;
                (record == tries && new == [spent]).then_some("a wrong code")
            }
            Code::Right(reference) => {
                let set = match claim.header {
                    header::UNBLOCK => Some(Reference::Pin),
                    header::VERIFY => None,
                    _ => Some(reference),
                };
                let filled = [Some(reference), set]
                    .into_iter()
                    .flatten()
                    .any(|reference| {
                        let (_, tries, full) = code_records(reference);
                        record == tries && new == [full]
                    });
                let replaced = set.is_some_and(|set| {
                    let both = Replacement::decode(&claim.data, reference, set).unwrap();
                    record == code_records(set).0 && is_value_of(new, set, both.new.expose())
                });
                (filled || replaced).then_some("a right code")
            }
        }
    }

    /// §11: each command its own records.
    fn in_session(
        &self,
        claim: &Claim,
        session: Session,
        record: Record,
        old: Option<&[u8]>,
        new: Option<&[u8]>,
    ) -> Option<&'static str> {
        match claim.header {
            header::VERIFY | header::CHANGE_PIN | header::CHANGE_PUK | header::UNBLOCK => {
                self.coded(claim, record, new)
            }
            header::PUT_STATUS_LIST => self
                .listed(claim, record, old, new)
                .then_some("status list"),
            header::PUT_LINK => self.linked(claim, record, old, new).then_some("link"),
            header::CHANGE_PAIRING => {
                let change = PairingChange::decode(&claim.data).ok()?;
                let text = change.label.as_str().as_bytes();
                let mut label = [0; 16];
                label[..text.len()].copy_from_slice(text);
                let changed = Slot {
                    flags: u8::from(change.pinned),
                    label: (u8::try_from(text.len()).unwrap(), label),
                    ..Slot::read(old?)
                };
                let fine = session.pin_verified
                    && record == slot_record(change.slot.number())
                    && Slot::read(new?) == changed;
                fine.then_some("change of a pairing")
            }
            header::DELETE_PAIRING => {
                let slot = decode_delete(&claim.data).ok()?.number();
                let allowed = session.pin_verified || slot == session.slot;
                let fine = allowed && record == slot_record(slot) && new.is_none();
                fine.then_some("deletion of a pairing")
            }
            header::FACTORY_RESET => {
                let stays = [
                    Record::ROOT_A,
                    Record::ROOT_B,
                    Record::ROOT_B_PROVEN,
                    Record::DATE,
                    Record::STATUS_LIST,
                    Record::MIN_EPOCH,
                    Record::TERMINATED,
                ];
                let allowed = session.pin_verified || self.before.life() == LifeCycle::Blocked;
                let fine =
                    allowed && claim.data.is_empty() && new.is_none() && !stays.contains(&record);
                fine.then_some("factory reset")
            }
            Header { cla: 0x8C, .. } => self.served(claim, session, record, old, new),
            _ => None,
        }
    }

    /// §14: a service's own records, by its own commands, under the policy in force.
    fn served(
        &self,
        claim: &Claim,
        session: Session,
        record: Record,
        old: Option<&[u8]>,
        new: Option<&[u8]>,
    ) -> Option<&'static str> {
        let own = record.0.to_be_bytes()[0] == 0x40 + session.service?;
        let pin = |needed: bool| !needed || session.pin_verified;
        let object = |bytes: &[u8]| vault::Write::decode(bytes).unwrap();
        let fine = match claim.header {
            header::VAULT_WRITE if session.service == Some(0) => {
                let (written, in_force) = (object(&claim.data), object(old.unwrap_or(&claim.data)));
                let same = written.name == in_force.name && new == Some(&claim.data);
                same && pin(in_force.policy.pin_to_write)
            }
            header::VAULT_DELETE if session.service == Some(0) => {
                let gone = object(old?);
                let named = vault::decode_name(&claim.data).ok()? == gone.name;
                new.is_none() && named && pin(gone.policy.pin_to_write)
            }
            header::COUNTER_ADD if session.service == Some(1) => new?.len() == 8,
            header::COUNTER_LIMIT if session.service == Some(1) => pin(true) && new?.len() == 8,
            _ => false,
        };
        (own && fine).then_some("service")
    }

    /// §13: a higher list signed by a root; nothing but what it says goes.
    fn listed(
        &self,
        claim: &Claim,
        record: Record,
        old: Option<&[u8]>,
        new: Option<&[u8]>,
    ) -> bool {
        let Ok(list) = StatusList::decode(&claim.data) else {
            return false;
        };
        let roots = self.before.roots();
        let signed = list.verify(&roots.iter().collect::<Vec<_>>()).is_ok();
        let claims = list.claims();
        let epoch = claims.min_epoch.max(self.before.min_epoch());
        let fits = match record {
            Record::STATUS_LIST => new == Some(&claim.data),
            Record::MIN_EPOCH => new == Some(&epoch.to_be_bytes()),
            Record::DATE => new == Some(&self.before.date_after(claims.date).to_bcd()),
            record if record.is_slot() => {
                let slot = Slot::read(old.unwrap());
                new.is_none() && (list.revokes(&slot.holder) || slot.epoch < epoch)
            }
            _ => false,
        };
        signed && claims.sequence > self.before.list_sequence() && fits
    }

    /// §11.7: a link that root A or B signed, to a free place, or in place of A when it is B's.
    fn linked(
        &self,
        claim: &Claim,
        record: Record,
        old: Option<&[u8]>,
        new: Option<&[u8]>,
    ) -> bool {
        let Ok(link) = Certificate::decode(&claim.data) else {
            return false;
        };
        self.is_link(&link) && new == Some(&claim.data) && self.is_place_for(&link, record, old)
    }

    fn is_link(&self, link: &Certificate) -> bool {
        let roots = self.before.roots();
        let signed = Anchor::trust_link(link, &roots.iter().collect::<Vec<_>>()).is_ok();
        let claims = link.claims();
        let current = self.before.date().is_none_or(|date| date <= claims.until);
        signed && current && claims.epoch >= self.before.min_epoch()
    }

    fn is_place_for(&self, link: &Certificate, record: Record, old: Option<&[u8]>) -> bool {
        let root_b = self.before.root(Record::ROOT_B);
        match record {
            Record::ROOT_B => old.is_none(),
            Record::ROOT_A => {
                let of_b = root_b.is_some_and(|root| *root.name() == link.claims().issuer);
                of_b && self.before.value(Record::ROOT_B_PROVEN).is_some()
            }
            _ => false,
        }
    }

    /// §9.3, §9.4: one slot with K_0, the date, the link's root, the proof of root B.
    fn paired(
        &self,
        certificate: &Certificate,
        link: Option<&Certificate>,
        key: &PairingKey,
        record: Record,
        old: Option<&[u8]>,
        new: Option<&[u8]>,
    ) -> bool {
        let (claims, holder) = (certificate.claims(), certificate.holder_hash());
        let Some(new) = new else { return false };
        match record {
            record if record.is_slot() => {
                let previous = old
                    .map(Slot::read)
                    .filter(|slot| self.before.is_usable(slot));
                let same = previous.clone().filter(|slot| slot.holder == holder);
                let slot = Slot::read(new);
                let room = self.before.usable_slots().len() < 16;
                let elsewhere = self
                    .before
                    .usable_slots()
                    .iter()
                    .any(|slot| slot.holder == holder);
                let chosen_well = match (&previous, &same) {
                    (_, Some(_)) => true,
                    (None, None) => !elsewhere,
                    (Some(_), None) => !room && !elsewhere,
                };
                let kept = same.map_or((0, (0, [0; 16])), |slot| (slot.flags, slot.label));
                chosen_well
                    && (slot.generation, slot.holder) == (0, holder)
                    && (slot.epoch, slot.until) == (claims.epoch, claims.until)
                    && (slot.flags, slot.label) == kept
                    && slot.key == *key.expose()
            }
            Record::DATE => new == self.before.date_after(claims.from).to_bcd(),
            Record::ROOT_A | Record::ROOT_B => link.is_some_and(|link| {
                new == link.encoded() && self.is_link(link) && self.is_place_for(link, record, old)
            }),
            Record::ROOT_B_PROVEN => {
                let root_b = self.before.root(Record::ROOT_B);
                root_b.is_some_and(|root| *root.name() == claims.issuer) && new == [1]
            }
            _ => false,
        }
    }

    /// What a command must have changed by the time it is answered.
    fn judge_duties(&self) {
        let Some(claim) = self.executed() else {
            return;
        };
        if let ("FWAIT", Under::Smf(number)) = (self.was, &claim.under) {
            let Some(slot) = self
                .before
                .slot(*number)
                .filter(|slot| self.before.is_usable(slot))
            else {
                self.stop("a pairing that is over was accepted");
            };
            let still = self.after.slot(*number);
            if still.is_some_and(|still| still.key != self.next_generation(&slot).key) {
                self.stop("a session began without a durable step");
            }
        }
        match self.code() {
            Code::Wrong(reference) => {
                let left = self.before.tries(reference).unwrap() - 1;
                if self.after.tries(reference) != Some(left) || self.response.status.0 == 0x9000 {
                    self.stop("a wrong code was not counted");
                }
            }
            Code::Right(reference) => {
                let (_, _, full) = code_records(reference);
                if self.after.tries(reference) != Some(full) {
                    self.stop("a right code did not fill the tries");
                }
            }
            Code::NotTried => {}
        }
    }

    /// The card's session after this step, by the rules of §11.5 and §14.1.
    pub fn session_after(&self) -> Option<Session> {
        if self.is != "SECURE" {
            return None;
        }
        let Some(claim) = self.executed() else {
            return self.session;
        };
        let mut session = match (self.session, &claim.under) {
            (None, Under::Smf(slot)) => Session {
                slot: *slot,
                pin_verified: false,
                service: None,
            },
            (session, _) => session?,
        };
        match (claim.header, self.code()) {
            (header::VERIFY, code) if Reference::Pin.accepts(&claim.data) => {
                session.pin_verified = matches!(code, Code::Right(_));
            }
            (header::CHANGE_PIN | header::CHANGE_PUK, Code::Wrong(_)) => {
                session.pin_verified = false
            }
            (header::SELECT_SERVICE, _) => {
                let services = [apdu::identifier::Aid::VAULT, apdu::identifier::Aid::COUNTER];
                let found = services
                    .iter()
                    .position(|service| service.0 == claim.data.as_slice());
                session.service = found
                    .map(|found| u8::try_from(found).unwrap())
                    .or(session.service);
            }
            _ => {}
        }
        Some(session)
    }
}
