//! Before a card is in use (§11.8, §12.1): plain commands, each with its own record.

use super::super::saved::is_value_of;
use super::{Change, Step};
use apdu::certificate::{Anchor, Certificate, Expectations, ProvenCertificate, Role, Validity};
use apdu::codec::command::Command;
use apdu::crypto::PrivateKey;
use apdu::identifier::header;
use apdu::message::pin::Reference;
use card_core::lifecycle::LifeCycle;
use card_core::store::Record;

impl Step<'_> {
    pub(super) fn is_unborn(&self) -> bool {
        let unborn = [
            LifeCycle::Blank,
            LifeCycle::Initialised,
            LifeCycle::Certified,
        ];
        unborn.contains(&self.before.life())
    }

    /// §11.8 and the table of §12.1: plain commands until the card is activated, each its own record.
    pub(super) fn personalised(&self, change: &Change<'_>) -> bool {
        let &Change { record, old, new } = change;
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
        let expected = Expectations {
            role: Role::Card,
            validity: Validity::NotExpiredAt(certificate.claims().from),
            min_epoch: self.before.min_epoch(),
            revoked: None,
        };
        certificate.claims().key == key.public_key()
            && ProvenCertificate::verify(certificate, &roots, &expected).is_ok()
    }
}
