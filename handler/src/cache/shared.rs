//! What the instances share beside the database: pages, the versions that were published, and
//! leases, so that only one of them loads a page.
//!
//! It may lose everything at any moment, and may be away: nothing depends on it but speed.
//! What each method promises is checked by one suite for whatever implements it,
//! `tests/it/contract_shared.rs`.

pub mod observed;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::versions::{Row, Tag, Versions};

/// A part that the instances share.
#[async_trait]
pub trait Shared: Send + Sync {
    /// Every version that was published. A row that is missing is unknown, and not 0.
    async fn versions(&self) -> Result<Versions, SharedError>;

    /// Raises the published versions to these where they are lower, and tells every instance
    /// which ones have risen. Never lowers one.
    async fn raise(&self, versions: &Versions) -> Result<(), SharedError>;

    /// Waits for the next versions that were told. Some may get lost, and it waits while the
    /// shared part is away.
    async fn told(&self) -> Versions;

    /// What lies at a place, whatever its version.
    async fn get(&self, place: &Place) -> Result<Option<Kept>, SharedError>;

    /// What lies at the place, unless it has the stamp that the caller has seen there; else the
    /// lease, if nobody holds it. It lasts for [`LEASE`].
    async fn get_or_lease(
        &self,
        place: &Place,
        seen: Option<&Stamp>,
        lease: &Lease,
    ) -> Result<Turn, SharedError>;

    /// Puts a page there for so long, unless one lies there that depends on the same row and
    /// is newer; and gives the lease back, if it is still the caller's.
    async fn fill(
        &self,
        place: &Place,
        page: &Page,
        life: Duration,
        lease: Option<&Lease>,
    ) -> Result<(), SharedError>;

    /// Gives the lease back, if it is still the caller's.
    async fn give_back(&self, place: &Place, lease: &Lease) -> Result<(), SharedError>;

    /// Removes what lies at a place, whatever it is: it is no page.
    async fn remove(&self, place: &Place) -> Result<(), SharedError>;

    /// Removes what was published of these rows, whatever it is: it is no version.
    async fn forget(&self, rows: &[Row]) -> Result<(), SharedError>;

    /// Leaves word of an instance for 15 s: a JSON object.
    async fn leave_word(&self, instance: &str, word: &str) -> Result<(), SharedError>;

    /// What the instances have left word of, in no order.
    async fn words(&self) -> Result<Vec<String>, SharedError>;
}

/// DESIGN 4.8: how long a lease lasts.
pub const LEASE: Duration = Duration::from_secs(5);

/// Where a page lies. Places with the same `slot` lie beside each other in whatever clustering
/// the shared part has.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Pages with the same one lie beside each other.
    pub slot: String,
    /// Tells the pages of a slot apart; empty where there is only one.
    pub name: String,
}

/// The row and version that a page depends on, as its first bytes have them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp(String);

impl Stamp {
    /// Bytes of a stamp: a sign and ten digits for the row, twenty for the version. Plain
    /// text, for a script in the shared part compares them.
    pub const LEN: usize = 31;

    /// The stamp of a page with this tag.
    pub fn of(tag: Tag) -> Self {
        Self(format!("{:+011}{:020}", tag.row.0, tag.version))
    }

    /// What a page begins with, if it has anything like a stamp.
    pub fn read(page: &[u8]) -> Option<Self> {
        let stamp = std::str::from_utf8(page.get(..Self::LEN)?).ok()?;
        Some(Self(stamp.to_owned()))
    }

    /// As it stands in a page.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A page as it lies in the shared part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The row and version that it depends on.
    pub stamp: Stamp,
    /// Begins with the stamp.
    pub bytes: Bytes,
}

/// A page that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its bytes.
    pub bytes: Bytes,
    /// For how long it still lies there.
    pub left: Duration,
}

/// The right to load a page, for as long as it lasts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Tells leases of one place apart: whoever knows a newer version does not wait for the
    /// load of an older one.
    pub under: String,
    /// Drawn at random by whoever asks for it, so that nobody gives back another's.
    pub token: String,
}

/// What came of asking for a page or its lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// Another page lies there than was seen.
    Page(Kept),
    /// The lease is the caller's.
    Granted,
    /// Another one holds it.
    Held,
}

/// Why the shared part did not do what it was asked. One line, without any secret.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SharedError {
    /// It did not answer, or refused; may work later.
    #[error("the shared cache cannot be reached: {0}")]
    Away(String),
    /// It answered with something that makes no sense.
    #[error("the shared cache gave an answer that makes no sense: {0}")]
    Nonsense(String),
}
