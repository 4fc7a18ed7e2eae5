//! Making an authority, and keeping its key.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

mod support;

use apdu::certificate::Role;
use authority::custody::CustodyError;
use authority::{Authority, AuthorityError};
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::time::Duration;
use support::{Bench, PASSPHRASE, START, Tape, at, message, name};

fn init(folder: &std::path::Path, passphrase: &[u8]) -> Result<(), AuthorityError> {
    Authority::init(
        folder,
        name("ZZTALLYROOT00001"),
        15,
        passphrase,
        &mut Tape(0),
        at(START),
    )
}

#[test]
fn a_new_authority_is_private_and_holds_three_files() {
    let bench = Bench::new();
    let mode = |path: &str| {
        let about = fs::metadata(bench.folder().join(path)).unwrap();
        about.permissions().mode() & 0o777
    };
    assert_eq!(mode("."), 0o700);
    let open = ["authority.db", "authority.db-shm", "authority.db-wal"];
    for file in ["key.pem", "root.cvcert"].iter().chain(&open) {
        assert_eq!(mode(file), 0o600, "{file}");
    }
    assert_eq!(fs::read_dir(bench.folder()).unwrap().count(), 5);
    assert_eq!(
        fs::read_dir(bench.temporary.path()).unwrap().count(),
        1,
        "no workshop is left behind"
    );
    let claims = bench.authority.root().claims();
    assert_eq!(claims.role, Role::Authority);
    assert!(claims.is_root());
    let pem = fs::read_to_string(bench.folder().join("key.pem")).unwrap();
    assert!(pem.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"));
}

#[test]
fn an_authority_does_not_move_into_a_folder_that_is_in_use() {
    let bench = Bench::new();
    let before = fs::read(bench.folder().join("key.pem")).unwrap();
    assert!(matches!(
        init(&bench.folder(), PASSPHRASE),
        Err(AuthorityError::Taken(_))
    ));
    assert_eq!(fs::read(bench.folder().join("key.pem")).unwrap(), before);
    let file = bench.temporary.path().join("a-file");
    fs::write(&file, "mine").unwrap();
    assert!(matches!(
        init(&file, PASSPHRASE),
        Err(AuthorityError::Taken(_))
    ));
    let empty = bench.temporary.path().join("empty");
    fs::create_dir(&empty).unwrap();
    init(&empty, PASSPHRASE).unwrap();
    assert!(Authority::open(&empty, Duration::ZERO).is_ok());
}

#[test]
fn a_short_passphrase_makes_no_authority() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path().join("ca");
    assert_eq!(
        message(init(&folder, b"7 bytes")),
        "the passphrase needs at least 8 characters"
    );
    assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0);
    init(&folder, b"8 bytes!").unwrap();
}

#[test]
fn a_wrong_passphrase_and_a_damaged_key_file_stay_locked() {
    let bench = Bench::new();
    let path = bench.folder().join("key.pem");
    let locked = |passphrase: &[u8]| {
        matches!(
            bench.authority.unlock(&bench.folder(), passphrase),
            Err(CustodyError::Locked { .. })
        )
    };
    assert!(locked(b"correct horsf"));
    assert!(locked(b""));
    let pem = fs::read_to_string(&path).unwrap();
    let middle = pem.len() / 2;
    let (front, back) = pem.split_at(middle);
    for damaged in ["", "garbage", front, &format!("{front}!{back}")] {
        fs::write(&path, damaged).unwrap();
        assert!(locked(PASSPHRASE), "{damaged:?}");
    }
    fs::write(&path, [0xFF, 0xFE]).unwrap();
    assert!(matches!(
        bench.authority.unlock(&bench.folder(), PASSPHRASE),
        Err(CustodyError::NotAFile(_))
    ));
    fs::write(&path, pem).unwrap();
    assert!(bench.authority.unlock(&bench.folder(), PASSPHRASE).is_ok());
}

#[test]
fn a_key_file_that_others_can_read_or_that_is_a_link_is_refused() {
    let bench = Bench::new();
    let path = bench.folder().join("key.pem");
    for mode in [0o640, 0o604, 0o620] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        assert!(
            matches!(
                bench.authority.unlock(&bench.folder(), PASSPHRASE),
                Err(CustodyError::Loose(_))
            ),
            "{mode:o}"
        );
    }
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    let moved = bench.folder().join("moved.pem");
    fs::rename(&path, &moved).unwrap();
    symlink(&moved, &path).unwrap();
    assert!(matches!(
        bench.authority.unlock(&bench.folder(), PASSPHRASE),
        Err(CustodyError::NotAFile(_))
    ));
}
