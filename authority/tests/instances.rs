//! Two instances of the service on one store are one service: clients, codes and the TLS authority are the same at both.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

mod http;
mod pair;
#[path = "support/postgres.rs"]
mod server;
mod support;

use authority::server::clients::{ClientRole, Register};
use authority::server::identity::{Identity, IdentityError};
use authority::store::{Store, copy, postgres, sqlite};
use authority::{Authority, EnrolmentCode, STORE_FILE};
use http::{enrol_body, request, statuses_at_once, today};
use pair::Pair;
use rcgen::KeyPair;
use serde_json::json;
use server::Server;
use std::fs;
use std::path::Path;
use std::time::Duration;
use support::{PASSPHRASE, START, Tape, at, name};
use tempfile::TempDir;

const PATIENT: Duration = Duration::from_secs(60);

fn who_is_enrolled_or_revoked_at_one_counts_at_the_other_at_once(pair: &Pair) {
    let operator = pair.enrol(0, "Ada", ClientRole::Operator);
    let station = pair.enrol(1, "LINE1", ClientRole::Station);
    let heads = |status| {
        for instance in 0..2 {
            let answer = pair.at(instance, Some(&station)).get("/v1/log/head");
            assert_eq!(answer.status, status, "instance {instance}");
        }
    };
    heads(200);
    let operator = pair.at(0, Some(&operator));
    assert_eq!(operator.delete("/v1/clients/LINE1").status, 204);
    heads(403);
    let clients = operator.get("/v1/clients").json();
    assert_eq!(clients["clients"].as_array().unwrap().len(), 2);
}

fn of_many_who_use_one_code_at_both_at_once_exactly_one_wins(pair: &Pair) {
    let body = enrol_body(
        &pair.code("RACE", ClientRole::Station),
        &request(&KeyPair::generate().unwrap()),
    );
    let clients: Vec<_> = (0..8).map(|number| pair.at(number % 2, None)).collect();
    let told = statuses_at_once(&clients, "/v1/enrol", &body);
    assert_eq!(told, [201, 403, 403, 403, 403, 403, 403, 403]);
}

fn an_instance_with_another_tls_authority_is_told_what_to_copy(pair: &Pair) {
    let other = pair.folder.path().join("other");
    fs::create_dir(&other).unwrap();
    let start = || Identity::shared(&other, (pair.open)().as_mut(), today());
    let refused = start().err().unwrap();
    assert!(
        matches!(refused, IdentityError::OtherCa { .. }),
        "{refused}"
    );
    assert!(
        refused
            .to_string()
            .contains("copy tls-ca.pem and tls-ca.key")
    );
    assert!(
        !other.join("tls-ca.pem").exists(),
        "none is made that nobody may use"
    );
    Identity::open(&other, today()).unwrap();
    assert!(matches!(start(), Err(IdentityError::OtherCa { .. })));
    for file in ["tls-ca.pem", "tls-ca.key"] {
        fs::copy(pair.ca().join(file), other.join(file)).unwrap();
    }
    assert_eq!(start().unwrap().certificate(), pair.tls_ca);
    for file in ["tls-ca.pem", "tls-ca.key"] {
        fs::remove_file(other.join(file)).unwrap();
    }
    assert!(matches!(start(), Err(IdentityError::OtherCa { .. })));
    (pair.open)().forget_tls_ca().unwrap();
    assert_ne!(start().unwrap().certificate(), pair.tls_ca, "a new one");
    let old = Identity::shared(&pair.ca(), (pair.open)().as_mut(), today());
    assert!(matches!(old, Err(IdentityError::OtherCa { .. })));
}

fn suite(pair: &Pair) {
    who_is_enrolled_or_revoked_at_one_counts_at_the_other_at_once(pair);
    of_many_who_use_one_code_at_both_at_once_exactly_one_wins(pair);
    an_instance_with_another_tls_authority_is_told_what_to_copy(pair);
}

fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca");
    let root = name("ZZTALLYROOT00001");
    Authority::init(&ca, root, 15, PASSPHRASE, &mut Tape(0), at(START)).unwrap();
    folder
}

fn home(folder: &Path) -> Box<dyn Store> {
    sqlite::open(&folder.join("ca").join(STORE_FILE), PATIENT).unwrap()
}

#[test]
fn two_instances_on_one_sqlite_file_are_one_service() {
    let folder = folder();
    let path = folder.path().to_owned();
    let pair = Pair::of(folder, move || home(&path));
    suite(&pair);
    pair.stop();
}

#[test]
fn two_instances_on_one_postgresql_are_one_service_and_outlive_its_absence() {
    let Some(server) = Server::start() else {
        return;
    };
    let folder = folder();
    let address = server.database("instances");
    let open = move || postgres::open(&address, PATIENT).unwrap();
    copy(home(folder.path()).as_mut(), open().as_mut()).unwrap();
    let pair = Pair::of(folder, open);
    suite(&pair);
    let card = pair.enrol(0, "LINE2", ClientRole::Station);
    let wish = json!({ "role": "card", "name": { "next_of": "ZZGONE" } });
    server.kill();
    for instance in 0..2 {
        let station = pair.at(instance, Some(&card));
        let refused = station.post_with("/v1/orders", "gone", &wish);
        assert!(refused.is(503, "unavailable"), "{}", refused.body);
        let health = pair.at(instance, None).get("/v1/health");
        assert_eq!(health.status, 503, "{}", health.body);
    }
    server.up();
    let orders: Vec<_> = (0..2)
        .map(|instance| {
            let health = pair.at(instance, None).get("/v1/health");
            assert_eq!(health.status, 200, "{}", health.body);
            let station = pair.at(instance, Some(&card));
            station.post_with("/v1/orders", "gone", &wish).json()
        })
        .collect();
    assert_eq!(orders[0]["holder"], "ZZGONE00001");
    assert_eq!(orders[0], orders[1], "done once");
    pair.stop();
}

#[test]
fn the_register_of_an_earlier_version_is_taken_over_once() {
    let folder = folder();
    let ca = folder.path().join("ca");
    let register = Register::new(home(folder.path()));
    assert_eq!(register.take_over(&ca).unwrap(), 0, "there is none");
    let code = EnrolmentCode::draw(b"a CA", &mut Tape(9)).unwrap();
    let hash: String = code
        .hash()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let row = |name: &str, fingerprint: u8, revoked: Option<u64>| {
        let fingerprint = format!("{fingerprint:02x}").repeat(32);
        json!({ "name": name, "role": "station", "fingerprint": fingerprint, "added": START, "revoked": revoked })
    };
    let file = json!({
        "clients": [row("LINE1", 1, Some(START)), row("LINE1", 2, None), row("LINE2", 3, None)],
        "invitations": [{ "name": "LINE3", "role": "operator", "code": hash, "expires": START + 60 }],
    });
    let path = ca.join("clients.json");
    fs::write(&path, file.to_string()).unwrap();
    assert_eq!(register.take_over(&ca).unwrap(), 4);
    assert!(!path.exists());
    assert_eq!(register.find(&[2; 32]).unwrap().unwrap().name, "LINE1");
    assert!(register.find(&[1; 32]).unwrap().unwrap().revoked.is_some());
    let certify = |_: &str, _| Ok::<_, authority::server::clients::RegisterError>(([4; 32], ()));
    let (enrolled, ()) = register.enrol(&code.hash(), START, certify).unwrap();
    assert_eq!(
        (enrolled.name.as_str(), enrolled.role),
        ("LINE3", ClientRole::Operator)
    );
    register.revoke("LINE2", START).unwrap();

    // Interrupted before the file was renamed: nobody comes back, and no code enrols again.
    fs::write(&path, file.to_string()).unwrap();
    assert_eq!(register.take_over(&ca).unwrap(), 0);
    assert!(register.find(&[3; 32]).unwrap().unwrap().revoked.is_some());
    assert!(register.enrol(&code.hash(), START, certify).is_err());
    assert_eq!(register.clients().unwrap().len(), 4);

    fs::write(&path, "{").unwrap();
    let told = register.take_over(&ca).unwrap_err().to_string();
    assert!(told.contains("clients.json"), "{told}");
}
