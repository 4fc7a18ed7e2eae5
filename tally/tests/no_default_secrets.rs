//! T34: the program itself holds no code, passphrase or key. With `--profile dist` it is the program that is installed.

use test_vectors::defaults::{found_in, stripped};
use test_vectors::evidence::report;

/// T34: but for the codes that the demonstration says aloud, for a card that lives as long as the demonstration. A compiler may keep so
/// short a text inside an instruction, where nobody finds it, so the scan has to find one that is put there.
#[test]
fn the_program_holds_no_default_secret() {
    let program = stripped(env!("CARGO_BIN_EXE_tally").as_ref());
    assert!(program.len() > 100_000);
    let said_aloud = ["271828", "31415926"];
    let others = |found: Vec<String>| -> Vec<String> {
        let mut found = found;
        found.retain(|code| !said_aloud.contains(&code.as_str()));
        found
    };
    assert_eq!(others(found_in(&program)), [""; 0]);
    let marked = [&program[..], b"\x00648219\x00"].concat();
    assert_eq!(others(found_in(&marked)), ["648219"]);
    report(
        "T34",
        1,
        format_args!(
            "tally, {} bytes, scanned for default secrets",
            program.len()
        ),
    );
}
