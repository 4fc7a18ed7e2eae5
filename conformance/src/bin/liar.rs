//! `liar`: a hostile card for testing any terminal, a hostile terminal for testing any card.
//!
//! Each lie of a file is told once, after one honest visit that it may quote. What can be seen from outside is compared with the file: of a
//! card its word and the step, of a terminal the last step that it still sent. Keys and certificates are those of a published test
//! root, unless others are given.

use apdu::certificate::{Certificate, pem};
use apdu::codec::command::Command;
use card_core::store::{Change, MemoryStore, Store};
use card_sim::body::VirtualCard;
use card_sim::state_file::StateFile;
use card_sim::vpcd::{Body, StopFlag, VpcdClient};
use clap::{Args, Parser, Subcommand};
use conformance::authority::{self, CARD, TERMINAL};
use conformance::liar::card::HostileCard;
use conformance::liar::lie::{File, Hex, Lie, Peer};
use conformance::liar::puppet::{Puppet, Scene, Step};
use conformance::liar::subject::Identity;
use conformance::liar::terminal::tell;
use getrandom::SysRng;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use terminal_lib::transport::Transport;
use terminal_lib::transport::listener::Listener;

#[derive(Parser)]
#[command(about = "Tells lies to cards and terminals, and sees whether they are refused")]
struct Line {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Prints the root that the liar's own cards and terminals are certified by.
    Root,
    /// Is a card, for testing a terminal. One insertion for each lie, and an honest one before.
    Card {
        /// Host and port of a slot of vpcd, or of a terminal that listens.
        #[arg(long)]
        connect: String,
        /// The file of a virtual card that is in use; it is read and not changed. Otherwise a new card of the test root.
        #[arg(long)]
        card: Option<PathBuf>,
        #[command(flatten)]
        lies: Lies,
    },
    /// Is a terminal, for testing a card.
    Terminal {
        #[command(flatten)]
        place: Place,
        /// The private key of the terminal's certificate: 32 bytes in hexadecimal.
        #[arg(long, requires = "certificate")]
        key: Option<String>,
        /// The terminal's certificate.
        #[arg(long, requires = "key")]
        certificate: Option<PathBuf>,
        /// The card's PIN.
        #[arg(long)]
        pin: String,
        #[command(flatten)]
        lies: Lies,
    },
}

#[derive(Args)]
struct Lies {
    /// Only lies whose name contains this.
    #[arg(long, default_value = "")]
    only: String,
    /// The data file.
    file: PathBuf,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct Place {
    /// Part of the name of a PC/SC reader.
    #[arg(long)]
    reader: Option<String>,
    /// A port of this machine to which a virtual card connects; 0 takes a free one.
    #[arg(long)]
    listen: Option<u16>,
}

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let done = match Line::parse().verb {
        Verb::Root => root(),
        Verb::Card {
            connect,
            card,
            lies,
        } => be_card(&connect, card.as_deref(), &lies),
        Verb::Terminal {
            place,
            key,
            certificate,
            pin,
            lies,
        } => identity(key.as_deref(), certificate.as_deref())
            .and_then(|identity| be_terminal(&place, identity, &pin, &lies)),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::from(2)
        }
    }
}

fn root() -> Result<bool, Failure> {
    print!(
        "{}",
        pem::encode(pem::CERTIFICATE, authority::root().encoded())?
    );
    Ok(true)
}

impl Lies {
    /// The lies of a scene.
    fn of(&self, peer: Peer, scene: Scene) -> Result<Vec<Lie>, Failure> {
        let file = File::read(&std::fs::read_to_string(&self.file)?)?;
        if file.peer != peer {
            return Err("the file is for the other kind of liar".into());
        }
        let wanted = |lie: &Lie| lie.scene == scene && lie.name.contains(&self.only);
        Ok(file.lies.into_iter().filter(wanted).collect())
    }
}

/// Prints one line, and says whether it is as the file says.
fn compare(lie: &Lie, seen: &str, expected: &str) -> bool {
    let fine = seen == expected;
    let mark = if fine { "refused" } else { "DIFFERENT" };
    println!(
        "{mark}  {}  {}: {seen}; the file says {expected}",
        lie.item, lie.name
    );
    fine
}

/// A visit is over when the terminal resets the card, or takes its power away.
struct Visited<'a, B> {
    card: &'a mut HostileCard<B>,
    commands: usize,
    over: &'a StopFlag,
}

impl<B> Visited<'_, B> {
    fn ends(&self) {
        if self.commands > 0 {
            self.over.raise();
        }
    }
}

impl<B: Body> Body for Visited<'_, B> {
    fn power_on(&mut self) {
        self.card.power_on();
    }

    fn power_off(&mut self) {
        self.ends();
        self.card.power_off();
    }

    fn reset(&mut self) {
        self.ends();
        Body::reset(self.card);
    }

    fn atr(&self) -> Vec<u8> {
        self.card.atr()
    }

    fn transmit(&mut self, command: &[u8]) -> Vec<u8> {
        self.commands += 1;
        Body::transmit(self.card, command)
    }
}

/// What a card has stored, in memory: the file it came from stays as it is.
fn copy(store: &dyn Store) -> Result<MemoryStore, Failure> {
    let mut memory = MemoryStore::new();
    for record in store.records()? {
        let value = store.read(record)?.unwrap_or_default();
        memory.commit(&[Change::Put(record, &value)])?;
    }
    Ok(memory)
}

fn be_card(connect: &str, file: Option<&Path>, lies: &Lies) -> Result<bool, Failure> {
    let start = match file {
        Some(file) => copy(&StateFile::open(file)?)?,
        None => copy(&authority::card(CARD))?,
    };
    let powered = |memory: MemoryStore| VirtualCard::new(memory, SysRng);
    let visit = |card: &mut HostileCard<_>| {
        let over = StopFlag::default();
        let mut visited = Visited {
            card,
            commands: 0,
            over: &over,
        };
        VpcdClient::new(connect).run(&mut visited, &over)
    };
    let mut all = true;
    let mut card = HostileCard::honest(powered(start.dangerous_copy()));
    eprintln!("an honest visit first: pair with the card");
    visit(&mut card)?;
    for lie in lies.of(Peer::Card, Scene::SetUp)? {
        card.plan(&lie);
        card.replace(powered(start.dangerous_copy())); // every set-up is the first for the card
        visit(&mut card)?;
        all &= judge(&card, &lie);
    }
    let in_sessions = lies.of(Peer::Card, Scene::Session)?;
    if in_sessions.is_empty() {
        return Ok(all);
    }
    let mut card = HostileCard::honest(powered(start));
    eprintln!("two honest visits: pair with the card once more, then come again");
    visit(&mut card)?;
    for lie in in_sessions {
        let mut next = HostileCard::honest(powered(card.body().store().dangerous_copy()));
        visit(&mut next)?;
        next.plan(&lie);
        visit(&mut next)?;
        all &= judge(&next, &lie);
        card = next;
    }
    Ok(all)
}

fn judge<B: Body>(card: &HostileCard<B>, lie: &Lie) -> bool {
    let seen = card
        .last_step()
        .map(|step| format!("stopped after {step:?}"));
    let expected = format!("stopped after {:?}", lie.detected());
    compare(
        lie,
        seen.as_deref().unwrap_or("never came that far"),
        &expected,
    )
}

fn identity(key: Option<&str>, certificate: Option<&Path>) -> Result<Identity, Failure> {
    let (Some(key), Some(certificate)) = (key, certificate) else {
        let role = apdu::certificate::Role::Terminal;
        return Ok(Identity::certified(TERMINAL, role, 1));
    };
    let Hex(scalar) = serde_json::from_value(key.into())?;
    let der = pem::decode(pem::CERTIFICATE, &std::fs::read(certificate)?)?;
    Ok(Identity {
        scalar: scalar.try_into().map_err(|_| "the key is not 32 bytes")?,
        certificate: Certificate::decode(&der)?,
    })
}

#[cfg(feature = "pcsc")]
fn by_reader(part: &str) -> Result<Box<dyn Transport>, Failure> {
    let readers = terminal_lib::transport::pcsc::Readers::open()?;
    Ok(Box::new(readers.wait_for_card(part, None)?))
}

#[cfg(not(feature = "pcsc"))]
fn by_reader(_: &str) -> Result<Box<dyn Transport>, Failure> {
    Err("this build has no PC/SC: build it with `--features pcsc`".into())
}

fn be_terminal(place: &Place, identity: Identity, pin: &str, lies: &Lies) -> Result<bool, Failure> {
    let mut card = match (&place.reader, place.listen) {
        (Some(part), _) => by_reader(part)?,
        (None, port) => {
            let listener = Listener::on_loopback(port.unwrap_or_default())?;
            println!("listening on {}", listener.address()?);
            Box::new(listener.wait_for_card()?)
        }
    };
    card.begin()?;
    let mut seed = [0; 8];
    getrandom::fill(&mut seed)?;
    let mut puppet = Puppet::new(identity, u64::from_be_bytes(seed));
    puppet.pin = pin.as_bytes().to_vec();
    let mut all = true;
    for scene in [Scene::SetUp, Scene::Session] {
        puppet = puppet.planning(scene);
        let honest = said_to(&mut puppet, None, &[], card.as_mut())?;
        if honest.0 != "none" {
            return Err(format!("an honest visit was refused: {}", honest.0).into());
        }
        for lie in lies.of(Peer::Terminal, scene)? {
            card.reconnect()?;
            let mut liar = puppet.clone().planning(scene);
            let (class, at, _) = said_to(&mut liar, Some(&lie), &honest.2, card.as_mut())?;
            puppet.follow(&liar);
            let seen = format!("{class} at {at:?}");
            let expected = format!("{} at {:?}", lie.expected, Some(lie.detected()));
            all &= compare(&lie, &seen, &expected);
        }
        card.reconnect()?;
    }
    Ok(all)
}

type Said = (String, Option<Step>, Vec<(Step, Vec<u8>)>);

/// One visit to the card; a card that is gone ends it.
fn said_to(
    puppet: &mut Puppet,
    lie: Option<&Lie>,
    recorded: &[(Step, Vec<u8>)],
    card: &mut dyn Transport,
) -> Result<Said, Failure> {
    let mut lost = None;
    let send = |command: &[u8]| {
        assert!(
            Command::parse(command).is_ok() || lie.is_some(),
            "an honest command"
        );
        card.transmit(command).unwrap_or_else(|error| {
            lost = Some(error);
            vec![0x6F, 0x00]
        })
    };
    let told = tell(puppet, lie, recorded, send, || {});
    match lost {
        Some(error) => Err(error.into()),
        None => Ok((told.class(), told.at, told.said)),
    }
}
