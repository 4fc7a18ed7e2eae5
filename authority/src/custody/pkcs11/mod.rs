//! Custody in an HSM or on a token, through PKCS#11 v2.40.
//!
//! | module | job |
//! |---|---|
//! | `module` | the vendor's library: loaded once, one conversation at a time, restarted when a token was lost |
//! | `link` | finding token and key, logging in, signing |
//! | `attributes` | what the key must be and must not be |
//!
//! A PIN that was refused is not sent again, or a service that tries again would lock its token. A token that is away is
//! looked for once per signature. The crate `cryptoki` holds all that is not safe Rust.

mod attributes;
mod link;
mod module;

use super::Signer;
use super::error::CustodyError;
use super::pin::Pin;
use super::token::TokenError;
use super::uri::KeyUri;
use apdu::crypto::PublicKey;
use cryptoki::error::{Error, RvError};
use link::Link;
use module::Module;
use std::path::PathBuf;

/// The authority's private key on a token. It can sign and never leaves; the PIN is kept to log in again, and wiped.
pub struct Pkcs11Key {
    uri: KeyUri,
    path: PathBuf,
    pin: Pin,
    public: PublicKey,
    name: String,
    state: State,
}

enum State {
    Linked(Link),
    /// The token was away when last looked for.
    Lost,
    /// The PIN was refused, and another try could lock the token.
    Refused,
}

impl Pkcs11Key {
    /// Opens the one key that the URI names, checks its attributes and tries it. With `expected`, it must be that key.
    ///
    /// # Errors
    /// [`CustodyError::Token`] with what is wrong: module, token, PIN, key or attribute. [`CustodyError::OtherKey`].
    pub fn open(
        uri: &KeyUri,
        pin: Pin,
        expected: Option<&PublicKey>,
    ) -> Result<Self, CustodyError> {
        let token = |fault| CustodyError::Token {
            token: uri.describe(),
            fault,
        };
        let path = uri
            .module
            .clone()
            .ok_or_else(|| token(TokenError::NoModule))?;
        let link = module::with(&path, |module| match Link::open(module, uri, &pin) {
            // It may have come since the module last looked.
            Err(error) if error.is_away() => {
                module.restart()?;
                Link::open(module, uri, &pin)
            }
            opened => opened,
        });
        let link = link.map_err(token)?;
        let key = Self {
            uri: uri.clone(),
            path,
            pin,
            public: link.public.clone(),
            name: link.name.clone(),
            state: State::Linked(link),
        };
        match expected {
            Some(expected) if *expected != key.public => {
                Err(CustodyError::OtherKey(key.name.clone()))
            }
            _ => Ok(key),
        }
    }

    /// Makes a P-256 key on the token that may only sign and can never leave, then opens it. `object` of the URI is its label;
    /// its id is drawn by the token unless the URI has one.
    ///
    /// # Errors
    /// [`TokenError::NoLabel`], [`TokenError::KeyExists`] before anything is made; otherwise as [`open`](Self::open).
    pub fn generate(uri: &KeyUri, pin: Pin) -> Result<Self, CustodyError> {
        let token = |fault| CustodyError::Token {
            token: uri.describe(),
            fault,
        };
        let path = uri
            .module
            .as_ref()
            .ok_or_else(|| token(TokenError::NoModule))?;
        module::with(path, |module| link::generate(module, uri, &pin)).map_err(token)?;
        Self::open(uri, pin, None)
    }

    /// One conversation: sign; if the token is gone, reconnect once and sign.
    fn converse(&mut self, module: &mut Module, message: &[u8]) -> Result<[u8; 64], TokenError> {
        match std::mem::replace(&mut self.state, State::Lost) {
            State::Linked(link) if link.is_current(module) => match link.sign(message) {
                Err(TokenError::Gone(_)) => {
                    link.close(module);
                    module.restart()?;
                }
                done => {
                    self.state = State::Linked(link);
                    return done;
                }
            },
            // Another key of this process has restarted the module: its tokens are as new as they can be.
            State::Linked(_) => {}
            State::Lost => module.restart()?,
            State::Refused => {
                self.state = State::Refused;
                return Err(TokenError::PinRefusedBefore);
            }
        }
        let link = Link::open(module, &self.uri, &self.pin).inspect_err(|error| {
            if matches!(error, TokenError::WrongPin | TokenError::PinLocked) {
                self.state = State::Refused;
            }
        })?;
        if link.public != self.public {
            link.close(module);
            return Err(TokenError::NoKey);
        }
        let signed = link.sign(message);
        self.state = State::Linked(link);
        signed
    }
}

impl Signer for Pkcs11Key {
    fn public_key(&self) -> PublicKey {
        self.public.clone()
    }

    fn sign(&mut self, message: &[u8]) -> Result<[u8; 64], CustodyError> {
        let path = self.path.clone();
        module::with(&path, |module| self.converse(module, message)).map_err(|fault| {
            let token = self.name.clone();
            match fault.is_away() {
                true => CustodyError::TokenLost { token, fault },
                false => CustodyError::Token { token, fault },
            }
        })
    }

    fn describe(&self) -> String {
        self.name.clone()
    }
}

impl Drop for Pkcs11Key {
    fn drop(&mut self) {
        if let State::Linked(link) = std::mem::replace(&mut self.state, State::Lost) {
            let closed = module::with(&self.path, |module| {
                link.close(module);
                Ok::<(), TokenError>(())
            });
            let _ = closed; // the module is loaded, so nothing else can fail
        }
    }
}

/// The module's answer, sorted by what follows from it.
impl From<Error> for TokenError {
    fn from(error: Error) -> Self {
        let Error::Pkcs11(answer, function) = error else {
            return Self::Call(error.to_string());
        };
        let told = format!("C_{function:?} was answered {answer:?}");
        match answer {
        RvError::PinIncorrect | RvError::PinInvalid | RvError::PinLenRange => Self::WrongPin,
        RvError::PinLocked => Self::PinLocked,
        RvError::UserPinNotInitialized => Self::NoPin,
        RvError::SessionHandleInvalid
        | RvError::SessionClosed
        | RvError::DeviceRemoved
        | RvError::DeviceError
        | RvError::TokenNotPresent
        | RvError::TokenNotRecognized
        | RvError::SlotIdInvalid
        | RvError::UserNotLoggedIn
        | RvError::CryptokiNotInitialized
        | RvError::KeyHandleInvalid
        | RvError::ObjectHandleInvalid
        // What modules say when the network to their HSM is down.
        | RvError::GeneralError
        | RvError::FunctionFailed
        | RvError::VendorDefined(_) => Self::Gone(told),
        _ => Self::Call(told),
    }
    }
}
