//! Sessions through PC/SC: from the first insertion on, side by side, and of full length.

use super::{Inserted, READER, Slot};
use apdu::message::vault::{ObjectName, Policy as VaultPolicy};
use card_sim::state_file::StateFile;
use conformance::authority::{self, CARD, TERMINAL, certified, put_into_use, terminal};
use conformance::{User, World};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};
use terminal_lib::application::Policy;
use terminal_lib::service::vault::Vault;
use terminal_lib::store::FileStore;
use terminal_lib::transport::pcsc::Readers;

/// ST-08, ST-12, ST-20, ST-27: set up at the first insertion, recognised at the second, with both memories in files.
#[test]
fn a_card_and_a_terminal_with_files_pair_once_and_reconnect_ever_after() {
    let slot = Slot::new();
    let folder = tempfile::tempdir().unwrap();
    let (card, store) = (folder.path().join("card"), folder.path().join("pairings"));
    put_into_use(StateFile::create(&card).unwrap(), CARD);
    certified(FileStore::open_or_create(&store).unwrap(), TERMINAL);
    for (insertion, asked) in [(1, 1), (2, 0), (3, 0)] {
        let inserted = Inserted::new(StateFile::open(&card).unwrap());
        let mut reader = slot.wait_for_card();
        let mut terminal = terminal(FileStore::open(&store).unwrap());
        let mut user = User::willing();
        let session = terminal.connect(&mut reader, &mut user, &Policy::Auto);
        session.unwrap().close();
        assert_eq!(user.asked_for_pin.len(), asked, "insertion {insertion}");
        if asked == 0 {
            assert_eq!(inserted.apdus(), 3, "insertion {insertion}");
        }
        drop((inserted, reader));
        slot.wait_for_removal();
    }
}

/// ST-08: a second program waits for the first one's session to end, and then gets its own.
#[test]
fn two_programs_on_one_reader_do_not_disturb_each_others_sessions() {
    let slot = Slot::new();
    let mut first = World::paired();
    let other = authority::terminal_store("ZZTALLYTERM00002");
    let mut second = World::meeting(&first.card, &other);
    second.visit(&mut User::willing()).unwrap();
    let _inserted = Inserted::new(first.card.clone());
    let mut reader = slot.wait_for_card();
    let mut absent = User::absent();
    let mut session = first
        .terminal
        .connect(&mut reader, &mut absent, &Policy::Never)
        .unwrap();
    let mut terminal = second.terminal;
    let (ready, is_ready) = channel();
    let waiting = thread::spawn(move || {
        let begun = Instant::now();
        ready.send(()).unwrap();
        // Why only now: pcscd lets nobody connect while a transaction is open.
        let mut reader = Readers::open().unwrap().connect(READER).unwrap();
        let mut absent = User::absent();
        let mut session = terminal
            .connect(&mut reader, &mut absent, &Policy::Never)
            .unwrap();
        let waited = begun.elapsed();
        for _ in 0..20 {
            session.status().unwrap();
        }
        session.close();
        waited
    });
    is_ready.recv().unwrap();
    let (begun, held) = (Instant::now(), Duration::from_millis(500));
    let mut commands = 0;
    while begun.elapsed() < held {
        session.status().unwrap();
        commands += 1;
    }
    session.close();
    assert!(commands > 20, "{commands}");
    assert!(waiting.join().unwrap() >= held);
    let mut absent = User::absent();
    let again = first
        .terminal
        .connect(&mut reader, &mut absent, &Policy::Never);
    again.unwrap().close();
}

/// ST-02, ST-50: 32 KiB pass in one command and one answer.
#[test]
fn a_large_object_passes_whole() {
    let slot = Slot::new();
    let mut world = World::paired();
    let inserted = Inserted::new(world.card.clone());
    let mut reader = slot.wait_for_card();
    let mut session = world
        .terminal
        .connect(&mut reader, &mut User::absent(), &Policy::Never)
        .unwrap();
    let mut vault = Vault::new();
    vault.list(&mut session).unwrap(); // selects it
    let content: Vec<u8> = (0..32_768_u16).map(|n| n.to_be_bytes()[1]).collect();
    let name = ObjectName::new("large").unwrap();
    let open = VaultPolicy {
        pin_to_read: false,
        pin_to_write: false,
    };
    let before = inserted.apdus();
    vault.write(&mut session, &name, open, &content).unwrap();
    let read = vault.read(&mut session, &name).unwrap();
    assert_eq!(read.as_slice(), content);
    assert_eq!(inserted.apdus() - before, 2, "extended length");
    session.close();
}
