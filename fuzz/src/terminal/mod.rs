//! T20: a terminal against a card that may say anything.
//!
//! The first byte of an input chooses the card: a [`liar`] without keys, whose every answer comes from the input, or a [`live`]
//! card behind a line that alters what passes. The rest says what the terminal does and what happens on the line.
//!
//! | card | what must hold, beside no panic and no endless exchange |
//! |---|---|
//! | liar | no session opens, nobody is asked for a PIN, nothing the terminal has stored changes |
//! | live | a session opens only with a card that has moved to it; a PIN is asked for only when the card has proved itself; every result is the card's; an honest visit afterwards succeeds |

pub mod liar;
pub mod live;
pub mod starts;

use crate::tape::Tape;
use apdu::certificate::{Name, Role};
use apdu::message::personalise::KeyOrder;
use apdu::message::pin::{Digits, Reference};
use conformance::authority::{CARD, PUK, ROOT, name, root};
use conformance::user::PIN;
use terminal_lib::Terminal;
use terminal_lib::application::{Application, Notice, PinAnswer, PinRequest, Policy, SetUpReason};
use terminal_lib::personalise::{PersonaliseError, Station};
use terminal_lib::transport::Transport;
use terminal_lib::transport::trace::{TraceEvent, Traced};

/// No flow needs more APDUs than this, whatever is answered: a longest answer in pieces of one byte, twice.
const MAX_EXCHANGES: usize = 100_000;

/// What an input did.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Seen {
    /// APDUs that the terminal sent.
    pub exchanges: usize,
    /// Sessions that opened.
    pub sessions: usize,
    /// How often the user was asked for the PIN.
    pub pins_asked: usize,
    /// Results of commands that the terminal took as the card's.
    pub results: usize,
    /// Answers that were altered on the way.
    pub altered: usize,
}

/// Runs one input.
pub fn run(input: &[u8]) -> Seen {
    let mut tape = Tape::new(input);
    match tape.byte() {
        0..=79 => liar::run(tape),
        80.. => live::run(tape),
    }
}

/// Watches what passes as an application with logging on does: every event is put into words.
fn watched<'t>(line: &'t mut dyn Transport, exchanges: &'t mut usize) -> impl Transport + 't {
    Traced::new(line, |event: TraceEvent| {
        *exchanges += 1;
        assert!(*exchanges < MAX_EXCHANGES, "an endless exchange");
        let words = format!("{event:?}");
        assert!(words.len() < 1 << 14, "a very long line for the log");
    })
}

/// The policies that a byte can choose.
fn policy(choice: u8) -> Policy {
    let stranger = Name::new("ZZTALLYCARD00009").expect("a name");
    match choice % 5 {
        0 => Policy::Never,
        1 => Policy::only(&name(CARD)),
        2 => Policy::Only(apdu::certificate::HolderHash::of(Role::Card, &stranger)),
        3 => Policy::Ask,
        _ => Policy::Auto,
    }
}

/// A station's whole work on a blank card.
fn personalise(line: &mut dyn Transport) -> Result<(), PersonaliseError> {
    let mut station = Station::begin(line)?;
    let digits = |reference, digits| Digits::new(reference, digits).expect("digits");
    station.set_pin(&digits(Reference::Pin, PIN))?;
    station.set_puk(&digits(Reference::Puk, PUK))?;
    station.store_root(&root())?;
    let order = KeyOrder {
        issuer: name(ROOT),
        holder: name(CARD),
        nonce: [7; 16],
    };
    let request = station.generate_key(&order)?;
    let key = request.fields().key.clone();
    station.store_certificate(&crate::card::papers::card_certificate(key, CARD))?;
    station.activate()
}

/// A user who agrees to everything and knows the PIN. `proven` says whether a card has proved itself.
struct Trusting<F> {
    asked: usize,
    proven: F,
}

impl<F: FnMut() -> bool> Application for Trusting<F> {
    fn may_set_up(&mut self, _: SetUpReason) -> bool {
        true
    }

    fn pin(&mut self, request: &PinRequest) -> PinAnswer {
        assert!(
            (self.proven)(),
            "the PIN was asked for without a proven card"
        );
        assert_eq!(request.card, name(CARD));
        self.asked += 1;
        match self.asked {
            1..=3 => PinAnswer::Digits(Digits::new(Reference::Pin, PIN).expect("digits")),
            _ => PinAnswer::Refuse,
        }
    }

    fn notice(&mut self, notice: &Notice) {
        assert!(!notice.to_string().is_empty());
    }
}

/// The terminal program with a fixed generator and clock.
fn terminal(store: &terminal_lib::store::MemoryStore) -> Terminal {
    Terminal::new(store.share(), conformance::authority::desk())
        .with_entropy(crate::entropy::Fixed::new(77))
        .with_clock(conformance::authority::today())
}
