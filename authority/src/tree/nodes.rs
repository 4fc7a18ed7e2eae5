//! The hashes of complete subtrees: where they are read, and which ones a new leaf completes.

use super::hash::{Hash, node_hash};
use std::collections::BTreeMap;

/// Where the hashes of complete subtrees are read. They are written once and never change, so any copy will do.
pub trait Nodes {
    /// Why a hash could not be read.
    type Error;

    /// The hash of the complete subtree of 2^level leaves that begins at leaf index * 2^level. Only subtrees that lie whole
    /// within the tree are asked for; `level` is at most 63.
    ///
    /// # Errors
    /// The store's own, also when it has no such row: never a made-up hash.
    fn node(&self, level: u8, index: u64) -> Result<Hash, Self::Error>;
}

/// One complete subtree: the row that a store keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node {
    /// It has 2^level leaves.
    pub level: u8,
    /// It begins at leaf index * 2^level.
    pub index: u64,
    /// Its root.
    pub hash: Hash,
}

/// Nothing could be computed from the tree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TreeError<E> {
    /// The caller named a leaf behind the end.
    #[error("there is no leaf {index}: the tree has {size}")]
    NoLeaf {
        /// Asked for, from 0.
        index: u64,
        /// Leaves there are.
        size: u64,
    },
    /// The caller named a state that lies ahead.
    #[error("a tree of {first} leaves is no earlier state of one of {second}")]
    NotEarlier {
        /// Leaves of the state that should be earlier.
        first: u64,
        /// Leaves of the state that should be later.
        second: u64,
    },
    /// 2^64 - 1 leaves.
    #[error("the tree is full")]
    Full,
    /// The store did not give a node.
    #[error(transparent)]
    Nodes(#[from] E),
}

/// Appends a leaf to a tree of `size` leaves: puts the leaf and all subtrees that it completes into `new_nodes`; two rows a
/// leaf on average, at most 64. Left neighbours are looked for in `new_nodes` first, so many leaves can be appended before
/// their rows are stored; `size` counts those too.
///
/// # Errors
/// A neighbour that cannot be read, or 2^64 - 1 leaves. `new_nodes` is then as it was.
pub fn append<N: Nodes>(
    size: u64,
    leaf: Hash,
    nodes: &N,
    new_nodes: &mut MemoryNodes,
) -> Result<(), TreeError<N::Error>> {
    if size == u64::MAX {
        return Err(TreeError::Full);
    }
    let (mut level, mut index, mut hash) = (0, size, leaf);
    let mut completed = vec![Node { level, index, hash }];
    while index & 1 == 1 {
        let left = match new_nodes.node(level, index - 1) {
            Ok(left) => left,
            Err(Missing { .. }) => nodes.node(level, index - 1)?,
        };
        (level, index, hash) = (level + 1, index >> 1, node_hash(&left, &hash));
        completed.push(Node { level, index, hash });
    }
    new_nodes.extend(completed);
    Ok(())
}

/// Complete subtrees in memory: a whole tree, or those that appended leaves have completed and no store has yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemoryNodes(BTreeMap<(u8, u64), Hash>);

/// There is no such subtree here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the tree lacks the node of level {level}, index {index}")]
pub struct Missing {
    /// 2^level leaves.
    pub level: u8,
    /// Beginning at leaf index * 2^level.
    pub index: u64,
}

impl MemoryNodes {
    /// The whole tree over these leaf hashes, and how many there were.
    ///
    /// # Errors
    /// More than 2^64 - 1 leaves.
    pub fn whole(
        leaves: impl IntoIterator<Item = Hash>,
    ) -> Result<(Self, u64), TreeError<Missing>> {
        let (mut all, mut size) = (Self::default(), 0);
        for leaf in leaves {
            append(size, leaf, &Self::default(), &mut all)?;
            size += 1;
        }
        Ok((all, size))
    }

    /// The rows, leaves first, each level from left to right.
    pub fn rows(&self) -> impl Iterator<Item = Node> + '_ {
        let row = |(&(level, index), &hash): (&(u8, u64), &Hash)| Node { level, index, hash };
        self.0.iter().map(row)
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Extend<Node> for MemoryNodes {
    fn extend<I: IntoIterator<Item = Node>>(&mut self, rows: I) {
        let rows = rows.into_iter();
        self.0
            .extend(rows.map(|row| ((row.level, row.index), row.hash)));
    }
}

impl Nodes for MemoryNodes {
    type Error = Missing;

    fn node(&self, level: u8, index: u64) -> Result<Hash, Missing> {
        let found = self.0.get(&(level, index)).copied();
        found.ok_or(Missing { level, index })
    }
}
