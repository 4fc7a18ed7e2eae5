//! Over a real pcscd with vpcd: what our card and secure messaging add to the way there.

use crate::table::{Figure, median};
use crate::world::{Agreeable, Failure, certified_card, certified_terminal};
use apdu::codec::command::{Command, Form, Header};
use card_core::store::MemoryStore;
use card_sim::vpcd::{Body, StopFlag, VpcdClient};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use terminal_lib::application::Policy;
use terminal_lib::exchange::Expects;
use terminal_lib::service::vault::Vault;
use terminal_lib::transport::pcsc::Readers;
use terminal_lib::transport::{Ending, Transport};

const SAMPLES: usize = 401;
const RUNS: usize = 3;
/// vpcd's stall without quick acknowledgement.
const STALL: Duration = Duration::from_millis(40);

/// The smallest card there is.
struct Yes;

impl Body for Yes {
    fn power_on(&mut self) {}
    fn power_off(&mut self) {}
    fn reset(&mut self) {}
    fn atr(&self) -> Vec<u8> {
        apdu::identifier::ATR.to_vec()
    }
    fn transmit(&mut self, _: &[u8]) -> Vec<u8> {
        vec![0x90, 0x00]
    }
}

/// A card in a slot until it is dropped.
struct Inserted {
    stop: StopFlag,
    thread: Option<JoinHandle<()>>,
}

impl Inserted {
    fn new(slot: u8, mut body: impl Body + Send + 'static) -> Self {
        let stop = StopFlag::default();
        let flag = stop.clone();
        let thread = std::thread::spawn(move || {
            if let Err(error) = VpcdClient::slot(slot)
                .on_event(|_| {})
                .run(&mut body, &flag)
            {
                eprintln!("bench: {error}");
            }
        });
        Self {
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Inserted {
    fn drop(&mut self) {
        self.stop.raise();
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// Three ratios; none of them is exact.
pub fn ratios() -> Result<Vec<Figure>, Failure> {
    let readers = Readers::open()?;
    let (card, root) = certified_card(MemoryStore::new())?;
    let _ours = Inserted::new(0, card);
    let _trivial = Inserted::new(1, Yes);
    let patience = Some(Duration::from_secs(5));
    let mut ours = readers.wait_for_card("00 00", patience)?;
    let mut trivial = readers.wait_for_card("00 01", patience)?;
    let mut slowest = Duration::ZERO;
    let mut through_us: f64 = 0.0;
    // Refused by our card at its second step, so both carry four bytes there and two back.
    let plain = [0x00, 0xB0, 0x00, 0x00];
    for _ in 0..RUNS {
        through_us = through_us.max(compare(
            &mut slowest,
            || transmit(&mut ours, &plain),
            || transmit(&mut trivial, &plain),
        )?);
    }
    drop(ours);
    let secured = secured_against_plain(&readers, &root, &mut slowest)?;
    Ok(vec![
        Figure::ratio(
            "pcscd + vpcd: an APDU through card-sim / through a trivial card",
            through_us,
            1.15,
        ),
        Figure::ratio(
            "pcscd + vpcd: a secured 16-byte command / a plain one as long",
            secured,
            1.15,
        ),
        Figure::ratio(
            "pcscd + vpcd: slowest round trip / 40 ms",
            slowest.as_secs_f64() / STALL.as_secs_f64(),
            1.0,
        ),
    ])
}

/// Median of the first over median of the second, measured by turns.
fn compare(
    slowest: &mut Duration,
    mut first: impl FnMut() -> Result<Duration, Failure>,
    mut second: impl FnMut() -> Result<Duration, Failure>,
) -> Result<f64, Failure> {
    let mut seconds = Vec::with_capacity(SAMPLES);
    let over = median(SAMPLES, || {
        let took = first()?;
        let other = second()?;
        *slowest = (*slowest).max(took).max(other);
        seconds.push(other);
        Ok::<_, Failure>(took)
    })?;
    seconds.sort();
    Ok(over
        / seconds
            .get(SAMPLES / 2)
            .map_or(f64::NAN, Duration::as_secs_f64))
}

fn transmit(card: &mut dyn Transport, command: &[u8]) -> Result<Duration, Failure> {
    let begin = Instant::now();
    card.transmit(command)?;
    Ok(begin.elapsed())
}

/// A service command with 16 bytes of data under secure messaging, which the service refuses, through our card; and a plain
/// command of the same wire length through the trivial card, which does nothing with it.
fn secured_against_plain(
    readers: &Readers,
    root: &apdu::certificate::Certificate,
    slowest: &mut Duration,
) -> Result<f64, Failure> {
    let mut terminal = certified_terminal(root)?;
    let mut card = readers.wait_for_card("00 00", Some(Duration::from_secs(5)))?;
    let mut neighbour = readers.wait_for_card("00 01", Some(Duration::from_secs(5)))?;
    let mut session = terminal.connect(&mut card, &mut Agreeable, &Policy::Auto)?;
    Vault::new().list(&mut session)?;
    let unknown = Header::new(0x8C, 0x7E, 0x00, 0x00);
    // 87 (35 bytes), 8E (18 bytes): the same data field, in plain.
    let field = [0x5A; 2 + 33 + 18];
    let same_length = Command {
        header: Header::new(0x00, 0xB0, 0, 0),
        data: &field,
        expected: Some(256),
        form: Form::Short,
    };
    let same_length = same_length.encode()?;
    let mut worst: f64 = 0.0;
    for _ in 0..RUNS {
        let ratio = compare(
            slowest,
            || {
                let begin = Instant::now();
                session.service_command(unknown, &[0x5A; 16], Expects::Nothing)?;
                Ok(begin.elapsed())
            },
            || transmit(&mut neighbour, &same_length),
        )?;
        worst = worst.max(ratio);
    }
    session.close();
    neighbour.end(Ending::Leave);
    Ok(worst)
}
