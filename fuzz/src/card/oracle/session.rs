//! Commands in a session (§11, §14): each its own records, with the PIN where it is needed.

use super::super::saved::{Slot, slot_record};
use super::code::Code;
use super::{Change, Claim, Step, Under};
use apdu::certificate::StatusList;
use apdu::codec::command::Header;
use apdu::identifier::{Aid, header};
use apdu::message::pairings::{PairingChange, decode_delete};
use apdu::message::pin::Reference;
use apdu::message::vault;
use card_core::lifecycle::LifeCycle;
use card_core::store::Record;

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

impl Session {
    /// A session that has just begun.
    pub(super) fn new(slot: u8) -> Self {
        Self {
            slot,
            pin_verified: false,
            service: None,
        }
    }
}

impl Step<'_> {
    /// §11: each command its own records.
    pub(super) fn in_session(
        &self,
        claim: &Claim,
        session: Session,
        change: &Change<'_>,
    ) -> Option<&'static str> {
        let &Change { record, old, new } = change;
        match claim.header {
            header::VERIFY | header::CHANGE_PIN | header::CHANGE_PUK | header::UNBLOCK => {
                self.coded(claim, change)
            }
            header::PUT_STATUS_LIST => self.listed(claim, change).then_some("status list"),
            header::PUT_LINK => self.linked(claim, change).then_some("link"),
            header::CHANGE_PAIRING => {
                let wanted = PairingChange::decode(&claim.data).ok()?;
                let text = wanted.label.as_str().as_bytes();
                let mut label = [0; 16];
                label[..text.len()].copy_from_slice(text);
                let changed = Slot {
                    flags: u8::from(wanted.pinned),
                    label: (u8::try_from(text.len()).unwrap(), label),
                    ..Slot::read(old?)
                };
                let fine = session.pin_verified
                    && record == slot_record(wanted.slot.number())
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
            Header { cla: 0x8C, .. } => self.served(claim, session, change),
            _ => None,
        }
    }

    /// §14: a service's own records, by its own commands, under the policy in force.
    fn served(&self, claim: &Claim, session: Session, change: &Change<'_>) -> Option<&'static str> {
        let &Change { record, old, new } = change;
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
    fn listed(&self, claim: &Claim, change: &Change<'_>) -> bool {
        let &Change { record, old, new } = change;
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

    /// The card's session after this step, by the rules of §11.5 and §14.1.
    pub fn session_after(&self) -> Option<Session> {
        if self.is != "SECURE" {
            return None;
        }
        let Some(claim) = self.executed() else {
            return self.session;
        };
        let mut session = match (self.session, &claim.under) {
            (None, Under::Smf(slot)) => Session::new(*slot),
            (session, _) => session?,
        };
        match (claim.header, self.code()) {
            (header::VERIFY, code) if Reference::Pin.accepts(&claim.data) => {
                session.pin_verified = matches!(code, Code::Right(_));
            }
            (header::CHANGE_PIN | header::CHANGE_PUK | header::UNBLOCK, Code::Wrong(_)) => {
                session.pin_verified = false;
            }
            (header::SELECT_SERVICE, _) => {
                let services = [Aid::VAULT, Aid::COUNTER];
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
