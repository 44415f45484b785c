//! What happened, in order, and waiting for what is still to happen.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;

/// Long enough for a loaded machine: a wait that lasts longer is a failed test, not a slow one.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// Asks until it is so. One that never comes true fails the test by its name.
pub async fn until_true(what: &str, mut is_it: impl AsyncFnMut() -> bool) {
    let asking = async { while !is_it().await {} };
    let asked = tokio::time::timeout(PATIENCE, asking).await;
    assert!(asked.is_ok(), "{what}: not so within a minute");
}

#[derive(Debug)]
pub struct Log<T> {
    entries: Mutex<Vec<T>>,
    count: watch::Sender<usize>,
}

impl<T: Clone> Log<T> {
    pub fn new() -> Arc<Self> {
        Arc::new(Self { entries: Mutex::new(Vec::new()), count: watch::Sender::new(0) })
    }

    pub fn push(&self, entry: T) {
        let mut entries = self.entries.lock().unwrap();
        entries.push(entry);
        self.count.send_replace(entries.len());
    }

    pub fn all(&self) -> Vec<T> {
        self.entries.lock().unwrap().clone()
    }

    /// Follows the log from its beginning.
    pub fn from_the_start(self: &Arc<Self>) -> Follower<T> {
        Follower { log: Arc::clone(self), seen: 0 }
    }
}

/// A reader of a log, with its own place in it.
#[derive(Debug)]
pub struct Follower<T> {
    log: Arc<Log<T>>,
    seen: usize,
}

impl<T: Clone> Follower<T> {
    /// Everything up to this moment, seen or not.
    pub fn so_far(&self) -> Vec<T> {
        self.log.all()
    }

    /// The next entry, waiting for it where it has not come yet.
    pub async fn next(&mut self) -> T {
        let mut count = self.log.count.subscribe();
        let come = count.wait_for(|count| *count > self.seen);
        tokio::time::timeout(PATIENCE, come)
            .await
            .expect("something comes within a minute")
            .expect("the log outlives its followers");
        self.seen += 1;
        self.log.entries.lock().unwrap()[self.seen - 1].clone()
    }

    /// The next entry that is like this; those before it are passed over.
    pub async fn find(&mut self, mut is_it: impl FnMut(&T) -> bool) -> T {
        loop {
            let entry = self.next().await;
            if is_it(&entry) {
                return entry;
            }
        }
    }
}

impl Follower<String> {
    /// The next line with this text in it.
    pub async fn line_with(&mut self, text: &str) -> String {
        self.find(|line| line.contains(text)).await
    }
}
