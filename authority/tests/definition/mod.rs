//! RFC 9162 §2.1 as it stands there: recursive, over all leaves. Slow and plain, to compare with.
#![allow(dead_code, reason = "each test program uses a part of it")]

use authority::tree::{Hash, MemoryNodes, leaf_hash, node_hash};

/// Largest tree that the tests go through completely.
pub const MOST: usize = 130;

/// Hashes of `count` different entries.
pub fn leaves(count: usize) -> Vec<Hash> {
    let entry = |number: usize| format!("entry {number}");
    (0..count)
        .map(|number| leaf_hash(entry(number).as_bytes()))
        .collect()
}

/// The rows of a tree over these leaves.
pub fn nodes(leaves: &[Hash]) -> MemoryNodes {
    let (nodes, size) = MemoryNodes::whole(leaves.iter().copied()).unwrap();
    assert_eq!(size, number(leaves.len()));
    nodes
}

pub fn number(size: usize) -> u64 {
    size.try_into().unwrap()
}

/// "k is the largest power of two smaller than n".
fn k(n: usize) -> usize {
    let mut k = 1;
    while k * 2 < n {
        k *= 2;
    }
    k
}

/// MTH, §2.1.1.
pub fn mth(d: &[Hash]) -> Hash {
    match d {
        [] => Hash::EMPTY,
        [leaf] => *leaf,
        _ => node_hash(&mth(&d[..k(d.len())]), &mth(&d[k(d.len())..])),
    }
}

/// PATH, §2.1.3.1.
pub fn path(m: usize, d: &[Hash]) -> Vec<Hash> {
    let n = d.len();
    if n == 1 {
        return Vec::new();
    }
    let k = k(n);
    if m < k {
        [path(m, &d[..k]), vec![mth(&d[k..])]].concat()
    } else {
        [path(m - k, &d[k..]), vec![mth(&d[..k])]].concat()
    }
}

/// PROOF, §2.1.4.1, for 0 < m <= n.
pub fn proof(m: usize, d: &[Hash]) -> Vec<Hash> {
    subproof(m, d, true)
}

fn subproof(m: usize, d: &[Hash], b: bool) -> Vec<Hash> {
    let n = d.len();
    if m == n {
        return if b { Vec::new() } else { vec![mth(d)] };
    }
    let k = k(n);
    if m <= k {
        [subproof(m, &d[..k], b), vec![mth(&d[k..])]].concat()
    } else {
        [subproof(m - k, &d[k..], false), vec![mth(&d[..k])]].concat()
    }
}
