//! T54: two hundred hostile strings in every field that could hold foreign text, on its way in and on its way out. What the command
//! lines print is tested beside them, in `tests/hostile_text.rs` of `tally`, `certify-tool` and `card-sim`.

use apdu::certificate::Name;
use apdu::codec::tlv::{Tag, Writer};
use apdu::message::pairings::{Label, Pairing, PairingChange};
use apdu::message::vault::{Entry, ObjectName};
use conformance::evidence::report;
use conformance::{Incident, User, World};
use std::sync::{Arc, Mutex};
use terminal_lib::store::IdentityName;
use terminal_lib::text::{ascii_json, escaped};
use terminal_lib::transport::trace::Traced;
use test_vectors::hostile::{is_dangerous, strings};

fn put(objects: &[(u32, &[u8])]) -> Vec<u8> {
    objects
        .iter()
        .fold(Writer::new(), |row, (tag, value)| row.put(Tag(*tag), value))
        .into_bytes()
}

/// T54: on the way in. A card that sends such a name, label or object is malformed; what is taken is printable ASCII.
#[test]
fn no_field_takes_a_text_that_a_terminal_would_act_on() {
    let (mut taken, mut refused) = (0, 0);
    for text in strings() {
        let bytes = text.as_bytes();
        let list = put(&[(
            0xE0,
            &put(&[
                (0x80, &[0]),
                (0x81, &[7; 12]),
                (0x82, bytes),
                (0x83, &[0]),
                (0x84, &[0; 4]),
            ]),
        )]);
        let vault = put(&[(0xE0, &put(&[(0x80, bytes), (0x81, &[0]), (0x83, &[0; 4])]))]);
        let change = put(&[(0x80, &[0]), (0x82, bytes), (0x83, &[0])]);
        let pairings = Pairing::decode_all(&list);
        let entries = Entry::decode_all(&vault);
        let shown = [
            Name::new(&text).map(|name| name.to_string()),
            Label::new(bytes).map(|label| label.as_str().to_owned()),
            ObjectName::new(&text).map(|name| name.as_str().to_owned()),
            IdentityName::new(&text).map(|name| name.as_str().to_owned()),
            pairings
                .ok()
                .map(|pairings| pairings[0].label.as_str().to_owned()),
            entries
                .ok()
                .map(|entries| entries[0].name.as_str().to_owned()),
            PairingChange::decode(&change)
                .ok()
                .map(|change| change.label.as_str().to_owned()),
        ];
        for shown in shown {
            match shown {
                None => refused += 1,
                Some(shown) => {
                    assert_eq!(shown, text);
                    assert!(
                        shown.bytes().all(|byte| (0x20..=0x7E).contains(&byte)),
                        "{text:?}"
                    );
                    taken += 1;
                }
            }
        }
    }
    assert!(taken > 100 && refused > 1_000, "{taken} {refused}");
    report(
        "T54",
        taken + refused,
        format_args!(
            "hostile texts for seven fields: {refused} refused, {taken} taken, all of those printable ASCII"
        ),
    );
}

/// T54: on the way out: nothing dangerous is left in text, nothing but ASCII in JSON, and JSON says the same as before.
#[test]
fn what_is_shown_is_harmless_and_json_says_the_same() {
    let strings = strings();
    for text in &strings {
        let line = escaped(text);
        assert!(
            !line.chars().any(is_dangerous) && !line.contains('\n'),
            "{text:?}: {line:?}"
        );
        let json = ascii_json(&format!("{:#}", serde_json::json!({ "name": text })));
        assert!(
            json.bytes()
                .all(|byte| byte == b'\n' || (0x20..=0x7E).contains(&byte)),
            "{text:?}"
        );
        let read: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(read["name"], *text);
    }
    report(
        "T54",
        2 * strings.len() as u64,
        "hostile texts escaped for people, and as JSON that reads back",
    );
}

/// T54: a card whose answers are hostile text, at every point of an insertion: the trace shows tags, lengths and words, never the text.
#[test]
fn a_trace_shows_nothing_of_what_a_hostile_card_says() {
    let (mut shown, mut traced) = (0, 0);
    for text in strings() {
        for at in 0..6 {
            let mut world = World::new();
            let mut answer = text.as_bytes().to_vec();
            answer.extend([0x90, 0x00]);
            world.line.plan(at, Incident::Replace(answer));
            let lines = Arc::new(Mutex::new(Vec::new()));
            let sink = Arc::clone(&lines);
            let mut line = Traced::new(&mut world.line, move |event| {
                sink.lock().unwrap().push(event.to_string());
            });
            let connected = world.terminal.connect(
                &mut line,
                &mut User::willing(),
                &terminal_lib::application::Policy::Auto,
            );
            let said = connected.err().map(|error| error.to_string());
            let lines = lines.lock().unwrap();
            for line in lines.iter().chain(&said) {
                assert!(!line.chars().any(is_dangerous), "{text:?}: {line:?}");
                assert!(
                    text.len() < 5 || !line.contains(&text),
                    "{text:?}: {line:?}"
                );
                shown += 1;
            }
            traced += u64::from(lines.len() > at);
        }
    }
    assert!(traced >= 1_000, "{traced}");
    report(
        "T54",
        traced,
        format_args!(
            "insertions with a hostile answer at one of six points; {shown} lines of trace and errors, none of them holds it"
        ),
    );
}
