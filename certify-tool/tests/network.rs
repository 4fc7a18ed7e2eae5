//! ST-13, ST-14: the station, the network and the authority's service, with real cards' bytes and real TLS.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

mod service;
mod support;
mod virtual_card;

use apdu::certificate::{Certificate, StatusList, pem};
use authority::server::approval::Approval;
use authority::server::clients::ClientRole;
use card_core::lifecycle::LifeCycle;
use card_core::store::{MemoryStore, Record, Store as _};
use card_sim::body::VirtualCard;
use card_sim::fault::Fault;
use card_sim::vpcd::{StopFlag, VpcdClient};
use getrandom::SysRng;
use service::{Network, now, register, serve};
use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::thread;
use std::time::Duration;
use support::{Desk, value};
use terminal_lib::identity::summary;
use terminal_lib::store::{FileStore, IdentityName};
use virtual_card::personalise;

const CARD: &str = "card --listen 127.0.0.1:0 --pin-file pin";

fn life(memory: &MemoryStore) -> LifeCycle {
    LifeCycle::of(memory).unwrap()
}

fn certificate(memory: &MemoryStore) -> Certificate {
    let bytes = memory.read(Record::CERTIFICATE).unwrap().unwrap();
    Certificate::decode(&bytes).unwrap()
}

/// ST-13, ST-14, ST-60, ST-61, ST-62: the station has the card and no key; the authority has the key and no card.
#[test]
fn a_blank_card_comes_into_use_over_the_network() {
    let network = Network::start();
    let station = network.station();
    let (ran, memory) = personalise(&station, CARD, MemoryStore::new(), None);
    let told = ran.succeeds().text();
    assert_eq!(life(&memory), LifeCycle::Operational);
    let root = memory.read(Record::ROOT_A).unwrap().unwrap();
    assert!(*root == network.desk.read("ca/root.cvcert"));
    assert_eq!(value(&told, "holder "), "ZZTALLYCARD00001");
    assert_eq!(
        certificate(&memory).claims().holder.as_str(),
        "ZZTALLYCARD00001"
    );
    let lines = String::from_utf8(network.desk.ledger()).unwrap();
    let line = |kind: &str| lines.lines().find(|line| line.contains(kind)).unwrap();
    for kind in ["challenge", "issued", "delivered"] {
        let line = line(&format!("\"kind\":\"{kind}\""));
        assert!(line.contains("\"by\":\"LINE1\""), "{line}");
    }
}

/// ST-64: the same flow for a terminal; and a second time only on purpose (ST-63).
#[test]
fn a_terminal_is_certified_over_the_network_once() {
    let network = Network::start();
    let station = network.station();
    let told = station.run("terminal --store terminal").succeeds().text();
    assert_eq!(value(&told, "holder "), "ZZTALLYTERM00001");
    station
        .run("terminal --store terminal")
        .fails(1, "say --recertify to certify it again");
    let told = station
        .run("terminal --store terminal --recertify")
        .succeeds();
    assert_eq!(value(&told.text(), "holder "), "ZZTALLYTERM00002");
    let challenge = station
        .run("--output-format json challenge")
        .succeeds()
        .json();
    assert_eq!(challenge["name"], "ZZTALLYTERM00003");
}

/// A card pulled out at any command of its personalisation is finished at the next try, with the one certificate that was made for it.
#[test]
fn a_card_pulled_at_any_command_gets_one_certificate_in_the_end() {
    let network = Network::start();
    let station = network.station();
    let mut certificates = 0;
    for command in 0..8 {
        let fault = Some((command, Fault::DropAfter));
        let (ran, memory) = personalise(&station, CARD, MemoryStore::new(), fault);
        if life(&memory) == LifeCycle::Operational {
            continue;
        }
        assert_ne!(ran.code, Some(0));
        let (again, memory) = personalise(&station, CARD, memory, None);
        let again = match again.stderr.contains("say --recertify") {
            true => personalise(&station, &format!("{CARD} --recertify"), memory, None),
            false => (again, memory),
        };
        again.0.succeeds();
        assert_eq!(life(&again.1), LifeCycle::Operational, "command {command}");
        certificates += 1;
        network
            .desk
            .write("card.cvcert", certificate(&again.1).encoded());
        network
            .desk
            .run("verify card.cvcert --root ca/root.cvcert")
            .succeeds();
    }
    assert!(certificates > 4, "{certificates}");
    network.desk.run("log verify").succeeds();
}

/// A station follows the link from the root it knows, and no other way to a new root.
#[test]
fn a_station_follows_a_roll_over_by_its_link_and_refuses_a_root_that_is_not_linked() {
    let mut network = Network::start();
    let station = network.station();
    network.client("ADA", ClientRole::Operator);
    let station_root = || network.desk.read("LINE1/root.cvcert");
    let first = station_root();
    let (ran, old) = personalise(&station, CARD, MemoryStore::new(), None);
    ran.succeeds();
    station.run("log head --out before.json").succeeds();
    network
        .desk
        .run("rollover --name ZZTALLYROOT00002 --passphrase-file passphrase")
        .succeeds();

    let told = station.run("--output-format json challenge").succeeds();
    assert!(told.stderr.contains("ZZTALLYROOT00002 is linked"));
    assert_eq!(told.json()["issuer"], "ZZTALLYROOT00002");
    assert_ne!(station_root(), first);
    // The service that was not started again has the old key. It says so, and signs nothing.
    let (ran, _) = personalise(&station, CARD, MemoryStore::new(), None);
    ran.fails(1, "the authority's root is ZZTALLYROOT00002");
    let running = serve(&network.desk, 0, Approval::None);
    let url = format!("https://127.0.0.1:{}", running.address().port());
    for client in ["LINE1", "ADA"] {
        fs::write(network.desk.path(&format!("{client}/url")), &url).unwrap();
    }
    let station = network.desk.over(&url, "LINE1");

    let (ran, new) = personalise(&station, CARD, MemoryStore::new(), None);
    ran.succeeds();
    let second = new.read(Record::ROOT_A).unwrap().unwrap();
    assert_eq!(station_root(), *second);
    assert_eq!(
        certificate(&new).claims().issuer.as_str(),
        "ZZTALLYROOT00002"
    );
    assert_eq!(
        certificate(&old).claims().issuer.as_str(),
        "ZZTALLYROOT00001"
    );
    station.run("terminal --store terminal").succeeds();
    let store = FileStore::open(network.desk.path("terminal")).unwrap();
    let known = summary(&store, &IdentityName::new("default").unwrap()).unwrap();
    let roots: Vec<_> = known.roots.iter().map(Certificate::encoded).collect();
    assert_eq!(roots, [first.as_slice(), second.as_slice()]);
    assert_eq!(known.links.len(), 1);
    assert_eq!(known.links[0].claims().issuer.as_str(), "ZZTALLYROOT00001");

    // Who watches sees certificates and lines under both roots.
    let operator = network.desk.over(&url, "ADA");
    let holders = operator.run("--output-format json list").succeeds().json();
    let issuers: BTreeSet<&str> = holders
        .as_array()
        .unwrap()
        .iter()
        .map(|holder| holder["issuer"].as_str().unwrap())
        .collect();
    assert_eq!(issuers.len(), 2, "{holders}");
    let told = operator.run("log verify").succeeds().text();
    assert_eq!(value(&told, "roots"), "2");

    // A head of before leads to one of after, and not back.
    operator.run("log head --out after.json").succeeds();
    operator
        .run("log consistency --from before.json --to after.json --out proof.json")
        .succeeds();
    operator
        .run("log consistency --from after.json --to before.json --out back.json")
        .fails(1, "`from` is after `to`");

    // A station that knows another first root, or the same name with another key, is not led on.
    let other = Desk::with_authority();
    fs::write(
        network.desk.path("LINE1/root.cvcert"),
        other.read("ca/root.cvcert"),
    )
    .unwrap();
    station.run("challenge").fails(3, "no link leads to it");
    fs::write(network.desk.path("LINE1/root.cvcert"), &first).unwrap();
    station.run("challenge").succeeds();
    // Once it has followed, the earlier root is another authority's.
    assert_eq!(station_root(), *second);
    network.running = running;
}

#[test]
fn an_operator_revokes_and_publishes_and_a_station_may_not() {
    let network = Network::start();
    let (station, operator) = (
        network.station(),
        network.client("ADA", ClientRole::Operator),
    );
    station.run("terminal --store terminal").succeeds();
    let revoke = "revoke ZZTALLYTERM00001 --reason lost --out list.pem";
    station.run(revoke).fails(1, "wrong-role");
    operator
        .run("terminal --store other")
        .fails(1, "wrong-role");
    operator.run(revoke).succeeds();
    let list = pem::decode(pem::STATUS_LIST, &network.desk.read("list.pem")).unwrap();
    let list = StatusList::decode(&list).unwrap();
    assert_eq!(
        (list.claims().sequence, list.claims().revoked.len()),
        (1, 1)
    );
    operator.run(revoke).fails(1, "revoked already");
    operator
        .run("status-list publish --out list.pem")
        .succeeds();
    let told = network
        .desk
        .run("--output-format json list")
        .succeeds()
        .json();
    assert_eq!(told[0]["state"], "revoked");
}

#[test]
fn who_is_not_enrolled_or_speaks_to_somebody_else_is_told_so() {
    let network = Network::start();
    let url = network.url();
    let nobody = network.desk.over(&url, "nobody");
    nobody
        .run("challenge")
        .fails(1, "this station is not enrolled");
    // Another authority's code: nothing is sent to this one.
    let other = Network::start();
    other.code("LINE1", ClientRole::Station);
    network.desk.write("code", &other.desk.read("code"));
    let enrol = format!("enrol {url} --code-file code --station st");
    network
        .desk
        .run(&enrol)
        .fails(1, "the code is for another authority");
    assert!(!network.desk.path("st").exists());
    network.desk.write("code", b"1234");
    network
        .desk
        .run(&enrol)
        .fails(2, "a code has 56 letters and digits");
    network
        .desk
        .run("enrol http://127.0.0.1:1 --code-file code")
        .fails(2, "a code has");
    // A used one.
    let station = network.station();
    network.desk.run(&enrol).fails(1, "bad-code");
    station.run("challenge").succeeds();
    let slash = network.desk.over(&format!("{url}/"), "LINE1");
    slash.run("challenge").succeeds();
    // The identity of one service is not shown to another.
    let stray = network.desk.over(&other.url(), "LINE1");
    stray.run("challenge").fails(1, "enrolled with https://");
    // A root that changed is noticed before anything is asked for.
    let root = network.desk.path("LINE1/root.cvcert");
    fs::write(root, other.desk.read("ca/root.cvcert")).unwrap();
    station.run("challenge").fails(3, "its root is another one");
}

#[test]
fn a_client_that_was_revoked_and_a_service_that_is_gone_are_told_apart() {
    let network = Network::start();
    let station = network.station();
    let register = register(&network.desk.path("ca"));
    register.revoke("LINE1", now()).unwrap();
    station.run("challenge").fails(1, "client-revoked");
    let (desk, url) = (network.desk, station);
    network.running.stop();
    network.running.wait().unwrap();
    url.run("challenge").fails(1, "cannot reach https://");
    drop(desk);
}

/// The state of the service that a certificate needs outlives the service.
#[test]
fn a_service_that_was_started_again_goes_on_where_it_was() {
    let network = Network::start();
    let station = network.station();
    station.run("challenge").succeeds();
    let port = network.running.address().port();
    network.running.stop();
    network.running.wait().unwrap();
    let running = serve(&network.desk, port, Approval::None);
    let told = station
        .run("--output-format json challenge")
        .succeeds()
        .json();
    assert_eq!(told["name"], "ZZTALLYTERM00002");
    running.stop();
    running.wait().unwrap();
}

/// A whole tray. Cards are put in one after the other, one is pulled out midway and put in again, and the run itself is ended and begun
/// again: every card gets one certificate, and the report has each of them once.
#[test]
fn a_tray_of_cards_is_finished_through_every_interruption() {
    let network = Network::start();
    let station = network.station();
    let batch = |count: u32| {
        let line = format!(
            "batch --listen 127.0.0.1:0 --pin-file pin --count {count} --report report.jsonl"
        );
        let arguments: Vec<&str> = line.split(' ').collect();
        let mut child = station
            .command(&arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut words = BufReader::new(child.stderr.take().unwrap());
        let mut first = String::new();
        words.read_line(&mut first).unwrap();
        let address = first.trim().rsplit_once("--connect ").unwrap().1.to_owned();
        let drain = thread::spawn(move || words.lines().map_while(Result::ok).collect::<Vec<_>>());
        (child, address, drain)
    };
    let report = || {
        let text = fs::read_to_string(network.desk.path("report.jsonl")).unwrap_or_default();
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
        lines.collect::<Vec<serde_json::Value>>()
    };
    let insert = |address: &str, memory: MemoryStore, fault: Option<u64>, until: usize| {
        let stop = StopFlag::default();
        let mut client = VpcdClient::new(address).on_event(|_| ());
        if let Some(command) = fault {
            client = client.with_fault(command, Fault::DropAfter);
        }
        let mut card = VirtualCard::new(memory, SysRng);
        let raised = stop.clone();
        let inside = thread::spawn(move || {
            client.run(&mut card, &raised).unwrap();
            card.into_store()
        });
        while report().len() < until && !inside.is_finished() {
            thread::sleep(Duration::from_millis(5));
        }
        stop.raise();
        inside.join().unwrap()
    };
    let (mut child, address, drain) = batch(2);
    let first = insert(&address, MemoryStore::new(), None, 1);
    let second = insert(&address, MemoryStore::new(), Some(4), 2); // pulled out, and put in again
    assert!(
        child.wait().unwrap().success(),
        "{:?}",
        drain.join().unwrap()
    );
    // Two are done; the same command with a larger tray goes on.
    let (mut child, address, drain) = batch(3);
    let third = insert(&address, MemoryStore::new(), None, 3);
    assert!(
        child.wait().unwrap().success(),
        "{:?}",
        drain.join().unwrap()
    );
    let names: Vec<String> = [&first, &second, &third]
        .map(|memory| {
            assert_eq!(life(memory), LifeCycle::Operational);
            certificate(memory).claims().holder.to_string()
        })
        .to_vec();
    let told: Vec<String> = report()
        .iter()
        .map(|line| line["name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(told, names);
    assert_eq!(
        report()
            .iter()
            .filter(|line| line["puk"].is_string())
            .count(),
        3
    );
    let list = network
        .desk
        .run("--output-format json list")
        .succeeds()
        .json();
    let cards = list.as_array().unwrap().len();
    assert_eq!(cards, 3, "never two certificates for one card");
    let (mut child, _, _) = batch(3);
    assert!(child.wait().unwrap().success(), "nothing is left to do");
}
