//! The named cases of T44 about a leaf, as a card or as a terminal has one.

use super::{Object, encode};
use apdu::certificate::{
    Certificate, CertificateError, CertificateFields, Date, Refusal, Request, Role,
};
use apdu::codec::tlv::{Tag, TlvFault};
use apdu::crypto::{PrivateKey, PublicKey};
use conformance::authority::{ROOT, name, root, status_list, today};

/// How a certificate is judged. Where in the bytes a fault lies is not compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Accepted,
    Malformed(TlvFault),
    Dates,
    Parameters,
    Refused(Refusal),
}

use Verdict::{Accepted, Malformed, Refused};

pub const REST: Verdict = Malformed(TlvFault::Rest);
const TRUNCATED: Verdict = Malformed(TlvFault::Truncated);
const LENGTH: Verdict = Malformed(TlvFault::Length);

pub fn expected(tag: u32) -> Verdict {
    Malformed(TlvFault::Expected(Tag(tag)))
}

pub fn value(tag: u32) -> Verdict {
    Malformed(TlvFault::Value(Tag(tag)))
}

impl From<CertificateError> for Verdict {
    fn from(error: CertificateError) -> Self {
        match error {
            CertificateError::Malformed(error) => Malformed(error.fault),
            CertificateError::Dates => Self::Dates,
            CertificateError::Parameters => Self::Parameters,
            CertificateError::TooLong => {
                panic!("no leaf of this profile can be longer than 199 bytes")
            }
        }
    }
}

pub fn key(byte: u8) -> PrivateKey {
    PrivateKey::from_scalar(&[byte; 32]).unwrap()
}

/// The key of the world's root.
pub fn root_key() -> PrivateKey {
    let key = key(1);
    assert_eq!(key.public_key(), root().claims().key);
    key
}

pub fn date(year: u16, month: u8, day: u8) -> Date {
    Date::new(year, month, day).unwrap()
}

/// A certificate, what is wrong with it, and the error it must give.
pub struct Case {
    pub name: String,
    pub bytes: Vec<u8>,
    pub verdict: Verdict,
}

/// Makes the cases about one holder's certificate.
pub struct Forger {
    role: Role,
    holder: &'static str,
    key: PublicKey,
    cases: Vec<Case>,
}

const BODY: u32 = 0x7F4E;
const PROFILE: [u32; 2] = [BODY, 0x5F29];
const CAR: [u32; 2] = [BODY, 0x42];
const ALGORITHM: [u32; 3] = [BODY, 0x7F49, 0x06];
const POINT: [u32; 3] = [BODY, 0x7F49, 0x86];
const CHR: [u32; 2] = [BODY, 0x5F20];
const ARC: [u32; 3] = [BODY, 0x7F4C, 0x06];
const ROLE: [u32; 3] = [BODY, 0x7F4C, 0x53];
const FROM: [u32; 2] = [BODY, 0x5F25];
const UNTIL: [u32; 2] = [BODY, 0x5F24];

/// The order of the group.
const N: [u8; 32] = *b"\xff\xff\xff\xff\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xbc\xe6\xfa\xad\xa7\x17\x9e\x84\xf3\xb9\xca\xc2\xfc\x63\x25\x51";
/// The prime of the field.
const P: [u8; 32] = *b"\xff\xff\xff\xff\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff";
/// x of the generator of secp256k1, which belongs to no point of P-256.
const FOREIGN_X: [u8; 32] = *b"\x79\xbe\x66\x7e\xf9\xdc\xbb\xac\x55\xa0\x62\x95\xce\x87\x0b\x07\x02\x9b\xfc\xdb\x2d\xce\x28\xd9\x59\xf2\x81\x5b\x16\xf8\x17\x98";

/// n - s.
fn negated(s: &[u8]) -> Vec<u8> {
    let mut borrow = 0;
    let digits = N.iter().zip(s).rev().map(|(n, s)| {
        let digit = i16::from(*n) - i16::from(*s) - borrow;
        borrow = i16::from(digit < 0);
        u8::try_from(digit.rem_euclid(256)).unwrap()
    });
    let mut reversed: Vec<u8> = digits.collect();
    reversed.reverse();
    reversed
}

/// A signature in DER, as elsewhere.
fn der(signature: &[u8]) -> Vec<u8> {
    let (r, s) = signature.split_at(32);
    let integer = |number: &[u8]| {
        encode(
            0x02,
            &[&vec![0; usize::from(number[0] >> 7)][..], number].concat(),
        )
    };
    encode(0x30, &[integer(r), integer(s)].concat())
}

/// Puts the first `count` of the root's parameters in front of a leaf's point.
fn with_parameters(object: &mut Object, count: usize) {
    let mut root = Object::read(root().encoded());
    let parameters = root.place(&[BODY, 0x7F49, 0x81]).0[1..=count].to_vec();
    let (row, at) = object.place(&POINT);
    row.splice(at..at, parameters);
}

impl Forger {
    /// All cases about this holder's certificate.
    pub fn cases(role: Role, holder: &'static str, key: PublicKey) -> Vec<Case> {
        let mut forger = Self {
            role,
            holder,
            key,
            cases: Vec::new(),
        };
        forger.structure();
        forger.lengths();
        forger.values();
        forger.parameters();
        forger.encodings();
        forger.signatures();
        forger.claims();
        forger.cases
    }

    fn signed(
        &self,
        signer: &PrivateKey,
        change: impl FnOnce(&mut CertificateFields),
    ) -> Certificate {
        let mut fields = CertificateFields {
            issuer: name(ROOT),
            holder: name(self.holder),
            role: self.role,
            epoch: 1,
            key: self.key.clone(),
            from: date(2026, 1, 1),
            until: date(2028, 12, 31),
        };
        change(&mut fields);
        let signature = signer.sign(&fields.encode_body());
        Certificate::assemble(fields, signature)
    }

    fn good(&self) -> Object {
        Object::read(self.signed(&root_key(), |_| {}).encoded())
    }

    fn add(&mut self, name: impl Into<String>, bytes: &[u8], verdict: Verdict) {
        let case = Case {
            name: name.into(),
            bytes: bytes.to_vec(),
            verdict,
        };
        self.cases.push(case);
    }

    /// An edited certificate whose signature is right again.
    fn edited(
        &mut self,
        name: impl Into<String>,
        verdict: Verdict,
        edit: impl FnOnce(&mut Object),
    ) {
        let mut object = self.good();
        edit(&mut object);
        object.sign(&root_key());
        self.add(name, &object.bytes(), verdict);
    }

    /// Every object missing, twice, behind the one that follows it, under another tag, empty; and a stranger behind each.
    fn structure(&mut self) {
        for (path, next) in self.good().paths() {
            let tag = *path.last().unwrap();
            let after = next.map_or(REST, expected);
            self.edited(
                format!("{tag:X} missing in {path:X?}"),
                expected(tag),
                |object| {
                    let (row, at) = object.place(&path);
                    row.remove(at);
                },
            );
            self.edited(format!("{tag:X} twice in {path:X?}"), after, |object| {
                let (row, at) = object.place(&path);
                row.insert(at, row[at].clone());
            });
            self.edited(
                format!("a stranger behind {tag:X} in {path:X?}"),
                after,
                |object| {
                    let (row, at) = object.place(&path);
                    row.insert(at + 1, Object::Value(0xC1, vec![1]));
                },
            );
            if next.is_some() {
                self.edited(
                    format!("{tag:X} out of order in {path:X?}"),
                    expected(tag),
                    |object| {
                        let (row, at) = object.place(&path);
                        row.swap(at, at + 1);
                    },
                );
            }
            self.edited(
                format!("{tag:X} under another tag in {path:X?}"),
                expected(tag),
                |object| {
                    let (row, at) = object.place(&path);
                    row[at] = match row[at].clone() {
                        Object::Value(_, value) => Object::Value(0xC1, value),
                        Object::Template(_, children) => Object::Template(0xE1, children),
                    };
                },
            );
        }
    }

    /// Each field one byte too short, too long, and empty.
    fn lengths(&mut self) {
        let fields: [(&str, &[u32], [usize; 3]); 10] = [
            ("profile", &PROFILE, [0, 2, 3]),
            ("CAR", &CAR, [0, 7, 17]),
            ("algorithm", &ALGORITHM, [0, 9, 11]),
            ("point", &POINT, [0, 32, 34]),
            ("CHR", &CHR, [0, 7, 17]),
            ("identifier of the role", &ARC, [0, 3, 5]),
            ("role and epoch", &ROLE, [0, 4, 6]),
            ("first day", &FROM, [0, 5, 7]),
            ("last day", &UNTIL, [0, 5, 7]),
            ("signature", &[0x5F37], [0, 63, 65]),
        ];
        for (name, path, wrong) in fields {
            for length in wrong {
                let mut object = self.good();
                let bytes = object.value(path);
                let first = bytes[0];
                bytes.resize(length, first);
                if *path != [0x5F37] {
                    object.sign(&root_key());
                }
                self.add(
                    format!("{name} of {length} bytes"),
                    &object.bytes(),
                    value(*path.last().unwrap()),
                );
            }
        }
    }

    /// Values of the right length that are none.
    fn values(&mut self) {
        let x = |prefix: u8, x: &[u8; 32]| [&[prefix][..], x].concat();
        let oid = |last: [u8; 2]| [&b"\x04\0\x7f\0\x07\x02\x02\x02"[..], &last].concat();
        let rows: [(&str, &[u32], Vec<u8>); 33] = [
            ("profile 1", &PROFILE, vec![1]),
            ("CAR in small letters", &CAR, b"zztallyroot00001".to_vec()),
            ("CAR with a NUL", &CAR, b"ZZTALLYROOT0000\0".to_vec()),
            ("CHR with a space", &CHR, b"ZZTALLY CARD0001".to_vec()),
            ("CHR without a country", &CHR, b"01TALLYCARD00001".to_vec()),
            ("CHR in UTF-8", &CHR, "ZZTÄLLYCARD0001".into()),
            ("CHR with an escape", &CHR, b"ZZ\x1b[2JCARD000001".to_vec()),
            ("ECDSA with SHA-1", &ALGORITHM, oid([2, 1])),
            ("ECDSA with SHA-224", &ALGORITHM, oid([2, 2])),
            ("ECDSA with SHA-512", &ALGORITHM, oid([2, 5])),
            ("RSA with SHA-256", &ALGORITHM, oid([1, 2])),
            ("the identifier of a request", &ARC, vec![0x88, 0x37, 3, 2]),
            ("an identifier of another arc", &ARC, vec![0x88, 0x38, 3, 1]),
            ("role 00", &ROLE, vec![0x00, 0, 0, 0, 1]),
            ("role 03", &ROLE, vec![0x03, 0, 0, 0, 1]),
            ("role 80", &ROLE, vec![0x80, 0, 0, 0, 1]),
            ("role C1", &ROLE, vec![0xC1, 0, 0, 0, 1]),
            ("role FF", &ROLE, vec![0xFF, 0, 0, 0, 1]),
            ("first day in ASCII", &FROM, b"260101".to_vec()),
            ("first day with a digit 10", &FROM, vec![2, 6, 0, 1, 0, 10]),
            ("first day on 30 February", &FROM, vec![2, 6, 0, 2, 3, 0]),
            (
                "last day on 29 February 2027",
                &UNTIL,
                vec![2, 7, 0, 2, 2, 9],
            ),
            ("last day in month 0", &UNTIL, vec![2, 8, 0, 0, 1, 1]),
            ("last day in month 13", &UNTIL, vec![2, 8, 1, 3, 1, 1]),
            ("last day on day 0", &UNTIL, vec![2, 8, 0, 1, 0, 0]),
            ("infinity in 33 bytes", &POINT, vec![0; 33]),
            ("infinity in 1 byte", &POINT, vec![0]),
            (
                "x of no point",
                &POINT,
                x(2, &std::array::from_fn(|n| if n == 31 { 7 } else { 0 })),
            ),
            ("x = p", &POINT, x(2, &P)),
            ("x above p", &POINT, x(3, &[0xFF; 32])),
            ("a point of secp256k1", &POINT, x(2, &FOREIGN_X)),
            ("prefix of a hybrid point", &POINT, x(6, &[7; 32])),
            (
                "an uncompressed point",
                &POINT,
                key(9).public_key().to_uncompressed().to_vec(),
            ),
        ];
        for (name, path, wrong) in rows {
            self.edited(name, value(*path.last().unwrap()), |object| {
                *object.value(path) = wrong;
            });
        }
    }

    /// Curve parameters in a leaf: the right ones, foreign ones, some.
    fn parameters(&mut self) {
        self.edited(
            "the parameters of P-256 in a leaf",
            Verdict::Parameters,
            |object| {
                with_parameters(object, 5);
                object.place(&POINT).0.push(Object::Value(0x87, vec![1]));
            },
        );
        self.edited(
            "the parameters of P-256 without a cofactor",
            expected(0x87),
            |object| with_parameters(object, 5),
        );
        self.edited("the prime of P-256 alone", expected(0x82), |object| {
            with_parameters(object, 1);
        });
        self.edited("the prime of secp256k1", value(0x81), |object| {
            with_parameters(object, 5);
            *object.value(&[BODY, 0x7F49, 0x81]) =
                [&[0xFF; 27][..], &[0xFE, 0xFF, 0xFF, 0xFC, 0x2F]].concat();
        });
        self.edited(
            "a generator of the forger's choice",
            value(0x84),
            |object| {
                with_parameters(object, 5);
                *object.value(&[BODY, 0x7F49, 0x84]) =
                    key(9).public_key().to_uncompressed().to_vec();
            },
        );
        self.edited("a cofactor alone", REST, |object| {
            object.place(&POINT).0.push(Object::Value(0x87, vec![1]));
        });
    }

    /// What is around and between the objects, and what is another kind of object altogether.
    fn encodings(&mut self) {
        let good = self.good().bytes();
        assert_eq!(&good[..4], [0x7F, 0x21, 0x81, 195]);
        let inside = &good[4..];
        let longer = |extra: &[u8]| [&good[..], extra].concat();
        self.add("a trailing byte", &longer(&[0]), REST);
        self.add("a second certificate behind it", &longer(&good), REST);
        self.add(
            "a leading byte",
            &[&[0], &good[..]].concat(),
            expected(0x7F21),
        );
        self.add("one byte short", &good[..good.len() - 1], TRUNCATED);
        self.add("the tag alone", &good[..2], TRUNCATED);
        self.add(
            "a length in a longer form",
            &[&[0x7F, 0x21, 0x82, 0, 195], inside].concat(),
            LENGTH,
        );
        self.add(
            "an indefinite length",
            &[&[0x7F, 0x21, 0x80], inside, &[0, 0]].concat(),
            LENGTH,
        );
        self.add(
            "a length of four bytes",
            &[&[0x7F, 0x21, 0x84, 0, 0, 0, 195], inside].concat(),
            LENGTH,
        );
        self.add(
            "an outer length one too long",
            &[&[0x7F, 0x21, 0x81, 196], inside].concat(),
            TRUNCATED,
        );
        self.add(
            "an outer length one too short",
            &[&[0x7F, 0x21, 0x81, 194], inside].concat(),
            REST,
        );
        self.add(
            "a tag in a longer form",
            &[&[0x7F, 0x80, 0x21, 0x81, 195], inside].concat(),
            Malformed(TlvFault::Tag),
        );
        let at = good.windows(2).position(|pair| pair == [0x42, 16]).unwrap();
        let inner = [&good[..at + 1], &[0x81], &good[at + 1..]].concat();
        let mut inner_longer = inner.clone();
        inner_longer[3] += 1; // 7F21
        inner_longer[6] += 1; // 7F4E
        assert_eq!(inner_longer[4..7], [0x7F, 0x4E, 126]);
        self.add("an inner length in a longer form", &inner_longer, LENGTH);
        self.add(
            "PEM where bytes are due",
            b"-----BEGIN CV CERTIFICATE-----\nfyGBww==\n-----END CV CERTIFICATE-----\n",
            expected(0x7F21),
        );
        self.add(
            "a status list",
            status_list(1, &[]).encoded(),
            expected(0x7F21),
        );
        let request = Request::create(name(ROOT), name(self.holder), self.role, [9; 16], &key(9));
        self.add("a request", request.encoded(), expected(0x7F4C));
        self.add(
            "a body without its frame",
            &self.good().children()[0].bytes(),
            expected(0x7F21),
        );
    }

    /// r || s, and what stands in its place.
    fn signatures(&mut self) {
        let zero = [0; 32];
        let mut n_plus_1 = N;
        n_plus_1[31] += 1;
        for (name, r, s) in [
            ("r = 0", Some(zero), None),
            ("s = 0", None, Some(zero)),
            ("r = s = 0", Some(zero), Some(zero)),
            ("r = n", Some(N), None),
            ("s = n", None, Some(N)),
            ("r = s = n", Some(N), Some(N)),
            ("r = n + 1", Some(n_plus_1), None),
            ("s = n + 1", None, Some(n_plus_1)),
            ("r above p", Some([0xFF; 32]), None),
            ("s above p", None, Some([0xFF; 32])),
        ] {
            let mut object = self.good();
            let (old_r, old_s) = object.value(&[0x5F37]).split_at(32);
            *object.value(&[0x5F37]) = [
                r.as_ref().map_or(old_r, |r| r),
                s.as_ref().map_or(old_s, |s| s),
            ]
            .concat();
            self.add(name, &object.bytes(), Refused(Refusal::Signature));
        }
        let mut other = self.good();
        other.value(&UNTIL)[5] ^= 1;
        let body = self.good().children()[0].bytes();
        let good = self.good().value(&[0x5F37]).clone();
        let (r, s) = good.split_at(32);
        let refused = Refused(Refusal::Signature);
        for (name, signature, verdict) in [
            ("s and r exchanged", [s, r].concat(), refused),
            (
                "n - s, which verifies as well",
                [r, &negated(s)].concat(),
                Accepted,
            ),
            ("a signature in DER", der(&good), value(0x5F37)),
            (
                "a signature of the body without its tag",
                root_key().sign(&body[3..]).to_vec(),
                refused,
            ),
            (
                "a signature of another body",
                root_key().sign(&other.children()[0].bytes()).to_vec(),
                refused,
            ),
            (
                "a signature by a stranger in the root's name",
                key(9).sign(&body).to_vec(),
                refused,
            ),
        ] {
            let mut object = self.good();
            *object.value(&[0x5F37]) = signature;
            self.add(name, &object.bytes(), verdict);
        }
        for byte in [0, 31, 32, 63] {
            let mut object = self.good();
            object.value(&[0x5F37])[byte] ^= 1;
            self.add(
                format!("a flipped bit in byte {byte} of the signature"),
                &object.bytes(),
                refused,
            );
        }
    }

    /// Well formed and signed, and says the wrong thing. The verifier's day is `today`, or for a card 2026-01-01.
    fn claims(&mut self) {
        let (root, stranger) = (root_key(), key(9));
        let day = if self.role == Role::Card {
            today()
        } else {
            date(2026, 1, 1)
        };
        let other_role = if self.role == Role::Card {
            Role::Terminal
        } else {
            Role::Card
        };
        let begins = date(2025, 1, 1);
        let tomorrow = day.plus_days(1);
        let too_early = if self.role == Role::Card {
            Refused(Refusal::NotYetValid)
        } else {
            Accepted
        };
        let mut add =
            |name: &str, signer: &PrivateKey, verdict, change: &dyn Fn(&mut CertificateFields)| {
                let certificate = self.signed(signer, change);
                self.add(name, certificate.encoded(), verdict);
            };
        let issuer = Refused(Refusal::Issuer);
        add("as it should be", &root, Accepted, &|_| {});
        add("the other role", &root, Refused(Refusal::Role), &|fields| {
            fields.role = other_role;
        });
        add("an unknown authority", &stranger, issuer, &|fields| {
            fields.issuer = name("ZZTALLYROOT00009");
        });
        add(
            "an unknown authority with the root's key",
            &root,
            issuer,
            &|fields| fields.issuer = name("ZZTALLYROOT00009"),
        );
        add(
            "a name that the root's begins with",
            &root,
            issuer,
            &|fields| fields.issuer = name("ZZTALLYROOT0000"),
        );
        add(
            "a stranger in the root's name, once more",
            &stranger,
            Refused(Refusal::Signature),
            &|_| {},
        );
        add("itself", &root, issuer, &|fields| {
            fields.issuer = fields.holder;
        });
        add("another leaf", &stranger, issuer, &|fields| {
            fields.issuer = name("ZZTALLYTERM00077");
        });
        add(
            "a root of the forger's own, self-signed",
            &stranger,
            Refused(Refusal::Role),
            &|fields| {
                (fields.role, fields.key) = (Role::Authority, key(9).public_key());
                (fields.issuer, fields.holder) =
                    (name("ZZTALLYROOT00009"), name("ZZTALLYROOT00009"));
            },
        );
        add(
            "the known root itself",
            &root,
            Refused(Refusal::Role),
            &|fields| {
                (fields.role, fields.key) = (Role::Authority, root_key().public_key());
                (fields.issuer, fields.holder) = (name(ROOT), name(ROOT));
            },
        );
        add(
            "expired yesterday",
            &root,
            Refused(Refusal::Expired),
            &|fields| {
                (fields.from, fields.until) = (
                    begins,
                    if day == today() {
                        date(2026, 11, 20)
                    } else {
                        date(2025, 12, 31)
                    },
                );
            },
        );
        add(
            "expired long ago",
            &root,
            Refused(Refusal::Expired),
            &|fields| {
                (fields.from, fields.until) = (date(2000, 1, 1), date(2000, 1, 1));
            },
        );
        add("good for the last day", &root, Accepted, &|fields| {
            (fields.from, fields.until) = (begins, day);
        });
        add("good for one day", &root, Accepted, &|fields| {
            (fields.from, fields.until) = (day, day);
        });
        add("not good before tomorrow", &root, too_early, &|fields| {
            fields.from = tomorrow;
        });
        add("not good before 2099", &root, too_early, &|fields| {
            (fields.from, fields.until) = (date(2099, 12, 31), date(2099, 12, 31));
        });
        add(
            "ends a day before it begins",
            &root,
            Verdict::Dates,
            &|fields| (fields.from, fields.until) = (tomorrow, day),
        );
    }
}
