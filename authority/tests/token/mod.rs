//! A token of SoftHSM2 in a temporary folder, and a process of its own for each test: the module reads `SOFTHSM2_CONF`.
#![allow(dead_code, reason = "each test program uses a part of it")]

use authority::custody::{CustodyError, KeyUri, Pin, Pkcs11Key, TokenError};
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, KeyType, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;
use std::env;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where Debian's package softhsm2 puts it.
pub const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";
pub const PIN: &str = "kestrel-4711-user";
pub const SO_PIN: &str = "kestrel-0815-officer";
/// P-256 and P-384 as `CKA_EC_PARAMS`.
pub const P256: &[u8] = &[0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07];
pub const P384: &[u8] = &[0x06, 0x05, 0x2B, 0x81, 0x04, 0x00, 0x22];
/// Tells a child where its tokens are.
const FOLDER: &str = "TALLY_TEST_TOKENS";

/// The folder with the tokens of one test.
pub struct Tokens(PathBuf);

/// Runs the test of this name in a process of its own, with an empty SoftHSM2.
pub fn alone(test: &str, body: impl FnOnce(&Tokens)) {
    if let Some(folder) = env::var_os(FOLDER) {
        return body(&Tokens(folder.into()));
    }
    if !Path::new(MODULE).exists() {
        assert!(env::var_os("CI").is_none(), "{MODULE} is missing");
        // Not by `eprintln!`: the test harness would hide it.
        let skipped = format!("skipped: {test}: no SoftHSM2 (Debian: apt-get install softhsm2)\n");
        std::io::stderr().write_all(skipped.as_bytes()).unwrap();
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let tokens = folder.path().join("tokens");
    fs::create_dir(&tokens).unwrap();
    let configuration = folder.path().join("softhsm2.conf");
    fs::write(
        &configuration,
        format!("directories.tokendir = {}\n", tokens.display()),
    )
    .unwrap();
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env("SOFTHSM2_CONF", configuration)
        .env(FOLDER, folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{complained}");
    assert!(said.contains("1 passed"), "no such test: {test}\n{said}");
}

impl Tokens {
    /// A SoftHSM2 with one token, ROOT.
    pub fn with_root(&self) -> &Self {
        self.initialise("ROOT");
        self
    }

    pub fn folder(&self) -> &Path {
        &self.0
    }

    /// A new token.
    pub fn initialise(&self, label: &str) {
        conversation(|client| {
            let blank = |slot: &Slot| !client.get_token_info(*slot).unwrap().token_initialized();
            let slots = client.get_slots_with_token().unwrap();
            let slot = slots.into_iter().find(blank).unwrap();
            client
                .init_token(slot, &AuthPin::from(SO_PIN), label)
                .unwrap();
            let session = client.open_rw_session(slot).unwrap();
            session
                .login(UserType::So, Some(&AuthPin::from(SO_PIN)))
                .unwrap();
            session.init_pin(&AuthPin::from(PIN)).unwrap();
        });
    }

    /// Takes all tokens away from under the module; their folder remains or goes with them.
    pub fn away(&self, folder_remains: bool) {
        fs::rename(self.0.join("tokens"), self.0.join("away")).unwrap();
        if folder_remains {
            fs::create_dir(self.0.join("tokens")).unwrap();
        }
    }

    pub fn back(&self) {
        // Takes the place of an empty folder.
        fs::rename(self.0.join("away"), self.0.join("tokens")).unwrap();
    }
}

/// Speaks to the module beside the code under test. Ends it afterwards if it was not running.
pub fn conversation<T>(body: impl FnOnce(&Pkcs11) -> T) -> T {
    let client = Pkcs11::new(MODULE).unwrap();
    let locks = CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK);
    let ours = client.initialize(locks).is_ok();
    let value = body(&client);
    if ours {
        client.finalize().unwrap();
    }
    value
}

/// Ends the module under everybody: all sessions are gone.
pub fn end_all_sessions() {
    Pkcs11::new(MODULE).unwrap().finalize().unwrap();
}

/// A session with the first initialised token, logged in.
pub fn session<T>(body: impl FnOnce(&Session) -> T) -> T {
    conversation(|client| {
        let slot = client.get_slots_with_initialized_token().unwrap()[0];
        let session = client.open_rw_session(slot).unwrap();
        // Already logged in where the code under test has a session.
        let _ = session.login(UserType::User, Some(&AuthPin::from(PIN)));
        body(&session)
    })
}

/// The URI of a key on ROOT.
pub fn uri(object: &str) -> KeyUri {
    parse(&format!("token=ROOT;object={object}"))
}

/// The URI of this path, for SoftHSM2.
pub fn parse(path: &str) -> KeyUri {
    KeyUri::parse(&format!("pkcs11:{path}?module-path={MODULE}")).unwrap()
}

pub fn pin() -> Pin {
    Pin::new(PIN.as_bytes()).unwrap()
}

pub fn open(uri: &KeyUri) -> Result<Pkcs11Key, CustodyError> {
    Pkcs11Key::open(uri, pin(), None)
}

/// What the token was refused for.
pub fn fault<T>(result: Result<T, CustodyError>) -> TokenError {
    match result {
        Ok(_) => panic!("it was done"),
        Err(CustodyError::Token { fault, .. }) => fault,
        Err(error) => panic!("{error}"),
    }
}

/// A key pair's templates as they should be; a later attribute of the same type takes the place of an earlier one.
pub fn templates(label: &str, id: u8, changes: &[Attribute]) -> (Vec<Attribute>, Vec<Attribute>) {
    let public = vec![
        Attribute::Token(true),
        Attribute::EcParams(P256.to_vec()),
        Attribute::Label(label.into()),
        Attribute::Id(vec![id]),
    ];
    let mut private = vec![
        Attribute::Token(true),
        Attribute::Private(true),
        Attribute::KeyType(KeyType::EC),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Sign(true),
        Attribute::Decrypt(false),
        Attribute::Unwrap(false),
        Attribute::Derive(false),
        Attribute::Label(label.into()),
        Attribute::Id(vec![id]),
    ];
    for change in changes {
        private.retain(|kept| kept.attribute_type() != change.attribute_type());
        private.push(change.clone());
    }
    (public, private)
}

/// Makes a P-256 key pair whose private key differs from what is right by `changes`.
pub fn make(label: &str, id: u8, changes: &[Attribute]) -> (ObjectHandle, ObjectHandle) {
    let (public, private) = templates(label, id, changes);
    session(|session| {
        session
            .generate_key_pair(&Mechanism::EccKeyPairGen, &public, &private)
            .unwrap()
    })
}
