//! The terminals: the library, and the Python one. Both live the same script and say in the same words what came of it.

use super::papers;
use super::peer::{Peer, hex};
use super::script::{Owner, Said, Talk, Visit};
use super::wire::Wire;
use apdu::certificate::{Certificate, Request};
use apdu::codec::status::StatusWord;
use apdu::crypto::{Entropy, EntropyError};
use apdu::message::pairings::{Label, PairingChange, SlotNumber};
use apdu::message::personalise::KeyOrder;
use apdu::message::pin::{Digits, Reference, Replacement};
use apdu::message::vault::ObjectName;
use conformance::User;
use conformance::authority::{CARD, desk, name, today};
use conformance::life::Tape;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use terminal_lib::application::{PinAnswer, PinState, Policy, SetUpReason};
use terminal_lib::identity;
use terminal_lib::personalise::{PersonaliseError, Station};
use terminal_lib::service::{counter::Counter, vault::Vault};
use terminal_lib::session::{CodeOutcome, PinVerified, Session, SessionError};
use terminal_lib::store::MemoryStore;
use terminal_lib::trust::ListAge;
use terminal_lib::{ConnectError, Terminal};

const NONCE: [u8; 16] = [8; 16];

/// A terminal of either make.
pub trait Desk {
    /// Makes a blank card an operational one; a card after a factory reset has its roots still. Whether the card has taken everything.
    fn personalise(&mut self, wire: &mut Wire<'_>, with_root: bool) -> bool;
    /// One insertion: what the user was asked, how it ended, and what each call brought.
    fn visit(&mut self, wire: &mut Wire<'_>, visit: &Visit) -> Vec<String>;
}

/// A tape that several owners draw from.
#[derive(Clone)]
pub struct Shared(Arc<Mutex<Tape>>);

impl Shared {
    /// The tape of a seed.
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(Tape::new(seed, None))))
    }
}

impl Entropy for Shared {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        self.0.lock().unwrap().fill(bytes)
    }
}

/// The terminal library.
pub struct Library {
    store: MemoryStore,
    tape: Shared,
}

impl Library {
    /// A certified terminal.
    pub fn certified(owner: &Owner, seed: u64) -> Self {
        let (mut store, mut tape) = (MemoryStore::new(), Shared::new(seed));
        let (issuer, holder) = (papers::root_name(owner.under.root()), name(&owner.name));
        let desk = desk();
        let request =
            identity::create_request(&mut store, &desk, issuer, holder, NONCE, &mut tape).unwrap();
        let (roots, links) = owner.under.trust();
        for root in &roots {
            identity::pin_root(&mut store, &desk, root).unwrap();
        }
        for link in &links {
            identity::add_link(&mut store, &desk, link, today()).unwrap();
        }
        let certificate = papers::answer(&request, owner.under.root(), owner.until);
        identity::install(&mut store, &desk, &certificate, &[], today()).unwrap();
        Self { store, tape }
    }
}

impl Desk for Library {
    fn personalise(&mut self, wire: &mut Wire<'_>, with_root: bool) -> bool {
        let mut steps = || -> Result<(), PersonaliseError> {
            let mut station = Station::begin(wire)?;
            station.set_pin(&code(Reference::Pin, papers::FIRST_PIN))?;
            station.set_puk(&code(Reference::Puk, papers::FIRST_PUK))?;
            if with_root {
                station.store_root(&papers::root(1))?;
            }
            let order = KeyOrder {
                issuer: papers::root_name(1),
                holder: name(CARD),
                nonce: NONCE,
            };
            let request = station.generate_key(&order)?;
            let certificate = papers::answer(&request, 1, card_until());
            station.store_certificate(&certificate)?;
            station.activate()
        };
        match steps() {
            Ok(()) => true,
            Err(PersonaliseError::Refused { .. }) => false,
            Err(error) => panic!("{error}"),
        }
    }

    fn visit(&mut self, wire: &mut Wire<'_>, visit: &Visit) -> Vec<String> {
        let mut seen = Vec::new();
        if let Some(list) = &visit.list {
            let taken = identity::take_status_list(&mut self.store, &desk(), list, visit.today);
            seen.push(format!("list {}", matches!(taken, Ok(ListAge::Newer))));
        }
        let mut terminal = Terminal::new(self.store.share(), desk())
            .with_entropy(self.tape.clone())
            .with_clock(visit.today);
        let mut user = User::with(visit.answers.iter().map(answer));
        user.agrees = visit.agrees;
        let session = terminal.connect(wire, &mut user, &Policy::Ask);
        let mut heard = Vec::new();
        let outcome = match session {
            Ok(session) => {
                talk(session, &visit.talks, &mut heard);
                "open".into()
            }
            Err(error) => kind(&error),
        };
        seen.extend(user.asked_to_pair.iter().map(|reason| why(*reason).into()));
        seen.extend(user.asked_for_pin.iter().map(|request| {
            let state = match request.state {
                PinState::Open { tries_left } => tries_left.to_string(),
                PinState::LastTryKept => "kept".into(),
                PinState::Blocked => "blocked".into(),
            };
            let (puk, known) = (request.puk_tries_left, request.paired_before);
            let reason = why(request.reason);
            format!("PIN {} {reason} {state} {puk} {known}", request.card)
        }));
        seen.push(outcome);
        seen.extend(heard);
        seen
    }
}

/// How long a card's certificate lasts.
pub fn card_until() -> apdu::certificate::Date {
    today().plus_days(5_000)
}

fn code(reference: Reference, digits: &str) -> Digits {
    Digits::new(reference, digits.as_bytes()).unwrap()
}

fn answer(said: &Said) -> PinAnswer {
    match said {
        Said::Pin(pin) => PinAnswer::Digits(code(Reference::Pin, pin)),
        Said::Puk(puk, new) => {
            PinAnswer::Unblock(replacement(Reference::Puk, puk, Reference::Pin, new))
        }
    }
}

fn replacement(of: Reference, old: &str, by: Reference, new: &str) -> Replacement {
    Replacement {
        old: code(of, old),
        new: code(by, new),
    }
}

fn why(reason: SetUpReason) -> &'static str {
    match reason {
        SetUpReason::NeverMet => "never-met",
        SetUpReason::KnownCardDidNotAuthenticate => "known-card",
        SetUpReason::RenewalDue => "renewal-due",
    }
}

/// In words that do not depend on the implementation.
fn kind(error: &ConnectError) -> String {
    match error {
        ConnectError::NotPaired(_) => "not paired".into(),
        ConnectError::SecondFailure => "second failure".into(),
        ConnectError::Revoked { .. } => "card revoked".into(),
        _ => "failed".into(),
    }
}

/// All calls, until the card is gone for good.
fn talk(mut session: Session<'_>, talks: &[Talk], heard: &mut Vec<String>) {
    let (mut vault, mut counter) = (Vault::new(), Counter::new());
    for talk in talks {
        if matches!(talk, Talk::FactoryReset) {
            heard.push(done(session.factory_reset()));
            return;
        }
        heard.push(call(&mut session, &mut vault, &mut counter, talk));
    }
    session.close();
}

fn call(
    session: &mut Session<'_>,
    vault: &mut Vault,
    counter: &mut Counter,
    talk: &Talk,
) -> String {
    let object = |name: &String| ObjectName::new(name).unwrap();
    match talk {
        Talk::Status => done(session.status()),
        Talk::Services => done(session.services()),
        Talk::CardCertificate => said(
            session
                .card_certificate()
                .map(|paper| paper.encoded().to_vec()),
        ),
        Talk::StatusList => match session.status_list() {
            Ok(None) => "6A82".into(),
            list => said(list.map(|list| list.unwrap().encoded().to_vec())),
        },
        Talk::PutStatusList(list) => done(session.put_status_list(list)),
        Talk::PutLink(link) => done(session.put_link(link)),
        Talk::Pairings => done(session.pairings()),
        Talk::ChangePairing(slot, label, pinned) => done(session.change_pairing(&PairingChange {
            slot: SlotNumber::new(*slot).unwrap(),
            label: Label::new(label.as_bytes()).unwrap(),
            pinned: *pinned,
        })),
        Talk::DeletePairing(slot) => done(session.delete_pairing(SlotNumber::new(*slot).unwrap())),
        Talk::QueryPin => match session.is_pin_verified() {
            Ok(PinVerified::Yes) => "9000".into(),
            Ok(PinVerified::No { tries_left }) => format!("63C{tries_left:X}"),
            Ok(PinVerified::Blocked) => "6983".into(),
            Err(error) => refusal(&error),
        },
        Talk::Verify(pin) => judged(session.verify_pin(&code(Reference::Pin, pin))),
        Talk::Change(Reference::Pin, old, new) => {
            judged(session.change_pin(&replacement(Reference::Pin, old, Reference::Pin, new)))
        }
        Talk::Change(Reference::Puk, old, new) => {
            judged(session.change_puk(&replacement(Reference::Puk, old, Reference::Puk, new)))
        }
        Talk::Unblock(puk, new) => {
            judged(session.unblock_pin(&replacement(Reference::Puk, puk, Reference::Pin, new)))
        }
        Talk::VaultList => done(vault.list(session)),
        Talk::VaultRead(name) => said(vault.read(session, &object(name)).map(|data| data.to_vec())),
        Talk::VaultWrite(name, policy, content) => {
            done(vault.write(session, &object(name), *policy, content))
        }
        Talk::VaultDelete(name) => done(vault.delete(session, &object(name))),
        Talk::CounterRead => said(
            counter
                .read(session)
                .map(|seen| [seen.value.to_be_bytes(), seen.limit.to_be_bytes()].concat()),
        ),
        Talk::CounterAdd(amount) => said(
            counter
                .add(session, *amount)
                .map(|value| value.to_be_bytes().to_vec()),
        ),
        Talk::CounterLimit(limit) => done(counter.set_limit(session, *limit)),
        Talk::FactoryReset => unreachable!("it ends a session"),
    }
}

fn done<T>(result: Result<T, SessionError>) -> String {
    result.map_or_else(|error| refusal(&error), |_| "9000".into())
}

fn said(result: Result<Vec<u8>, SessionError>) -> String {
    result.map_or_else(
        |error| refusal(&error),
        |data| format!("9000 {}", hex(&data)),
    )
}

fn judged(result: Result<CodeOutcome, SessionError>) -> String {
    match result {
        Ok(CodeOutcome::Right) => "9000".into(),
        Ok(CodeOutcome::Wrong { tries_left }) => format!("63C{tries_left:X}"),
        Ok(CodeOutcome::Blocked) => "6983".into(),
        Err(error) => refusal(&error),
    }
}

fn refusal(error: &SessionError) -> String {
    match error {
        SessionError::Refused {
            status: StatusWord(word),
            ..
        } => format!("{word:04X}"),
        SessionError::Malformed { .. } => "malformed".into(),
        SessionError::InDoubt { .. } => "6581".into(),
        _ => "over".into(),
    }
}

/// The Python terminal.
pub struct Oracle {
    peer: Peer,
    id: String,
}

impl Oracle {
    /// A certified terminal.
    pub fn certified(peer: &Peer, owner: &Owner, seed: u64) -> Self {
        let id = owner.name.clone();
        let this = Self {
            peer: peer.clone(),
            id,
        };
        this.tell(json!({"do": "terminal", "seed": seed, "today": iso(today())}));
        let car = papers::root_name(owner.under.root());
        let request = this.tell(json!({
            "do": "request", "car": car.as_str(), "chr": owner.name, "nonce": hex(&NONCE),
        }));
        let request = Request::decode(&super::peer::bytes(&request["paper"])).unwrap();
        let (roots, links) = owner.under.trust();
        for root in &roots {
            this.paper("root", root.encoded());
        }
        for link in &links {
            this.paper("link", link.encoded());
        }
        let certificate = papers::answer(&request, owner.under.root(), owner.until);
        this.paper("install", certificate.encoded());
        this
    }

    fn named(&self, mut request: Value) -> Value {
        request["id"] = json!(self.id);
        request
    }

    /// A request that must succeed.
    fn tell(&self, request: Value) -> Value {
        let answer = self.peer.ask(&self.named(request));
        assert!(answer.get("failed").is_none(), "{answer}");
        answer
    }

    fn paper(&self, what: &str, paper: &[u8]) {
        self.tell(json!({"do": what, "paper": hex(paper)}));
    }

    fn over(&self, request: Value, wire: &mut Wire<'_>) -> Value {
        self.peer.ask_over(&self.named(request), wire)
    }

    /// The answer's data, unless the card refuses.
    fn station(&self, wire: &mut Wire<'_>, call: &str, arguments: &[Value]) -> Option<Vec<u8>> {
        let request = json!({"do": "station", "call": call, "arguments": arguments});
        let answer = self.over(request, wire);
        match answer.get("failed") {
            None => Some(super::peer::bytes(&answer["data"])),
            Some(kind) if kind == "refused" => None,
            Some(_) => panic!("{call}: {answer}"),
        }
    }

    fn steps(&self, wire: &mut Wire<'_>, with_root: bool) -> Option<()> {
        let text = |text: &str| json!(hex(text.as_bytes()));
        let paper = |paper: &Certificate| json!(hex(paper.encoded()));
        self.station(wire, "begin", &[])?;
        self.station(wire, "set_pin", &[text(papers::FIRST_PIN)])?;
        self.station(wire, "set_puk", &[text(papers::FIRST_PUK)])?;
        if with_root {
            self.station(wire, "store_certificate", &[paper(&papers::root(1))])?;
        }
        let root = papers::root_name(1);
        let order = [text(root.as_str()), text(CARD), json!(hex(&NONCE))];
        let request = Request::decode(&self.station(wire, "make_key", &order)?).unwrap();
        let certificate = papers::answer(&request, 1, card_until());
        self.station(wire, "store_certificate", &[paper(&certificate)])?;
        self.station(wire, "activate", &[]).map(drop)
    }
}

impl Desk for Oracle {
    fn personalise(&mut self, wire: &mut Wire<'_>, with_root: bool) -> bool {
        let done = self.steps(wire, with_root).is_some();
        wire.reset();
        done
    }

    fn visit(&mut self, wire: &mut Wire<'_>, visit: &Visit) -> Vec<String> {
        let mut seen = Vec::new();
        self.tell(json!({"do": "today", "today": iso(visit.today)}));
        if let Some(list) = &visit.list {
            let request = self.named(json!({"do": "list", "paper": hex(list.encoded())}));
            let taken = self.peer.ask(&request).get("failed").is_none();
            seen.push(format!("list {taken}"));
        }
        let answers: Vec<Value> = visit
            .answers
            .iter()
            .map(|said| match said {
                Said::Pin(pin) => json!(pin),
                Said::Puk(puk, new) => json!([puk, new]),
            })
            .collect();
        let request = json!({
            "do": "connect", "policy": "ask", "agrees": visit.agrees, "answers": answers,
        });
        let connected = self.over(request, wire);
        let asked = connected["asked"].as_array().unwrap();
        seen.extend(asked.iter().map(|asked| asked.as_str().unwrap().to_owned()));
        let failed = connected
            .get("failed")
            .map(|failed| failed.as_str().unwrap());
        seen.push(match failed {
            None => "open".into(),
            Some(kind @ ("not-paired" | "second-failure" | "card-revoked")) => {
                kind.replace('-', " ")
            }
            Some(_) => "failed".into(),
        });
        if failed.is_none() {
            for talk in &visit.talks {
                seen.push(self.call(wire, talk));
                if matches!(talk, Talk::FactoryReset) {
                    break;
                }
            }
        }
        if connected["begun"] == true {
            wire.reset(); // the end of a session
        }
        seen
    }
}

impl Oracle {
    /// A request about this terminal that must succeed.
    pub fn ask(&self, request: &Value) -> Value {
        self.tell(request.clone())
    }

    /// Whether a session is open after all that the user can do about it.
    pub fn opens(&self, wire: &mut Wire<'_>) -> bool {
        let answers = [papers::FIRST_PIN; 2];
        let request =
            json!({"do": "connect", "policy": "always", "agrees": true, "answers": answers});
        self.over(request, wire).get("failed").is_none()
    }

    /// One protected command of any kind.
    pub fn command(&self, wire: &mut Wire<'_>, arguments: &Value) -> Value {
        let request = json!({"do": "session", "call": "command", "arguments": arguments});
        self.over(request, wire)
    }

    fn call(&self, wire: &mut Wire<'_>, talk: &Talk) -> String {
        let text = |text: &String| json!(hex(text.as_bytes()));
        let (call, arguments) = match talk {
            Talk::Status => ("status", vec![]),
            Talk::Services => ("services", vec![]),
            Talk::CardCertificate => ("certificate", vec![]),
            Talk::StatusList => ("status_list", vec![]),
            Talk::PutStatusList(list) => ("put_status_list", vec![json!(hex(list.encoded()))]),
            Talk::PutLink(link) => ("put_link", vec![json!(hex(link.encoded()))]),
            Talk::Pairings => ("pairings", vec![]),
            Talk::ChangePairing(slot, label, pinned) => (
                "change_pairing",
                vec![json!(slot), text(label), json!(u8::from(*pinned))],
            ),
            Talk::DeletePairing(slot) => ("delete_pairing", vec![json!(slot)]),
            Talk::QueryPin => ("query_pin", vec![]),
            Talk::Verify(pin) => ("verify", vec![text(pin)]),
            Talk::Change(reference, old, new) => (
                "change",
                vec![json!(reference.number()), text(old), text(new)],
            ),
            Talk::Unblock(puk, new) => ("unblock", vec![text(puk), text(new)]),
            Talk::VaultList => ("vault_list", vec![]),
            Talk::VaultRead(name) => ("vault_read", vec![text(name)]),
            Talk::VaultWrite(name, policy, content) => (
                "vault_write",
                vec![text(name), json!(policy.to_byte()), json!(hex(content))],
            ),
            Talk::VaultDelete(name) => ("vault_delete", vec![text(name)]),
            Talk::CounterRead => ("counter_read", vec![]),
            Talk::CounterAdd(amount) => ("counter_add", vec![json!(amount)]),
            Talk::CounterLimit(limit) => ("counter_limit", vec![json!(limit)]),
            Talk::FactoryReset => ("factory_reset", vec![]),
        };
        let request = json!({"do": "session", "call": call, "arguments": arguments});
        let answer = self.over(request, wire);
        if let Some(failed) = answer.get("failed") {
            let refused = answer["why"].as_str().unwrap();
            return match failed.as_str().unwrap() {
                "refused" => refused.to_uppercase(),
                _ => "over".into(),
            };
        }
        let word = format!("{:04X}", answer["word"].as_u64().unwrap());
        let data = answer["data"].as_str().unwrap();
        let shown = matches!(
            talk,
            Talk::CardCertificate
                | Talk::StatusList
                | Talk::VaultRead(_)
                | Talk::CounterRead
                | Talk::CounterAdd(_)
        );
        match shown && word == "9000" {
            true => format!("9000 {data}"),
            false => word,
        }
    }
}

fn iso(date: apdu::certificate::Date) -> String {
    let [year, month, day] = date.to_bcd();
    format!("20{year:02x}-{month:02x}-{day:02x}")
}
