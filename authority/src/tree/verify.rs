//! What anyone does with a proof: RFC 9162 §2.1.3.2 and §2.1.4.2, nothing skipped.
//!
//! Sizes and roots must come from signed heads: a proof alone does not fix the size of the tree.

use super::hash::{Hash, node_hash};

/// The proof does not show what it is said to show. The one who gave it is at fault, or whoever carried it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofFault {
    /// No such leaf.
    #[error("there is no entry {index} in a tree of {size}")]
    NoLeaf {
        /// Claimed, from 0.
        index: u64,
        /// Leaves of the tree.
        size: u64,
    },
    /// The "earlier" tree is the larger one.
    #[error("a tree of {first} entries cannot be an earlier state of one of {second}")]
    NotEarlier {
        /// Claimed to be earlier.
        first: u64,
        /// Claimed to be later.
        second: u64,
    },
    /// Hashes are missing or left over.
    #[error("the proof has {found} hashes, which is not the number these sizes need")]
    Length {
        /// Hashes given.
        found: usize,
    },
    /// Another entry, index, path or root.
    #[error("the entry with this path does not lead to the root of the tree")]
    Root,
    /// The proof does not begin with the earlier tree.
    #[error("the proof does not lead to the root of the earlier tree: its past was changed")]
    FirstRoot,
    /// The proof does not end in the later tree.
    #[error("the proof does not lead to the root of the later tree")]
    SecondRoot,
}

/// Whether `path` leads from the leaf hash at `index` (from 0) to the root of a tree of `size` leaves.
///
/// # Errors
/// What the proof lacks.
pub fn verify_inclusion(
    leaf: &Hash,
    index: u64,
    size: u64,
    path: &[Hash],
    root: &Hash,
) -> Result<(), ProofFault> {
    if index >= size {
        return Err(ProofFault::NoLeaf { index, size });
    }
    let wrong_length = ProofFault::Length { found: path.len() };
    let (mut node, mut last) = (index, size - 1); // fn and sn
    let mut hash = *leaf;
    for neighbour in path {
        if last == 0 {
            return Err(wrong_length);
        }
        if is_right_child(node) || node == last {
            hash = node_hash(neighbour, &hash);
            (node, last) = skip_lone(node, last);
        } else {
            hash = node_hash(&hash, neighbour);
        }
        (node, last) = (node >> 1, last >> 1);
    }
    match last {
        0 if hash == *root => Ok(()),
        0 => Err(ProofFault::Root),
        _ => Err(wrong_length),
    }
}

/// Whether `proof` shows that the tree of `second` leaves begins with all leaves of the tree of `first` leaves.
///
/// Equal sizes need equal roots and no proof. Every tree begins with the empty one: `first` = 0 needs the empty root and no proof.
///
/// # Errors
/// What the proof lacks.
pub fn verify_consistency(
    first: u64,
    first_root: &Hash,
    second: u64,
    second_root: &Hash,
    proof: &[Hash],
) -> Result<(), ProofFault> {
    if first > second {
        return Err(ProofFault::NotEarlier { first, second });
    }
    let wrong_length = ProofFault::Length { found: proof.len() };
    if first == 0 || first == second {
        return without_proof(first, first_root, second, second_root, proof);
    }
    if proof.is_empty() {
        return Err(wrong_length);
    }
    // A first tree that is one complete subtree is where the proof begins, and its hash is known.
    let known = first.is_power_of_two().then_some(first_root);
    let mut hashes = known.into_iter().chain(proof);
    let start = hashes.next().ok_or(wrong_length)?;
    let trailing = (first - 1).trailing_ones();
    let (mut node, mut last) = ((first - 1) >> trailing, (second - 1) >> trailing); // fn and sn
    let (mut of_first, mut of_second) = (*start, *start);
    for hash in hashes {
        if last == 0 {
            return Err(wrong_length);
        }
        if is_right_child(node) || node == last {
            of_first = node_hash(hash, &of_first);
            of_second = node_hash(hash, &of_second);
            (node, last) = skip_lone(node, last);
        } else {
            of_second = node_hash(&of_second, hash);
        }
        (node, last) = (node >> 1, last >> 1);
    }
    if last != 0 {
        return Err(wrong_length);
    }
    if of_first != *first_root {
        return Err(ProofFault::FirstRoot);
    }
    if of_second != *second_root {
        return Err(ProofFault::SecondRoot);
    }
    Ok(())
}

/// The two cases in which there is nothing to prove.
fn without_proof(
    first: u64,
    first_root: &Hash,
    second: u64,
    second_root: &Hash,
    proof: &[Hash],
) -> Result<(), ProofFault> {
    if !proof.is_empty() {
        return Err(ProofFault::Length { found: proof.len() });
    }
    if first == 0 && *first_root != Hash::EMPTY {
        return Err(ProofFault::FirstRoot);
    }
    if first == second && first_root != second_root {
        return Err(ProofFault::SecondRoot);
    }
    Ok(())
}

fn is_right_child(node: u64) -> bool {
    node & 1 == 1
}

/// Climbs past the levels on which the last node has no neighbour: "until LSB(fn) is set or fn is 0". Here fn is never 0: it is
/// odd, or it equals sn, which was seen not to be 0.
fn skip_lone(node: u64, last: u64) -> (u64, u64) {
    let levels = node.trailing_zeros();
    (node >> levels, last >> levels)
}
