//! `certify enrol`: this station becomes a client of an authority's service.

use crate::cli::Arguments;
use crate::failure::Failure;
use crate::office::remote;
use crate::sheet::Sheet;
use crate::{place, secret};
use authority::EnrolmentCode;
use std::path::Path;

/// Trades a one-time code for an identity.
pub fn enrol(arguments: &Arguments, url: &str, code_file: Option<&Path>) -> Result<(), Failure> {
    let text = secret::enrolment_code(code_file)?;
    let code = EnrolmentCode::parse(&text).map_err(Failure::usage)?;
    let folder = place::station(arguments.station.as_deref())?;
    let url = url.trim_end_matches('/');
    let who = remote::join(url, code, &folder)?;
    Sheet::default()
        .text("authority", url)
        .text("enrolled as", &who)
        .text("identity", &folder.display())
        .print(arguments.output_format)?;
    Ok(())
}
