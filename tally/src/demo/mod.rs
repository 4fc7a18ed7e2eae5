//! `tally demo`: the whole story in one process. The card is real, the authority is in memory, the PIN is said aloud.

mod authority;
mod meter;
mod print;
mod story;

use crate::cli::Format;
use crate::failure::Failure;
use apdu::crypto::{Census, census};
use apdu::message::personalise::KeyOrder;
use apdu::message::pin::{Digits, Reference};
use apdu::message::vault::{ObjectName, Policy as Access};
use authority::{DemoAuthority, name};
use getrandom::SysRng;
use meter::{Diary, Figures, Happening, MeteredCard};
use std::time::{Duration, Instant};
use terminal_lib::Terminal;
use terminal_lib::application::{Application, Notice, PinAnswer, PinRequest, Policy, SetUpReason};
use terminal_lib::identity;
use terminal_lib::personalise::Station;
use terminal_lib::service::counter::Counter;
use terminal_lib::service::vault::Vault;
use terminal_lib::session::{Session, SessionError};
use terminal_lib::store::{IdentityName, MemoryStore};
use terminal_lib::transport::in_process::InProcess;
use terminal_lib::trust::{Clock, SystemClock};

/// The demonstration's PIN and PUK. Real cards get theirs when they are certified; nothing has a default.
const PIN: &[u8] = b"271828";
const PUK: &[u8] = b"31415926";

/// One insertion of the card: what happened and what it cost.
pub struct Insertion {
    title: &'static str,
    happenings: Vec<Happening>,
    card: Figures,
    terminal_operations: Census,
    terminal_time: Duration,
}

/// Runs the demonstration.
pub fn run(format: Format, trace: bool) -> Result<(), Failure> {
    let diary = Diary::default();
    let today = SystemClock.today().map_err(Failure::failed)?;
    let authority = DemoAuthority::new(today)?;
    let mut reader = InProcess::new(MeteredCard::blank(diary.clone()));
    let card = certify_card(&authority, &mut reader)?;
    let mut terminal = certified_terminal(&authority)?;
    let mut card_out = reader.into_card();
    card_out.pull_out();
    diary.borrow_mut().clear();

    let mut insertions = Vec::new();
    for title in [
        "Insertion one: they have never met",
        "Insertion two: they know each other",
    ] {
        let mut reader = InProcess::new(card_out);
        insertions.push(visit(title, &mut reader, &mut terminal, &diary)?);
        card_out = reader.into_card();
    }
    match format {
        Format::Json => print::json(card.as_str(), &insertions),
        Format::Text => print::text(card.as_str(), &insertions, trace),
    }
}

/// Fig. 9 in small: the card makes its key, the authority signs, the card stores and is activated.
fn certify_card(
    authority: &DemoAuthority,
    reader: &mut InProcess<MeteredCard>,
) -> Result<apdu::certificate::Name, Failure> {
    let holder = name("ZZDEMOCARD00001")?;
    let nonce = fresh_nonce()?;
    let digits = |reference, digits| {
        Digits::new(reference, digits).ok_or_else(|| Failure::failed("no digits"))
    };
    let mut station = Station::begin(reader).map_err(Failure::failed)?;
    let certify = |station: &mut Station<'_>| {
        station
            .set_pin(&digits(Reference::Pin, PIN)?)
            .map_err(Failure::failed)?;
        station
            .set_puk(&digits(Reference::Puk, PUK)?)
            .map_err(Failure::failed)?;
        station
            .store_root(authority.root())
            .map_err(Failure::failed)?;
        let order = KeyOrder {
            issuer: authority.name(),
            holder,
            nonce,
        };
        let request = station.generate_key(&order).map_err(Failure::failed)?;
        station
            .store_certificate(&authority.certify(&request))
            .map_err(Failure::failed)?;
        station.activate().map_err(Failure::failed)
    };
    certify(&mut station)?;
    Ok(holder)
}

/// The same for the terminal, whose store is in memory.
fn certified_terminal(authority: &DemoAuthority) -> Result<Terminal, Failure> {
    let identity_name = IdentityName::new("demo").ok_or_else(|| Failure::failed("no name"))?;
    let mut terminal = Terminal::new(MemoryStore::new(), identity_name.clone());
    let (issuer, holder) = (authority.name(), name("ZZDEMOTERM00001")?);
    let store = terminal.store_mut();
    let request = identity::create_request(
        store,
        &identity_name,
        issuer,
        holder,
        fresh_nonce()?,
        &mut SysRng,
    )
    .map_err(Failure::failed)?;
    let today = SystemClock.today().map_err(Failure::failed)?;
    let certificate = authority.certify(&request);
    identity::install(
        store,
        &identity_name,
        &certificate,
        &[authority.root().clone()],
        today,
    )
    .map_err(Failure::failed)?;
    Ok(terminal)
}

fn fresh_nonce() -> Result<[u8; 16], Failure> {
    let entropy: &mut dyn apdu::crypto::Entropy = &mut SysRng;
    entropy.nonce().map_err(Failure::failed)
}

/// One insertion, from authentication to the end of the session.
fn visit(
    title: &'static str,
    reader: &mut InProcess<MeteredCard>,
    terminal: &mut Terminal,
    diary: &Diary,
) -> Result<Insertion, Failure> {
    let (operations, begin) = (census(), Instant::now());
    let mut holder = Holder {
        diary: diary.clone(),
    };
    let mut session = terminal
        .connect(reader, &mut holder, &Policy::Ask)
        .map_err(Failure::failed)?;
    talk(&mut session).map_err(Failure::failed)?;
    session.close();
    let (total, all) = (begin.elapsed(), census() - operations);
    let card = reader.card_mut().pull_out();
    Ok(Insertion {
        title,
        happenings: diary.take(),
        card,
        terminal_operations: all - card.card_operations,
        terminal_time: total.saturating_sub(card.card_time),
    })
}

/// What an application does with a session: two services, each with its own data.
fn talk(session: &mut Session<'_>) -> Result<(), SessionError> {
    session.services()?;
    Counter::new().add(session, 1)?;
    let Some(note) = ObjectName::new("note") else {
        return Ok(());
    };
    let open = Access {
        pin_to_read: false,
        pin_to_write: false,
    };
    let mut vault = Vault::new();
    vault.write(session, &note, open, b"the halves prove each other")?;
    vault.read(session, &note)?;
    Ok(())
}

/// The card's holder, who agrees and knows the PIN.
struct Holder {
    diary: Diary,
}

impl Holder {
    fn write(&self, text: String) {
        self.diary.borrow_mut().push(Happening::Application(text));
    }
}

impl Application for Holder {
    fn may_set_up(&mut self, reason: SetUpReason) -> bool {
        self.write(format!(
            "May a set-up begin? ({reason}) - The application says yes."
        ));
        true
    }

    fn pin(&mut self, request: &PinRequest) -> PinAnswer {
        let tries = match request.state {
            terminal_lib::application::PinState::Open { tries_left } => tries_left,
            _ => return PinAnswer::Refuse,
        };
        self.write(format!(
            "Card {} has proved its name and asks for its PIN; {tries} tries are left. - The holder types it.",
            request.card
        ));
        match Digits::new(Reference::Pin, PIN) {
            Some(digits) => PinAnswer::Digits(digits),
            None => PinAnswer::Refuse,
        }
    }

    fn notice(&mut self, notice: &Notice) {
        self.write(notice.to_string());
    }
}
