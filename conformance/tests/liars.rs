//! The lies of the data files, each told to the product: in this process and over vpcd's protocol.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

use card_sim::vpcd::{Body, StopFlag, VpcdClient};
use conformance::evidence::report;
use conformance::liar::card::HostileCard;
use conformance::liar::lie::{File, Lie, Peer};
use conformance::liar::puppet::{Puppet, Scene, Step};
use conformance::liar::subject::{Subject, terminal_with};
use conformance::liar::tape::Couple;
use conformance::liar::terminal::{Told, tell};
use conformance::liar::visit::{Failure, Stage, class, visit};
use conformance::liar::{CARD_LIES, TERMINAL_LIES};
use conformance::user::{PIN, User};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use terminal_lib::store::MemoryStore;
use terminal_lib::transport::Transport;
use terminal_lib::transport::in_process::{InProcess, LocalCard};
use terminal_lib::transport::listener::Listener;

fn lies(text: &str, peer: Peer) -> Vec<Lie> {
    let file = File::read(text).unwrap();
    assert_eq!(file.peer, peer);
    file.lies
}

/// How many lies there are of each class, for the line of evidence; each class of failure must have been seen.
fn classes<'a>(lies: impl Iterator<Item = &'a Lie>) -> String {
    let mut classes: BTreeMap<&str, u32> = BTreeMap::new();
    for lie in lies {
        *classes.entry(lie.expected.as_str()).or_default() += 1;
    }
    assert!(classes.len() > 5, "{classes:?}");
    format!("{classes:?}")
}

/// Where both ends stand before a lie: set-ups begin without a pairing, but after an earlier set-up that can be quoted.
fn stage(scene: Scene) -> Stage {
    match scene {
        Scene::SetUp => Stage::strangers(),
        Scene::Session => Stage::strangers().paired(),
    }
}

/// One visit of the product's terminal, with the card anywhere.
fn meet(
    store: &MemoryStore,
    seed: u64,
    card: &mut dyn Transport,
    scene: Scene,
) -> (Result<(), Failure>, User) {
    let mut user = User::willing();
    let result = visit(&mut terminal_with(store, seed), card, &mut user, scene);
    (result, user)
}

/// The class of a visit in which a lie was told.
fn class_of<B: Body>(result: &Result<(), Failure>, card: &HostileCard<B>) -> &'static str {
    let select = |command: &Vec<u8>| Step::of(command) == Some(Step::Select);
    match card.after() {
        Some(after) if result.is_ok() && after.iter().any(select) => "begins-anew",
        _ => class(result),
    }
}

/// What a terminal has done about a lie, seen from the card.
fn judge<B: Body>(lie: &Lie, result: &Result<(), Failure>, card: &HostileCard<B>) {
    let name = &lie.name;
    assert_eq!(class_of(result, card), lie.expected, "{name}: {result:?}");
    assert_eq!(card.last_step(), Some(lie.detected()), "{name}");
    let carried = |command: &Vec<u8>| command.windows(PIN.len()).any(|part| part == PIN);
    assert!(
        !card.after().unwrap().iter().any(carried),
        "{name}: the PIN in clear"
    );
}

/// An honest visit that can be quoted, and the card with its lie, with everything as it was before that visit but the chance.
fn hostile(lie: &Lie, stage: &Stage) -> HostileCard<Subject> {
    let mut card = InProcess::new(HostileCard::honest(stage.card.fork().with_chance(41)));
    let (result, _) = meet(&stage.store.dangerous_copy(), 42, &mut card, lie.scene);
    result.unwrap();
    let mut hostile = card.into_card();
    hostile.plan(lie);
    hostile.replace(stage.card.fork());
    hostile
}

/// Every lie of the hostile card: the product's terminal fails as the file says, at the step it says, and has the pairing it had.
#[test]
fn a_terminal_fails_at_each_lie_of_a_card_as_the_file_says() {
    let lies = lies(CARD_LIES, Peer::Card);
    for lie in &lies {
        let stage = stage(lie.scene);
        let mut reader = InProcess::new(hostile(lie, &stage));
        let store = stage.store.dangerous_copy();
        let (result, user) = meet(&store, 43, &mut reader, lie.scene);
        let card = reader.into_card();
        judge(lie, &result, &card);
        let name = &lie.name;
        if lie.expected != "begins-anew" && lie.step != Step::Status && lie.step != Step::Commit {
            let is_later = lie.scene == Scene::Session && lie.step > Step::Challenge;
            assert_eq!(
                store.same_content(&stage.store),
                !is_later,
                "{name}: stored"
            );
        }
        let proven = lie.step >= Step::Pin;
        if lie.scene == Scene::SetUp {
            assert_eq!(
                !user.asked_for_pin.is_empty(),
                proven,
                "{name}: asked for the PIN"
            );
        }
        // Nothing was lost: the next honest visit goes as it should.
        let mut reader = InProcess::new(HostileCard::honest(card.body().fork()));
        let (result, _) = meet(&store, 44, &mut reader, lie.scene);
        assert!(result.is_ok(), "{name}: afterwards {result:?}");
    }
    report(
        "T1",
        lies.len().try_into().unwrap(),
        format_args!(
            "lies of a hostile card to the terminal, by how it failed: {}",
            classes(lies.iter())
        ),
    );
}

/// A card that a puppet has met before, what was said then, and the puppet before its lie.
fn hostile_terminal(lie: &Lie) -> (Puppet, Vec<(Step, Vec<u8>)>, Subject) {
    let Couple { puppet, card } = match lie.scene {
        Scene::SetUp => Couple::strangers(1, 1),
        Scene::Session => Couple::paired(1, 1),
    };
    let mut earlier = card.fork().with_chance(51);
    let mut honest = puppet.clone().with_chance(52).planning(lie.scene);
    let told = tell(
        &mut honest,
        None,
        &[],
        |apdu| LocalCard::transmit(&mut earlier, apdu),
        || {},
    );
    assert_eq!(told.class(), "none", "an honest visit");
    (puppet.planning(lie.scene), told.said, card)
}

fn judge_told(lie: &Lie, told: &Told) {
    assert_eq!(told.class(), lie.expected, "{}", lie.name);
    assert_eq!(told.at, Some(lie.detected()), "{}", lie.name);
}

/// Every lie of the hostile terminal: the product's card refuses with the word that the file says, at the step it says, forgets its keys
/// unless the refusal is protected, and stores nothing.
#[test]
fn a_card_fails_at_each_lie_of_a_terminal_as_the_file_says() {
    let lies = lies(TERMINAL_LIES, Peer::Terminal);
    for lie in &lies {
        let (mut puppet, recorded, card) = hostile_terminal(lie);
        let card = Mutex::new(card);
        let mut before = None;
        let told = tell(
            &mut puppet,
            Some(lie),
            &recorded,
            |apdu| LocalCard::transmit(&mut *card.lock().unwrap(), apdu),
            || before = Some(card.lock().unwrap().fork()),
        );
        judge_told(lie, &told);
        let (card, before) = (card.into_inner().unwrap(), before.unwrap());
        let name = &lie.name;
        assert!(card.memory.same_content(&before.memory), "{name}: stored");
        match lie.expected.as_str() {
            "not-recognised" => assert_eq!(card.state(), "FWAIT", "{name}"),
            expected if expected.ends_with("protected") => {}
            _ => assert_eq!(card.state(), "NONE", "{name}"),
        }
        // Nothing was lost: an honest terminal of that moment goes all the way.
        let mut couple = Couple {
            puppet: hostile_terminal(lie).0,
            card,
        };
        if lie.scene == Scene::SetUp || lie.step <= Step::Challenge {
            assert_eq!(couple.finish(), Ok(()), "{name}: afterwards");
        }
    }
    report(
        "T1",
        lies.len().try_into().unwrap(),
        format_args!(
            "lies of a hostile terminal to the card, by how it failed: {}",
            classes(lies.iter())
        ),
    );
}

/// A body on loan: the client of vpcd's protocol has it in another thread.
struct Lent<B>(Arc<Mutex<B>>);

impl<B: Body> Body for Lent<B> {
    fn power_on(&mut self) {
        self.0.lock().unwrap().power_on();
    }

    fn power_off(&mut self) {
        self.0.lock().unwrap().power_off();
    }

    fn reset(&mut self) {
        self.0.lock().unwrap().reset();
    }

    fn atr(&self) -> Vec<u8> {
        self.0.lock().unwrap().atr()
    }

    fn transmit(&mut self, command: &[u8]) -> Vec<u8> {
        self.0.lock().unwrap().transmit(command)
    }
}

/// Puts a body into the slot behind `listener`.
fn insert<B: Body + Send + 'static>(
    listener: &Listener,
    body: &Arc<Mutex<B>>,
) -> (StopFlag, JoinHandle<()>) {
    let (stop, body) = (StopFlag::default(), Arc::clone(body));
    let (flag, address) = (stop.clone(), listener.address().unwrap());
    let thread = std::thread::spawn(move || {
        let mut client = VpcdClient::new(address.to_string());
        client.run(&mut Lent(body), &flag).unwrap();
    });
    (stop, thread)
}

/// The same over vpcd's protocol: the hostile card in a slot, and the product's terminal behind it.
#[test]
fn a_hostile_card_lies_as_well_over_vpcds_protocol() {
    let lies = lies(CARD_LIES, Peer::Card);
    let told: Vec<&Lie> = lies.iter().step_by(5).collect();
    for lie in &told {
        let stage = stage(lie.scene);
        let card = Arc::new(Mutex::new(hostile(lie, &stage)));
        let listener = Listener::on_loopback(0).unwrap();
        let (stop, thread) = insert(&listener, &card);
        let mut reader = listener.wait_for_card().unwrap();
        let (result, _) = meet(&stage.store.dangerous_copy(), 43, &mut reader, lie.scene);
        stop.raise();
        drop(reader);
        thread.join().unwrap();
        judge(lie, &result, &card.lock().unwrap());
    }
    report(
        "T1",
        told.len().try_into().unwrap(),
        "lies of a hostile card over vpcd's protocol, each refused as in the process",
    );
}

/// And the hostile terminal behind a slot with the product's card in it.
#[test]
fn a_hostile_terminal_lies_as_well_over_vpcds_protocol() {
    let lies = lies(TERMINAL_LIES, Peer::Terminal);
    let told: Vec<&Lie> = lies.iter().step_by(5).collect();
    for lie in &told {
        let (mut puppet, recorded, card) = hostile_terminal(lie);
        let card = Arc::new(Mutex::new(card));
        let listener = Listener::on_loopback(0).unwrap();
        let (stop, thread) = insert(&listener, &card);
        let mut reader = listener.wait_for_card().unwrap();
        let send = |apdu: &[u8]| reader.transmit(apdu).unwrap();
        let answer = tell(&mut puppet, Some(lie), &recorded, send, || {});
        stop.raise();
        drop(reader);
        thread.join().unwrap();
        judge_told(lie, &answer);
    }
    report(
        "T1",
        told.len().try_into().unwrap(),
        "lies of a hostile terminal over vpcd's protocol, each refused as in the process",
    );
}
