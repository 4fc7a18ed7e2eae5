//! The authority's roots, oldest first, and how one comes from each to the next: the link certificate (`docs/protocol.md` §7.2).

use crate::book::counted;
use apdu::certificate::{Anchor, Certificate, Name, Refusal, Role};

/// A root, and the line of the ledger that tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// The root certificate, signed by its own key.
    pub certificate: Certificate,
    /// The link certificate for the same name and key, signed by the root before; `None` for the first root.
    pub link: Option<Certificate>,
    /// Number of the ledger's line, from 1.
    pub line: u64,
}

impl Root {
    /// The name of the authority under this root.
    pub fn name(&self) -> Name {
        self.certificate.claims().holder
    }
}

/// All roots that an authority ever had; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roots {
    earlier: Vec<Root>,
    newest: Root,
}

impl Roots {
    /// Roots in their order, oldest first; `None` when there is none. Nothing is verified: [`follow`] does that.
    pub fn of(mut roots: Vec<Root>) -> Option<Self> {
        let newest = roots.pop()?;
        let earlier = roots;
        Some(Self { earlier, newest })
    }

    pub(crate) fn first(certificate: Certificate) -> Self {
        let newest = Root {
            certificate,
            link: None,
            line: 1,
        };
        let earlier = Vec::new();
        Self { earlier, newest }
    }

    pub(crate) fn push(&mut self, next: Root) {
        self.earlier.push(std::mem::replace(&mut self.newest, next));
    }

    /// The root that signs.
    pub fn newest(&self) -> &Root {
        &self.newest
    }

    /// The root before the newest.
    pub(crate) fn before(&self) -> Option<&Root> {
        self.earlier.last()
    }

    /// All, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Root> {
        self.earlier.iter().chain([&self.newest])
    }

    /// The root of this name.
    pub fn named(&self, name: &Name) -> Option<&Root> {
        self.iter().find(|root| root.name() == *name)
    }

    /// What the names of all begin with, before their serial numbers.
    pub(crate) fn prefixes(&self) -> impl Iterator<Item = String> {
        let names: Vec<Name> = self.iter().map(Root::name).collect();
        let prefix = |name: Name| counted(&name).map(|(prefix, _)| prefix.to_owned());
        names.into_iter().filter_map(prefix)
    }

    /// The root that was in force at this line of the ledger: the last that began there or before.
    pub fn at(&self, line: u64) -> Option<&Root> {
        self.iter().take_while(|root| root.line <= line).last()
    }
}

/// Whether `known` leads to `next`: the root is signed by itself, and its link by the key of `known`, for the same name and key.
///
/// # Errors
/// [`Refusal::Role`] when one of the two is no such certificate, [`Refusal::Issuer`] when the link comes from another root or leads to
/// another one, [`Refusal::Signature`].
pub fn follow(known: &Certificate, next: &Certificate, link: &Certificate) -> Result<(), Refusal> {
    let from = Anchor::restored(known)?;
    let to = Anchor::trust_root(next)?;
    match Anchor::trust_link(link, &[&from])? == to {
        true => Ok(()),
        false => Err(Refusal::Issuer),
    }
}

/// Whether a link certificate is one from `from` to `to` by what it says; signatures are not looked at.
pub(crate) fn links(link: &Certificate, from: &Certificate, to: &Certificate) -> bool {
    let (link, from, to) = (link.claims(), from.claims(), to.claims());
    let authority = link.role == Role::Authority && !link.is_root();
    authority && link.issuer == from.holder && link.holder == to.holder && link.key == to.key
}
