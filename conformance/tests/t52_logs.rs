//! T52: nothing that is secret is in what the programs write, at their most talkative, in any of the usual forms.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

#[path = "logs/desk.rs"]
mod desk;
#[path = "logs/forms.rs"]
mod forms;

use apdu::message::pin::{Digits, Reference};
use card_sim::body::VirtualCard;
use conformance::card::Powered;
use conformance::{Disk, evidence};
use desk::Desk;
use forms::{Known, found_in};
use getrandom::SysRng;
use terminal_lib::personalise::Station;
use terminal_lib::transport::in_process::InProcess;
use terminal_lib::transport::trace::{TraceEvent, Traced};

const PIN: &[u8] = b"918273645501";
const NEW_PIN: &[u8] = b"564738291102";
const WRONG_PIN: &[u8] = b"112233445566";
const PASSPHRASE: &[u8] = b"seven geese over the wet meadow";
const NOTE: &[u8] = b"a note that is nobody's business: quince, anvil, 5 o'clock";

/// The search itself: each form is found, also cut up and spaced, and nothing is found where nothing is.
#[test]
fn the_search_finds_every_form() {
    let bytes: Vec<u8> = (0..32)
        .map(|n| 7 + 113 * n)
        .map(|n: u32| n.to_be_bytes()[3])
        .collect();
    let known = [Known {
        name: "key".into(),
        bytes: bytes.clone(),
    }];
    let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let decimal: Vec<String> = bytes.iter().map(u8::to_string).collect();
    let base64 = "B3jpWsg8rR6PAHHiU8Q1phiH+Grb"; // of the first bytes
    for (written, form) in [
        (hex.concat(), "hexadecimal"),
        (hex.join(" ").to_uppercase(), "hexadecimal"),
        (format!("[0x{}]", hex.join(", 0x")), "hexadecimal"),
        (hex[11..19].join(":"), "hexadecimal"),
        (format!("{bytes:?}"), "decimal"),
        (format!("{bytes:#?}"), "decimal"),
        (decimal[20..28].join(" "), "decimal"),
        (format!("key={base64}"), "base64"),
        (format!("x{}", &base64[4..20]), "base64"),
    ] {
        let found = found_in(written.as_bytes(), &known);
        assert!(
            found.contains(&("key".to_owned(), form)),
            "{form} in {written}: {found:?}"
        );
    }
    let raw = [b"before", &bytes[3..11], b"behind"].concat();
    assert!(found_in(&raw, &known).contains(&("key".to_owned(), "as it is")));
    for nothing in [
        hex[..7].concat(),
        decimal[..7].join(","),
        base64[..8].to_owned(),
        "none".into(),
    ] {
        assert_eq!(found_in(nothing.as_bytes(), &known).len(), 0, "{nothing}");
    }
}

/// T52: an authority is made, a card and a terminal are certified, pair, talk, fail and part; everything is traced.
#[test]
fn the_programs_write_no_secret_at_their_most_talkative() {
    let mut desk = Desk::new();
    for (file, content) in [
        ("pin", PIN),
        ("new-pin", NEW_PIN),
        ("wrong-pin", WRONG_PIN),
        ("passphrase", PASSPHRASE),
        ("note", NOTE),
    ] {
        desk.secret_file(file, content);
    }
    let certify = "--passphrase-file passphrase";
    let tally = "--listen ADDRESS --store terminal.store --trace --pairing auto";
    desk.run(
        &format!("certify --dir ca ca init --name ZZTALLYROOT00001 {certify}"),
        true,
    );
    desk.run("card-sim --state card.state init", true);
    let line = format!("certify --dir ca card --listen ADDRESS --pin-file pin {certify}");
    let said = desk.with_card(&line, true);
    let puk = printed_puk(&said.stdout);
    desk.add("PUK", &puk);
    desk.run(
        &format!("certify --dir ca terminal --store terminal.store {certify}"),
        true,
    );
    desk.run("certify --dir ca log verify", true);
    desk.run("certify --dir ca list", true);
    for (verb, pin, succeeds) in [
        ("session", "wrong-pin", false),
        ("session", "pin", true),
        ("session --output-format json", "pin", true),
        ("vault put note note", "pin", true),
        ("vault list", "pin", true),
        ("counter add 5", "pin", true),
        ("pin change --new-pin-file new-pin", "pin", true),
        ("vault delete note", "pin", false),
        ("card show", "new-pin", true),
        ("card reset --yes", "new-pin", true),
    ] {
        desk.with_card(&format!("tally {verb} {tally} --pin-file {pin}"), succeeds);
    }
    desk.run("tally pairings list --store terminal.store", true);
    desk.run(
        "tally identity show --store terminal.store --output-format json",
        true,
    );
    desk.run("tally demo --trace", true);
    desk.run("tally demo --trace --output-format json", true);
    desk.run(
        "card-sim --state card.state show --output-format json",
        true,
    );
    desk.run(
        "certify --dir ca revoke ZZTALLYCARD00001 --reason lost --passphrase-file wrong-pin",
        false,
    );
    desk.run(
        &format!("certify --dir ca revoke ZZTALLYCARD00001 --reason lost {certify}"),
        true,
    );

    let secrets = desk.secrets();
    assert!(secrets.len() > 20, "{} secrets", secrets.len());
    let mut searched = 0;
    for said in &desk.said {
        for written in [&said.stdout, &said.stderr] {
            let mut found = found_in(written, &secrets);
            // The PUK is given to its holder, once, where it is drawn.
            if said.line == line {
                found.retain(|(name, _)| !name.starts_with("PUK"));
            }
            assert!(found.is_empty(), "{}: {found:?}", said.line);
            searched += written.len();
        }
    }
    let files = desk.files();
    for (path, content) in &files {
        let found = found_in(content, &secrets);
        assert!(found.is_empty(), "{}: {found:?}", path.display());
        searched += content.len();
    }
    let (runs, files) = (desk.said.len() as u64, files.len());
    evidence::report(
        "T52",
        runs,
        format_args!(
            "runs and {files} files, {searched} bytes: none of {} secrets as text, in hexadecimal, decimal or base64; the PUK once, to its holder",
            secrets.len()
        ),
    );
}

/// T52: in personalisation PIN and PUK travel in clear (§11.8), and a trace of it does not tell them, nor how long they are.
#[test]
fn a_trace_of_personalisation_tells_no_code() {
    let mut traces = Vec::new();
    for (pin, puk) in [(PIN, NEW_PIN), (&PIN[..6], &NEW_PIN[..8])] {
        let mut lines = String::new();
        let card = InProcess::new(Powered(VirtualCard::new(Disk::default(), SysRng)));
        let mut reader = Traced::new(card, |event: TraceEvent| {
            lines += &format!("{event}\n{event:?}\n{event:#?}\n");
        });
        let mut station = Station::begin(&mut reader).unwrap();
        let digits = |reference, digits| Digits::new(reference, digits).unwrap();
        station.set_pin(&digits(Reference::Pin, pin)).unwrap();
        station.set_puk(&digits(Reference::Puk, puk)).unwrap();
        drop(station);
        drop(reader);
        let secrets = [("PIN", pin), ("PUK", puk)].map(|(name, bytes)| Known {
            name: name.into(),
            bytes: bytes.to_vec(),
        });
        let found = found_in(lines.as_bytes(), &secrets);
        assert!(found.is_empty(), "{found:?}");
        traces.push(lines);
    }
    assert!(
        traces[0].contains("SET PIN") || traces[0].contains("0020"),
        "{}",
        traces[0]
    );
    assert_eq!(traces[0], traces[1], "the trace tells how long a code is");
}

/// The PUK that `certify card` prints, which is there once. Key ids stand beside it, and may be nothing but digits.
fn printed_puk(stdout: &[u8]) -> Vec<u8> {
    let text = String::from_utf8(stdout.to_vec()).unwrap();
    let mut rows = text.lines().filter_map(|row| row.strip_prefix("puk "));
    let puk = rows.next().unwrap().trim();
    assert!(rows.next().is_none(), "{text}");
    assert!((8..=16).contains(&puk.len()), "{text}");
    puk.as_bytes().to_vec()
}
