//! A finished answer: the body as it goes out, and what goes out with it.

use std::sync::OnceLock;

use bytes::Bytes;
use http::HeaderValue;

use super::encoding::Encoding;
use super::entity_tag::EntityTag;
use super::forms::{Damaged, Forms};
use super::versions::Tags;

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
    body: Option<Forms>,
    state: EntityTag,
    /// Each made when it is first asked for, and kept.
    etags: [OnceLock<HeaderValue>; 4],
}

impl Answer {
    /// Bytes of an entry besides its bodies, measured with answers of nothing: key, headers
    /// and the cache's own lists.
    pub const OVERHEAD: u32 = 1_600;

    /// An answer with this JSON body.
    pub fn found(tags: impl Into<Tags>, body: Vec<u8>) -> Self {
        let state = EntityTag::of(&body);
        Self::new(tags.into(), Some(Forms::plain(body.into())), state)
    }

    /// The answer that there is no such thing.
    pub fn absent(tags: impl Into<Tags>) -> Self {
        Self::new(tags.into(), None, EntityTag::of(b""))
    }

    /// An answer with this body in this state, or the answer that there is no such thing.
    pub(super) fn new(tags: Tags, body: Option<Forms>, state: EntityTag) -> Self {
        Self {
            tags,
            link: None,
            total: None,
            search_lag: None,
            body,
            state,
            etags: Default::default(),
        }
    }

    /// What names the state of the body, whatever its encoding.
    pub fn state(&self) -> EntityTag {
        self.state
    }

    /// Whether there is such a thing.
    pub fn is_found(&self) -> bool {
        self.body.is_some()
    }

    /// The size of the plain body.
    pub fn bytes(&self) -> usize {
        self.body.as_ref().map_or(0, Forms::plain_bytes)
    }

    /// The best encoding that an `Accept-Encoding` takes.
    pub fn choose(&self, accept: Option<&str>) -> Encoding {
        self.body.as_ref().map_or(Encoding::Identity, |body| body.choose(accept))
    }

    /// The entity tag of the body in this encoding, in its quotes.
    pub fn etag(&self, encoding: Encoding) -> &HeaderValue {
        let [identity, gzip, brotli, zstd] = &self.etags;
        let etag = match encoding {
            Encoding::Identity => identity,
            Encoding::Gzip => gzip,
            Encoding::Brotli => brotli,
            Encoding::Zstd => zstd,
        };
        etag.get_or_init(|| self.state.header(encoding))
    }

    /// The body in this encoding, unless it has to be compressed first.
    pub fn body_at_hand(&self, encoding: Encoding) -> Option<Bytes> {
        self.body.as_ref()?.at_hand(encoding)
    }

    /// The body in this encoding; compressed once, off the threads that serve, and kept. Empty
    /// if there is no such thing.
    pub async fn body(&self, encoding: Encoding) -> Result<Bytes, Damaged> {
        match &self.body {
            Some(body) => body.get(encoding).await,
            None => Ok(Bytes::new()),
        }
    }

    /// Whether one of the entity tags of an `If-None-Match` names this answer in any encoding.
    pub fn is_named_by(&self, if_none_match: &str) -> bool {
        self.state.is_in(if_none_match)
    }

    /// About how many bytes of memory it takes, its compressed forms included: those of the
    /// data set's pages are a fifth of the plain one each.
    pub fn weight(&self) -> u32 {
        let bodies = self.bytes() + self.bytes() * 3 / 5;
        u32::try_from(bodies).unwrap_or(u32::MAX).saturating_add(Self::OVERHEAD)
    }
}
