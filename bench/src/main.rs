//! Figures of cost, as ratios within one run.
fn main() {}
