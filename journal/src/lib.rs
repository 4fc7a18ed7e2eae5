//! A crash-safe record file: one append per commit, old values erased.
