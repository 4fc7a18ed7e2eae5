//! The card: a pure state machine, command bytes in, response bytes out.
