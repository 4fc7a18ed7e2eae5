//! The story in words: what each command means, and what is proved by it.

use apdu::codec::command::Header;
use apdu::identifier::header;
use terminal_lib::transport::trace::TraceEvent;

/// A sentence for one exchange; `first_in_session` says that it is the first one under a reconnect's keys.
pub fn meaning(command: Header, paired: bool, first_in_session: bool) -> &'static str {
    match command.unchained() {
        header::SELECT => {
            "The card says what it can do, and shows 16 tags that are new at every SELECT."
        }
        header::RECONNECT if paired => {
            "A tag matched. The card's answer proves that it holds the pairing key."
        }
        header::RECONNECT => {
            "No tag matched; the terminal asks all the same. The answer has the usual shape and proves nothing: they have never met."
        }
        header::VERIFY_CERTIFICATE => {
            "The terminal shows its certificate; the card checks the authority's signature. Nothing is stored."
        }
        header::KEY_EXCHANGE => {
            "Fresh keys on both sides, and the card's random, encrypted to the terminal's certified key."
        }
        header::CARD_CERTIFICATE if !paired => {
            "Its MAC proves that the terminal holds its certified key. Only now the card says who it is."
        }
        header::TERMINAL_RANDOM => {
            "The terminal's random, encrypted to the card's certified key. The answer's MAC proves that the card holds it, and asks for the PIN."
        }
        header::VERIFY => {
            "The PIN, encrypted, to a card whose certificate was verified. The try was spent before it was compared."
        }
        header::COMMIT => {
            "Both sides store the new pairing key: the terminal before this command, the card before its answer."
        }
        _ if first_in_session => {
            "Its MAC is the terminal's proof. Before answering, the card moves the key on; yesterday's key is gone."
        }
        _ => "",
    }
}

/// One line for one exchange: what it is, what came back.
pub fn line(event: &TraceEvent) -> String {
    let sent = event
        .command
        .length
        .map_or("?".to_owned(), |length| length.to_string());
    let Ok(response) = &event.response else {
        return format!("{:>2}  {}", event.number, event.command.name);
    };
    let status = response
        .status
        .map_or("-".to_owned(), |status| status.to_string());
    format!(
        "{:>2}  {:<34} {sent:>4} bytes there, {:>3} back   {status}",
        event.number, event.command.name, response.length
    )
}
