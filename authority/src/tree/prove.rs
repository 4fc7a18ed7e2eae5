//! Roots and proofs from the hashes of complete subtrees: MTH, PATH and PROOF of RFC 9162 §2.1.1, §2.1.3.1, §2.1.4.1.

use super::hash::{Hash, node_hash};
use super::nodes::{Nodes, TreeError};

/// Leaves `begin..end` of a tree, as the definitions split it: `begin` is a multiple of the subtree's size rounded up to a
/// power of two, so all complete subtrees in it are rows of [`Nodes`].
#[derive(Clone, Copy)]
struct Range {
    begin: u64,
    end: u64,
}

impl Range {
    fn leaves(self) -> u64 {
        self.end - self.begin
    }

    /// Left and right part: the left one has the largest power of two smaller than the number of leaves. Two leaves or more.
    fn split(self) -> (Self, Self) {
        let middle = self.begin + (1 << (self.leaves() - 1).ilog2());
        let (begin, end) = (self.begin, self.end);
        (Self { begin, end: middle }, Self { begin: middle, end })
    }

    /// MTH of the range. One read for each bit set in the number of leaves.
    fn hash<N: Nodes>(self, nodes: &N) -> Result<Hash, N::Error> {
        let (mut left, mut end) = (self.leaves(), self.end);
        let mut hash = None;
        while left > 0 {
            // The smallest complete subtree is the last one.
            let level = left.trailing_zeros();
            left -= 1 << level;
            end -= 1 << level;
            let row = nodes.node(u8::try_from(level).unwrap_or(u8::MAX), end >> level)?;
            hash = Some(hash.map_or(row, |right| node_hash(&row, &right)));
        }
        Ok(hash.unwrap_or(Hash::EMPTY))
    }
}

/// MTH: the root of the first `size` leaves; [`Hash::EMPTY`] for none.
///
/// # Errors
/// What `nodes` says.
pub fn root<N: Nodes>(size: u64, nodes: &N) -> Result<Hash, N::Error> {
    let (begin, end) = (0, size);
    Range { begin, end }.hash(nodes)
}

/// PATH: the neighbours on the way from leaf `index` (from 0) to the root of the first `size` leaves, lowest first; at most 64.
///
/// # Errors
/// [`TreeError::NoLeaf`] unless index < size; otherwise what `nodes` says.
pub fn inclusion<N: Nodes>(
    index: u64,
    size: u64,
    nodes: &N,
) -> Result<Vec<Hash>, TreeError<N::Error>> {
    if index >= size {
        return Err(TreeError::NoLeaf { index, size });
    }
    let (begin, end) = (0, size);
    let (mut here, mut path) = (Range { begin, end }, Vec::new());
    while here.leaves() > 1 {
        let (left, right) = here.split();
        let goes_left = index < right.begin;
        let (next, neighbour) = if goes_left {
            (left, right)
        } else {
            (right, left)
        };
        path.push(neighbour.hash(nodes)?);
        here = next;
    }
    path.reverse();
    Ok(path)
}

/// PROOF: shows that the tree of `second` leaves begins with that of `first`, lowest node first; at most 65 hashes. Empty for
/// equal sizes and for `first` = 0, where there is nothing to show.
///
/// # Errors
/// [`TreeError::NotEarlier`] if first > second; otherwise what `nodes` says.
pub fn consistency<N: Nodes>(
    first: u64,
    second: u64,
    nodes: &N,
) -> Result<Vec<Hash>, TreeError<N::Error>> {
    if first > second {
        return Err(TreeError::NotEarlier { first, second });
    }
    if first == 0 {
        return Ok(Vec::new());
    }
    let (begin, end) = (0, second);
    let (mut here, mut proof) = (Range { begin, end }, Vec::new());
    while here.end > first {
        let (left, right) = here.split();
        let goes_left = first <= right.begin;
        let (next, neighbour) = if goes_left {
            (left, right)
        } else {
            (right, left)
        };
        proof.push(neighbour.hash(nodes)?);
        here = next;
    }
    // The subtree in which the first tree ends. The verifier knows it if it is the whole first tree: SUBPROOF's b.
    if here.begin > 0 {
        proof.push(here.hash(nodes)?);
    }
    proof.reverse();
    Ok(proof)
}
