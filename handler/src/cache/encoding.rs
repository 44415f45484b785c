//! Content encodings: which one a client wants, and making it.

use std::io::Write as _;
use std::ops::RangeInclusive;

use brotli::enc::BrotliEncoderParams;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

/// A content encoding that this service speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// The plain body.
    Identity,
    /// `gzip`
    Gzip,
    /// `br`
    Brotli,
    /// `zstd`, the form that pages have in the shared cache
    Zstd,
}

/// Bodies below this gain nothing worth a header: a packet holds them anyway.
const BYTES_MIN: usize = 860;

impl Encoding {
    /// The best encoding that an `Accept-Encoding` takes, for a body of so many bytes.
    ///
    /// The client's preference decides, ties go to the form that is ready, then to the smaller
    /// one. What is not named and not forbidden by `*;q=0` may be plain.
    pub fn choose(accept: Option<&str>, bytes: usize, ready: Option<Self>) -> Self {
        let Some(accept) = accept.filter(|_| bytes >= BYTES_MIN) else {
            return Self::Identity;
        };
        let weight = |name: &str| {
            let mut any = None;
            for part in accept.split(',') {
                let (coding, weight) = weighted(part);
                if coding.eq_ignore_ascii_case(name) {
                    return Some(weight);
                }
                if coding == "*" {
                    any = Some(weight);
                }
            }
            any
        };
        let is_identity = |(coding, _): &(&str, u16)| coding.eq_ignore_ascii_case("identity");
        let named_identity = accept.split(',').map(weighted).find(is_identity);
        let mut best = (Self::Identity, named_identity.map_or(0, |(_, weight)| weight));
        for (encoding, weight) in [
            (Self::Zstd, weight("zstd")),
            (Self::Gzip, weight("gzip").or_else(|| weight("x-gzip"))),
            (Self::Brotli, weight("br")),
        ] {
            let weight = weight.unwrap_or(0);
            let wins_ties = Some(best.0) != ready;
            if weight > best.1 || (weight > 0 && weight == best.1 && wins_ties) {
                best = (encoding, weight);
            }
        }
        best.0
    }

    /// The value of `Content-Encoding`; none for the plain body.
    pub fn header(self) -> Option<&'static str> {
        match self {
            Self::Identity => None,
            Self::Gzip => Some("gzip"),
            Self::Brotli => Some("br"),
            Self::Zstd => Some("zstd"),
        }
    }

    /// What its entity tag ends with.
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Identity => "",
            Self::Gzip => "-gz",
            Self::Brotli => "-br",
            Self::Zstd => "-zst",
        }
    }
}

/// `gzip;q=0.5` as its name and its weight in thousandths; a weight that cannot be read is 0.
pub fn weighted(part: &str) -> (&str, u16) {
    let mut parameters = part.split(';').map(str::trim);
    let name = parameters.next().unwrap_or_default();
    let quality = parameters.find_map(|p| p.strip_prefix("q=").or_else(|| p.strip_prefix("Q=")));
    (name, quality.map_or(1_000, thousandths))
}

fn thousandths(text: &str) -> u16 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_number = |part: &str| part.len() <= 3 && part.bytes().all(|b| b.is_ascii_digit());
    if !is_number(fraction) {
        return 0;
    }
    let fraction: u16 = format!("{fraction:0<3}").parse().unwrap_or(0);
    match whole {
        "0" => fraction,
        "1" if fraction == 0 => 1_000,
        _ => 0,
    }
}

/// The body in the encoding. Levels where JSON pages of the data set are small for about a
/// millisecond's work: gzip 6, brotli 5. By zstd 1 they are a sixth, in 4 µs a kilobyte: it is
/// for whoever takes nothing else, and for the shared cache.
pub(crate) fn compress(encoding: Encoding, body: &Bytes) -> Bytes {
    const IN_MEMORY: &str = "memory takes every byte";
    match encoding {
        Encoding::Identity => body.clone(),
        Encoding::Gzip => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::new(6));
            encoder.write_all(body).expect(IN_MEMORY);
            encoder.finish().expect(IN_MEMORY).into()
        }
        Encoding::Brotli => {
            let mut out = Vec::new();
            let params = brotli_for(body.len());
            brotli::BrotliCompress(&mut &body[..], &mut out, &params).expect(IN_MEMORY);
            out.into()
        }
        Encoding::Zstd => zstd::bulk::compress(body, ZSTD_LEVEL).expect(IN_MEMORY).into(),
    }
}

const ZSTD_LEVEL: i32 = 1;

/// A window that holds the body and no more: the encoder keeps twice of it in memory.
fn brotli_for(bytes: usize) -> BrotliEncoderParams {
    /// Below 17 the encoder searches in a way that takes twice as long, above 20 pages gain
    /// nothing.
    const WINDOW_BITS: RangeInclusive<u32> = 17..=20;
    let bits = bytes.next_power_of_two().trailing_zeros();
    let bits = bits.clamp(*WINDOW_BITS.start(), *WINDOW_BITS.end());
    BrotliEncoderParams {
        quality: 5,
        lgwin: bits.cast_signed(),
        size_hint: bytes,
        ..BrotliEncoderParams::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clients_preference_decides() {
        use Encoding::{Brotli, Gzip, Identity, Zstd};
        for (accept, chosen) in [
            (None, Identity),
            (Some(""), Identity),
            (Some("gzip"), Gzip),
            (Some("gzip, deflate, br"), Brotli),
            (Some("br;q=0.5, gzip;q=0.8"), Gzip),
            (Some("gzip;q=0"), Identity),
            (Some("*"), Brotli),
            (Some("*, br;q=0"), Gzip),
            (Some("identity, gzip;q=0.5"), Identity),
            (Some("IDENTITY, gzip;q=0.5"), Identity),
            (Some("GZIP;Q=1.0"), Gzip),
            (Some("gzip;q=nonsense, br;q=2"), Identity),
            (Some("deflate"), Identity),
            (Some("deflate, zstd"), Zstd),
            (Some("gzip, deflate, br, zstd"), Brotli),
            (Some("zstd, gzip"), Gzip),
            (Some("zstd, identity"), Zstd),
        ] {
            assert_eq!(Encoding::choose(accept, 10_000, None), chosen, "{accept:?}");
        }
        assert_eq!(Encoding::choose(Some("br"), 100, None), Identity, "too small to gain");
    }

    #[test]
    fn what_is_ready_wins_ties_and_nothing_else() {
        use Encoding::{Brotli, Gzip, Identity, Zstd};
        for (accept, chosen) in [
            (None, Identity),
            (Some("gzip, deflate, br, zstd"), Zstd),
            (Some("*"), Zstd),
            (Some("gzip, deflate, br"), Brotli),
            (Some("zstd;q=0.5, gzip"), Gzip),
            (Some("zstd;q=0, *;q=0.1"), Brotli),
            (Some("identity, zstd;q=0.9"), Identity),
        ] {
            assert_eq!(Encoding::choose(accept, 10_000, Some(Zstd)), chosen, "{accept:?}");
        }
    }
}
