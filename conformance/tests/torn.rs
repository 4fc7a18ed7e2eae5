//! Insertions that are torn at every point, on both ends: what they may cost, and what they may never cost.
#![expect(clippy::panic, reason = "a test may stop")]

use card_core::store::Fault as CardFault;
use conformance::user::{PIN, User, WRONG_PIN, pin};
use conformance::{Incident, World};
use terminal_lib::application::Policy;
use terminal_lib::store::Fault as TerminalFault;

/// One thing that goes wrong at one moment of an insertion.
#[derive(Debug, Clone)]
enum Tear {
    Card(usize, CardFault),
    Terminal(u64, TerminalFault),
    Line(usize, Incident),
}

impl Tear {
    fn plan(&self, world: &mut World) {
        match self {
            Self::Card(commit, fault) => world.card.plan(*commit, *fault),
            Self::Terminal(commit, fault) => {
                let commit = world.store.commits() + commit;
                world.store.plan_fault(commit, *fault);
            }
            Self::Line(number, incident) => world.line.plan(*number, incident.clone()),
        }
    }
}

/// Every tear of the insertion that begins in `start`.
fn tears(start: &World, user: fn() -> User) -> Vec<Tear> {
    let mut whole = start.fork();
    let (card, terminal) = (whole.card.commits(), whole.store.commits());
    let _ = whole.visit(&mut user()); // a user without the right PIN gets no session, and that is a whole visit, too
    let mut all = Vec::new();
    for commit in 0..whole.card.commits() - card {
        for fault in [CardFault::CutBefore, CardFault::CutAfter, CardFault::Fail] {
            all.push(Tear::Card(commit, fault));
        }
    }
    for commit in 0..whole.store.commits() - terminal {
        for fault in [
            TerminalFault::CutBefore,
            TerminalFault::CutAfter,
            TerminalFault::Fail,
        ] {
            all.push(Tear::Terminal(commit, fault));
        }
    }
    for number in 0..whole.line.heard.len() {
        for incident in [Incident::LoseCommand, Incident::LoseAnswer] {
            all.push(Tear::Line(number, incident));
        }
    }
    all
}

/// Forks the world, tears one insertion, puts the card in again.
fn torn(start: &World, tear: &Tear, user: &mut User) -> World {
    let mut world = start.fork();
    tear.plan(&mut world);
    let session = world.connect_under(user, &Policy::Auto).map(drop);
    assert!(session.is_err(), "{tear:?} tears nothing");
    assert!(!world.line.carried(PIN), "{tear:?}");
    world.insert();
    world
}

/// ST-12, ST-27: whatever tears a reconnect, the pairing holds: the next insertion needs no user. Also when that is torn again.
#[test]
fn no_tear_of_a_reconnect_costs_the_pairing_and_no_second_one_either() {
    let paired = World::paired();
    let (mut first, mut second) = (0, 0);
    for tear in tears(&paired, User::absent) {
        let again = torn(&paired, &tear, &mut User::absent());
        for second_tear in tears(&again, User::absent) {
            let mut world = torn(&again, &second_tear, &mut User::absent());
            let session = world.reconnect().map(drop);
            session.unwrap_or_else(|error| panic!("{tear:?}, then {second_tear:?}: {error}"));
            second += 1;
        }
        let mut world = again;
        let session = world.reconnect().map(drop);
        session.unwrap_or_else(|error| panic!("{tear:?}: {error}"));
        first += 1;
    }
    assert!(first >= 12 && second > 100, "{first} and {second} cases");
}

/// ST-12, ST-23: after a torn set-up the next insertion needs at most one more; some tears cost one, and some none.
#[test]
fn a_torn_set_up_costs_at_most_one_more_and_sometimes_none() {
    let strangers = World::new();
    let (mut kept, mut lost) = (0, 0);
    for tear in tears(&strangers, User::willing) {
        let mut world = torn(&strangers, &tear, &mut User::willing());
        let paired_on_card = world.card.pairings();
        let mut user = User::willing();
        let session = world.connect_under(&mut user, &Policy::Auto).map(drop);
        session.unwrap_or_else(|error| panic!("{tear:?}: {error}"));
        match user.asked_for_pin.len() {
            0 => kept += 1,
            1 => lost += 1,
            more => panic!("{tear:?}: {more} questions"),
        }
        let needed = user.pairings_made();
        assert_eq!(
            needed,
            1 - paired_on_card,
            "{tear:?}: the card's slot decides"
        );
        assert_eq!(world.card.pairings(), 1, "{tear:?}");
    }
    assert!(kept > 0 && lost > 0, "{kept} kept and {lost} lost");
}

/// ST-41: no tear gives a try back to whoever does not know the PIN, and none makes a pairing.
#[test]
fn no_tear_gives_back_a_try_that_a_wrong_pin_has_spent() {
    let mut start = World::new();
    let refused = start.visit(&mut User::mistaken());
    assert!(refused.is_err());
    assert_eq!(start.card.pin_tries(), 2);
    let (mut spent, mut unspent) = (0, 0);
    for tear in tears(&start, User::mistaken) {
        let mut world = start.fork();
        tear.plan(&mut world);
        let session = world.connect_under(&mut User::mistaken(), &Policy::Auto);
        assert!(session.is_err(), "{tear:?}");
        drop(session);
        world.insert();
        match world.card.pin_tries() {
            1 => spent += 1,
            2 => unspent += 1,
            tries => panic!("{tear:?}: {tries} tries"),
        }
        assert_eq!(world.card.pairings(), 0, "{tear:?}");
        world.visit(&mut User::willing()).unwrap();
        assert_eq!(
            world.card.pin_tries(),
            3,
            "{tear:?}: the right PIN gives all back"
        );
    }
    assert!(spent > 0 && unspent > 0, "{spent} spent, {unspent} not");
}

/// ST-41: pulling the card at the moment of each answer never yields a fourth guess.
#[test]
fn a_card_that_is_pulled_after_every_guess_takes_three_guesses_all_the_same() {
    let mut world = World::new();
    let mut whole = world.fork();
    assert!(whole.visit(&mut User::mistaken()).is_err());
    let verify = whole.line.first(apdu::identifier::header::VERIFY);
    for guesses in 1..=3 {
        world.line.plan(verify, Incident::LoseAnswer);
        assert!(world.visit(&mut User::mistaken()).is_err());
        world.insert();
        assert_eq!(world.card.pin_tries(), 3 - guesses);
    }
    let mut user = User::with([pin(PIN), pin(WRONG_PIN)]);
    assert!(
        world.visit(&mut user).is_err(),
        "blocked for the right PIN, too"
    );
}

/// ST-53: a line that answers the same from some moment on, garbage or a plain word, never lets a session be opened.
#[test]
fn a_line_that_lies_from_some_moment_on_opens_no_session() {
    let mut lies: Vec<Vec<u8>> = [
        0x9000_u16, 0x6300, 0x6982, 0x6985, 0x6988, 0x6A80, 0x6F00, 0x6100, 0x6C00,
    ]
    .iter()
    .map(|word| word.to_be_bytes().to_vec())
    .collect();
    lies.extend([Vec::new(), vec![0x90], vec![0x7C; 42], vec![0; 300]]);
    for (start, user) in [
        (World::new(), User::willing as fn() -> User),
        (World::paired(), User::absent),
    ] {
        let mut whole = start.fork();
        whole.visit(&mut user()).unwrap();
        for number in 0..whole.line.heard.len() {
            for lie in &lies {
                let mut world = start.fork();
                world
                    .line
                    .plan(number, Incident::ReplaceForEver(lie.clone()));
                let opened = world.connect_under(&mut user(), &Policy::Auto).map(drop);
                assert!(opened.is_err(), "{lie:02X?} from {number} on");
                assert!(!world.line.carried(PIN), "{lie:02X?} from {number} on");
                let sent = world.line.heard.len();
                assert!(sent < 200, "{lie:02X?} from {number} on: {sent} commands");
                world.insert();
                let mut user = User::willing();
                let healed = world.connect_under(&mut user, &Policy::Auto).map(drop);
                healed.unwrap_or_else(|error| panic!("{lie:02X?} from {number} on: {error}"));
                assert!(user.asked_for_pin.len() <= 1);
            }
        }
    }
}
