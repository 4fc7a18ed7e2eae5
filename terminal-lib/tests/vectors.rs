//! session.json against the terminal: every byte it sends in both handshakes and two sessions was computed by a program
//! that shares no code with it.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

use apdu::certificate::{Certificate, Date};
use apdu::codec::status::StatusWord;
use apdu::crypto::{Entropy, EntropyError};
use apdu::message::pin::{Digits, Reference};
use apdu::message::vault::{ObjectName, Policy as Access};
use std::cell::RefCell;
use std::rc::Rc;
use terminal_lib::application::{Application, Notice, PinAnswer, PinRequest, Policy, SetUpReason};
use terminal_lib::service::counter::Counter;
use terminal_lib::service::vault::Vault;
use terminal_lib::session::{CodeOutcome, SessionError};
use terminal_lib::store::{IdentityName, MemoryStore};
use terminal_lib::transport::{Ending, Transport, TransportError};
use terminal_lib::{Terminal, identity};
use test_vectors::{Fields, from_hex, group, to_hex};

/// Randomness that was written down.
struct Tape(std::vec::IntoIter<u8>);

impl Entropy for Tape {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        for byte in bytes {
            *byte = self.0.next().ok_or(EntropyError)?;
        }
        Ok(())
    }
}

/// The card's half of the file: it takes the next command only if it is the right one.
struct Script {
    steps: Rc<RefCell<std::vec::IntoIter<Fields>>>,
}

impl Transport for Script {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError> {
        let step = self.steps.borrow_mut().next().unwrap();
        assert_eq!(
            to_hex(command),
            step.text("command"),
            "{}",
            step.text("comment")
        );
        Ok(from_hex(step.text("response")))
    }

    fn atr(&self) -> &[u8] {
        &apdu::identifier::ATR
    }

    fn begin(&mut self) -> Result<(), TransportError> {
        Ok(())
    }

    fn end(&mut self, _: Ending) {}

    fn reconnect(&mut self) -> Result<(), TransportError> {
        Err(TransportError::CardRemoved)
    }

    /// The file is written in short APDUs.
    fn takes_extended_length(&self) -> bool {
        false
    }
}

/// Types a wrong PIN first, as the file has it.
struct Clumsy {
    told: Vec<String>,
}

impl Application for Clumsy {
    fn may_set_up(&mut self, _: SetUpReason) -> bool {
        true
    }

    fn pin(&mut self, request: &PinRequest) -> PinAnswer {
        let digits = if request.attempt == 1 {
            &b"000000"[..]
        } else {
            b"271828"
        };
        PinAnswer::Digits(Digits::new(Reference::Pin, digits).unwrap())
    }

    fn notice(&mut self, notice: &Notice) {
        self.told.push(notice.to_string());
    }
}

/// ST-09, ST-12, ST-21, ST-23, ST-30, ST-33, ST-34, ST-40, ST-44, ST-45, ST-46, ST-47, ST-50, ST-53, ST-54: each as bytes.
#[test]
fn the_terminal_sends_a_whole_life_byte_for_byte() {
    let (group, tests) = group(test_vectors::SESSION, "Life");
    let name = IdentityName::new("vector").unwrap();
    let certificate = Certificate::decode(&group.bytes("terminalCertificate")).unwrap();
    let root = Certificate::decode(&group.bytes("root")).unwrap();
    let today = Date::new(2026, 11, 21).unwrap();
    let mut store = MemoryStore::new();
    let mut key = Tape(group.bytes("terminalKey").into_iter());
    let claims = certificate.claims();
    identity::create_request(
        &mut store,
        &name,
        claims.issuer,
        claims.holder,
        [0; 16],
        &mut key,
    )
    .unwrap();
    identity::install(&mut store, &name, &certificate, &[root], today).unwrap();
    let tape = Tape(group.bytes("terminalTape").into_iter());
    let mut terminal = Terminal::new(store, name)
        .with_entropy(tape)
        .with_clock(today);

    let mut steps = tests[0].list("steps").into_iter();
    steps
        .find(|step| step.optional_text("comment") == Some("activate"))
        .unwrap();
    let steps = Rc::new(RefCell::new(steps));
    let mut card = Script {
        steps: steps.clone(),
    };
    let mut user = Clumsy { told: Vec::new() };

    let mut session = terminal
        .connect(&mut card, &mut user, &Policy::Ask)
        .unwrap();
    session.services().unwrap();
    assert_eq!(Counter::new().add(&mut session, 5).unwrap(), 5);
    let content: Vec<u8> = (0..=255).chain(0..100).collect();
    let (note, none) = (
        ObjectName::new("note").unwrap(),
        ObjectName::new("none").unwrap(),
    );
    let mut vault = Vault::new();
    let refused = vault
        .write(&mut session, &note, Access::default(), &content)
        .unwrap_err();
    assert!(matches!(
        refused,
        SessionError::Refused {
            status: StatusWord::SECURITY_NOT_SATISFIED,
            ..
        }
    ));
    let pin = Digits::new(Reference::Pin, group.text("pin").as_bytes()).unwrap();
    assert_eq!(session.verify_pin(&pin).unwrap(), CodeOutcome::Right);
    vault
        .write(&mut session, &note, Access::default(), &content)
        .unwrap();
    assert_eq!(*vault.read(&mut session, &note).unwrap(), content);
    let refused = vault.read(&mut session, &none).map(drop).unwrap_err();
    assert!(matches!(
        refused,
        SessionError::Refused {
            status: StatusWord::NOT_FOUND,
            ..
        }
    ));
    session.close();
    assert_eq!(user.told, ["paired with card ZZTALLYCARD00001"]);

    let power = steps.borrow_mut().next().unwrap();
    assert_eq!(
        power.optional_text("power"),
        Some("up"),
        "the second insertion"
    );
    terminal
        .connect(&mut card, &mut user, &Policy::Never)
        .unwrap()
        .close();
    assert_eq!(steps.borrow().len(), 0, "every step was taken");
    assert_eq!(user.told.len(), 1);
}
