//! The authority's holders and ledger over the network. What comes is checked under the root that this client knows.

use super::messages::{Text as _, certificate, list};
use super::{Remote, Replaced, roots};
use crate::failure::Failure;
use apdu::certificate::{Anchor, Expectations, Name, ProvenCertificate, Validity};
use authority::tree::{ConsistencyProof, Receipt, SignedTreeHead};
use authority::{Audit, Finding, Holder, LineAudit, Owner};
use serde_json::Value;
use std::fmt::Display;

/// Lines in one answer.
const PAGE: u64 = 500;
/// Holders in one answer.
const HOLDERS: u32 = 1_000;

impl Remote {
    /// The newest signed head.
    pub fn head(&self) -> Result<SignedTreeHead, Failure> {
        let told = self.link.get("/v1/log/head")?;
        let head = SignedTreeHead::from_json(told.to_string().as_bytes()).map_err(wrong("head"))?;
        let root = self.root.claims();
        if head.head.issuer != root.holder {
            return Err(wrong("head")(&"it is another authority's"));
        }
        head.verify(&root.key).map_err(wrong("head"))?;
        Ok(head)
    }

    /// The receipt of a holder's certificate.
    pub fn receipt(&self, holder: &Name) -> Result<Receipt, Failure> {
        let told = self.link.get(&format!("/v1/log/receipts/{holder}"))?;
        let receipt = Receipt::from_json(told.to_string().as_bytes()).map_err(wrong("receipt"))?;
        let root = self.root.claims();
        let verified = receipt.verify_of(&root.holder, &root.key);
        verified.map_err(wrong("receipt"))?;
        Ok(receipt)
    }

    /// The proof that the ledger of one head begins with that of another, of the same root or of a later one that links lead to.
    pub fn consistency(
        &self,
        from: &SignedTreeHead,
        to: &SignedTreeHead,
    ) -> Result<ConsistencyProof, Failure> {
        let roots = roots::all(&self.link, self.root.encoded(), &self.url)?;
        for head in [from, to] {
            // Links lead from each root to the next, so heads of two roots are of one ledger.
            let root = roots
                .at(head.head.size)
                .map(|root| root.certificate.claims());
            let root = root.filter(|root| root.holder == head.head.issuer);
            let root = root.ok_or_else(|| wrong("head")(&"it is another authority's"))?;
            head.verify(&root.key).map_err(wrong("head"))?;
        }
        let (from, to) = (&from.head, &to.head);
        let path = format!("/v1/log/consistency?from={}&to={}", from.size, to.size);
        let told = self.link.get(&path)?;
        let proof = ConsistencyProof::from_json(told.to_string().as_bytes());
        let proof = proof.map_err(wrong("proof"))?;
        proof.verify_linked(from, to).map_err(wrong("proof"))?;
        Ok(proof)
    }

    /// Up to `count` lines of the ledger from number `first`, from 1, each to `take`; as they come, nothing is checked.
    pub fn lines(
        &self,
        first: u64,
        count: u64,
        mut take: impl FnMut(&str) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let (mut from, mut left) = (first.saturating_sub(1), count);
        while left > 0 {
            let path = format!("/v1/log/entries?from={from}&count={}", left.min(PAGE));
            let told = self.link.get(&path)?;
            let lines = told.as_array().map(Vec::as_slice).unwrap_or_default();
            if lines.is_empty() {
                break;
            }
            for line in lines
                .iter()
                .take(usize::try_from(left).unwrap_or(usize::MAX))
            {
                take(line.as_str().unwrap_or_default())?;
                (from, left) = (from + 1, left - 1);
            }
        }
        Ok(())
    }

    /// Fetches the whole ledger up to its signed head and checks it from its lines alone; it must go on where `noted` ended.
    pub fn audit(&self, noted: Option<&SignedTreeHead>) -> Result<Audit, Failure> {
        let head = self.head()?;
        let size = head.head.size;
        let heads = [head].into_iter().chain(noted.cloned()).collect();
        let mut audit = LineAudit::new(self.root.clone(), heads);
        let found =
            |finding: Finding| Failure::verification(format!("the authority's ledger: {finding}"));
        self.lines(1, size, |line| audit.enter(line).map_err(found))?;
        if audit.lines() != size {
            return Err(found(Finding::Length {
                said: size,
                found: audit.lines(),
            }));
        }
        audit.finish().map_err(|finding| match (&finding, noted) {
            (Finding::Head(size), Some(noted)) if *size == noted.head.size => Failure::verification(
                "the ledger does not go on where the noted head ended: lines were taken away or changed; keep the head, it is the evidence",
            ),
            _ => found(finding),
        })
    }

    /// All holders, by name, each with a certificate that this authority has signed.
    pub fn holders(&self) -> Result<Vec<Holder>, Failure> {
        let roots = roots::all(&self.link, self.root.encoded(), &self.url)?;
        let anchors: Result<Vec<Anchor>, _> = roots
            .iter()
            .map(|root| Anchor::restored(&root.certificate))
            .collect();
        let anchors = anchors.map_err(wrong("root"))?;
        let anchors: Vec<&Anchor> = anchors.iter().collect();
        let mut holders: Vec<Holder> = Vec::new();
        let mut path = format!("/v1/holders?limit={HOLDERS}");
        loop {
            let told = self.link.get(&path)?;
            for row in list(&told, "holders")? {
                let holder = self.holder_of(row, &anchors)?;
                let name = holder.certificate.claims().holder;
                let last = holders.last().map(|last| last.certificate.claims().holder);
                if last.is_some_and(|last| last >= name) {
                    return Err(wrong("list of holders")(&"it is out of order"));
                }
                holders.push(holder);
            }
            match told.get("next").and_then(Value::as_str) {
                Some(_) => {
                    path = format!("/v1/holders?limit={HOLDERS}&after={}", told.name("next")?);
                }
                None => return Ok(holders),
            }
        }
    }

    fn holder_of(&self, row: &Value, anchors: &[&Anchor]) -> Result<Holder, Failure> {
        let certificate = certificate(row, "certificate")?;
        let claims = certificate.claims();
        let expected = Expectations {
            role: claims.role,
            validity: Validity::Today(claims.from),
            min_epoch: 0,
            revoked: None,
        };
        ProvenCertificate::verify(certificate.clone(), anchors, &expected)
            .map_err(wrong("certificate"))?;
        if row.name("holder")? != claims.holder {
            return Err(wrong("certificate")(&"it is another holder's"));
        }
        let text = |key: &str| row.get(key).and_then(Value::as_str);
        Ok(Holder {
            issued: row.number("issued")?,
            replaces: match text("replaces") {
                None => None,
                Some("unknown") => Some(Replaced::Unknown),
                Some(_) => Some(Replaced::Holder(row.name("replaces")?)),
            },
            delivered: row.get("delivered") == Some(&Value::Bool(true)),
            revoked: text("revoked").map(str::to_owned),
            certificate,
            owner: Owner::Unbound, // the service does not tell
        })
    }
}

fn wrong<E: Display>(what: &str) -> impl Fn(E) -> Failure {
    let what = what.to_owned();
    move |error| Failure::verification(format!("the authority's {what} does not verify: {error}"))
}
