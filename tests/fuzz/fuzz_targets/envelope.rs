//! Any bytes are an envelope or a named refusal. The corpus is replayed by a plain test.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(envelope) = vitrine::host::read_envelope(bytes) {
        envelope.blob("blob");
    }
});
