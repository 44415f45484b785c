//! How long to wait between tries to reach a server that is away.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};

/// The first pause at the least.
const MIN: Duration = Duration::from_millis(25);
/// So soon a server that is back is noticed. With the jitter a pause is at most twice as long.
const MAX: Duration = Duration::from_millis(500);

/// The pauses of one part; each is longer than the one before, for ever.
pub(super) struct Pauses(ExponentialBackoff);

impl Pauses {
    pub(super) fn new() -> Self {
        let pauses = ExponentialBuilder::new().with_min_delay(MIN).with_max_delay(MAX);
        Self(pauses.with_jitter().without_max_times().build())
    }

    /// Waits for the next one.
    pub(super) async fn wait(&mut self) {
        tokio::time::sleep(self.0.next().unwrap_or(MAX)).await;
    }
}
