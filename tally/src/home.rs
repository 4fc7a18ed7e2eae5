//! The verbs that need no card: this terminal's identity and its pairings.

use crate::cli::{Format, IdentityVerb, PairingVerb, StoreArguments};
use crate::failure::{Failure, Kind};
use crate::output;
use crate::visit;
use apdu::certificate::{Certificate, HolderHash, Name, Role, StatusList, pem};
use getrandom::SysRng;
use host::output::{note, result};
use host::result_file::{self, Access};
use serde_json::json;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use terminal_lib::identity::{self, IdentityError};
use terminal_lib::trust::{Clock, ListAge, SystemClock};

/// Files larger than this are no certificates.
const LARGEST: u64 = 64 << 10;

/// `tally pairings`.
pub fn pairings(store: &StoreArguments, verb: &PairingVerb, format: Format) -> Result<(), Failure> {
    let mut terminal = visit::terminal(store)?;
    let pairings = terminal.pairings().map_err(Failure::failed)?;
    match verb {
        PairingVerb::Forget { card } => {
            let name = name(card)?;
            let holder = HolderHash::of(Role::Card, &name);
            if pairings.iter().all(|pairing| pairing.holder != holder) {
                return Err(Failure::failed(format!(
                    "this terminal is not paired with card {name}"
                )));
            }
            terminal.forget(&holder).map_err(Failure::failed)?;
            note(
                "Forgotten. The card still has its side; `tally card show` on another terminal lists it.",
            );
        }
        PairingVerb::List if format == Format::Json => {
            let list: Vec<_> = pairings
                .iter()
                .map(|pairing| {
                    json!({
                        "card": pairing.card.as_str(),
                        "setUp": pairing.set_up.to_string(),
                        "lastSeen": pairing.last_seen.to_string(),
                        "uses": pairing.uses,
                        "confirmed": pairing.confirmed,
                    })
                })
                .collect();
            output::json(&json!(list))?;
        }
        PairingVerb::List if pairings.is_empty() => result("no pairings\n")?,
        PairingVerb::List => {
            result(format_args!(
                "{:<18}{:<12}{:<12}{:>8}\n",
                "card", "set up", "last seen", "sessions"
            ))?;
            for pairing in &pairings {
                let (set_up, seen) = (pairing.set_up.to_string(), pairing.last_seen.to_string());
                let doubt = if pairing.confirmed {
                    ""
                } else {
                    "  (not confirmed yet)"
                };
                result(format_args!(
                    "{:<18}{set_up:<12}{seen:<12}{:>8}{doubt}\n",
                    pairing.card, pairing.uses
                ))?;
            }
        }
    }
    Ok(())
}

/// `tally identity`.
pub fn identity(
    store: &StoreArguments,
    verb: &IdentityVerb,
    format: Format,
) -> Result<(), Failure> {
    let mut terminal = visit::terminal(store)?;
    let own = visit::identity(store)?;
    match verb {
        IdentityVerb::Show => show(&terminal, &own, format),
        IdentityVerb::Request {
            issuer,
            name: holder,
            nonce,
            out,
        } => {
            let (issuer, holder) = (name(issuer)?, name(holder)?);
            let nonce = parse_nonce(nonce)?;
            let request = identity::create_request(
                terminal.store_mut(),
                &own,
                issuer,
                holder,
                nonce,
                &mut SysRng,
            )
            .map_err(Failure::failed)?;
            let text = pem::encode(pem::REQUEST, request.encoded()).map_err(Failure::failed)?;
            write(out, text.as_bytes())?;
            note("Next: certify terminal --request FILE, then tally identity install.");
            Ok(())
        }
        IdentityVerb::Install {
            certificate,
            root,
            link,
        } => {
            let certificate = read_certificate(certificate)?;
            let all = |paths: &[PathBuf]| -> Result<Vec<_>, Failure> {
                paths.iter().map(|path| read_certificate(path)).collect()
            };
            let (roots, links) = (all(root)?, all(link)?);
            let today = SystemClock.today().map_err(Failure::failed)?;
            let store = terminal.store_mut();
            identity::install_linked(store, &own, &certificate, &roots, &links, today)
                .map_err(judge)?;
            note(format_args!(
                "This terminal is {} until {}.",
                certificate.claims().holder,
                certificate.claims().until
            ));
            Ok(())
        }
        IdentityVerb::StatusList { list } => {
            let content = read(list)?;
            let bytes = pem::decode(pem::STATUS_LIST, &content)
                .map_err(|error| Failure::failed(format!("{}: {error}", list.display())))?;
            let list = StatusList::decode(&bytes)
                .map_err(|error| Failure::failed(format!("{}: {error}", list.display())))?;
            let today = SystemClock.today().map_err(Failure::failed)?;
            let age = identity::take_status_list(terminal.store_mut(), &own, &list, today)
                .map_err(judge)?;
            note(format_args!(
                "{}",
                match age {
                    ListAge::Newer => "Taken. Cards get it at their next session.",
                    ListAge::Same => "This terminal has it already.",
                    ListAge::Older => "This terminal has a newer one; nothing was changed.",
                }
            ));
            Ok(())
        }
        IdentityVerb::Link { link } => {
            let link = read_certificate(link)?;
            let today = SystemClock.today().map_err(Failure::failed)?;
            identity::add_link(terminal.store_mut(), &own, &link, today).map_err(judge)?;
            note(format_args!(
                "Root {} is trusted from now on.",
                link.claims().holder
            ));
            Ok(())
        }
    }
}

fn show(
    terminal: &terminal_lib::Terminal,
    own: &terminal_lib::store::IdentityName,
    format: Format,
) -> Result<(), Failure> {
    let summary = identity::summary(terminal.store(), own).map_err(judge)?;
    let claims = summary.certificate.as_ref().map(Certificate::claims);
    // By its own certificate, by a link, or by both.
    let mut roots = Vec::new();
    for root in summary.roots.iter().chain(&summary.links) {
        let name = root.claims().holder.to_string();
        if !roots.contains(&name) {
            roots.push(name);
        }
    }
    let list = summary.list.as_ref().map(|list| list.claims().sequence);
    match format {
        Format::Json => output::json(&json!({
            "identity": own.as_str(),
            "name": claims.map(|claims| claims.holder.as_str()),
            "issuer": claims.map(|claims| claims.issuer.as_str()),
            "from": claims.map(|claims| claims.from.to_string()),
            "until": claims.map(|claims| claims.until.to_string()),
            "requested": summary.requested.map(|name| name.to_string()),
            "roots": roots,
            "statusList": list,
        }))?,
        Format::Text => {
            result(format_args!("identity      {}\n", own.as_str()))?;
            match claims {
                Some(claims) => {
                    result(format_args!("name          {}\n", claims.holder))?;
                    result(format_args!("issuer        {}\n", claims.issuer))?;
                    result(format_args!(
                        "valid         {} to {}\n",
                        claims.from, claims.until
                    ))?;
                }
                None => result("name          no certificate yet\n")?,
            }
            if let Some(name) = summary.requested {
                result(format_args!(
                    "requested     {name}; the certificate has not come yet\n"
                ))?;
            }
            result(format_args!(
                "roots         {}\n",
                if roots.is_empty() {
                    "none".into()
                } else {
                    roots.join(", ")
                }
            ))?;
            result(format_args!(
                "status list   {}\n",
                list.map_or("none".into(), |sequence| sequence.to_string())
            ))?;
        }
    }
    Ok(())
}

fn judge(error: IdentityError) -> Failure {
    let kind = match error {
        IdentityError::Distrusted(_)
        | IdentityError::OtherKey
        | IdentityError::OtherNames { .. }
        | IdentityError::NotARoot { .. }
        | IdentityError::List(_)
        | IdentityError::Link(_)
        | IdentityError::RootConflict(_) => Kind::Verification,
        _ => Kind::Failed,
    };
    Failure::new(kind, error)
}

fn name(text: &str) -> Result<Name, Failure> {
    let wrong = || {
        Failure::usage(format!(
            "{} is no name: 8 to 16 of A-Z and 0-9, two letters first",
            text.escape_default()
        ))
    };
    Name::new(text).ok_or_else(wrong)
}

fn parse_nonce(text: &str) -> Result<[u8; 16], Failure> {
    let wrong =
        || Failure::usage("the nonce is 32 hexadecimal digits, as `certify challenge` prints it");
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != 16 || !rest.is_empty() {
        return Err(wrong());
    }
    let mut nonce = [0; 16];
    for (byte, pair) in nonce.iter_mut().zip(pairs) {
        let digits = std::str::from_utf8(pair).map_err(|_| wrong())?;
        *byte = u8::from_str_radix(digits, 16).map_err(|_| wrong())?;
    }
    Ok(nonce)
}

fn read_certificate(path: &Path) -> Result<Certificate, Failure> {
    let wrong =
        |error: &dyn std::fmt::Display| Failure::failed(format!("{}: {error}", path.display()));
    let bytes = pem::decode(pem::CERTIFICATE, &read(path)?).map_err(|error| wrong(&error))?;
    Certificate::decode(&bytes).map_err(|error| wrong(&error))
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut content = Vec::new();
    let read = if path.as_os_str() == "-" {
        io::stdin().take(LARGEST).read_to_end(&mut content)
    } else {
        fs::File::open(path).and_then(|file| file.take(LARGEST).read_to_end(&mut content))
    };
    read.map_err(|error| Failure::failed(format!("cannot read {}: {error}", path.display())))?;
    Ok(content)
}

fn write(path: &Path, content: &[u8]) -> Result<(), Failure> {
    if path.as_os_str() == "-" {
        return Ok(host::output::bytes(content)?);
    }
    result_file::write(path, content, Access::Public)
        .map_err(|error| Failure::failed(format!("cannot write {}: {error}", path.display())))
}
