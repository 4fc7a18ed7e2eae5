//! Secrets that products have shipped with, and those that the tests and the demonstration here use: none belongs in a program.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// Codes, passphrases and keys.
fn secrets() -> Vec<Vec<u8>> {
    let codes: [&[u8]; 20] = [
        b"123456",
        b"1234567",
        b"12345678",
        b"654321",
        b"87654321",
        b"112233",
        b"121212",
        b"123123",
        b"147258",
        b"159753",
        b"648219",
        b"141421356",
        b"27182818",
        b"271828",
        b"161803",
        b"31415926",
        b"correct horse",
        b"changeit",
        b"PRIVATE KEY-----\nM",
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef",
    ];
    let mut all: Vec<Vec<u8>> = codes.iter().map(|code| code.to_vec()).collect();
    all.push((0x40..=0x4F).collect()); // GlobalPlatform's test key
    all
}

/// The secrets that stand in these bytes, as readable text. One that is part of a longer row of rising bytes is a table, no secret.
pub fn found_in(program: &[u8]) -> Vec<String> {
    let rises_into = |at: usize, length: usize| {
        let rising = |low: Option<&u8>, high: Option<&u8>| {
            low.zip(high)
                .is_some_and(|(low, high)| low.checked_add(1) == Some(*high))
        };
        let before = at
            .checked_sub(1)
            .is_some_and(|before| rising(program.get(before), program.get(at)));
        before || rising(program.get(at + length - 1), program.get(at + length))
    };
    let secrets = secrets();
    let mut begins = [false; 256];
    secrets
        .iter()
        .for_each(|secret| begins[usize::from(secret[0])] = true);
    let mut found = BTreeSet::new();
    // Why the table: a program is large, and hardly any place in it can begin a secret.
    for (at, byte) in program.iter().enumerate() {
        if !begins[usize::from(*byte)] {
            continue;
        }
        let here = secrets
            .iter()
            .filter(|secret| program[at..].starts_with(secret) && !rises_into(at, secret.len()));
        found.extend(here.map(|secret| secret.escape_ascii().to_string()));
    }
    found.into_iter().collect()
}

/// The program in this file as it is loaded: without symbols and debug information, whose hashes are full of digits.
pub fn stripped(program: &Path) -> Vec<u8> {
    let name = program.file_name().unwrap_or_default().to_string_lossy();
    let stripped = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
    let strip = Command::new("strip")
        .arg("-o")
        .arg(&stripped)
        .arg(program)
        .status();
    assert!(
        strip.is_ok_and(|status| status.success()),
        "strip, which comes with every linker, failed"
    );
    let bytes = std::fs::read(&stripped);
    let removed = std::fs::remove_file(&stripped);
    bytes
        .and_then(|bytes| removed.map(|()| bytes))
        .unwrap_or_else(|error| panic!("{}: {error}", stripped.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_and_a_table_is_none() {
        assert_eq!(found_in(b"..\xff123456\0.."), ["123456"]);
        assert!(found_in(b"0123456789abcdef").is_empty());
        let all: Vec<u8> = (0..=255).collect();
        assert!(found_in(&all).is_empty());
        assert_eq!(found_in(&all[0x40..0x50]).len(), 1);
    }
}
