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
use crate::sheet::escaped;
use apdu::certificate::Certificate;
use host::output::note;
use host::result_file::{self, Access};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
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
        let mut unwritten = None;
        let done = wish.carry_out(
            office.as_mut(),
            inserted.card.as_mut(),
            &mut |certificate, puk| {
                // Durable before the activation: the PUK is on the card by now, and nowhere else.
                let entry = line.insert(entry(certificate, puk));
                report.expect(entry).map_err(|failure| {
                    let message = failure.message().to_owned();
                    unwritten = Some(failure);
                    Failure::failed(message)
                })
            },
        );
        if let Some(failure) = unwritten {
            return Err(failure); // the next card would fare no better
        }
        let state = match done {
            Ok(()) => "operational",
            Err(_) => CERTIFIED,
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
                let words = escaped(error.message());
                note(format_args!(
                    "certify: put this card in again after the approval: {words}"
                ));
            }
            Err(error) => {
                failures += 1;
                note(format_args!(
                    "certify: this card was not finished: {}",
                    escaped(error.message())
                ));
                if failures >= MOST_FAILURES {
                    return Err(Failure::failed(
                        "ten cards in a row were not finished; the report has those before, and the same command goes on",
                    ));
                }
            }
        }
        cards.wait_for_removal(inserted)?;
    }
    note(format_args!(
        "{} cards are in {}",
        report.lines,
        batch.report.display()
    ));
    Ok(())
}

/// How far it is, on a line of its own: what comes after it is not written behind the bar.
fn show(bar: &ProgressBar, done: u64) {
    bar.set_position(done);
    bar.force_draw();
    if !bar.is_hidden() {
        note("");
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

/// The state of a card whose activation failed or is not known. Its PUK is the right one in any case.
const CERTIFIED: &str = "certified";

/// The finished cards: a private file of JSON lines. Beside it, in `REPORT.unfinished`, the card that is being activated: so its PUK is
/// durable before the card is in use, and the report has one line for each card whatever happens in between.
struct Report {
    file: File,
    unfinished: PathBuf,
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
        let mut unfinished = path.as_os_str().to_owned();
        unfinished.push(".unfinished");
        let mut report = Self {
            file,
            unfinished: unfinished.into(),
            lines: u64::try_from(lines).unwrap_or(u64::MAX),
        };
        report.take_over(text.lines().last())?;
        Ok(report)
    }

    /// A run that was killed has left a card of which it is not known whether it was activated.
    fn take_over(&mut self, last: Option<&str>) -> Result<(), Failure> {
        let text = match fs::read(&self.unfinished).map(Zeroizing::new) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(self.cannot(&error)),
        };
        let card: Value = serde_json::from_slice(&text).map_err(|_| {
            Failure::failed(format!(
                "{}: not a card that a batch left; look at it, and take it away",
                self.unfinished.display()
            ))
        })?;
        let same = |line: Value| line["puk"] == card["puk"] && line["name"] == card["name"];
        let told = last.and_then(|line| serde_json::from_str(line).ok());
        if told.is_some_and(same) {
            return self.forget_unfinished();
        }
        note(format_args!(
            "An earlier run was cut off while it activated card {}: the report has it as `certified`. Put it in again: a card in use says so",
            escaped(card["name"].as_str().unwrap_or("of an earlier certificate"))
        ));
        self.add(card, CERTIFIED)
    }

    /// Notes the card that is about to be activated, durable.
    fn expect(&self, line: &Value) -> Result<(), Failure> {
        let text = Zeroizing::new(format!("{line}\n"));
        result_file::write(&self.unfinished, text.as_bytes(), Access::Private)
            .map_err(|error| self.cannot(&error).and("the card was not activated"))
    }

    fn forget_unfinished(&self) -> Result<(), Failure> {
        match fs::remove_file(&self.unfinished) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.cannot(&error)),
            _ => Ok(()),
        }
    }

    fn cannot(&self, error: &io::Error) -> Failure {
        Failure::failed(format!("{}: {error}", self.unfinished.display()))
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
                    "the report cannot be written ({error}); its last card is in {}",
                    self.unfinished.display()
                ))
            })?;
        self.lines += u64::from(state == "operational");
        self.forget_unfinished()
    }
}
