//! The ledger under power cuts, tampering and two users.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

mod support;

use apdu::certificate::{Refusal, Role};
use apdu::crypto::sha256;
use authority::ledger::{Fault, LedgerError, LineHash};
use authority::{Authority, AuthorityError, NameOrder, Scope};
use std::fs;
use std::thread;
use std::time::Duration;
use support::{Bench, Tape, at, message, name};

/// An authority with one line of every kind, closed; its ledger as bytes.
fn written() -> (Bench, Vec<u8>) {
    let mut bench = Bench::new();
    bench.certify(Role::Card, "ZZTALLYCARD00001");
    bench
        .authority
        .delivered(&name("ZZTALLYCARD00001"), at(bench.now))
        .unwrap();
    bench
        .authority
        .revoke(&name("ZZTALLYCARD00001"), "lost", at(bench.now))
        .unwrap();
    bench
        .authority
        .publish(&mut *bench.key, Scope::Revoked, at(bench.now))
        .unwrap();
    let bytes = fs::read(bench.folder().join("ledger.jsonl")).unwrap();
    (bench, bytes)
}

/// Puts other bytes into the place of the ledger. The lock is on the old file and does not disturb.
fn replace(bench: &Bench, bytes: &[u8]) {
    let path = bench.folder().join("ledger.jsonl");
    fs::remove_file(&path).unwrap();
    fs::write(&path, bytes).unwrap();
}

fn open(bench: &Bench) -> Result<Authority, AuthorityError> {
    Authority::open(&bench.folder(), Duration::ZERO)
}

/// The number of the damaged line.
fn damaged_line(result: &Result<Authority, AuthorityError>) -> Option<u64> {
    match result {
        Err(AuthorityError::Ledger(LedgerError::Damaged { line, .. })) => Some(*line),
        _ => None,
    }
}

#[test]
fn a_ledger_with_every_kind_of_line_reads_back_and_its_signatures_verify() {
    let (bench, bytes) = written();
    replace(&bench, &bytes);
    let authority = open(&bench).unwrap();
    let audit = authority.audit().unwrap();
    assert_eq!((audit.lines, audit.certificates, audit.lists), (6, 1, 1));
    assert_eq!(audit.head, bench.authority.ledger().head());
    assert!(!authority.ledger().was_cut());
    let holder = authority.holder(&name("ZZTALLYCARD00001")).unwrap();
    assert!(holder.delivered);
    assert_eq!(holder.revoked.as_deref(), Some("lost"));
}

#[test]
fn a_changed_byte_in_any_line_is_found_and_the_line_is_named() {
    let (bench, bytes) = written();
    let mut line = 1;
    for position in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[position] ^= 0x01;
        let ends_line = bytes[position] == b'\n';
        if position % 7 == 0 || ends_line {
            replace(&bench, &damaged);
            let found = open(&bench);
            if ends_line && position + 1 == bytes.len() {
                // Without its newline the last line counts as unfinished.
                assert!(found.unwrap().ledger().was_cut());
            } else {
                assert_eq!(damaged_line(&found), Some(line), "byte {position}");
                let after = fs::read(bench.folder().join("ledger.jsonl")).unwrap();
                assert!(after == damaged, "byte {position}: the file was changed");
            }
        }
        line += u64::from(ends_line);
    }
}

#[test]
fn a_line_that_is_missing_doubled_or_moved_is_found() {
    let (bench, bytes) = written();
    let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    for index in 0..lines.len() {
        let place = u64::try_from(index).unwrap() + 1;
        let mut doubled = lines.clone();
        doubled.insert(index, lines[index]);
        replace(&bench, &doubled.concat());
        assert_eq!(damaged_line(&open(&bench)), Some(place + 1), "doubled");
        if index + 1 < lines.len() {
            let mut missing = lines.clone();
            missing.remove(index);
            replace(&bench, &missing.concat());
            assert_eq!(damaged_line(&open(&bench)), Some(place), "missing");
            let mut swapped = lines.clone();
            swapped.swap(index, index + 1);
            replace(&bench, &swapped.concat());
            assert_eq!(damaged_line(&open(&bench)), Some(place), "swapped");
        }
    }
}

#[test]
fn a_last_line_cut_at_any_byte_is_cut_off_and_the_ledger_goes_on() {
    let (mut bench, bytes) = written();
    let last = bytes[..bytes.len() - 1]
        .iter()
        .rposition(|byte| *byte == b'\n')
        .unwrap()
        + 1;
    for length in last..bytes.len() {
        replace(&bench, &bytes[..length]);
        let authority = open(&bench).unwrap();
        assert_eq!(authority.ledger().was_cut(), length > last, "{length}");
        assert_eq!(authority.ledger().lines(), 5);
        assert!(authority.status_list().is_none(), "the list never left");
        let after = fs::read(bench.folder().join("ledger.jsonl")).unwrap();
        assert!(after == bytes[..last], "{length}");
    }
    replace(&bench, &bytes[..last + 9]);
    let mut authority = open(&bench).unwrap();
    let list = authority
        .publish(&mut *bench.key, Scope::Revoked, at(bench.now))
        .unwrap();
    assert_eq!(list.claims().sequence, 1);
    drop(authority);
    assert!(
        fs::read(bench.folder().join("ledger.jsonl")).unwrap() == bytes,
        "the same line again"
    );
}

#[test]
fn a_file_that_is_no_ledger_is_refused_and_left_as_it_is() {
    let (bench, _) = written();
    let huge_line = vec![b'x'; 1 << 20];
    for (label, content) in [
        ("empty", &b""[..]),
        ("one newline", b"\n"),
        ("text without end", b"dear diary"),
        ("json", b"{}\n"),
        ("random", &[0x9F, 0x00, 0xFF, 0x0A, 0x80, 0x0A]),
        ("huge line", &huge_line),
    ] {
        replace(&bench, content);
        assert_eq!(damaged_line(&open(&bench)), Some(1), "{label}");
        let after = fs::read(bench.folder().join("ledger.jsonl")).unwrap();
        assert!(after == content, "{label}");
    }
}

#[test]
fn a_chain_that_is_whole_but_contradicts_itself_is_found() {
    // Two authorities' chains are equal up to the root's line only; a line of one does not follow the other.
    let (bench, bytes) = written();
    let other = Bench::drawn_from(Tape(1_000));
    let foreign = fs::read(other.folder().join("ledger.jsonl")).unwrap();
    replace(&bench, &[&bytes[..], &foreign].concat());
    let Err(AuthorityError::Ledger(LedgerError::Damaged { line, fault, .. })) = open(&bench) else {
        panic!("the foreign line was taken");
    };
    assert_eq!((line, fault), (7, Fault::Chain));
}

#[test]
fn a_forged_line_with_a_right_hash_is_found_by_the_signature() {
    let mut bench = Bench::new();
    bench.certify(Role::Card, "ZZTALLYCARD00001");
    assert!(bench.authority.audit().is_ok());
    let bytes = fs::read_to_string(bench.folder().join("ledger.jsonl")).unwrap();
    let (open_part, _) = bytes.rsplit_once(",\"sha256\"").unwrap();
    let (before, last_digit) = open_part.split_at(open_part.len() - 3); // the certificate's last digit, a quote, a brace
    let digit = if last_digit.starts_with('0') {
        '1'
    } else {
        '0'
    };
    let forged = format!("{before}{digit}\"}}");
    let (_, line) = forged.rsplit_once('\n').unwrap();
    let hash = LineHash(sha256(&[line.as_bytes(), b"}"]));
    replace(
        &bench,
        format!("{forged},\"sha256\":\"{hash}\"}}\n").as_bytes(),
    );
    let (who, why) = open(&bench).unwrap().audit().unwrap_err();
    assert_eq!(
        (who.as_str(), why),
        ("ZZTALLYCARD00001", Refusal::Signature)
    );
}

#[test]
fn a_noted_head_tells_whether_whole_lines_were_taken_away() {
    let (bench, bytes) = written();
    let noted = bench.authority.ledger().head();
    replace(&bench, &bytes);
    assert!(open(&bench).unwrap().ledger().holds(noted));
    let shorter = bytes.strip_suffix(b"\n").unwrap();
    let last = shorter.iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    replace(&bench, &bytes[..last]);
    assert!(!open(&bench).unwrap().ledger().holds(noted));
}

#[test]
fn the_root_file_must_be_the_ledgers_root() {
    let (bench, bytes) = written();
    replace(&bench, &bytes);
    let other = Bench::drawn_from(Tape(1_000));
    let path = bench.folder().join("root.cvcert");
    let root = fs::read(&path).unwrap();
    fs::write(&path, [&root[..], &[0]].concat()).unwrap();
    assert!(matches!(open(&bench), Err(AuthorityError::RootFile(_))));
    fs::copy(
        other.folder().join("key.pem"),
        bench.folder().join("key.pem"),
    )
    .unwrap();
    fs::write(&path, root).unwrap();
    let refused = open(&bench).unwrap().unlock(support::PASSPHRASE);
    assert!(message(refused.map_err(Into::into)).ends_with("the key of another authority"));
}

#[test]
fn a_second_user_waits_or_is_told_that_the_authority_is_in_use() {
    let bench = Bench::new();
    let refused = Authority::open(&bench.folder(), Duration::from_millis(30));
    assert!(message(refused).ends_with("in use by another process"));
    let folder = bench.folder();
    let waiting = thread::spawn(move || {
        let authority = Authority::open(&folder, Duration::from_secs(60));
        authority.map(|authority| authority.ledger().lines())
    });
    let mut bench = bench;
    bench
        .order(Role::Card, NameOrder::NextOf("ZZCARD".into()))
        .unwrap();
    let Bench {
        authority,
        temporary,
        ..
    } = bench;
    drop(authority);
    assert_eq!(
        waiting.join().unwrap().unwrap(),
        2,
        "it sees what the first one wrote"
    );
    drop(temporary);
}
