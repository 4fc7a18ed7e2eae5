//! The front door: demo, session, doctor and the rest.
fn main() {}
