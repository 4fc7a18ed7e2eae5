//! `certify batch`: a whole tray of cards, one after the other.
//!
//! A card that was interrupted is put in again, now or in a later run: the authority knows which certificate waits for it, and the card
//! takes no other. The same where an operator has to approve: a card is put in twice, for its request and for its certificate. So no
//! card gets two, and the report has one line for each that was finished.

use super::card::Wish;
use crate::cli::{Arguments, BatchArguments};
use crate::failure::Failure;
use crate::office;
use crate::reader::Cards;
use apdu::certificate::Certificate;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use zeroize::Zeroizing;

/// Cards in a row that may fail before the batch stops: then it is not the cards.
const MOST_FAILURES: u32 = 10;

/// Personalises cards until the report has as many lines as were asked for.
pub fn certify(arguments: &Arguments, batch: &BatchArguments) -> Result<(), Failure> {
    if batch.card.name.name.is_some() {
        return Err(Failure::usage(
            "a batch of cards needs a --prefix, not one --name",
        ));
    }
    let wish = Wish::read(&batch.card)?;
    let mut report = Report::open(&batch.report)?;
    let mut office = office::open(arguments, &batch.card.passphrase, &batch.card.approval)?;
    let cards = Cards::open(&batch.card)?;
    let bar = ProgressBar::new(batch.count.into());
    if let Ok(style) = ProgressStyle::with_template("{pos}/{len} cards [{wide_bar}]") {
        bar.set_style(style);
    }
    show(&bar, report.lines);
    let mut failures = 0;
    while report.lines < batch.count.into() {
        let mut inserted = cards.next()?;
        let mut line = None;
        let done = wish.carry_out(
            office.as_mut(),
            inserted.card.as_mut(),
            &mut |certificate, puk| {
                line = Some(entry(certificate, puk));
                Ok(())
            },
        );
        // Written also when the activation failed: the PUK is on the card by now, and nowhere else.
        let state = if done.is_ok() {
            "operational"
        } else {
            "certified"
        };
        if let Some(line) = line {
            report.add(line, state)?;
        }
        match done {
            Ok(()) => {
                failures = 0;
                show(&bar, report.lines);
            }
            Err(error) if error.is_waiting() => {
                failures = 0;
                let words = crate::sheet::escaped(error.message());
                eprintln!("certify: put this card in again after the approval: {words}");
            }
            Err(error) => {
                failures += 1;
                eprintln!(
                    "certify: this card was not finished: {}",
                    crate::sheet::escaped(error.message())
                );
                if failures >= MOST_FAILURES {
                    return Err(Failure::failed(
                        "ten cards in a row were not finished; the report has those before, and the same command goes on",
                    ));
                }
            }
        }
        cards.wait_for_removal(inserted)?;
    }
    eprintln!("{} cards are in {}", report.lines, batch.report.display());
    Ok(())
}

/// How far it is, on a line of its own: what comes after it is not written behind the bar.
fn show(bar: &ProgressBar, done: u64) {
    bar.set_position(done);
    bar.force_draw();
    if !bar.is_hidden() {
        eprintln!();
    }
}

fn entry(certificate: Option<&Certificate>, puk: Option<&str>) -> Value {
    match certificate {
        Some(certificate) => json!({
            "name": certificate.claims().holder.as_str(),
            "keyId": certificate.key_id().to_string(),
            "validUntil": certificate.claims().until.to_string(),
            "puk": puk,
        }),
        None => json!({ "name": null, "puk": puk }),
    }
}

/// The finished cards: a private file of JSON lines.
struct Report {
    file: File,
    lines: u64,
}

impl Report {
    /// Opens or makes it; a last line that was not finished is an error, for it may hold a PUK.
    fn open(path: &Path) -> Result<Self, Failure> {
        let cannot =
            |error: io::Error| Failure::failed(format!("cannot write {}: {error}", path.display()));
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)
            .map_err(cannot)?;
        crate::files::require_private(&file, path)?;
        let mut text = Zeroizing::new(String::new());
        file.read_to_string(&mut text).map_err(cannot)?;
        let whole = text.is_empty() || text.ends_with('\n');
        let read =
            |line: &str| serde_json::from_str::<Value>(line).is_ok_and(|line| line.is_object());
        if !whole || !text.lines().all(read) {
            return Err(Failure::failed(format!(
                "{}: not a report of cards, or its last line was cut; look at it, mend it, or choose another file",
                path.display()
            )));
        }
        let done = |line: &&str| line.contains("\"state\":\"operational\"");
        let lines = text.lines().filter(done).count();
        Ok(Self {
            file,
            lines: u64::try_from(lines).unwrap_or(u64::MAX),
        })
    }

    /// Adds a line, durable.
    fn add(&mut self, mut line: Value, state: &str) -> Result<(), Failure> {
        if let Some(line) = line.as_object_mut() {
            line.insert("state".into(), state.into());
        }
        let text = Zeroizing::new(format!("{line}\n"));
        self.file
            .write_all(text.as_bytes())
            .and_then(|()| self.file.sync_data())
            .map_err(|error| {
                Failure::failed(format!(
                    "the report cannot be written ({error}): its last card is {line}"
                ))
            })?;
        self.lines += u64::from(state == "operational");
        Ok(())
    }
}
