//! The terminal: pairs with a card, then talks to it over secure messaging.

pub mod transport;
