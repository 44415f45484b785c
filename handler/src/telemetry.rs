//! What the process says of itself.
//!
//! - [`log`]: lines on stdout, and the beginning of all the rest.
//! - [`activity`]: what has happened so far, counted on the way: `/stats` shows the counters,
//!   and the metrics are made of the same ones. [`requests`], [`calls`] and [`tallies`] are its
//!   parts, [`latency`] the buckets of the histograms.
//! - [`names`]: the names by which operators know all of it.
//! - [`export`]: to Application Insights, by a thread of its own, [`pump`]: [`span`]s of what
//!   [`sampling`] picks (a [`parent`] is what a caller says they are parts of, [`weights`] what
//!   they stand for), lines that [`report`] hands on, and [`metrics`]. [`ingestion`] is where
//!   they are posted, in [`envelope`]s where the exporter has none.
//!
//! Nothing of it may be noticed where the place is away, slow or wrong: queues are of bounded
//! length, and what finds no place is counted and let go.

pub mod activity;
pub mod calls;
pub mod envelope;
pub mod export;
pub mod ingestion;
pub mod latency;
pub mod log;
pub mod metrics;
pub mod names;
pub mod parent;
pub mod pump;
pub mod report;
pub mod requests;
pub mod sampling;
pub mod span;
pub mod tallies;
pub mod weights;
pub mod whole;

pub use export::{Export, prove};
pub use log::{check, start};
