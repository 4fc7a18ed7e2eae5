//! A program says with what it was built, so that nobody has to try.

use std::process::Command;

#[test]
fn the_version_names_the_features_that_are_built_in_and_no_others() {
    let output = Command::new(env!("CARGO_BIN_EXE_tally"))
        .arg("--version")
        .output()
        .unwrap();
    assert!(output.status.success());
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(said.contains("pcsc"), cfg!(feature = "pcsc"), "{said}");
    assert!(said.contains(env!("CARGO_PKG_VERSION")), "{said}");
}
