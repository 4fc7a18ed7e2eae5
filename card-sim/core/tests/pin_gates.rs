//! T33: outside an authenticated session nothing costs a try, and blocked is for ever. T34: nothing has a default.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop")]

mod bench;

use apdu::channel::ExpectedLength;
use apdu::codec::command::{Command, Form, Header};
use apdu::codec::status::StatusWord;
use apdu::crypto::{Entropy, Secret};
use apdu::handshake::PairingKey;
use apdu::identifier::header;
use apdu::message::pin::Reference;
use bench::*;
use card_core::store::{Change, Record, Store};
use test_vectors::evidence::{cases, report, seed};

const BLOCKED: StatusWord = StatusWord::BLOCKED;

/// VERIFY, CHANGE, UNBLOCK and their neighbours, in every class and with every reference, with right, wrong and malformed data.
fn pin_commands() -> Vec<Vec<u8>> {
    let pair = |old: &[u8]| [&[0x80, 6], old, &[0x81, 6], b"161803"].concat();
    let datas = [
        Vec::new(),
        PIN.to_vec(),
        b"000000".to_vec(),
        b"1".to_vec(),
        pair(PIN),
        pair(b"000000"),
        [&[0x80, 8], PUK, &[0x81, 6], b"161803"].concat(),
    ];
    let mut commands = Vec::new();
    for cla in [0x00, 0x10, 0x0C, 0x1C, 0x8C, 0x9C, 0x04, 0x80, 0x01] {
        for ins in [0x20, 0x21, 0x24, 0x2C] {
            for p2 in [0x00, 0x01, 0x80, 0x81, 0x82] {
                for data in &datas {
                    let header = Header::new(cla, ins, 0, p2);
                    let command = Command {
                        header,
                        data,
                        expected: None,
                        form: Form::Short,
                    };
                    commands.push(command.encode().unwrap());
                }
            }
        }
    }
    commands
}

/// T33: every state of every life-cycle state, a session of somebody else included: a command that is not under its keys spends nothing.
#[test]
fn without_the_session_s_keys_no_pin_command_costs_a_try() {
    let commands = pin_commands();
    let (mut refused, mut in_sessions) = (0, 0);
    for start in states::all() {
        let before = start.bench.store.dangerous_copy();
        for command in &commands {
            let mut bench = start.bench.fork();
            let answer = bench.raw(command);
            // Only the segment of a chain that is not its last is answered with 9000, and it means nothing.
            let segment = command[0] & 0x10 != 0;
            assert!(
                answer.data.is_empty() && (segment || answer.status != OK),
                "{} {}: {command:02X?}",
                start.life,
                start.state
            );
            assert!(
                bench.store.same_content(&before),
                "{} {}: {command:02X?}",
                start.life,
                start.state
            );
            refused += 1;
            in_sessions += u64::from(start.end.is_some());
        }
    }
    assert!(in_sessions > 10_000 && refused - in_sessions > 10_000);
    report(
        "T33",
        refused,
        format_args!(
            "PIN commands without keys in every state cost nothing, {in_sessions} of them into open channels"
        ),
    );
}

/// T33: under keys that prove too little (SM1, before the card's proof), or in a first command, the PIN is not looked at.
#[test]
fn under_the_first_keys_of_a_set_up_no_pin_command_costs_a_try() {
    let mut tried = 0;
    for start in states::all() {
        let Some(end) = start
            .end
            .as_ref()
            .filter(|_| ["PROV", "GIVEN"].contains(&start.state))
        else {
            continue;
        };
        for header in [
            header::VERIFY,
            header::CHANGE_PIN,
            header::CHANGE_PUK,
            header::UNBLOCK,
        ] {
            for data in [&b"000000"[..], PIN, &[]] {
                let mut bench = start.bench.fork();
                let (_, word) = bench.secured(&mut end.dangerous_copy(), header, data);
                assert_eq!(
                    word,
                    StatusWord::CONDITIONS_NOT_SATISFIED,
                    "{} {}",
                    start.life,
                    start.state
                );
                assert_eq!(bench.card.phase_name(), "NONE");
                assert!(bench.store.same_content(&start.bench.store));
                tried += 1;
            }
        }
    }
    assert_eq!(tried, 2 * 4 * 3);
    report(
        "T33",
        tried,
        "PIN commands under SM1: protected 6985, nothing spent",
    );
}

/// T33: a program without keys sends what it likes, 10,000 times, between the owner's sessions: no try is gone.
#[test]
fn a_foreign_program_cannot_lock_the_pin() {
    let commands = pin_commands();
    let mut bench = Bench::operational();
    let mut terminal = Terminal::new(1);
    let mut key = terminal.pair(&mut bench);
    let mut dice = FixedEntropy::new(seed());
    let rounds = cases(10_000, 100_000);
    for round in 0..rounds {
        let mut number = [0; 4];
        dice.fill(&mut number).unwrap();
        let number = usize::try_from(u32::from_be_bytes(number)).unwrap();
        if number.is_multiple_of(3) {
            bench.select();
        }
        bench.raw(&commands[number % commands.len()]);
        if round % 1_000 == 0 {
            let mut end = terminal.reconnect(&mut bench, &mut key).unwrap();
            assert_eq!(
                bench.secured(&mut end, header::VERIFY, &[]).1.as_tries(),
                Some(3)
            );
        }
    }
    terminal.session_with_pin(&mut bench, &mut key);
    report(
        "T33",
        rounds,
        "commands of a foreign program; three tries left at every look, and the PIN is taken afterwards",
    );
}

/// A paired card whose codes were used up, as far as `puk` says; and the pairing.
fn used_up(puk: bool) -> (Bench, Terminal, PairingKey) {
    let mut bench = Bench::operational();
    let mut terminal = Terminal::new(1);
    let mut key = terminal.pair(&mut bench);
    let mut end = terminal.reconnect(&mut bench, &mut key).unwrap();
    for left in [2, 1, 0] {
        assert_eq!(
            bench
                .secured(&mut end, header::VERIFY, b"000000")
                .1
                .as_tries(),
            Some(left)
        );
    }
    if puk {
        let guess = [&[0x80, 8], &b"00000000"[..], &[0x81, 6], b"161803"].concat();
        for left in (0..10).rev() {
            assert_eq!(
                bench
                    .secured(&mut end, header::UNBLOCK, &guess)
                    .1
                    .as_tries(),
                Some(left)
            );
        }
    }
    (bench, terminal, key)
}

/// T33: blocked stays blocked over 10,000 resets and restarts, for the right codes, too.
#[test]
fn blocked_stays_blocked_over_resets_and_restarts() {
    let unblock = [&[0x80, 8], PUK, &[0x81, 6], b"161803"].concat();
    let change = [&[0x80, 6], PIN, &[0x81, 6], b"161803"].concat();
    for puk in [false, true] {
        let (mut bench, mut terminal, mut key) = used_up(puk);
        let rounds = 5_000;
        for round in 0..rounds {
            match round % 2 {
                0 => bench.power_cycle(),
                _ => drop(bench.select()), // a reset of the line, as the card sees it
            }
            let mut end = terminal.reconnect(&mut bench, &mut key).unwrap();
            assert_eq!(
                bench.secured(&mut end, header::VERIFY, &[]).1,
                BLOCKED,
                "round {round}"
            );
            assert_eq!(
                bench.secured(&mut end, header::VERIFY, PIN).1,
                BLOCKED,
                "round {round}"
            );
            assert_eq!(
                bench.secured(&mut end, header::CHANGE_PIN, &change).1,
                BLOCKED,
                "round {round}"
            );
            if puk {
                assert_eq!(
                    bench.secured(&mut end, header::UNBLOCK, &unblock).1,
                    BLOCKED,
                    "round {round}"
                );
            }
            assert_eq!(
                bench.store.read(Record::PIN_TRIES).unwrap().unwrap()[..],
                [0]
            );
        }
        // Non-vacuity: with the PUK's tries left, and only then, it was not for ever.
        let mut end = terminal.reconnect(&mut bench, &mut key).unwrap();
        let word = bench.secured(&mut end, header::UNBLOCK, &unblock).1;
        assert_eq!(word, if puk { BLOCKED } else { OK });
        report(
            "T33",
            rounds,
            format_args!(
                "resets and restarts of a card without PIN tries{}: always 6983",
                if puk { " and PUK tries" } else { "" }
            ),
        );
    }
}

/// Codes that cards and tokens are shipped with elsewhere, and shapes that people choose.
fn common_codes(lengths: std::ops::RangeInclusive<usize>) -> Vec<Vec<u8>> {
    let rising = b"12345678901234567890";
    let mut codes = Vec::new();
    for length in lengths {
        codes.extend((b'0'..=b'9').map(|digit| vec![digit; length]));
        codes.push(rising[..length].to_vec());
        codes.push(rising.iter().rev().skip(1).take(length).copied().collect());
        codes.push(b"01234567890123456789"[..length].to_vec());
    }
    for code in [
        "123123",
        "112233",
        "121212",
        "654321",
        "648219",
        "7777777",
        "87654321",
        "010203",
        "147258",
        "159753",
        "31415926",
        "27182818",
        "141421356",
    ] {
        codes.push(code.as_bytes().to_vec());
    }
    codes
}

/// T34: a card in use whose PIN or PUK was never set: 100,000 guesses, the usual defaults first, and each is "not now".
#[test]
fn an_unset_pin_or_puk_verifies_nothing() {
    let mut bench = Bench::operational();
    let mut terminal = Terminal::new(1);
    let mut key = terminal.pair(&mut bench);
    let records = [
        Record::PIN,
        Record::PIN_TRIES,
        Record::PUK,
        Record::PUK_TRIES,
    ];
    bench.store.commit(&records.map(Change::Erase)).unwrap();
    bench.power_cycle();
    let before = |bench: &Bench| {
        records
            .iter()
            .all(|record| bench.store.read(*record).unwrap().is_none())
    };
    let mut dice = FixedEntropy::new(seed());
    let common = common_codes(6..=12);
    let (guesses, mut end) = (cases(100_000, 1_000_000), None);
    for guess in 0..guesses {
        if guess % 60_000 == 0 {
            end = Some(terminal.reconnect(&mut bench, &mut key).unwrap());
        }
        let end = end.as_mut().unwrap();
        let digits = match common.get(usize::try_from(guess).unwrap()) {
            Some(code) => code.clone(),
            None => {
                let mut bytes = [0; 13];
                dice.fill(&mut bytes).unwrap();
                let (length, digits) = bytes.split_first().unwrap();
                digits[..6 + usize::from(length % 7)]
                    .iter()
                    .map(|byte| b'0' + byte % 10)
                    .collect()
            }
        };
        let word = match guess % 4 {
            3 if digits.len() >= 8 => {
                let data = [
                    &[0x80, u8::try_from(digits.len()).unwrap()],
                    &digits[..],
                    &[0x81, 6],
                    b"161803",
                ]
                .concat();
                bench.secured(end, header::UNBLOCK, &data).1
            }
            _ => bench.secured(end, header::VERIFY, &digits).1,
        };
        assert_eq!(word, StatusWord::CONDITIONS_NOT_SATISFIED, "{digits:02X?}");
    }
    assert!(before(&bench), "no guess made a reference");
    report(
        "T34",
        guesses,
        "guesses at codes that were never set, the usual defaults among them: none verifies",
    );
}

/// T34: the PIN that was set is no usual default by accident: on a card with codes of its own every default is a wrong guess.
#[test]
fn no_usual_default_is_a_second_pin() {
    let mut bench = Bench::operational();
    let mut terminal = Terminal::new(1);
    let mut key = terminal.pair(&mut bench);
    let end = terminal.reconnect(&mut bench, &mut key).unwrap();
    let codes = common_codes(6..=12);
    for code in codes.iter().filter(|code| Reference::Pin.accepts(code)) {
        let mut bench = bench.fork();
        let (_, word) = bench.secured(&mut end.dangerous_copy(), header::VERIFY, code);
        assert_eq!(word.as_tries(), Some(2), "{code:02X?}");
    }
    assert_eq!(
        bench
            .fork()
            .secured(&mut end.dangerous_copy(), header::VERIFY, PIN)
            .1,
        OK
    );
    report(
        "T34",
        u64::try_from(codes.len()).unwrap(),
        "usual defaults are wrong on a card with a PIN of its own",
    );
}

/// Keys that other products have shipped with, or that a program forgets to fill.
fn common_keys() -> Vec<[u8; 32]> {
    let mut keys: Vec<[u8; 32]> = (0..=255).map(|byte| [byte; 32]).collect();
    keys.push(std::array::from_fn(|n| {
        0x40 + u8::try_from(n % 16).unwrap()
    })); // GlobalPlatform's test key
    keys.push(std::array::from_fn(|n| u8::try_from(n).unwrap()));
    keys.push(std::array::from_fn(|n| 31 - u8::try_from(n).unwrap()));
    keys.push(*b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef");
    keys.push(*b"0123456789abcdef0123456789abcdef");
    keys
}

/// T34: on a fresh card, in every state of its making, no common key is a pairing key, and the first command under it is refused.
#[test]
fn a_fresh_card_knows_no_common_key() {
    let mut tried = 0;
    for start in states::all()
        .iter()
        .filter(|start| start.state == "NONE" && start.life != "terminated")
    {
        for key in common_keys() {
            let key = PairingKey::new(Secret::copy_of(&key));
            let mut bench = start.bench.fork();
            let mut terminal = Terminal::new(3);
            assert!(
                terminal.challenge(&mut bench, &key).is_none(),
                "{}: a tag or a proof under a common key",
                start.life
            );
            // And the card does not accept it either, in the state FWAIT in which it is now.
            let mut end = apdu::channel::TerminalEnd::new(key.session_keys(&[0; 32]));
            let sealed = end
                .seal(header::STATUS, &[], Some(ExpectedLength::Short))
                .unwrap();
            assert_eq!(
                bench.send(sealed.header, &sealed.data).status,
                StatusWord::SECURE_MESSAGING_INCORRECT
            );
            assert!(bench.store.same_content(&start.bench.store));
            tried += 1;
        }
    }
    assert!(tried > 1_000);
    // Nor does a card that was not made yet take part in a set-up, or in one with a certificate under a well-known key.
    for start in states::all()
        .iter()
        .filter(|start| start.state == "IDLE" && !matches!(start.life, "operational" | "blocked"))
    {
        for byte in 1..=254 {
            let signer = private_key(byte);
            let shown = certify(
                &signer,
                ROOT,
                "ZZTALLYTERM00009",
                apdu::certificate::Role::Terminal,
                &signer.public_key(),
            );
            let mut bench = start.bench.fork();
            let word = bench
                .send(header::VERIFY_CERTIFICATE, shown.encoded())
                .status;
            assert_eq!(word, StatusWord::CONDITIONS_NOT_SATISFIED, "{}", start.life);
        }
        tried += 254;
    }
    report(
        "T34",
        tried,
        "common keys on fresh cards: none is a pairing, none opens a channel, none starts a set-up",
    );
}

/// T33: once the PUK is used up the PIN is worth nothing, however many tries it has left; and nothing is spent on it.
#[test]
fn a_card_whose_puk_is_used_up_takes_no_pin_even_with_tries_left() {
    let mut start = Bench::operational();
    let key = Terminal::new(1).pair(&mut start);
    let change = [&[0x80, 6], PIN, &[0x81, 6], b"161803"].concat();
    for (tries, expected) in [(1, OK), (0, BLOCKED)] {
        start
            .store
            .commit(&[Change::Put(Record::PUK_TRIES, &[tries])])
            .unwrap();
        start.power_cycle();
        let before = start.store.dangerous_copy();
        for (header, data) in [(header::VERIFY, PIN), (header::CHANGE_PIN, &change)] {
            let mut bench = start.fork();
            let mut end = Terminal::new(1).challenge(&mut bench, &key).unwrap();
            assert_eq!(bench.secured(&mut end, header::STATUS, &[]).1, OK);
            assert_eq!(bench.secured(&mut end, header, data).1, expected);
            let left = bench.store.read(Record::PIN_TRIES).unwrap();
            assert!(
                left == before.read(Record::PIN_TRIES).unwrap(),
                "nothing was spent"
            );
        }
        let mut bench = start.fork();
        let (mut end, _) = Terminal::new(9).set_up_to_pin(&mut bench);
        assert_eq!(bench.secured(&mut end, header::VERIFY, PIN).1, expected);
    }
}

/// A counter that says more tries than there are is not one of ours: nothing is compared.
#[test]
fn a_counter_that_says_too_much_gives_no_try() {
    let mut start = Bench::operational();
    let key = Terminal::new(1).pair(&mut start);
    start
        .store
        .commit(&[Change::Put(Record::PIN_TRIES, &[4])])
        .unwrap();
    start.power_cycle();
    let mut end = Terminal::new(1).challenge(&mut start, &key).unwrap();
    let status = start.secured(&mut end, header::STATUS, &[]).1;
    assert_eq!(status.0, 0x6581, "and the status does not repeat it");
    let (_, word) = start.secured(&mut end, header::VERIFY, PIN);
    assert_ne!(word, OK);
    assert_eq!(**start.store.read(Record::PIN_TRIES).unwrap().unwrap(), [4]);
}
