//! Two instances of the service on one store.
#![allow(dead_code, reason = "each test program uses a part of it")]

use crate::http::{Card, Client, bytes, client, enrol_body, request, today};
use crate::support::{PASSPHRASE, START, Tape};
use authority::server::clients::{ClientRole, Register};
use authority::server::identity::Identity;
use authority::server::ledger_desk::LedgerDesk;
use authority::server::limit::Limits;
use authority::server::listen::Running;
use authority::server::{Clock, Service};
use authority::store::Store;
use authority::{Authority, EnrolmentCode};
use rcgen::KeyPair;
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;

/// An authority's folder, the store of all instances, and two of them.
pub struct Pair {
    pub folder: TempDir,
    pub open: Box<dyn Fn() -> Box<dyn Store>>,
    pub tls_ca: Vec<u8>,
    running: Vec<Running>,
}

impl Pair {
    pub fn of(folder: TempDir, open: impl Fn() -> Box<dyn Store> + 'static) -> Self {
        let ca = folder.path().join("ca");
        let mut store = open();
        let identity = Identity::shared(&ca, store.as_mut(), today()).unwrap();
        let mut pair = Self {
            tls_ca: identity.certificate().to_vec(),
            folder,
            open: Box::new(open),
            running: Vec::new(),
        };
        pair.running = vec![pair.serve(), pair.serve()];
        pair
    }

    pub fn ca(&self) -> PathBuf {
        self.folder.path().join("ca")
    }

    fn serve(&self) -> Running {
        let [writer, reader] = [(self.open)(), (self.open)()]
            .map(|store| Authority::within(&self.ca(), store).unwrap());
        let key = writer.unlock(&self.ca(), PASSPHRASE).unwrap();
        let clock: Clock = Arc::new(|| START);
        let desk = LedgerDesk::new(writer, reader, key, Arc::clone(&clock));
        let mut store = (self.open)();
        let identity = Identity::shared(&self.ca(), store.as_mut(), today()).unwrap();
        let register = Register::new(store);
        // Nobody is told to wait: the tests ask as fast as they can.
        let limits = Limits {
            rate: 1e9,
            burst: 1e9,
            ..Limits::default()
        };
        let service = Service::new(Arc::new(desk), register, identity, limits, clock).unwrap();
        let names = ["localhost".to_owned(), "127.0.0.1".into()];
        let address = "127.0.0.1:0".parse().unwrap();
        Running::start(address, &names, Arc::new(service), false).unwrap()
    }

    /// A client of one of the two.
    pub fn at(&self, instance: usize, card: Option<&Card>) -> Client {
        client(self.running[instance].address(), &self.tls_ca, card)
    }

    /// A code, as `authority enrol` prints it.
    pub fn code(&self, name: &str, role: ClientRole) -> String {
        let mut tape = Tape(u64::from_be_bytes(*b"codecode") ^ u64::from(name.as_bytes()[0]));
        let code = EnrolmentCode::draw(&self.tls_ca, &mut tape).unwrap();
        let register = Register::new((self.open)());
        register.invite(name, role, &code.hash(), START).unwrap();
        code.dangerous_text().to_string()
    }

    /// Enrols at one of the two.
    pub fn enrol(&self, instance: usize, name: &str, role: ClientRole) -> Card {
        let key = KeyPair::generate().unwrap();
        let body = enrol_body(&self.code(name, role), &request(&key));
        let answer = self.at(instance, None).post("/v1/enrol", &body);
        assert_eq!(answer.status, 201, "{}", answer.body);
        let certificate = bytes(&answer.json()["certificate"]);
        Card { certificate, key }
    }

    pub fn stop(self) {
        for running in self.running {
            running.stop();
            assert_eq!(running.wait().unwrap(), 0);
        }
    }
}
