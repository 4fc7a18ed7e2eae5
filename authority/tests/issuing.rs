//! Who gets a certificate, and who does not. Each refusal has its own message, signs nothing and writes nothing.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

mod support;

use apdu::certificate::{Anchor, Date, Expectations, ProvenCertificate, Request, Role, Validity};
use authority::ledger::Replaced;
use authority::{Authority, AuthorityError, CHALLENGE_LIFETIME, CLOCK_BEHIND, NameOrder, Order};
use support::{Bench, DAY, NoEntropy, at, message, name, request};

fn day(text: &str) -> Date {
    Date::from_iso(text).unwrap()
}

/// ST-61: the authority signs the key it was shown, and its signature verifies under its root.
#[test]
fn a_request_in_order_gets_a_certificate_that_verifies_under_the_root() {
    for (role, until) in [(Role::Card, "2031-11-20"), (Role::Terminal, "2028-11-20")] {
        let mut bench = Bench::new();
        let challenge = bench
            .order(role, NameOrder::NextOf("ZZTALLY".into()))
            .unwrap();
        let request = bench.answer(&challenge);
        let certificate = bench.issue(&request, role).unwrap();
        let claims = certificate.claims();
        assert_eq!(claims.key, request.fields().key);
        assert_eq!(claims.holder, name("ZZTALLY00001"));
        assert_eq!((claims.from, claims.until), (day("2026-11-21"), day(until)));
        assert_eq!(claims.epoch, 0);
        let root = Anchor::trust_root(bench.authority.root()).unwrap();
        let expected = Expectations {
            role,
            validity: Validity::Today(claims.from),
            min_epoch: 0,
            revoked: None,
        };
        assert!(ProvenCertificate::verify(certificate, &[&root], &expected).is_ok());
    }
}

/// ST-60: nonce, role, name and authority of the request must be those of the order. ST-64: for terminals as for cards.
#[test]
fn a_request_that_differs_from_its_order_is_refused() {
    let mut bench = Bench::new();
    let ordered = bench
        .order(Role::Terminal, NameOrder::Exactly(name("ZZTALLYTERM00001")))
        .unwrap();
    let other_order = bench
        .order(Role::Card, NameOrder::Exactly(name("ZZTALLYCARD00001")))
        .unwrap();
    let lines = bench.authority.size().unwrap();

    let mut other_issuer = ordered.clone();
    other_issuer.issuer = name("ZZOTHERROOT00001");
    let mut other_role = ordered.clone();
    other_role.role = Role::Card;
    let mut other_name = ordered.clone();
    other_name.holder = name("ZZTALLYTERM00009");
    let mut other_nonce = ordered.clone();
    other_nonce.nonce[15] ^= 1;
    let mut swapped_nonce = ordered.clone();
    swapped_nonce.nonce = other_order.nonce;
    for (changed, expected) in [
        (other_issuer, "it is for the authority ZZOTHERROOT00001"),
        (
            other_role,
            "it asks to become a card, ordered was a terminal",
        ),
        (
            other_name,
            "it names ZZTALLYTERM00009, ordered was ZZTALLYTERM00001",
        ),
        (other_nonce, "its nonce is not one of ours"),
        (
            swapped_nonce,
            "it asks to become a terminal, ordered was a card",
        ),
    ] {
        let request = bench.answer(&changed);
        assert_eq!(
            message(bench.issue(&request, Role::Terminal)),
            format!("the request is refused: {expected}")
        );
    }
    assert_eq!(bench.authority.size().unwrap(), lines);
    let request = bench.answer(&ordered);
    assert!(
        bench.issue(&request, Role::Terminal).is_ok(),
        "the order still stands"
    );
}

#[test]
fn a_nonce_is_good_for_one_request_and_a_restart_does_not_change_that() {
    let mut bench = Bench::new();
    let challenge = bench
        .order(Role::Card, NameOrder::NextOf("ZZCARD".into()))
        .unwrap();
    let first = bench.answer(&challenge);
    let second = bench.answer(&challenge);
    let mut bench = bench.reopen();
    assert!(
        bench.issue(&first, Role::Card).is_ok(),
        "an order outlives a restart"
    );
    for _ in 0..2 {
        for request in [&first, &second] {
            assert_eq!(
                message(bench.issue(request, Role::Card)),
                "the request is refused: its nonce was used before; ask for a new challenge"
            );
        }
        bench = bench.reopen();
    }
}

#[test]
fn a_nonce_expires_after_a_day_and_not_before() {
    let mut bench = Bench::new();
    let challenge = bench
        .order(Role::Card, NameOrder::NextOf("ZZCARD".into()))
        .unwrap();
    assert_eq!(challenge.expires, bench.now + CHALLENGE_LIFETIME);
    let request = bench.answer(&challenge);
    bench.now += CHALLENGE_LIFETIME + 1;
    assert_eq!(
        message(bench.issue(&request, Role::Card)),
        "the request is refused: its nonce has expired; ask for a new challenge"
    );
    bench.now -= 1;
    assert!(bench.issue(&request, Role::Card).is_ok());
}

#[test]
fn a_key_is_certified_once_and_the_authoritys_own_never() {
    let mut bench = Bench::new();
    let key = bench.key_pair();
    let order = |bench: &mut Bench| {
        bench
            .order(Role::Card, NameOrder::NextOf("ZZCARD".into()))
            .unwrap()
    };
    let challenge = order(&mut bench);
    bench.issue(&request(&challenge, &key), Role::Card).unwrap();
    let challenge = order(&mut bench);
    assert_eq!(
        message(bench.issue(&request(&challenge, &key), Role::Card)),
        "the request is refused: its key was certified before, for ZZCARD00001"
    );
    // The key file is PKCS#8, so the test can hold the authority's key as a thief would.
    let pem = std::fs::read_to_string(bench.folder().join("key.pem")).unwrap();
    let own = apdu::crypto::PrivateKey::from_encrypted_pem(&pem, support::PASSPHRASE).unwrap();
    assert_eq!(
        message(bench.issue(&request(&challenge, &own), Role::Card)),
        "the request is refused: its key was certified before, for ZZTALLYROOT00001"
    );
}

/// ST-63: a second certification is refused, or is explicit and recorded.
#[test]
fn a_holder_is_certified_once_and_again_only_on_purpose_under_a_new_name() {
    let mut bench = Bench::new();
    let first = name("ZZTALLYCARD00001");
    bench.certify(Role::Card, "ZZTALLYCARD00001");
    assert_eq!(
        message(bench.order(Role::Card, NameOrder::Exactly(first))),
        "ZZTALLYCARD00001 was certified before; certify it again only on purpose, with --recertify: \
         it gets a new name, and the ledger says so"
    );
    let again = bench
        .order(Role::Card, NameOrder::InPlaceOf(first))
        .unwrap();
    assert_eq!(again.holder, name("ZZTALLYCARD00002"));
    let request = bench.answer(&again);
    bench.issue(&request, Role::Card).unwrap();
    let mut bench = bench.reopen();
    let second = bench.authority.holder(&again.holder).unwrap();
    assert_eq!(second.replaces, Some(Replaced::Holder(first)));
    let lines = bench.authority.lines(1, 100).unwrap();
    assert!(
        lines
            .join("\n")
            .contains(r#""replaces":"ZZTALLYCARD00001""#)
    );
}

/// ST-63: a card that was reset no longer tells its name; certifying it again is still recorded.
#[test]
fn a_recertification_of_an_unknown_holder_is_recorded_as_one() {
    let mut bench = Bench::new();
    let again = bench
        .order(Role::Card, NameOrder::InPlaceOfUnknown("ZZCARD".into()))
        .unwrap();
    let request = bench.answer(&again);
    bench.issue(&request, Role::Card).unwrap();
    let mut bench = bench.reopen();
    let holder = bench.authority.holder(&name("ZZCARD00001")).unwrap();
    assert_eq!(holder.replaces, Some(Replaced::Unknown));
}

#[test]
fn only_a_holder_of_the_same_role_can_be_replaced() {
    let mut bench = Bench::new();
    bench.certify(Role::Card, "ZZTALLYCARD00001");
    assert_eq!(
        message(bench.order(
            Role::Terminal,
            NameOrder::InPlaceOf(name("ZZTALLYCARD00001"))
        )),
        "ZZTALLYCARD00001 was certified as a card"
    );
    assert_eq!(
        message(bench.order(Role::Card, NameOrder::InPlaceOf(name("ZZTALLYCARD00009")))),
        "ZZTALLYCARD00009 was never certified; --recertify is for a holder that was"
    );
}

#[test]
fn two_orders_for_one_name_give_one_certificate() {
    let mut bench = Bench::new();
    let exactly = NameOrder::Exactly(name("ZZTALLYCARD00001"));
    let early = bench.order(Role::Card, exactly.clone()).unwrap();
    let late = bench.order(Role::Card, exactly).unwrap();
    let (early, late) = (bench.answer(&early), bench.answer(&late));
    assert!(bench.issue(&late, Role::Card).is_ok());
    assert_eq!(
        message(bench.issue(&early, Role::Card)),
        "the request is refused: the name ZZTALLYCARD00001 was given before, and no name is given twice"
    );
}

#[test]
fn serial_numbers_rise_and_are_never_given_again() {
    let mut bench = Bench::new();
    let next = |bench: &mut Bench| {
        let order = bench.order(Role::Card, NameOrder::NextOf("ZZCARD".into()));
        order.map(|challenge| challenge.holder.to_string())
    };
    assert_eq!(next(&mut bench).unwrap(), "ZZCARD00001");
    assert_eq!(
        next(&mut bench).unwrap(),
        "ZZCARD00002",
        "also when the first was never answered"
    );
    bench.certify(Role::Card, "ZZCARD00500");
    bench
        .authority
        .revoke(&name("ZZCARD00500"), "lost", at(bench.now))
        .unwrap();
    let mut bench = bench.reopen();
    assert_eq!(
        next(&mut bench).unwrap(),
        "ZZCARD00501",
        "also after revocation"
    );
    assert_eq!(
        bench
            .order(Role::Card, NameOrder::NextOf("ZZCAR".into()))
            .unwrap()
            .holder,
        name("ZZCAR00001"),
        "another prefix has numbers of its own"
    );
    bench.certify(Role::Card, "ZZCARD99999");
    assert_eq!(
        next(&mut bench).unwrap_err().to_string(),
        "the prefix ZZCARD is used up; take another"
    );
}

#[test]
fn a_prefix_that_makes_no_name_is_refused() {
    let mut bench = Bench::new();
    for bad in [
        "",
        "ZZ",
        "zzcard",
        "Z1CARD",
        "ZZTOOLONGPRE",
        "ZZ CARD",
        "ZZ\u{e9}",
    ] {
        assert_eq!(
            message(bench.order(Role::Card, NameOrder::NextOf(bad.into()))),
            "a prefix is two capital letters and 1 to 9 capital letters or digits",
            "{bad:?}"
        );
    }
    assert_eq!(
        message(bench.order(Role::Card, NameOrder::Exactly(name("ZZTALLYROOT00001")))),
        "ZZTALLYROOT00001 is the authority's own name"
    );
    assert_eq!(
        message(bench.order(Role::Authority, NameOrder::NextOf("ZZCARD".into()))),
        "only cards and terminals are certified"
    );
}

#[test]
fn a_certificate_begins_today_and_does_not_outlive_the_root() {
    let mut bench = Bench::new();
    bench.now += 13 * 365 * DAY;
    let certificate = bench.certify(Role::Card, "ZZTALLYCARD00001");
    let root = bench.authority.root().claims().until;
    assert_eq!(certificate.claims().from, at(bench.now).day());
    assert_eq!(certificate.claims().until, root);
    let challenge = bench
        .order(Role::Card, NameOrder::NextOf("ZZCARD".into()))
        .unwrap();
    bench.now = (u64::from(root.days()) + 1) * DAY + 946_684_800;
    let late = bench
        .order(Role::Card, NameOrder::Exactly(challenge.holder))
        .unwrap();
    let request = bench.answer(&late);
    assert_eq!(
        message(bench.issue(&request, Role::Card)),
        "the request is refused: the authority's root has expired"
    );
}

#[test]
fn a_clock_behind_the_ledger_signs_nothing() {
    let mut bench = Bench::new();
    let challenge = bench
        .order(Role::Card, NameOrder::NextOf("ZZCARD".into()))
        .unwrap();
    let request = bench.answer(&challenge);
    // Two instances may differ by five minutes, and no more.
    bench.now -= CLOCK_BEHIND + 1;
    let expected = "the clock is 301 seconds behind line 2, the last one of the ledger";
    for refused in [
        message(bench.issue(&request, Role::Card)),
        message(bench.order(Role::Card, NameOrder::NextOf("ZZCARD".into()))),
    ] {
        assert!(refused.starts_with(expected), "{refused}");
    }
    bench.now += 1;
    assert!(bench.issue(&request, Role::Card).is_ok());
}

#[test]
fn without_randomness_there_is_no_challenge_and_no_authority() {
    let mut bench = Bench::new();
    let order = Order {
        role: Role::Card,
        name: NameOrder::NextOf("ZZCARD".into()),
    };
    let refused = bench.authority.order(&order, &mut NoEntropy, at(bench.now));
    assert!(matches!(refused, Err(AuthorityError::Entropy(_))));
    assert_eq!(bench.authority.size().unwrap(), 1);
    let folder = bench.temporary.path().join("other");
    let refused = Authority::init(
        &folder,
        name("ZZTALLYROOT00002"),
        15,
        support::PASSPHRASE,
        &mut NoEntropy,
        at(bench.now),
    );
    assert!(matches!(refused, Err(AuthorityError::Entropy(_))));
    assert!(!folder.exists());
}

#[test]
fn a_request_without_proof_of_possession_cannot_even_be_read() {
    let mut bench = Bench::new();
    let challenge = bench
        .order(Role::Card, NameOrder::NextOf("ZZCARD".into()))
        .unwrap();
    let mut bytes = bench.answer(&challenge).encoded().to_vec();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    assert!(Request::decode(&bytes).is_err());
}
