//! T34: the program itself holds no code, passphrase or key. With `--profile dist` it is the program that is installed.

use test_vectors::defaults::{found_in, stripped};
use test_vectors::evidence::report;

/// T34: an authority draws its key, and a person chooses its passphrase.
#[test]
fn the_program_holds_no_default_secret() {
    let program = stripped(env!("CARGO_BIN_EXE_certify").as_ref());
    assert!(program.len() > 100_000);
    assert_eq!(found_in(&program), [""; 0]);
    report(
        "T34",
        1,
        format_args!(
            "certify, {} bytes, scanned for default secrets",
            program.len()
        ),
    );
}
