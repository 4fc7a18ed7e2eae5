//! `certify clients`: who may use the service, and what a second operator confirms.

use crate::cli::{Arguments, Style};
use crate::cli_clients::{ClientsVerb, RightsArguments};
use crate::failure::Failure;
use crate::office;
use crate::office::remote::{Remote, Text as _, list};
use crate::sheet::{Sheet, print_all};
use authority::Moment;
use host::output::{handed_over, note};
use serde_json::{Map, Value, json};

/// `certify clients ..`.
pub fn run(arguments: &Arguments, verb: &ClientsVerb) -> Result<(), Failure> {
    let style = arguments.output_format;
    let remote = office::reach(arguments)?.ok_or_else(|| {
        Failure::usage(
            "clients are of an authority over the network: --authority URL; on its own machine use `authority enrol`",
        )
    })?;
    let link = remote.link();
    match verb {
        ClientsVerb::List => show_clients(&remote, style),
        ClientsVerb::Invite { name, role, rights } => {
            let body = json!({ "name": name, "role": role.word(), "rights": told_rights(rights) });
            let told = link.post("/v1/enrolments", &body)?;
            // A code that nobody has would keep its name from everybody for a day.
            if let Err(undelivered) = handed_over(format_args!("{}\n", told.text("code")?)) {
                let taken_back = match link.delete(&format!("/v1/clients/{name}")) {
                    Ok(_) => "the invitation was taken back".to_owned(),
                    Err(error) => format!(
                        "the invitation could not be taken back: {}",
                        Failure::from(error).message()
                    ),
                };
                return Err(Failure::from(undelivered).and(&taken_back));
            }
            match told.get("proposal").and_then(Value::as_str) {
                Some(id) => note(format_args!(
                    "The code enrols {name} once, within a day after another operator has confirmed it (`certify clients confirm {id}`)."
                )),
                None => note(format_args!("The code enrols {name} once, within a day.")),
            }
            Ok(())
        }
        ClientsVerb::Revoke { name } => {
            let told = link.delete(&format!("/v1/clients/{name}"))?;
            done_or_waits(
                &told,
                &format!("{name} is revoked, or its invitation taken back."),
            );
            Ok(())
        }
        ClientsVerb::Rights { name, rights } => {
            let told = link.post(&format!("/v1/rights/{name}"), &told_rights(rights))?;
            done_or_waits(&told, &format!("{name} has these rights from now on."));
            Ok(())
        }
        ClientsVerb::Proposals => show_proposals(&remote, style),
        ClientsVerb::Confirm { id } => {
            link.post(&path(*id), &json!({ "decision": "confirm" }))?;
            note(format_args!("Change {id} is made."));
            Ok(())
        }
        ClientsVerb::Dismiss { id } => {
            link.post(&path(*id), &json!({ "decision": "dismiss" }))?;
            note(format_args!("Change {id} is not made."));
            Ok(())
        }
    }
}

fn path(id: u64) -> String {
    format!("/v1/proposals/{id}")
}

/// Says that a change was made, or under which id it waits.
fn done_or_waits(told: &Value, done: &str) {
    match told.get("proposal").and_then(Value::as_str) {
        None => note(done),
        Some(id) => note(format_args!(
            "The change waits for another operator (`certify clients confirm {id}`)."
        )),
    }
}

fn told_rights(rights: &RightsArguments) -> Value {
    let mut told = Map::new();
    if !rights.prefix.is_empty() {
        told.insert("prefixes".into(), json!(rights.prefix));
    }
    if !rights.certifies.is_empty() {
        told.insert("roles".into(), json!(rights.certifies));
    }
    let years = rights.years.map(u32::from);
    for (key, value) in [
        ("years", years),
        ("daily", rights.daily),
        ("jump", rights.jump),
    ] {
        if let Some(value) = value {
            told.insert(key.into(), value.into());
        }
    }
    Value::Object(told)
}

fn show_clients(remote: &Remote, style: Style) -> Result<(), Failure> {
    let clients = remote.link().get("/v1/clients")?;
    let invited = remote.link().get("/v1/enrolments")?;
    let mut sheets = Vec::new();
    for row in list(&clients, "clients")? {
        let revoked = row.get("revoked").is_some_and(|revoked| !revoked.is_null());
        let state = if revoked { "revoked" } else { "enrolled" };
        sheets.push(client(row, state)?.text("since", &day(row, "added")?));
    }
    for row in list(&invited, "enrolments")? {
        sheets.push(client(row, "invited")?.text("code until", &day(row, "expires")?));
    }
    print_all(&sheets, style)?;
    Ok(())
}

fn client(row: &Value, state: &str) -> Result<Sheet, Failure> {
    Ok(Sheet::default()
        .text("name", row.text("name")?)
        .text("role", row.text("role")?)
        .text("state", state)
        .row("invited by", member(row, "invited_by"))
        .row("rights", member(row, "rights").to_string()))
}

fn show_proposals(remote: &Remote, style: Style) -> Result<(), Failure> {
    let told = remote.link().get("/v1/proposals")?;
    let mut sheets = Vec::new();
    for row in list(&told, "proposals")? {
        sheets.push(
            Sheet::default()
                .text("id", row.text("id")?)
                .text("what", row.text("what")?)
                .row("client", member(row, "client"))
                .row("role", member(row, "role"))
                .row("rights", member(row, "rights").to_string())
                .text("by", row.text("by")?)
                .text("dies after", &day(row, "until")?),
        );
    }
    if sheets.is_empty() && style == Style::Text {
        note("no change waits for a second operator");
        return Ok(());
    }
    print_all(&sheets, style)?;
    Ok(())
}

fn member(row: &Value, key: &str) -> Value {
    row.get(key).cloned().unwrap_or(Value::Null)
}

fn day(row: &Value, key: &str) -> Result<String, Failure> {
    let moment = Moment::from_unix_seconds(row.number(key)?);
    Ok(moment.map_or_else(|| "-".into(), |moment| moment.day().to_string()))
}
