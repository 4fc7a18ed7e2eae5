//! Faults that a test plans for one connection: the reader is honest, the line is not.
//!
//! Commands are counted from 1 over the whole life of the client, also across reconnects. Each fault happens once.

use std::time::Duration;

/// What goes wrong at one command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The card is pulled before it has seen the command.
    DropBefore,
    /// The card carries the command out and is pulled before a byte of the answer has left.
    DropAfter,
    /// Only the first bytes of the answer's frame leave (2 length bytes included), then the card is pulled.
    CutAnswer {
        /// How many bytes leave.
        keep: usize,
    },
    /// The answer leaves late.
    Delay(Duration),
    /// One bit of the answer is turned over; bit 0 is the lowest bit of the first byte. A bit behind the end changes
    /// nothing.
    FlipBit {
        /// Which bit.
        bit: usize,
    },
}

/// The planned faults, by number of the command.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    planned: Vec<(u64, Fault)>,
    commands: u64,
}

impl Plan {
    pub(crate) fn add(&mut self, command: u64, fault: Fault) {
        self.planned.push((command, fault));
    }

    /// Counts one command and takes the faults planned for it.
    pub(crate) fn next_command(&mut self) -> Vec<Fault> {
        self.commands += 1;
        let now = self.commands;
        self.planned
            .extract_if(.., |(command, _)| *command == now)
            .map(|(_, fault)| fault)
            .collect()
    }
}

pub(crate) fn flip(answer: &mut [u8], bit: usize) {
    if let Some(byte) = answer.get_mut(bit / 8) {
        *byte ^= 1 << (bit % 8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_happens_at_its_command_and_only_there() {
        let mut plan = Plan::default();
        plan.add(2, Fault::DropAfter);
        plan.add(2, Fault::FlipBit { bit: 0 });
        assert_eq!(plan.next_command(), []);
        assert_eq!(
            plan.next_command(),
            [Fault::DropAfter, Fault::FlipBit { bit: 0 }]
        );
        assert_eq!(plan.next_command(), []);
    }

    #[test]
    fn a_flip_changes_exactly_one_bit_and_none_behind_the_end() {
        let mut answer = [0x90, 0x00];
        flip(&mut answer, 9);
        assert_eq!(answer, [0x90, 0x02]);
        flip(&mut answer, 16);
        assert_eq!(answer, [0x90, 0x02]);
    }
}
