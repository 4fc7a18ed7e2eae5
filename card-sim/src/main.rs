//! The command `card-sim`: makes a virtual card, plugs it into a reader, shows it, resets it.

use card_core::lifecycle::{self, LifeCycle};
use card_core::store::{Record, Store, StoreError};
use card_sim::body::VirtualCard;
use card_sim::event::Event;
use card_sim::state_file::StateFile;
use card_sim::vpcd::{FIRST_PORT, StopFlag, VpcdClient, VpcdError};
use clap::{Args, Parser, Subcommand};
use etcetera::BaseStrategy;
use getrandom::SysRng;
use host::output::{Undelivered, note, result};
use host::text::{ascii_json, escaped};
use journal::JournalError;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// A virtual smart card with a durable memory. It plugs into vpcd, so that any PC/SC program can use it.
#[derive(Parser)]
#[command(name = "card-sim", version)]
struct Arguments {
    /// The card's file [default: tallystick/card.state in the user's data folder]
    #[arg(long, global = true, value_name = "FILE")]
    state: Option<PathBuf>,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Make a new, blank card
    Init,
    /// Plug the card into a reader and answer until stopped (Ctrl-C pulls it out)
    Run(RunArguments),
    /// Show what the card's file says; no secrets
    Show {
        /// How to print it
        #[arg(long, value_enum, default_value_t = Format::Text)]
        output_format: Format,
    },
    /// Make the card blank again; its roots, trusted date and status list stay
    Reset {
        /// Erase keys, pairings, PIN and everything in its services without asking
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Format {
    Text,
    Json,
}

#[derive(Args)]
struct RunArguments {
    /// vpcd's reader slot on this machine: 0 or 1
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=1))]
    slot: u8,
    /// Another vpcd, or a terminal that listens itself: HOST:PORT
    #[arg(long, value_name = "ADDRESS", conflicts_with = "slot")]
    connect: Option<String>,
    /// Print a line for every command: lengths and status words, no content
    #[arg(long)]
    trace: bool,
}

/// What stopped the command, and what to do about it.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0} (card file: {1})")]
    File(JournalError, PathBuf),
    #[error("the card's file holds something this program does not understand: {0}")]
    Content(PathBuf),
    #[error(transparent)]
    Reader(#[from] VpcdError),
    #[error(transparent)]
    Output(#[from] Undelivered),
    #[error("no home folder found; name the card's file with --state FILE")]
    NoHome,
    #[error("cannot make the folder {0}: {1}")]
    Folder(PathBuf, io::Error),
    #[error("this erases the card's key, pairings, PIN and data; say --yes to do it")]
    NotConfirmed,
}

fn main() -> ExitCode {
    host::refuse_core_dumps();
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            note(format_args!("card-sim: {}", escaped(&failure.to_string())));
            ExitCode::from(if matches!(failure, Failure::NotConfirmed) {
                2
            } else {
                1
            })
        }
    }
}

fn run(arguments: Arguments) -> Result<(), Failure> {
    let is_named = arguments.state.is_some();
    let path = match arguments.state {
        Some(path) => path,
        None => default_path()?,
    };
    match arguments.verb {
        Verb::Init => init(&path, is_named),
        Verb::Run(how) => plug_in(&path, &how),
        Verb::Show { output_format } => show(&path, output_format),
        Verb::Reset { yes } => reset(&path, yes),
    }
}

fn default_path() -> Result<PathBuf, Failure> {
    let places = etcetera::choose_base_strategy().map_err(|_| Failure::NoHome)?;
    Ok(places.data_dir().join("tallystick").join("card.state"))
}

fn init(path: &Path, is_named: bool) -> Result<(), Failure> {
    if let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        fs::create_dir_all(folder).map_err(|error| Failure::Folder(folder.into(), error))?;
    }
    StateFile::create(path).map_err(|error| Failure::File(error, path.into()))?;
    result(format_args!("A blank card is in {}\n", shown(path)))?;
    if is_named {
        result(format_args!(
            "Plug it in:   card-sim run --state {}\n",
            shown(path)
        ))?;
    } else {
        result("Plug it in:   card-sim run\n")?;
    }
    result("Certify it:   certify card --reader Virtual\n")?;
    Ok(())
}

fn open(path: &Path) -> Result<StateFile, Failure> {
    StateFile::open(path).map_err(|error| Failure::File(error, path.into()))
}

fn plug_in(path: &Path, how: &RunArguments) -> Result<(), Failure> {
    let address = match &how.connect {
        Some(address) => address.clone(),
        None => format!("127.0.0.1:{}", FIRST_PORT + u16::from(how.slot)),
    };
    let mut card = VirtualCard::new(open(path)?, SysRng);
    // Progress: whoever was to read it may be gone, and the card works all the same.
    let _ = result(format_args!(
        "Card {} goes to the reader at {address}; Ctrl-C pulls it out\n",
        path.display()
    ));
    let (mut told, trace) = (false, how.trace);
    let mut client = VpcdClient::new(&address).on_event(move |event| {
        let unreachable = matches!(event, Event::Unreachable { .. });
        // A driver that is not there is said once, not at every try.
        if !(unreachable && told) && (trace || !matches!(event, Event::Exchange { .. })) {
            note(format_args!("card-sim: {event}"));
        }
        told = unreachable;
    });
    Ok(client.run(&mut card, &StopFlag::default())?)
}

/// What can be said about a card without its secrets.
struct Summary {
    life: LifeCycle,
    records: usize,
    pairings: usize,
    pin_tries: Option<u8>,
    puk_tries: Option<u8>,
    name: Option<String>,
    trusted_date: Option<String>,
}

impl Summary {
    fn read(store: &StateFile) -> Result<Self, StoreError> {
        let records = store.records()?;
        let tries = |record| Ok(store.read(record)?.and_then(|value| value.first().copied()));
        let certificate = store.read(Record::CERTIFICATE)?;
        let certificate =
            certificate.and_then(|bytes| apdu::certificate::Certificate::decode(&bytes).ok());
        let date = store
            .read(Record::DATE)?
            .and_then(|bytes| bytes.as_slice().try_into().ok());
        Ok(Self {
            life: LifeCycle::of(store)?,
            records: records.len(),
            pairings: records.iter().filter(|record| record.is_slot()).count(),
            pin_tries: tries(Record::PIN_TRIES)?,
            puk_tries: tries(Record::PUK_TRIES)?,
            name: certificate.map(|certificate| certificate.claims().holder.to_string()),
            trusted_date: date
                .and_then(apdu::certificate::Date::from_bcd)
                .map(|date| date.to_string()),
        })
    }
}

fn show(path: &Path, format: Format) -> Result<(), Failure> {
    let store = open(path)?;
    let summary = Summary::read(&store).map_err(|_| Failure::Content(path.into()))?;
    match format {
        Format::Json => {
            let json = serde_json::json!({
                "file": path.display().to_string(),
                "lifeCycle": summary.life.word(),
                "name": summary.name,
                "pairings": summary.pairings,
                "pinTries": summary.pin_tries,
                "pukTries": summary.puk_tries,
                "trustedDate": summary.trusted_date,
                "records": summary.records,
            });
            result(format_args!("{}\n", ascii_json(&format!("{json:#}"))))?;
        }
        Format::Text => {
            let or_none = |value: Option<String>| value.unwrap_or_else(|| "-".into());
            result(format_args!("card file     {}\n", shown(path)))?;
            result(format_args!("life cycle    {}\n", summary.life.word()))?;
            result(format_args!("name          {}\n", or_none(summary.name)))?;
            result(format_args!("pairings      {} of 16\n", summary.pairings))?;
            result(format_args!(
                "PIN tries     {}\n",
                or_none(summary.pin_tries.map(|tries| tries.to_string()))
            ))?;
            result(format_args!(
                "PUK tries     {}\n",
                or_none(summary.puk_tries.map(|tries| tries.to_string()))
            ))?;
            result(format_args!(
                "trusted date  {}\n",
                or_none(summary.trusted_date)
            ))?;
        }
    }
    Ok(())
}

fn reset(path: &Path, confirmed: bool) -> Result<(), Failure> {
    let mut store = open(path)?;
    if !confirmed {
        return Err(Failure::NotConfirmed);
    }
    lifecycle::reset(&mut store).map_err(|_| Failure::Content(path.into()))?;
    result(format_args!("The card in {} is blank again\n", shown(path)))?;
    Ok(())
}

fn shown(path: &Path) -> String {
    escaped(&path.display().to_string())
}
