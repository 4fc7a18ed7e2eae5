//! Random histories with power cuts at random places, against a plain map.

use journal::sim::{Loss, Random, SimDisk};
use proptest::prelude::*;

use crate::model::{Model, Step, contents, create, open, shows};

const HISTORIES: u64 = 48;
const BOOTS: usize = 3;
const STEPS: usize = 8;
const CUTS_PER_OPERATION: u64 = 4;

/// A random commit, or now and then a compaction. Values are unique, so that each can be searched for.
fn random_step(random: &mut Random, unique: &mut u32) -> Step {
    if random.below(9) == 0 {
        return Step::Compact;
    }
    let mut lines = Vec::new();
    for key in [b"a".as_slice(), b"bb", b"tries", b"slot/1", b"slot/2"] {
        match random.below(6) {
            0 | 1 => {
                *unique += 1;
                let mut value = format!("secret {unique:08}").into_bytes();
                value.resize(value.len() + random.below(40), b'.');
                lines.push((key.to_vec(), Some(value)));
            }
            2 => lines.push((key.to_vec(), None)),
            _ => {}
        }
    }
    Step::Commit(lines)
}

/// A step, the operations it took, and what the journal held before and after.
struct Taken {
    first: usize,
    end: usize,
    before: Model,
    after: Model,
}

/// Cuts the power at each operation of `disk` in several ways; returns how many cuts that were.
fn cut_all(
    disk: &SimDisk,
    opened_at: usize,
    taken: &[Taken],
    secrets: &[Vec<u8>],
    seed: u64,
) -> u64 {
    let mut cuts = 0;
    let mut random = Random(seed);
    let opened_with = &taken.first().unwrap().before;
    for operation in 0..=disk.operations().len() {
        let step = taken
            .iter()
            .find(|step| (step.first..step.end).contains(&operation));
        let (before, after) = match step {
            Some(step) => (&step.before, &step.after),
            None if operation < opened_at => (opened_with, opened_with),
            None => (&taken.last().unwrap().after, &taken.last().unwrap().after),
        };
        for _ in 0..CUTS_PER_OPERATION {
            cuts += 1;
            let (torn, loss) = (random.below(400), Loss::Seeded(random.bits()));
            let crashed = disk.crashed_at(operation, torn, loss);
            let case =
                format!("seed {seed}, operation {operation}, {torn} bytes arrived, {loss:?}");
            let journal = open(&crashed).unwrap_or_else(|error| panic!("{case}: {error}"));
            let found = contents(&journal);
            assert!(found == *before || found == *after, "{case}: {found:?}");
            // The append is a step's first operation and its barrier the second: after that nothing may be lost.
            let acknowledged = step.is_some_and(|step| operation > step.first + 1);
            assert!(!acknowledged || found == *after, "{case}: lost");
            let medium = crashed.after_power_cut(Loss::Everything).content();
            let readable = secrets.iter().filter(|secret| shows(&medium, secret));
            for secret in readable {
                assert!(
                    found.values().any(|value| value == secret),
                    "{case}: a dead secret is readable"
                );
            }
        }
    }
    cuts
}

#[test]
fn random_histories_survive_twenty_thousand_power_cuts() {
    let mut cuts = 0;
    for history in 0..HISTORIES {
        let mut random = Random(history);
        let (mut unique, mut secrets) = (0, Vec::new());
        let mut disk = SimDisk::new();
        create(&disk);
        for boot in 0..BOOTS {
            disk = disk.after_power_cut(Loss::Nothing);
            let mut journal = open(&disk).unwrap();
            let opened_at = disk.operations().len();
            let mut model = contents(&journal);
            let mut taken = Vec::new();
            for _ in 0..STEPS {
                let step = random_step(&mut random, &mut unique);
                let first = disk.operations().len();
                step.take(&mut journal).unwrap();
                secrets.extend(step.values());
                let after = step.after(&model);
                assert_eq!(contents(&journal), after);
                let end = disk.operations().len();
                taken.push(Taken {
                    first,
                    end,
                    before: model,
                    after: after.clone(),
                });
                model = after;
            }
            cuts += cut_all(
                &disk,
                opened_at,
                &taken,
                &secrets,
                history * 100 + boot as u64,
            );
            // The next boot goes on from a random crash of this one.
            let operations = disk.operations().len();
            disk = disk.crashed_at(
                random.below(operations + 1),
                random.below(400),
                Loss::Seeded(random.bits()),
            );
        }
    }
    assert!(cuts >= 20_000, "only {cuts} cuts");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_reopened_journal_holds_what_a_map_would(
        commits in prop::collection::vec(
            prop::collection::btree_map(
                prop::collection::vec(any::<u8>(), 1..4),
                prop::option::of(prop::collection::vec(any::<u8>(), 0..60)),
                0..5,
            ),
            0..12,
        ),
    ) {
        let disk = SimDisk::new();
        let mut journal = create(&disk);
        let mut model = Model::new();
        for commit in commits {
            let step = Step::Commit(commit.into_iter().collect());
            step.take(&mut journal).unwrap();
            model = step.after(&model);
        }
        prop_assert_eq!(&contents(&journal), &model);
        prop_assert_eq!(&contents(&open(&disk).unwrap()), &model);
        for (key, value) in &model {
            prop_assert_eq!(journal.read(key).unwrap(), Some(value.as_slice()));
        }
    }

    #[test]
    fn any_bytes_behind_a_good_start_are_opened_or_refused_without_a_panic(
        tail in prop::collection::vec(any::<u8>(), 0..400),
        magic in any::<bool>(),
    ) {
        let disk = SimDisk::new();
        let mut journal = create(&disk);
        let put = Step::put("key", "value");
        put.take(&mut journal).unwrap();
        let mut content = disk.content();
        if magic {
            content.extend_from_slice(b"TJF1");
        }
        content.extend_from_slice(&tail);
        let journal = open(&SimDisk::with_content(content)).unwrap();
        prop_assert_eq!(contents(&journal), put.after(&Model::new()));
    }
}
