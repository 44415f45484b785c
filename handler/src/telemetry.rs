//! What the process says of itself.
//!
//! - [`log`]: lines on stdout.
//! - [`activity`]: what has happened so far, counted on the way: `/stats` shows the counters,
//!   and the metrics are made of the same ones. [`requests`], [`calls`] and [`tallies`] are its
//!   parts, [`latency`] the buckets of the histograms.

pub mod activity;
pub mod calls;
pub mod latency;
pub mod log;
pub mod requests;
pub mod tallies;

pub use log::{check, start};
