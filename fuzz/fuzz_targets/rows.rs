#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| afterfin_fuzz::rows::run(data));
