//! One file per verb.

mod approvals;
mod backup;
mod batch;
mod ca;
mod card;
mod challenge;
mod clients;
mod describe;
mod enrol;
mod list;
mod log;
mod personalise;
mod revoke;
mod rollover;
mod terminal;
mod verify;

use crate::cli::{Arguments, CaVerb, OutputArguments, PassphraseArguments, StatusListVerb, Verb};
use crate::failure::Failure;

/// Does what was asked.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let folder = || {
        if arguments.authority.is_some() {
            return Err(Failure::usage(
                "this verb works in the authority's folder (--dir), not over the network",
            ));
        }
        crate::place::folder(arguments.dir.as_deref())
    };
    let style = arguments.output_format;
    match &arguments.verb {
        Verb::Ca(CaVerb::Init {
            name,
            years,
            passphrase,
            key,
        }) => ca::init(&folder()?, name, *years, passphrase, key, style),
        Verb::Rollover(job) => rollover::roll_over(&folder()?, job, style),
        Verb::Ca(CaVerb::Backup { out }) => backup::backup(&folder()?, out, style),
        Verb::Ca(CaVerb::Restore {
            from,
            kept,
            newest,
            leap,
            passphrase,
        }) => {
            let backup = backup::Given {
                from,
                kept,
                newest: newest.as_deref(),
                leap: *leap,
            };
            backup::restore(&folder()?, &backup, passphrase, style)
        }
        Verb::Enrol { url, code_file } => enrol::enrol(arguments, url, code_file.as_deref()),
        Verb::Batch(job) => batch::certify(arguments, job),
        Verb::Card(job) => card::certify(arguments, job),
        Verb::Challenge(name) => challenge::give(arguments, name),
        Verb::Terminal(job) => terminal::certify(arguments, job),
        Verb::Inspect { file } => describe::inspect(file, style),
        Verb::Verify(what) => verify::verify(what, style),
        Verb::List => list::holders(arguments),
        Verb::Export { what, output } => list::export(&folder()?, what, output),
        Verb::Revoke {
            name,
            reason,
            output,
            passphrase,
        } => revoke::revoke(arguments, name, reason, output, passphrase),
        Verb::StatusList(StatusListVerb::Publish {
            cut_off_all,
            also_under,
            also_out,
            also_passphrase_file,
            output,
            passphrase,
        }) => {
            if let (Some(root), Some(out)) = (also_under, also_out) {
                let secret = also_passphrase_file.as_ref();
                let secret = secret.or(passphrase.passphrase_file.as_ref()).cloned();
                let output = OutputArguments {
                    out: out.clone(),
                    format: output.format,
                };
                let passphrase = PassphraseArguments {
                    passphrase_file: secret,
                };
                revoke::publish_under(&folder()?, root, &output, &passphrase)?;
            }
            revoke::publish(arguments, *cut_off_all, output, passphrase)
        }
        Verb::Approvals(verb) => approvals::run(arguments, verb),
        Verb::Clients(verb) => clients::run(arguments, verb),
        Verb::Log(verb) => log::run(arguments, verb),
    }
}
