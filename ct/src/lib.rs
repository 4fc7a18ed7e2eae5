//! Do secrets steer the product? Two measurements of the code as it is shipped, compiled with optimisation.
//!
//! | module | what lives there |
//! |---|---|
//! | [`memcheck`] | words to valgrind: these bytes are secret |
//! | [`marked`] | both ends' memories and randomness, with every secret in them marked |
//! | [`scenario`] | what is run: tags, hints, comparisons, messages, PIN, reconnect, set-up |
//! | [`timing`] | whom time could tell something; [`welch`]: the test |
//! | [`leak`] | a comparison as it must not be, which both measurements have to find |
//!
//! `cargo xtask constant-time` runs the scenarios under valgrind and compares its reports with `ct/allowed.txt`; then it
//! runs the t-tests without valgrind.
//! What neither measurement sees: caches shared with others, power, radiation, and processors other than the one they run on.
#![expect(clippy::unwrap_used, reason = "a test bench stops where it fails")]

pub mod leak;
pub mod marked;
pub mod memcheck;
pub mod scenario;
pub mod timing;
pub mod welch;
