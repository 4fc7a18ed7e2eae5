//! One step of set-up: protecting its command, judging its answer.

use super::set_up::SetUpFault;
use crate::exchange::{Expects, Outgoing};
use apdu::channel::{ChannelBroken, ExpectedLength, TerminalEnd};
use apdu::codec::command::Header;
use apdu::codec::response::Response;
use apdu::codec::status::StatusWord;
use apdu::crypto::SecretBytes;

pub(super) fn plain_ok(step: &'static str, response: &Response) -> Result<(), SetUpFault> {
    match response.status {
        StatusWord::OK => Ok(()),
        status => Err(SetUpFault::Refused { step, status }),
    }
}

pub(super) fn protected_ok(step: &'static str, status: StatusWord) -> Result<(), SetUpFault> {
    match status {
        StatusWord::OK => Ok(()),
        status => Err(SetUpFault::CardRefused { step, status }),
    }
}

/// A protected command as a logical command: the outer answer always has objects.
pub(super) fn seal(
    step: &'static str,
    channel: &mut TerminalEnd,
    header: Header,
    data: &[u8],
    expects: Expects,
) -> Result<Outgoing, SetUpFault> {
    let expected = (expects != Expects::Nothing).then_some(ExpectedLength::Short);
    let sealed = channel
        .seal(header, data, expected)
        .map_err(|ChannelBroken| SetUpFault::Channel { step })?;
    Ok(Outgoing {
        header: sealed.header,
        data: sealed.data,
        expects: Expects::Short,
    })
}

/// The plain data of a protected 9000.
pub(super) fn open(
    step: &'static str,
    channel: &mut TerminalEnd,
    response: &Response,
) -> Result<SecretBytes, SetUpFault> {
    let (data, status) = authentic(step, channel, response)?;
    protected_ok(step, status)?;
    Ok(data)
}

pub(super) fn authentic(
    step: &'static str,
    channel: &mut TerminalEnd,
    response: &Response,
) -> Result<(SecretBytes, StatusWord), SetUpFault> {
    let bare_word = response.data.is_empty() && response.status != StatusWord::OK;
    channel
        .open(&response.data, response.status)
        .map_err(|ChannelBroken| match bare_word {
            true => SetUpFault::Refused {
                step,
                status: response.status,
            },
            false => SetUpFault::Channel { step },
        })
}
