//! One file per verb.

mod ca;
mod card;
mod challenge;
mod describe;
mod list;
mod log;
mod personalise;
mod revoke;
mod terminal;
mod verify;

use crate::cli::{Arguments, CaVerb, Verb};
use crate::failure::Failure;

/// Does what was asked.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let folder = || crate::place::folder(arguments.dir.as_deref());
    let style = arguments.output_format;
    match &arguments.verb {
        Verb::Ca(CaVerb::Init {
            name,
            years,
            passphrase,
            key,
        }) => ca::init(&folder()?, name, *years, passphrase, key, style),
        Verb::Card(job) => card::certify(&folder()?, job, style),
        Verb::Challenge(name) => challenge::give(&folder()?, name, style),
        Verb::Terminal(job) => terminal::certify(&folder()?, job, style),
        Verb::Inspect { file } => describe::inspect(file, style),
        Verb::Verify(what) => verify::verify(what, style),
        Verb::List => list::holders(&folder()?, style),
        Verb::Export { what, output } => list::export(&folder()?, what, output),
        Verb::Revoke {
            name,
            reason,
            output,
            passphrase,
        } => revoke::revoke(&folder()?, name, reason, output, passphrase),
        Verb::StatusList {
            cut_off_all,
            output,
            passphrase,
        } => revoke::publish(&folder()?, *cut_off_all, output, passphrase),
        Verb::Log(verb) => log::run(folder, verb, style),
    }
}
