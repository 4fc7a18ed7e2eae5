//! Where a session ends by itself (T17), and that no key meets the same counter twice (T4).
#![expect(clippy::unwrap_used, reason = "a test may stop")]

use apdu::identifier::MAX_COMMANDS;
use conformance::evidence::{cases, report, seed};
use conformance::liar::chance::Chance;
use conformance::liar::messaging::objects;
use conformance::liar::puppet::{Puppet, Scene, Step, Stop};
use conformance::liar::tape::Couple;
use conformance::{User, World};
use std::collections::HashSet;
use terminal_lib::application::Policy;
use terminal_lib::session::SessionError;
use terminal_lib::transport::in_process::LocalCard;

/// T17: the product's terminal sends 65,535 commands under one key set, and not one more; the pairing goes on.
#[test]
fn a_terminal_sends_65535_commands_in_a_session_and_not_one_more() {
    let mut world = World::paired();
    let mut user = User::absent();
    let mut sent = 1; // connecting sends the first
    {
        let mut session = world.connect_under(&mut user, &Policy::Never).unwrap();
        while session.is_open() && sent < MAX_COMMANDS {
            session.status().unwrap();
            sent += 1;
        }
        assert_eq!(sent, MAX_COMMANDS);
        for _ in 0..3 {
            assert!(matches!(session.status(), Err(SessionError::Over)));
        }
        assert!(!session.is_open());
    }
    let secured = world
        .line
        .heard
        .iter()
        .filter(|heard| heard.header().cla == 0x0C);
    assert_eq!(secured.count(), usize::try_from(MAX_COMMANDS).unwrap());
    world.insert();
    world.reconnect().unwrap().close();
    report(
        "T17",
        sent.into(),
        "commands in one session of a terminal; the next was not sent, and the pairing went on",
    );
}

/// A session of a terminal that knows no limit, in which every command and every answer has the same plain data.
fn endless() -> Couple {
    let mut couple = Couple::paired(1, 1);
    couple.puppet = couple.puppet.clone().planning(Scene::Session);
    while couple.puppet.step() != Some(Step::WriteInPieces) {
        one_command(&mut couple).unwrap();
    }
    couple
}

/// The next command, and its answer.
fn one_command(couple: &mut Couple) -> Result<(Vec<u8>, Vec<u8>), Stop> {
    let command = couple.puppet.speak().unwrap();
    let answer = LocalCard::transmit(&mut couple.card, &command);
    couple.puppet.hear(&answer)?;
    Ok((command, answer))
}

/// The first block of a message's cryptogram.
fn first_block(field: &[u8]) -> [u8; 16] {
    let found = objects(field).unwrap();
    let (tag, value) = &found[0];
    assert_eq!(*tag, 0x87);
    *value[1..].first_chunk().unwrap()
}

/// T17, T4: a card takes 65,535 commands under one key set and refuses the next; among all messages of such a session, with the same
/// plain data in each, no two cryptograms begin alike, so no key met an IV twice.
#[test]
fn a_card_takes_65535_commands_in_a_session_and_no_iv_comes_twice() {
    let mut couple = endless();
    let mut taken = couple.puppet.channel.as_ref().unwrap().counter / 2;
    let (mut from_terminal, mut from_card) = (HashSet::new(), HashSet::new());
    while taken < u128::from(MAX_COMMANDS) {
        couple.puppet.plan = [Step::Read].into();
        let (command, answer) = one_command(&mut couple).unwrap();
        taken += 1;
        let command = &command[7..]; // an extended command: its data field begins behind Lc
        let is_new = from_terminal.insert(first_block(&command[..command.len() - 2]))
            && from_card.insert(first_block(&answer[..answer.len() - 2]));
        assert!(is_new, "command {taken}: an IV came twice");
    }
    assert!(
        from_terminal.is_disjoint(&from_card),
        "one key for both ways"
    );
    let before = couple.card.memory.dangerous_copy();
    for word in [0x6988, 0x6985] {
        couple.puppet.plan = [Step::Status].into();
        let refused = one_command(&mut couple).map(drop);
        assert_eq!(refused, Err(Stop::Word(word)));
        assert_eq!(couple.card.state(), "NONE");
    }
    assert!(couple.card.memory.same_content(&before));
    report(
        "T17",
        u64::from(MAX_COMMANDS),
        "commands under one key set at a card; the next was refused with 6988, state NONE",
    );
    report(
        "T4",
        u64::try_from(from_terminal.len() + from_card.len()).unwrap(),
        "cryptograms of the same plain data in one session, all begin differently: no key met an IV twice",
    );
}

/// T4: over many sessions of one pairing, broken off anywhere, by losses of either message and by lies: no MAC comes twice.
#[test]
fn no_message_comes_twice_over_many_sessions_broken_off_anywhere() {
    let mut chance = Chance::new(seed());
    let mut couple = Couple::paired(1, 1);
    let mut seen = HashSet::new();
    let (mut broken, mut whole) = (0, 0);
    let sessions = cases(1_000, 100_000);
    for number in 0..sessions {
        let at = chance.below(20); // a whole session has 16 APDUs
        let damage = chance.below(4);
        couple.puppet = couple.puppet.clone().planning(Scene::Session);
        let key = couple.puppet.pairing;
        let mut outcome = Ok(());
        for turn in 0.. {
            let Some(mut command) = couple.puppet.speak() else {
                break;
            };
            if command[0] & 0x0C != 0 && !couple.puppet.is_in_pieces() {
                let mac = *command[..command.len() - 1].last_chunk::<8>().unwrap();
                assert!(seen.insert(mac), "session {number}: a command came twice");
            }
            let is_hit = turn == at;
            if is_hit && damage == 0 {
                break; // the command is lost
            }
            if is_hit && damage == 1 {
                let last = command.len() - 4;
                command[last] ^= 1;
            }
            let mut answer = LocalCard::transmit(&mut couple.card, &command);
            if is_hit && damage == 2 {
                break; // the answer is lost
            }
            if is_hit && damage == 3 {
                answer[0] ^= 1;
            }
            outcome = couple.puppet.hear(&answer);
            if outcome.is_err() {
                break;
            }
        }
        let is_whole = outcome.is_ok() && couple.puppet.step().is_none();
        if is_whole {
            whole += 1;
        } else {
            broken += 1;
        }
        // The card is at the terminal's generation or one ahead (§8.4): the puppet follows as a terminal does.
        let stored = couple.card.pairing_keys()[0];
        assert!(stored == key.unwrap() || Puppet::is_one_behind(&key.unwrap(), &stored));
        couple.puppet.pairing = Some(stored);
    }
    assert!(
        whole > sessions / 50 && broken > sessions / 2,
        "{whole}, {broken}"
    );
    report(
        "T4",
        sessions,
        format_args!(
            "sessions of one pairing, {broken} broken off anywhere: none of {} MACs of commands came twice",
            seen.len()
        ),
    );
}
