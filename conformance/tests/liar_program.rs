//! The program `liar` against the product, each in a process of its own, over vpcd's protocol.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

use card_sim::body::VirtualCard;
use card_sim::vpcd::{StopFlag, VpcdClient};
use conformance::authority::{CARD, TERMINAL, card, terminal, terminal_store};
use conformance::evidence::report;
use conformance::liar::puppet::Scene;
use conformance::liar::visit::visit;
use conformance::user::{PIN, User};
use getrandom::SysRng;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use terminal_lib::store::MemoryStore;
use terminal_lib::transport::listener::Listener;

fn liar(arguments: &[&str]) -> Child {
    let program = Command::new(env!("CARGO_BIN_EXE_liar"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    program.unwrap()
}

/// What it printed, once it has ended, and whether all was as the file says.
fn end(mut program: Child, mut printed: BufReader<impl Read>) -> (String, bool) {
    let mut text = String::new();
    printed.read_to_string(&mut text).unwrap();
    (text, program.wait().unwrap().success())
}

/// The hostile terminal with this file, at the product's card.
fn tell_a_card(file: &str) -> (String, bool) {
    let pin = core::str::from_utf8(PIN).unwrap();
    let mut program = liar(&["terminal", "--listen", "0", "--pin", pin, file]);
    let mut printed = BufReader::new(program.stdout.take().unwrap());
    let mut first = String::new();
    printed.read_line(&mut first).unwrap();
    let address = first.trim().strip_prefix("listening on ").unwrap();
    let mut client = VpcdClient::new(address);
    let stop = StopFlag::default();
    let flag = stop.clone();
    let slot = std::thread::spawn(move || {
        let mut body = VirtualCard::new(card(CARD), SysRng);
        client.run(&mut body, &flag).unwrap();
    });
    let ended = end(program, printed);
    stop.raise();
    slot.join().unwrap();
    ended
}

/// Every lie of the file, told by another process to the product's card.
#[test]
fn the_hostile_terminal_finds_the_products_card_as_the_file_says() {
    let (text, fine) = tell_a_card("liars/terminal.json");
    assert!(fine, "{text}");
    let refused = text
        .lines()
        .filter(|line| line.starts_with("refused"))
        .count();
    assert!(refused >= 90, "{text}");
    report(
        "T1",
        refused.try_into().unwrap(),
        "lies of the program `liar terminal` to the product's card, each refused as the file says",
    );
}

/// Some lies of the file, told by another process to the product's terminal.
#[test]
fn the_hostile_card_finds_the_products_terminal_as_the_file_says() {
    let listener = Listener::on_loopback(0).unwrap();
    let address = listener.address().unwrap().to_string();
    let lies = [("tries in clear", 1, 0), ("earlier session", 0, 6)];
    let mut refused = 0;
    for (only, in_set_up, in_sessions) in lies {
        let mut program = liar(&[
            "card",
            "--connect",
            &address,
            "--only",
            only,
            "liars/card.json",
        ]);
        let printed = BufReader::new(program.stdout.take().unwrap());
        let meet = |store: &MemoryStore, scene| {
            let mut reader = listener.wait_for_card().unwrap();
            let mut terminal = terminal(store.share());
            visit(&mut terminal, &mut reader, &mut User::willing(), scene)
        };
        for number in 0..=in_set_up {
            let met = meet(&terminal_store(TERMINAL), Scene::SetUp);
            assert_eq!(met.is_ok(), number == 0, "{only}: {met:?}");
        }
        if in_sessions > 0 {
            let store = terminal_store(TERMINAL);
            meet(&store, Scene::SetUp).unwrap();
            for _ in 0..in_sessions {
                meet(&store, Scene::Session).unwrap();
                assert!(meet(&store, Scene::Session).is_err(), "{only}");
            }
        }
        let (text, fine) = end(program, printed);
        assert!(fine, "{text}");
        let lines = text
            .lines()
            .filter(|line| line.starts_with("refused"))
            .count();
        assert_eq!(lines, in_set_up + in_sessions, "{text}");
        refused += lines;
    }
    report(
        "T1",
        refused.try_into().unwrap(),
        "lies of the program `liar card` to the product's terminal, each refused as the file says",
    );
}

/// The nearest no: a card that is not as the file says is told from one that is.
#[test]
fn a_lie_that_is_met_otherwise_than_the_file_says_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("wrong.json");
    let text = r#"{"peer": "terminal", "lies": [{"name": "wrong on purpose", "item": "T82",
        "scene": "set-up", "step": "pin", "deed": "in-clear", "expected": "9000"}]}"#;
    std::fs::write(&file, text).unwrap();
    let (text, fine) = tell_a_card(file.to_str().unwrap());
    assert!(!fine && text.starts_with("DIFFERENT"), "{text}");
}
