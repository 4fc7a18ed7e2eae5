//! See `fuzz::stores`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    fuzz::stores::run(input);
});
