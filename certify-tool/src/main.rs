//! The command `certify`: the authority's hand (Figure 9 of the patent; `docs/protocol.md` §7, §11.8, §13).
//!
//! | module | job |
//! |---|---|
//! | `cli`, `cli_clients` | what a person may type |
//! | `verb` | one file per verb |
//! | `office` | the authority as a station needs it |
//! | `place` | where the authority is, and what time it is |
//! | `files` | certificates, requests and lists in files and streams, DER and PEM |
//! | `secret` | passphrase, PIN and PUK: by prompt or from a file, never from an argument |
//! | `sheet` | results for people and for programs |
//! | `failure` | one line and one exit code |
//!
//! What is decided about a request is decided in the package `authority`; what a card is sent, in `terminal-lib`.

mod cli;
mod cli_clients;
mod failure;
mod files;
mod office;
mod place;
mod reader;
mod secret;
mod sheet;
mod verb;

use clap::Parser;
use host::output::note;
use std::process::ExitCode;

fn main() -> ExitCode {
    terminal_lib::refuse_core_dumps();
    match verb::run(&cli::Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            note(format_args!(
                "certify: {}",
                sheet::escaped(failure.message())
            ));
            failure.exit_code()
        }
    }
}
