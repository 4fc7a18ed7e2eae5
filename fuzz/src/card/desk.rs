//! A card, and an opponent that has everything a terminal can have: certified keys, every pairing key, the codes.
//!
//! It follows the protocol as far as it is asked to, and lies where it is told to. What it knows of a handshake it knows from
//! the wire; only pairing keys it reads out of the card's memory.

use super::channel::Channel;
use super::oracle::{Claim, Session, Step};
use super::papers::Papers;
use super::saved::{Saved, slot_record};
use crate::entropy::Fixed;
use apdu::certificate::Certificate;
use apdu::channel::ExpectedLength;
use apdu::codec::chaining::segments;
use apdu::codec::command::{Command, Form, Header};
use apdu::codec::response::Response;
use apdu::codec::status::StatusWord;
use apdu::crypto::{Entropy, PrivateKey, PublicKey, Secret, encapsulate};
use apdu::handshake::{PairingKey, Transcript};
use apdu::identifier::header;
use apdu::message::key_exchange::{TerminalRandom, TerminalShare};
use apdu::message::reconnect::Challenge;
use apdu::message::select::Fci;
use card_core::store::{Change, MemoryStore, Store};
use card_core::{Card, World};
use std::collections::BTreeSet;
use std::rc::Rc;

/// How a logical command goes over the line.
#[derive(Clone, Copy)]
pub struct Shape {
    /// Short or extended length.
    pub form: Form,
    /// Data bytes in one segment.
    pub segment: usize,
    /// Whether waiting bytes are fetched.
    pub collects: bool,
}

impl Shape {
    /// Short, chained where it must be, all of the answer.
    pub const PLAIN: Self = Self {
        form: Form::Short,
        segment: 255,
        collects: true,
    };
}

/// What happens to a sealed command on its way.
#[derive(Clone, Copy)]
pub enum Damage {
    /// Nothing.
    None,
    /// One bit of the protected data field is turned over.
    Flip(u16),
    /// Another parameter byte than the one that was sealed.
    OtherP2(u8),
    /// The last segment is held back.
    Unfinished,
    /// The class of the other application.
    OtherClass,
}

/// What was used in a run: authorisations, commands by the state they came in, protected words.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Trace {
    /// APDUs.
    pub steps: usize,
    /// Authorisations that changed something durable.
    pub authorities: BTreeSet<&'static str>,
    /// State, class and instruction, whether the card said 9000.
    pub reached: BTreeSet<(&'static str, u8, u8, bool)>,
}

/// The card under fire.
pub struct Desk {
    /// The card.
    pub card: Card,
    /// Its memory.
    pub store: MemoryStore,
    /// Its generator.
    pub entropy: Fixed,
    /// What the opponent can show.
    pub papers: Rc<Papers>,
    /// What happened so far.
    pub trace: Trace,
    /// What was stored when the last command had been answered.
    known: MemoryStore,
    own: Fixed,
    session: Option<Session>,
    selected: Option<(Fci, Transcript)>,
    shown: (Option<usize>, Option<Certificate>),
    ephemeral: Option<PrivateKey>,
    random: Option<Secret<32>>,
    challenged: Option<u8>,
    channel: Channel,
    log: Vec<Vec<u8>>,
}

impl Desk {
    /// A blank card.
    pub fn blank(papers: Rc<Papers>) -> Self {
        let (mut store, mut entropy) = (MemoryStore::new(), Fixed::new(1));
        let card = power_up(&mut store, &mut entropy);
        Self {
            known: store.dangerous_copy(),
            card,
            store,
            entropy,
            papers,
            trace: Trace::default(),
            own: Fixed::new(2),
            session: None,
            selected: None,
            shown: (None, None),
            ephemeral: None,
            random: None,
            challenged: None,
            channel: Channel::None,
            log: Vec::new(),
        }
    }

    /// Another card in exactly this state, with the opponent's memory of it.
    pub fn fork(&self) -> Self {
        Self {
            card: self.card.dangerous_copy(),
            store: self.store.dangerous_copy(),
            entropy: self.entropy.clone(),
            papers: Rc::clone(&self.papers),
            trace: Trace::default(),
            known: self.known.dangerous_copy(),
            own: self.own.clone(),
            session: self.session,
            selected: None, // only whole handshakes are begun after a fork
            shown: (None, None),
            ephemeral: None,
            random: None,
            challenged: None,
            channel: self.channel.dangerous_copy(),
            log: Vec::new(),
        }
    }

    /// What the card has stored.
    pub fn saved(&self) -> Saved<'_> {
        Saved(&self.store)
    }

    /// Puts the pairing of slot 0 into another slot as well, under a holder that nobody is. The card must be reset after it.
    pub fn plant_pairing(&mut self, number: u8) {
        let mut record = self.saved().value(slot_record(0)).expect("a pairing");
        record[7..19].fill(number); // the holder
        record[46..].fill(number); // the key
        let planted = Change::Put(slot_record(number), &record);
        self.store.commit(&[planted]).expect("no fault is planned");
        self.known = self.store.dangerous_copy();
    }

    /// Takes the card's power away and gives it back.
    pub fn reset(&mut self) {
        self.card = power_up(&mut self.store, &mut self.entropy);
        self.session = None;
        assert!(
            self.store.same_content(&self.known),
            "a reset changed what is stored"
        );
    }

    /// Sends an APDU of this run once more, as it was.
    pub fn replay(&mut self, number: usize) {
        if let Some(apdu) = self.log.get(number % self.log.len().max(1)).cloned() {
            self.transmit(&apdu, None);
        }
    }

    /// One APDU, judged.
    pub fn transmit(&mut self, apdu: &[u8], claim: Option<&Claim>) -> Response {
        let was = self.card.phase_name();
        let mut world = World {
            store: &mut self.store,
            entropy: &mut self.entropy,
        };
        let answer = self.card.transmit(&mut world, apdu);
        let response = Response::parse(&answer).expect("an answer has a status word");
        let step = Step {
            before: Saved(&self.known),
            after: Saved(&self.store),
            was,
            is: self.card.phase_name(),
            apdu,
            claim,
            session: self.session,
            response: &response,
        };
        let used = step.judge();
        self.session = step.session_after();
        if !used.is_empty() {
            self.known = self.store.dangerous_copy();
        }
        self.trace.authorities.extend(used);
        self.trace.steps += 1;
        if let [cla, ins, _, _, ..] = *apdu {
            let good = response.status == StatusWord::OK;
            self.trace.reached.insert((was, cla & !0x10, ins, good));
        }
        self.log.push(apdu.to_vec());
        response
    }

    /// One logical command; its claim goes with the last segment.
    fn send(
        &mut self,
        header: Header,
        data: &[u8],
        shape: Shape,
        claim: Option<&Claim>,
    ) -> Response {
        let expected = Some(if shape.form == Form::Short {
            256
        } else {
            65_536
        });
        let apdus = segments(header, data, expected, shape.form, shape.segment).expect("a command");
        let mut response = Response::bare(StatusWord::OK);
        for (number, apdu) in apdus.iter().enumerate() {
            let last = number + 1 == apdus.len();
            response = self.transmit(apdu, claim.filter(|_| last));
            if !last && response.status != StatusWord::OK {
                return response;
            }
        }
        while shape.collects && response.status.as_bytes_waiting().is_some() {
            let next = self.transmit(&[0x00, 0xC0, 0x00, 0x00, 0x00], None);
            response.data.extend(next.data);
            response.status = next.status;
        }
        response
    }

    /// A plain command; what it means for the handshake under way is noted.
    pub fn plain(&mut self, header: Header, data: &[u8], shape: Shape) {
        let response = self.send(header, data, shape, None);
        if response.status != StatusWord::OK {
            return;
        }
        let answer = &response.data;
        match header {
            header::SELECT => {
                let mut transcript = Transcript::start();
                transcript.command(header, data);
                transcript.response(answer, StatusWord::OK);
                self.selected = Fci::decode(answer).ok().map(|fci| (fci, transcript));
                self.shown = (None, None);
            }
            header::VERIFY_CERTIFICATE => {
                self.note(header, data, answer);
                let shown = Certificate::decode(data).expect("the card has read it");
                let holders = &self.papers.holders;
                match holders
                    .iter()
                    .position(|holder| holder.certificate == shown)
                {
                    Some(terminal) => self.shown.0 = Some(terminal),
                    None => self.shown.1 = Some(shown),
                }
            }
            header::KEY_EXCHANGE => {
                self.note(header, data, answer);
                self.channel = self.provisional(answer).unwrap_or(Channel::None);
            }
            header::RECONNECT => {
                self.channel = self.challenged(data, answer).unwrap_or(Channel::None);
            }
            _ => {}
        }
    }

    fn note(&mut self, header: Header, data: &[u8], answer: &[u8]) {
        if let Some((_, transcript)) = &mut self.selected {
            transcript.command(header, data);
            transcript.response(answer, StatusWord::OK);
        }
    }

    fn provisional(&mut self, answer: &[u8]) -> Option<Channel> {
        let (_, transcript) = self.selected.take()?;
        let terminal = self.shown.0?;
        let ephemeral = self.ephemeral.take()?;
        let key = &self.papers.holders[terminal].key;
        let link = self.shown.1.take();
        Some(Channel::after_key_exchange(
            transcript, &ephemeral, key, answer, terminal, link,
        ))
    }

    fn challenged(&mut self, data: &[u8], answer: &[u8]) -> Option<Channel> {
        let (_, transcript) = self.selected.take()?;
        let slot = self.challenged.take()?;
        let key = self.saved().slot(slot)?.pairing_key();
        Some(Channel::after_challenge(
            transcript, &key, slot, data, answer,
        ))
    }

    /// Data for C1 with the key of a slot; a guess where the slot is not in use.
    pub fn challenge(&mut self, slot: u8) -> Vec<u8> {
        let mut terminal_nonce = [0; 16];
        self.own
            .fill(&mut terminal_nonce)
            .expect("a fixed generator");
        let key = self.saved().slot(slot).map(|slot| slot.pairing_key());
        let prand = self.selected.as_ref().map_or([0; 8], |(fci, _)| fci.prand);
        let hint = |key: PairingKey| key.tag_key().hint(&prand, &terminal_nonce);
        self.challenged = Some(slot);
        Challenge {
            hint: key.map_or([9; 4], hint),
            terminal_nonce,
        }
        .encode()
    }

    /// Data for message 3.
    pub fn share(&mut self) -> Vec<u8> {
        let ephemeral = PrivateKey::generate(&mut self.own).expect("a fixed generator");
        let share = TerminalShare(ephemeral.public_key());
        self.ephemeral = Some(ephemeral);
        share.encode()
    }

    /// Data for message 5, once the card's certificate is known.
    pub fn random(&mut self) -> Vec<u8> {
        let Some(card) = self.channel.card() else {
            return Vec::new();
        };
        let (enc, random) = encapsulate(&card, &mut self.own).expect("a fixed generator");
        self.random = Some(random);
        TerminalRandom(PublicKey::from_uncompressed(&enc).expect("a point")).encode()
    }

    /// A command sealed under whatever keys there are; nothing without any. Gives the protected word.
    pub fn secured(
        &mut self,
        header: Header,
        data: &[u8],
        shape: Shape,
        damage: Damage,
    ) -> Option<StatusWord> {
        let channel = std::mem::replace(&mut self.channel, Channel::None);
        let claim = Claim {
            header,
            data: data.to_vec(),
            under: channel.under(&self.papers)?,
        };
        let mut end = channel.end()?;
        // Why half of them ask for more: the two forms of object 97.
        let expected =
            [ExpectedLength::Short, ExpectedLength::ANY][usize::from(shape.form == Form::Extended)];
        let mut sealed = end.seal(header, data, Some(expected)).ok()?;
        let mut shape = shape;
        match damage {
            Damage::None => {}
            Damage::Flip(bit) => {
                let bit = usize::from(bit) % (8 * sealed.data.len());
                sealed.data[bit / 8] ^= 1 << (bit % 8);
            }
            Damage::OtherP2(mask) => sealed.header.p2 ^= mask.max(1),
            Damage::OtherClass => sealed.header.cla ^= 0x80,
            Damage::Unfinished => {
                shape.segment = shape.segment.min(sealed.data.len() - 1);
                let apdus = segments(sealed.header, &sealed.data, None, shape.form, shape.segment);
                for apdu in apdus.expect("a command").split_last()?.1 {
                    self.transmit(apdu, None);
                }
                return None;
            }
        }
        let intact = matches!(damage, Damage::None);
        let response = self.send(sealed.header, &sealed.data, shape, intact.then_some(&claim));
        let random = self.random.take_if(|_| header == header::TERMINAL_RANDOM);
        let (next, plain, word) = channel.follow(end, &sealed, &response, random)?;
        let secrets = self.saved().secrets();
        let leaks = |window: &[u8]| secrets.iter().any(|secret| secret == window);
        let mut windows = plain.windows(32).take(2_048);
        assert!(
            !windows.any(leaks),
            "a stored secret under secure messaging"
        );
        self.channel = next;
        Some(word)
    }

    /// SELECT.
    pub fn select(&mut self) {
        let select = apdu::message::select::COMMAND;
        let Command { header, data, .. } = select;
        self.plain(header, data, Shape::PLAIN);
    }
}

fn power_up(store: &mut MemoryStore, entropy: &mut Fixed) -> Card {
    let mut world = World { store, entropy };
    Card::power_up(&mut world).expect("a card with a sound memory starts")
}
