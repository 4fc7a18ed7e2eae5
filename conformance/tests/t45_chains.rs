//! T45: roots, links and leaves in every order. Only the documented ones (§7.2, §9.1, §11.7) lead to a set-up, or to a certificate of
//! the terminal's own.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

use apdu::certificate::{Certificate, CertificateFields, Date, Role};
use apdu::codec::chaining::segments;
use apdu::codec::command::{Form, Header};
use apdu::crypto::PrivateKey;
use apdu::identifier::header;
use apdu::message::key_exchange::TerminalShare;
use apdu::message::select;
use card_core::store::{Change, Record, Store};
use card_sim::body::VirtualCard;
use card_sim::vpcd::Body;
use conformance::Disk;
use conformance::authority::{CARD, ROOT, TERMINAL, card, desk, name, root, today};
use conformance::evidence::{cases, report};
use getrandom::SysRng;
use std::collections::BTreeSet;
use terminal_lib::identity::{self, IdentityError};
use terminal_lib::store::MemoryStore;

const SECOND: &str = "ZZTALLYROOT00002";
const THIRD: &str = "ZZTALLYROOT00003";

fn key(byte: u8) -> PrivateKey {
    PrivateKey::from_scalar(&[byte; 32]).unwrap()
}

fn certify(signer: u8, issuer: &str, holder: &str, role: Role, holds: u8) -> Certificate {
    let fields = CertificateFields {
        issuer: name(issuer),
        holder: name(holder),
        role,
        epoch: 1,
        key: key(holds).public_key(),
        from: Date::new(2026, 1, 1).unwrap(),
        until: Date::new(2028, 12, 31).unwrap(),
    };
    let signature = key(signer).sign(&fields.encode_body());
    Certificate::assemble(fields, signature)
}

fn link(signer: u8, issuer: &str, holder: &str, holds: u8) -> Certificate {
    certify(signer, issuer, holder, Role::Authority, holds)
}

/// A link that a card may be shown, as the model sees it: from whom, to whom, and whether the key is that of the root of this name.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Link {
    from: &'static str,
    to: &'static str,
    twin: bool,
}

/// What a certificate is to the model.
#[derive(Clone, Copy)]
enum Kind {
    Link(Link),
    /// A terminal under this root, or under its twin.
    Leaf(&'static str, bool),
    /// Never of any use in message 2.
    Useless,
}

/// The pack that is dealt: two roots, links between three, a twin of the second root, and leaves under all of them.
fn pack() -> Vec<(&'static str, Certificate, Kind)> {
    let leaf = |signer, issuer| certify(signer, issuer, TERMINAL, Role::Terminal, 0x21);
    let to = |from, to, twin| Kind::Link(Link { from, to, twin });
    vec![
        ("first root", root(), Kind::Useless),
        ("second root", link(2, SECOND, SECOND, 2), Kind::Useless),
        (
            "link 1 to 2",
            link(1, ROOT, SECOND, 2),
            to(ROOT, SECOND, false),
        ),
        (
            "link 1 to the twin of 2",
            link(1, ROOT, SECOND, 4),
            to(ROOT, SECOND, true),
        ),
        (
            "link 2 to 1",
            link(2, SECOND, ROOT, 1),
            to(SECOND, ROOT, false),
        ),
        (
            "link 2 to 3",
            link(2, SECOND, THIRD, 3),
            to(SECOND, THIRD, false),
        ),
        ("terminal under 1", leaf(1, ROOT), Kind::Leaf(ROOT, false)),
        (
            "terminal under 2",
            leaf(2, SECOND),
            Kind::Leaf(SECOND, false),
        ),
        (
            "terminal under the twin of 2",
            leaf(4, SECOND),
            Kind::Leaf(SECOND, true),
        ),
        ("terminal under 3", leaf(3, THIRD), Kind::Leaf(THIRD, false)),
        (
            "card under 1",
            certify(1, ROOT, CARD, Role::Card, 0x22),
            Kind::Useless,
        ),
    ]
}

/// What a card has before it is shown anything.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Roots {
    First,
    Both,
    BothProven,
}

impl Roots {
    fn knows(self, root: &str) -> bool {
        root == ROOT || (root == SECOND && self != Self::First)
    }

    fn card(self) -> Disk {
        let mut disk = card(CARD);
        let second = link(1, ROOT, SECOND, 2);
        if self != Self::First {
            disk.commit(&[Change::Put(Record::ROOT_B, second.encoded())])
                .unwrap();
        }
        if self == Self::BothProven {
            disk.commit(&[Change::Put(Record::ROOT_B_PROVEN, &[1])])
                .unwrap();
        }
        disk
    }

    /// §11.7, and a place for the new root.
    fn takes(self, link: Link) -> bool {
        let has_place = match self {
            Self::First => true,
            Self::Both => false,
            Self::BothProven => link.from == SECOND,
        };
        match self.knows(link.to) {
            _ if !self.knows(link.from) => false,
            true => !link.twin,
            false => has_place,
        }
    }

    /// Whether this order ends where message 3 is answered: one leaf, or one link and then one leaf. Nothing else.
    fn leads_to_set_up(self, order: &[Kind]) -> bool {
        match *order {
            [Kind::Leaf(root, twin)] => self.knows(root) && !twin,
            [Kind::Link(link), Kind::Leaf(root, twin)] => {
                let under_link = root == link.to && twin == link.twin;
                self.takes(link) && (under_link || (self.knows(root) && !twin))
            }
            _ => false,
        }
    }
}

fn ask(body: &mut impl Body, header: Header, data: &[u8], expected: Option<u32>) -> u16 {
    let mut answer = Vec::new();
    for segment in segments(header, data, expected, Form::Short, 255).unwrap() {
        answer = body.transmit(&segment);
    }
    u16::from_be_bytes(*answer.last_chunk().unwrap())
}

/// All rows of `pack` of this length, with repetition.
fn orders(pack: usize, length: usize) -> Vec<Vec<usize>> {
    (0..length).fold(vec![Vec::new()], |rows, _| {
        rows.iter()
            .flat_map(|row| (0..pack).map(move |next| [&row[..], &[next]].concat()))
            .collect()
    })
}

/// T45: every row of up to three of eleven certificates (of four, in full), shown to cards that have one root, two, two of them proven.
#[test]
fn a_card_goes_on_to_the_key_exchange_after_the_documented_orders_only() {
    let pack = pack();
    let share = TerminalShare(key(0x77).public_key()).encode();
    let (mut led, mut refused) = (0, 0);
    for roots in [Roots::First, Roots::Both, Roots::BothProven] {
        let disk = roots.card();
        let before = disk.copy();
        let mut body = VirtualCard::new(disk.clone(), SysRng);
        let longest = usize::try_from(cases(3, 4)).unwrap();
        for order in (0..=longest).flat_map(|length| orders(pack.len(), length)) {
            let named = || order.iter().map(|at| pack[*at].0).collect::<Vec<_>>();
            assert_eq!(
                body.transmit(&select::COMMAND.encode().unwrap())
                    .last_chunk(),
                Some(&[0x90, 0x00])
            );
            for at in &order {
                ask(
                    &mut body,
                    header::VERIFY_CERTIFICATE,
                    pack[*at].1.encoded(),
                    None,
                );
            }
            let kinds: Vec<Kind> = order.iter().map(|at| pack[*at].2).collect();
            let answered = ask(&mut body, header::KEY_EXCHANGE, &share, Some(256)) == 0x9000;
            assert_eq!(
                answered,
                roots.leads_to_set_up(&kinds),
                "{roots:?}: {:?}",
                named()
            );
            match answered {
                true => led += 1,
                false => refused += 1,
            }
        }
        assert!(
            disk.same_content(&before),
            "{roots:?}: what was only shown was stored"
        );
    }
    // One root: its leaf, and 2 links with 2 leaves each. Two: 2 leaves after nothing, or after the 2 links between known roots.
    // Two, proven: the same, and after the link to the third its leaf and both others.
    assert_eq!(led, (1 + 2 * 2) + (2 + 2 * 2) + (2 + 2 * 2 + 3));
    assert!(refused > 4_000);
    report(
        "T45",
        led + refused,
        format_args!(
            "rows of roots, links and leaves shown to three cards: {led} documented ones lead to a set-up, {refused} others do not"
        ),
    );
}

/// One thing that the installer of a terminal may do.
#[derive(Clone, Copy)]
enum Step {
    Pin(usize),
    Link(usize, &'static str, &'static str),
    /// A link in the first root's name by a stranger.
    Forged(usize),
}

fn permutations(of: usize) -> Vec<Vec<usize>> {
    (0..of).fold(vec![Vec::new()], |rows, _| {
        let longer = |row: &Vec<usize>| {
            let rest: Vec<usize> = (0..of).filter(|next| !row.contains(next)).collect();
            let row = row.clone();
            rest.into_iter()
                .map(move |next| [&row[..], &[next]].concat())
                .collect::<Vec<_>>()
        };
        let longest = rows.iter().map(Vec::len).max().unwrap_or(0);
        let grown: Vec<_> = rows
            .iter()
            .filter(|row| row.len() == longest)
            .flat_map(longer)
            .collect();
        [rows, grown].concat()
    })
}

/// T45: every permutation of every choice of six steps at a terminal; then a certificate under each of three roots.
#[test]
fn a_terminal_trusts_a_link_only_after_the_root_it_comes_from() {
    let papers = [
        root(),
        link(2, SECOND, SECOND, 2),
        link(1, ROOT, SECOND, 2),
        link(2, SECOND, ROOT, 1),
        link(2, SECOND, THIRD, 3),
        link(9, ROOT, THIRD, 9),
    ];
    let steps = [
        Step::Pin(0),
        Step::Pin(1),
        Step::Link(2, ROOT, SECOND),
        Step::Link(3, SECOND, ROOT),
        Step::Link(4, SECOND, THIRD),
        Step::Forged(5),
    ];
    let (mut taken, mut refused) = (0, 0);
    for order in permutations(steps.len()) {
        let mut store = MemoryStore::new();
        let mut known = BTreeSet::new();
        for step in order.iter().map(|at| steps[*at]) {
            let (done, wanted, gained) = match step {
                Step::Pin(at) => (
                    identity::pin_root(&mut store, &desk(), &papers[at]),
                    true,
                    [ROOT, SECOND][at],
                ),
                Step::Link(at, from, to) => (
                    identity::add_link(&mut store, &desk(), &papers[at], today()),
                    known.contains(from),
                    to,
                ),
                Step::Forged(at) => (
                    identity::add_link(&mut store, &desk(), &papers[at], today()),
                    false,
                    ROOT,
                ),
            };
            assert_eq!(done.is_ok(), wanted, "{order:?}");
            if wanted {
                known.insert(gained);
            }
        }
        for (signer, issuer) in [(1, ROOT), (2, SECOND), (3, THIRD)] {
            let mut store = store.dangerous_copy();
            let request = identity::create_request(
                &mut store,
                &desk(),
                name(issuer),
                name(TERMINAL),
                [8; 16],
                &mut SysRng,
            )
            .unwrap();
            let mut fields = certify(signer, issuer, TERMINAL, Role::Terminal, 1)
                .claims()
                .clone();
            fields.key = request.fields().key.clone();
            let signature = key(signer).sign(&fields.encode_body());
            let own = Certificate::assemble(fields, signature);
            match identity::install(&mut store, &desk(), &own, &[], today()) {
                Ok(()) => taken += 1,
                Err(IdentityError::Distrusted(_)) => refused += 1,
                Err(error) => panic!("{error}"),
            }
            let installed = identity::summary(&store, &desk())
                .unwrap()
                .certificate
                .is_some();
            assert_eq!(installed, known.contains(issuer), "{order:?}: {issuer}");
        }
    }
    assert_eq!(
        taken + refused,
        3 * 1_957,
        "every permutation of every choice of six"
    );
    assert!(taken > 1_000 && refused > 1_000, "{taken} {refused}");
    report(
        "T45",
        taken + refused,
        format_args!(
            "certificates installed after roots and links in every order: {taken} under a root trusted by then, {refused} refused"
        ),
    );
}
