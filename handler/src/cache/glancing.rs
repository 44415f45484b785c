//! Who asks first for what lies at a place: one at a time in a process.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use super::shared::Place;

type Places = HashSet<Place, foldhash::fast::RandomState>;

/// The places that somebody asks for.
#[derive(Debug, Default)]
pub(super) struct Glancing(Arc<Mutex<Places>>);

/// The first one at a place, until it is dropped.
#[derive(Debug)]
pub(super) struct First {
    places: Arc<Mutex<Places>>,
    place: Place,
}

impl Glancing {
    /// `None` if there is one already.
    pub(super) fn begin(&self, place: &Place) -> Option<First> {
        let is_first = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(place.clone());
        is_first.then(|| First { places: Arc::clone(&self.0), place: place.clone() })
    }
}

impl Drop for First {
    fn drop(&mut self) {
        self.places.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_at_a_place_until_it_is_done() {
        let place = |name: &str| Place { slot: "12".to_owned(), name: name.to_owned() };
        let (here, there) = (place("a"), place("b"));
        let glancing = Glancing::default();
        let first = glancing.begin(&here).unwrap();
        assert!(glancing.begin(&here).is_none());
        let other = glancing.begin(&there).unwrap();
        drop(first);
        assert!(glancing.begin(&there).is_none(), "the other one is not done");
        assert!(glancing.begin(&here).is_some());
        drop(other);
        assert!(glancing.begin(&there).is_some());
    }
}
