#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| conntop_properties::check("auth", bytes));
