//! Clients of the service, invited, limited and revoked by an operator over the network.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

mod service;
mod support;

use authority::server::clients::ClientRole;
use serde_json::Value;
use service::Network;
use std::fs::File;
use std::process::Stdio;
use support::{Desk, Ran};

fn rows(operator: &Desk) -> Vec<(String, String, String)> {
    let told = operator.run("--output-format json clients list");
    let told = told.succeeds().json();
    let text = |row: &Value, key: &str| row[key].as_str().unwrap_or("-").to_owned();
    let rows = told.as_array().unwrap().iter();
    rows.map(|row| (text(row, "name"), text(row, "state"), text(row, "rights")))
        .collect()
}

/// A code that nobody has would keep its name from everybody for a day.
#[test]
fn an_invitation_whose_code_was_not_taken_is_taken_back() {
    let network = Network::start();
    let operator = network.client("ADA", ClientRole::Operator);
    let line = "clients invite LINE1 --role station";
    let arguments: Vec<&str> = line.split(' ').collect();
    let full = File::options().write(true).open("/dev/full").unwrap();
    let closed: Stdio = std::io::pipe().unwrap().1.into();
    for stdout in [full.into(), closed] {
        let output = operator.command(&arguments).stdout(stdout).output();
        Ran::new(line, output.unwrap()).fails(1, "the invitation was taken back");
    }
    assert_eq!(rows(&operator).len(), 1);
    operator.run(line).succeeds(); // under the same name
}

#[test]
fn an_operator_invites_limits_and_revokes_a_station() {
    let network = Network::start();
    let operator = network.client("ADA", ClientRole::Operator);
    let invite =
        "clients invite LINE1 --role station --prefix ZZCARD --certifies card --years 3 --daily 9";
    let code = operator.run(invite).succeeds().text();
    let rights = r#"{"daily":9,"prefixes":["ZZCARD"],"roles":["card"],"years":3}"#;
    let row = |name: &str, state: &str, rights: &str| (name.into(), state.into(), rights.into());
    assert_eq!(
        rows(&operator),
        [
            row("ADA", "enrolled", "{}"),
            row("LINE1", "invited", rights)
        ]
    );
    network.desk.write("code", code.as_bytes());
    let enrol = format!("enrol {} --code-file code --station LINE1", network.url());
    network.desk.run(&enrol).succeeds();
    assert_eq!(rows(&operator)[1], row("LINE1", "enrolled", rights));
    operator.run("clients rights LINE1 --jump 5").succeeds();
    assert_eq!(
        rows(&operator)[1],
        row("LINE1", "enrolled", r#"{"jump":5}"#)
    );
    operator.run("clients revoke LINE1").succeeds();
    assert_eq!(rows(&operator)[1].1, "revoked");
    assert_eq!(
        operator
            .run("--output-format json clients proposals")
            .succeeds()
            .json(),
        serde_json::json!([])
    );
    let audited = network.desk.run("log verify");
    audited.succeeds();
}
