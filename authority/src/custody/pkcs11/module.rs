//! PKCS#11 modules of this process: each is loaded and initialised once, and everybody takes turns.
//!
//! `C_Finalize` is the only way to make a module look for its tokens anew, and it must not meet a call of another thread
//! (PKCS#11 v2.40, §5.4). So one lock is held over each conversation, and each restart has a number: handles of an earlier
//! number belong to nobody and are never used or closed again. Modules stay loaded until the process ends.

use crate::custody::token::TokenError;
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

static MODULES: Mutex<BTreeMap<PathBuf, Module>> = Mutex::new(BTreeMap::new());

/// A loaded module.
pub(super) struct Module {
    pub(super) client: Pkcs11,
    restarts: u64,
}

/// Has a conversation with the module at `path`, which is loaded if it was not.
pub(super) fn with<T, E: From<TokenError>>(
    path: &Path,
    conversation: impl FnOnce(&mut Module) -> Result<T, E>,
) -> Result<T, E> {
    // A conversation that panicked has left no half-written state here; the module keeps its own.
    let mut modules = MODULES.lock().unwrap_or_else(PoisonError::into_inner);
    let module = match modules.remove(path) {
        Some(module) => module,
        None => Module::load(path)?,
    };
    conversation(modules.entry(path.into()).or_insert(module))
}

impl Module {
    fn load(path: &Path) -> Result<Self, TokenError> {
        let client = Pkcs11::new(path).map_err(|error| TokenError::Module {
            path: path.into(),
            reason: error.to_string(),
        })?;
        let module = Self {
            client,
            restarts: 0,
        };
        module.initialise()?;
        Ok(module)
    }

    /// The number of this run of the module.
    pub(super) fn run(&self) -> u64 {
        self.restarts
    }

    /// Ends all sessions and looks for slots and tokens anew.
    pub(super) fn restart(&mut self) -> Result<(), TokenError> {
        self.restarts += 1;
        // Why not checked: a module that cannot end may still begin, and what it says then is what matters.
        let _ = self.client.clone().finalize();
        self.initialise()
    }

    fn initialise(&self) -> Result<(), TokenError> {
        let locks = CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK);
        match self.client.initialize(locks) {
            Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
