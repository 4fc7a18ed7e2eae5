//! Known bugs that a test build can switch on, one at a time, to see that a test catches each (T81).
//!
//! Without the feature `on` every question here is answered by a constant `false`, and the compiler removes the bug. A release build
//! with the feature does not compile. `cargo xtask evidence` runs every bug against the test that has to catch it.
#![cfg_attr(not(feature = "on"), no_std)]

#[cfg(all(feature = "on", not(debug_assertions)))]
compile_error!("the feature `planted/on` builds known bugs in: never in a release build");

/// The variable that names the one bug that is on.
#[cfg(feature = "on")]
pub const VARIABLE: &str = "TALLYSTICK_PLANTED";

/// Whether this bug is on.
#[cfg(feature = "on")]
pub fn planted(name: &str) -> bool {
    static ON: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    ON.get_or_init(|| std::env::var(VARIABLE).ok()).as_deref() == Some(name)
}

/// Whether this bug is on: never.
#[cfg(not(feature = "on"))]
#[inline(always)]
pub const fn planted(_name: &str) -> bool {
    false
}
