//! Bodies as they were before they were encoded.

use std::io::Read as _;

pub fn decoded(body: &[u8], encoding: &str) -> Vec<u8> {
    let mut read = Vec::new();
    match encoding {
        "gzip" => flate2::read::GzDecoder::new(body).read_to_end(&mut read).unwrap(),
        "br" => brotli::Decompressor::new(body, 4_096).read_to_end(&mut read).unwrap(),
        "zstd" => zstd::Decoder::new(body).unwrap().read_to_end(&mut read).unwrap(),
        _ => return body.to_vec(),
    };
    read
}
