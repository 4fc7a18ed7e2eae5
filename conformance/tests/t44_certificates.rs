//! T44: what is no certificate, and what is one that proves nothing: each by name, with the error that it must give.
//!
//! Every case is judged three times: by the verification that both ends share, and by the whole end that has to judge it. A card says
//! 6300 to all of them and stores nothing; a terminal gives the very error, before anybody is asked for a PIN.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop")]

mod forge;

use apdu::certificate::{
    Anchor, Certificate, Date, Expectations, HolderHash, ProvenCertificate, Refusal, Role,
    StatusList, Validity,
};
use apdu::codec::chaining::segments;
use apdu::codec::command::{Form, Header};
use apdu::crypto::PrivateKey;
use apdu::identifier::header;
use apdu::message::select;
use card_core::store::{Change, Record, Store};
use card_sim::body::VirtualCard;
use card_sim::vpcd::Body;
use conformance::authority::{CARD, TERMINAL, card, name, root, status_list, today};
use conformance::evidence::report;
use conformance::{Disk, User, World};
use forge::Object;
use forge::cases::Verdict::{self, Accepted, Refused};
use forge::cases::{Forger, date, expected, key, root_key, value};
use getrandom::SysRng;
use std::collections::BTreeSet;
use terminal_lib::flow::SetUpFault;
use terminal_lib::{ConnectError, SetUpFailure};

/// The verification that both ends share, under the world's root.
fn judge(bytes: &[u8], role: Role, validity: Validity) -> Verdict {
    let root = Anchor::trust_root(&root()).unwrap();
    let wanted = Expectations {
        role,
        validity,
        min_epoch: 0,
        revoked: None,
    };
    match Certificate::decode(bytes) {
        Err(error) => error.into(),
        Ok(certificate) => match ProvenCertificate::verify(certificate, &[&root], &wanted) {
            Ok(_) => Accepted,
            Err(refusal) => Refused(refusal),
        },
    }
}

/// SELECT, then one command of any length; the last status word.
fn ask(disk: &Disk, header: Header, data: &[u8]) -> u16 {
    let mut body = VirtualCard::new(disk.clone(), SysRng);
    let mut answer = body.transmit(&select::COMMAND.encode().unwrap());
    assert!(answer.ends_with(&[0x90, 0x00]));
    for segment in segments(header, data, None, Form::Short, 255).unwrap() {
        answer = body.transmit(&segment);
    }
    u16::from_be_bytes(*answer.last_chunk().unwrap())
}

fn names_are_unique(names: impl Iterator<Item = String>) {
    let mut seen = BTreeSet::new();
    names.for_each(|name| assert!(seen.insert(name.clone()), "{name} twice"));
}

/// T44: what a card is shown in message 2.
#[test]
fn a_card_refuses_every_wrong_terminal_certificate_with_one_word() {
    let cases = Forger::cases(Role::Terminal, TERMINAL, key(0x21).public_key());
    names_are_unique(cases.iter().map(|case| case.name.clone()));
    let disk = card(CARD);
    let before = disk.copy();
    let (mut taken, mut refused) = (0, 0);
    for case in &cases {
        let validity = Validity::NotExpiredAt(date(2026, 1, 1));
        assert_eq!(
            judge(&case.bytes, Role::Terminal, validity),
            case.verdict,
            "{}",
            case.name
        );
        let word = ask(&disk, header::VERIFY_CERTIFICATE, &case.bytes);
        assert_eq!(
            word,
            if case.verdict == Accepted {
                0x9000
            } else {
                0x6300
            },
            "{}",
            case.name
        );
        assert!(disk.same_content(&before), "{}", case.name);
        match case.verdict {
            Accepted => taken += 1,
            _ => refused += 1,
        }
    }
    assert!(refused >= 60 && taken == 6, "{refused} {taken}");
    report(
        "T44",
        refused + taken,
        format_args!(
            "terminal certificates: {refused} named negatives refused by the card with 6300, {taken} neighbours taken"
        ),
    );
}

/// What a terminal says to a card that shows this certificate.
fn shown_to_terminal(world: &World, bytes: &[u8]) -> Verdict {
    let mut world = world.fork();
    let mut disk = world.card.clone();
    disk.commit(&[Change::Put(Record::CERTIFICATE, bytes)])
        .unwrap();
    world.insert();
    let before = world.fork();
    let mut user = User::willing();
    let verdict = match world.connect(&mut user) {
        Ok(session) => {
            session.close();
            return Accepted;
        }
        Err(ConnectError::SetUp(SetUpFailure::Fault(SetUpFault::CardCertificate(error)))) => {
            error.into()
        }
        Err(ConnectError::SetUp(SetUpFailure::Fault(SetUpFault::CardDistrusted {
            refusal,
            ..
        }))) => Refused(refusal),
        Err(error) => panic!("{error}"),
    };
    assert!(user.asked_for_pin.is_empty(), "the PIN was asked for");
    assert!(world.same_memories(&before), "something was stored");
    verdict
}

/// T44: what a card shows in the answer to message 4.
#[test]
fn a_terminal_refuses_every_wrong_card_certificate_before_the_pin() {
    let world = World::new();
    let own = world.card.read(Record::CERTIFICATE).unwrap().unwrap();
    let own = Certificate::decode(&own).unwrap();
    let cases = Forger::cases(Role::Card, CARD, own.claims().key.clone());
    names_are_unique(cases.iter().map(|case| case.name.clone()));
    let (mut taken, mut refused) = (0, 0);
    for case in &cases {
        assert_eq!(
            judge(&case.bytes, Role::Card, Validity::Today(today())),
            case.verdict,
            "{}",
            case.name
        );
        assert_eq!(
            shown_to_terminal(&world, &case.bytes),
            case.verdict,
            "{}",
            case.name
        );
        match case.verdict {
            Accepted => taken += 1,
            _ => refused += 1,
        }
    }
    assert!(refused >= 60 && taken == 4, "{refused} {taken}");
    report(
        "T44",
        refused + taken,
        format_args!(
            "card certificates: {refused} named negatives refused by the terminal before the PIN, {taken} neighbours paired"
        ),
    );
}

/// T44: epochs and revocation, one step on either side of the limit, at both ends.
#[test]
fn cut_off_epochs_and_revoked_holders_are_refused_and_their_neighbours_are_not() {
    let root = Anchor::trust_root(&root()).unwrap();
    let list = |holder: &str| status_list(1, &[(Role::Terminal, holder), (Role::Card, TERMINAL)]);
    let good = {
        let mut object = Object::read(
            conformance::authority::certify(
                name(TERMINAL),
                Role::Terminal,
                key(0x21).public_key(),
                date(2028, 12, 31),
            )
            .encoded(),
        );
        object.sign(&root_key());
        object.bytes()
    };
    let rows: [(&str, u32, Option<StatusList>, Verdict); 5] = [
        ("no list", 0, None, Accepted),
        ("the epoch itself", 1, None, Accepted),
        ("one epoch later", 2, None, Refused(Refusal::Epoch)),
        (
            "another holder, and the name as a card",
            0,
            Some(list("ZZTALLYTERM00002")),
            Accepted,
        ),
        (
            "this holder",
            0,
            Some(list(TERMINAL)),
            Refused(Refusal::Revoked),
        ),
    ];
    for (name, min_epoch, list, verdict) in &rows {
        let wanted = Expectations {
            role: Role::Terminal,
            validity: Validity::Today(today()),
            min_epoch: *min_epoch,
            revoked: list.as_ref(),
        };
        let judged =
            ProvenCertificate::verify(Certificate::decode(&good).unwrap(), &[&root], &wanted);
        assert_eq!(
            judged.map_or_else(Refused, |_| Accepted),
            *verdict,
            "{name}"
        );
        let mut disk = card(CARD);
        let epoch = min_epoch.to_be_bytes();
        disk.commit(&[Change::Put(Record::MIN_EPOCH, &epoch)])
            .unwrap();
        if let Some(list) = list {
            disk.commit(&[Change::Put(Record::STATUS_LIST, list.encoded())])
                .unwrap();
        }
        let word = ask(&disk, header::VERIFY_CERTIFICATE, &good);
        assert_eq!(
            word,
            if *verdict == Accepted { 0x9000 } else { 0x6300 },
            "{name}"
        );
    }
    assert!(list(TERMINAL).revokes(&HolderHash::of(Role::Terminal, &name(TERMINAL))));
    report(
        "T44",
        5,
        "epochs and revoked holders, at the limit and one beyond",
    );
}

/// A root of the forger's, edited and signed by its own key.
fn forged_root(signer: &PrivateKey, edit: impl FnOnce(&mut Object)) -> Vec<u8> {
    let mut object = Object::read(root().encoded());
    edit(&mut object);
    object.sign(signer);
    object.bytes()
}

/// T44: roots: explicit parameters other than those of P-256 (CurveBall), none, some, and signatures that are not the root's own.
#[test]
fn a_blank_card_takes_no_wrong_root() {
    const KEY: [u32; 2] = [0x7F4E, 0x7F49];
    let own = root_key();
    let mut cases: Vec<(String, Vec<u8>, Verdict)> = Vec::new();
    for tag in [0x81, 0x82, 0x83, 0x84, 0x85, 0x87] {
        let path = [KEY[0], KEY[1], tag];
        let changed = forged_root(&own, |object| *object.value(&path).last_mut().unwrap() ^= 1);
        cases.push((format!("parameter {tag:X} changed"), changed, value(tag)));
        let missing = forged_root(&own, |object| {
            let (row, at) = object.place(&path);
            row.remove(at);
        });
        // Without the prime there are no parameters at all, and what follows stands where the point belongs.
        let wanted = if tag == 0x81 {
            expected(0x86)
        } else {
            expected(tag)
        };
        cases.push((format!("parameter {tag:X} missing"), missing, wanted));
    }
    let path = |tag| [KEY[0], KEY[1], tag];
    let curve_ball = forged_root(&key(9), |object| {
        *object.value(&path(0x84)) = root_key().public_key().to_uncompressed().to_vec(); // G' = the known root's point
    });
    cases.push((
        "the generator is a known root's point".into(),
        curve_ball,
        value(0x84),
    ));
    let compressed = forged_root(&own, |object| object.value(&path(0x84)).truncate(33));
    cases.push(("a compressed generator".into(), compressed, value(0x84)));
    let bare = forged_root(&own, |object| {
        object
            .place(&path(0x86))
            .0
            .retain(|parameter| [0x06, 0x86].contains(&parameter.tag()));
    });
    cases.push(("no parameters".into(), bare, Verdict::Parameters));
    let leaf = forged_root(&own, |object| {
        object.value(&[0x7F4E, 0x7F4C, 0x53])[0] = 0x01;
    });
    cases.push((
        "the parameters in a certificate of role 01".into(),
        leaf,
        Verdict::Parameters,
    ));
    cases.push((
        "signed by another key".into(),
        forged_root(&key(9), |_| {}),
        Refused(Refusal::Signature),
    ));
    let link = conformance::authority::certify(
        name("ZZTALLYROOT00002"),
        Role::Authority,
        key(2).public_key(),
        date(2028, 12, 31),
    );
    cases.push((
        "a link certificate".into(),
        link.encoded().to_vec(),
        Refused(Refusal::Role),
    ));
    names_are_unique(cases.iter().map(|(name, ..)| name.clone()));

    let blank = Disk::default();
    for (name, bytes, verdict) in &cases {
        let judged = match Certificate::decode(bytes) {
            Err(error) => error.into(),
            Ok(certificate) => Anchor::trust_root(&certificate).map_or_else(Refused, |_| Accepted),
        };
        assert_eq!(judged, *verdict, "{name}");
        let word = ask(&blank, header::STORE_CERTIFICATE, bytes);
        // A certificate of role 01 that could be read would be 6985 before there is a root; this one cannot.
        assert_eq!(word, 0x6A80, "{name}");
        assert!(blank.same_content(&Disk::default()), "{name}");
    }
    let right = forged_root(&own, |_| {});
    assert_eq!(right, root().encoded());
    assert_eq!(ask(&blank, header::STORE_CERTIFICATE, &right), 0x9000);
    let count = u64::try_from(cases.len()).unwrap();
    report(
        "T44",
        count + 1,
        format_args!("roots: {count} named negatives refused, the right one stored"),
    );
}

/// The days that the cases count from.
#[test]
fn the_card_of_this_world_lives_on_the_first_of_january_2026() {
    let stored = card(CARD).read(Record::DATE).unwrap().unwrap();
    assert_eq!(
        Date::from_bcd(stored.as_slice().try_into().unwrap()),
        Some(date(2026, 1, 1))
    );
}
