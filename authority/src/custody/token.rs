//! What can be wrong with a token, and with a key on it. No PIN ever stands in one of these.

use std::path::PathBuf;

/// Why a token or its key cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The URI does not say which library speaks to the token.
    #[error(
        "no PKCS#11 module is named; add `?module-path=/path/of/the/module.so` to the key's URI"
    )]
    NoModule,
    /// The module cannot be loaded.
    #[error("{}: cannot be loaded as a PKCS#11 module: {reason}", path.display())]
    Module {
        /// The file that the URI names.
        path: PathBuf,
        /// What the loader said.
        reason: String,
    },
    /// No initialised token is as the URI says.
    #[error("no such token is in any slot; is it plugged in, initialised, and named rightly?")]
    NoToken,
    /// More than one token is as the URI says.
    #[error("{0} tokens are as the URI says; add `serial=` to name one")]
    SeveralTokens(usize),
    /// The token says that this is not its PIN. It was sent once, and is not sent again.
    #[error("wrong PIN; it was tried once and is not tried again, so that the token does not lock")]
    WrongPin,
    /// The PIN was refused at an earlier call of this process.
    #[error("its PIN was refused before and is not tried again; start anew with the right PIN")]
    PinRefusedBefore,
    /// One more wrong PIN locks the token, so none is sent.
    #[error(
        "one try is left before the token locks; log in with the token's own tool first, which sets the counter back"
    )]
    LastTry,
    /// The token has locked.
    #[error("its PIN is locked; let the security officer set a new one")]
    PinLocked,
    /// The token has no user PIN yet.
    #[error("it has no user PIN yet; let the security officer set one")]
    NoPin,
    /// No private key is as the URI says.
    #[error("no such private key is on it; check `object=` and `id=` of the URI")]
    NoKey,
    /// More than one private key is as the URI says.
    #[error("{0} private keys are as the URI says; add `id=` to name one")]
    SeveralKeys(usize),
    /// Not exactly one public key has the private key's id.
    #[error("{0} public keys have the private key's id, one is needed; import the right one")]
    PublicKeys(usize),
    /// A key is to be made, and the URI has no label for it.
    #[error("a new key needs a label; add `object=` to the URI")]
    NoLabel,
    /// A key is to be made, and its label or id is taken.
    #[error(
        "a key with this label or id is on it already; choose another, or take that key on purpose"
    )]
    KeyExists,
    /// The key has an attribute that it must not have.
    #[error(transparent)]
    Key(#[from] KeyFault),
    /// The public key's point is not one of P-256, or not in an OCTET STRING.
    #[error("its public key is not a point of P-256 in an OCTET STRING")]
    Point,
    /// The token can neither sign a hash nor hash and sign.
    #[error("it offers neither CKM_ECDSA nor CKM_ECDSA_SHA256")]
    NoMechanism,
    /// What the token signed does not verify under the public key. It did not leave this process.
    #[error("it made a signature that does not verify; take the token out of use")]
    WrongSignature,
    /// The session, the token or the connection to it is gone.
    #[error("{0}; is the token plugged in, and its service running?")]
    Gone(String),
    /// The token refused a call for another reason.
    #[error("{0}")]
    Call(String),
}

impl TokenError {
    /// Whether it may be well later without anyone changing anything: the token is not there.
    pub fn is_away(&self) -> bool {
        matches!(self, Self::Gone(_) | Self::NoToken)
    }
}

/// An attribute of the private key that an authority cannot accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// `CKA_KEY_TYPE` is not `CKK_EC`.
    #[error("the key is not an elliptic-curve key; make one for P-256")]
    NotEc,
    /// `CKA_EC_PARAMS` is not the object identifier of P-256.
    #[error("the key is not on the curve P-256; make one for P-256")]
    NotP256,
    /// `CKA_SENSITIVE` is false.
    #[error("the key is not sensitive, so the token gives it out in the clear; make a new one")]
    NotSensitive,
    /// `CKA_EXTRACTABLE` is true.
    #[error("the key can be wrapped and taken out of the token; make a new one")]
    Extractable,
    /// `CKA_ALWAYS_SENSITIVE` is false: it was made elsewhere, or was not sensitive once.
    #[error("the key was not always sensitive, so there may be copies; make a new one")]
    NotAlwaysSensitive,
    /// `CKA_NEVER_EXTRACTABLE` is false: it was made elsewhere, or was extractable once.
    #[error("the key was extractable once, so there may be copies; make a new one")]
    WasExtractable,
    /// `CKA_SIGN` is false.
    #[error("the key may not sign; make one with CKA_SIGN")]
    CannotSign,
    /// `CKA_DECRYPT` is true.
    #[error("the key may also decrypt; make one that may only sign")]
    Decrypts,
    /// `CKA_UNWRAP` is true.
    #[error("the key may also unwrap keys; make one that may only sign")]
    Unwraps,
    /// `CKA_DERIVE` is true.
    #[error("the key may also derive keys; make one that may only sign")]
    Derives,
    /// `CKA_ALWAYS_AUTHENTICATE` is true.
    #[error("the key wants the PIN for each signature, which is not supported; make one without")]
    AlwaysAuthenticates,
    /// The token does not say.
    #[error("the token does not tell all attributes of the key, so it cannot be trusted")]
    Silent,
}
