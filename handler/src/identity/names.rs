//! What somebody may be called, and what they are called who did not say it to us.

/// CONTRACT 4.
const CHARACTERS_MAX: usize = 50;
/// The name of somebody of whose name nothing is left.
const NOBODYS: &str = "User";

/// Whether a first or last name is within CONTRACT 4's limits.
pub fn is_name(text: &str) -> bool {
    (1..=CHARACTERS_MAX).contains(&text.chars().count())
        && text.chars().all(may_be_in_a_name)
        && text.chars().any(char::is_alphabetic)
}

/// First and last name of somebody whom another place calls `name`, or else as the address
/// suggests.
pub fn first_and_last(name: Option<&str>, email: &str) -> (String, String) {
    let local_part = email.split('@').next().unwrap_or_default();
    let words = [name.unwrap_or_default(), local_part].map(words);
    let Some(words) = words.into_iter().find(|words| !words.is_empty()) else {
        return (NOBODYS.to_owned(), NOBODYS.to_owned());
    };
    let (first, rest) = words.split_at(1);
    // There is no telling which of the two a single word is.
    let last = if rest.is_empty() { first } else { rest };
    (shortened(&first.join(" ")), shortened(&last.join(" ")))
}

fn may_be_in_a_name(character: char) -> bool {
    character.is_alphabetic() || matches!(character, ' ' | '-' | '\'' | '’')
}

/// What of a text can be part of a name.
fn words(text: &str) -> Vec<String> {
    let words = text.split(|c| c == ' ' || !may_be_in_a_name(c));
    words
        .map(|word| word.trim_start_matches(|c: char| !c.is_alphabetic()))
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

fn shortened(name: &str) -> String {
    let short: String = name.chars().take(CHARACTERS_MAX).collect();
    short.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_have_their_limits() {
        for good in ["Ann", "Anne-Marie", "O'Neil", "Łukasz van der Berg"] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", " ", "<b>", "A1", "a\n", &"x".repeat(51)] {
            assert!(!is_name(bad), "{bad}");
        }
    }

    #[test]
    fn a_name_is_found_where_there_is_one() {
        for (name, email, expected) in [
            (Some("Ann Lee"), "x@b.example", ("Ann", "Lee")),
            (Some("Ann van der Lee"), "x@b.example", ("Ann", "van der Lee")),
            (Some("Prince"), "x@b.example", ("Prince", "Prince")),
            (Some("  <3 "), "ann.lee@b.example", ("ann", "lee")),
            (None, "ann_lee+shop@b.example", ("ann", "lee shop")),
            (None, "4711@b.example", ("User", "User")),
        ] {
            let (first, last) = first_and_last(name, email);
            assert_eq!((first.as_str(), last.as_str()), expected);
        }
    }

    proptest! {
        #[test]
        fn whatever_somebody_is_called_elsewhere_is_a_name_here(
            name in proptest::option::of("\\PC{0,120}"), email in "\\PC{0,80}"
        ) {
            let (first, last) = first_and_last(name.as_deref(), &email);
            prop_assert!(is_name(&first) && is_name(&last), "{:?} {:?}", first, last);
        }
    }
}
