//! Revocation and the status list (§13).
#![expect(clippy::unwrap_used, reason = "a test may stop")]

mod support;

use apdu::certificate::{Anchor, Role, StatusList};
use authority::{AuthorityError, Scope};
use support::{Bench, DAY, at, message, name};

fn publish(bench: &mut Bench, scope: Scope) -> Result<StatusList, AuthorityError> {
    bench
        .authority
        .publish(bench.key.as_mut(), scope, at(bench.now))
}

fn revoke(bench: &mut Bench, holder: &str, reason: &str) -> Result<(), AuthorityError> {
    bench.authority.revoke(&name(holder), reason, at(bench.now))
}

#[test]
fn a_revoked_holder_is_on_the_next_list_and_on_every_one_after_it() {
    let mut bench = Bench::new();
    let good = bench.certify(Role::Card, "ZZTALLYCARD00001");
    let lost = bench.certify(Role::Card, "ZZTALLYCARD00002");
    let root = Anchor::trust_root(bench.authority.root()).unwrap();
    let before = publish(&mut bench, Scope::Revoked).unwrap();
    assert!(before.claims().revoked.is_empty());
    revoke(&mut bench, "ZZTALLYCARD00002", "lost on the train").unwrap();
    let mut bench = bench.reopen();
    for sequence in 2..4 {
        bench.now += DAY;
        let list = publish(&mut bench, Scope::Revoked).unwrap();
        assert_eq!(list.verify(&[&root]), Ok(()));
        assert_eq!(list.claims().sequence, sequence);
        assert_eq!(list.claims().date, at(bench.now).day());
        assert!(list.revokes(&lost.holder_hash()));
        assert!(!list.revokes(&good.holder_hash()));
    }
}

#[test]
fn a_revocation_needs_a_known_holder_once_and_a_reason_of_one_line() {
    let mut bench = Bench::new();
    bench.certify(Role::Card, "ZZTALLYCARD00001");
    assert_eq!(
        message(revoke(&mut bench, "ZZTALLYCARD00002", "lost")),
        "no certificate was ever issued to ZZTALLYCARD00002"
    );
    for bad in ["", "  ", "two\nlines", "\u{1b}[31m", &"x".repeat(201)] {
        assert_eq!(
            message(revoke(&mut bench, "ZZTALLYCARD00001", bad)),
            "a reason is one line of 1 to 200 bytes",
            "{bad:?}"
        );
    }
    revoke(&mut bench, "ZZTALLYCARD00001", &"x".repeat(200)).unwrap();
    assert_eq!(
        message(revoke(&mut bench, "ZZTALLYCARD00001", "lost")),
        "ZZTALLYCARD00001 is revoked already; `certify status-list publish` publishes it again"
    );
}

#[test]
fn the_65th_revocation_asks_for_a_cut_and_after_the_cut_there_is_room_again() {
    let mut bench = Bench::new();
    let names: Vec<String> = (1..=66).map(|n| format!("ZZTALLYCARD{n:05}")).collect();
    for holder in &names {
        bench.certify(Role::Card, holder);
    }
    for holder in &names[..64] {
        revoke(&mut bench, holder, "lost").unwrap();
    }
    let full = publish(&mut bench, Scope::Revoked).unwrap();
    assert_eq!(
        (full.encoded().len(), full.claims().revoked.len()),
        (882, 64)
    );
    let lines = bench.authority.size().unwrap();
    let refused = message(revoke(&mut bench, &names[64], "lost"));
    assert!(
        refused.contains("certify status-list publish --cut-off-all"),
        "{refused}"
    );
    assert_eq!(bench.authority.size().unwrap(), lines);

    let cut = publish(&mut bench, Scope::Everything).unwrap();
    assert_eq!((cut.claims().sequence, cut.claims().min_epoch), (2, 1));
    assert!(cut.claims().revoked.is_empty(), "the epoch cuts them off");
    let mut bench = bench.reopen();
    revoke(&mut bench, &names[64], "lost").unwrap();
    let after = bench.certify(Role::Card, "ZZTALLYCARD00067");
    assert_eq!(
        after.claims().epoch,
        1,
        "a new certificate is of the new epoch"
    );
    revoke(&mut bench, "ZZTALLYCARD00067", "lost too").unwrap();
    let list = publish(&mut bench, Scope::Revoked).unwrap();
    assert_eq!(list.claims().min_epoch, 1);
    assert_eq!(list.claims().revoked, [after.holder_hash()]);
    assert!(bench.reopen().authority.audit().is_ok());
}

#[test]
fn a_list_is_never_dated_before_the_ledgers_last_day() {
    let mut bench = Bench::new();
    let last_day = at(bench.now).day();
    for behind in [0, 1, 30 * 86_400] {
        bench.now -= behind;
        let list = publish(&mut bench, Scope::Revoked).unwrap();
        assert_eq!(list.claims().date, last_day, "{behind} seconds behind");
        bench.now += behind;
    }
}
