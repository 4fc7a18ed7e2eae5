//! The oracle of T22: what one command may have changed, said from docs/protocol.md and from what is stored, not from the card's code.
//!
//! The trace of commands holds an **authorisation** where the opponent delivered, whole and undamaged, a command that was sealed
//! under keys the card agreed to ([`Claim`]), or where the card's life has not begun. Everything else, whatever its bytes, must leave
//! every durable record as it was.
//!
//! | authorisation | what may change | where | file |
//! |---|---|---|---|
//! | personalisation, before activation, plain | the record that the command names, once for a root | §11.8, §12.1 | `life` |
//! | the first command under SMF of a usable slot | that slot moves one generation on, and must | §8.2, §8.4 | here |
//! | a command in a session | the records of that command, with the PIN where it is needed | §11, §14 | `session` |
//! | VERIFY, UNBLOCK, in AUTH as well | tries and codes, but in AUTH never the last try while a pairing exists | §11.5 | `code` |
//! | commit in PINOK | one slot, chosen by §9.4; date; a link's root | §9.3 | `pairing` |

mod code;
mod life;
mod pairing;
mod session;

use super::saved::{Saved, Slot, code_records, slot_record};
use apdu::certificate::Certificate;
use apdu::codec::command::{Command, Form, Header};
use apdu::codec::response::Response;
use apdu::handshake::PairingKey;
use apdu::identifier::header;
use apdu::message::pin::Reference;
use card_core::store::Record;
use code::Code;
pub use session::Session;

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
    Sm2(Box<Pledge>),
    /// SMF of this slot.
    Smf(u8),
}

/// What a commit would store.
pub struct Pledge {
    /// The terminal's certificate.
    pub certificate: Certificate,
    /// The link certificate shown before it.
    pub link: Option<Certificate>,
    /// K_0.
    pub key: PairingKey,
}

/// One record before and after a step.
struct Change<'a> {
    record: Record,
    old: Option<&'a [u8]>,
    new: Option<&'a [u8]>,
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
        for record in self.before.differences(self.after) {
            let (old, new) = (self.before.value(record), self.after.value(record));
            let change = Change {
                record,
                old: old.as_deref(),
                new: new.as_deref(),
            };
            match self.authority(&change) {
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

    /// What allows this change.
    fn authority(&self, change: &Change<'_>) -> Option<&'static str> {
        let Some(claim) = self.executed() else {
            return self.personalised(change).then_some("personalisation");
        };
        match (self.was, &claim.under, claim.header) {
            ("FWAIT", Under::Smf(slot), _) => {
                if change.record == slot_record(*slot) {
                    let moved = self.next_generation(&self.before.slot(*slot)?);
                    if change.new.map(Slot::read) == Some(moved) {
                        return Some("ratchet");
                    }
                }
                self.in_session(claim, Session::new(*slot), change)
            }
            ("SECURE", Under::Smf(_), _) => self.in_session(claim, self.session?, change),
            ("AUTH", Under::Sm2(_), header::VERIFY | header::UNBLOCK) => self.coded(claim, change),
            ("PINOK", Under::Sm2(pledge), header::COMMIT) => {
                self.paired(pledge, change).then_some("pairing")
            }
            _ => None,
        }
    }

    /// The same slot one generation on (§8.2).
    fn next_generation(&self, slot: &Slot) -> Slot {
        let usable = self.before.usable_slots();
        let newest = usable.iter().map(|slot| slot.last_use).max();
        Slot {
            generation: slot.generation + 1,
            last_use: newest.unwrap_or(0).saturating_add(1),
            key: *slot.pairing_key().next().expose(),
            ..slot.clone()
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
}
