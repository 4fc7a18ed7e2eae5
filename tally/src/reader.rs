//! Finding a card: by PC/SC where that is built in, or by listening for a virtual card.

use crate::cli::CardArguments;
use crate::failure::Failure;
use host::output::note;
use std::net::SocketAddr;
use terminal_lib::transport::Transport;
use terminal_lib::transport::listener::Listener;
use terminal_lib::transport::trace::Traced;

/// The card that the arguments name; waits for it if they say so.
pub fn open(arguments: &CardArguments) -> Result<Box<dyn Transport>, Failure> {
    let card = match &arguments.listen {
        Some(address) => listen(address)?,
        None => by_pcsc(arguments)?,
    };
    Ok(if arguments.trace {
        Box::new(Traced::new(card, |event| note(format_args!("{event}"))))
    } else {
        card
    })
}

fn listen(address: &str) -> Result<Box<dyn Transport>, Failure> {
    let address: SocketAddr = address.parse().map_err(|_| {
        Failure::usage(format!(
            "{address} is no address and port, such as 127.0.0.1:35963"
        ))
    })?;
    if !address.ip().is_loopback() {
        return Err(Failure::usage(
            "listens on loopback addresses only: whoever reaches the port can be a card",
        ));
    }
    let listener = Listener::on_loopback(address.port())?;
    note(format_args!(
        "Waiting for a virtual card: card-sim run --connect {address}"
    ));
    Ok(Box::new(listener.wait_for_card()?))
}

#[cfg(feature = "pcsc")]
fn by_pcsc(arguments: &CardArguments) -> Result<Box<dyn Transport>, Failure> {
    use std::time::Duration;
    use terminal_lib::transport::pcsc::Readers;

    let readers = Readers::open()?;
    let part = arguments.reader.as_deref().unwrap_or("");
    let patience = if arguments.wait {
        note("Waiting for a card. Insert it now.");
        None
    } else {
        Some(Duration::from_secs(2)) // a card that was just inserted takes up to half a second to be seen
    };
    Ok(Box::new(readers.wait_for_card(part, patience)?))
}

#[cfg(not(feature = "pcsc"))]
fn by_pcsc(_: &CardArguments) -> Result<Box<dyn Transport>, Failure> {
    Err(Failure::usage(
        "this build has no PC/SC: build it with `--features pcsc`, or use --listen; `tally doctor` says what is missing",
    ))
}
