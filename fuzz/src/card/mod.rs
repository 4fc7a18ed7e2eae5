//! T22: a card in any saved state against any sequence of commands.
//!
//! The first byte of an input chooses the saved state, the rest is a list of [steps](step): raw APDUs, known plain commands,
//! commands that are validly sealed with any plain text in them, damaged ones, repetitions, resets, and whole handshakes. After
//! each APDU the [oracle] judges what it changed.

pub mod channel;
pub mod desk;
pub mod oracle;
pub mod papers;
pub mod saved;
pub mod starts;
pub mod step;

use crate::tape::Tape;
use desk::Trace;

/// Steps of one input.
const MAX_STEPS: usize = 24;

/// Runs one input.
pub fn run(input: &[u8]) -> Trace {
    let mut tape = Tape::new(input);
    let mut desk = starts::with_all(|starts| starts[tape.below(starts.len())].desk.fork());
    for _ in 0..MAX_STEPS {
        if tape.is_at_end() {
            break;
        }
        step::take(&mut desk, &mut tape);
    }
    desk.trace
}
