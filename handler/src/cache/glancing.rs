//! Who asks by themselves for what lies at a place: a few at a time in a process.

use std::collections::HashMap;
use std::hash::BuildHasher as _;
use std::sync::{Arc, Mutex, PoisonError};

use foldhash::fast::RandomState;

use super::shared::Place;

/// So many ask for a place by themselves; whoever comes then is one of a crowd, and waits with it:
/// each would be sent the same bytes. Two are met by chance.
const FEW: u32 = 2;

/// How many are at each place. Places go by a hash: two that share one share the few as well.
type Counts = HashMap<u64, u32, RandomState>;

/// The places that somebody asks for.
#[derive(Debug, Default)]
pub(super) struct Glancing {
    hasher: RandomState,
    counts: Arc<Mutex<Counts>>,
}

/// One of the few at a place, until it is dropped.
#[derive(Debug)]
pub(super) struct Glancer {
    counts: Arc<Mutex<Counts>>,
    place: u64,
}

impl Glancing {
    /// `None` if there are a few already.
    pub(super) fn begin(&self, place: &Place) -> Option<Glancer> {
        let place = self.hasher.hash_one(place);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(place).or_default();
        if *count >= FEW {
            return None;
        }
        *count += 1;
        Some(Glancer { counts: Arc::clone(&self.counts), place })
    }
}

impl Drop for Glancer {
    fn drop(&mut self) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.place) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.place);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_a_few_at_a_place_until_one_is_done() {
        let place = |name: &str| Place { slot: "12".to_owned(), name: name.to_owned() };
        let (here, there) = (place("a"), place("b"));
        let glancing = Glancing::default();
        let mut few: Vec<_> = (0..FEW).map(|_| glancing.begin(&here).unwrap()).collect();
        assert!(glancing.begin(&here).is_none());
        let other = glancing.begin(&there);
        assert!(other.is_some());
        few.pop();
        few.push(glancing.begin(&here).unwrap());
        assert!(glancing.begin(&here).is_none());
        drop((few, other));
        assert!(glancing.counts.lock().unwrap().is_empty(), "nothing is left of who has gone");
    }
}
