//! Asking an account again: what is away for a moment is not away.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable as _};
use tokio::time::timeout;

use super::{BlobError, fault};

/// How long one try may take: 8 MiB at 150 kB a second.
const TRY: Duration = Duration::from_mins(1);
/// Tries after the first, within about ten seconds of pauses.
const AGAIN: usize = 5;

/// Asks until there is an answer that trying again does not change.
pub(super) async fn tried<T, Asked>(mut ask: impl FnMut() -> Asked) -> Result<T, BlobError>
where
    Asked: Future<Output = azure_core::Result<T>>,
{
    let pauses = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(200))
        .with_max_delay(Duration::from_secs(4))
        .with_max_times(AGAIN)
        .with_jitter();
    let mut number = 0_u32;
    let mut once = || {
        number += 1;
        // Of the range's span, if it has one.
        tracing::Span::current().record("attempt", number);
        let asked = timeout(TRY, ask());
        async {
            match asked.await {
                Ok(answer) => answer.map_err(|e| fault(&e)),
                Err(_) => Err(BlobError::Away("it took too long".to_owned())),
            }
        }
    };
    let asking = (|| once()).retry(pauses).when(BlobError::may_pass);
    asking.notify(|e, pause| tracing::debug!(?pause, "storage is asked again: {e}")).await
}
