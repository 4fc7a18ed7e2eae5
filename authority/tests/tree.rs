//! Roots and proofs are those of RFC 9162 §2.1, however the tree grew and however large it is.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

mod definition;

use authority::tree::{
    Hash, MAX_CONSISTENCY, MAX_PATH, MemoryNodes, Missing, Nodes, ProofFault, TreeError, append,
    consistency, inclusion, leaf_hash, node_hash, root, verify_consistency, verify_inclusion,
};
use definition::{MOST, leaves, mth, nodes, number, path, proof};
use std::cell::Cell;
use std::convert::Infallible;

#[test]
fn every_root_is_the_one_of_the_definition() {
    let leaves = leaves(MOST);
    let nodes = nodes(&leaves);
    for size in 0..=MOST {
        let found = root(number(size), &nodes).unwrap();
        assert_eq!(found, mth(&leaves[..size]), "{size}");
    }
    let ahead = root(number(MOST) + 1, &nodes);
    let (level, index) = (0, number(MOST));
    assert_eq!(ahead, Err(Missing { level, index }));
}

#[test]
fn roots_are_those_that_certificate_transparency_tests_with() {
    let entries: [&[u8]; 8] = [
        b"",
        b"\x00",
        b"\x10",
        b"\x20\x21",
        b"\x30\x31",
        b"\x40\x41\x42\x43",
        b"\x50\x51\x52\x53\x54\x55\x56\x57",
        b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
    ];
    let roots = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    let leaves: Vec<Hash> = entries.iter().map(|entry| leaf_hash(entry)).collect();
    let nodes = nodes(&leaves);
    for (size, expected) in (0..).zip(roots) {
        assert_eq!(root(size, &nodes).unwrap().to_string(), expected, "{size}");
    }
}

#[test]
fn every_inclusion_proof_is_the_one_of_the_definition_and_verifies() {
    let leaves = leaves(MOST);
    let nodes = nodes(&leaves);
    let mut cases = 0;
    for size in 1..=MOST {
        let root = mth(&leaves[..size]);
        for index in 0..size {
            let found = inclusion(number(index), number(size), &nodes).unwrap();
            assert_eq!(found, path(index, &leaves[..size]), "{index} of {size}");
            let verified =
                verify_inclusion(&leaves[index], number(index), number(size), &found, &root);
            assert_eq!(verified, Ok(()), "{index} of {size}");
            cases += 1;
        }
    }
    assert_eq!(cases, 8_515);
}

#[test]
fn every_consistency_proof_is_the_one_of_the_definition_and_verifies() {
    let leaves = leaves(MOST);
    let nodes = nodes(&leaves);
    let mut cases = 0;
    for second in 0..=MOST {
        for first in 0..=second {
            let found = consistency(number(first), number(second), &nodes).unwrap();
            let expected = match first {
                0 => Vec::new(),
                _ => proof(first, &leaves[..second]),
            };
            assert_eq!(found, expected, "{first} of {second}");
            let (first_root, second_root) = (mth(&leaves[..first]), mth(&leaves[..second]));
            let (first, second) = (number(first), number(second));
            let verified = verify_consistency(first, &first_root, second, &second_root, &found);
            assert_eq!(verified, Ok(()), "{first} of {second}");
            cases += 1;
        }
    }
    assert_eq!(cases, 8_646);
}

#[test]
fn a_tree_grown_in_one_go_is_the_tree_grown_in_any_split() {
    let leaves = leaves(67);
    let whole = nodes(&leaves);
    let mut cases = 0;
    for first in 0..=leaves.len() {
        for second in first..=leaves.len() {
            let mut stored = MemoryNodes::default();
            for batch in [&leaves[..first], &leaves[first..second], &leaves[second..]] {
                let size = stored.rows().filter(|row| row.level == 0).count();
                let mut new = MemoryNodes::default();
                for (size, leaf) in (number(size)..).zip(batch) {
                    append(size, *leaf, &stored, &mut new).unwrap();
                }
                let before = stored.len();
                stored.extend(new.rows());
                assert_eq!(stored.len(), before + new.len(), "no row is written twice");
            }
            assert_eq!(stored, whole, "{first}, {second}");
            cases += 1;
        }
    }
    assert_eq!(cases, 2_346);
}

#[test]
fn a_leaf_completes_fewer_than_two_rows_on_average() {
    let all = nodes(&leaves(1_000));
    // 1000 leaves, 500 pairs, 250 fours, and so on down to one subtree of 512.
    assert_eq!(
        all.len(),
        1_000 + 500 + 250 + 125 + 62 + 31 + 15 + 7 + 3 + 1
    );
}

#[test]
fn a_leaf_or_a_state_that_is_not_there_is_refused() {
    let all = nodes(&leaves(8));
    for (index, size) in [(8, 8), (9, 8), (0, 0), (u64::MAX, 8)] {
        let refused = Err(TreeError::NoLeaf { index, size });
        assert_eq!(inclusion(index, size, &all), refused);
    }
    for (first, second) in [(8, 7), (1, 0), (u64::MAX, 8)] {
        let refused = Err(TreeError::NotEarlier { first, second });
        assert_eq!(consistency(first, second, &all), refused);
    }
    assert!(inclusion(7, 8, &all).is_ok());
    assert!(consistency(7, 8, &all).is_ok());
}

#[test]
fn a_row_that_cannot_be_read_is_an_error_and_appends_nothing() {
    let nothing = MemoryNodes::default();
    let missing = |level, index| Err(TreeError::Nodes(Missing { level, index }));
    assert_eq!(inclusion(3, 4, &nothing), missing(1, 0));
    assert_eq!(consistency(3, 4, &nothing), missing(1, 0)); // from the root downwards
    let mut new = MemoryNodes::default();
    let refused = append(7, leaf_hash(b"entry"), &nothing, &mut new);
    assert_eq!(
        refused,
        Err(TreeError::Nodes(Missing { level: 0, index: 6 }))
    );
    assert!(new.is_empty());
    assert_eq!(append(8, leaf_hash(b"entry"), &nothing, &mut new), Ok(()));
    assert_eq!(new.len(), 1);
}

/// A tree of 2^64 - 1 leaves that are all the same, so that a subtree's hash depends on its level alone. It counts reads.
struct Alike {
    levels: Vec<Hash>,
    reads: Cell<u32>,
}

impl Alike {
    fn new() -> Self {
        let grown = |hash: &Hash| Some(node_hash(hash, hash));
        let levels = std::iter::successors(Some(leaf_hash(b"alike")), grown);
        Self {
            levels: levels.take(64).collect(),
            reads: Cell::new(0),
        }
    }

    fn reads_of<T>(&self, work: impl FnOnce() -> T) -> (T, u32) {
        self.reads.set(0);
        let done = work();
        (done, self.reads.get())
    }
}

impl Nodes for Alike {
    type Error = Infallible;

    fn node(&self, level: u8, index: u64) -> Result<Hash, Infallible> {
        let end = (u128::from(index) + 1) << level;
        assert!(end <= u128::from(u64::MAX), "beyond the largest tree");
        self.reads.set(self.reads.get() + 1);
        Ok(self.levels[usize::from(level)])
    }
}

/// Sizes around powers of two, and the largest.
fn large() -> Vec<u64> {
    let powers = [1, 2, 3, 4, 5, 31, 32, 33, 47, 62, 63].map(|bit| 1_u64 << bit);
    let mut sizes: Vec<u64> = powers
        .iter()
        .flat_map(|power| [power - 1, *power, power + 1])
        .chain([0x5555_5555_5555_5555, u64::MAX - 1, u64::MAX])
        .collect();
    sizes.sort_unstable();
    sizes.dedup();
    sizes
}

#[test]
fn proofs_of_the_largest_trees_verify_and_take_few_reads() {
    let alike = Alike::new();
    let leaf = leaf_hash(b"alike");
    let (mut longest_path, mut longest_proof, mut most_reads) = (0, 0, 0);
    for second in large() {
        let (last, reads) = alike.reads_of(|| root(second, &alike).unwrap());
        most_reads = most_reads.max(reads);
        for first in large().into_iter().filter(|first| *first <= second) {
            let earlier = root(first, &alike).unwrap();
            let (proof, reads) = alike.reads_of(|| consistency(first, second, &alike).unwrap());
            let verified = verify_consistency(first, &earlier, second, &last, &proof);
            assert_eq!(verified, Ok(()), "{first} of {second}");
            longest_proof = longest_proof.max(proof.len());
            most_reads = most_reads.max(reads);
            if first < second {
                let (path, reads) = alike.reads_of(|| inclusion(first, second, &alike).unwrap());
                let verified = verify_inclusion(&leaf, first, second, &path, &last);
                assert_eq!(verified, Ok(()), "{first} of {second}");
                longest_path = longest_path.max(path.len());
                most_reads = most_reads.max(reads);
            }
        }
    }
    assert_eq!((longest_path, longest_proof), (MAX_PATH, MAX_CONSISTENCY));
    assert!(most_reads <= 128, "{most_reads}");
}

#[test]
fn the_largest_tree_takes_no_further_leaf_and_the_one_before_takes_one() {
    let alike = Alike::new();
    let leaf = leaf_hash(b"alike");
    let mut new = MemoryNodes::default();
    assert_eq!(
        append(u64::MAX, leaf, &alike, &mut new),
        Err(TreeError::Full)
    );
    assert!(new.is_empty());
    assert_eq!(append(u64::MAX - 1, leaf, &alike, &mut new), Ok(()));
    assert_eq!(new.len(), 1);
}

#[test]
fn a_proof_of_any_length_about_any_sizes_is_answered_without_a_panic() {
    let hash = leaf_hash(b"alike");
    let mut cases = 0;
    for second in large() {
        for first in large() {
            for length in [0, 1, 2, 63, 64, 65, 66, 200] {
                let proof = vec![Hash([7; 32]); length];
                let wrong = verify_inclusion(&hash, first, second, &proof, &hash);
                let only_leaf = (first, second, length) == (0, 1, 0);
                assert_eq!(wrong.is_ok(), only_leaf, "{first} of {second}, {length}");
                let wrong = verify_consistency(first, &hash, second, &hash, &proof);
                let same = first == second && first > 0 && length == 0;
                assert_eq!(wrong.is_ok(), same, "{first} of {second}, {length}");
                cases += 1;
            }
        }
    }
    assert_eq!(cases, large().len() * large().len() * 8);
    let refused = verify_inclusion(&hash, 0, 0, &[], &hash);
    assert_eq!(refused, Err(ProofFault::NoLeaf { index: 0, size: 0 }));
}
