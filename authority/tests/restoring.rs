//! An authority that comes back from a backup gives no name, no serial number and no list number again.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

mod support;

use apdu::certificate::{Name, Role};
use authority::client::{Client, ClientRole, Invitation, RollEdit};
use authority::ledger::Fault;
use authority::restore::{Backup, DEFAULT_LEAP, RestoreRefused, Restored, backup};
use authority::store::{Store, sqlite};
use authority::tree::SignedTreeHead;
use authority::{
    Authority, AuthorityError, Finding, NameOrder, OrderRefused, Refused, Root, STORE_FILE, Scope,
};
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;
use support::{Bench, PASSPHRASE, START, Tape, at, message, name};

const PREFIX: &str = "ZZBACK";

/// What was given out so far: names and numbers of status lists.
#[derive(Default)]
struct Given {
    names: BTreeSet<Name>,
    lists: BTreeSet<u32>,
}

impl Given {
    fn name(&mut self, name: Name) {
        assert!(self.names.insert(name), "{name} was given twice");
    }

    /// A card under the prefix, a terminal under another one, and a status list.
    fn work(&mut self, bench: &mut Bench, other: &str) {
        for (role, prefix) in [(Role::Card, PREFIX), (Role::Terminal, other)] {
            let challenge = bench.order(role, NameOrder::NextOf(prefix.into())).unwrap();
            let request = bench.answer(&challenge);
            bench.issue(&request, role).unwrap();
            self.name(challenge.holder);
        }
        let list = bench
            .authority
            .publish(bench.key.as_mut(), Scope::Revoked, at(bench.now))
            .unwrap();
        let number = list.claims().sequence;
        assert!(self.lists.insert(number), "list {number} was given twice");
    }
}

fn store(bench: &Bench) -> Box<dyn Store> {
    sqlite::open(&bench.folder().join(STORE_FILE), Duration::ZERO).unwrap()
}

impl Bench {
    fn file(&self) -> PathBuf {
        self.temporary.path().join("backup")
    }

    fn back_up(&self) -> u64 {
        backup(store(self).as_mut(), &self.file()).unwrap()
    }

    /// Puts the backup back into a new folder, with the key of the old one.
    fn restore(
        &mut self,
        newest: Option<SignedTreeHead>,
        leap: Option<u32>,
    ) -> Result<Restored, AuthorityError> {
        let (file, kept) = (self.file(), self.folder());
        let from = Backup {
            file: &file,
            kept: &kept,
            newest,
            leap,
        };
        let folder = self.temporary.path().join("new");
        let secret = |_: &Root| Ok(PASSPHRASE.to_vec().into());
        Authority::restore(&folder, &from, secret, &mut self.tape, at(self.now))
    }

    /// The old folder is lost; the new one takes its place.
    fn lose(self) -> Self {
        let lost = self.temporary.path().join("lost");
        fs::rename(self.folder(), lost).unwrap();
        fs::rename(self.temporary.path().join("new"), self.folder()).unwrap();
        self.reopen()
    }

    /// What lies beside the authority's folder.
    fn beside(&self) -> BTreeSet<String> {
        let all = fs::read_dir(self.temporary.path()).unwrap();
        all.map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }
}

fn refused(result: Result<Restored, AuthorityError>) -> RestoreRefused {
    match result {
        Err(AuthorityError::Restore(refused)) => refused,
        other => panic!("{other:?}"),
    }
}

#[test]
fn nothing_that_was_given_before_the_loss_is_given_again() {
    let mut given = Given::default();
    let mut bench = Bench::new();
    given.work(&mut bench, "ZZOLDER");
    let size = bench.back_up();
    for _ in 0..3 {
        given.work(&mut bench, "ZZLATER"); // a prefix that the backup does not know
    }
    let restored = bench.restore(None, None).unwrap();
    let told = Restored {
        size,
        leap: DEFAULT_LEAP,
        lost: None,
    };
    assert_eq!(restored, told);
    let mut bench = bench.lose();
    for _ in 0..3 {
        given.work(&mut bench, "ZZLATER");
        given.work(&mut bench, "ZZOLDER");
    }
    let next = format!("{PREFIX}{:05}", 1 + DEFAULT_LEAP + 1);
    assert!(given.names.contains(&name(&next)), "{:?}", given.names);
    assert_eq!(given.names.len(), 2 * (1 + 3 + 6));
    let audit = bench.authority.audit().unwrap();
    assert!(audit.lines > size + u64::from(DEFAULT_LEAP));
}

#[test]
fn a_newest_receipt_says_how_far_to_leap() {
    let mut given = Given::default();
    let mut bench = Bench::new();
    given.work(&mut bench, "ZZOLDER");
    let size = bench.back_up();
    given.work(&mut bench, "ZZOLDER");
    let newest = bench.authority.receipt(&name("ZZOLDER00002")).unwrap();
    newest.verify(&bench.authority.root().claims().key).unwrap();
    let lost = u32::try_from(newest.head.head.size - size).unwrap();
    let restored = bench.restore(Some(newest.head), None).unwrap();
    let told = Restored {
        size,
        leap: lost,
        lost: Some(lost),
    };
    assert_eq!(restored, told);
    let old = bench.authority.head().unwrap();
    let mut bench = bench.lose();
    let new = bench.authority.head().unwrap();
    assert!(new.head.size > newest.head.head.size, "the tree leaps too");
    let proof = bench
        .authority
        .consistency(old.head.size, new.head.size)
        .unwrap();
    assert!(
        proof.verify(&old.head, &new.head).is_err(),
        "a kept head shows that lines were lost"
    );
    given.work(&mut bench, "ZZOLDER");
    assert!(
        given
            .names
            .contains(&name(&format!("{PREFIX}{:05}", 1 + lost + 1)))
    );
    let line = &bench.authority.lines(size + 1, 2).unwrap();
    assert!(line[0].contains(&format!(
        r#"{{"kind":"restored","size":{size},"leap":{lost}}}"#
    )));
    assert!(line[1].contains(r#""event":{"kind":"void"}"#));
}

#[test]
fn what_a_lost_line_may_have_named_is_refused_by_name_too() {
    let mut bench = Bench::new();
    bench.certify(Role::Card, "ZZBACK00007");
    bench.back_up();
    bench.restore(None, Some(10)).unwrap();
    let mut bench = bench.lose();
    for lost in [
        "ZZBACK00003",
        "ZZBACK00008",
        "ZZBACK00017",
        "ZZBACKABCDE",
        "ZZNEW00010",
    ] {
        let order = bench.order(Role::Card, NameOrder::Exactly(name(lost)));
        assert!(
            matches!(
                order,
                Err(AuthorityError::Order(OrderRefused::MayBeLost(_)))
            ),
            "{lost}: {order:?}"
        );
    }
    for free in ["ZZBACK00018", "ZZNEW00011"] {
        bench.certify(Role::Card, free);
        let again = bench.order(Role::Card, NameOrder::Exactly(name(free)));
        assert!(matches!(
            again,
            Err(AuthorityError::Order(OrderRefused::Certified(_)))
        ));
    }
    bench.authority.audit().unwrap();
}

#[test]
fn a_challenge_of_the_backup_is_void() {
    let mut bench = Bench::new();
    let open = bench
        .order(Role::Card, NameOrder::NextOf(PREFIX.into()))
        .unwrap();
    bench.back_up();
    bench.restore(None, Some(0)).unwrap();
    let request = bench.answer(&open);
    let mut bench = bench.lose();
    let dead = bench.issue(&request, Role::Card);
    assert!(matches!(
        dead,
        Err(AuthorityError::Request(Refused::UsedNonce))
    ));
    let fresh = bench
        .order(Role::Card, NameOrder::NextOf(PREFIX.into()))
        .unwrap();
    let request = bench.answer(&fresh);
    bench.issue(&request, Role::Card).unwrap();
}

#[test]
fn a_head_that_proves_nothing_about_the_loss_is_refused_and_nothing_is_made() {
    let mut given = Given::default();
    let mut bench = Bench::new();
    let early = bench.authority.head().unwrap();
    given.work(&mut bench, "ZZOLDER");
    bench.back_up();
    given.work(&mut bench, "ZZOLDER");
    let newest = bench.authority.head().unwrap();
    let mut forged = newest;
    forged.head.size += 1;
    let foreign = Bench::drawn_from(Tape(1_000_000)).authority.head().unwrap();
    for (label, head) in [("changed", forged), ("of another authority", foreign)] {
        let refused = refused(bench.restore(Some(head), None));
        assert!(
            matches!(refused, RestoreRefused::Forged),
            "{label}: {refused}"
        );
    }
    let older = refused(bench.restore(Some(early), None));
    assert!(matches!(older, RestoreRefused::Older { .. }), "{older}");
    let short = refused(bench.restore(Some(newest), Some(1)));
    assert!(
        matches!(short, RestoreRefused::TooShort { leap: 1, .. }),
        "{short}"
    );
    assert!(message(bench.restore(None, Some(100_000))).contains("no prefix has so many"));
    assert_eq!(bench.beside(), ["backup", "ca"].map(String::from).into());
}

#[test]
fn a_backup_of_another_branch_than_the_head_is_refused() {
    let mut bench = Bench::new();
    bench.back_up();
    bench.restore(None, Some(3)).unwrap();
    bench.certify(Role::Card, "ZZLOST00001");
    let lost = bench.authority.head().unwrap();
    let mut bench = bench.lose();
    bench.certify(Role::Card, "ZZKEPT00009");
    fs::remove_file(bench.file()).unwrap();
    bench.back_up();
    let refused = refused(bench.restore(Some(lost), None));
    assert!(matches!(refused, RestoreRefused::OtherLedger), "{refused}");
}

#[test]
fn an_authority_that_is_there_and_a_backup_that_is_there_are_not_overwritten() {
    let mut bench = Bench::new();
    bench.back_up();
    let again = backup(store(&bench).as_mut(), &bench.file());
    assert!(matches!(again, Err(AuthorityError::Taken(_))));
    bench.restore(None, Some(3)).unwrap();
    let before = fs::read(bench.temporary.path().join("new/authority.db")).unwrap();
    let twice = bench.restore(None, Some(3));
    assert!(matches!(twice, Err(AuthorityError::Taken(_))), "{twice:?}");
    let after = fs::read(bench.temporary.path().join("new/authority.db")).unwrap();
    assert!(before == after);
}

#[test]
fn a_backup_that_is_made_while_others_write_is_whole() {
    let mut bench = Bench::new();
    bench.certify(Role::Card, "ZZBACK00001");
    let (path, file) = (bench.folder().join(STORE_FILE), bench.file());
    thread::scope(|scope| {
        let backups = scope.spawn(|| {
            for round in 0..5 {
                let mut from = sqlite::open(&path, Duration::from_secs(60)).unwrap();
                let file = file.with_extension(round.to_string());
                let lines = backup(from.as_mut(), &file).unwrap();
                let mut kept =
                    Authority::new(sqlite::open(&file, Duration::ZERO).unwrap()).unwrap();
                assert_eq!(kept.audit().unwrap().lines, lines);
            }
        });
        let mut number = 2;
        while !backups.is_finished() {
            bench.certify(Role::Card, &format!("ZZBACK{number:05}"));
            number += 1;
        }
    });
    bench.authority.audit().unwrap();
}

#[test]
fn the_default_leap_is_refused_where_the_digits_run_out() {
    let mut bench = Bench::new();
    bench.certify(Role::Card, "ZZBACK90000");
    bench.back_up();
    let refused = refused(bench.restore(None, None));
    let RestoreRefused::UsedUp {
        prefix, highest, ..
    } = refused
    else {
        panic!("{refused}");
    };
    assert_eq!((prefix.as_str(), highest), ("ZZBACK", 90_000));
    bench.restore(None, Some(9_999)).unwrap();
    let mut bench = bench.lose();
    let order = bench.order(Role::Card, NameOrder::NextOf(PREFIX.into()));
    assert!(matches!(
        order,
        Err(AuthorityError::Order(OrderRefused::UsedUp(_)))
    ));
    bench.certify(Role::Card, "ZZOTHER10000");
}

#[test]
fn clients_come_back_and_the_tls_authority_only_with_its_file() {
    let client = Client {
        name: "LINE1".into(),
        role: ClientRole::Station,
        fingerprint: "ab".repeat(32),
        added: START,
        ..Client::default()
    };
    for kept in [true, false] {
        let mut bench = Bench::new();
        let mut before = store(&bench);
        before.begin_roll().unwrap();
        before
            .commit_roll(&[RollEdit::Enrol(client.clone())])
            .unwrap();
        before.note_tls_ca(&[7; 32]).unwrap();
        let open = Invitation {
            name: "LINE2".into(),
            role: ClientRole::Station,
            code: "cd".repeat(32),
            expires: START + 86_400,
            ..Invitation::default()
        };
        before.begin_roll().unwrap();
        before.commit_roll(&[RollEdit::Invite(open)]).unwrap();
        bench.back_up();
        if kept {
            fs::write(bench.folder().join("tls-ca.pem"), "a certificate").unwrap();
        }
        bench.restore(None, Some(3)).unwrap();
        let mut after = store(&bench.lose());
        let roll = after.roll().unwrap();
        let revoked = (!kept).then_some(START);
        let line = roll.clients[0].line;
        assert_eq!(line > 0, !kept, "a client that is revoked has a line");
        let expected = Client {
            revoked,
            line,
            ..client.clone()
        };
        assert_eq!(roll.clients, [expected]);
        assert!(roll.invitations.is_empty(), "the code may have been used");
        assert_eq!(after.tls_ca().unwrap(), kept.then_some([7; 32]));
    }
}

#[test]
fn a_damaged_backup_and_a_wrong_passphrase_leave_nothing() {
    let mut bench = Bench::new();
    bench.certify(Role::Card, "ZZBACK00001");
    bench.back_up();
    let good = fs::read(bench.file()).unwrap();
    let by_hand = rusqlite::Connection::open(bench.file()).unwrap();
    let text =
        "UPDATE lines SET entry = replace(entry, 'ZZBACK00001', 'ZZBACK00002') WHERE sequence > 1";
    by_hand.execute_batch(text).unwrap();
    drop(by_hand);
    assert!(bench.restore(None, Some(3)).is_err());
    fs::write(bench.file(), b"not a backup").unwrap();
    assert!(message(bench.restore(None, Some(3))).contains("damaged"));
    fs::remove_file(bench.file()).unwrap();
    assert!(bench.restore(None, Some(3)).is_err());
    fs::write(bench.file(), good).unwrap();
    let (file, kept) = (bench.file(), bench.folder());
    let from = Backup {
        file: &file,
        kept: &kept,
        newest: None,
        leap: Some(3),
    };
    let folder = bench.temporary.path().join("new");
    let secret = |_: &Root| Ok(b"wrong horse".to_vec().into());
    let wrong = Authority::restore(&folder, &from, secret, &mut bench.tape, at(START));
    assert!(matches!(wrong, Err(AuthorityError::Custody(_))));
    assert_eq!(bench.beside(), ["backup", "ca"].map(String::from).into());
    bench.restore(None, Some(3)).unwrap();
}

/// Each by a change of one line that the program would never write.
#[test]
fn the_audit_finds_a_leap_that_is_not_kept() {
    let void = r#""event":{"kind":"void"}"#;
    let further = r#""event":{"kind":"restored","size":2,"leap":0}"#;
    for (label, line, old, new) in [
        ("fewer void lines", 2, r#""leap":3"#, r#""leap":4"#),
        ("more void lines", 2, r#""leap":3"#, r#""leap":2"#),
        ("another size", 2, r#""size":1"#, r#""size":2"#),
        ("another line within", 3, void, further),
    ] {
        let mut bench = Bench::new();
        assert_eq!(bench.back_up(), 1);
        bench.restore(None, Some(3)).unwrap();
        let mut bench = bench.lose();
        bench
            .order(Role::Card, NameOrder::NextOf(PREFIX.into()))
            .unwrap();
        bench.authority.audit().unwrap();
        let by_hand = rusqlite::Connection::open(bench.folder().join(STORE_FILE)).unwrap();
        let text = "UPDATE lines SET entry = replace(entry, ?1, ?2) WHERE sequence = ?3";
        let changed = by_hand.execute(text, rusqlite::params![old, new, line]);
        assert_eq!(changed, Ok(1), "{label}");
        let found = bench.authority.audit();
        assert!(
            matches!(
                found,
                Err(Finding::Line {
                    fault: Fault::Contradiction(_),
                    ..
                })
            ),
            "{label}: {found:?}"
        );
    }
}
