//! See `fuzz::terminal`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    fuzz::terminal::run(input);
});
