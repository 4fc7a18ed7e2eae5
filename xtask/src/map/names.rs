//! Which words may stand in which file.

use std::collections::BTreeMap;

use super::Violation;
use super::arrows::ALGORITHMS;
use crate::source::{Source, words};
use crate::workspace::{Package, Tree, owner};

/// Words that stand in no file at all.
const NOWHERE: [(&str, &str); 4] = [
    ("unsafe", ""),
    ("todo", "!"),
    ("unimplemented", "!"),
    ("dbg", "!"),
];

/// The one file with unsafe code: it speaks to valgrind.
const UNSAFE_FILE: &str = "ct/src/memcheck.rs";

/// Words that panic when nobody receives what they print; in programs and libraries [`QUIET`] says so, `host::output` has others.
const PRINTING: [&str; 4] = ["println", "eprintln", "print", "eprint"];
/// What a person's work may depend on.
const QUIET: [&str; 8] = [
    "apdu",
    "authority",
    "card-core",
    "card-sim",
    "certify-tool",
    "journal",
    "tally",
    "terminal-lib",
];

/// Packages without an operating system.
const BARE: [&str; 2] = ["apdu", "card-core"];

/// Where the reader's library may be named.
const READER_FILE: &str = "terminal-lib/src/transport/pcsc.rs";
/// Where the card's side may name sockets.
const SOCKET_FILE: &str = "card-sim/src/vpcd.rs";
/// Where algorithms may be named.
const CRYPTO_FOLDER: &str = "apdu/src/crypto";

/// Checks every file. `reached` says of a file whether the product contains it, or only its tests do.
pub fn check(
    packages: &[Package],
    files: &Tree,
    reached: &BTreeMap<String, bool>,
) -> Vec<Violation> {
    let mut found = Vec::new();
    for (path, text) in files.iter().filter(|(path, _)| path.ends_with(".rs")) {
        let source = Source::new(text);
        let mut complain = |position: usize, reason: String| {
            found.push(Violation {
                path: path.clone(),
                line: source.line(position),
                reason,
            });
        };
        for (word, mark) in NOWHERE {
            if word == "unsafe" && path == UNSAFE_FILE {
                continue;
            }
            for position in words(&source.code, word)
                .filter(|at| followed_by(&source.code, at + word.len(), mark))
            {
                complain(
                    position,
                    format!("`{word}{mark}` is not for this workspace"),
                );
            }
        }
        let in_product = reached.get(path).copied().unwrap_or(true) && path.contains("/src/");
        let Some(package) = owner(packages, path).filter(|_| in_product) else {
            continue;
        };
        let name = package.name.as_str();
        let product = &source.product;
        if QUIET.contains(&name) {
            for word in PRINTING {
                for position in
                    words(product, word).filter(|at| followed_by(product, at + word.len(), "!"))
                {
                    complain(
                        position,
                        format!("`{word}!` panics when nobody receives it: host::output"),
                    );
                }
            }
        }
        if BARE.contains(&name) {
            for position in crate_names(product, "std") {
                complain(
                    position,
                    format!("{name} has no operating system: no `std`"),
                );
            }
        }
        if name == "card-sim" && path != SOCKET_FILE {
            for (position, _) in product.match_indices("std::net") {
                complain(position, format!("sockets are for {SOCKET_FILE}"));
            }
        }
        if path != READER_FILE {
            for position in crate_names(product, "pcsc") {
                complain(
                    position,
                    format!("the reader's library is for {READER_FILE}"),
                );
            }
        }
        for algorithm in ALGORITHMS.map(|name| name.replace('-', "_")) {
            if may_calculate(path, &algorithm) {
                continue;
            }
            for position in crate_names(product, &algorithm) {
                complain(position, format!("`{algorithm}` is for {CRYPTO_FOLDER}"));
            }
        }
    }
    found
}

fn may_calculate(path: &str, algorithm: &str) -> bool {
    let below = path
        .strip_prefix(CRYPTO_FOLDER)
        .is_some_and(|rest| rest.starts_with(['/', '.']));
    // A digest finds damage in the record file, it protects nothing. A bench compares with the bare algorithms.
    below || (path.starts_with("journal/src/") && algorithm == "sha2") || path.starts_with("bench/")
}

fn followed_by(code: &str, position: usize, mark: &str) -> bool {
    code.get(position..)
        .is_some_and(|rest| rest.trim_start().starts_with(mark))
}

/// Where a crate is named: `name::`, `use name;`, `use name as`, `extern crate name`, and not a module of the same name.
fn crate_names<'t>(code: &'t str, name: &'t str) -> impl Iterator<Item = usize> + 't {
    let module_here = is_module_here(code, name);
    words(code, name).filter(move |position| {
        let before = code.get(..*position).unwrap_or_default().trim_end();
        let after = code
            .get(position + name.len()..)
            .unwrap_or_default()
            .trim_start();
        let first_of_path = !before.ends_with("::") || before.ends_with(" ::");
        let used = before.ends_with("use") || before.ends_with("extern crate");
        (after.starts_with("::") || used)
            && first_of_path
            && !in_use_group(before)
            && (used || !module_here)
    })
}

/// Whether the file makes or imports a module of that name.
fn is_module_here(code: &str, name: &str) -> bool {
    words(code, name).any(|position| {
        let before = code.get(..position).unwrap_or_default().trim_end();
        let after = code
            .get(position + name.len()..)
            .unwrap_or_default()
            .trim_start();
        let imported = before.ends_with("::") || in_use_group(before);
        before.ends_with("mod") || (imported && after.starts_with([';', ',', '}']))
    })
}

/// Whether a text ends inside `use path::{`.
fn in_use_group(before: &str) -> bool {
    let statement = before.rsplit(';').next().unwrap_or_default();
    let in_group = before.ends_with(['{', ',']) && statement.contains("::{");
    in_group && words(statement, "use").next().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The complaints about one file in a package of that folder.
    fn complaints(folder: &str, path: &str, text: &str) -> Vec<String> {
        let name = if folder == "card-sim/core" {
            "card-core"
        } else {
            folder
        };
        let package = Package {
            name: name.into(),
            folder: folder.into(),
            ..Package::default()
        };
        let files = Tree::from([(format!("{folder}/{path}"), text.to_owned())]);
        check(&[package], &files, &BTreeMap::new())
            .iter()
            .map(Violation::to_string)
            .collect()
    }

    fn fine(folder: &str, path: &str, text: &str) {
        assert_eq!(
            complaints(folder, path, text),
            [""; 0],
            "{folder}/{path}: {text}"
        );
    }

    fn wrong(folder: &str, path: &str, text: &str) {
        assert_eq!(
            complaints(folder, path, text).len(),
            1,
            "{folder}/{path}: {text}"
        );
    }

    #[test]
    fn what_panics_when_nobody_receives_it_is_in_no_program() {
        wrong("tally", "src/main.rs", "fn a() { println!(\"b\") }");
        wrong("authority", "src/main.rs", "fn a() { eprintln!(\"b\") }");
        fine(
            "tally",
            "src/main.rs",
            "fn a() { host::output::note(\"b\") }",
        );
        fine("tally", "tests/a.rs", "fn a() { println!(\"b\") }");
        fine("xtask", "src/main.rs", "fn a() { println!(\"b\") }");
    }

    #[test]
    fn unfinished_and_unsafe_code_is_nowhere_not_even_in_tests() {
        for text in [
            "fn a() { todo!() }",
            "fn a() { unimplemented! (\"x\") }",
            "fn a() { dbg!(1); }",
            "unsafe impl A {}",
        ] {
            wrong("tally", "src/lib.rs", text);
            wrong("tally", "tests/a.rs", text);
            wrong(
                "tally",
                "src/lib.rs",
                &format!("#[cfg(test)]\nmod tests {{ {text} }}"),
            );
        }
        for text in [
            "// todo!()",
            "let todo = 1;",
            "#![forbid(unsafe_code)]",
            "let s = \"dbg!\";",
        ] {
            fine("tally", "src/lib.rs", text);
        }
    }

    #[test]
    fn unsafe_code_is_in_the_one_file_that_speaks_to_valgrind() {
        fine("ct", "src/memcheck.rs", "unsafe { a() }");
        wrong("ct", "src/memcheck.rs", "fn a() { todo!() }");
        wrong("ct", "src/lib.rs", "unsafe { a() }");
        wrong("tally", "src/memcheck.rs", "unsafe { a() }");
    }

    #[test]
    fn a_complaint_names_file_and_line() {
        let text = "fn a() {}\n\nfn b() { dbg!(1); }\n";
        assert_eq!(
            complaints("tally", "src/a.rs", text),
            ["tally/src/a.rs:3: `dbg!` is not for this workspace"]
        );
    }

    #[test]
    fn algorithms_are_named_only_in_the_crypto_folder() {
        for text in [
            "use aes::Aes128;",
            "type A = aes::Aes128;",
            "use aes;",
            "use elliptic_curve::X;",
            "use ::aes::X;",
        ] {
            fine("apdu", "src/crypto/block.rs", text);
            wrong("apdu", "src/channel/seal.rs", text);
            wrong("authority", "src/lib.rs", text);
            wrong("apdu", "src/cryptography.rs", text);
        }
        fine("apdu", "src/crypto.rs", "use aes::Aes128;");
        fine("journal", "src/lib.rs", "use sha2::Sha256;");
        wrong("journal", "src/lib.rs", "use aes::Aes128;");
    }

    #[test]
    fn a_module_with_the_name_of_an_algorithm_is_not_the_algorithm() {
        for text in [
            "use crate::crypto::hmac::Tag;",
            "use crate::crypto::{cmac::Mac, hmac::Tag};",
            "mod hmac; fn a() { hmac::tag() }",
            "use crate::crypto::hmac; fn a() { hmac::tag() }",
            "use crate::crypto::{cmac, hmac}; fn a() { hmac::tag() }",
            "let hmac = 1;",
        ] {
            fine("apdu", "src/channel/seal.rs", text);
        }
        wrong(
            "apdu",
            "src/channel/seal.rs",
            "use crate::{a}; use hmac::Hmac;",
        );
    }

    #[test]
    fn a_test_may_name_an_algorithm_for_a_second_opinion() {
        fine("apdu", "tests/second.rs", "use aes::Aes128;");
        fine(
            "apdu",
            "src/channel/seal.rs",
            "#[cfg(test)]\nmod tests { use aes::Aes128; }",
        );
    }

    #[test]
    fn the_readers_library_is_named_in_one_file() {
        fine(
            "terminal-lib",
            "src/transport/pcsc.rs",
            "use pcsc::Context;",
        );
        fine(
            "terminal-lib",
            "src/transport/mod.rs",
            "#[cfg(feature = \"pcsc\")] pub mod pcsc;",
        );
        fine(
            "tally",
            "src/main.rs",
            "use terminal_lib::transport::pcsc::Reader;",
        );
        wrong("terminal-lib", "src/transport/mod.rs", "use pcsc::Context;");
        wrong(
            "tally",
            "src/main.rs",
            "fn a() { pcsc::Context::establish() }",
        );
    }

    #[test]
    fn the_cards_sockets_are_in_one_file() {
        fine("card-sim", "src/vpcd.rs", "use std::net::TcpStream;");
        wrong("card-sim", "src/main.rs", "use std::net::TcpStream;");
        fine("card-sim", "tests/vpcd.rs", "use std::net::TcpListener;");
        fine(
            "terminal-lib",
            "src/transport/listener.rs",
            "use std::net::TcpListener;",
        );
    }

    #[test]
    fn wire_and_card_know_no_operating_system_except_in_tests() {
        for folder in ["apdu", "card-sim/core"] {
            wrong(folder, "src/lib.rs", "use std::time::Instant;");
            fine(folder, "src/lib.rs", "use core::time::Duration;");
            fine(
                folder,
                "src/lib.rs",
                "#[cfg(test)]\nmod tests { use std::vec; }",
            );
            fine(folder, "tests/a.rs", "use std::fs;");
        }
        fine("card-sim", "src/lib.rs", "use std::time::Instant;");
    }

    #[test]
    fn a_file_that_only_tests_contain_may_use_the_operating_system() {
        let package = Package {
            name: "apdu".into(),
            folder: "apdu".into(),
            ..Package::default()
        };
        let path = "apdu/src/checks.rs".to_owned();
        let files = Tree::from([(path.clone(), "use std::fs;".to_owned())]);
        let of = |in_product| {
            check(
                std::slice::from_ref(&package),
                &files,
                &BTreeMap::from([(path.clone(), in_product)]),
            )
        };
        assert_eq!(of(false), []);
        assert_eq!(of(true).len(), 1);
    }
}
