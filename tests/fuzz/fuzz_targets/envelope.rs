//! Any bytes are an envelope or a named refusal, where long texts are left out and where they
//! are too short for that. The corpus is replayed by plain tests.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vitrine::host::{read_envelope, read_envelope_with};

fuzz_target!(|bytes: &[u8]| {
    for envelope in [read_envelope(bytes), read_envelope_with(bytes, 64)].into_iter().flatten() {
        envelope.blob("blob");
    }
});
