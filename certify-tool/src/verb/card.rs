//! `certify card`: the certification station of Figure 9.

use super::describe::certificate_sheet;
use super::personalise::{Job, personalise};
use crate::cli::{Arguments, CardArguments};
use crate::failure::Failure;
use crate::office::{self, Office};
use crate::reader::Cards;
use crate::sheet::Sheet;
use crate::{place, secret};
use apdu::certificate::{Certificate, Role};
use apdu::message::pin::Digits;
use authority::NameOrder;
use getrandom::SysRng;
use host::output::note;
use terminal_lib::transport::Transport;

/// Personalises the card that the arguments name.
pub fn certify(arguments: &Arguments, job: &CardArguments) -> Result<(), Failure> {
    let style = arguments.output_format;
    let order = Wish::read(job)?;
    let mut office = office::open(arguments, &job.passphrase, &job.approval)?; // tried before the card is awaited
    let mut inserted = Cards::open(job)?.next()?;
    order.carry_out(
        office.as_mut(),
        inserted.card.as_mut(),
        &mut |certificate, puk| {
            let sheet = certificate.map_or_else(
                || Sheet::default().text("kind", "certificate stored earlier"),
                certificate_sheet,
            );
            match puk {
                Some(digits) => sheet.text("puk", digits).hand_over(style),
                None => sheet.print(style),
            }
        },
    )
}

/// What a card is to get.
pub struct Wish<'a> {
    job: &'a CardArguments,
    name: NameOrder,
    pin: Digits,
    puk: Option<Digits>,
}

/// Takes the certificate on a card, and the PUK if it was drawn here, before the card is activated for ever. The card keeps a hash of the
/// PUK, and nobody else anything, so this must have it durable or delivered.
pub type Ready<'r> = &'r mut dyn FnMut(Option<&Certificate>, Option<&str>) -> Result<(), Failure>;

impl<'a> Wish<'a> {
    /// Reads names and codes.
    pub fn read(job: &'a CardArguments) -> Result<Self, Failure> {
        Ok(Self {
            job,
            name: place::name_order(&job.name, Role::Card)?,
            pin: secret::new_pin(job.pin_file.as_deref())?,
            puk: job
                .puk_file
                .as_deref()
                .map(secret::puk_from_file)
                .transpose()?,
        })
    }

    /// Personalises one card.
    pub fn carry_out(
        &self,
        office: &mut dyn Office,
        card: &mut dyn Transport,
        ready: Ready<'_>,
    ) -> Result<(), Failure> {
        let drawn = match &self.puk {
            Some(_) => None,
            None => Some(secret::draw_puk(&mut SysRng)?),
        };
        let shown = drawn
            .as_ref()
            .and_then(|puk| std::str::from_utf8(puk.expose()).ok());
        let Some(puk) = self.puk.as_ref().or(drawn.as_ref()) else {
            return Err(Failure::failed("no PUK could be drawn"));
        };
        let mut job = Job {
            office,
            name: self.name.clone(),
            recertify: self.job.name.recertify,
            years: self.job.years,
            pin: &self.pin,
            puk,
            tell: &mut |step| note(format_args!("  {step}")),
            ready: &mut |certificate| ready(certificate, shown),
        };
        personalise(card, &mut job)
    }
}
