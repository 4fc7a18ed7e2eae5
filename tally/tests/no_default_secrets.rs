//! T34: the program itself holds no code, passphrase or key. With `--release` it is the program that is shipped.

use test_vectors::defaults::{found_in, stripped};
use test_vectors::evidence::report;

/// T34: but for the codes that the demonstration says aloud, for a card that lives as long as the demonstration. So the scan can find.
#[test]
fn the_program_holds_no_default_secret() {
    let program = stripped(env!("CARGO_BIN_EXE_tally").as_ref());
    assert!(program.len() > 100_000);
    assert_eq!(found_in(&program), ["271828", "31415926"]);
    report(
        "T34",
        1,
        format_args!(
            "tally, {} bytes, scanned for default secrets",
            program.len()
        ),
    );
}
