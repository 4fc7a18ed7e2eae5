//! The status list on the card, the trusted date, and roll-over by link certificate (§13).
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop")]

mod bench;

use apdu::certificate::{
    CertificateFields, Date, HolderHash, Name, Role, StatusList, StatusListFields,
};
use apdu::channel::TerminalEnd;
use apdu::codec::status::StatusWord;
use apdu::crypto::PrivateKey;
use apdu::handshake::PairingKey;
use apdu::identifier::header;
use apdu::message::status::CardStatus;
use bench::*;

fn list_by(
    signer: &PrivateKey,
    sequence: u32,
    change: impl FnOnce(&mut StatusListFields),
) -> StatusList {
    let mut fields = StatusListFields {
        issuer: Name::new(ROOT).unwrap(),
        sequence,
        min_epoch: 0,
        date: Date::new(2026, 6, 1).unwrap(),
        revoked: Vec::new(),
    };
    change(&mut fields);
    fields.revoked.sort();
    let signature = signer.sign(&fields.encode_body());
    StatusList::assemble(fields, signature)
}

fn list(sequence: u32, revoked: &[HolderHash]) -> StatusList {
    list_by(&root_key(), sequence, |fields| {
        fields.revoked = revoked.to_vec();
    })
}

fn paired() -> (Bench, Terminal, PairingKey, TerminalEnd) {
    let mut bench = Bench::operational();
    let mut terminal = Terminal::new(1);
    let mut key = terminal.pair(&mut bench);
    let end = terminal.reconnect(&mut bench, &mut key).unwrap();
    (bench, terminal, key, end)
}

fn status(bench: &mut Bench, end: &mut TerminalEnd) -> CardStatus {
    CardStatus::decode(&bench.secured(end, header::STATUS, &[]).0).unwrap()
}

#[test]
fn a_newer_list_is_stored_enforced_and_handed_on() {
    let (mut bench, _, _, mut end) = paired();
    let mut revoked = Terminal::new(2);
    let revoked_key = revoked.pair(&mut bench);
    let mut terminal = Terminal::new(1);
    drop(end);
    let mut key = terminal.pair(&mut bench);
    end = terminal.reconnect(&mut bench, &mut key).unwrap();
    assert_eq!(
        bench.secured(&mut end, header::GET_STATUS_LIST, &[]).1,
        StatusWord::NOT_FOUND
    );
    let first = list(5, &[revoked.holder()]);
    assert_eq!(
        bench
            .secured(&mut end, header::PUT_STATUS_LIST, first.encoded())
            .1,
        OK
    );
    assert_eq!(
        bench.secured(&mut end, header::GET_STATUS_LIST, &[]).0,
        first.encoded()
    );
    assert_eq!(status(&mut bench, &mut end).list_sequence, 5);
    assert!(
        revoked.challenge(&mut bench, &revoked_key).is_none(),
        "its pairing is dead"
    );
    bench.select();
    let refused = bench
        .send(header::VERIFY_CERTIFICATE, revoked.certificate.encoded())
        .status;
    assert_eq!(
        refused,
        StatusWord::CERTIFICATE_REFUSED,
        "and it cannot pair again"
    );
    bench.power_cycle();
    assert!(
        revoked.challenge(&mut bench, &revoked_key).is_none(),
        "also after a restart"
    );
}

#[test]
fn older_foreign_and_damaged_lists_change_nothing() {
    let (mut bench, _, _, mut end) = paired();
    assert_eq!(
        bench
            .secured(&mut end, header::PUT_STATUS_LIST, list(5, &[]).encoded())
            .1,
        OK
    );
    let before = bench.store.dangerous_copy();
    let foreign = list_by(&private_key(0x55), 6, |_| {});
    let unknown = list_by(&root_key(), 6, |fields| {
        fields.issuer = Name::new("ZZTALLYROOT00009").unwrap();
    });
    let mut damaged = list(6, &[]).encoded().to_vec();
    damaged[12] ^= 1;
    for (label, bytes, word) in [
        (
            "older",
            list(4, &[]).encoded().to_vec(),
            StatusWord::CONDITIONS_NOT_SATISFIED,
        ),
        ("equal", list(5, &[]).encoded().to_vec(), OK),
        (
            "foreign",
            foreign.encoded().to_vec(),
            StatusWord::WRONG_DATA,
        ),
        (
            "unknown issuer",
            unknown.encoded().to_vec(),
            StatusWord::WRONG_DATA,
        ),
        ("damaged", damaged, StatusWord::WRONG_DATA),
    ] {
        assert_eq!(
            bench.secured(&mut end, header::PUT_STATUS_LIST, &bytes).1,
            word,
            "{label}"
        );
        assert!(bench.store.same_content(&before), "{label}");
    }
}

#[test]
fn a_terminal_that_revokes_itself_gets_its_answer_and_is_out() {
    let (mut bench, mut terminal, key, mut end) = paired();
    let own = list(5, &[terminal.holder()]);
    assert_eq!(
        bench
            .secured(&mut end, header::PUT_STATUS_LIST, own.encoded())
            .1,
        OK
    );
    assert_eq!(bench.card.phase_name(), "NONE");
    assert!(terminal.challenge(&mut bench, &key).is_none());
}

#[test]
fn a_raised_epoch_cuts_off_older_certificates_and_their_pairings() {
    let (mut bench, mut terminal, key, mut end) = paired();
    let raised = list_by(&root_key(), 5, |fields| fields.min_epoch = 2);
    assert_eq!(
        bench
            .secured(&mut end, header::PUT_STATUS_LIST, raised.encoded())
            .1,
        OK
    );
    assert!(terminal.challenge(&mut bench, &key).is_none());
    bench.select();
    let refused = bench
        .send(header::VERIFY_CERTIFICATE, terminal.certificate.encoded())
        .status;
    assert_eq!(refused, StatusWord::CERTIFICATE_REFUSED);
}

/// T46: the date moves only at a commit or by a list, never back, at most 366 days at a time.
#[test]
fn the_trusted_date_moves_forward_in_steps_and_only_when_proven() {
    let (mut bench, _, _, mut end) = paired();
    let date = |year, month, day| Date::new(year, month, day).unwrap();
    assert_eq!(status(&mut bench, &mut end).trusted_date, date(2026, 1, 1));
    let future = list_by(&root_key(), 5, |fields| fields.date = date(2030, 1, 1));
    assert_eq!(
        bench
            .secured(&mut end, header::PUT_STATUS_LIST, future.encoded())
            .1,
        OK
    );
    assert_eq!(status(&mut bench, &mut end).trusted_date, date(2027, 1, 2));
    let past = list_by(&root_key(), 6, |fields| fields.date = date(2025, 1, 1));
    assert_eq!(
        bench
            .secured(&mut end, header::PUT_STATUS_LIST, past.encoded())
            .1,
        OK
    );
    assert_eq!(status(&mut bench, &mut end).trusted_date, date(2027, 1, 2));
    // A certificate that was only shown moves nothing.
    let key = private_key(0x31);
    let shown = certify_with(
        &root_key(),
        ROOT,
        "ZZTALLYTERM00031",
        Role::Terminal,
        &key.public_key(),
        |fields| {
            fields.from = date(2027, 6, 1);
        },
    );
    let before = bench.store.dangerous_copy();
    bench.select();
    assert_eq!(
        bench
            .send(header::VERIFY_CERTIFICATE, shown.encoded())
            .status,
        OK
    );
    assert!(bench.store.same_content(&before));
}

/// §13: a pairing does not outlive the terminal's certificate.
#[test]
fn a_pairing_ends_with_the_terminals_certificate() {
    let mut bench = Bench::operational();
    let mut short = Terminal::new(3);
    short.certificate = certify_with(
        &root_key(),
        ROOT,
        "ZZTALLYTERM00003",
        Role::Terminal,
        &short.key.public_key(),
        |fields| {
            fields.until = Date::new(2026, 3, 1).unwrap();
        },
    );
    let short_key = short.pair(&mut bench);
    assert!(short.challenge(&mut bench, &short_key).is_some());
    let mut terminal = Terminal::new(1);
    let mut key = terminal.pair(&mut bench);
    let mut end = terminal.reconnect(&mut bench, &mut key).unwrap();
    assert_eq!(
        bench
            .secured(&mut end, header::PUT_STATUS_LIST, list(5, &[]).encoded())
            .1,
        OK
    );
    assert!(short.challenge(&mut bench, &short_key).is_none());
    assert!(terminal.challenge(&mut bench, &key).is_some());
}

fn under(signer: u8, issuer: &str, number: u8) -> Terminal {
    let mut terminal = Terminal::new(number);
    let holder = format!("ZZTALLYTERM{number:05}");
    terminal.certificate = certify(
        &private_key(signer),
        issuer,
        &holder,
        Role::Terminal,
        &terminal.key.public_key(),
    );
    terminal
}

fn link(signer: u8, issuer: &str, to: u8, holder: &str) -> apdu::certificate::Certificate {
    certify(
        &private_key(signer),
        issuer,
        holder,
        Role::Authority,
        &private_key(to).public_key(),
    )
}

const SECOND: &str = "ZZTALLYROOT00002";
const THIRD: &str = "ZZTALLYROOT00003";

/// P9: roll-over without recalling a card. ST-63's exception: roots change by link only.
#[test]
fn a_link_certificate_leads_to_a_second_root_and_a_third_replaces_the_first() {
    let (mut bench, _, _, mut end) = paired();
    let to_second = link(1, ROOT, 2, SECOND);
    let to_third = link(2, SECOND, 3, THIRD);
    let put = |bench: &mut Bench, end: &mut TerminalEnd, link: &apdu::certificate::Certificate| {
        bench.secured(end, header::PUT_LINK, link.encoded()).1
    };
    assert_eq!(
        put(&mut bench, &mut end, &to_third),
        StatusWord::CERTIFICATE_REFUSED,
        "its root is unknown"
    );
    assert_eq!(
        put(&mut bench, &mut end, &link(9, ROOT, 2, SECOND)),
        StatusWord::CERTIFICATE_REFUSED,
        "forged"
    );
    assert_eq!(put(&mut bench, &mut end, &to_second), OK);
    assert_eq!(put(&mut bench, &mut end, &to_second), OK, "known already");
    assert_eq!(
        put(&mut bench, &mut end, &link(1, ROOT, 5, SECOND)),
        StatusWord::CERTIFICATE_REFUSED,
        "same name, other key"
    );
    assert_eq!(
        put(&mut bench, &mut end, &to_third),
        StatusWord::CONDITIONS_NOT_SATISFIED,
        "the second is not proven"
    );
    let mut new = under(2, SECOND, 7);
    let mut key = new.pair(&mut bench);
    let mut end = new.reconnect(&mut bench, &mut key).unwrap();
    assert_eq!(put(&mut bench, &mut end, &to_third), OK);
    bench.select();
    let old = bench
        .send(
            header::VERIFY_CERTIFICATE,
            Terminal::new(4).certificate.encoded(),
        )
        .status;
    assert_eq!(
        old,
        StatusWord::CERTIFICATE_REFUSED,
        "the first root is gone"
    );
    under(3, THIRD, 8).pair(&mut bench);
}

#[test]
fn a_link_shown_in_set_up_is_stored_only_at_commit() {
    let mut bench = Bench::operational();
    let before = bench.store.dangerous_copy();
    bench.select();
    let to_second = link(1, ROOT, 2, SECOND);
    assert_eq!(
        bench
            .send(header::VERIFY_CERTIFICATE, to_second.encoded())
            .status,
        OK
    );
    let new = under(2, SECOND, 7);
    assert_eq!(
        bench
            .send(header::VERIFY_CERTIFICATE, new.certificate.encoded())
            .status,
        OK
    );
    assert_eq!(bench.card.phase_name(), "CERT");
    assert!(bench.store.same_content(&before));
    bench.select();
    assert_eq!(
        bench
            .send(header::VERIFY_CERTIFICATE, new.certificate.encoded())
            .status,
        StatusWord::CERTIFICATE_REFUSED
    );
    bench.select();
    assert_eq!(
        bench
            .send(header::VERIFY_CERTIFICATE, to_second.encoded())
            .status,
        OK
    );
    assert_eq!(
        bench
            .send(header::VERIFY_CERTIFICATE, to_second.encoded())
            .status,
        StatusWord::CERTIFICATE_REFUSED,
        "depth is one"
    );
}

/// §11.6: a reset needs the PIN, erases everything personal, and is no way round revocation.
#[test]
fn a_factory_reset_keeps_roots_date_and_list() {
    let (mut bench, _, _, mut end) = paired();
    let revoked = Terminal::new(2);
    bench.secured(
        &mut end,
        header::PUT_STATUS_LIST,
        list(5, &[revoked.holder()]).encoded(),
    );
    assert_eq!(
        bench.secured(&mut end, header::FACTORY_RESET, &[]).1,
        StatusWord::SECURITY_NOT_SATISFIED
    );
    assert_eq!(bench.secured(&mut end, header::VERIFY, PIN).1, OK);
    assert_eq!(bench.secured(&mut end, header::FACTORY_RESET, &[]).1, OK);
    assert_eq!(bench.card.phase_name(), "NONE");
    bench.select();
    assert_eq!(
        bench
            .send(header::STORE_CERTIFICATE, root().encoded())
            .status,
        StatusWord::CONDITIONS_NOT_SATISFIED
    );
    let order = apdu::message::personalise::KeyOrder {
        issuer: Name::new(ROOT).unwrap(),
        holder: Name::new("ZZTALLYCARD00002").unwrap(),
        nonce: [6; 16],
    };
    bench.select();
    bench.plain_ok(header::SET_PIN, PIN);
    bench.plain_ok(header::SET_PUK, PUK);
    let request = bench.plain_ok(header::GENERATE_KEY, &order.encode());
    let request = apdu::certificate::Request::decode(&request).unwrap();
    let fields = |fields: &mut CertificateFields| fields.from = Date::new(2026, 2, 1).unwrap();
    let own = certify_with(
        &root_key(),
        ROOT,
        "ZZTALLYCARD00002",
        Role::Card,
        &request.fields().key,
        fields,
    );
    bench.plain_ok(header::STORE_CERTIFICATE, own.encoded());
    bench.plain_ok(header::ACTIVATE, &[]);
    bench.select();
    let refused = bench
        .send(header::VERIFY_CERTIFICATE, revoked.certificate.encoded())
        .status;
    assert_eq!(refused, StatusWord::CERTIFICATE_REFUSED);
    Terminal::new(1).pair(&mut bench);
}
