//! The ledger and the holders over the network: what comes is checked, and a service that lies is found out.

mod service;
mod support;

use authority::server::clients::ClientRole;
use authority::tree::SignedTreeHead;
use rusqlite::Connection;
use service::Network;
use std::fs;
use support::{Desk, value};

fn grown() -> (Network, Desk, Desk) {
    let network = Network::start();
    let station = network.station();
    let operator = network.client("ADA", ClientRole::Operator);
    for store in ["one", "two"] {
        let line = format!("terminal --store {store}");
        station.run(&line).succeeds();
    }
    operator
        .run("revoke ZZTALLYTERM00001 --reason lost --out list.pem")
        .succeeds();
    (network, station, operator)
}

#[test]
fn holders_over_the_network_are_those_in_the_folder() {
    let (network, station, operator) = grown();
    let line = "--output-format json list";
    let there = operator.run(line).succeeds().json();
    assert_eq!(there, network.desk.run(line).succeeds().json());
    assert_eq!(there[0]["state"], "revoked");
    assert_eq!(there[1]["state"], "valid");
    station.run("list").fails(1, "wrong-role");
}

#[test]
fn lines_and_heads_and_receipts_over_the_network_are_those_in_the_folder() {
    let (network, station, operator) = grown();
    for client in [&station, &operator] {
        for line in [
            "log lines",
            "log lines --first 3 --count 2",
            "log lines --first 99",
            "log head",
            "log receipt ZZTALLYTERM00002",
        ] {
            let there = client.run(line).succeeds().stdout;
            let here = network.desk.run(line).succeeds().stdout;
            assert!(there == here, "{line}");
        }
    }
    let two = station
        .run("log lines --first 3 --count 2")
        .succeeds()
        .text();
    assert_eq!(two.lines().count(), 2);
    station
        .run("log receipt ZZTALLYTERM00002 --out receipt")
        .succeeds();
    network
        .desk
        .run("log check receipt --root ca/root.cvcert")
        .succeeds();
    station
        .run("log receipt ZZTALLYTERM00003")
        .fails(1, "not-found");
}

#[test]
fn a_proof_over_the_network_leads_from_an_earlier_head_to_a_later_one_and_not_back() {
    let (network, station, _) = grown();
    station.run("log head --out early").succeeds();
    station.run("terminal --store three").succeeds();
    station.run("log head --out late").succeeds();
    station
        .run("log consistency --from early --to late --out proof")
        .succeeds();
    network
        .desk
        .run("log check proof --root ca/root.cvcert --from early --to late")
        .succeeds();
    station
        .run("log consistency --from late --to early")
        .fails(1, "malformed");
    // A head that somebody changed is not asked about.
    let early = SignedTreeHead::from_json(&network.desk.read("early")).unwrap();
    let text = String::from_utf8(network.desk.read("early")).unwrap();
    let root = early.head.root.to_string();
    let forged = text.replace(&root, &"0".repeat(64));
    assert_ne!(forged, text);
    network.desk.write("forged", forged.as_bytes());
    station
        .run("log consistency --from forged --to late")
        .fails(3, "the authority's head does not verify");
}

#[test]
fn the_whole_ledger_is_verified_from_afar_as_in_the_folder() {
    let (network, station, operator) = grown();
    let here = network.desk.run("log verify").succeeds().text();
    for client in [&station, &operator] {
        assert_eq!(client.run("log verify").succeeds().text(), here);
    }
    assert_eq!(value(&here, "certificates "), "2");
    station.run("log head --out early").succeeds();
    station.run("terminal --store three").succeeds();
    station.run("log verify --head early").succeeds();
    // A head that no ledger of this authority ever had.
    let other = Network::start();
    other.desk.run("log head --out other").succeeds();
    network.desk.write("other", &other.desk.read("other"));
    station
        .run("log verify --head other")
        .fails(3, "the noted head is not signed by");
}

#[test]
fn a_service_whose_lines_were_changed_or_taken_away_is_found_from_afar() {
    for (change, says) in [
        (
            "UPDATE lines SET entry = replace(entry, 'lost', 'sold') WHERE entry LIKE '%revoked%'",
            "the signed head over 13 lines is not of this ledger",
        ),
        (
            "UPDATE lines SET entry = replace(entry, 'LINE1', 'LINE9') WHERE sequence = 7",
            "its client is not enrolled in a role that may do this",
        ),
        (
            "DELETE FROM lines WHERE sequence = 13",
            "it has 13 lines, and has 12",
        ),
        (
            "DELETE FROM lines WHERE sequence = 3",
            "line 3: it stands in another place than it says",
        ),
    ] {
        let (network, station, _) = grown();
        station.run("log verify").succeeds();
        let database = Connection::open(network.desk.path("ca/authority.db")).unwrap();
        assert_eq!(database.execute(change, []).unwrap(), 1, "{change}");
        drop(database);
        station.run("log verify").fails(3, says);
    }
}

/// The service goes back to an earlier copy of its ledger and goes on from there: every head is signed, and the noted one convicts it.
#[test]
fn a_ledger_that_was_put_back_is_found_by_a_noted_head() {
    let (network, station, operator) = grown();
    let port = network.running.address().port();
    network.running.stop();
    network.running.wait().unwrap();
    let database = network.desk.path("ca/authority.db");
    let copy = network.desk.path("copy.db");
    fs::copy(&database, &copy).unwrap();
    let serve = || {
        let approval = authority::server::approval::Approval::None;
        service::serve(&network.desk, port, approval)
    };
    let running = serve();
    station.run("terminal --store three").succeeds();
    station.run("log head --out noted").succeeds();
    station.run("log verify --head noted").succeeds();
    running.stop();
    running.wait().unwrap();
    fs::copy(&copy, &database).unwrap();
    let running = serve();
    let convicts = "does not go on where the noted head ended";
    station.run("log verify --head noted").fails(3, convicts);
    for list in ["a", "b", "c"] {
        let line = format!("status-list publish --out {list}");
        operator.run(&line).succeeds();
    }
    station.run("log verify").succeeds();
    station.run("log verify --head noted").fails(3, convicts);
    running.stop();
    running.wait().unwrap();
}
