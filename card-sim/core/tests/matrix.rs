//! T12, B4, B17: every instruction with every class in every state, against `matrix.txt`. T26: what is refused changes nothing.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop")]

mod bench;

use apdu::channel::{ExpectedLength, TerminalEnd};
use apdu::codec::command::{Command, Form, Header};
use apdu::codec::status::StatusWord;
use apdu::identifier::header;
use bench::states::{Start, all, right_data};
use bench::*;
use std::collections::{BTreeMap, BTreeSet};
use test_vectors::evidence;

/// The test plan's classes, and our chained ones.
const CLASSES: [u8; 12] = [
    0x00, 0x04, 0x08, 0x0C, 0x10, 0x1C, 0x80, 0x84, 0x8C, 0x9C, 0xFF, 0x41,
];

/// What must follow: the word, whether something else is stored, the state afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Outcome {
    word: u16,
    stored: bool,
    state: String,
}

impl Outcome {
    fn ends(word: u16) -> Self {
        Self {
            word,
            stored: false,
            state: "NONE".into(),
        }
    }

    fn stays(word: u16, start: &Start) -> Self {
        Self {
            word,
            stored: false,
            state: start.state.into(),
        }
    }
}

/// One row of the table in one column.
struct Row {
    name: String,
    header: Header,
    outcome: Outcome,
}

/// The table: rows by life cycle and state.
struct Table {
    rows: BTreeMap<(String, String), Vec<Row>>,
    plain: BTreeSet<u8>,
    secured: BTreeSet<u8>,
    service: BTreeSet<u8>,
    parameters: BTreeMap<u8, BTreeSet<(u8, u8)>>,
}

impl Table {
    fn read(text: &str) -> Self {
        let mut table = Self {
            rows: BTreeMap::new(),
            plain: BTreeSet::new(),
            secured: BTreeSet::new(),
            service: BTreeSet::new(),
            parameters: BTreeMap::new(),
        };
        let (mut life, mut plain, mut states) = ("", true, Vec::new());
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        for line in lines {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words.as_slice() {
                [] => {}
                [kind, of] if kind.starts_with('[') => {
                    plain = *kind == "[plain";
                    life = of.trim_end_matches(']');
                    states.clear();
                }
                columns if states.is_empty() => states = columns.to_vec(),
                [name, bytes, entries @ ..] => {
                    assert_eq!(entries.len(), states.len(), "{line}");
                    let [cla, ins, p1, p2] = u32::from_str_radix(bytes, 16).unwrap().to_be_bytes();
                    table.parameters.entry(ins).or_default().insert((p1, p2));
                    match (plain, cla) {
                        (true, _) => &mut table.plain,
                        (false, 0x8C) => &mut table.service,
                        (false, _) => &mut table.secured,
                    }
                    .insert(ins);
                    for (state, entry) in states.iter().zip(entries) {
                        let row = Row {
                            name: (*name).into(),
                            header: Header::new(cla, ins, p1, p2),
                            outcome: outcome(entry, state, plain),
                        };
                        let column = (life.into(), (*state).into());
                        table.rows.entry(column).or_default().push(row);
                    }
                }
                _ => panic!("{line}"),
            }
        }
        table
    }

    fn rows(&self, start: &Start) -> &[Row] {
        let column = (start.life.into(), start.state.into());
        self.rows.get(&column).map_or(&[], Vec::as_slice)
    }

    /// All parameters that any row has with this instruction, and two that none has.
    fn parameters(&self, ins: u8) -> BTreeSet<(u8, u8)> {
        let mut all = self.parameters.get(&ins).cloned().unwrap_or_default();
        all.extend([(0x00, 0x01), (0xFF, 0xFF)]);
        all
    }

    /// §4: what a command of no row is answered with, when it comes without data and with Le.
    fn elsewhere(&self, start: &Start, header: Header, sealed: bool) -> Outcome {
        let (ins, in_session) = (header.ins, start.end.is_some());
        let unknown = |known: &BTreeSet<u8>| if known.contains(&ins) { 0x6A86 } else { 0x6D00 };
        match header.cla {
            0x10 | 0x1C | 0x9C => Outcome::ends(0x6700),
            0x41 => Outcome::ends(0x6881),
            0x04 | 0x08 | 0x84 => Outcome::ends(0x6882),
            0x80 | 0xFF => Outcome::ends(0x6E00),
            0x00 if in_session => Outcome::ends(0x6982),
            0x00 => Outcome::ends(unknown(&self.plain)),
            _ if !in_session => Outcome::ends(0x6985),
            _ if !sealed || start.state == "FOREIGN" => Outcome::ends(0x6988),
            0x8C if !start.has_service() => self.inside(start, 0x6985),
            0x8C => self.inside(start, unknown(&self.service)),
            _ => self.inside(start, unknown(&self.secured)),
        }
    }

    /// A protected refusal.
    fn inside(&self, start: &Start, word: u16) -> Outcome {
        match start.state {
            "FWAIT" => Outcome {
                word,
                stored: true,
                state: "SECURE".into(),
            },
            "SECURE" | "VERIFIED" | "SERVICE" => Outcome::stays(word, start),
            _ => Outcome::ends(word),
        }
    }
}

fn outcome(entry: &str, state: &str, plain: bool) -> Outcome {
    let word = u16::from_str_radix(&entry[..4], 16).unwrap();
    let refused_in_plain = plain && word != 0x9000;
    let stays = if refused_in_plain { "NONE" } else { state };
    Outcome {
        word,
        stored: entry.contains('!'),
        state: entry.split_once('>').map_or(stays, |(_, to)| to).into(),
    }
}

/// Sends one command to a copy of the card in its state, and looks at what became of it.
struct Trial {
    bench: Bench,
    end: Option<TerminalEnd>,
}

impl Trial {
    fn of(start: &Start) -> Self {
        Self {
            bench: start.bench.fork(),
            end: start.end.as_ref().map(TerminalEnd::dangerous_copy),
        }
    }

    fn plain(mut self, start: &Start, header: Header, data: &[u8], le: bool) -> Outcome {
        let apdu = Command {
            header,
            data,
            expected: le.then_some(256),
            form: if data.len() > 255 {
                Form::Extended
            } else {
                Form::Short
            },
        };
        let word = self.bench.raw(&apdu.encode().unwrap()).status;
        self.end = None;
        self.judge(start, word)
    }

    /// One sealed command; the answer must be protected, or bare and the end of everything.
    fn sealed(mut self, start: &Start, header: Header, data: &[u8]) -> Outcome {
        let end = self.end.as_mut().unwrap();
        let sealed = end.seal(header, data, Some(ExpectedLength::Short)).unwrap();
        let response = self.bench.send(sealed.header, &sealed.data);
        let follows = self.bench.card.phase_name();
        let protected = end.open(&response.data, response.status).is_ok();
        // The answer to message 5 is under the next keys, which this test does not compute.
        let next_keys = (header, follows) == (header::TERMINAL_RANDOM, "AUTH");
        let bare =
            response.data.is_empty() && response.status == StatusWord::SECURE_MESSAGING_INCORRECT;
        assert!(
            protected || next_keys || (bare && follows == "NONE"),
            "{header:02X?}"
        );
        self.judge(start, response.status)
    }

    fn judge(mut self, start: &Start, word: StatusWord) -> Outcome {
        let stored = !self.bench.store.same_content(&start.bench.store);
        let state = match self.bench.card.phase_name() {
            "SECURE" => self.kind_of_session(start),
            "CERT" if start.state == "LINKED" && word != OK => "LINKED",
            "PROV" if start.state == "PROV" && word == OK && self.end.is_some() => "GIVEN",
            other => other,
        };
        Outcome {
            word: word.0,
            stored,
            state: state.into(),
        }
    }

    /// VERIFIED, SERVICE, BOTH or SECURE, as the card itself says.
    fn kind_of_session(&mut self, start: &Start) -> &'static str {
        let Some(end) = self.end.as_mut() else {
            return start.state;
        };
        let (_, query) = self.bench.secured(end, header::VERIFY, &[]);
        let counter = Header::new(0x8C, 0x20, 0, 0);
        let (_, counter) = self.bench.secured(end, counter, &[]);
        match (query == OK, counter == OK) {
            (true, true) => "BOTH",
            (true, false) => "VERIFIED",
            (false, true) => "SERVICE",
            (false, false) => "SECURE",
        }
    }
}

/// T12.
#[test]
fn every_command_in_every_state_does_what_the_table_says_and_nothing_else() {
    let table = Table::read(include_str!("matrix.txt"));
    let (mut cases, mut accepted, mut stored) = (0, 0, 0);
    let mut wrong = Vec::new();
    let mut columns: BTreeSet<_> = table.rows.keys().cloned().collect();
    for start in all() {
        let place = format!("{} {}", start.life, start.state);
        columns.remove(&(start.life.to_owned(), start.state.to_owned()));
        let mut check = |what: String, found: Outcome, expected: Outcome| {
            cases += 1;
            accepted += u64::from(found.word == 0x9000);
            stored += u64::from(found.stored);
            if found != expected {
                wrong.push(format!("{place}: {what}: {found:X?}, not {expected:X?}"));
            }
        };
        let rows = table.rows(&start);
        assert!(!rows.is_empty(), "{place} is not in the table");
        for row in rows {
            let data = right_data(&start, &row.name);
            let trial = Trial::of(&start);
            let found = match row.header.cla {
                0x00 => trial.plain(&start, row.header, &data, true),
                _ => trial.sealed(&start, row.header, &data),
            };
            check(row.name.clone(), found, row.outcome.clone());
        }
        if start.end.is_some() {
            let name = right_data(&start, "SELECT");
            let found = Trial::of(&start).plain(&start, header::SELECT, &name, true);
            let selected = Outcome {
                word: 0x9000,
                stored: false,
                state: "IDLE".into(),
            };
            check("SELECT in a session".into(), found, selected);
        }
        for (cla, ins) in CLASSES
            .iter()
            .flat_map(|cla| (0..=255).map(|ins| (*cla, ins)))
        {
            for (p1, p2) in table.parameters(ins) {
                let header = Header::new(cla, ins, p1, p2);
                let in_table = rows.iter().any(|row| row.header == header);
                let what = format!("{cla:02X} {ins:02X} {p1:02X} {p2:02X}");
                // SELECT is heard in every state; other plain commands of a row are not in a session.
                let row_of_plain = cla == 0 && start.end.is_none() && in_table;
                if !row_of_plain && header != header::SELECT {
                    let found = Trial::of(&start).plain(&start, header, &[], true);
                    check(what.clone(), found, table.elsewhere(&start, header, false));
                }
                if start.end.is_some() && matches!(cla, 0x0C | 0x8C) && !in_table {
                    let elsewhere = table.elsewhere(&start, header, true);
                    let found = Trial::of(&start).sealed(&start, header, &[]);
                    check(format!("sealed {what}"), found, elsewhere);
                }
            }
        }
    }
    assert_eq!(columns, BTreeSet::new(), "columns that no state has");
    let first: Vec<_> = wrong.iter().take(40).collect();
    assert!(wrong.is_empty(), "{} of {cases}: {first:#?}", wrong.len());
    assert!(accepted > 100 && stored > 80, "{accepted}, {stored}");
    evidence::report(
        "T12",
        cases,
        format_args!(
            "{accepted} accepted, {stored} with another content stored, all as in the table"
        ),
    );
}

/// T12: the first segment of a chain, in every state and class.
#[test]
fn a_chain_begins_only_where_the_specification_has_one() {
    let mut cases = 0;
    for start in all() {
        let in_session = start.end.is_some();
        for ins in 0..=255 {
            for cla in [0x10, 0x1C, 0x9C] {
                let header = Header::new(cla, ins, 0, 0);
                let chainable = matches!(ins, 0x2A | 0x86 | 0xDA);
                let expected = match (cla, in_session) {
                    (0x10, _) if !chainable => Outcome::ends(0x6884),
                    (0x10, true) => Outcome::ends(0x6982),
                    (0x10, false) => Outcome::stays(0x9000, &start),
                    (_, true) => Outcome::stays(0x9000, &start),
                    (_, false) => Outcome::ends(0x6985),
                };
                let mut found = Trial::of(&start).plain(&start, header, &[0xFF], false);
                if found.word == 0x9000 {
                    found.state = start.state.into(); // the fine state is seen at the chain's end
                }
                assert_eq!(
                    found, expected,
                    "{} {}: {header:02X?}",
                    start.life, start.state
                );
                cases += 1;
            }
        }
    }
    evidence::report("T12", cases, "first segments of chains");
}

/// T12, B18: while bytes wait, everything but GET RESPONSE and SELECT wipes them.
#[test]
fn while_an_answer_waits_only_its_rest_and_select_are_heard() {
    let start = states::waiting();
    let get_response = Header::new(0x00, 0xC0, 0, 0);
    let mut cases = 0;
    for cla in CLASSES {
        for ins in 0..=255 {
            for (p1, p2) in [(0, 0), (4, 0), (0x7F, 0x21)] {
                let header = Header::new(cla, ins, p1, p2);
                let mut bench = start.fork();
                let apdu = Command {
                    header,
                    data: &[],
                    expected: Some(256),
                    form: Form::Short,
                };
                let word = bench.raw(&apdu.encode().unwrap()).status;
                let rest = bench.raw(&[0x00, 0xC0, 0, 0, 0]).status;
                if header == get_response {
                    assert!(word.as_bytes_waiting().is_some(), "{word}");
                } else {
                    let expected = if header == header::SELECT {
                        0x6A82
                    } else {
                        0x6982
                    };
                    assert_eq!(word, StatusWord(expected), "{header:02X?}");
                    assert_eq!(rest, StatusWord::INSTRUCTION_UNSUPPORTED, "{header:02X?}");
                    assert_eq!(bench.card.phase_name(), "NONE");
                }
                cases += 1;
            }
        }
    }
    evidence::report("T12", cases, "commands while an answer waits");
}
