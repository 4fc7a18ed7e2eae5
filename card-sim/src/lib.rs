//! A virtual card: vpcd client, durable state file, command line.
