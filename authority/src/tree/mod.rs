//! The ledger as a Merkle tree (RFC 9162 §2.1, `docs/ledger.md`): anyone can check that an entry is in it, and that it only grew.
//!
//! | module | job |
//! |---|---|
//! | `hash` | [`Hash`], the hash of a leaf, of a node, of nothing |
//! | `nodes` | [`Nodes`]: where the hashes of complete subtrees are read; [`append`] makes new ones |
//! | `prove` | [`root`], [`inclusion`], [`consistency`], from O(log n) nodes each |
//! | `verify` | [`verify_inclusion`], [`verify_consistency`]: what anyone does with a proof |
//! | `head` | [`TreeHead`]: what the authority's root key signs |
//! | `receipt` | [`Receipt`] and [`ConsistencyProof`]: what is handed out |
//! | `json` | reading those: one form, bounded |
//!
//! ```text
//! level 2            n(2,0)                 rows: complete subtrees only, n(level, index),
//! level 1      n(1,0)      n(1,1)           written once and never changed
//! level 0    n(0,0) n(0,1) n(0,2) n(0,3) n(0,4)
//!                                           root of 5 leaves = node_hash(n(2,0), n(0,4))
//! ```
//!
//! A tree has at most 2^64 - 1 leaves. Nothing here stores, signs, knows the time or what an entry says.

mod hash;
mod head;
mod json;
mod nodes;
mod prove;
mod receipt;
mod verify;

pub use hash::{Hash, HashText, leaf_hash, node_hash};
pub use head::{MAX_HEAD_JSON, SignedTreeHead, TreeHead};
pub use json::NotJson;
pub use nodes::{MemoryNodes, Missing, Node, Nodes, TreeError, append};
pub use prove::{consistency, inclusion, root};
pub use receipt::{
    ConsistencyFault, ConsistencyProof, MAX_CONSISTENCY, MAX_CONSISTENCY_JSON, MAX_ENTRY, MAX_PATH,
    MAX_RECEIPT_JSON, Receipt, ReceiptFault,
};
pub use verify::{ProofFault, verify_consistency, verify_inclusion};
