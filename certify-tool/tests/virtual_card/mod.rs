//! A virtual card that connects to `certify card --listen`, as `card-sim run --connect` does.
#![allow(dead_code, reason = "each test program uses a part of it")]
#![allow(
    clippy::unwrap_used,
    reason = "a card that cannot be plugged in fails its test"
)]

use crate::support::{Desk, Ran};
use card_core::store::MemoryStore;
use card_sim::body::VirtualCard;
use card_sim::fault::Fault;
use card_sim::vpcd::{StopFlag, VpcdClient};
use getrandom::SysRng;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Stdio;
use std::thread;

pub const CARD: &str = "card --listen 127.0.0.1:0 --pin-file pin --passphrase-file passphrase";

/// Runs `certify card` against a card with this memory; a planned fault pulls the card at that command.
pub fn personalise(
    desk: &Desk,
    line: &str,
    memory: MemoryStore,
    fault: Option<(u64, Fault)>,
) -> (Ran, MemoryStore) {
    personalise_into(Stdio::piped(), desk, line, memory, fault)
}

/// The same with another standard output.
pub fn personalise_into(
    stdout: Stdio,
    desk: &Desk,
    line: &str,
    memory: MemoryStore,
    fault: Option<(u64, Fault)>,
) -> (Ran, MemoryStore) {
    let arguments: Vec<&str> = line.split(' ').collect();
    let mut child = desk
        .command(&arguments)
        .stdout(stdout)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut words = BufReader::new(child.stderr.take().unwrap());
    let mut first = String::new();
    words.read_line(&mut first).unwrap();
    let stop = StopFlag::default();
    let card = first.trim().rsplit_once("--connect ").map(|(_, address)| {
        let mut client = VpcdClient::new(address).on_event(|_| ());
        if let Some((command, fault)) = fault {
            client = client.with_fault(command, fault);
        }
        let stop = stop.clone();
        let mut card = VirtualCard::new(memory.dangerous_copy(), SysRng);
        thread::spawn(move || {
            client.run(&mut card, &stop).unwrap();
            card.into_store()
        })
    });
    let mut rest = String::new();
    words.read_to_string(&mut rest).unwrap();
    let mut output = child.wait_with_output().unwrap();
    output.stderr = rest.into_bytes();
    stop.raise();
    let memory = card.map_or(memory, |card| card.join().unwrap());
    (Ran::new(line, output), memory)
}
