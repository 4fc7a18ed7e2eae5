//! The tree, its heads and receipts are what the vectors say, which were made by another program.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

use apdu::certificate::Certificate;
use apdu::crypto::PublicKey;
use authority::tree::{
    Hash, MemoryNodes, Missing, Nodes, Receipt, ReceiptFault, SignedTreeHead, consistency,
    inclusion, leaf_hash, node_hash, root, verify_consistency, verify_inclusion,
};
use test_vectors::{Fields, group};

/// The tree that a row is about: that of the file's entries, or one of leaves that are all the same.
enum Tree {
    Entries(MemoryNodes),
    Alike,
}

impl Tree {
    fn of(row: &Fields) -> Self {
        match row.text("tree") {
            "alike" => Self::Alike,
            "entries" => Self::Entries(entries()),
            other => panic!("no tree {other}"),
        }
    }
}

impl Nodes for Tree {
    type Error = Missing;

    fn node(&self, level: u8, index: u64) -> Result<Hash, Missing> {
        match self {
            Self::Entries(nodes) => nodes.node(level, index),
            Self::Alike => {
                Ok((0..level).fold(leaf_hash(b"alike"), |hash, _| node_hash(&hash, &hash)))
            }
        }
    }
}

fn entries() -> MemoryNodes {
    let (_, tests) = group(test_vectors::TREE, "TreeLeaf");
    let leaves = tests
        .iter()
        .map(|row| leaf_hash(row.text("entry").as_bytes()));
    MemoryNodes::whole(leaves).unwrap().0
}

fn hash(row: &Fields, name: &str) -> Hash {
    row.text(name).parse().unwrap()
}

fn path(row: &Fields) -> Vec<Hash> {
    let texts = row.texts("path");
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn count(row: &Fields, name: &str) -> u64 {
    row.number(name).unwrap()
}

/// How many rows were to be accepted, and how many refused.
fn tally(tests: &[Fields]) -> (usize, usize) {
    let valid = tests.iter().filter(|row| row.is_valid()).count();
    (valid, tests.len() - valid)
}

#[test]
fn leaves_and_roots_are_hashed_as_the_vectors_say() {
    let (_, tests) = group(test_vectors::TREE, "TreeLeaf");
    assert_eq!(tally(&tests), (70, 0));
    for row in &tests {
        let leaf = leaf_hash(row.text("entry").as_bytes());
        assert_eq!(leaf, hash(row, "hash"), "{}", row.label());
    }
    let nodes = entries();
    let (_, tests) = group(test_vectors::TREE, "TreeRoot");
    assert_eq!(tally(&tests), (71, 0));
    for row in &tests {
        let found = root(count(row, "size"), &nodes).unwrap();
        assert_eq!(found, hash(row, "root"), "{}", row.label());
    }
}

#[test]
fn inclusion_proofs_are_made_accepted_and_refused_as_the_vectors_say() {
    let (_, tests) = group(test_vectors::TREE, "Inclusion");
    assert_eq!(tally(&tests), (119, 146));
    for row in &tests {
        let (index, size) = (count(row, "index"), count(row, "size"));
        let (path, root) = (path(row), hash(row, "root"));
        let verified = verify_inclusion(&hash(row, "leaf"), index, size, &path, &root);
        assert_eq!(verified.is_ok(), row.is_valid(), "{}", row.label());
        if row.is_valid() {
            let made = inclusion(index, size, &Tree::of(row)).unwrap();
            assert_eq!(made, path, "{}", row.label());
        }
    }
}

#[test]
fn consistency_proofs_are_made_accepted_and_refused_as_the_vectors_say() {
    let (_, tests) = group(test_vectors::TREE, "Consistency");
    assert_eq!(tally(&tests), (123, 169));
    for row in &tests {
        let (first, second) = (count(row, "first"), count(row, "second"));
        let (first_root, second_root) = (hash(row, "firstRoot"), hash(row, "secondRoot"));
        let path = path(row);
        let verified = verify_consistency(first, &first_root, second, &second_root, &path);
        assert_eq!(verified.is_ok(), row.is_valid(), "{}", row.label());
        if row.is_valid() {
            let made = consistency(first, second, &Tree::of(row)).unwrap();
            assert_eq!(made, path, "{}", row.label());
        }
    }
}

#[test]
fn heads_are_read_written_and_verified_as_the_vectors_say() {
    let (common, tests) = group(test_vectors::TREE, "TreeHead");
    assert_eq!(tally(&tests), (6, 59));
    let key = PublicKey::from_compressed(&common.bytes("key")).unwrap();
    for row in &tests {
        let read = SignedTreeHead::from_json(row.text("json").as_bytes());
        let found = match &read {
            Err(_) => Some("malformed"),
            Ok(head) => head.verify(&key).err().map(|_| "signature"),
        };
        assert_eq!(found, row.optional_text("fault"), "{}", row.label());
        assert_eq!(found.is_none(), row.is_valid(), "{}", row.label());
        if let (Ok(head), true) = (read, row.is_valid()) {
            let signed = head.head.signed_bytes();
            assert_eq!(signed, row.bytes("signed"), "{}", row.label());
            let written = serde_json::to_string(&head).unwrap();
            let again = SignedTreeHead::from_json(written.as_bytes());
            assert_eq!(again, Ok(head), "{}", row.label());
            let spaced = row.text("comment").starts_with("with white space");
            assert_eq!(written == row.text("json"), !spaced, "{}", row.label());
        }
    }
}

#[test]
fn receipts_are_accepted_and_refused_as_the_vectors_say() {
    let (common, tests) = group(test_vectors::TREE, "Receipt");
    assert_eq!(tally(&tests), (12, 57));
    let authority = Certificate::decode(&common.bytes("root")).unwrap();
    let authority = authority.claims();
    for row in &tests {
        let read = Receipt::from_json(row.text("receipt").as_bytes()).map_err(ReceiptFault::from);
        let verified = read.and_then(|receipt| {
            receipt.verify_of(&authority.holder, &authority.key)?;
            Ok(receipt)
        });
        let found = verified.as_ref().err().map(|fault| match fault {
            ReceiptFault::Malformed(_) | ReceiptFault::EntryTooLong(_) => "malformed",
            ReceiptFault::Issuer { .. } => "issuer",
            ReceiptFault::Signature => "signature",
            ReceiptFault::Proof(_) => "proof",
        });
        assert_eq!(found, row.optional_text("fault"), "{}", row.label());
        assert_eq!(found.is_none(), row.is_valid(), "{}", row.label());
        if let Ok(receipt) = verified {
            let written = serde_json::to_string(&receipt).unwrap();
            assert_eq!(Receipt::from_json(written.as_bytes()), Ok(receipt));
        }
    }
}

#[test]
fn the_check_values_in_the_document_are_those_of_the_vectors() {
    let document = include_str!("../../docs/ledger.md");
    let rows = |kind| group(test_vectors::TREE, kind).1;
    for (leaf, root) in rows("TreeLeaf").iter().zip(&rows("TreeRoot")).take(4) {
        let (leaf, root) = (leaf.text("hash"), root.text("root"));
        let cells = format!("| `{leaf}` | `{root}` |");
        assert!(document.contains(&cells), "{cells}");
    }
    let without_space: String = document.split_whitespace().collect();
    let heads = rows("TreeHead");
    let head = SignedTreeHead::from_json(heads[0].text("json").as_bytes()).unwrap();
    let signed = heads[0].text("signed");
    let signature = test_vectors::to_hex(&head.signature);
    let values = format!("root{}signed{signed}signature{signature}", head.head.root);
    assert!(without_space.contains(&values), "{values}");
}
