//! The nine weaknesses of the patent read literally, each attacked (T1): refused, and everything stored as it was.

use apdu::certificate::{Certificate, CertificateFields, Date, Role};
use apdu::codec::command::{Command, Header};
use apdu::crypto::PrivateKey;
use apdu::identifier::header;
use apdu::message::pin::{Digits, Reference};
use card_core::store::{Change, Record, Store};
use card_sim::body::VirtualCard;
use conformance::authority::{TERMINAL, desk, name, status_list, terminal_store, today};
use conformance::card::Powered;
use conformance::evidence::report;
use conformance::liar::messaging::object;
use conformance::liar::puppet::{Scene, Step, Stop};
use conformance::liar::subject::{Identity, Subject, leaf};
use conformance::liar::tape::Couple;
use conformance::liar::visit::Stage;
use conformance::user::PIN;
use conformance::{Incident, User, World};
use getrandom::SysRng;
use terminal_lib::application::Policy;
use terminal_lib::flow::SetUpFault;
use terminal_lib::identity;
use terminal_lib::personalise::{PersonaliseError, Station};
use terminal_lib::session::CodeOutcome;
use terminal_lib::transport::in_process::{InProcess, LocalCard};
use terminal_lib::{ConnectError, SetUpFailure};

/// P1: the PIN goes to nobody who has not proved the card's certified key. Whatever a fake card or reader says in any message before
/// that, the user is not asked.
#[test]
fn p1_a_fake_card_or_reader_gets_no_pin() {
    let stage = Stage::strangers();
    let beats = stage.rehearse();
    let pin_at = beats
        .iter()
        .position(|beat| beat.said.step == Step::Pin)
        .unwrap();
    let mut attacks = 0;
    for at in 0..pin_at {
        let honest = &beats[at].said.answer;
        let mut flipped = honest.clone();
        flipped[0] ^= 1;
        let answers = [
            vec![0x90, 0x00],
            vec![0x69, 0x82],
            vec![0x63, 0xC3, 0x90, 0x00],
            flipped,
        ];
        for answer in answers.into_iter().filter(|answer| answer != honest) {
            let label = format!("{:?}: {answer:02X?}", beats[at].said.step);
            let outcome = stage.play(&beats, at, answer);
            assert!(!outcome.sent(PIN), "{label}");
            if !outcome.began_anew() {
                assert!(outcome.user.asked_for_pin.is_empty(), "{label}");
                assert!(outcome.store.same_content(&stage.store), "{label}");
            }
            attacks += 1;
        }
    }
    assert!(attacks > 20);
    report(
        "T1",
        attacks,
        "P1: fake answers before the card's proof, no PIN asked for or sent",
    );
}

/// P2: a certificate says who plays which role. A terminal's is no card's, a card's is no terminal's.
#[test]
fn p2_a_certified_device_cannot_play_the_other_role() {
    // A card whose certificate says "terminal", for its very own key and signed by the very root.
    let stage = Stage::strangers();
    let mut card = stage.card.fork();
    let own = card.memory.read(Record::CERTIFICATE).unwrap().unwrap();
    let own = Certificate::decode(&own).unwrap();
    let wrong = leaf(
        own.claims().holder.as_str(),
        Role::Terminal,
        own.claims().key.clone(),
    );
    let change = Change::Put(Record::CERTIFICATE, wrong.encoded());
    card.memory.commit(&[change]).unwrap();
    let mut terminal = conformance::liar::subject::terminal_with(&stage.store, 1);
    let before = stage.store.dangerous_copy();
    let mut user = User::willing();
    let mut reader = InProcess::new(card);
    let refused = terminal
        .connect(&mut reader, &mut user, &Policy::Auto)
        .map(drop);
    let is_distrusted = matches!(
        refused,
        Err(ConnectError::SetUp(SetUpFailure::Fault(
            SetUpFault::CardDistrusted { .. }
        )))
    );
    assert!(is_distrusted && user.asked_for_pin.is_empty());
    drop(terminal);
    assert!(stage.store.same_content(&before));
    // A terminal whose certificate says "card".
    let mut couple = Couple::strangers(1, 1);
    couple.puppet.identity = Identity::certified("ZZTALLYCARD00009", Role::Card, 9);
    let before = couple.card.fork();
    assert_eq!(couple.perform(Scene::SetUp), Err(Stop::Word(0x6300)));
    assert!(couple.card.memory.same_content(&before.memory));
    report(
        "T1",
        2,
        "P2: certified devices in the other role, both refused by name of the role",
    );
}

/// P3: whoever has a terminal's leaked key and no PIN cannot replace a pairing, and garbage in place of the random replaces nothing.
#[test]
fn p3_a_leaked_key_or_garbage_does_not_overwrite_a_pairing() {
    let couple = Couple::paired(1, 1);
    let before = couple.card.fork();
    let mut attacks = 0;
    for garbage in 0..64 {
        let mut attacker = couple.fork().at_another_time();
        attacker.puppet = attacker.puppet.planning(Scene::SetUp);
        while attacker.puppet.step() != Some(Step::TerminalRandom) {
            let command = attacker.puppet.speak().unwrap();
            let answer = LocalCard::transmit(&mut attacker.card, &command);
            attacker.puppet.hear(&answer).unwrap();
        }
        let mut command = attacker.puppet.speak().unwrap();
        command[8 + garbage] ^= 0xFF;
        let answer = LocalCard::transmit(&mut attacker.card, &command);
        assert_eq!(answer, [0x69, 0x88], "garbage at {garbage}");
        assert!(attacker.card.memory.same_content(&before.memory));
        attacks += 1;
    }
    let mut attacker = couple.fork().at_another_time();
    attacker.puppet = attacker.puppet.planning(Scene::SetUp);
    attacker.puppet.plan.retain(|step| *step != Step::Pin);
    assert_eq!(
        attacker.finish(),
        Err(Stop::Refused(0x6982)),
        "no PIN, no commit"
    );
    assert!(attacker.card.memory.same_content(&before.memory));
    let mut honest = couple.fork();
    assert_eq!(
        honest.perform(Scene::Session),
        Ok(()),
        "the pairing is as good as before"
    );
    report(
        "T1",
        attacks + 1,
        "P3: set-ups over a pairing by a leaked key, without the PIN or with garbage: nothing overwritten",
    );
}

/// P4: nothing that the card has said in an authentication, however its blocks are put together, proves a terminal.
#[test]
fn p4_blocks_of_the_cards_proof_do_not_make_a_terminals() {
    let mut couple = Couple::paired(1, 1);
    let moments = couple.moments(Scene::Session);
    let (challenge, first) = (&moments[1], &moments[2]);
    let (answer, command) = (&challenge.said.answer, &challenge.said.command);
    let (nonce, proof) = (&answer[4..20], &answer[22..38]);
    let own = &command[15..31];
    let halves: Vec<&[u8]> = [nonce, proof, own]
        .into_iter()
        .flat_map(|block| block.chunks(8))
        .collect();
    let mut attacks = 0;
    for left in &halves {
        for right in &halves {
            for reversed in [false, true] {
                let mut mac = [*left, *right].concat();
                if reversed {
                    mac.reverse();
                }
                for wanted in [object(0x97, &[0]), Vec::new()] {
                    let field = [wanted, object(0x8E, &mac)].concat();
                    let forged = Command {
                        data: &field,
                        ..Command::parse(&first.said.command).unwrap()
                    };
                    let mut card = first.couple.card.fork();
                    let answer = LocalCard::transmit(&mut card, &forged.encode().unwrap());
                    assert_eq!((answer, card.state()), (vec![0x69, 0x88], "NONE"));
                    assert!(card.memory.same_content(&first.couple.card.memory));
                    attacks += 1;
                }
            }
        }
    }
    report(
        "T1",
        attacks,
        "P4: proofs put together from blocks of the card's and the terminal's own, all 6988",
    );
}

/// P5: the result of authentication and of the PIN is nobody's word but the card's.
#[test]
fn p5_a_bare_result_is_never_believed() {
    let stage = Stage::strangers().paired();
    let beats = stage.rehearse();
    let mut attacks = 0;
    for at in 2..beats.len() {
        for word in [0x9000_u16, 0x6300, 0x63C2, 0x6983, 0x6982, 0x6988, 0x6A82] {
            let outcome = stage.play(&beats, at, word.to_be_bytes().to_vec());
            assert!(
                outcome.result.is_err(),
                "{:?}: {word:04X}",
                beats[at].said.step
            );
            assert!(outcome.after.is_empty() && outcome.store.same_content(&beats[at].store));
            attacks += 1;
        }
    }
    report(
        "T1",
        attacks,
        "P5: forged results of authentication, PIN and commands, none believed",
    );
}

/// P6: a corrupted authentication does not lead to set-up by itself, shows no question for the PIN, and replaces nothing.
#[test]
fn p6_a_corrupted_authentication_asks_for_no_pin_and_replaces_nothing() {
    let paired = World::paired();
    let mut attacks = 0;
    for bit in (4 * 8..20 * 8).chain(22 * 8..38 * 8) {
        let mut world = paired.fork();
        world.line.plan(1, Incident::Flip(bit));
        let mut user = User::absent();
        let refused = world.connect_under(&mut user, &Policy::Ask).map(drop);
        assert!(
            matches!(refused, Err(ConnectError::NotPaired(_))),
            "bit {bit}"
        );
        assert_eq!(user.asked_to_pair.len(), 1, "asked, and told why");
        assert!(user.asked_for_pin.is_empty(), "bit {bit}");
        assert_eq!(world.line.headers(), [header::SELECT, header::RECONNECT]);
        assert!(world.same_memories(&paired), "bit {bit}");
        attacks += 1;
    }
    report(
        "T1",
        attacks,
        "P6: corrupted authentications, none went on to set-up or to a PIN by itself",
    );
}

/// P7: every command and every answer has one place: not later, not earlier, not in the other direction, not to another command.
#[test]
fn p7_nothing_is_replayed_reordered_or_reflected() {
    let mut couple = Couple::paired(1, 1);
    let moments = couple.moments(Scene::Session);
    let mut attacks = 0;
    for moment in &moments[2..] {
        for other in moments[2..]
            .iter()
            .filter(|other| other.said != moment.said)
        {
            let mut card = moment.couple.card.fork();
            let answer = LocalCard::transmit(&mut card, &other.said.command);
            let is_segment = other.said.command[0] & 0x10 != 0;
            let label = format!("{:?} at {:?}", other.said.step, moment.said.step);
            // A segment is heard, and means nothing until the last one has come.
            assert!(
                answer.len() == 2 && (is_segment || answer != [0x90, 0x00]),
                "{label}"
            );
            assert!(
                card.memory.same_content(&moment.couple.card.memory),
                "{label}"
            );
            attacks += 1;
        }
    }
    let stage = Stage::strangers().paired();
    let beats = stage.rehearse();
    for at in 2..beats.len() {
        for other in (2..beats.len()).filter(|other| *other != at) {
            for answer in [&beats[other].said.answer, &beats[other].said.command] {
                let outcome = stage.play(&beats, at, answer.clone());
                assert!(outcome.result.is_err() && !outcome.began_anew());
                assert!(outcome.store.same_content(&beats[at].store));
                attacks += 1;
            }
        }
    }
    report(
        "T1",
        attacks,
        "P7: messages of a session replayed, reordered or reflected within it, none accepted",
    );
}

/// P8: the root that a card has is its root: no other takes its place, in no state of its life, not after a factory reset.
#[test]
fn p8_nobody_else_owns_a_card_by_certifying_it_once_more() {
    let key = PrivateKey::from_scalar(&[3; 32]).unwrap();
    let fields = CertificateFields {
        issuer: name("ZZOTHERROOT00001"),
        holder: name("ZZOTHERROOT00001"),
        role: Role::Authority,
        epoch: 1,
        key: key.public_key(),
        from: Date::new(2026, 1, 1).unwrap(),
        until: Date::new(2060, 1, 1).unwrap(),
    };
    let signature = key.sign(&fields.encode_body());
    let other_root = Certificate::assemble(fields, signature);
    let mut card = Subject::certified("ZZTALLYCARD00001", 1);
    let before = card.memory.dangerous_copy();
    let store_root = |card: &mut Subject, header: Header| {
        let form = apdu::codec::command::Form::Extended;
        let data = other_root.encoded();
        let command = Command {
            header,
            data,
            expected: None,
            form,
        };
        LocalCard::transmit(card, &command.encode().unwrap())
    };
    LocalCard::transmit(&mut card, &apdu::message::select::COMMAND.encode().unwrap());
    assert_eq!(
        store_root(&mut card, header::STORE_CERTIFICATE),
        [0x69, 0x85]
    );
    LocalCard::transmit(&mut card, &apdu::message::select::COMMAND.encode().unwrap());
    assert_eq!(
        store_root(&mut card, header::VERIFY_CERTIFICATE),
        [0x63, 0x00]
    );
    assert!(card.memory.same_content(&before));
    let mut world = World::paired();
    let pin = Digits::new(Reference::Pin, PIN).unwrap();
    let mut session = world.reconnect().unwrap();
    assert_eq!(session.verify_pin(&pin).unwrap(), CodeOutcome::Right);
    session.factory_reset().unwrap();
    let blank = world.card.copy();
    let mut reader = InProcess::new(Powered(VirtualCard::new(world.card.clone(), SysRng)));
    let mut station = Station::begin(&mut reader).unwrap();
    let refused = station.store_root(&other_root);
    assert!(
        matches!(refused, Err(PersonaliseError::NotNow { .. })),
        "{refused:?}"
    );
    assert!(world.card.same_content(&blank));
    report(
        "T1",
        3,
        "P8: other roots offered to a card in use, in set-up and after a factory reset, all refused",
    );
}

/// P9: trust ends: by date, by revocation, by unpairing, and by the number of slots.
#[test]
fn p9_trust_in_a_terminal_ends() {
    let refused_for_ever = |world: &mut World, why: &str| {
        let before = world.fork();
        let mut user = User::willing();
        let refused = world.connect_under(&mut user, &Policy::Auto).map(drop);
        let fault = SetUpFailure::Fault(SetUpFault::TerminalRefused);
        assert!(
            matches!(refused, Err(ConnectError::SetUp(found)) if found == fault),
            "{why}"
        );
        assert!(
            user.asked_for_pin.is_empty() && world.same_memories(&before),
            "{why}"
        );
    };
    // By date.
    let mut expired = World::paired();
    let late = Date::new(2061, 1, 1).unwrap().to_bcd();
    expired
        .card
        .commit(&[Change::Put(Record::DATE, &late)])
        .unwrap();
    expired.insert();
    refused_for_ever(&mut expired, "expired");
    // By revocation, brought by another terminal.
    let mut revoked = World::paired();
    let mut other = World::meeting(&revoked.card, &terminal_store("ZZTALLYTERM00002"));
    let list = status_list(1, &[(Role::Terminal, TERMINAL)]);
    identity::take_status_list(&mut other.store, &desk(), &list, today()).unwrap();
    other.visit(&mut User::willing()).unwrap();
    revoked.insert();
    refused_for_ever(&mut revoked, "revoked");
    // By unpairing.
    let mut unpaired = World::paired();
    unpaired.reconnect().unwrap().unpair().unwrap();
    unpaired.insert();
    assert!(unpaired.reconnect().is_err() && unpaired.card.pairings() == 0);
    // By number: a seventeenth terminal takes the slot that was used longest ago, and no other.
    let mut card = None;
    let mut worlds = Vec::new();
    for number in 1..=17 {
        let store = terminal_store(&format!("ZZTALLYTERM{number:05}"));
        let mut world = match &card {
            None => World::new(),
            Some(card) => World::meeting(card, &store),
        };
        world.visit(&mut User::willing()).unwrap();
        card = Some(world.card.clone());
        worlds.push(world);
    }
    assert_eq!(card.unwrap().pairings(), 16);
    let mut known = 0;
    for (number, world) in worlds.iter_mut().enumerate() {
        world.insert();
        let reconnected = world.reconnect().map(drop).is_ok();
        assert_eq!(reconnected, number > 0, "terminal {}", number + 1);
        known += u64::from(reconnected);
    }
    report(
        "T1",
        3 + known + 1,
        "P9: terminals expired, revoked, unpaired, and one too many: none recognised, the other 16 still",
    );
}
