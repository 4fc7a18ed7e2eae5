//! The hostile terminal: a puppet that says one thing it should not, to any card.

use super::distort::Message;
use super::lie::{Deed, Forgery, Lie};
use super::messaging::{Direction, object};
use super::puppet::{Puppet, Step, Stop};
use super::subject::Identity;
use crate::authority::{ROOT, name};
use apdu::certificate::{Certificate, CertificateFields, Role};
use apdu::codec::command::{Command, Header};

/// How a card took a lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The step at which the run ended.
    pub at: Option<Step>,
    /// Why; nothing if the card went along to the end.
    pub stop: Option<Stop>,
    /// The data of all commands as an honest terminal would have sent them.
    pub said: Vec<(Step, Vec<u8>)>,
}

impl Told {
    /// The class of the failure, as the data files write it.
    pub fn class(&self) -> String {
        match self.stop {
            None => "none".into(),
            Some(Stop::Word(word)) => format!("{word:04X}"),
            Some(Stop::Refused(word)) => format!("{word:04X} protected"),
            Some(Stop::NotRecognised) => "not-recognised".into(),
            Some(Stop::Unauthentic) => "unauthentic".into(),
            Some(Stop::Malformed) => "malformed".into(),
        }
    }
}

/// Goes through the puppet's plan, telling the lie at its step. `before` is called just before it is told.
pub fn tell(
    puppet: &mut Puppet,
    lie: Option<&Lie>,
    recorded: &[(Step, Vec<u8>)],
    mut card: impl FnMut(&[u8]) -> Vec<u8>,
    mut before: impl FnMut(),
) -> Told {
    let (mut said, mut last, mut times) = (Vec::new(), Vec::new(), 0);
    while let Some(step) = puppet.step() {
        let is_due = puppet.begins_a_step() && lie.is_some_and(|lie| lie.step == step);
        times += usize::from(is_due);
        let due = lie.filter(|lie| is_due && lie.time == times);
        if due.is_some() {
            before();
        }
        if matches!(due.map(|lie| &lie.deed), Some(Deed::Skip)) {
            puppet.plan.pop_front();
            continue;
        }
        let honest = match due {
            None => puppet.speak().unwrap(),
            Some(lie) => prepare(puppet, step, &lie.deed),
        };
        let command = Command::parse(&honest).unwrap();
        said.push((step, command.data.to_vec()));
        let message = Message {
            data: command.data,
            earlier: &said,
            recorded,
            other: &last,
        };
        let distorted = due.and_then(|lie| message.distorted(&lie.deed));
        let sent = match distorted {
            None => honest,
            Some(data) => {
                let changed = Command {
                    data: &data,
                    ..command
                };
                changed.encode().unwrap()
            }
        };
        if matches!(due.map(|lie| &lie.deed), Some(Deed::Twice)) {
            card(&sent);
        }
        let answer = card(&sent);
        last = answer[..answer.len() - 2].to_vec();
        if let Err(stop) = puppet.hear(&answer) {
            return Told {
                at: Some(step),
                stop: Some(stop),
                said,
            };
        }
    }
    Told {
        at: None,
        stop: None,
        said,
    }
}

/// The command of a step whose lie is told before there are bytes.
fn prepare(puppet: &mut Puppet, step: Step, deed: &Deed) -> Vec<u8> {
    match deed {
        Deed::Instead(other) => {
            puppet.plan[0] = *other;
            puppet.speak().unwrap()
        }
        Deed::InClear => {
            let in_clear = puppet.in_clear(step);
            puppet.speak();
            in_clear
        }
        Deed::Counter(by) => {
            let channel = puppet.channel.as_mut().unwrap();
            channel.counter = channel.counter.wrapping_add_signed((*by).into());
            puppet.speak().unwrap()
        }
        Deed::OtherDirection => {
            puppet.channel.as_mut().unwrap().swap_directions();
            puppet.speak().unwrap()
        }
        Deed::Certificate(forgery) => {
            puppet.identity.certificate = forged(&puppet.identity, *forgery);
            puppet.speak().unwrap()
        }
        Deed::Digits(digits) => {
            puppet.pin = digits.0.clone();
            puppet.speak().unwrap()
        }
        Deed::Header(other) => {
            let honest = puppet.speak().unwrap();
            let [cla, ins, p1, p2] = *other.0.first_chunk().unwrap();
            [&Header::new(cla, ins, p1, p2).to_bytes(), &honest[4..]].concat()
        }
        Deed::Blocks(blocks) => {
            let honest = puppet.speak().unwrap();
            let command = Command::parse(&honest).unwrap();
            let channel = puppet.channel.as_ref().unwrap();
            let blocks = channel.encrypt(Direction::Command, channel.counter, &blocks.0);
            let field = object(0x87, &[&[0x01], blocks.as_slice()].concat());
            let field = channel.finish_command(channel.counter, command.header, &field);
            let changed = Command {
                data: &field,
                ..command
            };
            changed.encode().unwrap()
        }
        Deed::Word(_) | Deed::Bare(_) => panic!("no terminal can do {deed:?}"),
        _ => puppet.speak().unwrap(),
    }
}

fn forged(own: &Identity, forgery: Forgery) -> Certificate {
    let claims = own.certificate.claims();
    match forgery {
        Forgery::OfACard => {
            let holder = claims.holder.to_string();
            super::subject::leaf(&holder, Role::Card, claims.key.clone())
        }
        Forgery::SelfSigned => {
            let fields = CertificateFields {
                issuer: name(ROOT),
                ..claims.clone()
            };
            let signature = own.key().sign(&fields.encode_body());
            Certificate::assemble(fields, signature)
        }
        Forgery::OfAnother => {
            Identity::certified("ZZTALLYTERM00099", Role::Terminal, 4_099).certificate
        }
    }
}
