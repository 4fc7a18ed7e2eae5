//! The authority's service on a free port of the loopback, and clients that `certify enrol` has enrolled.
#![allow(dead_code, reason = "each test program uses a part of it")]
#![allow(
    clippy::unwrap_used,
    reason = "a service that cannot be set up fails its test"
)]

use crate::support::{Desk, value};
use authority::server::approval::Approval;
use authority::server::clients::{ClientRole, Register};
use authority::server::identity::Identity;
use authority::server::ledger_desk::LedgerDesk;
use authority::server::limit::Limits;
use authority::server::listen::Running;
use authority::server::{Clock, Service};
use authority::store::sqlite;
use authority::{Authority, EnrolmentCode};
use getrandom::SysRng;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap().as_secs()
}

/// An authority's service over the desk's authority.
pub struct Network {
    pub desk: Desk,
    pub running: Running,
}

impl Network {
    pub fn start() -> Self {
        Self::asking(Approval::None)
    }

    /// Where an operator has to approve certificates.
    pub fn asking(approval: Approval) -> Self {
        let desk = Desk::with_authority();
        let running = serve(&desk, 0, approval);
        Self { desk, running }
    }

    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.running.address().port())
    }

    /// A code as `authority enrol` prints it, in a file.
    pub fn code(&self, name: &str, role: ClientRole) -> String {
        let ca = self.desk.path("ca");
        let identity = Identity::open(&ca, now()).unwrap();
        let code = EnrolmentCode::draw(identity.certificate(), &mut SysRng).unwrap();
        let register = register(&ca);
        register.invite(name, role, &code.hash(), now()).unwrap();
        self.desk.write("code", code.dangerous_text().as_bytes());
        format!("enrol {} --code-file code", self.url())
    }

    /// A client that was enrolled by `certify enrol`.
    pub fn client(&self, name: &str, role: ClientRole) -> Desk {
        let enrol = self.code(name, role);
        let ran = self.desk.run(&format!("{enrol} --station {name}"));
        let told = ran.succeeds().text();
        assert!(value(&told, "enrolled as").starts_with(name), "{told}");
        self.desk.over(&self.url(), name)
    }

    pub fn station(&self) -> Desk {
        self.client("LINE1", ClientRole::Station)
    }
}

pub fn register(ca: &Path) -> Register {
    let path = ca.join(authority::STORE_FILE);
    Register::new(sqlite::open(&path, Duration::from_secs(60)).unwrap())
}

pub fn serve(desk: &Desk, port: u16, approval: Approval) -> Running {
    let ca = desk.path("ca");
    let open = || Authority::open(&ca, Duration::from_secs(60)).unwrap();
    let writer = open();
    let key = writer.unlock(&ca, b"correct horse").unwrap();
    let clock: Clock = Arc::new(now);
    let desk = LedgerDesk::new(writer, open(), key, clock.clone());
    let desk = desk.with_approval(approval, Duration::from_secs(7 * 86_400));
    let register = register(&ca);
    let identity = Identity::open(&ca, now()).unwrap();
    let limits = Limits::default();
    let service = Service::new(Arc::new(desk), register, identity, limits, clock).unwrap();
    let names = ["localhost".to_owned(), "127.0.0.1".into()];
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    Running::start(address, &names, Arc::new(service), false).unwrap()
}
