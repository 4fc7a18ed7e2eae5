//! The way out: results for programs, with nothing in them that a terminal would act on.

use serde_json::Value;
use terminal_lib::text::ascii_json;

/// Prints one JSON value.
pub fn json(value: &Value) {
    println!("{}", ascii_json(&format!("{value:#}")));
}
