//! ST-13, ST-14: the authority over the network.
//!
//! What the service says is not believed: certificates and receipts are checked under the root certificate, which the station got at
//! enrolment, over TLS, and keeps; a later root it takes only by its link.

mod approval;
mod enrol;
mod ledger;
mod link;
mod messages;
mod roots;
mod station;

pub use link::Link;
pub use messages::{Text, certificate, list, status_list};

use super::{Awaited, Office};
use crate::failure::Failure;
use apdu::certificate::{Certificate, Name, Request, Role, StatusList};
use apdu::crypto::{Entropy, sha256};
use authority::ledger::{Event, Line, Replaced};
use authority::tree::Receipt;
use authority::{Challenge, EnrolmentCode, NameOrder, Order, Roots};
use base64ct::{Base64, Encoding as _};
use getrandom::SysRng;
use host::output::note;
use link::LinkError;
use messages::{binary, certificates};
use serde_json::{Value, json};
use station::Identity;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// An authority's service, as one of its clients sees it.
pub struct Remote {
    url: String,
    link: Link,
    root: Certificate,
    /// How long to wait for an operator.
    patience: Duration,
}

impl Remote {
    /// Reaches the service at `url` as the client whose identity is in `folder`.
    pub fn open(url: &str, folder: &Path) -> Result<Self, Failure> {
        let mut identity = Identity::open(folder, url)?;
        let link = Link::new(url, identity.tls_ca(), Some(&identity), run()?)?;
        let root = roots::newest(&link)?;
        if root.encoded() != identity.root() {
            let newest = roots::all(&link, identity.root(), url)?
                .newest()
                .certificate
                .clone();
            if newest != root {
                return Err(Failure::failed(format!(
                    "{url}: it has just got a new root; try again"
                )));
            }
            // From now on the earlier root is not enough.
            identity = identity.with_root(&root);
            identity.store_root(folder)?;
            note(format_args!(
                "{url}: its new root {} is linked by the one known here",
                root.claims().holder
            ));
        }
        Ok(Self {
            url: url.into(),
            link,
            root,
            patience: Duration::ZERO,
        })
    }

    /// Waits so long for an operator's approval.
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// The link, for what is no station's business.
    pub fn link(&self) -> &Link {
        &self.link
    }

    /// What waits at the service: certificates for their holders, and requests for an operator.
    fn waiting_at_service(&self, role: Role) -> Result<Value, Failure> {
        let path = format!("/v1/waiting?role={}", word(role)?);
        Ok(self.link.get(&path)?)
    }

    fn holder(&self, name: &Name) -> Result<Option<Value>, Failure> {
        match self.link.get(&format!("/v1/holders/{name}")) {
            Ok(holder) => Ok(Some(holder)),
            Err(LinkError::Refused(refusal)) if refusal.status == 404 => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The certificate, if the service's receipt shows that it stands in the signed ledger.
    pub fn recorded(&self, answer: &Value) -> Result<Certificate, Failure> {
        let wrong = |reason: String| {
            Failure::verification(format!("the authority's receipt does not hold: {reason}"))
        };
        let issued = certificate(answer, "certificate")?;
        let receipt = answer.get("receipt").unwrap_or(&Value::Null);
        if receipt.is_null() {
            return Err(wrong(
                "there is none; ask for it once its key is back".into(),
            ));
        }
        let receipt = Receipt::from_json(receipt.to_string().as_bytes())
            .map_err(|error| wrong(error.to_string()))?;
        let root = self.root.claims();
        receipt
            .verify_of(&root.holder, &root.key)
            .map_err(|error| wrong(error.to_string()))?;
        let line = Line::read(&receipt.entry).map_err(|error| wrong(error.to_string()))?;
        match line.event {
            Event::Issued { certificate, .. } if certificate == issued => Ok(issued),
            _ => Err(wrong("it is about something else".into())),
        }
    }
}

/// Becomes a client of the service at `url`; its identity is written to `folder`. Gives name and role.
pub fn join(url: &str, code: EnrolmentCode, folder: &Path) -> Result<String, Failure> {
    if folder.exists() {
        return Err(Failure::failed(format!(
            "{}: there is an identity already; move it away, or choose another --station folder",
            folder.display()
        )));
    }
    let (identity, who) = enrol::enrol(url, &Arc::new(code), run()?)?;
    let link = Link::new(url, identity.tls_ca(), Some(&identity), run()?)?;
    identity.with_root(&roots::newest(&link)?).store(folder)?;
    Ok(who)
}

/// A number that no other run of this program has.
fn run() -> Result<u128, Failure> {
    let entropy: &mut dyn Entropy = &mut SysRng;
    let drawn = entropy.nonce().map_err(Failure::failed)?;
    Ok(u128::from_be_bytes(drawn))
}

fn word(role: Role) -> Result<&'static str, Failure> {
    match role {
        Role::Card => Ok("card"),
        Role::Terminal => Ok("terminal"),
        Role::Authority => Err(Failure::usage("only cards and terminals are certified")),
    }
}

impl Office for Remote {
    fn root(&self) -> &Certificate {
        &self.root
    }

    fn roots(&mut self) -> Result<Roots, Failure> {
        roots::all(&self.link, self.root.encoded(), &self.url)
    }

    fn order(&mut self, order: &Order) -> Result<Challenge, Failure> {
        let name = match &order.name {
            NameOrder::Exactly(name) => json!({ "exactly": name.as_str() }),
            NameOrder::NextOf(prefix) => json!({ "next_of": prefix }),
            NameOrder::InPlaceOf(name) => json!({ "in_place_of": name.as_str() }),
            NameOrder::InPlaceOfUnknown(prefix) => json!({ "in_place_of_unknown": prefix }),
        };
        let wish = json!({ "role": word(order.role)?, "name": name });
        let told = self.link.post("/v1/orders", &wish)?;
        let nonce = binary(&told, "nonce")?.try_into();
        let replaces = match told.get("replaces").and_then(Value::as_str) {
            None => None,
            Some("unknown") => Some(Replaced::Unknown),
            Some(_) => Some(Replaced::Holder(told.name("replaces")?)),
        };
        Ok(Challenge {
            issuer: told.name("issuer")?,
            holder: told.name("holder")?,
            role: order.role,
            nonce: nonce.map_err(|_| Failure::failed("the authority's nonce has no 16 bytes"))?,
            expires: told.number("expires")?,
            replaces,
        })
    }

    fn issue(&mut self, request: &Request, role: Role, years: u8) -> Result<Certificate, Failure> {
        let wish = json!({
            "request": Base64::encode_string(request.encoded()),
            "role": word(role)?,
            "years": years,
        });
        // A request answers one challenge, so its hash is a good name for it: whoever sends it again, also in another run, gets the
        // same answer.
        let hash = sha256(&[request.encoded()]);
        let half = u128::from_be_bytes(hash.first_chunk().copied().unwrap_or_default());
        let key = format!("request-{half:032x}");
        let told = self.link.post_as(&key, "/v1/requests", &wish)?;
        if told.text("state")? == "issued" {
            return self.recorded(&told);
        }
        let awaited = Awaited {
            id: told.text("id")?.into(),
            holder: request.fields().holder,
        };
        self.wait(role, std::slice::from_ref(&awaited))?;
        self.granted(&awaited)
    }

    fn awaiting(&mut self, role: Role) -> Result<Vec<Awaited>, Failure> {
        let told = self.waiting_at_service(role)?;
        list(&told, "requests")?
            .iter()
            .map(approval::awaited)
            .collect()
    }

    fn wait(&mut self, role: Role, awaited: &[Awaited]) -> Result<(), Failure> {
        self.outlast(role, awaited)
    }

    fn granted(&mut self, awaited: &Awaited) -> Result<Certificate, Failure> {
        self.what_became_of(awaited)
    }

    fn delivered(&mut self, holder: &Name) -> Result<(), Failure> {
        let wish = json!({ "holder": holder.as_str() });
        self.link.post("/v1/deliveries", &wish)?;
        Ok(())
    }

    fn waiting(&mut self, role: Role) -> Result<Vec<Certificate>, Failure> {
        certificates(&self.waiting_at_service(role)?, "certificates")
    }

    fn waiting_for(&mut self, holder: &Name) -> Result<Option<Certificate>, Failure> {
        let Some(told) = self.holder(holder)? else {
            return Ok(None);
        };
        let delivered = told.get("delivered") != Some(&Value::Bool(false));
        let revoked = told.get("revoked") != Some(&Value::Null);
        match delivered || revoked {
            true => Ok(None),
            false => certificate(&told, "certificate").map(Some),
        }
    }

    fn knows(&mut self, holder: &Name) -> Result<bool, Failure> {
        Ok(self.holder(holder)?.is_some())
    }

    fn status_list(&mut self) -> Result<Option<StatusList>, Failure> {
        match self.link.get("/v1/status-list") {
            Ok(told) => status_list(&told, "status_list").map(Some),
            Err(LinkError::Refused(refusal)) if refusal.status == 404 => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
