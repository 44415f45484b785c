//! What this instance knows of the versions, and how fresh that knowledge is.
//!
//! Every cached answer carries the version of the row it depends on, read before its rows
//! were. It counts while that is not below the version known here; so raising a version
//! hides every older answer of that row at once, the fills still on their way included.
//! Knowledge ages: before it is used, the last answered question to anybody must be younger than
//! the bound, and the last one to the store younger than [`STORE_BOUND`], both counted from the
//! moment they were *sent*. What the instances tell each other may get lost; what the store says
//! is so. No I/O and no clock in here: moments are passed in, so that a test drives it through
//! every interleaving.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::catalog::CategoryId;

/// A row of the version table: what an answer depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Row(pub i64);

impl Row {
    /// The whole catalogue: every write to a product or a category raises it.
    pub const CATALOGUE: Self = Self(0);
    /// The search index: raised when it has caught up with what was written.
    pub const SEARCH: Self = Self(-1);

    /// What everybody may do: raised when somebody's rights change.
    pub const RIGHTS: Self = Self(-2);

    /// The row of one category.
    pub fn category(id: CategoryId) -> Self {
        Self(i64::from(id.get()))
    }
}

/// A number that only rises; a write raises the rows that it touches.
pub type Version = i64;

/// The version table as it was in one moment.
pub type Versions = HashMap<Row, Version>;

/// The version that an answer was made under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tag {
    /// The row that it depends on.
    pub row: Row,
    /// The row's version, read before the answer's rows were.
    pub version: Version,
}

/// Every version that an answer was made under: it counts while all of them do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tags([Tag; 2]);

impl Tags {
    /// Those of an answer that depends on two rows.
    pub fn both(one: Tag, other: Tag) -> Self {
        Self([one, other])
    }

    /// What the answer depends on.
    pub fn iter(&self) -> impl Iterator<Item = &Tag> {
        let [one, other] = &self.0;
        std::iter::once(one).chain((one != other).then_some(other))
    }
}

impl From<Tag> for Tags {
    fn from(only: Tag) -> Self {
        Self([only, only])
    }
}

/// A moment on the instance's own clock that only goes forward, as the time since its start.
pub type Moment = Duration;

/// DESIGN 4.3: how old the store's own word may be. CONTRACT 6.1 gives five seconds for what the
/// instances could not tell each other; one is for the question itself.
pub const STORE_BOUND: Duration = Duration::from_secs(4);

/// How far other clocks may be ahead of ours and the database's, in microseconds: an hour.
const AHEAD_MAX: i64 = 3_600_000_000;

/// What must be done before an answer is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// Nothing: what is known is young enough.
    Open,
    /// Anybody who knows must be asked: the other instances, by what they share, or the store.
    AskAnybody,
    /// The store must be asked.
    AskStore,
}

/// The known versions and their age. Cheap to copy: a reader keeps what it knew on arrival.
#[derive(Debug, Clone)]
pub struct Known {
    versions: Arc<Versions>,
    /// When the last question to anybody that was answered had been sent; `None` before the
    /// first.
    heard: Option<Moment>,
    /// The same of questions to the store.
    heard_of_store: Option<Moment>,
    bound: Duration,
    bound_of_store: Duration,
    /// The highest version that the store has told.
    highest: Version,
}

impl Known {
    /// Knows nothing, so the first answer asks first. `bound`: how old knowledge may be.
    pub fn new(bound: Duration) -> Self {
        Self {
            versions: Arc::default(),
            heard: None,
            heard_of_store: None,
            bound,
            bound_of_store: STORE_BOUND,
            highest: 0,
        }
    }

    /// The store can be asked at no cost, and so its own word need not be older than anybody's.
    pub fn store_is_cheap(&mut self) {
        self.bound_of_store = self.bound;
    }

    /// How old the store's own word may be.
    pub fn bound_of_store(&self) -> Duration {
        self.bound_of_store
    }

    /// Of what others tell, and a page is stamped with, that which can be so. `now`: the wall
    /// clock in microseconds. Versions are the database's clock, so one of the far future is
    /// damage; believed, the store itself would be raised above it.
    pub fn plausible(&self, told: &Versions, now: i64) -> Versions {
        let all = told.iter().map(|(row, version)| Tag { row: *row, version: *version });
        let plausible = all.filter(|tag| self.is_plausible(*tag, now));
        plausible.map(|tag| (tag.row, tag.version)).collect()
    }

    /// The same of a single one.
    pub fn is_plausible(&self, tag: Tag, now: i64) -> bool {
        let most = self.highest.max(now).saturating_add(AHEAD_MAX);
        (-2..=1_000_000).contains(&tag.row.0) && (0..=most).contains(&tag.version)
    }

    /// Whether an answer may be given at `now` by what is known.
    pub fn gate(&self, now: Moment) -> Gate {
        if self.age_of_store(now) >= self.bound_of_store {
            Gate::AskStore
        } else if self.age(now) >= self.bound {
            Gate::AskAnybody
        } else {
            Gate::Open
        }
    }

    /// How long ago the last question to anybody that was answered had been sent.
    pub fn age(&self, now: Moment) -> Duration {
        self.heard.map_or(Duration::MAX, |heard| now.saturating_sub(heard))
    }

    /// How long ago the last question to the store that was answered had been sent.
    pub fn age_of_store(&self, now: Moment) -> Duration {
        self.heard_of_store.map_or(Duration::MAX, |heard| now.saturating_sub(heard))
    }

    /// Takes what the instances have told each other, asked for at `sent`. An answer may
    /// overtake another; neither versions nor the moment ever go back. Tells whether a version
    /// rose.
    pub fn heard(&mut self, sent: Moment, versions: &Versions) -> bool {
        self.heard = self.heard.max(Some(sent));
        self.raise(versions)
    }

    /// Takes the store's answer to a question that was sent at `sent`.
    pub fn heard_of_store(&mut self, sent: Moment, versions: &Versions) -> bool {
        self.heard_of_store = self.heard_of_store.max(Some(sent));
        self.highest = versions.values().copied().fold(self.highest, Version::max);
        self.heard(sent, versions)
    }

    /// The rows that the store's answer has below what was known when it was asked: the
    /// store was restored to an earlier state, and may give the same numbers out again.
    /// `self` must have been copied before the question was sent.
    pub fn lost_in(&self, answer: &Versions) -> Versions {
        behind(answer, &self.versions)
    }

    /// Takes versions that came unasked: a write of our own, a publication. They say nothing
    /// of the rows that they leave out, so knowledge does not get younger by them.
    pub fn raise(&mut self, versions: &Versions) -> bool {
        let risen = |(row, version): &(&Row, &Version)| **version > self.version(**row);
        let risen: Vec<_> = versions.iter().filter(risen).map(|(r, v)| (*r, *v)).collect();
        if !risen.is_empty() {
            Arc::make_mut(&mut self.versions).extend(risen.iter().copied());
        }
        !risen.is_empty()
    }

    /// Whether an answer with these tags may be given without a mark.
    pub fn counts(&self, tags: &Tags) -> bool {
        tags.iter().all(|tag| tag.version >= self.version(tag.row))
    }

    /// Whether these are of a version that nobody has told of yet.
    pub fn is_behind(&self, tags: &Tags) -> bool {
        tags.iter().any(|tag| tag.version > self.version(tag.row))
    }

    /// Every version that is known.
    pub fn all(&self) -> Arc<Versions> {
        Arc::clone(&self.versions)
    }

    /// The version of a row; a row nobody has heard of is below every tag.
    pub fn version(&self, row: Row) -> Version {
        self.versions.get(&row).copied().unwrap_or(Version::MIN)
    }
}

/// The rows of `newer` that `table` lacks or has lower, as `newer` has them.
pub fn behind(table: &Versions, newer: &Versions) -> Versions {
    let is_behind =
        |(row, version): &(&Row, &Version)| table.get(row).is_none_or(|here| here < *version);
    newer.iter().filter(is_behind).map(|(row, version)| (*row, *version)).collect()
}
