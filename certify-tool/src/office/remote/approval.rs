//! Waiting for an operator, at a station.

use super::messages::Text as _;
use super::{Awaited, Remote};
use crate::failure::{Failure, Kind};
use crate::office::Office as _;
use apdu::certificate::{Certificate, Role};
use host::output::note;
use serde_json::Value;
use std::thread;
use std::time::{Duration, Instant};

/// Between two questions.
const PAUSE: Duration = Duration::from_secs(1);

/// A row of the service's list.
pub(super) fn awaited(row: &Value) -> Result<Awaited, Failure> {
    Ok(Awaited {
        id: row.text("id")?.into(),
        holder: row.name("holder")?,
    })
}

impl Remote {
    /// Waits until one of these does not wait any more, or patience is at its end.
    pub(super) fn outlast(&mut self, role: Role, awaited: &[Awaited]) -> Result<(), Failure> {
        let begun = Instant::now();
        if !self.patience.is_zero() {
            note(format_args!("  {}", waits(awaited)));
        }
        loop {
            let open = self.awaiting(role)?;
            if !awaited.iter().all(|one| open.contains(one)) {
                return Ok(());
            }
            let left = self.patience.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return Err(Failure::new(
                    Kind::Waiting,
                    format!(
                        "{}; after it, run the same command again, or let it wait with --wait-approval SECONDS",
                        waits(awaited)
                    ),
                ));
            }
            thread::sleep(PAUSE.min(left));
        }
    }

    /// The certificate of a request that has waited.
    pub(super) fn what_became_of(&self, awaited: &Awaited) -> Result<Certificate, Failure> {
        let told = self.link.get(&format!("/v1/requests/{}", awaited.id))?;
        match told.text("state")? {
            "issued" => self.recorded(&told),
            "refused" => Err(Failure::failed(format!(
                "request {} for {} gets no certificate: {}; another one needs a new order, under a new name",
                awaited.id,
                awaited.holder,
                told.text("reason")?
            ))),
            _ => Err(Failure::new(
                Kind::Waiting,
                waits(std::slice::from_ref(awaited)),
            )),
        }
    }
}

fn waits(awaited: &[Awaited]) -> String {
    let one = |one: &Awaited| format!("{} for {}", one.id, one.holder);
    match awaited {
        [single] => format!(
            "request {} waits for an operator's approval (`certify approvals approve {}`)",
            one(single),
            single.id
        ),
        all => {
            let all: Vec<String> = all.iter().map(one).collect();
            format!(
                "requests wait for an operator's approval (`certify approvals approve`): {}",
                all.join(", ")
            )
        }
    }
}
