//! A key whose token may be away when the service starts: each signature looks for it, until it is there.

use super::Signer;
use super::error::CustodyError;
use super::place::Custody;
use super::token::TokenError;
use apdu::crypto::PublicKey;
use zeroize::Zeroizing;

/// The authority's key, here or awaited. The secret is kept only until the key was opened, and wiped.
pub struct Awaited {
    custody: Custody,
    public: PublicKey,
    state: State,
}

enum State {
    Here(Box<dyn Signer>),
    /// With the token's PIN.
    Away(Zeroizing<Vec<u8>>, String),
    /// The token came, and refused the PIN: another try could lock it.
    Refused,
}

impl Awaited {
    /// Opens the key, or awaits it if its token is away. Anything else that is wrong with it is told at once.
    ///
    /// # Errors
    /// As [`Custody::unlock`], but for a token that is away.
    pub fn open(custody: Custody, secret: &[u8], public: &PublicKey) -> Result<Self, CustodyError> {
        let state = match custody.unlock(secret, public) {
            Ok(key) => State::Here(key),
            Err(error) if is_away(&error) => {
                State::Away(Zeroizing::new(secret.to_vec()), error.to_string())
            }
            Err(error) => return Err(error),
        };
        Ok(Self {
            custody,
            public: public.clone(),
            state,
        })
    }

    /// Why the key is not here; `None` if it is.
    pub fn missing(&self) -> Option<&str> {
        match &self.state {
            State::Here(_) => None,
            State::Away(_, reason) => Some(reason),
            State::Refused => Some("its PIN was refused"),
        }
    }
}

impl Signer for Awaited {
    fn public_key(&self) -> PublicKey {
        self.public.clone()
    }

    fn sign(&mut self, message: &[u8]) -> Result<[u8; 64], CustodyError> {
        let token = self.describe();
        match &mut self.state {
            State::Here(key) => key.sign(message),
            State::Refused => {
                let fault = TokenError::PinRefusedBefore;
                Err(CustodyError::Token { token, fault })
            }
            State::Away(secret, _) => match self.custody.unlock(secret, &self.public) {
                Ok(mut key) => {
                    let signed = key.sign(message);
                    self.state = State::Here(key);
                    signed
                }
                Err(CustodyError::Token { token, fault }) if fault.is_away() => {
                    Err(CustodyError::TokenLost { token, fault })
                }
                Err(error) => {
                    if let CustodyError::Token {
                        fault: TokenError::WrongPin | TokenError::PinLocked,
                        ..
                    } = error
                    {
                        self.state = State::Refused;
                    }
                    Err(error)
                }
            },
        }
    }

    fn describe(&self) -> String {
        match (&self.state, &self.custody) {
            (State::Here(key), _) => key.describe(),
            (_, Custody::File(path)) => path.display().to_string(),
            (_, Custody::Token(uri)) => uri.describe(),
        }
    }
}

fn is_away(error: &CustodyError) -> bool {
    match error {
        CustodyError::TokenLost { .. } => true,
        CustodyError::Token { fault, .. } => fault.is_away(),
        _ => false,
    }
}
