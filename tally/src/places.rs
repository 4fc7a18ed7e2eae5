//! Where things are kept when nothing else is said (XDG base directories).

use crate::failure::Failure;
use etcetera::BaseStrategy;
use std::path::PathBuf;

/// The terminal's store; its folder is made if it is missing.
pub fn store(named: Option<&PathBuf>) -> Result<PathBuf, Failure> {
    if let Some(path) = named {
        return Ok(path.clone());
    }
    let places = etcetera::choose_base_strategy()
        .map_err(|_| Failure::usage("no home folder found; name the store with --store FILE"))?;
    let folder = places.data_dir().join("tallystick");
    std::fs::create_dir_all(&folder).map_err(|error| {
        Failure::failed(format!(
            "cannot make the folder {}: {error}",
            folder.display()
        ))
    })?;
    Ok(folder.join("terminal.store"))
}
