//! The way between both ends: it writes down every APDU, and does damage where a test wants it.

use crate::card::{Disk, Powered};
use apdu::codec::command::Header;
use apdu::crypto::{Census, census};
use apdu::identifier::ATR;
use card_sim::body::VirtualCard;
use getrandom::SysRng;
use terminal_lib::transport::in_process::LocalCard;
use terminal_lib::transport::{Ending, Transport, TransportError};

/// What happens to one APDU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incident {
    /// The card is pulled before it has seen the command.
    LoseCommand,
    /// The card carries the command out and is pulled before its answer has left.
    LoseAnswer,
    /// The card carries the command out, and the terminal gets this answer instead.
    Replace(Vec<u8>),
    /// From here on the terminal gets this answer to everything.
    ReplaceForEver(Vec<u8>),
    /// The card carries the command out, and one bit of its answer is turned over, counted from the answer's first.
    Flip(usize),
    /// The card loses its pairings and its power, and then gets the command.
    ForgetPairings,
}

/// One APDU and its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// What the terminal sent.
    pub command: Vec<u8>,
    /// What the card answered, whatever the terminal got; nothing if it did not get the command.
    pub answer: Option<Vec<u8>>,
}

impl Heard {
    /// CLA INS P1 P2.
    pub fn header(&self) -> Header {
        let [cla, ins, p1, p2] = *self.command.first_chunk().unwrap();
        Header::new(cla, ins, p1, p2)
    }
}

/// A card in its reader.
pub struct Line {
    disk: Disk,
    card: Powered<Disk>,
    plan: Option<(usize, Incident)>,
    for_ever: Option<Vec<u8>>,
    pulled: bool,
    /// All APDUs since the card was put in.
    pub heard: Vec<Heard>,
    /// Curve operations done by the card. Other cards at work in the same process are counted, too.
    pub card_operations: Census,
}

impl Line {
    /// Puts a card into the reader: a cut is over, volatile memory is empty.
    pub fn insert(disk: &Disk) -> Self {
        disk.power_on();
        let mut card = Powered(VirtualCard::new(disk.clone(), SysRng));
        card.reset();
        Self {
            disk: disk.clone(),
            card,
            plan: None,
            for_ever: None,
            pulled: false,
            heard: Vec::new(),
            card_operations: Census::default(),
        }
    }

    /// Plans what happens to the APDU of this number since the card was put in, counted from 0.
    pub fn plan(&mut self, number: usize, incident: Incident) {
        self.plan = Some((number, incident));
    }

    /// Whether these bytes passed anywhere, in either direction.
    pub fn carried(&self, bytes: &[u8]) -> bool {
        let within = |heard: &[u8]| heard.windows(bytes.len()).any(|part| part == bytes);
        self.heard
            .iter()
            .any(|heard| within(&heard.command) || heard.answer.as_deref().is_some_and(within))
    }

    /// All headers since the card was put in.
    pub fn headers(&self) -> Vec<Header> {
        self.heard.iter().map(Heard::header).collect()
    }

    /// The number of the first APDU with this header.
    pub fn first(&self, header: Header) -> usize {
        let is_it = |heard: &Heard| heard.header() == header;
        self.heard.iter().position(is_it).unwrap()
    }

    fn pull(&mut self) -> TransportError {
        self.pulled = true;
        TransportError::CardRemoved
    }

    fn ask_card(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError> {
        let before = census();
        let answer = self.card.transmit(command);
        self.card_operations = self.card_operations + (census() - before);
        self.heard.push(Heard {
            command: command.to_vec(),
            answer: Some(answer.clone()),
        });
        if self.disk.is_off() {
            return Err(self.pull()); // a card without power says nothing
        }
        Ok(answer)
    }
}

impl Transport for Line {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError> {
        if self.pulled {
            return Err(TransportError::CardRemoved);
        }
        let now = self.heard.len();
        let incident = self.plan.take_if(|(number, _)| *number == now);
        match incident.map(|(_, incident)| incident) {
            None => {}
            Some(Incident::LoseCommand) => {
                self.heard.push(Heard {
                    command: command.to_vec(),
                    answer: None,
                });
                return Err(self.pull());
            }
            Some(Incident::LoseAnswer) => {
                self.ask_card(command)?;
                return Err(self.pull());
            }
            Some(Incident::Replace(answer)) => {
                self.ask_card(command)?;
                return Ok(answer);
            }
            Some(Incident::ReplaceForEver(answer)) => self.for_ever = Some(answer),
            Some(Incident::Flip(bit)) => {
                let mut answer = self.ask_card(command)?;
                answer[bit / 8] ^= 1 << (bit % 8);
                return Ok(answer);
            }
            Some(Incident::ForgetPairings) => {
                self.disk.forget_pairings();
                self.card.reset();
            }
        }
        let answer = self.ask_card(command)?;
        Ok(self.for_ever.clone().unwrap_or(answer))
    }

    fn atr(&self) -> &[u8] {
        &ATR
    }

    fn begin(&mut self) -> Result<(), TransportError> {
        match self.pulled {
            true => Err(TransportError::CardRemoved),
            false => Ok(()),
        }
    }

    fn end(&mut self, ending: Ending) {
        if ending == Ending::Reset && !self.pulled {
            self.card.reset();
        }
    }

    fn reconnect(&mut self) -> Result<(), TransportError> {
        self.begin()?;
        self.card.reset();
        Ok(())
    }
}
