//! Card-verifiable certificates in the manner of BSI TR-03110, requests, and the signed status list (§7, §13).
//!
//! A certificate that was only read proves nothing: [`Certificate`] has no way to give its key to a handshake. Verification
//! makes an [`Anchor`] or a [`ProvenCertificate`], and those do.

mod body;
mod cvc;
mod date;
mod holder;
mod name;
pub mod pem;
mod request;
mod status_list;
mod verify;

pub use cvc::{Certificate, CertificateError, CertificateFields, Role};
pub use date::Date;
pub use holder::{HolderHash, KeyId};
pub use name::Name;
pub use request::{Request, RequestFields};
pub use status_list::{StatusList, StatusListFields};
pub use verify::{Anchor, Expectations, ProvenCertificate, Refusal, Validity};
