//! Any bytes, as messages and as a stream: see [`walcast_pgoutput::decode::fuzz_decoder`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| walcast_pgoutput::decode::fuzz_decoder(data));
