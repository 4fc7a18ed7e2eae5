//! A certified card and a certified terminal in memory, with nothing around them that costs time.

use apdu::certificate::{Certificate, CertificateFields, Date, HolderHash, Name, Request, Role};
use apdu::crypto::{Census, PrivateKey, census};
use apdu::message::personalise::KeyOrder;
use apdu::message::pin::{Digits, Reference};
use card_core::store::MemoryStore;
use card_sim::body::VirtualCard;
use card_sim::vpcd::Body;
use getrandom::SysRng;
use terminal_lib::application::{Application, Notice, PinAnswer, PinRequest, SetUpReason};
use terminal_lib::personalise::Station;
use terminal_lib::store::IdentityName;
use terminal_lib::transport::in_process::{InProcess, LocalCard};
use terminal_lib::{Terminal, identity};

/// The card's PIN.
pub const PIN: &[u8] = b"271828";
const CARD: &str = "ZZTALLYCARD00001";

/// One exchange of APDUs, in bytes.
#[derive(Clone, Copy)]
pub struct Exchange {
    pub sent: usize,
    pub received: usize,
}

/// The card in its reader; counts when it is told to.
pub struct Counted {
    pub card: VirtualCard<MemoryStore, SysRng>,
    pub exchanges: Option<Vec<Exchange>>,
    /// Curve operations in the card while counting.
    pub operations: Census,
}

impl LocalCard for Counted {
    fn reset(&mut self) -> Vec<u8> {
        self.card.power_on();
        self.card.atr()
    }

    fn transmit(&mut self, command: &[u8]) -> Vec<u8> {
        let Some(exchanges) = &mut self.exchanges else {
            return self.card.transmit(command);
        };
        let before = census();
        let response = self.card.transmit(command);
        self.operations = self.operations + (census() - before);
        exchanges.push(Exchange {
            sent: command.len(),
            received: response.len(),
        });
        response
    }
}

/// Both ends.
pub struct World {
    pub reader: InProcess<Counted>,
    pub terminal: Terminal,
    /// The terminal's store once more, for counting.
    pub terminal_store: terminal_lib::store::MemoryStore,
    pub user: Agreeable,
}

/// Says yes to everything and knows the PIN.
pub struct Agreeable;

impl Application for Agreeable {
    fn may_set_up(&mut self, _: SetUpReason) -> bool {
        true
    }

    fn pin(&mut self, _: &PinRequest) -> PinAnswer {
        Digits::new(Reference::Pin, PIN).map_or(PinAnswer::Refuse, PinAnswer::Digits)
    }

    fn notice(&mut self, _: &Notice) {}
}

pub type Failure = Box<dyn std::error::Error>;

impl World {
    /// Certifies a card and a terminal, names of 16 characters, certificates of 199 bytes.
    pub fn new() -> Result<Self, Failure> {
        let (card, root) = certified_card(MemoryStore::new())?;
        let terminal_store = terminal_lib::store::MemoryStore::new();
        let terminal = certified_terminal_over(terminal_store.share(), &root)?;
        let counted = Counted {
            card,
            exchanges: None,
            operations: Census::default(),
        };
        Ok(Self {
            reader: InProcess::new(counted),
            terminal,
            terminal_store,
            user: Agreeable,
        })
    }

    /// Forgets the pairing, so that the next connection sets up again.
    pub fn forget(&mut self) -> Result<(), Failure> {
        Ok(self
            .terminal
            .forget(&HolderHash::of(Role::Card, &name(CARD)?))?)
    }
}

fn root_key() -> Result<PrivateKey, Failure> {
    PrivateKey::from_scalar(&[1; 32]).ok_or_else(|| "no key".into())
}

fn name(text: &str) -> Result<Name, Failure> {
    Name::new(text).ok_or_else(|| "no name".into())
}

fn certify(holder: Name, role: Role, key: apdu::crypto::PublicKey) -> Result<Certificate, Failure> {
    let root = root_key()?;
    let day = |year| Date::new(year, 1, 1).ok_or("no day");
    let fields = CertificateFields {
        issuer: name("ZZTALLYROOT00001")?,
        holder,
        role,
        epoch: 1,
        key,
        from: day(2026)?,
        until: day(2060)?,
    };
    let signature = root.sign(&fields.encode_body());
    Ok(Certificate::assemble(fields, signature))
}

fn certify_request(request: &Request) -> Result<Certificate, Failure> {
    let asked = request.fields();
    certify(asked.holder, asked.role, asked.key.clone())
}

/// An operational card, and the root it trusts.
pub fn certified_card(
    store: MemoryStore,
) -> Result<(VirtualCard<MemoryStore, SysRng>, Certificate), Failure> {
    let root = certify(
        name("ZZTALLYROOT00001")?,
        Role::Authority,
        root_key()?.public_key(),
    )?;
    let card = VirtualCard::new(store, SysRng);
    let counted = Counted {
        card,
        exchanges: None,
        operations: Census::default(),
    };
    let mut reader = InProcess::new(counted);
    let mut station = Station::begin(&mut reader)?;
    let digits = |reference, digits| Digits::new(reference, digits).ok_or("no digits");
    station.set_pin(&digits(Reference::Pin, PIN)?)?;
    station.set_puk(&digits(Reference::Puk, b"31415926")?)?;
    station.store_root(&root)?;
    let order = KeyOrder {
        issuer: name("ZZTALLYROOT00001")?,
        holder: name(CARD)?,
        nonce: [7; 16],
    };
    let request = station.generate_key(&order)?;
    station.store_certificate(&certify_request(&request)?)?;
    station.activate()?;
    drop(station);
    Ok((reader.into_card().card, root))
}

/// A terminal with a certificate, in memory.
#[cfg(feature = "pcsc")]
pub fn certified_terminal(root: &Certificate) -> Result<Terminal, Failure> {
    certified_terminal_over(terminal_lib::store::MemoryStore::new(), root)
}

fn certified_terminal_over(
    store: terminal_lib::store::MemoryStore,
    root: &Certificate,
) -> Result<Terminal, Failure> {
    let own = IdentityName::new("bench").ok_or("no name")?;
    let mut terminal = Terminal::new(store, own.clone());
    let (issuer, holder) = (name("ZZTALLYROOT00001")?, name("ZZTALLYTERM00001")?);
    let store = terminal.store_mut();
    let request = identity::create_request(store, &own, issuer, holder, [8; 16], &mut SysRng)?;
    let today = Date::new(2026, 11, 21).ok_or("no day")?;
    identity::install(
        store,
        &own,
        &certify_request(&request)?,
        std::slice::from_ref(root),
        today,
    )?;
    Ok(terminal)
}
