//! Waits for a card in a reader, pairs with it if need be, reads its status and the names in its vault.
//!
//! Certify the terminal first: `certify terminal --store pairings.tally --identity desk`. Then
//! `cargo run -p terminal-lib --features pcsc --example pair_and_talk -- pairings.tally`

use apdu::message::pin::{Digits, Reference};
use terminal_lib::application::*;
use terminal_lib::service::vault::Vault;
use terminal_lib::store::{FileStore, IdentityName};
use terminal_lib::{Terminal, transport::pcsc::Readers};

struct Person;

impl Application for Person {
    fn may_set_up(&mut self, reason: SetUpReason) -> bool {
        println!("{reason}; pairing");
        true
    }

    fn pin(&mut self, request: &PinRequest) -> PinAnswer {
        println!("PIN of card {} (it will be seen here)?", request.card);
        let mut line = zeroize::Zeroizing::new(String::new());
        let read = std::io::stdin().read_line(&mut line);
        let digits = Digits::new(Reference::Pin, line.trim().as_bytes());
        match (read, digits, request.state) {
            (Ok(_), Some(digits), PinState::Open { .. }) => PinAnswer::Digits(digits),
            _ => PinAnswer::Refuse,
        }
    }

    fn notice(&mut self, notice: &Notice) {
        println!("{notice}");
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args()
        .nth(1)
        .ok_or("the place of the pairing store is missing")?;
    let identity = IdentityName::new("desk").ok_or("no name of an identity")?;
    let mut terminal = Terminal::new(FileStore::open(path)?, identity);
    let mut card = Readers::open()?.wait_for_card("", None)?;
    let mut session = terminal.connect(&mut card, &mut Person, &Policy::Ask)?;
    println!("card {}: {:?}", session.card(), session.status()?);
    let mut vault = Vault::new();
    match vault.list(&mut session) {
        Ok(entries) => entries
            .iter()
            .for_each(|entry| println!("{}", entry.name.as_str())),
        Err(refused) => println!("{refused}"),
    }
    session.close();
    Ok(())
}
