//! Roll-over: a second and a third root by link certificates; what each signs, what is refused, and what a cut leaves.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

mod support;

use apdu::certificate::{
    Anchor, Certificate, Expectations, ProvenCertificate, Refusal, Role, Validity,
};
use apdu::crypto::{PrivateKey, PublicKey};
use authority::custody::{CustodyError, NewKey, Signer, TokenError};
use authority::{AuthorityError, NameOrder, NewRoot, OrderRefused, Root, Scope, follow};
use std::fs;
use support::{Bench, DAY, PASSPHRASE, at, message, name};

const FIRST: &str = "ZZTALLYROOT00001";
const SECOND: &str = "ZZTALLYROOT00002";
const THIRD: &str = "ZZTALLYROOT00003";

fn wish(root: &str) -> NewRoot {
    NewRoot {
        name: name(root),
        years: 15,
    }
}

fn try_to(bench: &mut Bench, root: &str, passphrase: &[u8]) -> Result<Root, AuthorityError> {
    let folder = bench.folder();
    let next = NewKey::File { passphrase };
    bench.authority.roll_over(
        &folder,
        bench.key.as_mut(),
        next,
        &wish(root),
        &mut bench.tape,
        at(bench.now),
    )
}

/// Rolls over, and takes the new key from its file.
fn roll_over(bench: &mut Bench, root: &str) -> Root {
    let made = try_to(bench, root, PASSPHRASE).unwrap();
    bench.key = bench.authority.unlock(&bench.folder(), PASSPHRASE).unwrap();
    made
}

fn verifies(certificate: &Certificate, root: &Certificate) -> Result<(), Refusal> {
    let claims = certificate.claims();
    let expected = Expectations {
        role: claims.role,
        validity: Validity::Today(claims.from),
        min_epoch: 0,
        revoked: None,
    };
    let anchor = Anchor::trust_root(root)?;
    ProvenCertificate::verify(certificate.clone(), &[&anchor], &expected).map(drop)
}

fn files(bench: &Bench) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(bench.folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("key"))
        .collect();
    names.sort();
    names
}

#[test]
fn from_the_line_of_the_roll_over_on_everything_is_signed_by_the_new_root() {
    let mut bench = Bench::new();
    let old = bench.certify(Role::Card, "ZZTALLYCARD00001");
    let first = bench.authority.root().clone();
    let head_before = bench.authority.head().unwrap();
    let receipt_before = bench.authority.receipt(&name("ZZTALLYCARD00001")).unwrap();

    bench.now += DAY;
    let made = roll_over(&mut bench, SECOND);
    let second = bench.authority.root().clone();
    assert_eq!(made.certificate, second);
    let link = made.link.unwrap();
    follow(&first, &second, &link).unwrap();
    assert_eq!(link.claims().until, first.claims().until);
    assert_eq!(second.claims().from, link.claims().from);
    assert!(second.claims().until > first.claims().until);

    let new = bench.certify(Role::Card, "ZZTALLYCARD00002");
    verifies(&new, &second).unwrap();
    assert_eq!(verifies(&new, &first), Err(Refusal::Issuer));
    verifies(&old, &first).unwrap();
    let now = at(bench.now);
    let list = bench
        .authority
        .publish(bench.key.as_mut(), Scope::Revoked, now)
        .unwrap();
    list.verify(&[&Anchor::trust_root(&second).unwrap()])
        .unwrap();
    let head = bench.authority.head().unwrap();
    assert_eq!(head.head.issuer, name(SECOND));
    head.verify(&second.claims().key).unwrap();
    assert!(head.verify(&first.claims().key).is_err());
    let receipt = bench.authority.receipt(&name("ZZTALLYCARD00001")).unwrap();
    receipt
        .verify_of(&name(SECOND), &second.claims().key)
        .unwrap();

    // What was given before the roll-over still holds under the old root.
    head_before.verify(&first.claims().key).unwrap();
    receipt_before
        .verify_of(&name(FIRST), &first.claims().key)
        .unwrap();
    let proof = bench
        .authority
        .consistency(head_before.head.size, head.head.size)
        .unwrap();
    assert!(proof.verify(&head_before.head, &head.head).is_err());
    proof.verify_linked(&head_before.head, &head.head).unwrap();

    let mut bench = bench.reopen();
    let audit = bench.authority.audit().unwrap();
    assert_eq!((audit.roots, audit.certificates, audit.lists), (2, 2, 1));
    assert_eq!(audit.head.unwrap(), head);
}

#[test]
fn a_third_root_is_linked_by_the_second_and_the_chain_reads_back() {
    let mut bench = Bench::new();
    roll_over(&mut bench, SECOND);
    bench.certify(Role::Terminal, "ZZTALLYTERM00001");
    let made = roll_over(&mut bench, THIRD);
    bench.certify(Role::Terminal, "ZZTALLYTERM00002");
    let bench = &mut bench.reopen();
    let roots: Vec<Root> = bench.authority.roots().iter().cloned().collect();
    let names: Vec<_> = roots.iter().map(Root::name).collect();
    assert_eq!(names, [name(FIRST), name(SECOND), name(THIRD)]);
    assert_eq!(roots[2], made);
    assert!(roots[0].link.is_none());
    for pair in roots.windows(2) {
        let [known, next] = pair else { unreachable!() };
        let link = next.link.as_ref().unwrap();
        follow(&known.certificate, &next.certificate, link).unwrap();
    }
    // No root leads over another: each link is from the root just before.
    let link = roots[2].link.as_ref().unwrap();
    let skipped = follow(&roots[0].certificate, &roots[2].certificate, link);
    assert_eq!(skipped, Err(Refusal::Issuer));
    assert_eq!(bench.authority.audit().unwrap().roots, 3);
    for (line, root) in [
        (1, FIRST),
        (2, SECOND),
        (4, SECOND),
        (5, THIRD),
        (99, THIRD),
    ] {
        assert_eq!(bench.authority.roots().at(line).unwrap().name(), name(root));
    }
    assert_eq!(
        files(bench),
        [
            "key-ZZTALLYROOT00002.pem",
            "key-ZZTALLYROOT00003.pem",
            "key.pem"
        ]
    );
}

/// A program that was running over the roll-over has the old key: it writes nothing that the new root would have to answer for.
#[test]
fn the_old_key_signs_nothing_any_more() {
    let mut bench = Bench::new();
    let challenge = bench
        .order(Role::Card, NameOrder::Exactly(name("ZZTALLYCARD00001")))
        .unwrap();
    let mut old = bench.authority.unlock(&bench.folder(), PASSPHRASE).unwrap();
    roll_over(&mut bench, SECOND);
    let mut late = challenge.clone();
    late.issuer = name(SECOND);
    let request = bench.answer(&late);
    let now = at(bench.now);
    let size = bench.authority.size().unwrap();
    let head = bench.authority.head().unwrap();
    let refused = "the authority's root is ZZTALLYROOT00002, and this is not its key; \
         after a roll-over, start what runs with the new root's key";
    let issued = bench
        .authority
        .issue(old.as_mut(), &request, Role::Card, None, now);
    assert_eq!(message(issued), refused);
    let listed = bench.authority.publish(old.as_mut(), Scope::Revoked, now);
    assert_eq!(message(listed), refused);
    assert_eq!(bench.authority.size().unwrap(), size);
    // A line that needs no signature is written, and no head of the old key is over it.
    bench
        .order(Role::Card, NameOrder::NextOf("ZZTALLYCARD".into()))
        .unwrap();
    assert_eq!(message(bench.authority.sign_head(old.as_mut())), refused);
    assert_eq!(bench.authority.head().unwrap(), head);
    assert!(bench.issue(&request, Role::Card).is_ok());
    bench.authority.audit().unwrap();
}

#[test]
fn an_order_outlives_the_roll_over_and_a_request_to_the_old_root_does_not() {
    let mut bench = Bench::new();
    let ordered = bench
        .order(Role::Card, NameOrder::Exactly(name("ZZTALLYCARD00001")))
        .unwrap();
    roll_over(&mut bench, SECOND);
    let request = bench.answer(&ordered);
    assert_eq!(
        message(bench.issue(&request, Role::Card)),
        "the request is refused: it is for the authority ZZTALLYROOT00001"
    );
    let mut now = ordered;
    now.issuer = name(SECOND);
    let request = bench.answer(&now);
    let card = bench.issue(&request, Role::Card).unwrap();
    assert_eq!(card.claims().issuer, name(SECOND));
}

#[test]
fn a_name_is_given_once_to_whomever() {
    let mut bench = Bench::new();
    bench.certify(Role::Card, "ZZTALLYCARD00001");
    roll_over(&mut bench, SECOND);
    let size = bench.authority.size().unwrap();
    let taken = |name| {
        format!("the name {name} was given before, and no name is given twice; choose another")
    };
    for (again, expected) in [
        (
            SECOND,
            "ZZTALLYROOT00002 is the authority's root already; there is nothing left to do".into(),
        ),
        (FIRST, taken(FIRST)),
        ("ZZTALLYCARD00001", taken("ZZTALLYCARD00001")),
    ] {
        assert_eq!(message(try_to(&mut bench, again, PASSPHRASE)), expected);
    }
    for root in [FIRST, SECOND] {
        let refused = bench.order(Role::Card, NameOrder::Exactly(name(root)));
        assert!(matches!(
            refused,
            Err(AuthorityError::Order(OrderRefused::OwnName(_)))
        ));
    }
    assert_eq!(bench.authority.size().unwrap(), size);
    assert_eq!(files(&bench), ["key-ZZTALLYROOT00002.pem", "key.pem"]);
    let next = bench
        .order(Role::Card, NameOrder::NextOf("ZZTALLYROOT".into()))
        .unwrap();
    assert_eq!(next.holder, name(THIRD), "numbers go on after the roots'");
}

#[test]
fn without_the_right_keys_there_is_no_roll_over() {
    let mut bench = Bench::new();
    let size = bench.authority.size().unwrap();
    let root = bench.authority.root().clone();
    let mut stranger = Bench::drawn_from(support::Tape(1_000_000));
    std::mem::swap(&mut bench.key, &mut stranger.key);
    let refused = message(try_to(&mut bench, SECOND, PASSPHRASE));
    assert!(refused.contains("this is not its key"), "{refused}");
    std::mem::swap(&mut bench.key, &mut stranger.key);
    assert_eq!(files(&bench), ["key.pem"], "no key without a use");

    let refused = message(try_to(&mut bench, SECOND, b"7 bytes"));
    assert_eq!(refused, "the passphrase needs at least 8 characters");
    let place = bench.folder().join("key-ZZTALLYROOT00002.pem");
    fs::copy(stranger.folder().join("key.pem"), &place).unwrap();
    for (content, passphrase) in [(None, &b"another one"[..]), (Some("garbage"), PASSPHRASE)] {
        if let Some(content) = content {
            fs::write(&place, content).unwrap();
        }
        let before = fs::read(&place).unwrap();
        assert!(matches!(
            try_to(&mut bench, SECOND, passphrase),
            Err(AuthorityError::Custody(CustodyError::Locked { .. }))
        ));
        assert_eq!(fs::read(&place).unwrap(), before, "no key is overwritten");
    }
    // The old root's key once more is no key for a new root.
    fs::copy(bench.folder().join("key.pem"), &place).unwrap();
    assert_eq!(
        message(try_to(&mut bench, SECOND, PASSPHRASE)),
        "the new key was certified before, for ZZTALLYROOT00001; a root needs a key of its own"
    );
    bench.now += 16 * 366 * DAY;
    let refused = message(try_to(&mut bench, SECOND, PASSPHRASE));
    assert!(refused.contains("expired on 2041-11-20"), "{refused}");
    assert_eq!(bench.authority.size().unwrap(), size);
    assert_eq!(bench.reopen().authority.root(), &root);
}

/// §13: a list is good wherever its signer is known. Both are in one sequence, so whoever knows both roots ends with the newest's.
#[test]
fn an_earlier_root_still_signs_lists_for_those_who_know_no_other() {
    let mut bench = Bench::new();
    bench.certify(Role::Terminal, "ZZTALLYTERM00001");
    let now = at(bench.now);
    bench
        .authority
        .revoke(&name("ZZTALLYTERM00001"), "lost", now)
        .unwrap();
    let first = bench.authority.root().clone();
    let mut old = bench.authority.unlock(&bench.folder(), PASSPHRASE).unwrap();
    roll_over(&mut bench, SECOND);
    let mut stranger = Bench::drawn_from(support::Tape(1_000_000));
    let refused = bench.authority.publish_under(stranger.key.as_mut(), now);
    assert!(matches!(refused, Err(AuthorityError::RolledOver(_))));
    let head = bench.authority.head().unwrap();
    let earlier = bench.authority.publish_under(old.as_mut(), now).unwrap();
    assert_eq!(
        bench.authority.head().unwrap(),
        head,
        "heads are the new root's"
    );
    let newest = bench
        .authority
        .publish(bench.key.as_mut(), Scope::Revoked, now)
        .unwrap();
    let roots =
        [first, bench.authority.root().clone()].map(|root| Anchor::trust_root(&root).unwrap());
    let [under_first, under_second] = roots.each_ref();
    earlier.verify(&[under_first]).unwrap();
    assert!(earlier.verify(&[under_second]).is_err());
    newest.verify(&[under_second]).unwrap();
    assert_eq!(earlier.claims().revoked, newest.claims().revoked);
    assert_eq!(earlier.claims().revoked.len(), 1);
    let sequences = (earlier.claims().sequence, newest.claims().sequence);
    assert_eq!(sequences, (1, 2));
    let audit = bench.reopen().authority.audit().unwrap();
    assert_eq!((audit.roots, audit.lists), (2, 2));
}

/// The rules of a roll-over are checked again from the lines alone.
#[test]
fn a_roll_over_line_with_another_root_or_link_is_found() {
    let mut bench = Bench::new();
    let made = roll_over(&mut bench, SECOND);
    let mut other = Bench::drawn_from(support::Tape(1_000_000));
    let theirs = roll_over(&mut other, SECOND);
    let place = bench.folder().join("authority.db");
    let hex = |certificate: &Certificate| -> String {
        let bytes = certificate.encoded().iter();
        bytes.map(|byte| format!("{byte:02x}")).collect()
    };
    let (link, their_link) = (made.link.unwrap(), theirs.link.unwrap());
    // Our link as a stranger would sign it: everything in it is right but the signature.
    let stranger = PrivateKey::from_scalar(&[9; 32]).unwrap();
    let fields = link.claims().clone();
    let signature = stranger.sign(&fields.encode_body());
    let forged = Certificate::assemble(fields, signature);
    let good: String = bench.authority.lines(2, 1).unwrap().remove(0);
    for (from, to, expected) in [
        (
            &link,
            &forged,
            "line 2, root ZZTALLYROOT00002: the signature is wrong",
        ),
        (
            &link,
            &their_link,
            "line 2: it contradicts what came before: the link does not lead from the last root to the new one",
        ),
        (
            &made.certificate,
            &theirs.certificate,
            "line 2: it contradicts what came before: the root certificate is for another name or key",
        ),
    ] {
        let changed = good.replace(&hex(from), &hex(to));
        assert_ne!(changed, good);
        let hand = rusqlite::Connection::open(&place).unwrap();
        let write = "UPDATE lines SET entry = ?1 WHERE sequence = 2";
        hand.execute(write, [&changed]).unwrap();
        assert_eq!(bench.authority.audit().unwrap_err().to_string(), expected);
        hand.execute(write, [&good]).unwrap();
        bench.authority.audit().unwrap();
    }
    let hand = rusqlite::Connection::open(&place).unwrap();
    hand.execute("DELETE FROM roots WHERE line = 2", [])
        .unwrap();
    assert_eq!(
        bench.authority.audit().unwrap_err().to_string(),
        "the record of the roots says something else than the ledger"
    );
}

/// Has the right public key, and signs so many times before its token is away.
struct Failing {
    key: PrivateKey,
    left: u32,
}

impl Signer for Failing {
    fn public_key(&self) -> PublicKey {
        self.key.public_key()
    }

    fn sign(&mut self, message: &[u8]) -> Result<[u8; 64], CustodyError> {
        match self.left {
            0 => Err(CustodyError::TokenLost {
                token: self.describe(),
                fault: TokenError::NoToken,
            }),
            _ => {
                self.left -= 1;
                Ok(self.key.sign(message))
            }
        }
    }

    fn describe(&self) -> String {
        "token ROOT, key root".into()
    }
}

/// The old key is lost after the new one was made: the old authority is whole, and the same command goes on with the key it finds.
#[test]
fn a_roll_over_cut_after_its_key_was_made_goes_on_with_that_key() {
    let mut bench = Bench::new();
    let pem = fs::read_to_string(bench.folder().join("key.pem")).unwrap();
    let key = PrivateKey::from_encrypted_pem(&pem, PASSPHRASE).unwrap();
    let good = std::mem::replace(&mut bench.key, Box::new(Failing { key, left: 0 }));
    let size = bench.authority.size().unwrap();
    assert!(matches!(
        try_to(&mut bench, SECOND, PASSPHRASE),
        Err(AuthorityError::Custody(CustodyError::TokenLost { .. }))
    ));
    bench.key = good;
    let place = bench.folder().join("key-ZZTALLYROOT00002.pem");
    let left = fs::read(&place).unwrap();
    let mut bench = bench.reopen();
    assert_eq!(bench.authority.size().unwrap(), size);
    assert_eq!(bench.authority.root().claims().holder, name(FIRST));
    bench.certify(Role::Card, "ZZTALLYCARD00001");

    // What a cut in the middle of writing a key leaves has another name, and goes.
    let part = bench.folder().join("key-ZZTALLYROOT00002.part");
    fs::write(&part, "half a k").unwrap();
    let made = roll_over(&mut bench, SECOND);
    assert_eq!(fs::read(&place).unwrap(), left);
    assert!(!part.exists());
    let text = String::from_utf8(left).unwrap();
    let key = PrivateKey::from_encrypted_pem(&text, PASSPHRASE).unwrap();
    assert_eq!(made.certificate.claims().key, key.public_key());
    assert_eq!(bench.reopen().authority.audit().unwrap().roots, 2);
}

/// §13: epochs are one count over all roots. A card that has seen a minimum judges the link by it.
#[test]
fn root_and_link_carry_the_epoch_in_force_and_lists_count_on() {
    let mut bench = Bench::new();
    let now = at(bench.now);
    bench
        .authority
        .publish(bench.key.as_mut(), Scope::Everything, now)
        .unwrap();
    bench.certify(Role::Terminal, "ZZTALLYTERM00001");
    bench
        .authority
        .revoke(&name("ZZTALLYTERM00001"), "lost", now)
        .unwrap();
    let made = roll_over(&mut bench, SECOND);
    assert_eq!(made.certificate.claims().epoch, 1);
    assert_eq!(made.link.unwrap().claims().epoch, 1);
    let list = bench
        .authority
        .publish(bench.key.as_mut(), Scope::Revoked, now)
        .unwrap();
    let claims = list.claims();
    assert_eq!((claims.issuer, claims.sequence), (name(SECOND), 2));
    assert_eq!(claims.min_epoch, 1);
    assert_eq!(claims.revoked.len(), 1, "a holder under the old root");
    bench.authority.audit().unwrap();
}
