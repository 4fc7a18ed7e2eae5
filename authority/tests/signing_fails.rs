//! A key that cannot sign: nothing is written, and the authority goes on once it can.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

mod support;

use apdu::certificate::Role;
use apdu::crypto::PublicKey;
use authority::custody::{Custody, CustodyError, Signer, TokenError};
use authority::{AuthorityError, Moment, NameOrder, Scope};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use support::{Bench, at, name};

/// Has the right public key, and a token that is away.
struct Away(PublicKey);

impl Signer for Away {
    fn public_key(&self) -> PublicKey {
        self.0.clone()
    }

    fn sign(&mut self, _: &[u8]) -> Result<[u8; 64], CustodyError> {
        Err(CustodyError::TokenLost {
            token: self.describe(),
            fault: TokenError::NoToken,
        })
    }

    fn describe(&self) -> String {
        "token ROOT, key root".into()
    }
}

fn is_lost<T>(result: Result<T, AuthorityError>) -> bool {
    let lost = |error: &AuthorityError| {
        matches!(
            error,
            AuthorityError::Custody(CustodyError::TokenLost { .. })
        )
    };
    result.err().as_ref().is_some_and(lost)
}

#[test]
fn a_certificate_or_list_that_was_not_signed_leaves_nothing_in_the_ledger() {
    let mut bench = Bench::new();
    let challenge = bench
        .order(Role::Card, NameOrder::Exactly(name("ZZTALLYCARD00001")))
        .unwrap();
    let request = bench.answer(&challenge);
    let before = bench.authority.lines(1, 100).unwrap();
    let now: Moment = at(bench.now);
    let mut away = Away(bench.key.public_key());

    let issued = bench
        .authority
        .issue(&mut away, &request, Role::Card, None, now);
    assert!(is_lost(issued));
    for scope in [Scope::Revoked, Scope::Everything] {
        assert!(is_lost(bench.authority.publish(&mut away, scope, now)));
    }
    assert_eq!(bench.authority.lines(1, 100).unwrap(), before);
    assert!(bench.authority.holder(&challenge.holder).is_err());
    assert_eq!(bench.authority.status_list().unwrap(), None);

    // The same request, once the key is back; and the account of it reads back.
    let certificate = bench.issue(&request, Role::Card).unwrap();
    let list = bench
        .authority
        .publish(&mut *bench.key, Scope::Revoked, now)
        .unwrap();
    assert_eq!(list.claims().sequence, 1);
    assert_eq!(bench.authority.size().unwrap(), 4);
    let mut bench = bench.reopen();
    let audit = bench.authority.audit().unwrap();
    assert_eq!((audit.certificates, audit.lists), (1, 1));
    let held = bench.authority.holder(&challenge.holder).unwrap();
    assert_eq!(held.certificate.encoded(), certificate.encoded());
}

#[test]
fn a_key_in_a_file_is_described_by_its_path_and_signs_what_verifies() {
    let mut bench = Bench::new();
    let path = bench.folder().join("key.pem");
    assert_eq!(bench.key.describe(), path.display().to_string());
    let signature = bench.key.sign(b"message").unwrap();
    let public = bench.key.public_key();
    assert!(public == bench.authority.root().claims().key);
    assert!(public.verify(b"message", &signature).is_ok());
    assert!(public.verify(b"massage", &signature).is_err());
}

#[test]
fn an_authority_without_a_key_uri_keeps_its_key_in_a_file_and_one_with_a_damaged_one_has_none() {
    let bench = Bench::new();
    assert!(matches!(
        Custody::of(&bench.folder()),
        Ok(Custody::File(path)) if path == bench.folder().join("key.pem")
    ));
    let path = bench.folder().join("key.uri");
    fs::write(&path, "pkcs11:token=ROOT?pin-value=1234\n").unwrap();
    let private = fs::Permissions::from_mode(0o600);
    assert!(
        matches!(Custody::of(&bench.folder()), Err(CustodyError::Loose(_))),
        "others could name another library"
    );
    fs::set_permissions(&path, private).unwrap();
    assert!(matches!(
        Custody::of(&bench.folder()),
        Err(CustodyError::Uri(_))
    ));
    assert!(
        bench
            .authority
            .unlock(&bench.folder(), support::PASSPHRASE)
            .is_err()
    );
    fs::write(&path, "pkcs11:token=ROOT\n").unwrap();
    assert!(matches!(
        Custody::of(&bench.folder()),
        Ok(Custody::Token(uri)) if uri.token.as_deref() == Some("ROOT")
    ));
}
