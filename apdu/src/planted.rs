//! Known bugs that a test build can switch on, one at a time, to see that a test catches each.
//!
//! Without the feature `planted` every question here is answered by a constant `false`, and the compiler removes the bug. A release
//! build with the feature does not compile. `cargo xtask evidence` runs every bug against the test that has to catch it.

#[cfg(all(feature = "planted", not(debug_assertions)))]
compile_error!("the feature `planted` builds known bugs in: never in a release build");

/// The variable that names the one bug that is on.
#[cfg(feature = "planted")]
pub const VARIABLE: &str = "TALLYSTICK_PLANTED";

/// Whether this bug is on.
#[cfg(feature = "planted")]
pub fn planted(name: &str) -> bool {
    extern crate std;
    static ON: std::sync::OnceLock<Option<std::string::String>> = std::sync::OnceLock::new();
    ON.get_or_init(|| std::env::var(VARIABLE).ok()).as_deref() == Some(name)
}

/// Whether this bug is on: never.
#[cfg(not(feature = "planted"))]
#[inline(always)]
pub const fn planted(_name: &str) -> bool {
    false
}
