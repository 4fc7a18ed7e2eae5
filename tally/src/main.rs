//! The command `tally`: the front door.

mod ask;
mod cli;
mod demo;
mod doctor;
mod failure;
mod home;
mod output;
mod person;
mod places;
mod reader;
mod verbs;
mod visit;

use clap::Parser;
use cli::{Arguments, Format, Verb};
use failure::Failure;
use host::output::note;
use std::process::ExitCode;
use terminal_lib::text::escaped;

fn main() -> ExitCode {
    terminal_lib::refuse_core_dumps();
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(code) => code,
        Err(failure) => {
            match arguments.output_format {
                Format::Text => note(format_args!("tally: {}", escaped(failure.message()))),
                Format::Json => {
                    let error = serde_json::json!({ "error": failure.message() });
                    let _ = output::json(&error); // the exit code says it as well
                }
            }
            failure.exit_code()
        }
    }
}

fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let format = arguments.output_format;
    match &arguments.verb {
        // What it found is its output, not an error of its own.
        Verb::Doctor => match doctor::run(format)? {
            true => Ok(()),
            false => return Ok(ExitCode::FAILURE),
        },
        Verb::Demo { trace } => demo::run(format, *trace),
        Verb::Session(card) => verbs::session(card, format),
        Verb::Readers => readers(format),
        Verb::Pairings { store, verb } => home::pairings(store, verb, format),
        Verb::Vault { card, verb } => verbs::vault(card, verb, format),
        Verb::Counter { card, verb } => verbs::counter(card, verb, format),
        Verb::Pin { card, verb } => verbs::pin(card, verb),
        Verb::Card { card, verb } => verbs::card(card, verb, format),
        Verb::Identity { store, verb } => home::identity(store, verb, format),
    }
    .map(|()| ExitCode::SUCCESS)
}

#[cfg(feature = "pcsc")]
fn readers(format: Format) -> Result<(), Failure> {
    use terminal_lib::transport::pcsc::{Diagnosis, diagnose};
    let readers = match diagnose() {
        Diagnosis::NoService(error) => return Err(error.into()),
        Diagnosis::Service(readers) => readers,
    };
    match format {
        Format::Json => {
            let list: Vec<_> = readers
                .iter()
                .map(|reader| serde_json::json!({ "name": reader.name, "card": reader.atr.is_some() }))
                .collect();
            output::json(&serde_json::json!(list))?;
        }
        Format::Text if readers.is_empty() => host::output::result("no readers\n")?,
        Format::Text => {
            for reader in readers {
                host::output::result(format_args!(
                    "{}  {}\n",
                    if reader.atr.is_some() {
                        "card "
                    } else {
                        "empty"
                    },
                    escaped(&reader.name)
                ))?;
            }
        }
    }
    Ok(())
}

#[cfg(not(feature = "pcsc"))]
fn readers(_: Format) -> Result<(), Failure> {
    Err(Failure::usage(
        "this build has no PC/SC: build it with `--features pcsc`; `tally doctor` says what is missing",
    ))
}
