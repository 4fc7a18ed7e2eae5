//! A card whose known answers are wrong serves nobody.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

use apdu::crypto::KnownAnswers;
use apdu::message::select;
use card_sim::body::VirtualCard;
use card_sim::vpcd::Body;
use conformance::authority::{CARD, card};
use conformance::evidence::report;
use getrandom::SysRng;

/// All headers of two parameter pairs, bare; and SELECT, which every other card answers.
fn commands() -> impl Iterator<Item = Vec<u8>> {
    let select = select::COMMAND.encode().unwrap();
    let headers = (0..=u16::MAX).map(|head| {
        let [cla, ins] = head.to_be_bytes();
        vec![cla, ins, 0x00, 0x81]
    });
    headers.chain([select])
}

/// T38: one wrong bit in any one of the nine known answers, and the card answers 6F00 to every class and instruction, after every
/// reset and restart, and stores nothing. The same card with the right answers is in use.
#[test]
fn a_card_with_one_wrong_known_answer_refuses_everything() {
    let disk = card(CARD);
    let before = disk.copy();
    let damages: [fn(&mut KnownAnswers); 9] = [
        |known| known.block[0] ^= 1,
        |known| known.chained[15] ^= 0x80,
        |known| known.mac[7] ^= 4,
        |known| known.derived[31] ^= 1,
        |known| known.hash[0] ^= 0x10,
        |known| known.keyed_hash[16] ^= 1,
        |known| known.expanded[41] ^= 2,
        |known| known.agreed[1] ^= 1,
        |known| known.signature[63] ^= 1,
    ];
    let mut refused = 0;
    for damage in damages {
        let mut known = KnownAnswers::PUBLISHED;
        damage(&mut known);
        let outcome = known.check();
        assert!(outcome.is_err());
        let mut body = VirtualCard::after_self_test(disk.clone(), SysRng, outcome);
        for command in commands() {
            assert_eq!(
                body.transmit(&command),
                [0x6F, 0x00],
                "{outcome:?}: {command:02X?}"
            );
            refused += 1;
        }
        for again in [
            VirtualCard::power_off,
            VirtualCard::reset,
            VirtualCard::power_on,
        ] {
            again(&mut body);
            assert_eq!(
                body.transmit(&select::COMMAND.encode().unwrap()),
                [0x6F, 0x00]
            );
        }
    }
    assert!(disk.same_content(&before));
    for mut sound in [
        VirtualCard::new(disk.clone(), SysRng),
        VirtualCard::after_self_test(disk, SysRng, KnownAnswers::PUBLISHED.check()),
    ] {
        let answer = sound.transmit(&select::COMMAND.encode().unwrap());
        assert!(answer.ends_with(&[0x90, 0x00]) && answer.len() == 115);
    }
    report(
        "T38",
        refused,
        "commands to cards with one wrong known answer of nine, all refused with 6F00",
    );
}
