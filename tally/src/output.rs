//! The way out: results for programs, with nothing in them that a terminal would act on.

use crate::failure::Failure;
use host::output::result;
use serde_json::Value;
use terminal_lib::text::ascii_json;

/// Prints one JSON value.
///
/// # Errors
/// It could not be written.
pub fn json(value: &Value) -> Result<(), Failure> {
    result(format_args!("{}\n", ascii_json(&format!("{value:#}"))))?;
    Ok(())
}
