//! What an invented shop sells: departments, their categories, and the words of both.
//!
//! A category of the generated data is a shelf here. The names stand in the order of their
//! ids, so moving a line renumbers what follows: every generated file changes.

mod household;
mod pastime;
mod personal;

/// Ids run from 1 to 270 without these: the real data set has the same 22 gaps.
const GAPS: [u16; 22] = [
    37, 59, 61, 62, 67, 85, 86, 92, 93, 111, 115, 117, 119, 202, 246, 247, 257, 258, 266, 267, 268,
    269,
];

/// A category: its name, and the three things it mostly sells.
pub(super) type Shelf = (&'static str, [&'static str; 3]);

/// How the prices of a department lie against those of the whole catalogue.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Cost {
    Cheap,
    Usual,
    Dear,
}

/// Neighbouring categories with a common vocabulary.
pub(super) struct Department {
    pub(super) shelves: &'static [Shelf],
    /// What is said of the things sold: each reads well after "with".
    pub(super) details: &'static [&'static str],
    /// Whom or what they are made for: each reads well after "for".
    pub(super) uses: &'static [&'static str],
    pub(super) cost: Cost,
    /// Clothing has short titles, which repeat.
    pub(super) clothing: bool,
    /// Screens and boxes are photographed upright, and their images named accordingly.
    pub(super) upright: bool,
}

/// What most departments are, so that each states only what sets it apart.
const USUAL: Department = Department {
    shelves: &[],
    details: &[],
    uses: &[],
    cost: Cost::Usual,
    clothing: false,
    upright: false,
};

static DEPARTMENTS: [&Department; 21] = [
    &pastime::CRAFT,
    &pastime::MOTORING,
    &personal::INFANTS,
    &personal::BEAUTY,
    &pastime::COMPUTING,
    &pastime::SOUND_AND_VISION,
    &personal::CHILDRENS_WEAR,
    &personal::TRAVEL,
    &personal::WARDROBE,
    &personal::HEALTH,
    &pastime::WORKSHOP,
    &household::KITCHEN,
    &household::HOME,
    &household::PETS,
    &household::SMART_HOME,
    &pastime::SPORT,
    &household::REPAIRS,
    &household::GARDEN,
    &pastime::TOYS,
    &pastime::GAMES,
    &pastime::OFFICE,
];

/// Every category, ascending by id.
pub(super) fn shelves() -> impl Iterator<Item = (u16, &'static Department, &'static Shelf)> {
    let ids = (1..).filter(|id| !GAPS.contains(id));
    let shelves = DEPARTMENTS
        .iter()
        .flat_map(|department| department.shelves.iter().map(move |shelf| (*department, shelf)));
    ids.zip(shelves).map(|(id, (department, shelf))| (id, department, shelf))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// The counts of the real category file, which importers and pages were sized for.
    #[test]
    fn categories_have_the_shape_of_the_real_ones() {
        let ids: Vec<u16> = shelves().map(|(id, ..)| id).collect();
        let names: Vec<&str> = shelves().map(|(.., shelf)| shelf.0).collect();
        assert_eq!((names.len(), ids[0], *ids.last().unwrap()), (248, 1, 270));
        assert!(ids.is_sorted() && GAPS.iter().all(|gap| !ids.contains(gap)));
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len(), "a name twice");
        let lengths = names.iter().map(|name| name.chars().count());
        assert_eq!((lengths.clone().min(), lengths.max()), (Some(4), Some(48)));
        assert_eq!(names.iter().filter(|name| name.contains(',')).count(), 25);
        assert_eq!(names.iter().filter(|name| name.contains('é')).count(), 3);
    }

    /// The mixture of prices keeps its quantiles only while the two extremes are equally common.
    #[test]
    fn as_many_categories_are_cheap_as_dear() {
        let count = |cost| shelves().filter(|(_, department, _)| department.cost == cost).count();
        assert_eq!(count(Cost::Cheap), count(Cost::Dear));
    }

    #[test]
    fn words_need_no_cleaning_and_no_quotes() {
        for (_, department, (name, nouns)) in shelves() {
            let words = department.details.iter().chain(department.uses).chain(nouns);
            for word in words {
                assert!(!word.contains(['"', ',', '\'', ';', '|']) && word.is_ascii(), "{word}");
                assert!(word.trim() == *word && !word.contains("  "), "{word}");
            }
            assert!(name.trim() == *name && !name.contains("  ") && !name.contains('"'), "{name}");
        }
    }
}
