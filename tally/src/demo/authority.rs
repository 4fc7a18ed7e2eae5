//! An authority in memory, for the demonstration: one root key that certifies one card and one terminal.

use crate::failure::Failure;
use apdu::certificate::{Certificate, CertificateFields, Date, Name, Request, Role};
use apdu::crypto::PrivateKey;
use getrandom::SysRng;

/// Days that a demonstration's certificates are valid.
const VALID: u32 = 365;

pub struct DemoAuthority {
    key: PrivateKey,
    root: Certificate,
    today: Date,
}

impl DemoAuthority {
    /// Draws a root key and signs its own certificate.
    pub fn new(today: Date) -> Result<Self, Failure> {
        let key = PrivateKey::generate(&mut SysRng).map_err(Failure::failed)?;
        let name = name("ZZDEMOROOT00001")?;
        let fields = CertificateFields {
            issuer: name,
            holder: name,
            role: Role::Authority,
            epoch: 1,
            key: key.public_key(),
            from: today,
            until: today.plus_days(VALID),
        };
        let signature = key.sign(&fields.encode_body());
        Ok(Self {
            root: Certificate::assemble(fields, signature),
            key,
            today,
        })
    }

    /// The root certificate that both ends are to trust.
    pub fn root(&self) -> &Certificate {
        &self.root
    }

    /// The root's name.
    pub fn name(&self) -> Name {
        self.root.claims().holder
    }

    /// Signs what a request asks for; its proof of possession was checked when it was read.
    pub fn certify(&self, request: &Request) -> Certificate {
        let asked = request.fields();
        let fields = CertificateFields {
            issuer: self.name(),
            holder: asked.holder,
            role: asked.role,
            epoch: 1,
            key: asked.key.clone(),
            from: self.today,
            until: self.today.plus_days(VALID),
        };
        let signature = self.key.sign(&fields.encode_body());
        Certificate::assemble(fields, signature)
    }
}

/// A name that is written in this program.
pub fn name(text: &str) -> Result<Name, Failure> {
    Name::new(text).ok_or_else(|| Failure::failed(format!("{text} is no name")))
}
