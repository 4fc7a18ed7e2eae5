//! `tally` over a real pcscd with a real vpcd: run by `cargo xtask lane`.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

mod desk;

use desk::Desk;

/// ST-08, ST-20, ST-26, ST-27: insertion is noticed, set-up runs once, a second process reconnects, large objects pass.
#[test]
fn two_processes_meet_one_card_over_a_real_reader() {
    let desk = Desk::with_reader();
    let first = desk.ok(&["session"], &["--output-format", "json"]);
    assert!(first.contains("\"pairedNow\": true"), "{first}");
    let second = desk.tally(
        &["session"],
        &["--pairing", "never", "--output-format", "json"],
    );
    let second = String::from_utf8(second.stdout).unwrap();
    assert!(second.contains("\"pairedNow\": false"), "{second}");
    let content: Vec<u8> = (0..32_768u32)
        .map(|n| u8::try_from(n % 251).unwrap())
        .collect();
    std::fs::write(desk.path("in"), &content).unwrap();
    desk.ok(&["vault", "put", "note", "in"], &[]);
    desk.ok(&["vault", "get", "note", "--out", "out"], &[]);
    assert_eq!(std::fs::read(desk.path("out")).unwrap(), content);
}

/// Two processes on one reader: each waits for the other's session and gets its own.
#[test]
fn two_processes_at_once_do_not_disturb_each_other() {
    let desk = Desk::with_reader();
    desk.ok(&["session"], &[]);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| (0..5).for_each(|_| drop(desk.ok(&["counter", "add", "1"], &[]))))
            })
            .collect();
        workers
            .into_iter()
            .for_each(|worker| worker.join().unwrap());
    });
    assert_eq!(desk.ok(&["counter", "show"], &[]), "10 of 1000000\n");
}
