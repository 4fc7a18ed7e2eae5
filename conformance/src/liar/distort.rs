//! What a lie does to the bytes of one message.

use super::lie::{Change, Deed};
use super::messaging::{object, objects};
use super::puppet::Step;

/// One message of the liar, its data only, with what it may be replaced by.
pub struct Message<'a> {
    /// Its data.
    pub data: &'a [u8],
    /// What the liar said before in this visit.
    pub earlier: &'a [(Step, Vec<u8>)],
    /// What the liar said in an honest visit.
    pub recorded: &'a [(Step, Vec<u8>)],
    /// What the other end said last.
    pub other: &'a [u8],
}

impl Message<'_> {
    /// The data that the lie puts in its place; `None` for a deed that is not done to data.
    pub fn distorted(&self, deed: &Deed) -> Option<Vec<u8>> {
        let data = self.data;
        Some(match deed {
            Deed::Flip { byte, bit } => {
                let mut data = data.to_vec();
                let place = byte.rem_euclid(data.len().try_into().unwrap());
                data[usize::try_from(place).unwrap()] ^= 1 << bit;
                data
            }
            Deed::Data(other) => other.0.clone(),
            Deed::Cut(count) => data[..data.len() - count].to_vec(),
            Deed::Extend(more) => [data, &more.0].concat(),
            Deed::Object { tag, change } => change_object(data, tag.0[0], change),
            Deed::Earlier(step) => said(self.earlier, *step),
            Deed::Recorded(step) => said(self.recorded, *step),
            Deed::Mirror => self.other.to_vec(),
            _ => return None,
        })
    }
}

/// What was said at a step, the last time.
fn said(messages: &[(Step, Vec<u8>)], step: Step) -> Vec<u8> {
    let found = messages.iter().rfind(|(said, _)| *said == step);
    let (_, data) = found.unwrap_or_else(|| panic!("nothing was said at {step:?}"));
    data.clone()
}

fn change_object(field: &[u8], tag: u8, change: &Change) -> Vec<u8> {
    let mut found = objects(field).unwrap();
    let at = found.iter().position(|(found, _)| *found == tag);
    let at = at.unwrap_or_else(|| panic!("there is no object {tag:02X}"));
    match change {
        Change::Drop => drop(found.remove(at)),
        Change::Double => found.insert(at, found[at].clone()),
        Change::Last => {
            let moved = found.remove(at);
            found.push(moved);
        }
        Change::Tag(other) => found[at].0 = other.0[0],
        Change::Value(value) => found[at].1 = value.0.clone(),
    }
    let encoded = found.iter().map(|(tag, value)| object(*tag, value));
    encoded.collect::<Vec<_>>().concat()
}
