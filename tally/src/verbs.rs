//! The verbs that talk to a card.

use crate::ask;
use crate::cli::{CardArguments, CardVerb, CounterVerb, Format, PinVerb, VaultVerb};
use crate::failure::{Failure, Kind};
use crate::output;
use crate::person::{self};
use crate::visit::{with_card, with_pin_if_needed};
use apdu::identifier::{Aid, VAULT_OBJECT_BYTES};
use apdu::message::pin::{Reference, Replacement};
use apdu::message::vault::{ObjectName, Policy};
use host::output::{note, result};
use host::result_file::{self, Access};
use host::text::displayed;
use serde_json::json;
use std::fs;
use std::io::{self, IsTerminal as _, Read};
use std::path::Path;
use terminal_lib::service::counter::Counter;
use terminal_lib::service::vault::Vault;
use terminal_lib::session::CodeOutcome;
use zeroize::Zeroizing;

/// `tally session`: what a session is like.
pub fn session(card: &CardArguments, format: Format) -> Result<(), Failure> {
    with_card(card, |mut session, person| {
        let status = match session.first_status() {
            Some(status) => *status,
            None => session.status().map_err(Failure::failed)?,
        };
        let services = session.services().map_err(Failure::failed)?;
        let names: Vec<_> = services.iter().map(service_name).collect();
        match format {
            Format::Json => output::json(&json!({
                "card": session.card().as_str(),
                "pairedNow": person.paired_now,
                "trustedDate": status.trusted_date.to_string(),
                "statusList": status.list_sequence,
                "pinTries": status.pin_tries,
                "pukTries": status.puk_tries,
                "services": names,
            }))?,
            Format::Text => {
                let how = if person.paired_now {
                    "paired now"
                } else {
                    "reconnected, no set-up needed"
                };
                result(format_args!("card           {} ({how})\n", session.card()))?;
                result(format_args!("trusted date   {}\n", status.trusted_date))?;
                result(format_args!(
                    "status list    {}\n",
                    if status.list_sequence == 0 {
                        "none".into()
                    } else {
                        status.list_sequence.to_string()
                    }
                ))?;
                result(format_args!(
                    "tries          PIN {}, PUK {}\n",
                    status.pin_tries, status.puk_tries
                ))?;
                result(format_args!("services       {}\n", names.join(", ")))?;
            }
        }
        session.close();
        Ok(())
    })
}

fn service_name(aid: &Aid) -> String {
    match *aid {
        Aid::VAULT => "vault".into(),
        Aid::COUNTER => "counter".into(),
        Aid(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}

/// `tally vault`.
pub fn vault(card: &CardArguments, verb: &VaultVerb, format: Format) -> Result<(), Failure> {
    let content = match verb {
        VaultVerb::Put { file, .. } => Some(read_content(file)?),
        _ => None,
    };
    let name = match verb {
        VaultVerb::List => None,
        VaultVerb::Get { name, .. } | VaultVerb::Put { name, .. } | VaultVerb::Delete { name } => {
            Some(ObjectName::new(name).ok_or_else(|| {
                Failure::usage("an object's name is 1 to 32 printable ASCII characters")
            })?)
        }
    };
    with_card(card, |mut session, person| {
        let mut vault = Vault::new();
        match (verb, &name) {
            (VaultVerb::Get { out, raw, .. }, Some(name)) => {
                let content =
                    with_pin_if_needed(&mut session, person, |session| vault.read(session, name))?;
                write_content(out.as_deref(), *raw, &content)?;
            }
            (
                VaultVerb::Put {
                    free_read,
                    free_write,
                    ..
                },
                Some(name),
            ) => {
                let policy = Policy {
                    pin_to_read: !free_read,
                    pin_to_write: !free_write,
                };
                let content = content.as_deref().map_or(&[][..], Vec::as_slice);
                with_pin_if_needed(&mut session, person, |session| {
                    vault.write(session, name, policy, content)
                })?;
                note(format_args!(
                    "{} bytes are in the vault as \"{}\"",
                    content.len(),
                    name.as_str()
                ));
            }
            (VaultVerb::Delete { .. }, Some(name)) => {
                with_pin_if_needed(&mut session, person, |session| vault.delete(session, name))?;
                note(format_args!("\"{}\" is gone", name.as_str()));
            }
            _ => {
                with_pin_if_needed(&mut session, person, |session| {
                    vault.list(session).map(|_| ())
                })?;
                list_vault(&vault, format)?;
            }
        }
        session.close();
        Ok(())
    })
}

fn list_vault(vault: &Vault, format: Format) -> Result<(), Failure> {
    let pin = |needed| if needed { "PIN" } else { "free" };
    match format {
        Format::Json => {
            let list: Vec<_> = vault
                .listed()
                .iter()
                .map(|entry| {
                    json!({
                        "name": entry.name.as_str(),
                        "bytes": entry.size,
                        "pinToRead": entry.policy.pin_to_read,
                        "pinToWrite": entry.policy.pin_to_write,
                    })
                })
                .collect();
            output::json(&json!(list))?;
        }
        Format::Text if vault.listed().is_empty() => result("the vault is empty\n")?,
        Format::Text => {
            result(format_args!(
                "{:<34}{:>8}  {:<5} {:<5}\n",
                "name", "bytes", "read", "write"
            ))?;
            for entry in vault.listed() {
                let (read, write) = (
                    pin(entry.policy.pin_to_read),
                    pin(entry.policy.pin_to_write),
                );
                result(format_args!(
                    "{:<34}{:>8}  {read:<5} {write:<5}\n",
                    entry.name.as_str(),
                    entry.size
                ))?;
            }
        }
    }
    Ok(())
}

fn read_content(file: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let limit = u64::try_from(VAULT_OBJECT_BYTES).unwrap_or(u64::MAX) + 1;
    let mut content = Zeroizing::new(Vec::new());
    let read = if file.as_os_str() == "-" {
        io::stdin().take(limit).read_to_end(&mut content)
    } else {
        fs::File::open(file).and_then(|file| file.take(limit).read_to_end(&mut content))
    };
    read.map_err(|error| Failure::failed(format!("cannot read {}: {error}", file.display())))?;
    if content.len() > VAULT_OBJECT_BYTES {
        return Err(Failure::failed(format!(
            "an object holds at most {VAULT_OBJECT_BYTES} bytes"
        )));
    }
    Ok(content)
}

/// An object's content: into a private file; as it is to a pipe or file; to a terminal only what a terminal does not act on, unless asked
/// for as it is.
fn write_content(out: Option<&Path>, raw: bool, content: &[u8]) -> Result<(), Failure> {
    match out {
        Some(path) => result_file::write(path, content, Access::Private)
            .map_err(|error| Failure::failed(format!("cannot write {}: {error}", path.display()))),
        None if !raw && io::stdout().is_terminal() => Ok(result(displayed(content))?),
        None => Ok(host::output::bytes(content)?),
    }
}

/// `tally counter`.
pub fn counter(card: &CardArguments, verb: &CounterVerb, format: Format) -> Result<(), Failure> {
    with_card(card, |mut session, person| {
        let mut counter = Counter::new();
        match verb {
            CounterVerb::Show => {}
            CounterVerb::Add { amount } => {
                counter
                    .add(&mut session, *amount)
                    .map_err(Failure::failed)?;
            }
            CounterVerb::Limit { limit } => {
                with_pin_if_needed(&mut session, person, |session| {
                    counter.set_limit(session, *limit)
                })?;
            }
        }
        let now = counter.read(&mut session).map_err(Failure::failed)?;
        match format {
            Format::Json => output::json(&json!({ "value": now.value, "limit": now.limit }))?,
            Format::Text => result(format_args!("{} of {}\n", now.value, now.limit))?,
        }
        session.close();
        Ok(())
    })
}

/// `tally pin`.
pub fn pin(card: &CardArguments, verb: &PinVerb) -> Result<(), Failure> {
    with_card(card, |mut session, _| {
        let outcome = match verb {
            PinVerb::Change { new_pin_file } => {
                let old = match &card.pin_file {
                    Some(file) => ask::digits_from_file(Reference::Pin, file)?,
                    None => given(ask::digits_by_prompt(Reference::Pin, "Old PIN")?)?,
                };
                let new = ask::new_digits(Reference::Pin, new_pin_file.as_deref(), "New PIN")?;
                session.change_pin(&Replacement { old, new })
            }
            PinVerb::Unblock {
                puk_file,
                new_pin_file,
            } => {
                let old = match puk_file {
                    Some(file) => ask::digits_from_file(Reference::Puk, file)?,
                    None => given(ask::digits_by_prompt(Reference::Puk, "PUK")?)?,
                };
                let new = ask::new_digits(Reference::Pin, new_pin_file.as_deref(), "New PIN")?;
                session.unblock_pin(&Replacement { old, new })
            }
        };
        let outcome = outcome.map_err(Failure::failed)?;
        session.close();
        let puk = matches!(verb, PinVerb::Unblock { .. });
        match outcome {
            CodeOutcome::Right => {
                note("The PIN is changed.");
                Ok(())
            }
            CodeOutcome::Wrong { tries_left } if puk => Err(Failure::new(
                Kind::Authentication,
                format!("wrong PUK; {tries_left} tries left"),
            )),
            CodeOutcome::Wrong { tries_left } => Err(person::wrong(tries_left)),
            CodeOutcome::Blocked if puk => {
                Err(Failure::new(Kind::Authentication, "the PUK is used up"))
            }
            CodeOutcome::Blocked => Err(person::blocked()),
        }
    })
}

fn given<T>(value: Option<T>) -> Result<T, Failure> {
    value.ok_or_else(|| Failure::failed("nothing was changed"))
}

/// `tally card`.
pub fn card(card: &CardArguments, verb: &CardVerb, format: Format) -> Result<(), Failure> {
    if let CardVerb::Reset { yes: false } = verb {
        return Err(Failure::usage(
            "this erases the card's key, pairings, PIN and data; say --yes to do it",
        ));
    }
    with_card(card, |mut session, person| {
        if let CardVerb::Reset { .. } = verb {
            person.verify_pin(&mut session)?;
            let name = session.card();
            session.factory_reset().map_err(Failure::failed)?;
            note(format_args!(
                "Card {name} is blank. It can be certified again with `certify card`."
            ));
            return Ok(());
        }
        let certificate = session.card_certificate().map_err(Failure::failed)?;
        let pairings = with_pin_if_needed(&mut session, person, |session| session.pairings())?;
        let claims = certificate.claims();
        match format {
            Format::Json => {
                let pairings: Vec<_> = pairings
                    .iter()
                    .map(|pairing| {
                        json!({
                            "slot": pairing.slot.number(),
                            "terminal": pairing.holder.to_string(),
                            "label": pairing.label.as_str(),
                            "pinned": pairing.pinned,
                            "lastUse": pairing.last_use,
                        })
                    })
                    .collect();
                output::json(&json!({
                    "card": claims.holder.as_str(),
                    "issuer": claims.issuer.as_str(),
                    "from": claims.from.to_string(),
                    "until": claims.until.to_string(),
                    "keyId": certificate.key_id().to_string(),
                    "pairings": pairings,
                }))?;
            }
            Format::Text => {
                result(format_args!("card       {}\n", claims.holder))?;
                result(format_args!("issuer     {}\n", claims.issuer))?;
                result(format_args!(
                    "valid      {} to {}\n",
                    claims.from, claims.until
                ))?;
                result(format_args!("key        {}\n", certificate.key_id()))?;
                result(format_args!("pairings   {} of 16\n", pairings.len()))?;
                for pairing in &pairings {
                    let label = if pairing.label.as_str().is_empty() {
                        "-"
                    } else {
                        pairing.label.as_str()
                    };
                    let pinned = if pairing.pinned { "pinned" } else { "" };
                    result(format_args!(
                        "  {:>2}  {}  {label:<16} {pinned}\n",
                        pairing.slot.number(),
                        pairing.holder
                    ))?;
                }
            }
        }
        session.close();
        Ok(())
    })
}
