//! See `fuzz::framing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    fuzz::framing::run(input);
});
