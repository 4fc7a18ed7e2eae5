//! The vpcd client against a driver made for the test, on a free loopback port.
#![expect(clippy::unwrap_used, reason = "a failed step of a test may panic")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use card_sim::fault::Fault;
use card_sim::vpcd::{Body, StopFlag, VpcdClient, VpcdError};

const PATIENCE: Duration = Duration::from_secs(10);
const SELECT: [u8; 5] = [0x00, 0xA4, 0x04, 0x00, 0x00];

/// A card that notes every call and answers each command by its first bytes.
struct Spy {
    calls: Sender<String>,
}

impl Spy {
    fn note(&self, call: impl Into<String>) {
        // The test may be over already when the last power-off comes.
        let _ = self.calls.send(call.into());
    }
}

impl Body for Spy {
    fn power_on(&mut self) {
        self.note("on");
    }
    fn power_off(&mut self) {
        self.note("off");
    }
    fn reset(&mut self) {
        self.note("reset");
    }
    fn atr(&self) -> Vec<u8> {
        vec![0x3B, 0x80, 0x01, 0x81]
    }
    fn transmit(&mut self, command: &[u8]) -> Vec<u8> {
        self.note(format!("command of {}", command.len()));
        match command {
            [0xEE, 0, ..] => Vec::new(),
            [0xEE, 1, ..] => vec![0x90],
            [0xEE, 2, ..] => vec![0; 0x1_0000],
            [0xEE, 3, ..] => vec![0x61; 0xFFFF],
            _ => vec![0x90, 0x00],
        }
    }
}

/// One client thread, and the port that it plugs its card into.
struct Slot {
    listener: TcpListener,
    calls: Receiver<String>,
    events: Receiver<String>,
    stop: StopFlag,
    client: Option<JoinHandle<Result<(), VpcdError>>>,
}

impl Slot {
    fn new(faults: &[(u64, Fault)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (calls_in, calls) = channel();
        let (events_in, events) = channel();
        let mut client = VpcdClient::new(address).on_event(move |event| {
            let _ = events_in.send(event.to_string());
        });
        for (command, fault) in faults {
            client = client.with_fault(*command, *fault);
        }
        let stop = StopFlag::default();
        let flag = stop.clone();
        let client = std::thread::spawn(move || client.run(&mut Spy { calls: calls_in }, &flag));
        Self {
            listener,
            calls,
            events,
            stop,
            client: Some(client),
        }
    }

    /// The next connection, with the card switched on and all calls up to that taken.
    fn accept(&self) -> Driver {
        let mut driver = self.accept_cold();
        driver.send(&[1]);
        while self.next_call() != "on" {}
        driver
    }

    fn accept_cold(&self) -> Driver {
        let (line, _) = self.listener.accept().unwrap();
        line.set_nodelay(true).unwrap();
        line.set_read_timeout(Some(PATIENCE)).unwrap();
        Driver(line)
    }

    fn next_call(&self) -> String {
        self.calls.recv_timeout(PATIENCE).unwrap()
    }

    fn wait_for_event(&self, part: &str) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let event = self.events.recv_timeout(left).unwrap();
            if event.contains(part) {
                return event;
            }
        }
    }

    fn finish(&mut self) -> Result<(), VpcdError> {
        self.stop.raise();
        self.client.take().unwrap().join().unwrap()
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.stop.raise();
        if let Some(client) = self.client.take() {
            let _ = client.join();
        }
    }
}

/// The driver's end of one connection.
struct Driver(TcpStream);

impl Driver {
    fn send(&mut self, body: &[u8]) {
        let length = u16::try_from(body.len()).unwrap().to_be_bytes();
        // Two writes, as Debian's driver does.
        self.0.write_all(&length).unwrap();
        self.0.write_all(body).unwrap();
    }

    fn receive(&mut self) -> Vec<u8> {
        let mut length = [0; 2];
        self.0.read_exact(&mut length).unwrap();
        let mut body = vec![0; usize::from(u16::from_be_bytes(length))];
        self.0.read_exact(&mut body).unwrap();
        body
    }

    fn ask(&mut self, body: &[u8]) -> Vec<u8> {
        self.send(body);
        self.receive()
    }

    /// Everything until the card is pulled.
    fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest).unwrap();
        rest
    }
}

/// ST-01
#[test]
fn power_reset_atr_and_commands_reach_the_card_in_order() {
    let mut slot = Slot::new(&[]);
    let mut driver = slot.accept_cold();
    driver.send(&[1]);
    driver.send(&[2]);
    assert_eq!(driver.ask(&[4]), [0x3B, 0x80, 0x01, 0x81]);
    assert_eq!(driver.ask(&SELECT), [0x90, 0x00]);
    driver.send(&[0]);
    for expected in ["on", "reset", "command of 5", "off"] {
        assert_eq!(slot.next_call(), expected);
    }
    slot.finish().unwrap();
}

#[test]
fn control_messages_are_never_answered() {
    let slot = Slot::new(&[]);
    let mut driver = slot.accept();
    driver
        .0
        .write_all(&[0, 1, 1, 0, 1, 0, 0, 1, 2, 0, 0, 0, 1, 4])
        .unwrap();
    assert_eq!(
        driver.receive(),
        [0x3B, 0x80, 0x01, 0x81],
        "the first answer is the one to the only question"
    );
    driver
        .0
        .set_read_timeout(Some(Duration::from_millis(150)))
        .unwrap();
    assert!(driver.0.read(&mut [0; 1]).is_err(), "nothing follows");
}

#[test]
fn a_command_that_dribbles_in_is_carried_out_once_and_whole() {
    let slot = Slot::new(&[]);
    let mut driver = slot.accept();
    let command = vec![0x42; 300];
    let frame = [&[0x01, 0x2C][..], &command].concat();
    for piece in [&frame[..1], &frame[1..2], &frame[2..40], &frame[40..]] {
        driver.0.write_all(piece).unwrap();
        // Longer than the client's read timeout: a part must survive the silence.
        std::thread::sleep(Duration::from_millis(130));
    }
    assert_eq!(driver.receive(), [0x90, 0x00]);
    assert_eq!(slot.next_call(), "command of 300");
    assert!(slot.calls.try_recv().is_err());
}

#[test]
fn the_longest_command_and_the_longest_answer_pass() {
    let slot = Slot::new(&[]);
    let mut driver = slot.accept();
    assert_eq!(driver.ask(&vec![0x11; 0xFFFF]), [0x90, 0x00]);
    assert_eq!(slot.next_call(), "command of 65535");
    assert_eq!(driver.ask(&[0xEE, 3]), vec![0x61; 0xFFFF]);
}

#[test]
fn an_answer_that_cannot_be_sent_becomes_6f00_and_is_reported() {
    for (kind, length) in [(0, 0), (1, 1), (2, 0x1_0000)] {
        let slot = Slot::new(&[]);
        let mut driver = slot.accept();
        assert_eq!(
            driver.ask(&[0xEE, kind]),
            [0x6F, 0x00],
            "answer of {length} bytes"
        );
        slot.wait_for_event(&format!("answer of {length} bytes cannot be sent"));
        assert_eq!(
            driver.ask(&SELECT),
            [0x90, 0x00],
            "the line is still in step"
        );
    }
}

#[test]
fn a_single_byte_that_is_no_control_byte_never_reaches_the_card_and_does_not_end_it() {
    let slot = Slot::new(&[]);
    let mut driver = slot.accept();
    assert_eq!(driver.ask(&[3]), [0x67, 0x00]);
    slot.wait_for_event("single byte 03");
    assert_eq!(driver.ask(&SELECT), [0x90, 0x00]);
    assert_eq!(slot.next_call(), "command of 5");
}

#[test]
fn an_empty_message_is_ignored_and_reported() {
    let slot = Slot::new(&[]);
    let mut driver = slot.accept();
    driver.send(&[]);
    slot.wait_for_event("message without a byte");
    assert_eq!(driver.ask(&SELECT), [0x90, 0x00]);
}

#[test]
fn a_command_to_a_card_without_power_switches_it_on_first_and_only_then() {
    let slot = Slot::new(&[]);
    let mut driver = slot.accept_cold();
    assert_eq!(driver.ask(&SELECT), [0x90, 0x00]);
    assert_eq!(driver.ask(&SELECT), [0x90, 0x00]);
    driver.send(&[0]);
    assert_eq!(driver.ask(&SELECT), [0x90, 0x00]);
    let expected = [
        "on",
        "command of 5",
        "command of 5",
        "off",
        "on",
        "command of 5",
    ];
    assert_eq!(expected.map(|_| slot.next_call()), expected);
}

/// `pcscd` looks for the card every 400 ms: one that returns sooner would never have been gone for it.
#[test]
fn a_lost_card_stays_out_long_enough_for_pcscd_to_notice() {
    let slot = Slot::new(&[(1, Fault::DropAfter)]);
    let mut driver = slot.accept();
    driver.send(&SELECT);
    assert_eq!(driver.rest(), []);
    let start = Instant::now();
    let _back = slot.accept();
    assert!(
        start.elapsed() > Duration::from_millis(500),
        "back after {:?}",
        start.elapsed()
    );
}

#[test]
fn the_card_comes_back_when_the_driver_went_away() {
    let slot = Slot::new(&[]);
    let driver = slot.accept();
    drop(driver);
    assert_eq!(
        slot.next_call(),
        "off",
        "a lost driver takes the power with it"
    );
    slot.wait_for_event("lost");
    let mut driver = slot.accept();
    assert_eq!(driver.ask(&SELECT), [0x90, 0x00]);
}

#[test]
fn a_part_of_a_message_from_a_lost_driver_is_not_read_as_part_of_the_next() {
    let slot = Slot::new(&[]);
    let mut driver = slot.accept();
    driver.0.write_all(&[0, 5, 0xEE]).unwrap();
    drop(driver);
    let mut driver = slot.accept();
    assert_eq!(driver.ask(&[4]), [0x3B, 0x80, 0x01, 0x81]);
}

#[test]
fn a_driver_that_is_not_there_yet_is_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let (calls, _calls) = channel();
    let (events_in, events) = channel();
    let stop = StopFlag::default();
    let flag = stop.clone();
    let mut client = VpcdClient::new(address.to_string()).on_event(move |event| {
        let _ = events_in.send(event.to_string());
    });
    let client = std::thread::spawn(move || client.run(&mut Spy { calls }, &flag));
    let event = events.recv_timeout(PATIENCE).unwrap();
    assert!(
        event.contains("cannot be reached") && event.contains("50 ms"),
        "{event}"
    );
    let event = events.recv_timeout(PATIENCE).unwrap();
    assert!(event.contains("100 ms"), "the pause doubles: {event}");
    stop.raise();
    client.join().unwrap().unwrap();
}

#[test]
fn a_raised_flag_removes_the_card_soon_even_when_the_line_is_silent() {
    let mut slot = Slot::new(&[]);
    let mut driver = slot.accept();
    assert_eq!(driver.ask(&SELECT), [0x90, 0x00]);
    let start = Instant::now();
    slot.finish().unwrap();
    assert_eq!(driver.rest(), []);
    assert!(
        start.elapsed() < Duration::from_secs(2),
        "took {:?}",
        start.elapsed()
    );
}

#[test]
fn an_address_that_can_never_work_is_an_error_at_once() {
    let (calls, _calls) = channel();
    let outcome = VpcdClient::new("no port").run(&mut Spy { calls }, &StopFlag::default());
    assert!(outcome.unwrap_err().to_string().contains("no port"));
}

#[test]
fn a_card_pulled_before_the_command_has_not_carried_it_out() {
    let slot = Slot::new(&[(2, Fault::DropBefore)]);
    let mut driver = slot.accept();
    assert_eq!(driver.ask(&SELECT), [0x90, 0x00]);
    driver.send(&SELECT);
    assert_eq!(driver.rest(), []);
    assert_eq!(slot.next_call(), "command of 5");
    assert_eq!(slot.next_call(), "off");
}

#[test]
fn a_card_pulled_after_the_command_has_carried_it_out_without_an_answer() {
    let slot = Slot::new(&[(1, Fault::DropAfter)]);
    let mut driver = slot.accept();
    driver.send(&SELECT);
    assert_eq!(driver.rest(), []);
    assert_eq!(slot.next_call(), "command of 5");
    assert_eq!(slot.next_call(), "off");
    assert_eq!(slot.accept().ask(&SELECT), [0x90, 0x00], "and comes back");
}

#[test]
fn a_cut_answer_leaves_exactly_the_planned_bytes() {
    for keep in 0..=3 {
        let slot = Slot::new(&[(1, Fault::CutAnswer { keep })]);
        let mut driver = slot.accept();
        driver.send(&SELECT);
        assert_eq!(driver.rest(), [0x00, 0x02, 0x90, 0x00][..keep]);
    }
}

#[test]
fn a_flipped_bit_changes_one_answer_and_not_the_next() {
    let slot = Slot::new(&[(1, Fault::FlipBit { bit: 8 })]);
    let mut driver = slot.accept();
    assert_eq!(driver.ask(&SELECT), [0x90, 0x01]);
    assert_eq!(driver.ask(&SELECT), [0x90, 0x00]);
}

#[test]
fn a_delayed_answer_is_late_and_whole() {
    let delay = Duration::from_millis(60);
    let slot = Slot::new(&[(1, Fault::Delay(delay))]);
    let mut driver = slot.accept();
    let start = Instant::now();
    assert_eq!(driver.ask(&SELECT), [0x90, 0x00]);
    assert!(start.elapsed() >= delay);
}

/// Without quick acknowledgement a driver that sends in two pieces, with Nagle's algorithm, costs 40 ms per command.
#[cfg(target_os = "linux")]
#[test]
fn a_driver_that_sends_in_two_pieces_does_not_stall() {
    let slot = Slot::new(&[]);
    let mut driver = slot.accept();
    driver.0.set_nodelay(false).unwrap();
    let mut times: Vec<_> = (0..25)
        .map(|_| {
            let start = Instant::now();
            assert_eq!(driver.ask(&SELECT), [0x90, 0x00]);
            start.elapsed()
        })
        .collect();
    times.sort();
    assert!(
        times[12] < Duration::from_millis(10),
        "median {:?}",
        times[12]
    );
}
