//! The authority's hand: certifies cards and terminals.
fn main() {}
