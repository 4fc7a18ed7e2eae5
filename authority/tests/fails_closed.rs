//! A disk that is full: nothing is half done, the health page says so, and the service goes on by itself when there is room.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

mod http;
mod support;

use authority::server::identity::Identity;
use authority::{Authority, Moment};
use http::{client, today};
use serde_json::json;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use support::{PASSPHRASE, Tape, name};

/// Mounts a small disk over `disk`, puts the authority on it, and becomes the service.
const SCRIPT: &str = r#"
mount -t tmpfs -o size=2m none "$1/disk" && cp -a "$1/ca" "$1/disk/ca" &&
exec "$2" serve --listen 127.0.0.1:0 --log off --data "$1/disk/ca" --passphrase-file "$1/passphrase"
"#;

/// The service in a mount namespace of its own: what it mounts is gone with it.
struct Service {
    child: Child,
    address: SocketAddr,
    disk: PathBuf,
}

impl Service {
    fn start(folder: &Path) -> Self {
        let mut child = Command::new("unshare")
            .args(["-m", "sh", "-c", SCRIPT, "sh"])
            .arg(folder)
            .arg(env!("CARGO_BIN_EXE_authority"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address = line.trim().strip_prefix("listening on https://");
        let address = address.unwrap_or_else(|| panic!("{line:?}"));
        // As the service sees it.
        let seen = format!("/proc/{}/root{}", child.id(), folder.join("disk").display());
        Self {
            address: address.parse().unwrap(),
            child,
            disk: PathBuf::from(seen),
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether this process may mount, as root may in a namespace of its own.
fn may_mount() -> bool {
    let mount = "mount -t tmpfs none /mnt";
    let tried = Command::new("unshare")
        .args(["-m", "sh", "-c", mount])
        .stderr(Stdio::null())
        .status();
    tried.is_ok_and(|status| status.success())
}

#[test]
fn a_full_disk_changes_nothing_and_is_told_and_outlived() {
    if !may_mount() {
        return println!("skipped: this needs root, for a small disk of its own");
    }
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca");
    let now = Moment::from_unix_seconds(today()).unwrap();
    let root = name("ZZTALLYROOT00001");
    Authority::init(&ca, root, 15, PASSPHRASE, &mut Tape(0), now).unwrap();
    fs::write(folder.path().join("passphrase"), PASSPHRASE).unwrap();
    fs::create_dir(folder.path().join("disk")).unwrap();
    let identity = Identity::open(&ca, today()).unwrap();
    let card = http::enrolled(&ca, &identity);
    let service = Service::start(folder.path());
    let station = client(service.address, identity.certificate(), Some(&card));
    let wish = json!({ "role": "card", "name": { "next_of": "ZZFULL" } });
    let order = |number: u32| {
        station.post_with(
            "/v1/orders",
            &format!("order {number}").replace(' ', "-"),
            &wish,
        )
    };
    assert_eq!(order(0).status, 201);
    assert_eq!(station.get("/v1/health").status, 200);

    let fill = service.disk.join("fill");
    let mut file = File::create(&fill).unwrap();
    while file.write_all(&[0; 4_096]).is_ok() {}
    drop(file);
    let mut done = 0;
    let full = loop {
        let answer = order(done + 1);
        if answer.status != 201 {
            break answer;
        }
        done += 1; // what the log still had room for
        assert!(done < 10_000, "the disk is full");
    };
    assert!(full.is(503, "unavailable"), "{}", full.body);
    for _ in 0..2 {
        let health = station.get("/v1/health");
        assert_eq!(health.status, 503, "{}", health.body);
        assert!(health.body.contains("takes no changes"), "{}", health.body);
        assert!(order(done + 1).is(503, "unavailable"));
    }
    assert_eq!(
        client(service.address, identity.certificate(), None)
            .get("/v1/root")
            .status,
        200,
        "reading goes on"
    );

    fs::remove_file(&fill).unwrap();
    let health = station.get("/v1/health");
    assert_eq!(health.status, 200, "{}", health.body);
    let answer = order(done + 1);
    assert_eq!(answer.status, 201, "{}", answer.body);
    let next = format!("ZZFULL{:05}", done + 2);
    assert_eq!(answer.json()["holder"], next, "nothing was half done");
}
