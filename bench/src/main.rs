//! `cargo xtask bench`: what things cost, as counts and as ratios within one run.
//!
//! Counts are exact: a missed one fails the run. Ratios of times are medians, the worst of three runs; they are printed
//! with their goals and depend on the machine.

#[cfg(feature = "authority")]
mod authority;
mod memory;
#[cfg(feature = "pcsc")]
mod reader;
mod table;
mod world;

use std::process::ExitCode;

fn main() -> ExitCode {
    let as_json = std::env::args().any(|argument| argument == "--json");
    match run(as_json) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            eprintln!("bench: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(as_json: bool) -> Result<bool, world::Failure> {
    #[cfg(feature = "authority")]
    if std::env::args().any(|argument| argument == "authority") {
        let after = |flag: &str| {
            let mut rest = std::env::args().skip_while(|argument| argument != flag);
            rest.nth(1)
        };
        let store_file = after("--store-file").map(std::path::PathBuf::from);
        let cards = match after("--cards") {
            Some(count) => count.parse()?,
            None => authority::CARDS,
        };
        let figures = authority::figures(store_file.as_deref(), cards)?;
        return Ok(table::print(&figures, as_json));
    }
    let mut figures = memory::counts()?;
    figures.extend(memory::ratios()?);
    #[cfg(feature = "pcsc")]
    figures.extend(reader::ratios()?);
    #[cfg(not(feature = "pcsc"))]
    eprintln!(
        "readers: not run; cargo xtask with-reader cargo run --profile dist -p bench --features pcsc"
    );
    Ok(table::print(&figures, as_json))
}
