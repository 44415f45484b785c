//! What has happened in this process so far.

use super::calls::Calls;
use super::requests::Requests;
use super::tallies::{Auth, Imports};

/// Counters that only rise. One for each process; whoever wants to know how much in a time takes
/// the difference.
#[derive(Debug, Default)]
pub struct Activity {
    /// Requests by route.
    pub requests: Requests,
    /// Calls of the store.
    pub calls: Calls,
    /// Imports.
    pub imports: Imports,
    /// Attempts to sign up or in.
    pub auth: Auth,
}
