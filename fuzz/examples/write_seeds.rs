//! Writes the seeds anew: `cargo run --no-default-features --example write_seeds`, in this folder.
#![expect(clippy::unwrap_used, reason = "a tool of the workshop may stop")]

use fuzz::seeds;
use std::fs;
use std::path::Path;

fn main() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
    fs::remove_dir_all(&folder).unwrap();
    for seed in seeds::all() {
        fs::create_dir_all(folder.join(seed.target)).unwrap();
        fs::write(folder.join(seed.target).join(&seed.name), &seed.bytes).unwrap();
    }
}
