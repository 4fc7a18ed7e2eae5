//! ST-15: station and authority are one, in a folder on this machine.

use super::{Awaited, MAX_WAITING, Office};
use crate::cli::PassphraseArguments;
use crate::failure::Failure;
use crate::{place, secret};
use apdu::certificate::{Certificate, Name, Request, Role, StatusList};
use authority::custody::Signer;
use authority::{Authority, AuthorityError, Challenge, Holder, Order, Roots};
use getrandom::SysRng;
use std::path::Path;

/// An authority in a folder, with its key.
pub struct Here {
    authority: Authority,
    key: Box<dyn Signer>,
}

impl Here {
    /// Opens the authority in `folder` and its key.
    pub fn open(folder: &Path, passphrase: &PassphraseArguments) -> Result<Self, Failure> {
        let authority = place::open(folder)?;
        let passphrase = secret::of_key(folder, authority.roots().newest(), passphrase)?;
        let key = authority.unlock(folder, &passphrase)?;
        Ok(Self { authority, key })
    }

    /// The holder, if there is one.
    fn holder(&mut self, name: &Name) -> Result<Option<Holder>, Failure> {
        match self.authority.holder(name) {
            Ok(holder) => Ok(Some(holder)),
            Err(AuthorityError::Revocation(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl Office for Here {
    fn root(&self) -> &Certificate {
        self.authority.root()
    }

    fn roots(&mut self) -> Result<Roots, Failure> {
        Ok(self.authority.roots().clone())
    }

    fn order(&mut self, order: &Order) -> Result<Challenge, Failure> {
        Ok(self.authority.order(order, &mut SysRng, place::now()?)?)
    }

    fn issue(&mut self, request: &Request, role: Role, years: u8) -> Result<Certificate, Failure> {
        let now = place::now()?;
        Ok(self
            .authority
            .issue(self.key.as_mut(), request, role, Some(years), now)?)
    }

    fn delivered(&mut self, holder: &Name) -> Result<(), Failure> {
        Ok(self.authority.delivered(holder, place::now()?)?)
    }

    fn waiting(&mut self, role: Role) -> Result<Vec<Certificate>, Failure> {
        let holders = self.authority.waiting(role, MAX_WAITING)?;
        Ok(holders
            .into_iter()
            .map(|holder| holder.certificate)
            .collect())
    }

    fn waiting_for(&mut self, holder: &Name) -> Result<Option<Certificate>, Failure> {
        let waits = |holder: &Holder| !holder.delivered && holder.revoked.is_none();
        let holder = self.holder(holder)?.filter(waits);
        Ok(holder.map(|holder| holder.certificate))
    }

    fn awaiting(&mut self, _: Role) -> Result<Vec<Awaited>, Failure> {
        Ok(Vec::new()) // whoever has the key needs nobody's approval
    }

    fn wait(&mut self, _: Role, _: &[Awaited]) -> Result<(), Failure> {
        Ok(())
    }

    fn granted(&mut self, awaited: &Awaited) -> Result<Certificate, Failure> {
        Ok(self.authority.holder(&awaited.holder)?.certificate)
    }

    fn knows(&mut self, holder: &Name) -> Result<bool, Failure> {
        Ok(self.holder(holder)?.is_some())
    }

    fn status_list(&mut self) -> Result<Option<StatusList>, Failure> {
        Ok(self.authority.status_list()?)
    }
}
