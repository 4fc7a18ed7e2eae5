//! Finding cards: by PC/SC where that is built in, or by listening for a virtual card.

use crate::cli::CardArguments;
use crate::failure::Failure;
use host::output::note;
use std::net::SocketAddr;
use terminal_lib::transport::Transport;
use terminal_lib::transport::listener::Listener;

/// Where cards come from.
pub enum Cards {
    /// A port of the loopback, to which virtual cards connect.
    Virtual(Listener),
    /// A reader.
    #[cfg(feature = "pcsc")]
    Reader(terminal_lib::transport::pcsc::Readers, String),
}

/// A card, and the reader it is in.
pub struct Inserted {
    pub card: Box<dyn Transport>,
    reader: String,
}

impl Cards {
    /// The place that the arguments name.
    pub fn open(arguments: &CardArguments) -> Result<Self, Failure> {
        match &arguments.listen {
            Some(address) => listen(address),
            None => by_pcsc(arguments.reader.as_deref().unwrap_or_default()),
        }
    }

    /// The next card. Waits for it.
    pub fn next(&self) -> Result<Inserted, Failure> {
        match self {
            Self::Virtual(listener) => Ok(Inserted {
                card: Box::new(listener.wait_for_card()?),
                reader: String::new(),
            }),
            #[cfg(feature = "pcsc")]
            Self::Reader(readers, part) => {
                note("Waiting for a card. Insert it now.");
                let card = readers.wait_for_card(part, None)?;
                let reader = card.reader().to_owned();
                let card = Box::new(card);
                Ok(Inserted { card, reader })
            }
        }
    }

    /// Waits until a card is gone. A virtual one is unplugged by letting it go.
    pub fn wait_for_removal(&self, inserted: Inserted) -> Result<(), Failure> {
        let Inserted { card, reader } = inserted;
        drop(card);
        match self {
            Self::Virtual(_) => {
                drop(reader);
                Ok(())
            }
            #[cfg(feature = "pcsc")]
            Self::Reader(readers, _) => {
                note("Take the card out.");
                readers.wait_for_removal(&reader, None)?;
                Ok(())
            }
        }
    }
}

fn listen(address: &str) -> Result<Cards, Failure> {
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
    note(format_args!(
        "Waiting for a virtual card: card-sim run --connect {}",
        listener.address()?
    ));
    Ok(Cards::Virtual(listener))
}

#[cfg(feature = "pcsc")]
fn by_pcsc(part: &str) -> Result<Cards, Failure> {
    let readers = terminal_lib::transport::pcsc::Readers::open()?;
    Ok(Cards::Reader(readers, part.into()))
}

#[cfg(not(feature = "pcsc"))]
fn by_pcsc(_: &str) -> Result<Cards, Failure> {
    Err(Failure::usage(
        "this build has no PC/SC: build it with `cargo build -p certify-tool --features pcsc,pkcs11`, or use --listen",
    ))
}
