//! A result never destroys what is no ordinary file: a device node, a FIFO and links of the test's own.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

use host::result_file::{Access, write};
use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, symlink};
use std::path::Path;
use std::process::Command;
use std::thread;

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_file_appears_whole_with_the_mode_of_its_content_and_leaves_nothing_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    for (name, access, mode) in [
        ("puk", Access::Private, 0o600),
        ("root", Access::Public, 0o644),
    ] {
        let path = folder.path().join(name);
        for content in [&b"first"[..], b"second, longer"] {
            write(&path, content, access).unwrap();
            assert_eq!(fs::read(&path).unwrap(), content);
            assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777 & !0o044, 0o600);
            assert_eq!(fs::metadata(&path).unwrap().mode() & !mode & 0o777, 0);
        }
    }
    assert_eq!(names(folder.path()), ["puk", "root"]);
}

#[test]
fn a_link_is_followed_and_stays_and_one_to_nothing_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (file, link, lost) = ("file", "link", "lost");
    fs::write(at(file), "old").unwrap();
    symlink(file, at(link)).unwrap();
    symlink("nowhere", at(lost)).unwrap();
    write(&at(link), b"new", Access::Public).unwrap();
    assert!(fs::symlink_metadata(at(link)).unwrap().is_symlink());
    assert_eq!(fs::read(at(file)).unwrap(), b"new");
    let refused = write(&at(lost), b"new", Access::Public).unwrap_err();
    assert!(
        refused.to_string().contains("leads to nothing"),
        "{refused}"
    );
    assert_eq!(names(folder.path()), [file, link, lost]);
}

#[test]
fn a_fifo_gets_the_content_and_stays_a_fifo() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fifo");
    assert!(
        Command::new("mkfifo")
            .arg(&path)
            .status()
            .unwrap()
            .success()
    );
    let reader = thread::spawn({
        let path = path.clone();
        move || {
            let mut text = String::new();
            File::open(path).unwrap().read_to_string(&mut text).unwrap();
            text
        }
    });
    write(&path, b"content", Access::Private).unwrap();
    assert_eq!(reader.join().unwrap(), "content");
    assert!(fs::metadata(&path).unwrap().file_type().is_fifo());
}

#[test]
fn a_device_stays_a_device() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("null");
    let made = Command::new("mknod")
        .arg(&path)
        .args(["c", "1", "3"])
        .output()
        .unwrap();
    if !made.status.success() {
        println!("skipped: this user may not make device nodes");
        return;
    }
    // A file system may forbid devices; then the refusal must leave the node as well.
    let _ = write(&path, b"content", Access::Private);
    assert!(fs::metadata(&path).unwrap().file_type().is_char_device());
    assert_eq!(names(folder.path()), ["null"]);
}

#[test]
fn a_folder_is_refused_and_a_missing_one_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let refused = write(folder.path(), b"content", Access::Public).unwrap_err();
    assert!(refused.to_string().contains("folder"), "{refused}");
    assert!(write(&folder.path().join("none/file"), b"", Access::Public).is_err());
    assert!(names(folder.path()).is_empty());
}
