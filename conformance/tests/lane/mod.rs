//! A real card in vpcd's first slot and a real terminal behind PC/SC.

mod pulled;
mod sessions;

use super::SLOT;
use card_core::store::Store;
use card_sim::body::VirtualCard;
use card_sim::event::Event;
use card_sim::vpcd::{StopFlag, VpcdClient};
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

/// A card in the slot until it is dropped. A card that a planned fault pulls comes back by itself after a moment.
struct Inserted {
    stop: StopFlag,
    apdus: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

impl Inserted {
    fn new(card: impl Store + Send + 'static) -> Self {
        Self::with(VpcdClient::slot(0), card)
    }

    fn with(client: VpcdClient, card: impl Store + Send + 'static) -> Self {
        let (stop, apdus) = (StopFlag::default(), Arc::new(AtomicUsize::new(0)));
        let (flag, counter) = (stop.clone(), Arc::clone(&apdus));
        let mut client = client.on_event(move |event| {
            if let Event::Exchange { .. } = event {
                counter.fetch_add(1, Ordering::Relaxed);
            }
        });
        let thread = std::thread::spawn(move || {
            client
                .run(&mut VirtualCard::new(card, SysRng), &flag)
                .unwrap();
        });
        Self {
            stop,
            apdus,
            thread: Some(thread),
        }
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
