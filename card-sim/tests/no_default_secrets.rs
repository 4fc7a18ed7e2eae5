//! T34: the program itself holds no code, passphrase or key. With `--profile dist` it is the program that is installed.

use test_vectors::defaults::{found_in, stripped};
use test_vectors::evidence::report;

/// T34: a card that is made has no PIN, no PUK and no key.
#[test]
fn the_program_holds_no_default_secret() {
    let program = stripped(env!("CARGO_BIN_EXE_card-sim").as_ref());
    assert!(program.len() > 100_000);
    assert_eq!(found_in(&program), [""; 0]);
    report(
        "T34",
        1,
        format_args!(
            "card-sim, {} bytes, scanned for default secrets",
            program.len()
        ),
    );
}
