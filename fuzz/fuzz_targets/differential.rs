//! See `fuzz::differential`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    fuzz::differential::run(input);
});
