//! Finding a card: by PC/SC where that is built in, or by listening for a virtual card.

use crate::cli::CardArguments;
use crate::failure::Failure;
use std::net::SocketAddr;
use terminal_lib::transport::Transport;
use terminal_lib::transport::listener::Listener;

/// The card that the arguments name. Waits for it.
pub fn open(arguments: &CardArguments) -> Result<Box<dyn Transport>, Failure> {
    match &arguments.listen {
        Some(address) => listen(address),
        None => by_pcsc(arguments.reader.as_deref().unwrap_or_default()),
    }
}

fn listen(address: &str) -> Result<Box<dyn Transport>, Failure> {
    let address: SocketAddr = address.parse().map_err(|_| {
        Failure::usage(format!(
            "{address} is no address and port, such as 127.0.0.1:35963"
        ))
    })?;
    if !address.ip().is_loopback() {
        return Err(Failure::usage(
            "listens on loopback addresses only: personalisation is not protected, and whoever reaches the port can be a card",
        ));
    }
    let listener = Listener::on_loopback(address.port())?;
    eprintln!(
        "Waiting for a virtual card: card-sim run --connect {}",
        listener.address()?
    );
    Ok(Box::new(listener.wait_for_card()?))
}

#[cfg(feature = "pcsc")]
fn by_pcsc(part: &str) -> Result<Box<dyn Transport>, Failure> {
    let readers = terminal_lib::transport::pcsc::Readers::open()?;
    eprintln!("Waiting for a card. Insert it now.");
    Ok(Box::new(readers.wait_for_card(part, None)?))
}

#[cfg(not(feature = "pcsc"))]
fn by_pcsc(_: &str) -> Result<Box<dyn Transport>, Failure> {
    Err(Failure::usage(
        "this build has no PC/SC: build it with `cargo build -p certify-tool --features pcsc`, or use --listen",
    ))
}
