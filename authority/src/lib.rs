//! The certification authority: policy, ledger, key custody.
