//! What a person may type.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Pair this terminal with a smart card, and talk to it over secure messaging.
///
/// Exit codes: 0 done, 1 failed, 2 usage, 3 verification failed, 4 authentication failed.
#[derive(Parser)]
#[command(name = "tally", version = host::version(env!("CARGO_PKG_VERSION"), &[("pcsc", cfg!(feature = "pcsc"))]))]
pub struct Arguments {
    /// How to print results
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    pub output_format: Format,
    #[command(subcommand)]
    pub verb: Verb,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// For programs
    Json,
}

#[derive(Subcommand)]
pub enum Verb {
    /// Show the whole story in one process: nothing else is needed
    Demo {
        /// Print every APDU, decoded and without secrets
        #[arg(long)]
        trace: bool,
    },
    /// Wait for a card, pair if needed, and show what a session is like
    Session(CardArguments),
    /// List the readers of this machine
    Readers,
    /// Say what of PC/SC is missing, and how to get it
    Doctor,
    /// The cards this terminal is paired with
    Pairings {
        #[command(flatten)]
        store: StoreArguments,
        #[command(subcommand)]
        verb: PairingVerb,
    },
    /// Named data objects on the card
    Vault {
        #[command(flatten)]
        card: CardArguments,
        #[command(subcommand)]
        verb: VaultVerb,
    },
    /// The card's counter
    Counter {
        #[command(flatten)]
        card: CardArguments,
        #[command(subcommand)]
        verb: CounterVerb,
    },
    /// The card's PIN
    Pin {
        #[command(flatten)]
        card: CardArguments,
        #[command(subcommand)]
        verb: PinVerb,
    },
    /// The card itself
    Card {
        #[command(flatten)]
        card: CardArguments,
        #[command(subcommand)]
        verb: CardVerb,
    },
    /// This terminal's key, certificate and trusted roots
    Identity {
        #[command(flatten)]
        store: StoreArguments,
        #[command(subcommand)]
        verb: IdentityVerb,
    },
}

/// Where this terminal keeps what it knows.
#[derive(Args, Clone)]
pub struct StoreArguments {
    /// The terminal's store [default: tallystick/terminal.store in the user's data folder]
    #[arg(long, global = true, value_name = "FILE", env = "TALLY_STORE")]
    pub store: Option<PathBuf>,
    /// Which of the store's identities this terminal is
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        default_value = "default",
        env = "TALLY_IDENTITY"
    )]
    pub identity: String,
}

/// How to find a card, and what may be done without asking.
#[derive(Args, Clone)]
pub struct CardArguments {
    #[command(flatten)]
    pub store: StoreArguments,
    /// The reader, by part of its name; the first one with a card otherwise
    #[arg(long, global = true, value_name = "PART")]
    pub reader: Option<String>,
    /// No reader: listen here for a virtual card (`card-sim run --connect ADDRESS`)
    #[arg(long, global = true, value_name = "ADDRESS", conflicts_with = "reader")]
    pub listen: Option<String>,
    /// Wait for a card instead of failing without one
    #[arg(long, global = true)]
    pub wait: bool,
    /// Read the PIN from the first line of this file instead of asking
    #[arg(long, global = true, value_name = "FILE")]
    pub pin_file: Option<PathBuf>,
    /// May a set-up begin?
    #[arg(long, global = true, value_enum, default_value_t = Pairing::Ask)]
    pub pairing: Pairing,
    /// Talk to this card only: its certified name
    #[arg(long, global = true, value_name = "CHR")]
    pub card: Option<String>,
    /// Print every APDU, decoded and without secrets
    #[arg(long, global = true)]
    pub trace: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Pairing {
    /// Ask each time
    Ask,
    /// Never pair; only cards that know this terminal
    Never,
    /// Pair without asking (the PIN is still needed)
    Auto,
}

#[derive(Subcommand)]
pub enum PairingVerb {
    /// List them
    List,
    /// Forget one; the card is not told
    Forget {
        /// The card's certified name
        card: String,
    },
}

#[derive(Subcommand)]
pub enum VaultVerb {
    /// List the objects
    List,
    /// Print an object's content
    Get {
        /// Its name
        name: String,
        /// Write it here instead of to standard output
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// Print it to a terminal as it is; without, what a terminal could act on is escaped there
        #[arg(long, conflicts_with = "out")]
        raw: bool,
    },
    /// Write an object whole
    Put {
        /// Its name: 1 to 32 printable characters
        name: String,
        /// The content; `-` is standard input
        file: PathBuf,
        /// Let every paired terminal read it without the PIN
        #[arg(long)]
        free_read: bool,
        /// Let every paired terminal write and delete it without the PIN
        #[arg(long)]
        free_write: bool,
    },
    /// Delete an object
    Delete {
        /// Its name
        name: String,
    },
}

#[derive(Subcommand)]
pub enum CounterVerb {
    /// Show value and limit
    Show,
    /// Add an amount
    Add {
        /// How much
        amount: u32,
    },
    /// Set the limit; needs the PIN
    Limit {
        /// The new limit
        limit: u32,
    },
}

#[derive(Subcommand)]
pub enum PinVerb {
    /// Change the PIN
    Change {
        /// Read the new PIN from the first line of this file instead of asking
        #[arg(long, value_name = "FILE")]
        new_pin_file: Option<PathBuf>,
    },
    /// Set a new PIN with the PUK
    Unblock {
        /// Read the PUK from the first line of this file instead of asking
        #[arg(long, value_name = "FILE")]
        puk_file: Option<PathBuf>,
        /// Read the new PIN from the first line of this file instead of asking
        #[arg(long, value_name = "FILE")]
        new_pin_file: Option<PathBuf>,
    },
}

#[derive(Subcommand)]
pub enum CardVerb {
    /// Show certificate, status, services and pairings
    Show,
    /// Erase the card: key, certificate, pairings, PIN, services. Needs the PIN
    Reset {
        /// Do it
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Subcommand)]
pub enum IdentityVerb {
    /// Show this terminal's identity
    Show,
    /// Make a key and a certificate request for `certify terminal --request`
    Request {
        /// The authority's name, as `certify challenge` prints it
        #[arg(long, value_name = "CAR")]
        issuer: String,
        /// This terminal's name, as agreed with the authority
        #[arg(long, value_name = "CHR")]
        name: String,
        /// The authority's nonce, as `certify challenge` prints it (32 hexadecimal digits)
        #[arg(long, value_name = "HEX")]
        nonce: String,
        /// Where to write the request; `-` is standard output
        #[arg(long, value_name = "FILE", default_value = "-")]
        out: PathBuf,
    },
    /// Install the certificate that came back, and the root that is to be trusted
    Install {
        /// This terminal's certificate; `-` is standard input
        certificate: PathBuf,
        /// The authority's root certificate; all of them, oldest first, if it has rolled over
        #[arg(long, value_name = "FILE", required = true)]
        root: Vec<PathBuf>,
        /// A link certificate between these roots, which cards of an earlier root want to see
        #[arg(long, value_name = "FILE")]
        link: Vec<PathBuf>,
    },
    /// Take a newer status list (revocations); cards get it at their next session
    StatusList {
        /// The list; `-` is standard input
        list: PathBuf,
    },
    /// Trust the next root of an authority, by a link certificate of one that is trusted
    Link {
        /// The link certificate; `-` is standard input
        link: PathBuf,
    },
}
