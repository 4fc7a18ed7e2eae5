//! Cryptographic primitives under the protocol's names (§6.1). The only folder that names an algorithm crate.
//!
//! Nothing here knows a message. Keys are types: they do not print, compare or copy themselves, and are wiped on drop.

mod agreement;
mod block;
mod census;
mod entropy;
mod hash;
mod kdf;
mod kem;
#[cfg(feature = "pkcs8")]
mod key_file;
mod secret;
mod self_test;
mod signature;
mod wanted;

pub use agreement::{PointError, PrivateKey, PublicKey};
pub use block::{BLOCK, CipherKey, MacKey, PaddingError};
#[cfg(feature = "census")]
pub use census::{Census, census};
pub use entropy::{Entropy, EntropyError};
pub use hash::{Sha256, hkdf_expand, hkdf_extract, hmac_sha256, sha256};
pub use kdf::kdf;
pub use kem::{decapsulate, encapsulate};
#[cfg(feature = "pkcs8")]
pub use key_file::KeyFileError;
pub use secret::{Secret, SecretBytes, codes_equal, equal, wipe_stack};
pub use self_test::{KnownAnswers, SelfTestError};
pub use signature::SignatureError;
pub use wanted::Wanted;
