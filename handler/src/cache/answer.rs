//! A finished answer: the body as it goes out, and what goes out with it.

use std::sync::LazyLock;

use bytes::Bytes;
use http::HeaderValue;
use tokio::sync::{OnceCell, Semaphore};

use super::encoding::{Encoding, compress};
use super::entity_tag::EntityTag;
use super::versions::Tags;

/// Bodies that are being compressed.
static COMPRESSING: LazyLock<Semaphore> = LazyLock::new(|| {
    Semaphore::new(std::thread::available_parallelism().map_or(2, std::num::NonZero::get))
});

/// What is kept of an answer. Nothing in it is made again for a request.
#[derive(Debug)]
pub struct Answer {
    /// What the answer depends on.
    pub tags: Tags,
    /// Where the list goes on, as the header has it.
    pub link: Option<HeaderValue>,
    /// How many products the whole list has.
    pub total: Option<HeaderValue>,
    /// How far the search index had come, if not all the way.
    pub search_lag: Option<HeaderValue>,
    /// `None` if there is no such thing.
    identity: Option<Bytes>,
    gzip: OnceCell<Bytes>,
    brotli: OnceCell<Bytes>,
    state: EntityTag,
    etags: [HeaderValue; 3],
}

impl Answer {
    /// Bytes of an entry besides its bodies, measured with answers of nothing: key, headers
    /// and the cache's own lists.
    pub const OVERHEAD: u32 = 1_400;

    /// An answer with this JSON body.
    pub fn found(tags: impl Into<Tags>, body: Vec<u8>) -> Self {
        Self::new(tags.into(), Some(body.into()))
    }

    /// The answer that there is no such thing.
    pub fn absent(tags: impl Into<Tags>) -> Self {
        Self::new(tags.into(), None)
    }

    /// An answer with this body, or the answer that there is no such thing.
    pub(super) fn new(tags: Tags, identity: Option<Bytes>) -> Self {
        let state = EntityTag::of(identity.as_deref().unwrap_or_default());
        Self {
            tags,
            link: None,
            total: None,
            search_lag: None,
            identity,
            gzip: OnceCell::new(),
            brotli: OnceCell::new(),
            state,
            etags: [Encoding::Identity, Encoding::Gzip, Encoding::Brotli]
                .map(|encoding| state.header(encoding)),
        }
    }

    /// What names the state of the body, whatever its encoding.
    pub fn state(&self) -> EntityTag {
        self.state
    }

    /// Whether there is such a thing.
    pub fn is_found(&self) -> bool {
        self.identity.is_some()
    }

    /// The size of the plain body.
    pub fn bytes(&self) -> usize {
        self.identity.as_ref().map_or(0, Bytes::len)
    }

    /// The entity tag of the body in this encoding, in its quotes.
    pub fn etag(&self, encoding: Encoding) -> &HeaderValue {
        let [identity, gzip, brotli] = &self.etags;
        match encoding {
            Encoding::Identity => identity,
            Encoding::Gzip => gzip,
            Encoding::Brotli => brotli,
        }
    }

    /// The body in this encoding, unless nobody has asked for it before.
    pub fn body_at_hand(&self, encoding: Encoding) -> Option<Bytes> {
        match encoding {
            Encoding::Identity => self.identity.clone(),
            Encoding::Gzip => self.gzip.get().cloned(),
            Encoding::Brotli => self.brotli.get().cloned(),
        }
    }

    /// The body in this encoding; compressed once, off the threads that serve, and kept.
    pub async fn body(&self, encoding: Encoding) -> Bytes {
        let identity = self.identity.clone().unwrap_or_default();
        let kept = match encoding {
            Encoding::Identity => return identity,
            Encoding::Gzip => &self.gzip,
            Encoding::Brotli => &self.brotli,
        };
        let made = kept.get_or_init(|| async {
            // As many at once as there are cores: each takes megabytes while it works.
            let turn = COMPRESSING.acquire().await.expect("the semaphore is never closed");
            let compressing = tokio::task::spawn_blocking(move || {
                // Ends with the work and not with the caller, who may have gone.
                let _turn = turn;
                compress(encoding, &identity)
            });
            compressing.await.expect("compressing into memory does not fail")
        });
        made.await.clone()
    }

    /// Whether one of the entity tags of an `If-None-Match` names this answer in any encoding.
    pub fn is_named_by(&self, if_none_match: &str) -> bool {
        self.state.is_in(if_none_match)
    }

    /// About how many bytes of memory it takes, its compressed forms included: those of the
    /// data set's pages are a fifth of the plain one each.
    pub fn weight(&self) -> u32 {
        let bodies = self.bytes() + self.bytes() * 2 / 5;
        u32::try_from(bodies).unwrap_or(u32::MAX).saturating_add(Self::OVERHEAD)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::super::versions::{Row, Tag};
    use super::*;

    /// It goes on without the one who asked for it, and counts as long as it does.
    #[tokio::test]
    async fn compressing_keeps_its_turn_when_its_caller_hangs_up() {
        let noise: Vec<u8> =
            (0..4_000_000_u32).map(|i| i.wrapping_mul(i).to_be_bytes()[1]).collect();
        let tag = Tag { row: Row::CATALOGUE, version: 1 };
        let answer = Answer::found(tag, noise);
        let all = COMPRESSING.available_permits();
        assert!(answer.body(Encoding::Brotli).now_or_never().is_none());
        assert!(COMPRESSING.available_permits() < all);
        let every = u32::try_from(all).unwrap();
        drop(COMPRESSING.acquire_many(every).await.unwrap());
    }
}
