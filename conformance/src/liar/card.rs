//! The hostile card: an honest one behind somebody who changes one answer.
//!
//! It is a card in this process and a body for vpcd's client, so it can stand in any reader that this workspace knows.

use super::distort::Message;
use super::lie::{Deed, Lie};
use super::puppet::Step;
use apdu::codec::command::Command;
use card_sim::vpcd::Body;
use terminal_lib::transport::in_process::LocalCard;

/// A card that lies once in a visit.
pub struct HostileCard<B> {
    body: B,
    lie: Option<Lie>,
    times: usize,
    said: Vec<(Step, Vec<u8>)>,
    recorded: Vec<(Step, Vec<u8>)>,
    after: Option<Vec<Vec<u8>>>,
}

impl<B: Body> HostileCard<B> {
    /// A card that tells the truth, and remembers it.
    pub fn honest(body: B) -> Self {
        Self {
            body,
            lie: None,
            times: 0,
            said: Vec::new(),
            recorded: Vec::new(),
            after: None,
        }
    }

    /// From here on it waits for the step at which it lies. What was said so far is its record of an honest visit.
    pub fn plan(&mut self, lie: &Lie) {
        self.recorded = core::mem::take(&mut self.said);
        self.lie = Some(lie.clone());
        self.times = 0;
        self.after = None;
    }

    /// Another card, or the same one as it was at another time, with the lie that was planned.
    pub fn replace(&mut self, body: B) {
        self.body = body;
    }

    /// The card itself.
    pub fn body(&self) -> &B {
        &self.body
    }

    /// What the terminal sent after the lie; `None` if it was not told.
    pub fn after(&self) -> Option<&[Vec<u8>]> {
        self.after.as_deref()
    }

    /// The last step of the run in which the lie was told; a terminal that began anew with SELECT began another run.
    pub fn last_step(&self) -> Option<Step> {
        let (lie, after) = (self.lie.as_ref()?, self.after()?);
        let steps = after.iter().map_while(|command| Step::of(command));
        let run = steps.take_while(|step| *step != Step::Select);
        Some(run.last().unwrap_or(lie.step))
    }

    /// The answer, or the lie in its place.
    fn judge(&mut self, command: &[u8], answer: Vec<u8>) -> Vec<u8> {
        if let Some(after) = &mut self.after {
            after.push(command.to_vec());
            return answer;
        }
        let (Some(step), Some((data, word))) = (Step::of(command), answer.split_last_chunk::<2>())
        else {
            return answer;
        };
        let is_due = self.lie.as_ref().is_some_and(|lie| lie.step == step);
        self.times += usize::from(is_due);
        let due = self
            .lie
            .as_ref()
            .filter(|lie| is_due && lie.time == self.times);
        let given = match due.map(|lie| &lie.deed) {
            None => answer.clone(),
            Some(Deed::Word(other)) => [data, &other.0].concat(),
            Some(Deed::Bare(word)) => word.0.clone(),
            Some(deed) => {
                let message = Message {
                    data,
                    earlier: &self.said,
                    recorded: &self.recorded,
                    other: Command::parse(command).unwrap().data,
                };
                let data = message.distorted(deed);
                let data = data.unwrap_or_else(|| panic!("no card can do {deed:?}"));
                [data.as_slice(), word].concat()
            }
        };
        if due.is_some() {
            self.after = Some(Vec::new());
        }
        self.said.push((step, data.to_vec()));
        given
    }
}

impl<B: Body> Body for HostileCard<B> {
    fn power_on(&mut self) {
        self.body.power_on();
    }

    fn power_off(&mut self) {
        self.body.power_off();
    }

    fn reset(&mut self) {
        self.body.reset();
    }

    fn atr(&self) -> Vec<u8> {
        self.body.atr()
    }

    fn transmit(&mut self, command: &[u8]) -> Vec<u8> {
        let answer = self.body.transmit(command);
        self.judge(command, answer)
    }
}

impl<B: Body> LocalCard for HostileCard<B> {
    fn reset(&mut self) -> Vec<u8> {
        self.body.reset();
        self.body.atr()
    }

    fn transmit(&mut self, command: &[u8]) -> Vec<u8> {
        Body::transmit(self, command)
    }
}
