//! The demonstration on paper: the story, then the figures.

use super::meter::Happening;
use super::{Insertion, story};
use crate::failure::Failure;
use crate::output;
use apdu::codec::command::Header;
use apdu::identifier::header;
use host::output::result;
use serde_json::json;
use terminal_lib::transport::trace::TraceEvent;

/// Where in an insertion an exchange stands, which decides what it means.
#[derive(Default)]
struct Place {
    paired: bool,
    answered_challenge: bool,
}

impl Place {
    /// What the next exchange means.
    fn next(&mut self, insertion: usize, event: &TraceEvent) -> &'static str {
        let Some(command) = event.command.header.map(Header::unchained) else {
            return "";
        };
        let first_in_session = self.paired && self.answered_challenge;
        let meaning = story::meaning(command, self.paired || insertion > 0, first_in_session);
        if command == header::COMMIT {
            self.paired = true;
        }
        self.answered_challenge = command == header::RECONNECT;
        meaning
    }
}

pub fn text(card: &str, insertions: &[Insertion], trace: bool) -> Result<(), Failure> {
    result(format_args!(
        "A card and a terminal, certified by the same authority, meet for the first time. Card: {card}.\n"
    ))?;
    for (number, insertion) in insertions.iter().enumerate() {
        result(format_args!("\n{}\n\n", insertion.title))?;
        let mut place = Place {
            paired: number > 0,
            ..Place::default()
        };
        for happening in &insertion.happenings {
            match happening {
                Happening::Application(said) => result(format_args!("      * {said}\n"))?,
                Happening::Exchange(event) => {
                    let meaning = place.next(number, event);
                    result(format_args!("  {}\n", story::line(event)))?;
                    if trace {
                        result(format_args!("{event}\n"))?;
                    }
                    if !meaning.is_empty() {
                        result(format_args!("      {meaning}\n"))?;
                    }
                }
            }
        }
    }
    result("\n")?;
    table(insertions)
}

fn table(insertions: &[Insertion]) -> Result<(), Failure> {
    let row = |name: &str, value: &dyn Fn(&Insertion) -> String| {
        let columns: Vec<String> = insertions
            .iter()
            .map(|insertion| format!("{:>16}", value(insertion)))
            .collect();
        result(format_args!("{name:<28}{}\n", columns.concat()))
    };
    result(format_args!(
        "{:<28}{:>16}{:>16}\n",
        "", "insertion one", "insertion two"
    ))?;
    row("commands", &|insertion| insertion.card.commands.to_string())?;
    row("bytes to the card", &|insertion| {
        insertion.card.bytes_sent.to_string()
    })?;
    row("bytes from the card", &|insertion| {
        insertion.card.bytes_received.to_string()
    })?;
    row("curve operations, card", &|insertion| {
        insertion.card.card_operations.total().to_string()
    })?;
    row("curve operations, terminal", &|insertion| {
        insertion.terminal_operations.total().to_string()
    })?;
    row("time, card", &|insertion| {
        format!("{:.2} ms", insertion.card.card_time.as_secs_f64() * 1e3)
    })?;
    row("time, terminal", &|insertion| {
        format!("{:.2} ms", insertion.terminal_time.as_secs_f64() * 1e3)
    })?;
    Ok(())
}

pub fn json(card: &str, insertions: &[Insertion]) -> Result<(), Failure> {
    let insertions: Vec<_> = insertions
        .iter()
        .enumerate()
        .map(|(number, insertion)| {
            let mut place = Place {
                paired: number > 0,
                ..Place::default()
            };
            let steps: Vec<_> = insertion
                .happenings
                .iter()
                .map(|happening| match happening {
                    Happening::Application(said) => json!({ "application": said }),
                    Happening::Exchange(event) => exchange(event, place.next(number, event)),
                })
                .collect();
            json!({
                "title": insertion.title,
                "steps": steps,
                "figures": {
                    "commands": insertion.card.commands,
                    "bytesToCard": insertion.card.bytes_sent,
                    "bytesFromCard": insertion.card.bytes_received,
                    "curveOperationsCard": insertion.card.card_operations.total(),
                    "curveOperationsTerminal": insertion.terminal_operations.total(),
                    "cardMicroseconds": insertion.card.card_time.as_micros(),
                    "terminalMicroseconds": insertion.terminal_time.as_micros(),
                },
            })
        })
        .collect();
    output::json(&json!({ "card": card, "insertions": insertions }))
}

fn exchange(event: &TraceEvent, meaning: &str) -> serde_json::Value {
    let response = event.response.as_ref().ok();
    json!({
        "number": event.number,
        "command": event.command.name,
        "dataThere": event.command.length,
        "dataBack": response.map(|response| response.length),
        "status": response.and_then(|response| response.status).map(|status| format!("{status:?}")),
        "statusInWords": response.and_then(|response| response.status).map(|status| status.to_string()),
        "meaning": meaning,
    })
}
