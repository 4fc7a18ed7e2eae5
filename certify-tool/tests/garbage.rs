//! Garbage of any kind in any file: a clear line, an exit code, nothing changed, no panic.

mod support;

use support::Desk;

/// Content that is no certificate, no request, no list.
fn garbage(desk: &Desk) -> Vec<(&'static str, Vec<u8>)> {
    let root = desk.read("ca/root.cvcert");
    let root_pem = desk.run("export root").succeeds().stdout;
    let half_pem = root_pem.get(..root_pem.len() / 2).unwrap_or_default();
    let half = root.get(..root.len() / 2).unwrap_or_default();
    let other_label = String::from_utf8_lossy(&root_pem).replace("CV CERTIFICATE", "CERTIFICATE");
    let noise = (0..4_096_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24).to_le_bytes()[0]);
    vec![
        ("empty", Vec::new()),
        ("one byte", vec![0x7F]),
        ("text", b"dear diary".to_vec()),
        ("noise", noise.collect()),
        ("huge line", vec![b'A'; 10_000_000]),
        ("half a certificate", half.to_vec()),
        ("trailing byte", [&root[..], &[0]].concat()),
        ("half a PEM", half_pem.to_vec()),
        ("PEM of another label", other_label.into_bytes()),
        (
            "PEM without content",
            b"-----BEGIN CV CERTIFICATE-----\n-----END CV CERTIFICATE-----\n".to_vec(),
        ),
        (
            "PEM with noise",
            b"-----BEGIN CV CERTIFICATE-----\n\xFF\xFE!\n-----END CV CERTIFICATE-----\n".to_vec(),
        ),
        (
            "length without end",
            vec![0x7F, 0x21, 0x84, 0xFF, 0xFF, 0xFF, 0xFF],
        ),
        (
            "nested to the bottom",
            [0x7F, 0x21, 0x82, 0x40, 0x00].repeat(2_000),
        ),
        ("escape sequences", b"-----BEGIN \x1b[2J-----\n".to_vec()),
    ]
}

#[test]
fn garbage_in_any_input_file_is_a_clear_refusal_and_changes_nothing() {
    let desk = Desk::with_authority();
    let before = desk.snapshot();
    for (label, content) in garbage(&desk) {
        desk.write("garbage", &content);
        for line in [
            "inspect garbage",
            "verify garbage --root ca/root.cvcert",
            "verify ca/root.cvcert --root garbage",
            "verify ca/root.cvcert --root ca/root.cvcert --link garbage",
            "verify ca/root.cvcert --root ca/root.cvcert --list garbage",
            "terminal --request garbage --out out --passphrase-file passphrase",
        ] {
            let ran = desk.run(line);
            assert!(
                matches!(ran.code, Some(1 | 3)),
                "{label}: {line}: {:?}",
                ran.code
            );
            assert!(
                ran.stderr.starts_with("certify: "),
                "{label}: {line}: {}",
                ran.stderr
            );
            assert_eq!(
                ran.stderr.lines().count(),
                1,
                "{label}: {line}: {}",
                ran.stderr
            );
            assert!(!ran.stderr.contains('\u{1b}'), "{label}: {line}");
            assert!(ran.stdout.is_empty(), "{label}: {line}");
        }
        let ran = desk.pipe("inspect -", &content);
        assert!(matches!(ran.code, Some(1 | 3)), "{label} by standard input");
        assert!(desk.snapshot() == before, "{label}");
    }
}

#[test]
fn garbage_in_the_authoritys_own_files_stops_every_verb_and_changes_nothing() {
    let desk = Desk::with_authority();
    for file in ["ca/authority.db", "ca/root.cvcert", "ca/key.pem"] {
        let good = desk.read(file);
        for (label, content) in garbage(&desk) {
            desk.write(file, &content);
            let before = desk.snapshot();
            let ran = desk.run("status-list publish --passphrase-file passphrase");
            assert!(
                matches!(ran.code, Some(1 | 3 | 4)),
                "{file}: {label}: {:?}",
                ran.code
            );
            assert!(
                ran.stderr.starts_with("certify: ca/"),
                "{file}: {label}: {}",
                ran.stderr
            );
            assert_eq!(
                ran.stderr.lines().count(),
                1,
                "{file}: {label}: {}",
                ran.stderr
            );
            assert!(desk.snapshot() == before, "{file}: {label}");
            desk.write(file, &good);
        }
    }
    desk.run("status-list publish --passphrase-file passphrase")
        .succeeds();
}

#[test]
fn secrets_in_files_that_hold_none_are_refused() {
    let desk = Desk::with_authority();
    for (content, code, says) in [
        (&b""[..], 2, "a PIN is 6 to 12 digits"),
        (b"12345\n", 2, "a PIN is 6 to 12 digits"),
        (b"1234567890123", 2, "a PIN is 6 to 12 digits"),
        (b"12345a", 2, "a PIN is 6 to 12 digits"),
        (&[b'1'; 100_000], 1, "its first line is too long"),
    ] {
        desk.write("bad", content);
        desk.run("card --listen 127.0.0.1:0 --pin-file bad --passphrase-file passphrase")
            .fails(code, says);
    }
    desk.write("bad", b"1234567");
    desk.run(
        "card --listen 127.0.0.1:0 --pin-file pin --puk-file bad --passphrase-file passphrase",
    )
    .fails(2, "a PUK is 8 to 16 digits");
    desk.run("card --listen 127.0.0.1:0 --pin-file nofile --passphrase-file passphrase")
        .fails(1, "cannot read nofile");
}

#[test]
fn a_file_that_never_ends_is_read_only_so_far() {
    let desk = Desk::with_authority();
    desk.run("inspect /dev/zero")
        .fails(1, "is longer than any certificate");
    desk.run("inspect ca").fails(1, "cannot read ca");
    desk.run("status-list publish --passphrase-file /dev/zero")
        .fails(1, "its first line is too long");
}
