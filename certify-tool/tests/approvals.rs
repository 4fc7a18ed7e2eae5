//! Certificates that an operator has to approve, seen from the station and from the operator's desk.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

mod service;
mod support;
mod virtual_card;

use apdu::certificate::{Certificate, Name, Request, Role};
use apdu::crypto::PrivateKey;
use authority::server::approval::Approval;
use authority::server::clients::ClientRole;
use card_core::lifecycle::LifeCycle;
use card_core::store::{MemoryStore, Record, Store as _};
use card_sim::body::VirtualCard;
use card_sim::vpcd::{StopFlag, VpcdClient};
use getrandom::SysRng;
use serde_json::Value;
use service::Network;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use support::{Desk, value};
use virtual_card::personalise;

const CARD: &str = "card --listen 127.0.0.1:0 --pin-file pin";

fn key(memory: &MemoryStore) -> Vec<u8> {
    memory.read(Record::KEY).unwrap().unwrap().to_vec()
}

fn certificate(memory: &MemoryStore) -> Certificate {
    let bytes = memory.read(Record::CERTIFICATE).unwrap().unwrap();
    Certificate::decode(&bytes).unwrap()
}

fn waiting(operator: &Desk) -> Vec<Value> {
    let told = operator.run("--output-format json approvals list");
    told.succeeds().json().as_array().unwrap().clone()
}

/// The id of the only request that waits.
fn only(operator: &Desk) -> String {
    let waiting = waiting(operator);
    assert_eq!(waiting.len(), 1, "{waiting:?}");
    waiting[0]["id"].as_str().unwrap().to_owned()
}

fn holders(network: &Network) -> Vec<Value> {
    let told = network.desk.run("--output-format json list");
    told.succeeds().json().as_array().unwrap().clone()
}

fn start(approval: Approval) -> (Network, Desk, Desk) {
    let network = Network::asking(approval);
    let station = network.station();
    let operator = network.client("ADA", ClientRole::Operator);
    (network, station, operator)
}

#[test]
fn a_card_waits_for_an_operator_and_goes_on_with_the_same_key_and_one_certificate() {
    let (network, station, operator) = start(Approval::Cards);
    let (ran, memory) = personalise(&station, CARD, MemoryStore::new(), None);
    let ran = ran.fails(5, "ZZTALLYCARD00001 waits for an operator's approval");
    assert!(
        ran.stdout.is_empty(),
        "no PUK is told before there is a certificate"
    );
    assert_eq!(LifeCycle::of(&memory).unwrap(), LifeCycle::Initialised);
    let own = key(&memory);
    let id = only(&operator);
    assert!(
        ran.stderr
            .contains(&format!("certify approvals approve {id}"))
    );
    // Too early: nothing changes, and nothing more is ordered.
    let (early, memory) = personalise(&station, CARD, memory, None);
    early.fails(5, "waits for an operator's approval");
    assert!(key(&memory) == own);
    assert_eq!(only(&operator), id);
    let told = operator.run(&format!("approvals approve {id}")).succeeds();
    assert_eq!(value(&told.text(), "holder "), "ZZTALLYCARD00001");
    let (done, memory) = personalise(&station, CARD, memory, None);
    let told = done.succeeds().text();
    assert!(!value(&told, "puk ").is_empty(), "{told}");
    assert_eq!(LifeCycle::of(&memory).unwrap(), LifeCycle::Operational);
    assert!(key(&memory) == own);
    assert_eq!(
        certificate(&memory).claims().holder.as_str(),
        "ZZTALLYCARD00001"
    );
    assert_eq!(
        holders(&network).len(),
        1,
        "never two certificates for one card"
    );
    network.desk.run("log verify").succeeds();
}

/// Approves the first request that waits, while `run` waits for it.
fn approved_meanwhile<T>(operator: &Desk, run: impl FnOnce() -> T) -> T {
    let mut list = operator.command(&["--output-format", "json", "approvals", "list"]);
    let mut approve = operator.command(&["approvals", "approve"]);
    let over = Arc::new(AtomicBool::new(false));
    let is_over = Arc::clone(&over);
    let approver = thread::spawn(move || {
        while !is_over.load(SeqCst) {
            let told: Value = serde_json::from_slice(&list.output().unwrap().stdout).unwrap();
            if let Some(id) = told[0]["id"].as_str() {
                return approve.arg(id).output().unwrap().status.success();
            }
        }
        false
    });
    let done = run();
    over.store(true, SeqCst);
    assert!(approver.join().unwrap(), "nothing waited");
    done
}

#[test]
fn a_card_that_may_wait_is_finished_in_one_go_or_at_its_second_try() {
    let (network, station, operator) = start(Approval::All);
    let patient = format!("{CARD} --wait-approval 600");
    let (ran, memory) = approved_meanwhile(&operator, || {
        personalise(&station, &patient, MemoryStore::new(), None)
    });
    ran.succeeds();
    assert_eq!(LifeCycle::of(&memory).unwrap(), LifeCycle::Operational);
    let (ran, memory) = personalise(&station, CARD, MemoryStore::new(), None);
    ran.fails(5, "ZZTALLYCARD00002 waits");
    let own = key(&memory);
    let (ran, memory) =
        approved_meanwhile(&operator, || personalise(&station, &patient, memory, None));
    ran.succeeds();
    assert_eq!(LifeCycle::of(&memory).unwrap(), LifeCycle::Operational);
    assert!(key(&memory) == own);
    assert_eq!(holders(&network).len(), 2);
}

#[test]
fn a_refused_card_is_told_why_and_needs_a_new_order() {
    let (network, station, operator) = start(Approval::Cards);
    let (ran, memory) = personalise(&station, CARD, MemoryStore::new(), None);
    ran.fails(5, "waits for an operator's approval");
    let id = only(&operator);
    operator
        .run(&format!("approvals refuse {id} --reason unknown"))
        .succeeds();
    operator
        .run(&format!("approvals approve {id}"))
        .fails(1, "conflict");
    let (ran, memory) = personalise(&station, CARD, memory, None);
    ran.fails(1, "say --recertify");
    let (ran, memory) = personalise(&station, &format!("{CARD} --recertify"), memory, None);
    ran.fails(5, "ZZTALLYCARD00002 waits");
    operator
        .run(&format!("approvals approve {}", only(&operator)))
        .succeeds();
    let (ran, memory) = personalise(&station, CARD, memory, None);
    ran.succeeds();
    assert_eq!(
        certificate(&memory).claims().holder.as_str(),
        "ZZTALLYCARD00002"
    );
    assert_eq!(holders(&network).len(), 1);
}

#[test]
fn a_terminal_waits_with_its_request_in_the_store() {
    let (network, station, operator) = start(Approval::Terminals);
    let line = "terminal --store terminal";
    station.run(line).fails(5, "ZZTALLYTERM00001 waits");
    station.run(line).fails(5, "ZZTALLYTERM00001 waits");
    let id = only(&operator);
    operator.run(&format!("approvals approve {id}")).succeeds();
    let told = station.run(line).succeeds().text();
    assert_eq!(value(&told, "holder "), "ZZTALLYTERM00001");
    let patient = "terminal --store other --wait-approval 600";
    let told = approved_meanwhile(&operator, || station.run(patient));
    assert_eq!(
        value(&told.succeeds().text(), "holder "),
        "ZZTALLYTERM00002"
    );
    // Refused: the next run orders anew, under another name.
    let refused = "terminal --store refused";
    station.run(refused).fails(5, "ZZTALLYTERM00003 waits");
    let id = only(&operator);
    operator
        .run(&format!("approvals refuse {id} --reason unknown"))
        .succeeds();
    station.run(refused).fails(5, "ZZTALLYTERM00004 waits");
    assert_eq!(holders(&network).len(), 2);
}

#[test]
fn a_request_file_is_sent_again_and_gets_the_certificate_that_was_approved() {
    let (network, station, operator) = start(Approval::All);
    let told = station
        .run("--output-format json challenge")
        .succeeds()
        .json();
    let word = |key: &str| told[key].as_str().unwrap().to_owned();
    let nonce = u128::from_str_radix(&word("nonce"), 16)
        .unwrap()
        .to_be_bytes();
    let name = |text: &str| Name::new(text).unwrap();
    let key = PrivateKey::generate(&mut SysRng).unwrap();
    let (issuer, holder) = (name(&word("issuer")), name(&word("name")));
    let request = Request::create(issuer, holder, Role::Terminal, nonce, &key);
    network.desk.write("request", request.encoded());
    let line = "terminal --request request --out terminal.pem";
    station
        .run(line)
        .fails(5, "waits for an operator's approval");
    station
        .run(line)
        .fails(5, "waits for an operator's approval");
    assert!(!network.desk.path("terminal.pem").exists());
    let id = only(&operator);
    operator.run(&format!("approvals approve {id}")).succeeds();
    station.run(line).succeeds();
    let first = network.desk.read("terminal.pem");
    station.run(line).succeeds();
    assert!(
        network.desk.read("terminal.pem") == first,
        "the same once more"
    );
    assert_eq!(holders(&network).len(), 1);
}

#[test]
fn only_an_operator_over_the_network_decides_and_only_about_what_waits() {
    let (network, station, operator) = start(Approval::All);
    station.run("terminal --store t").fails(5, "waits");
    let id = only(&operator);
    for verb in [
        "approvals list".to_owned(),
        format!("approvals approve {id}"),
        format!("approvals refuse {id} --reason no"),
    ] {
        station.run(&verb).fails(1, "wrong-role");
        network.desk.run(&verb).fails(2, "--authority URL");
    }
    operator.run("approvals approve 1").fails(1, "not-found");
    operator
        .run("approvals refuse 99 --reason no")
        .fails(1, "not-found");
    assert_eq!(only(&operator), id);
    operator
        .run(&format!("approvals refuse {id} --reason no"))
        .succeeds();
    let told = operator.run("approvals list").succeeds();
    assert!(told.stderr.contains("no request waits"), "{}", told.stderr);
}

/// Each card of a tray is put in twice: for its request, and for its certificate.
#[test]
fn a_tray_of_cards_waits_for_an_operator_between_its_two_rounds() {
    let (network, station, operator) = start(Approval::Cards);
    let line = "batch --listen 127.0.0.1:0 --pin-file pin --count 2 --report report.jsonl";
    let mut cards = [MemoryStore::new(), MemoryStore::new()];
    for round in 0..2 {
        let arguments: Vec<&str> = line.split(' ').collect();
        let mut child = station
            .command(&arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut words = BufReader::new(child.stderr.take().unwrap()).lines();
        let first = words.next().unwrap().unwrap();
        let address = first.trim().rsplit_once("--connect ").unwrap().1.to_owned();
        for memory in &mut cards {
            let stop = StopFlag::default();
            let raised = stop.clone();
            let mut card = VirtualCard::new(memory.dangerous_copy(), SysRng);
            let mut client = VpcdClient::new(&address).on_event(|_| ());
            let inside = thread::spawn(move || {
                client.run(&mut card, &raised).unwrap();
                card.into_store()
            });
            let end = if round == 0 {
                "put this card in again"
            } else {
                "  activated"
            };
            let said = words
                .by_ref()
                .map_while(Result::ok)
                .find(|line| line.contains(end));
            assert!(said.is_some(), "round {round}: the batch has ended");
            stop.raise();
            *memory = inside.join().unwrap();
        }
        if round == 0 {
            child.kill().unwrap(); // the person goes to lunch
            let ids = waiting(&operator);
            assert_eq!(ids.len(), 2);
            for row in ids {
                let id = row["id"].as_str().unwrap();
                operator.run(&format!("approvals approve {id}")).succeeds();
            }
            child.wait().unwrap();
        } else {
            let rest = thread::spawn(move || words.map_while(Result::ok).collect::<Vec<_>>());
            assert!(
                child.wait().unwrap().success(),
                "{:?}",
                rest.join().unwrap()
            );
        }
    }
    for memory in &cards {
        assert_eq!(LifeCycle::of(memory).unwrap(), LifeCycle::Operational);
    }
    assert_eq!(holders(&network).len(), 2, "one certificate for each");
}
