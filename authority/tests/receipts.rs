//! Heads, receipts and proofs of consistency from one ledger to whoever holds its root's key.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

mod definition;

use apdu::certificate::{CertificateFields, Date, HolderHash, Name, Role, StatusListFields};
use apdu::crypto::PrivateKey;
use authority::tree::{
    ConsistencyFault, ConsistencyProof, Hash, MAX_CONSISTENCY, MAX_ENTRY, MAX_HEAD_JSON, MAX_PATH,
    MAX_RECEIPT_JSON, NotJson, ProofFault, Receipt, ReceiptFault, SignedTreeHead, TreeHead,
    consistency, inclusion, leaf_hash, root,
};
use definition::{leaves, nodes, number};

const TIME: u64 = 1_795_219_200;

fn key(byte: u8) -> PrivateKey {
    PrivateKey::from_scalar(&[byte; 32]).unwrap()
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn issuer() -> Name {
    name("ZZTALLYROOT00001")
}

fn signed(head: TreeHead) -> SignedTreeHead {
    head.sealed(key(1).sign(&head.signed_bytes()))
}

/// The head over the first `size` entries.
fn head(size: usize) -> TreeHead {
    let leaves = leaves(size);
    TreeHead {
        issuer: issuer(),
        time: TIME,
        size: number(size),
        root: root(number(size), &nodes(&leaves)).unwrap(),
    }
}

fn receipt(index: usize, size: usize) -> Receipt {
    let (index, whole) = (number(index), number(size));
    Receipt {
        head: signed(head(size)),
        index,
        entry: format!("entry {index}"),
        path: inclusion(index, whole, &nodes(&leaves(size))).unwrap(),
    }
}

fn proof(first: usize, second: usize) -> ConsistencyProof {
    let nodes = nodes(&leaves(second));
    let (first, second) = (number(first), number(second));
    ConsistencyProof {
        first,
        second,
        path: consistency(first, second, &nodes).unwrap(),
    }
}

#[test]
fn a_receipt_verifies_with_the_authoritys_key_and_name_and_with_no_other() {
    for index in 0..23 {
        let receipt = receipt(index, 23);
        assert_eq!(receipt.verify(&key(1).public_key()), Ok(()));
        assert_eq!(receipt.verify_of(&issuer(), &key(1).public_key()), Ok(()));
        let stranger = receipt.verify(&key(2).public_key());
        assert_eq!(stranger, Err(ReceiptFault::Signature));
        let other = name("ZZTALLYROOT00002");
        let renamed = receipt.verify_of(&other, &key(1).public_key());
        let (found, expected) = (issuer(), other);
        assert_eq!(renamed, Err(ReceiptFault::Issuer { found, expected }));
    }
}

#[test]
fn every_changed_bit_of_what_is_signed_is_noticed() {
    let public = key(1).public_key();
    let good = signed(head(23));
    assert_eq!(good.verify(&public), Ok(()));
    let mut cases = 0;
    let mut refuses = |changed: SignedTreeHead| {
        assert!(changed.verify(&public).is_err(), "{changed:?}");
        cases += 1;
    };
    for bit in 0..64 {
        let mut changed = good;
        changed.head.time ^= 1 << bit;
        refuses(changed);
        let mut changed = good;
        changed.head.size ^= 1 << bit;
        refuses(changed);
    }
    for bit in 0..256 {
        let mut changed = good;
        changed.head.root.0[bit / 8] ^= 1 << (bit % 8);
        refuses(changed);
    }
    for bit in 0..512 {
        let mut changed = good;
        changed.signature[bit / 8] ^= 1 << (bit % 8);
        refuses(changed);
    }
    for other in ["ZZTALLYROOT00002", "ZZTALLYROOT0000", "ZZTALLYR"] {
        let mut changed = good;
        changed.head.issuer = name(other);
        refuses(changed);
    }
    assert_eq!(cases, 2 * 64 + 256 + 512 + 3);
}

#[test]
fn what_the_root_key_signs_otherwise_never_begins_like_a_head() {
    let head = head(3).signed_bytes();
    assert_eq!(head.len(), 82);
    let date = Date::new(2026, 11, 21).unwrap();
    let certificate = CertificateFields {
        issuer: issuer(),
        holder: issuer(),
        role: Role::Authority,
        epoch: 0,
        key: key(1).public_key(),
        from: date,
        until: date,
    };
    let list = StatusListFields {
        issuer: issuer(),
        sequence: 1,
        min_epoch: 0,
        date,
        revoked: vec![HolderHash([1; 12])],
    };
    assert_eq!(certificate.encode_body()[..2], [0x7F, 0x4E]);
    assert_eq!(list.encode_body()[0], 0xE1);
    assert_eq!(head[0], b'T');
    let forged = TreeHead {
        size: 0,
        ..self::head(3)
    }
    .sealed(key(1).sign(&list.encode_body()));
    assert!(forged.verify(&key(1).public_key()).is_err());
}

#[test]
fn a_receipt_that_was_not_read_but_made_has_the_same_bounds() {
    let whole = |entry: String| Receipt {
        head: signed(TreeHead {
            size: 1,
            root: leaf_hash(entry.as_bytes()),
            ..head(1)
        }),
        index: 0,
        entry,
        path: Vec::new(),
    };
    let public = key(1).public_key();
    assert_eq!(whole("x".repeat(MAX_ENTRY)).verify(&public), Ok(()));
    let long = whole("x".repeat(MAX_ENTRY + 1)).verify(&public);
    assert_eq!(long, Err(ReceiptFault::EntryTooLong(MAX_ENTRY + 1)));
    let mut receipt = receipt(0, 23);
    receipt.path = vec![Hash::EMPTY; MAX_PATH + 1];
    let found = MAX_PATH + 1;
    let refused = Err(ReceiptFault::Proof(ProofFault::Length { found }));
    assert_eq!(receipt.verify(&public), refused);
}

#[test]
fn the_longest_texts_are_read_and_one_byte_more_is_not() {
    let pad = |json: String, length: usize| json.clone() + &" ".repeat(length - json.len());
    let one = receipt(3, 23);
    let json = serde_json::to_string(&one).unwrap();
    let full = pad(json.clone(), MAX_RECEIPT_JSON);
    assert_eq!(Receipt::from_json(full.as_bytes()), Ok(one));
    let (found, limit) = (MAX_RECEIPT_JSON + 1, MAX_RECEIPT_JSON);
    let long = pad(json, found);
    let refused = Receipt::from_json(long.as_bytes());
    assert_eq!(refused, Err(NotJson::TooLong { found, limit }));

    // The longest receipt there is, each byte of its entry written as six.
    let widest = Receipt {
        head: signed(TreeHead {
            time: u64::MAX,
            size: u64::MAX,
            ..head(1)
        }),
        index: u64::MAX,
        entry: "\u{1}".repeat(MAX_ENTRY),
        path: vec![Hash::EMPTY; MAX_PATH],
    };
    let json = serde_json::to_string(&widest).unwrap();
    assert_eq!(Receipt::from_json(json.as_bytes()), Ok(widest.clone()));
    let head = serde_json::to_string(&widest.head).unwrap();
    assert!(head.len() <= MAX_HEAD_JSON / 2, "{}", head.len());

    let widest = ConsistencyProof {
        first: u64::MAX,
        second: u64::MAX,
        path: vec![Hash::EMPTY; MAX_CONSISTENCY],
    };
    let json = serde_json::to_string(&widest).unwrap();
    assert_eq!(ConsistencyProof::from_json(json.as_bytes()), Ok(widest));
    let more = json.replacen('[', &format!("[\"{}\",", Hash::EMPTY), 1);
    let refused = ConsistencyProof::from_json(more.as_bytes());
    assert!(matches!(refused, Err(NotJson::Shape(_))), "{refused:?}");
}

#[test]
fn a_proof_of_consistency_reads_back_and_has_one_shape() {
    let proof = proof(3, 7);
    let json = serde_json::to_string(&proof).unwrap();
    assert!(json.starts_with("{\"first\":3,\"second\":7,\"path\":[\""));
    assert_eq!(ConsistencyProof::from_json(json.as_bytes()), Ok(proof));
    let path = json
        .split_once("\"path\":")
        .unwrap()
        .1
        .strip_suffix('}')
        .unwrap();
    for wrong in [
        format!("[3,7,{path}]"),
        format!("{{\"first\":3,\"path\":{path}}}"),
        format!("{{\"first\":3,\"second\":7,\"second\":7,\"path\":{path}}}"),
        format!("{{\"first\":3,\"second\":7,\"path\":{path},\"more\":0}}"),
        format!("{{\"first\":3.0,\"second\":7,\"path\":{path}}}"),
        format!("{{\"first\":-3,\"second\":7,\"path\":{path}}}"),
        format!("{json}{json}"),
        json[1..].to_owned(),
    ] {
        let refused = ConsistencyProof::from_json(wrong.as_bytes());
        assert!(matches!(refused, Err(NotJson::Shape(_))), "{wrong}");
    }
}

#[test]
fn two_heads_of_one_growing_ledger_are_consistent() {
    for (first, second) in [(0, 5), (1, 5), (4, 5), (5, 5), (17, 70), (64, 65)] {
        let verified = proof(first, second).verify(&head(first), &head(second));
        assert_eq!(verified, Ok(()), "{first} to {second}");
    }
}

#[test]
fn heads_of_other_ledgers_sizes_or_pasts_are_not() {
    let proof = proof(17, 70);
    let (earlier, later) = (head(17), head(70));
    let stranger = TreeHead {
        issuer: name("ZZTALLYROOT00002"),
        ..later
    };
    let (first, second) = (earlier.issuer, stranger.issuer);
    let refused = Err(ConsistencyFault::Issuer { first, second });
    assert_eq!(proof.verify(&earlier, &stranger), refused);
    let sizes = Err(ConsistencyFault::Sizes(17, 70));
    assert_eq!(proof.verify(&head(16), &later), sizes);
    assert_eq!(proof.verify(&earlier, &head(71)), sizes);
    assert_eq!(proof.verify(&later, &earlier), sizes);
    let lying = TreeHead {
        root: Hash::EMPTY,
        ..earlier
    };
    let refused = Err(ConsistencyFault::Proof(ProofFault::FirstRoot));
    assert_eq!(proof.verify(&lying, &later), refused);
    let lying = TreeHead {
        root: Hash::EMPTY,
        ..later
    };
    let refused = Err(ConsistencyFault::Proof(ProofFault::SecondRoot));
    assert_eq!(proof.verify(&earlier, &lying), refused);
}
