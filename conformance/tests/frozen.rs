//! T29, B29: files of every released format are kept in `frozen/`, and open, or are refused without change.
//!
//! A release adds its files: `cargo test -p conformance --test frozen -- --ignored` writes them into the folder of the version.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

use card_sim::state_file::StateFile;
use conformance::authority::{self, CARD, TERMINAL, certified, put_into_use};
use conformance::card::Powered;
use conformance::evidence::report;
use conformance::user::User;
use getrandom::SysRng;
use journal::JournalError;
use std::fs;
use std::path::{Path, PathBuf};
use terminal_lib::application::Policy;
use terminal_lib::store::{FileStore, StoreError};
use terminal_lib::transport::in_process::InProcess;

/// Every release whose files must open.
const RELEASES: [&str; 1] = ["0.1"];

fn folder(release: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("frozen")
        .join(release)
}

/// One insertion of the card in this file at the terminal with that store.
fn visit(card: &Path, store: &Path, user: &mut User, policy: &Policy) {
    let card = card_sim::body::VirtualCard::new(StateFile::open(card).unwrap(), SysRng);
    let mut reader = InProcess::new(Powered(card));
    let mut terminal = authority::terminal(FileStore::open(store).unwrap());
    terminal.connect(&mut reader, user, policy).unwrap().close();
}

/// Copies of a release's two files, with the modes that files of ours have.
fn copies(release: &str) -> (tempfile::TempDir, PathBuf, PathBuf) {
    use std::os::unix::fs::PermissionsExt;
    let place = tempfile::tempdir().unwrap();
    let copy = |name: &str| {
        let to = place.path().join(name);
        fs::copy(folder(release).join(name), &to).unwrap();
        fs::set_permissions(&to, fs::Permissions::from_mode(0o600)).unwrap();
        to
    };
    let (card, store) = (copy("card"), copy("pairings"));
    (place, card, store)
}

#[test]
fn files_of_every_release_open_and_the_pairing_in_them_works() {
    for release in RELEASES {
        let (_place, card, store) = copies(release);
        for _ in 0..3 {
            visit(&card, &store, &mut User::absent(), &Policy::Never);
        }
    }
    report(
        "T29",
        RELEASES.len() as u64,
        "releases whose card and pairing files open and reconnect",
    );
}

/// Where the format's version stands in a file's header: after eight bytes of magic.
const VERSION: std::ops::Range<usize> = 8..10;

#[test]
fn a_newer_format_another_kind_of_file_and_a_damaged_one_are_refused_without_change() {
    let (_place, card, store) = copies("0.1");
    type Damage = fn(&mut Vec<u8>);
    let damages: [(&str, Damage); 4] = [
        ("newer", |file| file[VERSION].copy_from_slice(&[0xFF, 0xFF])),
        ("foreign", |file| file[..8].copy_from_slice(b"SQLite f")),
        ("damaged", |file| file[20] ^= 1),
        ("empty", Vec::clear),
    ];
    for (kind, damage) in damages {
        for path in [&card, &store] {
            let whole = fs::read(path).unwrap();
            let mut file = whole.clone();
            damage(&mut file);
            fs::write(path, &file).unwrap();
            let refused = if path == &card {
                StateFile::open(path).map(drop).unwrap_err()
            } else {
                match FileStore::open(path).map(drop).unwrap_err() {
                    StoreError::Journal(error) => error,
                    other => unreachable!("{kind}: {other}"),
                }
            };
            let fits = match kind {
                "foreign" => matches!(refused, JournalError::NotOurs),
                "empty" => matches!(refused, JournalError::Unfinished | JournalError::NotOurs),
                // A header whose digest does not fit is damage, whatever it says.
                _ => matches!(
                    refused,
                    JournalError::Corrupt { .. } | JournalError::NewerVersion { .. }
                ),
            };
            assert!(fits, "{kind}: {refused:?}");
            assert_eq!(
                fs::read(path).unwrap(),
                file,
                "{kind}: the file was touched"
            );
            fs::write(path, whole).unwrap();
        }
    }
}

#[test]
#[ignore = "writes the files of a release"]
fn freeze() {
    let release = RELEASES.last().unwrap();
    let folder = folder(release);
    fs::create_dir_all(&folder).unwrap();
    let place = tempfile::tempdir().unwrap();
    let (card, store) = (place.path().join("card"), place.path().join("pairings"));
    put_into_use(StateFile::create(&card).unwrap(), CARD);
    certified(FileStore::open_or_create(&store).unwrap(), TERMINAL);
    visit(&card, &store, &mut User::willing(), &Policy::Auto);
    for name in ["card", "pairings"] {
        fs::copy(place.path().join(name), folder.join(name)).unwrap();
    }
}
