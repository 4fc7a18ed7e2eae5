//! Nobody who reads waits for a writer: clients are known and wrong codes are told while the store's write lock is held.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

mod support;

use authority::ClientRefused;
use authority::client::ClientRole;
use authority::server::clients::{Register, RegisterError};
use authority::store::{Needs, Store, sqlite};
use authority::{EnrolmentCode, STORE_FILE};
use std::time::Duration;
use support::{Bench, START, Tape};

/// Refuses a code or enrols a client of this fingerprint.
fn enrol(register: &Register, code: &[u8; 32], fingerprint: [u8; 32]) -> Result<(), RegisterError> {
    register
        .enrol(code, START, |_, _| Ok((fingerprint, ())))
        .map(drop)
}

#[test]
fn clients_are_known_and_wrong_codes_are_told_while_somebody_writes() {
    let bench = Bench::new();
    let path = bench.folder().join(STORE_FILE);
    let open = || -> Box<dyn Store> { sqlite::open(&path, Duration::ZERO).unwrap() };
    let register = Register::new(open()).with_readers(vec![open()]);
    let right = EnrolmentCode::draw(&[1; 100], &mut Tape(9)).unwrap().hash();
    register
        .invite("LINE1", ClientRole::Station, &right, START)
        .unwrap();
    enrol(&register, &right, [7; 32]).unwrap();
    register
        .invite("LINE2", ClientRole::Station, &right, START)
        .unwrap();
    let mut writer = open();
    writer.begin(&Needs::default()).unwrap();
    let known = register.find(&[7; 32]).unwrap();
    assert_eq!(known.unwrap().name, "LINE1");
    assert_eq!(register.clients().unwrap().len(), 1);
    let wrong = enrol(&register, &[3; 32], [8; 32]);
    assert!(
        matches!(
            wrong,
            Err(RegisterError::Client(ClientRefused::NoInvitation))
        ),
        "{wrong:?}"
    );
    let busy = enrol(&register, &right, [8; 32]);
    assert!(matches!(busy, Err(RegisterError::Store(_))), "{busy:?}");
    writer.abandon();
    enrol(&register, &right, [8; 32]).unwrap();
    let again = enrol(&register, &right, [9; 32]);
    assert!(
        matches!(
            again,
            Err(RegisterError::Client(ClientRefused::NoInvitation))
        ),
        "{again:?}"
    );
}
