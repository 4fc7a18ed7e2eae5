//! The way between any card and any terminal: it writes down what passes, and pulls the card where a script says so.

use apdu::identifier::ATR;
use terminal_lib::transport::in_process::LocalCard;
use terminal_lib::transport::{Ending, Transport, TransportError};

/// What happens to one APDU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incident {
    /// The card is pulled before it has the command.
    PullBefore,
    /// The card is pulled after it has carried the command out.
    PullAfter,
    /// Somebody else's APDU comes before it.
    Intrude(Vec<u8>),
    /// One bit of the command is turned over, counted from its first.
    FlipCommand(usize),
    /// One bit of the answer is turned over.
    FlipAnswer(usize),
}

/// What happened at the card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A command and what the terminal got for it.
    Apdu {
        /// What the terminal sent.
        command: Vec<u8>,
        /// What it got.
        answer: Option<Vec<u8>>,
    },
    /// A command in extended length that the reader did not take.
    KeptBack(Vec<u8>),
    /// The card was put in, or reset.
    Reset,
}

/// A card in a reader, for one insertion.
pub struct Wire<'c> {
    card: &'c mut dyn LocalCard,
    plan: Option<(usize, Incident)>,
    takes_extended: bool,
    apdus: usize,
    pulled: bool,
    extended_failed: bool,
    heard: &'c mut Vec<Event>,
}

impl<'c> Wire<'c> {
    /// Puts the card in. The plan counts APDUs from 0.
    pub fn insert(
        card: &'c mut dyn LocalCard,
        heard: &'c mut Vec<Event>,
        plan: Option<(usize, Incident)>,
        takes_extended: bool,
    ) -> Self {
        let mut wire = Self {
            card,
            plan,
            takes_extended,
            apdus: 0,
            pulled: false,
            extended_failed: false,
            heard,
        };
        wire.reset();
        wire
    }

    /// Resets the card, if it is there.
    pub fn reset(&mut self) {
        if !self.pulled {
            self.heard.push(Event::Reset);
            assert_eq!(self.card.reset(), ATR);
        }
    }

    fn lose(&mut self, command: &[u8]) -> TransportError {
        self.pulled = true;
        self.hear(command, None);
        TransportError::CardRemoved
    }

    fn hear(&mut self, command: &[u8], answer: Option<&[u8]>) {
        self.heard.push(Event::Apdu {
            command: command.to_vec(),
            answer: answer.map(<[u8]>::to_vec),
        });
    }
}

impl Transport for Wire<'_> {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError> {
        if self.pulled {
            return Err(TransportError::CardRemoved);
        }
        let now = self.apdus;
        self.apdus += 1;
        let incident = self.plan.take_if(|(number, _)| *number == now);
        let incident = incident.map(|(_, incident)| incident);
        let flipped;
        let command = match &incident {
            Some(Incident::PullBefore) => return Err(self.lose(command)),
            Some(Incident::Intrude(other)) => {
                let answer = self.card.transmit(other);
                self.hear(other, Some(&answer));
                command
            }
            Some(Incident::FlipCommand(bit)) => {
                flipped = flip(command, *bit);
                &flipped
            }
            _ => command,
        };
        let is_extended = command.len() > 7 && command[4] == 0;
        if is_extended && !self.takes_extended {
            self.heard.push(Event::KeptBack(command.to_vec()));
            return Ok(vec![0x67, 0x00]);
        }
        let answer = self.card.transmit(command);
        if incident == Some(Incident::PullAfter) {
            return Err(self.lose(command));
        }
        self.hear(command, Some(&answer));
        match incident {
            Some(Incident::FlipAnswer(bit)) => Ok(flip(&answer, bit)),
            _ => Ok(answer),
        }
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
        if ending == Ending::Reset {
            self.reset();
        }
    }

    fn reconnect(&mut self) -> Result<(), TransportError> {
        self.begin()?;
        self.reset();
        Ok(())
    }

    fn takes_extended_length(&self) -> bool {
        !self.extended_failed
    }

    fn extended_length_failed(&mut self) {
        self.extended_failed = true;
    }
}

fn flip(bytes: &[u8], bit: usize) -> Vec<u8> {
    let mut flipped = bytes.to_vec();
    let bit = bit % (8 * bytes.len());
    flipped[bit / 8] ^= 1 << (bit % 8);
    flipped
}

/// As one reads it in a trace; long ones are cut.
pub fn shown(events: &[Event]) -> String {
    let cut = |bytes: &[u8]| {
        let text = super::peer::hex(bytes);
        format!(
            "{} ({} bytes)",
            text.get(..160).unwrap_or(&text),
            bytes.len()
        )
    };
    let line = |event: &Event| match event {
        Event::Reset => "reset\n".into(),
        Event::KeptBack(command) => format!("kept back {}\n", cut(command)),
        Event::Apdu { command, answer } => {
            let answer = answer.as_deref().map_or("lost".into(), cut);
            format!("> {}\n< {answer}\n", cut(command))
        }
    };
    events.iter().map(line).collect()
}
