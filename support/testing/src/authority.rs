//! A root of one's own, and everything that it certifies.

use crate::card::{Memory, Powered, TestCard};
use crate::{PIN, PUK};
use apdu::certificate::{Certificate, CertificateFields, Date, Name, Request, Role};
use apdu::crypto::{Entropy, PrivateKey, PublicKey};
use apdu::message::personalise::KeyOrder;
use apdu::message::pin::{Digits, Reference};
use card_sim::body::VirtualCard;
use getrandom::SysRng;
use terminal_lib::personalise::Station;
use terminal_lib::store::{IdentityName, MemoryStore};
use terminal_lib::transport::in_process::InProcess;
use terminal_lib::{Terminal, identity};

/// A certification authority in memory, with a key that is drawn anew: cards and terminals of two of them do not trust each other.
///
/// All certificates are valid through 2026 to 2060, and terminals believe that it is 1 July 2030, so tests do not end with a calendar.
pub struct TestAuthority {
    key: PrivateKey,
    name: Name,
}

impl TestAuthority {
    /// Draws a root.
    ///
    /// # Panics
    /// Without randomness from the operating system.
    pub fn new() -> Self {
        Self {
            key: PrivateKey::generate(&mut SysRng).expect("randomness from the operating system"),
            name: name("ZZTESTROOT00001"),
        }
    }

    /// The root's own certificate.
    pub fn root(&self) -> Certificate {
        self.sign(self.name, Role::Authority, self.key.public_key())
    }

    /// An operational card that has met no terminal, personalised by a station's own commands (`docs/protocol.md` §12.1). Its PIN is
    /// [`PIN`], its PUK [`PUK`].
    ///
    /// # Panics
    /// When `holder` is no name: 8 to 16 capital letters and digits, two letters first, five letters or digits of serial number last.
    pub fn card(&self, holder: &str) -> TestCard {
        let memory = Memory::default();
        let mut reader = InProcess::new(Powered(VirtualCard::new(memory.clone(), SysRng)));
        let mut station = Station::begin(&mut reader).expect("a blank card");
        let digits = |reference, text: &str| {
            Digits::new(reference, text.as_bytes()).expect("digits of the right length")
        };
        let (pin, puk) = (digits(Reference::Pin, PIN), digits(Reference::Puk, PUK));
        let order = KeyOrder {
            issuer: self.name,
            holder: name(holder),
            nonce: nonce(),
        };
        station.set_pin(&pin).expect("a card without a PIN");
        station.set_puk(&puk).expect("a card without a PUK");
        station
            .store_root(&self.root())
            .expect("a card without a root");
        let request = station
            .generate_key(&order)
            .expect("a key of the card's own");
        let certificate = self.certify(&request);
        station
            .store_certificate(&certificate)
            .expect("a certificate for the card's key");
        station.activate().expect("a card that lacks nothing");
        TestCard::of(memory)
    }

    /// A terminal with an empty store in memory, certified and trusting this root.
    ///
    /// # Panics
    /// When `holder` is no name, as for [`card`](Self::card).
    pub fn terminal(&self, holder: &str) -> Terminal {
        let mut store = MemoryStore::new();
        let own = IdentityName::new("test").expect("a name of an identity");
        let (root, today) = (self.root(), today());
        let request = identity::create_request(
            &mut store,
            &own,
            self.name,
            name(holder),
            nonce(),
            &mut SysRng,
        )
        .expect("an empty store");
        identity::install(&mut store, &own, &self.certify(&request), &[root], today)
            .expect("a certificate for the terminal's key");
        Terminal::new(store, own).with_clock(today)
    }

    fn certify(&self, request: &Request) -> Certificate {
        let asked = request.fields();
        self.sign(asked.holder, asked.role, asked.key.clone())
    }

    fn sign(&self, holder: Name, role: Role, key: PublicKey) -> Certificate {
        let fields = CertificateFields {
            issuer: self.name,
            holder,
            role,
            epoch: 1,
            key,
            from: date(2026, 1, 1),
            until: date(2060, 1, 1),
        };
        let signature = self.key.sign(&fields.encode_body());
        Certificate::assemble(fields, signature)
    }
}

impl Default for TestAuthority {
    fn default() -> Self {
        Self::new()
    }
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap_or_else(|| panic!("{text} is no name of a holder"))
}

fn date(year: u16, month: u8, day: u8) -> Date {
    Date::new(year, month, day).expect("a day of the calendar")
}

fn today() -> Date {
    date(2030, 7, 1)
}

fn nonce() -> [u8; 16] {
    let entropy: &mut dyn Entropy = &mut SysRng;
    entropy
        .nonce()
        .expect("randomness from the operating system")
}
