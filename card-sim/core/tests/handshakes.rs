//! Set-up and reconnect as the card lives them, with the nearest refusals.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop")]

mod bench;

use apdu::certificate::Role;
use apdu::channel::ExpectedLength;
use apdu::codec::command::{Command, Form};
use apdu::codec::status::StatusWord;
use apdu::identifier::header;
use bench::*;

/// ST-22, ST-32, ST-34, ST-43: Fig. 5 from the card's side. Each side's proof is checked over both randoms; `bench` holds
/// the terminal's side step by step.
#[test]
fn a_terminal_that_has_paired_reconnects_and_a_stranger_does_not() {
    let mut bench = Bench::operational();
    let mut terminal = Terminal::new(1);
    let mut key = terminal.pair(&mut bench);
    for generation in 0..5 {
        assert!(
            terminal.reconnect(&mut bench, &mut key).is_some(),
            "generation {generation}"
        );
    }
    bench.power_cycle();
    assert!(
        terminal.reconnect(&mut bench, &mut key).is_some(),
        "after a power cut"
    );
    let mut stranger = Terminal::new(2);
    let other = stranger.pair(&mut Bench::operational());
    assert!(stranger.challenge(&mut bench, &other.next()).is_none());
}

/// ST-41: no pairing without the PIN.
#[test]
fn a_commit_without_the_pin_is_refused_and_stores_nothing() {
    let mut bench = Bench::operational();
    let (mut sm2, _) = Terminal::new(1).set_up_to_pin(&mut bench);
    let before = bench.store.dangerous_copy();
    assert_eq!(
        bench.secured(&mut sm2, header::COMMIT, &[]).1,
        StatusWord::SECURITY_NOT_SATISFIED
    );
    assert!(bench.store.same_content(&before));
    assert_eq!(
        bench.secured(&mut sm2, header::VERIFY, PIN).1,
        OK,
        "the set-up goes on"
    );
}

/// ST-41: wrong PINs are counted and finally block.
#[test]
fn wrong_pins_are_counted_and_block_and_the_puk_unblocks() {
    let mut bench = Bench::operational();
    let (mut sm2, _) = Terminal::new(1).set_up_to_pin(&mut bench);
    for left in [2, 1, 0] {
        let (_, word) = bench.secured(&mut sm2, header::VERIFY, b"000000");
        assert_eq!(word.as_tries(), Some(left));
    }
    assert_eq!(
        bench.secured(&mut sm2, header::VERIFY, PIN).1,
        StatusWord::BLOCKED
    );
    bench.power_cycle();
    let (mut sm2, _) = Terminal::new(1).set_up_to_pin(&mut bench);
    assert_eq!(
        bench.secured(&mut sm2, header::VERIFY, PIN).1,
        StatusWord::BLOCKED
    );
    let unblock = [&[0x80, 8], PUK, &[0x81, 6], b"999999"].concat();
    assert_eq!(bench.secured(&mut sm2, header::UNBLOCK, &unblock).1, OK);
    assert_eq!(bench.secured(&mut sm2, header::VERIFY, b"999999").1, OK);
}

/// The last try is kept for paired terminals: a hostile certified terminal cannot block the PIN (§11.5).
#[test]
fn the_last_try_is_not_spent_in_set_up_once_a_pairing_exists() {
    let mut bench = Bench::operational();
    let mut owner = Terminal::new(1);
    let mut key = owner.pair(&mut bench);
    let mut hostile = Terminal::new(2);
    for expected in [Some(2), Some(1), None, None] {
        let (mut sm2, _) = hostile.set_up_to_pin(&mut bench);
        let (_, word) = bench.secured(&mut sm2, header::VERIFY, b"000000");
        assert_eq!(word.as_tries(), expected);
        assert!(expected.is_some() || word == StatusWord::BLOCKED);
    }
    let mut end = owner.reconnect(&mut bench, &mut key).unwrap();
    assert_eq!(bench.secured(&mut end, header::VERIFY, PIN).1, OK);
}

/// The same for the PUK: nine guesses by a stranger, and the owner is still in (§11.5).
#[test]
fn a_stranger_cannot_use_up_the_puk_once_a_pairing_exists() {
    let mut bench = Bench::operational();
    let mut owner = Terminal::new(1);
    let mut key = owner.pair(&mut bench);
    let guess = [&[0x80, 8], &b"00000000"[..], &[0x81, 6], b"999999"].concat();
    let (mut sm2, _) = Terminal::new(2).set_up_to_pin(&mut bench);
    for left in (1..=9).rev() {
        let (_, word) = bench.secured(&mut sm2, header::UNBLOCK, &guess);
        assert_eq!(word.as_tries(), Some(left));
    }
    for _ in 0..3 {
        let (_, word) = bench.secured(&mut sm2, header::UNBLOCK, &guess);
        assert_eq!(word, StatusWord::BLOCKED, "the last try is kept");
    }
    let mut end = owner.reconnect(&mut bench, &mut key).unwrap();
    assert_eq!(bench.secured(&mut end, header::VERIFY, PIN).1, OK);
    let unblock = [&[0x80, 8], PUK, &[0x81, 6], b"161803"].concat();
    assert_eq!(
        bench.secured(&mut end, header::UNBLOCK, &unblock).1,
        OK,
        "with its last try"
    );
    assert_eq!(bench.secured(&mut end, header::VERIFY, b"161803").1, OK);
}

/// T32: only well-formed digits spend a try.
#[test]
fn malformed_pins_spend_no_try() {
    let mut bench = Bench::operational();
    let (mut sm2, _) = Terminal::new(1).set_up_to_pin(&mut bench);
    for length in (1..=255).filter(|length| !(6..=12).contains(length)) {
        let (_, word) = bench.secured(&mut sm2, header::VERIFY, &vec![b'0'; length]);
        assert_eq!(word, StatusWord::WRONG_DATA);
    }
    for text in [
        &b"00000a"[..],
        b"\0\0\0\0\0\0",
        b"123456\0",
        "12345\u{664}".as_bytes(),
    ] {
        assert_eq!(
            bench.secured(&mut sm2, header::VERIFY, text).1,
            StatusWord::WRONG_DATA
        );
    }
    let (_, word) = bench.secured(&mut sm2, header::VERIFY, &[]);
    assert_eq!(word.as_tries(), Some(3), "asking spends nothing either");
}

/// ST-42: one word for every reason, and nothing durable.
#[test]
fn terminal_certificates_that_do_not_convince_are_refused_alike() {
    let stranger = private_key(0x77);
    let key = private_key(0x21).public_key();
    let with = |change: fn(&mut apdu::certificate::CertificateFields)| {
        certify_with(
            &root_key(),
            ROOT,
            "ZZTALLYTERM00001",
            Role::Terminal,
            &key,
            change,
        )
    };
    let good = with(|_| {});
    let mut flipped = good.encoded().to_vec();
    *flipped.last_mut().unwrap() ^= 1;
    let rows: [(&str, Vec<u8>); 8] = [
        (
            "role card",
            certify(&root_key(), ROOT, "ZZTALLYTERM00001", Role::Card, &key)
                .encoded()
                .to_vec(),
        ),
        (
            "unknown root",
            certify(
                &root_key(),
                "ZZTALLYROOT00009",
                "ZZTALLYTERM00001",
                Role::Terminal,
                &key,
            )
            .encoded()
            .to_vec(),
        ),
        (
            "wrong signer",
            certify(&stranger, ROOT, "ZZTALLYTERM00001", Role::Terminal, &key)
                .encoded()
                .to_vec(),
        ),
        ("flipped signature", flipped),
        (
            "expired",
            with(|fields| {
                fields.from = apdu::certificate::Date::new(2024, 1, 1).unwrap();
                fields.until = apdu::certificate::Date::new(2025, 12, 31).unwrap();
            })
            .encoded()
            .to_vec(),
        ),
        ("the root itself", root().encoded().to_vec()),
        ("truncated", good.encoded()[..150].to_vec()),
        ("garbage", vec![0x30; 40]),
    ];
    let mut bench = Bench::operational();
    let before = bench.store.dangerous_copy();
    for (label, bytes) in rows {
        bench.select();
        assert_eq!(
            bench.send(header::VERIFY_CERTIFICATE, &bytes).status,
            StatusWord::CERTIFICATE_REFUSED,
            "{label}"
        );
        assert_eq!(bench.card.phase_name(), "NONE", "{label}");
        assert!(bench.store.same_content(&before), "{label}");
    }
    bench.select();
    assert_eq!(
        bench
            .send(header::VERIFY_CERTIFICATE, good.encoded())
            .status,
        OK
    );
    assert!(
        bench.store.same_content(&before),
        "the good one stores nothing either"
    );
}

/// A terminal that does not hold its certified key gets neither the card's certificate nor a PIN try.
#[test]
fn without_the_certified_key_the_card_shows_nothing() {
    let mut bench = Bench::operational();
    let mut thief = Terminal::new(1);
    thief.key = private_key(0x66);
    let before = bench.store.dangerous_copy();
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        thief.set_up_to_pin(&mut bench)
    }));
    assert!(
        outcome.is_err(),
        "the answer to message 4 was no protected certificate"
    );
    assert_eq!(bench.card.phase_name(), "NONE");
    assert!(bench.store.same_content(&before));
}

/// A stranger's C1 is answered in the same shape; a wrong first MAC changes nothing (§8.2).
#[test]
fn a_failed_reconnect_leaves_the_store_as_it_was() {
    let mut bench = Bench::operational();
    let mut terminal = Terminal::new(1);
    let mut key = terminal.pair(&mut bench);
    let before = bench.store.dangerous_copy();
    let mut end = terminal.challenge(&mut bench, &key).unwrap();
    let mut sealed = end
        .seal(header::STATUS, &[], Some(ExpectedLength::Short))
        .unwrap();
    *sealed.data.last_mut().unwrap() ^= 1;
    let response = bench.send(sealed.header, &sealed.data);
    assert_eq!(
        (response.status, response.data.len()),
        (StatusWord::SECURE_MESSAGING_INCORRECT, 0)
    );
    assert!(bench.store.same_content(&before));
    assert!(terminal.reconnect(&mut bench, &mut key).is_some());
}

/// ST-06, §8.4: the ratchet moves before the first command is executed; an old key opens nothing.
#[test]
fn a_session_costs_one_commit_and_the_old_key_is_dead() {
    let mut bench = Bench::operational();
    let mut terminal = Terminal::new(1);
    let mut key = terminal.pair(&mut bench);
    let old = key.dangerous_copy();
    let commits = bench.store.commits();
    terminal.reconnect(&mut bench, &mut key).unwrap();
    assert_eq!(bench.store.commits(), commits + 1);
    assert!(terminal.challenge(&mut bench, &old).is_none());
    assert!(terminal.challenge(&mut bench, &key).is_some());
}

/// ST-05: a plain command inside a session ends it; so does a replayed one.
#[test]
fn plain_commands_in_a_session_end_it() {
    let mut bench = Bench::operational();
    let mut terminal = Terminal::new(1);
    let mut key = terminal.pair(&mut bench);
    let mut end = terminal.reconnect(&mut bench, &mut key).unwrap();
    assert_eq!(
        bench.send(header::VERIFY_CERTIFICATE, &[1]).status,
        StatusWord::SECURITY_NOT_SATISFIED
    );
    let sealed = end.seal(header::STATUS, &[], None).unwrap();
    assert_eq!(
        bench.send(sealed.header, &sealed.data).status,
        StatusWord::CONDITIONS_NOT_SATISFIED
    );
}

/// ST-07: the same terminal pairs again into the same slot; a 17th terminal replaces the least recently used.
#[test]
fn slots_are_reused_by_holder_then_freed_by_age() {
    let mut bench = Bench::operational();
    let mut keys = Vec::new();
    for number in 0..16 {
        let mut terminal = Terminal::new(number);
        let key = terminal.pair(&mut bench);
        keys.push((terminal, key));
    }
    let again = keys[3].0.pair(&mut bench);
    assert!(keys[3].0.challenge(&mut bench, &again).is_some());
    // Terminal 0 is used, so terminal 1 is now the oldest.
    let (terminal, key) = &mut keys[0];
    terminal.reconnect(&mut bench, key).unwrap();
    Terminal::new(16).pair(&mut bench);
    let (terminal, key) = &mut keys[1];
    assert!(terminal.challenge(&mut bench, key).is_none(), "evicted");
    let (terminal, key) = &mut keys[2];
    assert!(terminal.challenge(&mut bench, key).is_some(), "kept");
}

/// Extended length gives the same answers as chaining.
#[test]
fn extended_commands_are_answered_at_once() {
    let mut bench = Bench::operational();
    bench.select();
    let terminal = Terminal::new(1);
    let command = Command {
        header: header::VERIFY_CERTIFICATE,
        data: terminal.certificate.encoded(),
        expected: None,
        form: Form::Extended,
    };
    assert_eq!(bench.raw(&command.encode().unwrap()).status, OK);
}
