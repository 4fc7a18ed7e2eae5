//! Known answers made by an independent program.
