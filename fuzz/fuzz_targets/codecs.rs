//! See `fuzz::codecs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    fuzz::codecs::run(input);
});
