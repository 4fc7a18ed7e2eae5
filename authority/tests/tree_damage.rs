//! A proof with anything changed in it is refused, and a past that was changed is found.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

mod definition;

use authority::tree::{
    Hash, ProofFault, consistency, inclusion, leaf_hash, root, verify_consistency, verify_inclusion,
};
use definition::{MOST, leaves, mth, nodes, number};

/// Trees in which every single bit is turned over; in larger ones, up to [`MOST`], one bit of each hash.
const EVERY_BIT: u64 = 40;

fn flipped(hash: &Hash, bit: usize) -> Hash {
    let mut hash = *hash;
    hash.0[bit / 8] ^= 1 << (bit % 8);
    hash
}

fn with(path: &[Hash], at: usize, hash: Hash) -> Vec<Hash> {
    let mut path = path.to_vec();
    path[at] = hash;
    path
}

/// Bits to turn over in hash number `at` of a proof in a tree of this size.
fn bits(size: u64, at: usize) -> Vec<usize> {
    if size <= EVERY_BIT {
        return (0..256).collect();
    }
    vec![(usize::try_from(size).unwrap() * 31 + at * 97) % 256]
}

/// `path` with one hash left out, with one more anywhere, and with any two exchanged.
fn rearranged(path: &[Hash]) -> Vec<Vec<Hash>> {
    let mut all = Vec::new();
    for at in 0..path.len() {
        let mut dropped = path.to_vec();
        dropped.remove(at);
        all.push(dropped);
        for other in at + 1..path.len() {
            let mut swapped = path.to_vec();
            swapped.swap(at, other);
            all.push(swapped);
        }
    }
    for at in 0..=path.len() {
        for hash in [Hash([0; 32]), *path.get(at).unwrap_or(&Hash::EMPTY)] {
            let mut longer = path.to_vec();
            longer.insert(at, hash);
            all.push(longer);
        }
    }
    all
}

#[test]
fn an_inclusion_proof_with_any_bit_hash_or_index_changed_is_refused() {
    let leaves = leaves(MOST);
    let nodes = nodes(&leaves);
    let (mut flips, mut rearrangements, mut indices) = (0, 0, 0);
    for size in 1..=number(MOST) {
        let root = root(size, &nodes).unwrap();
        for (index, leaf) in (0..size).zip(&leaves) {
            let path = inclusion(index, size, &nodes).unwrap();
            let refuses = |leaf: &Hash, index, path: &[Hash], root: &Hash| {
                let verified = verify_inclusion(leaf, index, size, path, root);
                assert!(verified.is_err(), "{index} of {size}: {path:?}");
            };
            for (at, hash) in path.iter().enumerate() {
                for bit in bits(size, at) {
                    refuses(leaf, index, &with(&path, at, flipped(hash, bit)), &root);
                    flips += 1;
                }
            }
            for bit in bits(size, path.len()) {
                refuses(&flipped(leaf, bit), index, &path, &root);
                refuses(leaf, index, &path, &flipped(&root, bit));
                flips += 2;
            }
            for changed in rearranged(&path) {
                refuses(leaf, index, &changed, &root);
                rearrangements += 1;
            }
            for other in (0..=size).filter(|other| *other != index) {
                refuses(leaf, other, &path, &root);
                indices += 1;
            }
        }
    }
    // As the lengths of PATH in the definition give them.
    let expected = (1_513_847, 340_775, 740_805);
    assert_eq!((flips, rearrangements, indices), expected);
}

#[test]
fn a_consistency_proof_with_any_bit_or_hash_changed_is_refused() {
    let leaves = leaves(MOST);
    let nodes = nodes(&leaves);
    let (mut flips, mut rearrangements, mut swaps) = (0, 0, 0);
    for second in 1..=number(MOST) {
        let last = root(second, &nodes).unwrap();
        for first in 1..second {
            let earlier = root(first, &nodes).unwrap();
            let proof = consistency(first, second, &nodes).unwrap();
            let refuses = |earlier: &Hash, last: &Hash, proof: &[Hash]| {
                let verified = verify_consistency(first, earlier, second, last, proof);
                assert!(verified.is_err(), "{first} of {second}: {proof:?}");
            };
            for (at, hash) in proof.iter().enumerate() {
                for bit in bits(second, at) {
                    refuses(&earlier, &last, &with(&proof, at, flipped(hash, bit)));
                    flips += 1;
                }
            }
            for bit in bits(second, proof.len()) {
                refuses(&flipped(&earlier, bit), &last, &proof);
                refuses(&earlier, &flipped(&last, bit), &proof);
                flips += 2;
            }
            for changed in rearranged(&proof) {
                refuses(&earlier, &last, &changed);
                rearrangements += 1;
            }
            refuses(&last, &earlier, &proof);
            let (later, sooner) = (second, first);
            let turned = verify_consistency(later, &last, sooner, &earlier, &proof);
            let (first, second) = (later, sooner);
            assert_eq!(turned, Err(ProofFault::NotEarlier { first, second }));
            swaps += 2;
        }
    }
    // As the lengths of PROOF in the definition give them.
    let expected = (1_447_267, 343_658, 16_770);
    assert_eq!((flips, rearrangements, swaps), expected);
}

#[test]
fn a_proof_with_levels_missing_is_refused_although_its_roots_match() {
    let leaves = leaves(64);
    let nodes = nodes(&leaves);
    let mut cases = 0;
    for second in 1..=32 {
        let last = root(second, &nodes).unwrap();
        let larger = (2 * second).next_power_of_two() + 1; // at least one level more
        for first in 1..second {
            let earlier = root(first, &nodes).unwrap();
            let proof = consistency(first, second, &nodes).unwrap();
            let verified = verify_consistency(first, &earlier, larger, &last, &proof);
            let found = proof.len();
            let refused = Err(ProofFault::Length { found });
            assert_eq!(verified, refused, "{first} of {second}");
            cases += 1;
        }
        let path = inclusion(0, second, &nodes).unwrap();
        let verified = verify_inclusion(&leaves[0], 0, larger, &path, &last);
        let found = path.len();
        assert_eq!(verified, Err(ProofFault::Length { found }), "{second}");
        cases += 1;
    }
    assert_eq!(cases, 32 * 31 / 2 + 32);
}

#[test]
fn equal_and_empty_trees_need_their_roots_and_no_proof() {
    let (one, other) = (leaf_hash(b"one"), leaf_hash(b"other"));
    let empty = Hash::EMPTY;
    let length = |found| Err(ProofFault::Length { found });
    assert_eq!(verify_consistency(5, &one, 5, &one, &[]), Ok(()));
    assert_eq!(
        verify_consistency(5, &one, 5, &other, &[]),
        Err(ProofFault::SecondRoot)
    );
    assert_eq!(verify_consistency(5, &one, 5, &one, &[one]), length(1));
    assert_eq!(verify_consistency(0, &empty, 5, &one, &[]), Ok(()));
    assert_eq!(verify_consistency(0, &empty, 0, &empty, &[]), Ok(()));
    assert_eq!(
        verify_consistency(0, &one, 5, &one, &[]),
        Err(ProofFault::FirstRoot)
    );
    assert_eq!(
        verify_consistency(0, &empty, 0, &one, &[]),
        Err(ProofFault::SecondRoot)
    );
    assert_eq!(verify_consistency(0, &empty, 5, &one, &[one]), length(1));
    assert_eq!(verify_consistency(3, &one, 5, &one, &[]), length(0));
}

#[test]
fn a_changed_past_changes_every_later_root_and_fits_no_earlier_head() {
    let honest = leaves(MOST);
    let mut cases = 0;
    for changed in [0, 1, 2, 31, 32, 63, 64, 100, 128] {
        let mut lying = honest.clone();
        lying[changed] = leaf_hash(b"what was never recorded");
        let nodes = nodes(&lying);
        for size in 0..=MOST {
            let same = mth(&honest[..size]) == root(number(size), &nodes).unwrap();
            assert_eq!(same, size <= changed, "{changed} of {size}");
        }
        let now = root(number(MOST), &nodes).unwrap();
        for first in 1..MOST {
            let noted = mth(&honest[..first]);
            let (first, second) = (number(first), number(MOST));
            let proof = consistency(first, second, &nodes).unwrap();
            let found = verify_consistency(first, &noted, second, &now, &proof);
            let expected = match usize::try_from(first).unwrap() > changed {
                // A first tree that is one complete subtree takes part in the later root, and only there it is missed.
                true if first.is_power_of_two() => Err(ProofFault::SecondRoot),
                true => Err(ProofFault::FirstRoot),
                false => Ok(()),
            };
            assert_eq!(found, expected, "{changed}, from {first}");
            cases += 1;
        }
    }
    assert_eq!(cases, 9 * 129);
}

#[test]
fn a_removed_and_an_inserted_entry_are_found_as_well() {
    let honest = leaves(20);
    let noted = mth(&honest[..12]);
    for at in 0..12 {
        let mut shorter = honest.clone();
        shorter.remove(at);
        let mut longer = honest.clone();
        longer.insert(at, leaf_hash(b"what was never recorded"));
        for lying in [shorter, longer] {
            let second = number(lying.len());
            let nodes = nodes(&lying);
            let proof = consistency(12, second, &nodes).unwrap();
            let now = root(second, &nodes).unwrap();
            let found = verify_consistency(12, &noted, second, &now, &proof);
            assert_eq!(found, Err(ProofFault::FirstRoot), "{at}");
        }
    }
}
