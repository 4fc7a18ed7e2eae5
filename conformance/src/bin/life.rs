//! `life FOLDER SEED`: lives one life and waits at each moment, so that its memory can be looked at from outside.

use apdu::crypto::sha256;
use conformance::life::{Moment, live};
use std::io::{BufRead, Write};
use std::path::Path;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, seed] = arguments.as_slice() else {
        eprintln!("life FOLDER SEED");
        std::process::exit(2);
    };
    let Ok(seed) = seed.parse() else {
        eprintln!("{seed} is no number");
        std::process::exit(2);
    };
    live(Path::new(folder), seed, [None, None], |moment, heard| {
        match moment {
            Moment::Open => println!("open"),
            Moment::Closed => {
                let said: Vec<u8> = heard
                    .iter()
                    .flat_map(|(command, answer)| [&command[..], &answer[..]].concat())
                    .collect();
                println!("closed {:02x?}", sha256(&[&said]));
            }
        }
        let flushed = std::io::stdout().flush();
        let went_on = std::io::stdin().lock().read_line(&mut String::new());
        assert!(flushed.is_ok() && went_on.is_ok(), "nobody looks");
    });
}
