//! Another process's writable memory, searched for parts of secrets.

use super::secrets::Known;
use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;

/// So many bytes of a secret in a row are a find. Shorter secrets are looked for whole.
pub const WINDOW: usize = 16;

/// Where parts of secrets were found.
#[derive(Default)]
pub struct Finds {
    /// How many windows of each secret, and the first few addresses.
    pub by_name: BTreeMap<String, Vec<(String, u64)>>,
    /// Bytes that were looked at.
    pub searched: u64,
}

/// Searches all memory that the process can write.
pub fn search(process: u32, secrets: &[Known]) -> Finds {
    let mut windows: HashMap<&[u8], Vec<&Known>> = HashMap::new();
    let mut lengths = vec![WINDOW];
    for known in secrets {
        let length = WINDOW.min(known.bytes.len());
        lengths.push(length);
        for window in known.bytes.windows(length) {
            windows.entry(window).or_default().push(known);
        }
    }
    lengths.sort_unstable();
    lengths.dedup();
    // Most places in memory begin no window: one look at two bytes sorts them out.
    let mut begins = vec![false; 1 << 16];
    for window in windows.keys() {
        begins[usize::from(u16::from_be_bytes([window[0], window[1]]))] = true;
    }
    let memory = File::open(format!("/proc/{process}/mem")).unwrap();
    let mut finds = Finds::default();
    for (name, start, end) in writable(process) {
        let mut bytes = vec![0; usize::try_from(end - start).unwrap()];
        memory
            .read_exact_at(&mut bytes, start)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        finds.searched += end - start;
        for at in 0..bytes.len().saturating_sub(1) {
            let two = u16::from_be_bytes([bytes[at], bytes[at + 1]]);
            if !begins[usize::from(two)] {
                continue;
            }
            for length in &lengths {
                let found = bytes
                    .get(at..at + length)
                    .and_then(|part| windows.get(part));
                for known in found.into_iter().flatten() {
                    let places = finds.by_name.entry(known.name.clone()).or_default();
                    places.push((name.clone(), start + at as u64));
                }
            }
        }
    }
    finds
}

/// Name, start and end of each region that can be written.
fn writable(process: u32) -> Vec<(String, u64, u64)> {
    let maps = fs::read_to_string(format!("/proc/{process}/maps")).unwrap();
    let number = |text| u64::from_str_radix(text, 16).unwrap();
    maps.lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let (start, end) = words.next()?.split_once('-')?;
            let rights = words.next()?;
            let name = words.nth(3).unwrap_or("anonymous").to_owned();
            rights
                .starts_with("rw")
                .then(|| (name, number(start), number(end)))
        })
        .collect()
}
