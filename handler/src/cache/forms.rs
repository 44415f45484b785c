//! A body in its encodings: the one that it came in, and those that somebody asked for.

use std::cell::RefCell;
use std::sync::{LazyLock, OnceLock};

use bytes::Bytes;
use tokio::sync::{OnceCell, Semaphore};
use zstd::bulk::Decompressor;

use super::encoding::{Encoding, compress};

/// Bodies that are being compressed.
static COMPRESSING: LazyLock<Semaphore> = LazyLock::new(|| {
    Semaphore::new(std::thread::available_parallelism().map_or(2, std::num::NonZero::get))
});

thread_local! {
    /// What unpacks, kept by each thread: 150 kB that would be taken from the system, and given
    /// back to it, for each body.
    static UNPACKING: RefCell<Decompressor<'static>> = RefCell::default();
}

/// A body that came packed is not what it was said to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a packed body cannot be unpacked")]
pub struct Damaged;

/// A body.
#[derive(Debug)]
pub struct Forms {
    /// Bytes of the plain form.
    len: usize,
    /// Whether it came packed.
    is_packed: bool,
    identity: OnceLock<Bytes>,
    gzip: OnceCell<Bytes>,
    brotli: OnceCell<Bytes>,
    zstd: OnceCell<Bytes>,
}

impl Forms {
    /// Of a plain body.
    pub fn plain(body: Bytes) -> Self {
        let len = body.len();
        Self { identity: body.into(), ..Self::none(len) }
    }

    /// Of a body that is packed by zstd, and has so many bytes unpacked. It is unpacked when
    /// somebody wants it so.
    pub fn packed(body: Bytes, len: usize) -> Self {
        Self { zstd: OnceCell::new_with(Some(body)), is_packed: true, ..Self::none(len) }
    }

    fn none(len: usize) -> Self {
        Self {
            len,
            is_packed: false,
            identity: OnceLock::new(),
            gzip: OnceCell::new(),
            brotli: OnceCell::new(),
            zstd: OnceCell::new(),
        }
    }

    /// Bytes of the plain form.
    pub fn plain_bytes(&self) -> usize {
        self.len
    }

    /// The best encoding that an `Accept-Encoding` takes. To a client that takes all of them as
    /// gladly what came packed goes on as it came, until the smallest form is there.
    pub fn choose(&self, accept: Option<&str>) -> Encoding {
        Encoding::choose(accept, self.len, self.ready())
    }

    fn ready(&self) -> Option<Encoding> {
        let is_ready = self.is_packed && !self.brotli.initialized();
        is_ready.then_some(Encoding::Zstd)
    }

    /// The body in this encoding, unless it has to be compressed first.
    pub fn at_hand(&self, encoding: Encoding) -> Option<Bytes> {
        match self.kept(encoding) {
            Some(kept) => kept.get().cloned(),
            None => self.identity().ok(),
        }
    }

    /// The body in this encoding; compressed once, off the threads that serve, and kept.
    pub async fn get(&self, encoding: Encoding) -> Result<Bytes, Damaged> {
        let Some(kept) = self.kept(encoding) else { return self.identity() };
        let made = kept.get_or_try_init(|| async {
            let identity = self.identity()?;
            // As many at once as there are cores: each takes megabytes while it works.
            let turn = COMPRESSING.acquire().await.expect("the semaphore is never closed");
            let compressing = tokio::task::spawn_blocking(move || {
                // Ends with the work and not with the caller, who may have gone.
                let _turn = turn;
                compress(encoding, &identity)
            });
            Ok(compressing.await.expect("compressing into memory does not fail"))
        });
        made.await.cloned()
    }

    fn kept(&self, encoding: Encoding) -> Option<&OnceCell<Bytes>> {
        match encoding {
            Encoding::Identity => None,
            Encoding::Gzip => Some(&self.gzip),
            Encoding::Brotli => Some(&self.brotli),
            Encoding::Zstd => Some(&self.zstd),
        }
    }

    /// The plain form. Unpacked where it is asked for: that takes less than the way to another
    /// thread and back.
    fn identity(&self) -> Result<Bytes, Damaged> {
        if let Some(identity) = self.identity.get() {
            return Ok(identity.clone());
        }
        let packed = self.zstd.get().ok_or(Damaged)?;
        let unpacked =
            UNPACKING.with_borrow_mut(|unpacking| unpacking.decompress(packed, self.len));
        let unpacked = unpacked.ok().filter(|body| body.len() == self.len).ok_or(Damaged)?;
        Ok(self.identity.get_or_init(|| unpacked.into()).clone())
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    const ENCODINGS: [Encoding; 3] = [Encoding::Gzip, Encoding::Brotli, Encoding::Zstd];

    /// It goes on without the one who asked for it, and counts as long as it does.
    #[tokio::test]
    async fn compressing_keeps_its_turn_when_its_caller_hangs_up() {
        let noise: Vec<u8> =
            (0..4_000_000_u32).map(|i| i.wrapping_mul(i).to_be_bytes()[1]).collect();
        let body = Forms::plain(noise.into());
        let all = COMPRESSING.available_permits();
        assert!(body.get(Encoding::Brotli).now_or_never().is_none());
        assert!(COMPRESSING.available_permits() < all);
        let every = u32::try_from(all).unwrap();
        drop(COMPRESSING.acquire_many(every).await.unwrap());
    }

    #[tokio::test]
    async fn a_packed_body_is_given_as_it_came_and_in_every_other_form() {
        let plain = Bytes::from(b"[1,2,3]".repeat(300));
        let packed = compress(Encoding::Zstd, &plain);
        let body = Forms::packed(packed.clone(), plain.len());
        assert_eq!((body.ready(), body.plain_bytes()), (Some(Encoding::Zstd), plain.len()));
        assert_eq!(body.at_hand(Encoding::Zstd), Some(packed));
        assert!(body.identity.get().is_none(), "nobody wanted it plain");
        assert_eq!(body.at_hand(Encoding::Brotli), None);
        assert_eq!(body.at_hand(Encoding::Identity), Some(plain.clone()));
        let same = Forms::plain(plain);
        same.get(Encoding::Zstd).await.unwrap();
        assert_eq!(same.ready(), None, "somebody wanted nothing else, and it came plain");
        for encoding in ENCODINGS {
            assert_eq!(body.get(encoding).await, same.get(encoding).await, "{encoding:?}");
        }
        assert_eq!(body.ready(), None, "the smallest form is there");
    }

    #[tokio::test]
    async fn what_cannot_be_unpacked_is_no_body() {
        let packed = compress(Encoding::Zstd, &Bytes::from(b"[1,2,3]".repeat(300)));
        for (packed, len) in [
            (Bytes::from_static(b"nonsense"), 8),
            (packed.clone(), 2_099),
            (packed.clone(), 2_101),
            (packed.slice(..packed.len() - 1), 2_100),
        ] {
            let body = Forms::packed(packed, len);
            assert_eq!(body.at_hand(Encoding::Identity), None, "{len}");
            assert_eq!(body.get(Encoding::Gzip).await, Err(Damaged), "{len}");
        }
    }
}
