//! What can go wrong with the authority's key, by whose fault.

use super::token::TokenError;
use super::uri::UriError;
use apdu::crypto::{EntropyError, KeyFileError};
use std::io;
use std::path::PathBuf;

/// Shortest passphrase for a new key, in bytes.
pub const MIN_PASSPHRASE: usize = 8;

/// The key could not be made, kept, opened or used.
#[derive(Debug, thiserror::Error)]
pub enum CustodyError {
    /// Too short for a new key.
    #[error("the passphrase needs at least {MIN_PASSPHRASE} characters")]
    WeakPassphrase,
    /// Wrong passphrase or no such key file; the two look the same.
    #[error("{}: {source}", path.display())]
    Locked {
        /// The key file.
        path: PathBuf,
        /// What was wrong.
        source: KeyFileError,
    },
    /// Others may read the file with the key or the PIN.
    #[error("{}: other users may read or write it; make it private with `chmod 600` and think about who saw it", .0.display())]
    Loose(PathBuf),
    /// The file belongs to another user, who can exchange it.
    #[error("{}: belongs to user {owner}, not to you; run as that user or chown it", path.display())]
    OtherOwner {
        /// The file.
        path: PathBuf,
        /// User id of its owner.
        owner: u32,
    },
    /// Not a file of its own: a link, a folder, or too long.
    #[error("{}: not a file with a key or a PIN in it", .0.display())]
    NotAFile(PathBuf),
    /// The operating system refused.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// The key is not that of the authority's root.
    #[error("{0}: the key of another authority")]
    OtherKey(String),
    /// A PIN is text of 1 to 255 bytes without control characters. Nothing of it is repeated here.
    #[error("{0}: a PIN is one line of 1 to 255 bytes of text")]
    Pin(String),
    /// The URI does not name a key.
    #[error("the key's URI: {0}")]
    Uri(#[from] UriError),
    /// The key is on a token, and this build cannot speak to tokens.
    #[error(
        "the key is on a token, and this build has no PKCS#11: build it with the feature `pkcs11`"
    )]
    NotBuiltIn,
    /// The token is there, but cannot or must not be used as it is.
    #[error("{token}: {fault}")]
    Token {
        /// Which token and key.
        token: String,
        /// What is wrong.
        fault: TokenError,
    },
    /// The token went away and did not come back at once. Nothing was signed; the next signature tries again.
    #[error(
        "{token}: the token is lost ({fault}); nothing was signed. Bring it back: the next signature finds it again"
    )]
    TokenLost {
        /// Which token and key.
        token: String,
        /// What the last attempt met.
        fault: TokenError,
    },
    /// No randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}
