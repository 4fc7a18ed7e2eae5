//! Waits for a card in a reader, pairs with it if need be, reads its status and the names in its vault.
//!
//! Certify the terminal first: `certify terminal --store pairings.tally --identity desk`. Then
//! `cargo run -p terminal-lib --features pcsc --example pair_and_talk -- pairings.tally`

use apdu::message::pin::{Digits, Reference};
use terminal_lib::application::*;
use terminal_lib::service::vault::Vault;
use terminal_lib::session::CodeOutcome;
use terminal_lib::store::{FileStore, IdentityName};
use terminal_lib::{Terminal, transport::pcsc::Readers};

struct Person;

impl Application for Person {
    fn may_set_up(&mut self, reason: SetUpReason) -> bool {
        println!("{reason}; pairing");
        true
    }

    fn pin(&mut self, request: &PinRequest) -> PinAnswer {
        match (typed_pin(), request.state) {
            (Some(digits), PinState::Open { .. }) => PinAnswer::Digits(digits),
            _ => PinAnswer::Refuse,
        }
    }

    fn notice(&mut self, notice: &Notice) {
        println!("{notice}");
    }
}

fn typed_pin() -> Option<Digits> {
    println!("PIN of the card (it will be seen here)?");
    let mut line = zeroize::Zeroizing::new(String::new());
    std::io::stdin().read_line(&mut line).ok()?;
    Digits::new(Reference::Pin, line.trim().as_bytes())
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
    // The PIN that paired them was for the pairing; a session asks for itself, and its card forgets the answer with it.
    let pin = typed_pin().ok_or("a PIN is 6 to 12 digits")?;
    match session.verify_pin(&pin)? {
        CodeOutcome::Right => {
            let mut vault = Vault::new();
            for entry in vault.list(&mut session)? {
                println!("{} ({} bytes)", entry.name.as_str(), entry.size);
            }
        }
        CodeOutcome::Wrong { tries_left } => println!("wrong PIN; tries left: {tries_left}"),
        CodeOutcome::Blocked => println!("the PIN is blocked"),
    }
    session.close();
    Ok(())
}
