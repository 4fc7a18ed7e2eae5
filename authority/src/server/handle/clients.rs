//! Routes about clients: invitations, revocations, rights, and what a second operator confirms.

use super::super::clients::RegisterError;
use super::super::message::{ClientsAnswer, CodeText, EnrolmentBody, EnrolmentsAnswer};
use super::super::message_clients::{
    EnrolmentAnswer, ProposalBody, ProposalsAnswer, ProposedAnswer,
};
use super::super::problem::{INTERNAL, MALFORMED, Problem};
use super::super::route::{Call, Told};
use crate::ledger::text::to_hex;
use crate::ledger::{ClientChange, Line, Wish};
use crate::{CODE_LIFETIME, Rights};

pub fn enrolments(call: &Call<'_>) -> Told<EnrolmentsAnswer> {
    let enrolments = call.service.register.invited(call.service.now())?;
    Ok((200, EnrolmentsAnswer { enrolments }))
}

pub fn invite(call: &Call<'_>, body: &EnrolmentBody) -> Told<EnrolmentAnswer> {
    let code = call.service.draw_code();
    let code = code.map_err(|error| Problem::new(INTERNAL, error.to_string()))?;
    let expires = call.service.now().saturating_add(CODE_LIFETIME);
    let change = ClientChange::Invited {
        name: body.name.clone(),
        role: body.role,
        rights: body.rights.clone(),
        code: to_hex(&code.hash()),
        expires,
    };
    let proposal = proposed(call, change)?.map(|line| line.sequence.to_string());
    let answer = EnrolmentAnswer {
        name: body.name.clone(),
        role: body.role,
        code: CodeText(code.dangerous_text()),
        expires,
        proposal,
    };
    Ok((if answer.proposal.is_some() { 202 } else { 201 }, answer))
}

pub fn clients(call: &Call<'_>) -> Told<ClientsAnswer> {
    let clients = call.service.register.clients()?;
    Ok((200, ClientsAnswer { clients }))
}

pub fn end(call: &Call<'_>) -> Told<Option<ProposedAnswer>> {
    let change = call.service.register.ending(call.segment())?;
    told(call, change)
}

pub fn grant(call: &Call<'_>, rights: &Rights) -> Told<Option<ProposedAnswer>> {
    let (name, rights) = (call.segment().into(), rights.clone());
    told(call, ClientChange::Granted { name, rights })
}

pub fn proposals(call: &Call<'_>) -> Told<ProposalsAnswer> {
    let open = call.service.register.proposals(call.service.now())?;
    let proposals = open.into_iter().map(Into::into).collect();
    Ok((200, ProposalsAnswer { proposals }))
}

pub fn decide(call: &Call<'_>, body: &ProposalBody) -> Told<()> {
    let number = call.segment().parse();
    let number = number.map_err(|_| Problem::new(MALFORMED, "the id is a number"))?;
    let desk = &call.service.desk;
    match body {
        ProposalBody::Confirm {} => desk.confirm(call.key()?, number)?,
        ProposalBody::Dismiss {} => desk.dismiss(call.key()?, number)?,
    }
    Ok((204, ()))
}

/// Makes a change, or notes that it waits for a second operator: the line that says so.
fn proposed(call: &Call<'_>, change: ClientChange) -> Result<Option<Line>, RegisterError> {
    let desk = &call.service.desk;
    if call.service.second.clients() {
        return desk
            .propose_client(call.client, Wish::Client(change))
            .map(Some);
    }
    desk.change_client(call.client, change).map(|_| None)
}

fn told(call: &Call<'_>, change: ClientChange) -> Told<Option<ProposedAnswer>> {
    Ok(match proposed(call, change)? {
        Some(line) => (202, Some(line.into())),
        None => (204, None),
    })
}
