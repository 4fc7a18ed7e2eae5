//! `certify approvals`: an operator's word about requests that wait.

use super::describe::certificate_sheet;
use crate::cli::{ApprovalsVerb, Arguments, Style};
use crate::failure::Failure;
use crate::office;
use crate::office::remote::{Remote, Text as _, list};
use crate::sheet::{Sheet, print_all};
use authority::Moment;
use host::output::note;
use serde_json::{Value, json};

/// `certify approvals ..`.
pub fn run(arguments: &Arguments, verb: &ApprovalsVerb) -> Result<(), Failure> {
    let style = arguments.output_format;
    let remote = office::reach(arguments)?.ok_or_else(|| {
        Failure::usage(
            "requests wait only at an authority over the network: --authority URL; whoever has its folder and key needs no approval",
        )
    })?;
    match verb {
        ApprovalsVerb::List => show(&remote, style),
        ApprovalsVerb::Approve { id } => {
            let told = remote
                .link()
                .post(&path(*id), &json!({ "decision": "approve" }))?;
            let certificate = remote.recorded(&told)?;
            certificate_sheet(&certificate).print(style)?;
            Ok(())
        }
        ApprovalsVerb::Refuse { id, reason } => {
            let verdict = json!({ "decision": "refuse", "reason": reason });
            remote.link().post(&path(*id), &verdict)?;
            note(format_args!(
                "Request {id} is refused. Its name and its key are never certified."
            ));
            Ok(())
        }
    }
}

fn path(id: u64) -> String {
    format!("/v1/approvals/{id}")
}

fn show(remote: &Remote, style: Style) -> Result<(), Failure> {
    let told = remote.link().get("/v1/approvals")?;
    let sheets: Result<Vec<Sheet>, Failure> = list(&told, "waiting")?.iter().map(row).collect();
    let sheets = sheets?;
    if sheets.is_empty() && style == Style::Text {
        note("no request waits");
        return Ok(());
    }
    print_all(&sheets, style)?;
    Ok(())
}

fn row(row: &Value) -> Result<Sheet, Failure> {
    let day = |key: &str| -> Result<String, Failure> {
        let moment = Moment::from_unix_seconds(row.number(key)?);
        Ok(moment.map_or_else(|| "-".into(), |moment| moment.day().to_string()))
    };
    Ok(Sheet::default()
        .text("id", row.text("id")?)
        .text("name", &row.name("holder")?)
        .text("role", row.text("role")?)
        .row("years", row.number("years")?)
        .text("station", row.text("client")?)
        .text("since", &day("since")?)
        .text("dies after", &day("until")?)
        .text("key id", row.text("key_id")?)
        .row(
            "replaces",
            row.get("replaces").cloned().unwrap_or(Value::Null),
        ))
}
