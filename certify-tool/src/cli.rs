//! What a person may type.

use crate::cli_clients::ClientsVerb;
use authority::{CARD_YEARS, ROOT_YEARS, TERMINAL_YEARS};
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Certify cards and terminals, so that they can trust each other when they meet.
///
/// Exit codes: 0 done, 1 failed, 2 usage, 3 verification failed, 4 authentication failed,
/// 5 waits for an operator's approval.
#[derive(Parser)]
#[command(name = "certify", version = host::version(env!("CARGO_PKG_VERSION"), &[("pcsc", cfg!(feature = "pcsc")), ("pkcs11", cfg!(feature = "pkcs11"))]))]
pub struct Arguments {
    /// The authority's folder [default: tallystick/authority in the user's data folder]
    #[arg(long, global = true, value_name = "FOLDER", env = "TALLY_AUTHORITY")]
    pub dir: Option<PathBuf>,
    /// An authority over the network, https://host:port, instead of a folder; enrol first
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "TALLY_AUTHORITY_URL",
        conflicts_with = "dir"
    )]
    pub authority: Option<String>,
    /// Where this station's identity is [default: tallystick/station in the user's data folder]
    #[arg(long, global = true, value_name = "FOLDER")]
    pub station: Option<PathBuf>,
    /// How to print results
    #[arg(long, global = true, value_enum, default_value_t = Style::Text)]
    pub output_format: Style,
    #[command(subcommand)]
    pub verb: Verb,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Style {
    /// For people
    Text,
    /// For programs
    Json,
}

/// How certificates and lists are written.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Encoding {
    /// Text between BEGIN and END lines
    Pem,
    /// The bytes themselves
    Der,
}

#[derive(Subcommand)]
pub enum Verb {
    /// The authority itself
    #[command(subcommand)]
    Ca(CaVerb),
    /// Give the authority a next root, linked by the one it has: cards and terminals of both go on together
    Rollover(RolloverArguments),
    /// Become a client of an authority's service, with a one-time code that its operator gave
    Enrol {
        /// The service, https://host:port
        url: String,
        /// Read the code from the first line of this file instead of asking
        #[arg(long, value_name = "FILE")]
        code_file: Option<PathBuf>,
    },
    /// Personalise a whole tray of cards, one after the other; goes on where it was interrupted
    Batch(BatchArguments),
    /// Personalise a blank card: PIN, PUK, root, key, certificate, activation
    Card(CardArguments),
    /// Give out a nonce, so that a terminal elsewhere can make its request (`tally identity request`)
    Challenge(NameArguments),
    /// Certify a terminal: from its request file, or directly in its store
    Terminal(TerminalArguments),
    /// Show what a certificate, request or status list says; nothing is verified but a request's own proof
    Inspect {
        /// The file, PEM or DER; `-` is standard input
        file: PathBuf,
    },
    /// Verify a certificate against a root
    Verify(VerifyArguments),
    /// List the holders of certificates
    List,
    /// Write a certificate or the newest status list once more
    Export {
        /// `root`, `link` (from the root before), `list`, `link:NAME` for the link to an earlier root, or the name of a holder or a root
        what: String,
        #[command(flatten)]
        output: OutputArguments,
    },
    /// Revoke a holder, and publish the next status list
    Revoke {
        /// The holder's name
        name: String,
        /// Why: one line for the ledger
        #[arg(long, value_name = "TEXT")]
        reason: String,
        #[command(flatten)]
        output: OutputArguments,
        #[command(flatten)]
        passphrase: PassphraseArguments,
    },
    /// The signed list of revoked holders
    #[command(subcommand)]
    StatusList(StatusListVerb),
    /// Requests that wait for an operator, at an authority over the network
    #[command(subcommand)]
    Approvals(ApprovalsVerb),
    /// Clients of an authority over the network: invitations, rights, revocations, and what a second operator confirms
    #[command(subcommand)]
    Clients(ClientsVerb),
    /// The account of everything the authority did
    #[command(subcommand)]
    Log(LogVerb),
}

#[derive(Subcommand)]
pub enum CaVerb {
    /// Make a new authority: key, root certificate, ledger
    Init {
        /// The authority's name: 8 to 16 capital letters and digits, beginning with two letters
        #[arg(long, value_name = "CAR")]
        name: String,
        /// Years the root is good for
        #[arg(long, default_value_t = ROOT_YEARS, value_parser = clap::value_parser!(u8).range(1..=50))]
        years: u8,
        #[command(flatten)]
        passphrase: PassphraseArguments,
        #[command(flatten)]
        key: KeyArguments,
    },
    /// Copy ledger, records and clients to one new file, while the service goes on; the key is not in it
    Backup {
        /// The new file
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Make the authority of a backup in a new folder (--dir); no name is given again that lost lines may have given
    Restore {
        /// The backup
        #[arg(long, value_name = "FILE")]
        from: PathBuf,
        /// The folder where the key's file, or the name of its token, and tls-ca.* were kept
        #[arg(long, value_name = "FOLDER")]
        kept: PathBuf,
        /// The newest receipt or signed head that anyone has: it says how many lines are lost
        #[arg(long, value_name = "FILE")]
        newest: Option<PathBuf>,
        /// Leap over so many numbers [default: as --newest says, or 10000]
        #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(0..=99_999))]
        leap: Option<u32>,
        #[command(flatten)]
        passphrase: PassphraseArguments,
    },
}

#[derive(Subcommand)]
pub enum StatusListVerb {
    /// Sign and publish the next status list
    Publish {
        /// Cut off every certificate issued so far: the minimum epoch rises, and all must be certified again
        #[arg(long)]
        cut_off_all: bool,
        /// Sign a list with this earlier root's key first, for cards and terminals that know no later root
        #[arg(long, value_name = "ROOT", requires = "also_out", conflicts_with_all = ["cut_off_all", "authority"])]
        also_under: Option<String>,
        /// Where to write the earlier root's list
        #[arg(long, value_name = "FILE", requires = "also_under")]
        also_out: Option<PathBuf>,
        /// Read the passphrase of the earlier root's key, or its token's PIN, from this file [default: as for the newest]
        #[arg(long, value_name = "FILE", requires = "also_under")]
        also_passphrase_file: Option<PathBuf>,
        #[command(flatten)]
        output: OutputArguments,
        #[command(flatten)]
        passphrase: PassphraseArguments,
    },
}

#[derive(Subcommand)]
pub enum ApprovalsVerb {
    /// List the requests that wait
    List,
    /// Approve a request: its certificate is issued
    Approve {
        /// Its id, as `list` shows it
        id: u64,
    },
    /// Refuse a request, for ever: its name and key are used up
    Refuse {
        /// Its id, as `list` shows it
        id: u64,
        /// Why: one line, which the ledger keeps and the station is told
        #[arg(long, value_name = "WORDS")]
        reason: String,
    },
}

#[derive(Subcommand)]
pub enum LogVerb {
    /// Verify every line, the tree over them, every signature and every record
    Verify {
        /// A signed head noted earlier: the ledger must go on where it ended
        #[arg(long, value_name = "FILE")]
        head: Option<PathBuf>,
    },
    /// Write the newest signed head: note it elsewhere, and no line before it can be changed unnoticed
    Head {
        /// Where to write it; `-` is standard output
        #[arg(long, value_name = "FILE", default_value = "-")]
        out: PathBuf,
    },
    /// Write the receipt of a holder's certificate
    Receipt {
        /// The holder's name
        name: String,
        /// Where to write it; `-` is standard output
        #[arg(long, value_name = "FILE", default_value = "-")]
        out: PathBuf,
    },
    /// Prove that the ledger of one head begins with that of another
    Consistency {
        /// The earlier head
        #[arg(long, value_name = "FILE")]
        from: PathBuf,
        /// The later head
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
        /// Where to write the proof; `-` is standard output
        #[arg(long, value_name = "FILE", default_value = "-")]
        out: PathBuf,
    },
    /// Check a receipt offline, or with --from and --to a proof between two heads
    Check {
        /// The receipt, or the proof
        file: PathBuf,
        /// The authority's root certificate, which you trust
        #[arg(long, value_name = "FILE")]
        root: PathBuf,
        /// A link certificate from that root to a later one; several in their order
        #[arg(long, value_name = "FILE")]
        link: Vec<PathBuf>,
        /// The earlier head
        #[arg(long, value_name = "FILE", requires = "to")]
        from: Option<PathBuf>,
        /// The later head
        #[arg(long, value_name = "FILE", requires = "from")]
        to: Option<PathBuf>,
    },
    /// Print lines of the ledger, JSON
    Lines {
        /// Number of the first, from 1
        #[arg(long, default_value_t = 1)]
        first: u64,
        /// How many at most
        #[arg(long, default_value_t = 1_000)]
        count: u32,
    },
}

#[derive(Args)]
pub struct PassphraseArguments {
    /// Read the key's passphrase, or its token's PIN, from the first line of this file instead of asking
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
}

/// A key on a token instead of in a file. Text, for a URI that is refused must not be repeated: it may hold a PIN.
#[derive(Args)]
pub struct KeyArguments {
    /// Make the key on a token (RFC 7512), for example pkcs11:token=ROOT;object=root?module-path=/path/of/module.so
    #[arg(long, value_name = "URI", conflicts_with = "passphrase_file")]
    pub key: Option<String>,
    /// Read the token's PIN from the first line of this private file instead of asking
    #[arg(long, value_name = "FILE", requires = "key")]
    pub pin_file: Option<PathBuf>,
    /// The key was made on the token before: check it and make none
    #[arg(long, requires = "key")]
    pub existing_key: bool,
}

#[derive(Args)]
pub struct RolloverArguments {
    /// The new root's name: 8 to 16 capital letters and digits, beginning with two letters; never given before
    #[arg(long, value_name = "CAR")]
    pub name: String,
    /// Years the new root is good for
    #[arg(long, default_value_t = ROOT_YEARS, value_parser = clap::value_parser!(u8).range(1..=50))]
    pub years: u8,
    #[command(flatten)]
    pub passphrase: PassphraseArguments,
    /// Read the new key's passphrase from the first line of this file [default: that of the old key, if it has one]
    #[arg(long, value_name = "FILE", conflicts_with = "key")]
    pub new_passphrase_file: Option<PathBuf>,
    /// Make the new key on a token (RFC 7512), for example pkcs11:token=ROOT;object=root2?module-path=/path/of/module.so
    #[arg(long, value_name = "URI")]
    pub key: Option<String>,
    /// Read the PIN of the new key's token from the first line of this private file instead of asking
    #[arg(long, value_name = "FILE", requires = "key")]
    pub pin_file: Option<PathBuf>,
    /// The new key was made on the token before: check it and make none
    #[arg(long, requires = "key")]
    pub existing_key: bool,
}

/// Which name the holder gets.
#[derive(Args)]
pub struct NameArguments {
    /// The holder's name: 8 to 16 capital letters and digits, beginning with two letters
    #[arg(long, value_name = "CHR")]
    pub name: Option<String>,
    /// Give the next free number under this prefix [default: ZZTALLYCARD or ZZTALLYTERM]
    #[arg(long, value_name = "PREFIX", conflicts_with = "name")]
    pub prefix: Option<String>,
    /// Certify again, on purpose: in place of the holder --name (or of one whose name is lost), under a new name
    #[arg(long)]
    pub recertify: bool,
}

/// How long to wait for an operator.
#[derive(Args)]
pub struct ApprovalArguments {
    /// Where an operator has to approve the certificate, wait so long for it; the same command goes on later
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    pub wait_approval: u64,
}

#[derive(Args)]
pub struct OutputArguments {
    /// Where to write it; `-` is standard output
    #[arg(long, value_name = "FILE", default_value = "-")]
    pub out: PathBuf,
    /// How to write it
    #[arg(long, value_enum, default_value_t = Encoding::Pem)]
    pub format: Encoding,
}

#[derive(Args)]
pub struct CardArguments {
    /// The reader, by part of its name
    #[arg(
        long,
        value_name = "PART",
        required_unless_present = "listen",
        conflicts_with = "listen"
    )]
    pub reader: Option<String>,
    /// No reader: listen here for a virtual card (`card-sim run --connect ADDRESS`)
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
    #[command(flatten)]
    pub name: NameArguments,
    /// Years the certificate is good for
    #[arg(long, default_value_t = CARD_YEARS, value_parser = clap::value_parser!(u8).range(1..=50))]
    pub years: u8,
    /// Read the card's PIN (6 to 12 digits) from the first line of this file instead of asking
    #[arg(long, value_name = "FILE")]
    pub pin_file: Option<PathBuf>,
    /// Read the card's PUK (8 to 16 digits) from the first line of this file instead of drawing one
    #[arg(long, value_name = "FILE")]
    pub puk_file: Option<PathBuf>,
    #[command(flatten)]
    pub approval: ApprovalArguments,
    #[command(flatten)]
    pub passphrase: PassphraseArguments,
}

#[derive(Args)]
pub struct BatchArguments {
    #[command(flatten)]
    pub card: CardArguments,
    /// How many cards
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub count: u32,
    /// One line of JSON for each finished card is added to this private file: name, key id, PUK. What stands there is done
    #[arg(long, value_name = "FILE")]
    pub report: PathBuf,
}

#[derive(Args)]
pub struct TerminalArguments {
    /// The terminal's request, PEM or DER; `-` is standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["store", "identity", "name", "prefix", "recertify"])]
    pub request: Option<PathBuf>,
    /// The terminal's store on this machine: request, certificate and root go there directly [default without --request:
    /// tallystick/terminal.store in the user's data folder, where `tally` looks]
    #[arg(long, value_name = "FILE", conflicts_with_all = ["out", "format"])]
    pub store: Option<PathBuf>,
    /// Which of the store's identities to certify
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub identity: String,
    #[command(flatten)]
    pub name: NameArguments,
    /// Years the certificate is good for
    #[arg(long, default_value_t = TERMINAL_YEARS, value_parser = clap::value_parser!(u8).range(1..=50))]
    pub years: u8,
    #[command(flatten)]
    pub approval: ApprovalArguments,
    #[command(flatten)]
    pub output: OutputArguments,
    #[command(flatten)]
    pub passphrase: PassphraseArguments,
}

#[derive(Args)]
pub struct VerifyArguments {
    /// The certificate, PEM or DER; `-` is standard input
    pub certificate: PathBuf,
    /// The root that is trusted
    #[arg(long, value_name = "FILE")]
    pub root: PathBuf,
    /// A link certificate from that root to the certificate's issuer
    #[arg(long, value_name = "FILE")]
    pub link: Option<PathBuf>,
    /// A status list
    #[arg(long, value_name = "FILE")]
    pub list: Option<PathBuf>,
    /// The day to verify for, YYYY-MM-DD [default: today]
    #[arg(long, value_name = "DATE")]
    pub at: Option<String>,
}
