//! T53: the three files that hold keys: a card's memory, a terminal's store, an authority's key. Private from the first system call,
//! and refused when anybody else could have touched them.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

use authority::{Authority, Moment};
use card_core::store::{Change, Record, Store};
use card_sim::state_file::StateFile;
use conformance::authority::{TERMINAL, certified, name};
use conformance::evidence::report;
use getrandom::SysRng;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;
use terminal_lib::store::FileStore;

const PASSPHRASE: &[u8] = b"correct horse";

/// A file with keys, made and opened by the product's own functions.
struct Kind {
    name: &'static str,
    /// Where the file is in a folder.
    file: &'static str,
    create: fn(&Path) -> Result<(), String>,
    open: fn(&Path) -> Result<(), String>,
}

const KINDS: [Kind; 3] = [
    Kind {
        name: "a card's memory",
        file: "card.state",
        create: |folder| {
            let mut card =
                StateFile::create(&folder.join("card.state")).map_err(|error| error.to_string())?;
            card.commit(&[Change::Put(Record::KEY, &[7; 32])])
                .map_err(|error| error.to_string())
        },
        open: |folder| {
            let card =
                StateFile::open(&folder.join("card.state")).map_err(|error| error.to_string())?;
            let key = card.read(Record::KEY).map_err(|error| error.to_string())?;
            assert_eq!(key.unwrap()[..], [7; 32]);
            Ok(())
        },
    },
    Kind {
        name: "a terminal's store",
        file: "terminal.store",
        create: |folder| {
            let store = FileStore::open_or_create(folder.join("terminal.store"))
                .map_err(|error| error.to_string())?;
            drop(certified(store, TERMINAL));
            Ok(())
        },
        open: |folder| {
            FileStore::open(folder.join("terminal.store"))
                .map(drop)
                .map_err(|error| error.to_string())
        },
    },
    Kind {
        name: "an authority's key",
        file: "ca/key.pem",
        create: |folder| {
            let now = Moment::from_unix_seconds(1_795_219_200).unwrap();
            let root = name("ZZTALLYROOT00001");
            Authority::init(&folder.join("ca"), root, 15, PASSPHRASE, &mut SysRng, now)
                .map_err(|error| error.to_string())
        },
        open: |folder| {
            let authority = Authority::open(&folder.join("ca"), Duration::ZERO)
                .map_err(|error| error.to_string())?;
            authority
                .unlock(&folder.join("ca"), PASSPHRASE)
                .map(drop)
                .map_err(|error| error.to_string())
        },
    },
];

fn made(kind: &Kind) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    (kind.create)(folder.path()).unwrap();
    let path = folder.path().join(kind.file);
    (folder, path)
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Puts the file aside, so that something else can take its place.
fn aside(path: &Path) -> PathBuf {
    let other = path.with_extension("aside");
    fs::rename(path, &other).unwrap();
    other
}

/// What somebody has put where a file is to be made.
type Plant = (&'static str, fn(&Path));
/// What may have happened to the file, and whether it must be refused then.
type Accident = (&'static str, bool, fn(&Path));

const ACCIDENTS: [Accident; 17] = [
    ("nothing", false, |_| {}),
    ("its group may read it", true, |path| mode(path, 0o640)),
    ("its group may write it", true, |path| mode(path, 0o620)),
    ("all may read it", true, |path| mode(path, 0o604)),
    ("all may write it", true, |path| mode(path, 0o602)),
    ("all may execute it", true, |path| mode(path, 0o601)),
    ("all may do everything", true, |path| mode(path, 0o777)),
    ("a symbolic link to it", true, |path| {
        symlink(aside(path), path).unwrap();
    }),
    ("a symbolic link to nothing", true, |path| {
        fs::remove_file(path).unwrap();
        symlink("nowhere", path).unwrap();
    }),
    ("a symbolic link to a device", true, |path| {
        fs::remove_file(path).unwrap();
        symlink("/dev/zero", path).unwrap();
    }),
    ("a folder", true, |path| {
        fs::remove_file(path).unwrap();
        fs::create_dir(path).unwrap();
    }),
    (
        "a pipe, which would never be read to its end",
        true,
        |path| {
            fs::remove_file(path).unwrap();
            assert!(
                Command::new("mkfifo")
                    .arg("-m")
                    .arg("600")
                    .arg(path)
                    .status()
                    .unwrap()
                    .success()
            );
        },
    ),
    ("a socket", true, |path| {
        fs::remove_file(path).unwrap();
        drop(UnixListener::bind(path).unwrap());
        mode(path, 0o600);
    }),
    ("it is missing", true, |path| fs::remove_file(path).unwrap()),
    (
        "a second name in the same folder: the same file, as private as before",
        false,
        |path| {
            fs::hard_link(path, path.with_extension("second")).unwrap();
        },
    ),
    (
        "a folder that all may write, and the file still its owner's",
        false,
        |path| mode(path.parent().unwrap(), 0o777),
    ),
    (
        "an old copy of its owner's, put there by its owner",
        false,
        |path| {
            let copy = fs::read(aside(path)).unwrap();
            fs::write(path, copy).unwrap();
            mode(path, 0o600);
        },
    ),
];

/// T53: seventeen things that may have happened to each of the three files, and for root one more.
#[test]
fn a_file_that_others_could_have_touched_is_refused() {
    let root = own_user_id() == 0;
    let mut accidents = ACCIDENTS.to_vec();
    if root {
        accidents.push(("another owner", true, |path| {
            chown(path, Some(12_345), None).unwrap();
        }));
    } else {
        eprintln!("T53: another owner: skipped, only root can give a file away");
    }
    let (mut refused, mut opened) = (0, 0);
    for kind in &KINDS {
        for (accident, must_refuse, happen) in &accidents {
            let (folder, path) = made(kind);
            happen(&path);
            match (kind.open)(folder.path()) {
                Ok(()) => {
                    assert!(!must_refuse, "{}: {accident}: opened", kind.name);
                    assert_eq!(fs::symlink_metadata(&path).unwrap().mode() & 0o777, 0o600);
                    opened += 1;
                }
                Err(error) => {
                    assert!(must_refuse, "{}: {accident}: {error}", kind.name);
                    assert!(
                        error.contains(path.file_name().unwrap().to_str().unwrap()),
                        "{error}"
                    );
                    refused += 1;
                }
            }
            assert!(
                !path.with_file_name("nowhere").exists(),
                "{}: {accident}",
                kind.name
            );
        }
    }
    assert_eq!(opened, 3 * 4);
    report(
        "T53",
        refused + opened,
        format_args!("accidents to three kinds of key files: {refused} refused, {opened} harmless"),
    );
}

/// The user this test runs as: the owner of a file it has just made.
fn own_user_id() -> u32 {
    tempfile::tempfile().unwrap().metadata().unwrap().uid()
}

/// T53: what stands where a new file is to be made. It is never opened, never followed and never changed.
#[test]
fn a_new_key_file_takes_no_other_file_s_place() {
    let mut refused = 0;
    for kind in &KINDS[..2] {
        let plants: [Plant; 5] = [
            ("a file of somebody's", |path| {
                fs::write(path, "mine").unwrap();
            }),
            ("an empty file that all may read", |path| {
                fs::write(path, "").unwrap();
                mode(path, 0o644);
            }),
            ("a link to nothing", |path| {
                symlink("nowhere", path).unwrap();
            }),
            ("a link to a file", |path| {
                fs::write(path.with_file_name("victim"), "mine").unwrap();
                symlink("victim", path).unwrap();
            }),
            ("a link in place of the lock", |path| {
                symlink(
                    "nowhere",
                    path.with_file_name(format!("{}.lock", path.file_name().unwrap().display())),
                )
                .unwrap();
            }),
        ];
        for (plant, put) in plants {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join(kind.file);
            put(&path);
            assert!(
                (kind.create)(folder.path()).is_err(),
                "{}: {plant}",
                kind.name
            );
            for (file, content) in [
                (path.clone(), "mine"),
                (path.with_file_name("victim"), "mine"),
            ] {
                let left = fs::read(&file).unwrap_or_else(|_| content.into());
                assert!(
                    left == content.as_bytes() || left.is_empty(),
                    "{}: {plant}",
                    kind.name
                );
            }
            assert!(
                !path.with_file_name("nowhere").exists(),
                "{}: {plant}",
                kind.name
            );
            refused += 1;
        }
    }
    // An authority's key has no place to be taken: its folder is made beside and renamed, and a folder in use is refused.
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("ca")).unwrap();
    fs::write(folder.path().join("ca/key.pem"), "mine").unwrap();
    assert!((KINDS[2].create)(folder.path()).is_err());
    assert_eq!(fs::read(folder.path().join("ca/key.pem")).unwrap(), b"mine");
    report(
        "T53",
        refused + 1,
        "plants where a new key file is to be made: all refused, none followed or changed",
    );
}

const FOLDER: &str = "TALLYSTICK_T53_FOLDER";

/// Makes and opens all three where the variable says; by itself it does nothing.
#[test]
fn the_traced_half() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        for kind in &KINDS {
            (kind.create)(Path::new(&folder)).unwrap();
            (kind.open)(Path::new(&folder)).unwrap();
        }
    }
}

/// T53: as the system sees it: made by one call with O_CREAT, O_EXCL, O_NOFOLLOW and 0600, opened with O_NOFOLLOW ever after, and no
/// permission is ever mended. With a mask that hides nothing.
#[test]
fn key_files_are_private_from_the_first_system_call() {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace");
    let inner = folder.path().join("files");
    fs::create_dir(&inner).unwrap();
    let test = std::env::current_exe().unwrap();
    let traced = Command::new("sh")
        .args(["-c", "umask 0; exec strace -f -qq -s 4096 -e trace=?open,openat,?openat2,?creat,?chmod,fchmod,fchmodat,?fchmodat2 -o \"$0\" \"$@\""])
        .arg(&trace)
        .arg(test)
        .args(["--exact", "the_traced_half", "--test-threads", "1"])
        .env(FOLDER, &inner)
        .output();
    let Some(_) = traced
        .ok()
        .filter(|output| output.status.success() && trace.exists())
    else {
        eprintln!("T53: system calls: skipped, strace is not here or may not trace");
        return;
    };
    let trace = fs::read_to_string(&trace).unwrap();
    let (mut created, mut opened) = (0, 0);
    for kind in &KINDS {
        let file = Path::new(kind.file).file_name().unwrap().to_str().unwrap();
        let path = inner.join(kind.file);
        assert_eq!(
            fs::metadata(&path).unwrap().mode() & 0o777,
            0o600,
            "{}",
            kind.name
        );
        let calls: Vec<&str> = trace
            .lines()
            .filter(|line| line.contains(&format!("/{file}\"")))
            .collect();
        assert!(
            calls.iter().all(|call| !call.contains("chmod")),
            "{calls:?}"
        );
        let (makes, opens): (Vec<&str>, Vec<&str>) =
            calls.iter().partition(|call| call.contains("O_CREAT"));
        assert!(
            !makes.is_empty() && !opens.is_empty(),
            "{}: {calls:?}",
            kind.name
        );
        for call in makes {
            assert!(
                ["O_EXCL", "O_NOFOLLOW", "0600"]
                    .iter()
                    .all(|part| call.contains(part)),
                "{call}"
            );
            created += 1;
        }
        for call in opens {
            assert!(call.contains("O_NOFOLLOW"), "{call}");
            opened += 1;
        }
    }
    // Non-vacuity: the first call of each file made it.
    let makes = |file: &str| {
        trace
            .lines()
            .find(|line| line.contains(&format!("/{file}\"")))
            .is_some_and(|line| line.contains("O_CREAT"))
    };
    assert!(makes("card.state") && makes("terminal.store") && makes("key.pem"));
    report(
        "T53",
        created + opened,
        format_args!(
            "system calls on key files seen by strace: {created} create with O_EXCL, O_NOFOLLOW and 0600, {opened} open with O_NOFOLLOW, none mends a mode"
        ),
    );
}
