//! What both ends said in whole sessions, and the moments between, at which both can be copied.

use super::puppet::{Puppet, Scene, Step, Stop};
use super::subject::{Identity, Subject};
use apdu::certificate::Role;
use terminal_lib::transport::in_process::LocalCard;

/// One APDU and its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Of which step it is a part.
    pub step: Step,
    /// What the terminal sent.
    pub command: Vec<u8>,
    /// What the card answered.
    pub answer: Vec<u8>,
}

/// A terminal by hand and a card, somewhere in a session.
pub struct Couple {
    /// The terminal.
    pub puppet: Puppet,
    /// The card.
    pub card: Subject,
}

/// Just before a command reaches the card.
pub struct Moment {
    /// Both ends; the terminal has spoken and waits.
    pub couple: Couple,
    /// What comes next.
    pub said: Said,
}

impl Couple {
    /// A certified card and a certified terminal of these numbers, which have never met.
    pub fn strangers(card: u8, terminal: u8) -> Self {
        let (card_name, terminal_name) = (
            format!("ZZTALLYCARD{card:05}"),
            format!("ZZTALLYTERM{terminal:05}"),
        );
        let seed = 1_000 + u64::from(terminal);
        Self {
            puppet: Puppet::new(
                Identity::certified(&terminal_name, Role::Terminal, seed),
                seed + 1_000,
            ),
            card: Subject::certified(&card_name, 3_000 + u64::from(card)),
        }
    }

    /// The same after one set-up and one session.
    pub fn paired(card: u8, terminal: u8) -> Self {
        let mut couple = Self::strangers(card, terminal);
        couple.perform(Scene::SetUp).unwrap();
        couple
    }

    /// The same couple with other chance on both sides: what it says from here on was never said before.
    #[must_use]
    pub fn at_another_time(self) -> Self {
        Self {
            puppet: self.puppet.with_chance(8_000),
            card: self.card.with_chance(9_000),
        }
    }

    /// A second couple in exactly this state.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self {
            puppet: self.puppet.clone(),
            card: self.card.fork(),
        }
    }

    /// Goes through a scene.
    ///
    /// # Errors
    /// Why it was not finished.
    pub fn perform(&mut self, scene: Scene) -> Result<(), Stop> {
        self.puppet = self.puppet.clone().planning(scene);
        self.finish()
    }

    /// Goes on to the end of the scene.
    ///
    /// # Errors
    /// Why it was not finished.
    pub fn finish(&mut self) -> Result<(), Stop> {
        let card = &mut self.card;
        self.puppet
            .run(|command| LocalCard::transmit(card, command))
    }

    /// Goes through a scene, and keeps every moment of it.
    pub fn moments(&mut self, scene: Scene) -> Vec<Moment> {
        let mut moments = Vec::new();
        self.puppet = self.puppet.clone().planning(scene);
        while let Some(step) = self.puppet.step() {
            let command = self.puppet.speak().unwrap();
            let couple = self.fork();
            let answer = LocalCard::transmit(&mut self.card, &command);
            self.puppet.hear(&answer).unwrap();
            let said = Said {
                step,
                command,
                answer,
            };
            moments.push(Moment { couple, said });
        }
        moments
    }

    /// Goes through a scene, and keeps what was said.
    pub fn record(&mut self, scene: Scene) -> Vec<Said> {
        let moments = self.moments(scene);
        moments.into_iter().map(|moment| moment.said).collect()
    }
}
