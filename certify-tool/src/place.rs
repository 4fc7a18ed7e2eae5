//! Where the authority is, and what time it is.

use crate::cli::NameArguments;
use crate::failure::Failure;
use apdu::certificate::{Name, Role};
use authority::{Authority, Moment, NameOrder};
use etcetera::BaseStrategy;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use terminal_lib::trust::{Clock, SystemClock};

/// How long to wait for another `certify` on the same authority.
const PATIENCE: Duration = Duration::from_secs(10);

/// The authority's folder (XDG base directories).
pub fn folder(named: Option<&Path>) -> Result<PathBuf, Failure> {
    if let Some(folder) = named {
        return Ok(folder.into());
    }
    let places = etcetera::choose_base_strategy().map_err(|_| {
        Failure::usage("no home folder found; name the authority's with --dir FOLDER")
    })?;
    Ok(places.data_dir().join("tallystick").join("authority"))
}

/// Where this machine's identity as a client of an authority's service is.
pub fn station(named: Option<&Path>) -> Result<PathBuf, Failure> {
    if let Some(folder) = named {
        return Ok(folder.into());
    }
    let places = etcetera::choose_base_strategy()
        .map_err(|_| Failure::usage("no home folder found; name one with --station FOLDER"))?;
    Ok(places.data_dir().join("tallystick").join("station"))
}

/// Where `tally` keeps this user's terminal; the folder is made if it is missing.
pub fn terminal_store() -> Result<PathBuf, Failure> {
    let places = etcetera::choose_base_strategy()
        .map_err(|_| Failure::usage("no home folder found; name the store with --store FILE"))?;
    let folder = places.data_dir().join("tallystick");
    std::fs::create_dir_all(&folder)
        .map_err(|error| Failure::failed(format!("cannot make {}: {error}", folder.display())))?;
    Ok(folder.join("terminal.store"))
}

/// Opens the authority.
pub fn open(folder: &Path) -> Result<Authority, Failure> {
    Ok(Authority::open(folder, PATIENCE)?)
}

/// Now, by the system's clock, unless it cannot be right.
pub fn now() -> Result<Moment, Failure> {
    SystemClock.today().map_err(Failure::failed)?; // not before this program was made
    let wrong = || Failure::failed("this computer's clock is wrong");
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_err(|_| wrong())?;
    Moment::from_unix_seconds(since.as_secs()).ok_or_else(wrong)
}

/// A holder's or an authority's name.
pub fn name(text: &str) -> Result<Name, Failure> {
    Name::new(text).ok_or_else(|| {
        Failure::usage(format!(
            "{text} is no name: 8 to 16 capital letters and digits, beginning with two letters"
        ))
    })
}

/// Which name was asked for.
pub fn name_order(arguments: &NameArguments, role: Role) -> Result<NameOrder, Failure> {
    let default = match role {
        Role::Card => "ZZTALLYCARD",
        _ => "ZZTALLYTERM",
    };
    let prefix = arguments.prefix.as_deref().unwrap_or(default).to_string();
    Ok(match (&arguments.name, arguments.recertify) {
        (Some(text), false) => NameOrder::Exactly(name(text)?),
        (Some(text), true) => NameOrder::InPlaceOf(name(text)?),
        (None, false) => NameOrder::NextOf(prefix),
        (None, true) => NameOrder::InPlaceOfUnknown(prefix),
    })
}
