//! What set-up may store (§9.3, §9.4, §11.7): a pairing in the right slot, and roots that links lead to.

use super::super::saved::Slot;
use super::{Change, Claim, Pledge, Step};
use apdu::certificate::{Anchor, Certificate};
use card_core::store::Record;

impl Step<'_> {
    /// §9.3, §9.4: one slot with K_0, the date, the link's root, the proof of root B.
    pub(super) fn paired(&self, pledge: &Pledge, change: &Change<'_>) -> bool {
        let &Change { record, old, new } = change;
        let Pledge {
            certificate,
            link,
            key,
        } = pledge;
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
            Record::ROOT_A | Record::ROOT_B => link.as_ref().is_some_and(|link| {
                new == link.encoded() && self.is_link(link) && self.is_place_for(link, record, old)
            }),
            Record::ROOT_B_PROVEN => {
                let root_b = self.before.root(Record::ROOT_B);
                root_b.is_some_and(|root| *root.name() == claims.issuer) && new == [1]
            }
            _ => false,
        }
    }

    /// §11.7: a link that root A or B signed, to a free place, or in place of A when it is B's.
    pub(super) fn linked(&self, claim: &Claim, change: &Change<'_>) -> bool {
        let &Change { record, old, new } = change;
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
}
