//! A real card in vpcd's first slot and a real terminal behind PC/SC.

mod contended;
mod pulled;
mod sessions;

use super::SLOT;
use card_core::store::Store;
use card_sim::body::VirtualCard;
use card_sim::event::Event;
use card_sim::vpcd::{Body, StopFlag, VpcdClient};
use getrandom::SysRng;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use terminal_lib::transport::pcsc::{PcscTransport, Readers};

const READER: &str = "Virtual PCD 00 00";
const PATIENCE: Option<Duration> = Some(Duration::from_secs(10));

/// The slot, for one test at a time.
struct Slot {
    readers: Readers,
    _turn: MutexGuard<'static, ()>,
}

impl Slot {
    fn new() -> Self {
        let turn = SLOT.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = Self {
            readers: Readers::open().expect("no pcscd here: run this test by `cargo xtask lane`"),
            _turn: turn,
        };
        slot.wait_for_removal();
        slot
    }

    fn wait_for_card(&self) -> PcscTransport {
        self.readers.wait_for_card(READER, PATIENCE).unwrap()
    }

    fn wait_for_removal(&self) {
        assert_eq!(self.readers.wait_for_removal(READER, PATIENCE), Ok(true));
    }
}

/// A card whose reader is seen to take its power away.
struct Watched<S> {
    card: VirtualCard<S, SysRng>,
    power_offs: Arc<AtomicUsize>,
}

impl<S: Store> Body for Watched<S> {
    fn power_on(&mut self) {
        self.card.power_on();
    }

    fn power_off(&mut self) {
        self.power_offs.fetch_add(1, Ordering::Relaxed);
        self.card.power_off();
    }

    fn reset(&mut self) {
        self.card.reset();
    }

    fn atr(&self) -> Vec<u8> {
        self.card.atr()
    }

    fn transmit(&mut self, command: &[u8]) -> Vec<u8> {
        self.card.transmit(command)
    }
}

/// A card in the slot until it is dropped. A card that a planned fault pulls comes back by itself after a moment.
struct Inserted {
    stop: StopFlag,
    apdus: Arc<AtomicUsize>,
    power_offs: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

impl Inserted {
    fn new(card: impl Store + Send + 'static) -> Self {
        Self::with(VpcdClient::slot(0), card)
    }

    fn with(client: VpcdClient, card: impl Store + Send + 'static) -> Self {
        let (stop, apdus) = (StopFlag::default(), Arc::new(AtomicUsize::new(0)));
        let power_offs = Arc::new(AtomicUsize::new(0));
        let (flag, counter) = (stop.clone(), Arc::clone(&apdus));
        let mut client = client.on_event(move |event| {
            if let Event::Exchange { .. } = event {
                counter.fetch_add(1, Ordering::Relaxed);
            }
        });
        let mut watched = Watched {
            card: VirtualCard::new(card, SysRng),
            power_offs: Arc::clone(&power_offs),
        };
        let thread = std::thread::spawn(move || client.run(&mut watched, &flag).unwrap());
        Self {
            stop,
            apdus,
            power_offs,
            thread: Some(thread),
        }
    }

    /// How often the reader has taken the power away.
    fn power_offs(&self) -> usize {
        self.power_offs.load(Ordering::Relaxed)
    }

    /// APDUs that the card has answered.
    fn apdus(&self) -> usize {
        self.apdus.load(Ordering::Relaxed)
    }
}

impl Drop for Inserted {
    fn drop(&mut self) {
        self.stop.raise();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}
