//! How long nothing has moved.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// The last sign of life of a request that is passed through, either way.
#[derive(Debug, Clone)]
pub struct Activity {
    last: Arc<Mutex<Instant>>,
    timeout: Duration,
}

impl Activity {
    pub fn begin(timeout: Duration) -> Self {
        Self { last: Arc::new(Mutex::new(Instant::now())), timeout }
    }

    pub fn mark(&self) {
        *self.last.lock().unwrap() = Instant::now();
    }

    /// Waits until nothing has moved for too long.
    pub async fn ceases(&self) {
        loop {
            let ends = *self.last.lock().unwrap() + self.timeout;
            if ends <= Instant::now() {
                return;
            }
            sleep_until(ends).await;
        }
    }
}
