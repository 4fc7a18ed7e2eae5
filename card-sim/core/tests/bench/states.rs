//! Cards in every life-cycle state and every volatile one, each with the terminal's end of the channel.

use super::*;
use apdu::certificate::{StatusList, StatusListFields};
use apdu::identifier::Aid;
use apdu::message::pairings::{PairingChange, encode_delete};
use card_core::store::{Change, Record, Store};

/// A card in one state.
pub struct Start {
    pub life: &'static str,
    pub state: &'static str,
    pub bench: Bench,
    /// The terminal's end, where the state has a channel.
    pub end: Option<TerminalEnd>,
}

impl Start {
    pub fn has_service(&self) -> bool {
        self.state == "SERVICE"
    }
}

const OTHER_PIN: &[u8] = b"161803";
const SECOND: &str = "ZZTALLYROOT00002";

fn request(bench: &mut Bench) -> Request {
    let order = KeyOrder {
        issuer: Name::new(ROOT).unwrap(),
        holder: Name::new(CARD).unwrap(),
        nonce: [5; 16],
    };
    Request::decode(&bench.plain_ok(header::GENERATE_KEY, &order.encode())).unwrap()
}

pub fn link() -> Certificate {
    let key = private_key(2).public_key();
    certify(&root_key(), ROOT, SECOND, Role::Authority, &key)
}

pub fn status_list() -> StatusList {
    let fields = StatusListFields {
        issuer: Name::new(ROOT).unwrap(),
        sequence: 1,
        min_epoch: 0,
        date: Date::new(2026, 6, 1).unwrap(),
        revoked: Vec::new(),
    };
    let signature = root_key().sign(&fields.encode_body());
    StatusList::assemble(fields, signature)
}

/// A card with a key and a root but no certificate; and the certificate it waits for.
fn initialised() -> (Bench, Certificate) {
    let mut bench = Bench::blank();
    bench.select();
    bench.plain_ok(header::SET_PIN, PIN);
    bench.plain_ok(header::SET_PUK, PUK);
    bench.plain_ok(header::STORE_CERTIFICATE, root().encoded());
    let key = request(&mut bench).fields().key.clone();
    let certificate = certify(&root_key(), ROOT, CARD, Role::Card, &key);
    bench.power_cycle();
    (bench, certificate)
}

fn certified() -> Bench {
    let (mut bench, certificate) = initialised();
    bench.select();
    bench.plain_ok(header::STORE_CERTIFICATE, certificate.encoded());
    bench.power_cycle();
    bench
}

/// A card in use with two pairings: terminal 1 in slot 0, terminal 2 in slot 1.
fn operational() -> (Bench, PairingKey) {
    let mut bench = Bench::operational();
    let key = Terminal::new(1).pair(&mut bench);
    Terminal::new(2).pair(&mut bench);
    bench.power_cycle();
    (bench, key)
}

fn blocked() -> (Bench, PairingKey) {
    let (mut bench, key) = operational();
    let used_up = Change::Put(Record::PUK_TRIES, &[0]);
    bench.store.commit(&[used_up]).unwrap();
    bench.power_cycle();
    (bench, key)
}

/// The states before a channel. `PERSO` where personalisation is possible, else what leads to set-up.
fn before_a_channel(life: &'static str, card: &Bench, starts: &mut Vec<Start>) {
    let mut add = |state, prepare: &dyn Fn(&mut Bench)| {
        let mut bench = card.fork();
        prepare(&mut bench);
        starts.push(Start {
            life,
            state,
            bench,
            end: None,
        });
    };
    add("NONE", &|_| {});
    if life == "terminated" {
        return;
    }
    add("IDLE", &|bench| {
        bench.select();
    });
    if !matches!(life, "operational" | "blocked") {
        add("PERSO", &|bench| {
            bench.select();
            bench.plain_ok(header::SET_PUK, PUK);
        });
        return;
    }
    let show = |bench: &mut Bench, certificate: &Certificate| {
        bench.plain_ok(header::VERIFY_CERTIFICATE, certificate.encoded());
    };
    add("CERT", &|bench| {
        bench.select();
        show(bench, &Terminal::new(1).certificate);
    });
    add("LINKED", &|bench| {
        bench.select();
        show(bench, &link());
    });
}

/// The states with a channel.
fn with_a_channel(
    life: &'static str,
    wanted: &[&'static str],
    card: &Bench,
    key: &PairingKey,
    starts: &mut Vec<Start>,
) {
    for state in wanted {
        let mut bench = card.fork();
        let mut terminal = Terminal::new(1);
        let end = match *state {
            "PROV" => terminal.set_up_to_share(&mut bench).sm1,
            "GIVEN" => {
                let mut provisional = terminal.set_up_to_share(&mut bench);
                provisional.card_certificate(&mut bench);
                provisional.sm1
            }
            "AUTH" => terminal.set_up_to_pin(&mut bench).0,
            "PINOK" => {
                let (mut end, _) = terminal.set_up_to_pin(&mut bench);
                assert_eq!(bench.secured(&mut end, header::VERIFY, PIN).1, OK);
                end
            }
            "FWAIT" => terminal.challenge(&mut bench, key).unwrap(),
            "FOREIGN" => {
                let challenge = Challenge {
                    hint: [9; 4],
                    terminal_nonce: [9; 16],
                };
                bench.select();
                bench.plain_ok(header::RECONNECT, &challenge.encode());
                TerminalEnd::new(key.session_keys(&sha256(&[b"not the card's"])))
            }
            _ => {
                let mut key = key.dangerous_copy();
                let mut end = terminal.reconnect(&mut bench, &mut key).unwrap();
                match *state {
                    "VERIFIED" => {
                        assert_eq!(bench.secured(&mut end, header::VERIFY, PIN).1, OK);
                    }
                    "SERVICE" => {
                        let name = Aid::COUNTER.0;
                        let selected = bench.secured(&mut end, header::SELECT_SERVICE, &name);
                        assert_eq!(selected.1, OK);
                    }
                    _ => {}
                }
                end
            }
        };
        starts.push(Start {
            life,
            state,
            bench,
            end: Some(end),
        });
    }
}

/// A session in which the rest of a long answer waits.
pub fn waiting() -> Bench {
    let (mut bench, key) = operational();
    let mut end = Terminal::new(1)
        .reconnect(&mut bench, &mut key.dangerous_copy())
        .unwrap();
    let name = [0x80, 1, b'n'];
    let object = [&name[..], &[0x81, 1, 0, 0x82, 0x82, 0x02, 0x58], &[7; 600]].concat();
    assert_eq!(
        bench
            .secured(&mut end, header::SELECT_SERVICE, &Aid::VAULT.0)
            .1,
        OK
    );
    let write = Header::new(0x8C, 0x14, 0, 0);
    assert_eq!(bench.secured(&mut end, write, &object).1, OK);
    let read = Header::new(0x8C, 0x12, 0, 0);
    let sealed = end.seal(read, &name, Some(ExpectedLength::Short)).unwrap();
    let apdus = segments(sealed.header, &sealed.data, Some(256), Form::Short, 255).unwrap();
    let last = apdus.iter().map(|apdu| bench.raw(apdu)).last().unwrap();
    assert!(last.status.as_bytes_waiting().is_some(), "{}", last.status);
    bench
}

/// Every state of every life-cycle state.
pub fn all() -> Vec<Start> {
    let mut starts = Vec::new();
    before_a_channel("blank", &Bench::blank(), &mut starts);
    before_a_channel("initialised", &initialised().0, &mut starts);
    before_a_channel("certified", &certified(), &mut starts);
    let (card, key) = operational();
    before_a_channel("operational", &card, &mut starts);
    let states = [
        "PROV", "GIVEN", "AUTH", "PINOK", "FWAIT", "SECURE", "VERIFIED", "SERVICE", "FOREIGN",
    ];
    with_a_channel("operational", &states, &card, &key, &mut starts);
    let (card, key) = blocked();
    before_a_channel("blocked", &card, &mut starts);
    with_a_channel(
        "blocked",
        &["AUTH", "FWAIT", "SECURE"],
        &card,
        &key,
        &mut starts,
    );
    let mut card = operational().0;
    card.card.terminate(&mut card.store).unwrap();
    before_a_channel("terminated", &card, &mut starts);
    starts
}

/// Right data for a row of the table, by its name.
pub fn right_data(start: &Start, row: &str) -> Vec<u8> {
    let mut terminal = Terminal::new(1);
    let replacement = |old: &[u8], new: &[u8]| {
        let length = |digits: &[u8]| u8::try_from(digits.len()).unwrap();
        [&[0x80, length(old)], old, &[0x81, length(new)], new].concat()
    };
    match row {
        "SELECT" => Aid::AUTHENTICATION.0.to_vec(),
        "VERIFY-CERT" => terminal.certificate.encoded().to_vec(),
        "RECONNECT" => Challenge {
            hint: [1; 4],
            terminal_nonce: [2; 16],
        }
        .encode()
        .to_vec(),
        "KEY-EXCHANGE" => TerminalShare(private_key(0x77).public_key()).encode(),
        "SET-PIN" => OTHER_PIN.to_vec(),
        "SET-PUK" => b"27182818".to_vec(),
        "GENERATE-KEY" => KeyOrder {
            issuer: Name::new(ROOT).unwrap(),
            holder: Name::new(CARD).unwrap(),
            nonce: [6; 16],
        }
        .encode(),
        "STORE-ROOT" => root().encoded().to_vec(),
        "STORE-CERT" => initialised().1.encoded().to_vec(),
        "TERMINAL-RANDOM" => {
            let certificate = start
                .bench
                .store
                .read(Record::CERTIFICATE)
                .unwrap()
                .unwrap();
            let certificate = Certificate::decode(&certificate).unwrap();
            terminal.random_for(&certificate).0
        }
        "PUT-LIST" => status_list().encoded().to_vec(),
        "CHANGE-PAIRING" => PairingChange {
            slot: slot(0),
            label: apdu::message::pairings::Label::new(b"kiosk").unwrap(),
            pinned: true,
        }
        .encode(),
        "DELETE-OWN" => encode_delete(slot(0)),
        "DELETE-OTHER" => encode_delete(slot(1)),
        "PUT-LINK" => link().encoded().to_vec(),
        "VERIFY" => PIN.to_vec(),
        "VERIFY-WRONG" => b"000000".to_vec(),
        "VERIFY-SHORT" => b"12345".to_vec(),
        "CHANGE-PIN" => replacement(PIN, OTHER_PIN),
        "CHANGE-PUK" => replacement(PUK, b"27182818"),
        "UNBLOCK" => replacement(PUK, OTHER_PIN),
        "SELECT-SERVICE" => Aid::COUNTER.0.to_vec(),
        "SELECT-UNKNOWN" => Aid::service(99, 1).0.to_vec(),
        "COUNTER-ADD" | "COUNTER-LIMIT" => vec![0, 0, 0, 5],
        "ACTIVATE" | "COMMIT" | "CARD-CERT" | "STATUS" | "GET-LIST" | "LIST-PAIRINGS"
        | "SERVICES" | "VERIFY-QUERY" | "FACTORY-RESET" | "COUNTER-READ" => Vec::new(),
        other => panic!("no data for the row {other}"),
    }
}

fn slot(number: u8) -> apdu::message::pairings::SlotNumber {
    apdu::message::pairings::SlotNumber::new(number).unwrap()
}
