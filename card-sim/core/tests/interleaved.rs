//! T61, B18: two terminals' sessions interleaved in every order, each order with every cut. Neither goes on where the other was, and
//! neither loses its pairing.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

mod bench;

use apdu::channel::{ExpectedLength, TerminalEnd};
use apdu::codec::command::Header;
use apdu::handshake::{PairingKey, Transcript};
use apdu::identifier::header;
use apdu::message::reconnect::{Challenge, ChallengeAnswer};
use apdu::message::select::{self, Fci};
use bench::*;
use card_core::store::Fault;
use test_vectors::evidence::report;

/// Commands of one terminal: SELECT, C1, then these under secure messaging. The last needs the PIN of the one before.
const SECURED: [Header; 4] = [
    header::STATUS,
    header::VERIFY,
    header::LIST_PAIRINGS,
    header::STATUS,
];
const COMMANDS: usize = 2 + SECURED.len();

/// A terminal that sends its commands one at a time, whatever became of the earlier ones.
struct Client {
    number: u8,
    key: PairingKey,
    selected: Option<(Fci, Transcript)>,
    end: Option<TerminalEnd>,
    sent: usize,
}

impl Client {
    fn new(number: u8, key: &PairingKey) -> Self {
        Self {
            number,
            key: key.dangerous_copy(),
            selected: None,
            end: None,
            sent: 0,
        }
    }

    /// Sends the next command; whether it was carried out for this terminal.
    fn step(&mut self, bench: &mut Bench) -> bool {
        let number = self.sent;
        self.sent += 1;
        match number {
            0 => self.select(bench),
            1 => self.challenge(bench),
            _ => self.secured(bench, SECURED[number - 2]),
        }
    }

    fn select(&mut self, bench: &mut Bench) -> bool {
        let response = bench.raw(&select::COMMAND.encode().unwrap());
        let Ok(fci) = Fci::decode(&response.data) else {
            return false;
        };
        let mut transcript = Transcript::start();
        transcript.command(header::SELECT, select::COMMAND.data);
        transcript.response(&response.data, response.status);
        self.selected = Some((fci, transcript));
        response.status == OK
    }

    fn challenge(&mut self, bench: &mut Bench) -> bool {
        let Some((fci, mut transcript)) = self.selected.take() else {
            return false;
        };
        let terminal_nonce = [self.number; 16];
        let challenge = Challenge {
            hint: self.key.tag_key().hint(&fci.prand, &terminal_nonce),
            terminal_nonce,
        }
        .encode();
        transcript.command(header::RECONNECT, &challenge);
        let response = bench.send(header::RECONNECT, &challenge);
        let Ok(answer) = ChallengeAnswer::decode(&response.data) else {
            return false;
        };
        let th_f = transcript.reconnect_hash(&answer.card_nonce);
        if !self.key.proves(&th_f, &answer.proof) {
            return false;
        }
        self.end = Some(TerminalEnd::new(self.key.session_keys(&th_f)));
        true
    }

    fn secured(&mut self, bench: &mut Bench, header: Header) -> bool {
        let data = if header == header::VERIFY { PIN } else { &[] };
        let Some(end) = &mut self.end else {
            // Without keys of its own it tries to go on where the other one is.
            bench.send(header, data);
            return false;
        };
        let Ok(sealed) = end.seal(header, data, Some(ExpectedLength::Short)) else {
            return false;
        };
        let response = bench.send(sealed.header, &sealed.data);
        matches!(end.open(&response.data, response.status), Ok((_, OK)))
    }
}

/// Every order of `a` commands of the first and `b` of the second.
fn orders(a: usize, b: usize) -> Vec<Vec<bool>> {
    let mut all = Vec::new();
    if a == 0 && b == 0 {
        return vec![Vec::new()];
    }
    for (first, a_left, b_left) in [
        (true, a.checked_sub(1), Some(b)),
        (false, Some(a), b.checked_sub(1)),
    ] {
        if let (Some(a_left), Some(b_left)) = (a_left, b_left) {
            all.extend(orders(a_left, b_left).into_iter().map(|mut rest| {
                rest.insert(0, first);
                rest
            }));
        }
    }
    all
}

/// Which commands must be carried out: SELECT always, any other only right behind all the earlier ones of the same terminal.
fn expected(order: &[bool]) -> Vec<bool> {
    let mut sent = [0, 0];
    let (mut alive, mut last) = ([false; 2], None);
    order
        .iter()
        .map(|first| {
            let who = usize::from(!*first);
            let unbroken = last == Some(who);
            alive[who] = sent[who] == 0 || (alive[who] && unbroken);
            sent[who] += 1;
            last = Some(who);
            alive[who]
        })
        .collect()
}

#[test]
fn two_interleaved_sessions_never_continue_each_other_and_keep_both_pairings() {
    let mut start = Bench::operational();
    let keys = [1, 2].map(|number| Terminal::new(number).pair(&mut start));
    let mut terminals = [1, 2].map(Terminal::new);
    let orders = orders(COMMANDS, COMMANDS);
    assert_eq!(orders.len(), 924);
    let (mut cuts, mut carried_out) = (0, 0);
    for order in &orders {
        let run = |bench: &mut Bench| -> Vec<bool> {
            let mut clients = [Client::new(1, &keys[0]), Client::new(2, &keys[1])];
            let step = |first: &bool| clients[usize::from(!*first)].step(bench);
            order.iter().map(step).collect()
        };
        let mut whole = start.fork();
        let done = run(&mut whole);
        assert_eq!(done, expected(order), "{order:?}");
        carried_out += done.iter().filter(|done| **done).count();
        for commit in start.store.commits()..whole.store.commits() {
            for fault in [Fault::CutBefore, Fault::CutAfter] {
                let mut bench = start.fork();
                bench.store.plan(commit, fault);
                run(&mut bench);
                bench.power_cycle();
                for (terminal, key) in terminals.iter_mut().zip(&keys) {
                    let now = [key.dangerous_copy(), key.next()];
                    let open = |key| terminal.challenge(&mut bench, key).is_some();
                    assert_eq!(
                        now.iter().map(open).filter(|opens| *opens).count(),
                        1,
                        "{order:?}"
                    );
                }
                cuts += 1;
            }
        }
    }
    assert!(
        cuts > 1_000 && carried_out > 924 * 2,
        "{cuts} cuts, {carried_out} carried out"
    );
    report(
        "T61",
        orders.len() as u64,
        format_args!(
            "orders of 6 + 6 commands, {cuts} cuts: {carried_out} commands carried out, 0 for the other one; both pairings live"
        ),
    );
}
