//! What a client asks of `GET /products`, and the link to what comes next.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::{
    Asin, CategoryId, Filter, Invalid, Money, Product, Stars, Words, cursor, query_string,
};

/// Bytes of most links: one with a category, an order and a cursor.
const LINK_BYTES: usize = 128;

/// One page of the catalogue: which products, in which order, from where on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PageQuery {
    /// Only this category; all of them if `None`.
    pub category: Option<CategoryId>,
    /// Only products that pass this.
    pub filter: Filter,
    /// Only products whose title holds these words; the list then goes by relevance.
    pub words: Option<Words>,
    /// The order, but for a search.
    pub sort: Sort,
    /// At most so many products.
    pub limit: Limit,
    /// Only what comes behind this place; from the beginning if `None`.
    pub after: Option<Position>,
}

/// The order of a list. Unknown values come last, ties go by asin ascending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Sort {
    /// By asin, ascending.
    #[default]
    Asin,
    /// Cheapest first.
    Price,
    /// Dearest first.
    PriceDescending,
    /// Best rated first.
    StarsDescending,
    /// Most reviewed first.
    ReviewsDescending,
}

impl Sort {
    /// Every order there is.
    pub const ALL: [Self; 5] = [
        Self::Asin,
        Self::Price,
        Self::PriceDescending,
        Self::StarsDescending,
        Self::ReviewsDescending,
    ];

    /// The word of the query string.
    pub fn word(self) -> &'static str {
        match self {
            Self::Asin => "asin",
            Self::Price => "price",
            Self::PriceDescending => "-price",
            Self::StarsDescending => "-stars",
            Self::ReviewsDescending => "-reviews",
        }
    }

    /// The column that it goes by, as both stores name it; `None` for the asin.
    pub fn column(self) -> Option<&'static str> {
        match self {
            Self::Asin => None,
            Self::Price | Self::PriceDescending => Some("price"),
            Self::StarsDescending => Some("stars"),
            Self::ReviewsDescending => Some("reviews"),
        }
    }

    /// Whether the greatest known value comes first.
    pub fn is_descending(self) -> bool {
        matches!(self, Self::PriceDescending | Self::StarsDescending | Self::ReviewsDescending)
    }

    fn parse(text: &str) -> Result<Self, Invalid> {
        Self::ALL.into_iter().find(|sort| sort.word() == text).ok_or_else(|| {
            Invalid::new("sort", "must be one of asin, price, -price, -stars, -reviews")
        })
    }
}

/// How many products a page may have: 1–1,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Limit(u16);

impl Limit {
    /// CONTRACT 5. A page of a thousand is about 400 kB.
    pub const MAX: u16 = 1_000;

    /// Reads plain digits.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        text.parse()
            .ok()
            .filter(|limit| digits && (1..=Self::MAX).contains(limit))
            .map(Self)
            .ok_or_else(|| Invalid::new("limit", "must be a whole number between 1 and 1000"))
    }

    /// The number.
    pub fn get(self) -> usize {
        usize::from(self.0)
    }
}

impl Default for Limit {
    /// CONTRACT 5.
    fn default() -> Self {
        Self(100)
    }
}

/// A place in an ordered list: right behind the product with this key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Position {
    /// The last product's value of the sort column, in its stored unit, or its rank in a
    /// search; `None` where the value was unknown, and always in the order by asin.
    pub key: Option<i64>,
    /// The last product's asin.
    pub asin: Asin,
}

impl Position {
    /// The place right behind a product.
    pub fn behind(product: &Product, sort: Sort) -> Self {
        let key = match sort {
            Sort::Asin => None,
            Sort::Price | Sort::PriceDescending => product.price.map(Money::hundredths),
            Sort::StarsDescending => product.stars.map(Stars::hundredths),
            Sort::ReviewsDescending => product.reviews.map(|reviews| i64::from(reviews.get())),
        };
        Self { key, asin: product.asin }
    }
}

impl PageQuery {
    /// The least and the greatest value that the filter leaves of the column that the list goes
    /// by, in its stored unit.
    pub fn key_bounds(&self) -> (Option<i64>, Option<i64>) {
        let Filter { min_price, max_price, min_stars, .. } = self.filter;
        match self.sort {
            Sort::Price | Sort::PriceDescending => {
                (min_price.map(Money::hundredths), max_price.map(Money::hundredths))
            }
            Sort::StarsDescending => (min_stars.map(Stars::hundredths), None),
            Sort::Asin | Sort::ReviewsDescending => (None, None),
        }
    }

    /// Reads a raw query string; every parameter that is wrong is named.
    ///
    /// `code` and `clientId` are the platform's keys and mean nothing here.
    pub fn parse(raw: &str) -> Result<Self, Vec<Invalid>> {
        let (given, mut faults) = parameters(raw);
        let mut keep = |fault| faults.push(fault);
        let mut query = Self {
            category: read(&given, "category_id", CategoryId::parse, &mut keep),
            filter: Filter {
                min_price: read(&given, "min_price", Money::parse, &mut keep),
                max_price: read(&given, "max_price", Money::parse, &mut keep),
                min_stars: read(&given, "min_stars", stars, &mut keep),
                best_seller: read(&given, "best_seller", truth, &mut keep),
            },
            words: read(&given, "q", |_, text| Words::parse(text), &mut keep),
            sort: read(&given, "sort", |_, text| Sort::parse(text), &mut keep).unwrap_or_default(),
            limit: read(&given, "limit", |_, text| Limit::parse(text), &mut keep)
                .unwrap_or_default(),
            after: None,
        };
        faults.extend(query.contradictions(given.get("sort").is_some()));
        if faults.is_empty()
            && let Some(text) = given.get("cursor")
        {
            match cursor::decode(text, &query) {
                Ok(position) => query.after = Some(position),
                Err(fault) => faults.push(fault),
            }
        }
        if faults.is_empty() { Ok(query) } else { Err(faults) }
    }

    /// Reads a raw query string that asks for a whole list, to be read in the longest pages:
    /// what only a page has is refused.
    pub fn parse_whole(raw: &str) -> Result<Self, Vec<Invalid>> {
        let (given, _) = parameters(raw);
        let of_a_page =
            ["limit", "cursor", "q"].into_iter().filter(|name| given.get(name).is_some());
        let faults: Vec<_> = of_a_page
            .map(|name| Invalid::new(name, "must not be given where the whole list is streamed"))
            .collect();
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(Self { limit: Limit(Limit::MAX), ..Self::parse(raw)? })
    }

    /// Whether it asks for the whole of a list that the catalogue has: its size is known, and
    /// there are only so many such lists.
    pub fn is_plain(&self) -> bool {
        self.filter.is_empty() && self.words.is_none()
    }

    /// Whether there are only so many queries like it: words and prices can be anything.
    pub fn is_bounded(&self) -> bool {
        let Filter { min_price, max_price, .. } = self.filter;
        self.words.is_none() && min_price.is_none() && max_price.is_none()
    }

    /// What each parameter allows and all of them together do not.
    fn contradictions(&self, has_sort: bool) -> Vec<Invalid> {
        let mut faults = Vec::new();
        if let (Some(min), Some(max)) = (self.filter.min_price, self.filter.max_price)
            && min > max
        {
            faults.push(Invalid::new("max_price", "must not be below min_price"));
        }
        if self.words.is_some() && has_sort {
            faults.push(Invalid::new("sort", "must not stand beside q, which goes by relevance"));
        }
        faults
    }

    /// Path and query of this page.
    pub fn link(&self) -> String {
        self.link_to(self.after.as_ref())
    }

    /// Path and query of the page that goes on behind `after`.
    pub fn link_after(&self, after: &Position) -> String {
        self.link_to(Some(after))
    }

    fn link_to(&self, after: Option<&Position>) -> String {
        let mut link = String::with_capacity(LINK_BYTES);
        link.push_str("/products?");
        if let Some(category) = self.category {
            // Writing into a String cannot fail.
            let _ = write!(link, "category_id={}&", category.get());
        }
        self.filter.write_parameters(&mut link);
        if let Some(words) = &self.words {
            let words: String =
                form_urlencoded::byte_serialize(words.to_string().as_bytes()).collect();
            let _ = write!(link, "q={words}&");
        }
        if self.sort != Sort::default() {
            let _ = write!(link, "sort={}&", self.sort.word());
        }
        if self.limit != Limit::default() {
            let _ = write!(link, "limit={}&", self.limit.get());
        }
        if let Some(after) = after {
            let _ = write!(link, "cursor={}", cursor::encode(after, self));
        }
        let used = link.trim_end_matches(['&', '?']).len();
        link.truncate(used);
        link
    }

    /// The query as a text: the same for equal queries, another for others.
    pub fn name(&self) -> String {
        let after = self.after.map_or_else(String::new, |after| cursor::encode(&after, self));
        format!("{}/{}/{after}", self.list_name(), self.limit.get())
    }

    /// What a cursor is bound to: the same text for every page of one list.
    pub(super) fn list_name(&self) -> String {
        let category = self.category.map_or(0, CategoryId::get);
        let mut name = String::with_capacity(64);
        // Writing into a String cannot fail.
        let _ = write!(name, "products/{category}/");
        name.push_str(self.sort.word());
        if !self.is_plain() {
            name.push('?');
            self.filter.write_parameters(&mut name);
            if let Some(words) = &self.words {
                let _ = write!(name, "q={words}");
            }
        }
        name
    }
}

const PARAMETERS: [&str; 9] = [
    "category_id",
    "sort",
    "limit",
    "cursor",
    "min_price",
    "max_price",
    "min_stars",
    "best_seller",
    "q",
];
const IGNORED: [&str; 2] = ["code", "clientId"];

/// The values of [`PARAMETERS`] that were given. No map: this is read for every hit.
#[derive(Default)]
struct Given<'a>([Option<Cow<'a, str>>; PARAMETERS.len()]);

impl Given<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        self.0[place(name)?].as_deref()
    }
}

fn place(name: &str) -> Option<usize> {
    PARAMETERS.iter().position(|known| *known == name)
}

/// The known parameters, and a fault for each unknown or repeated one.
fn parameters(raw: &str) -> (Given<'_>, Vec<Invalid>) {
    let mut given = Given::default();
    let mut faults = Vec::new();
    for (name, value) in query_string::parameters(raw) {
        if IGNORED.contains(&name.as_ref()) {
            continue;
        }
        let Some(place) = place(&name) else {
            // Shown back to the sender, so bounded.
            let name: String = name.chars().take(40).collect();
            faults.push(Invalid::new("query", format!("there is no parameter `{name}`")));
            continue;
        };
        if given.0[place].replace(value).is_some() {
            faults.push(Invalid::new(PARAMETERS[place], "must be given only once"));
        }
    }
    (given, faults)
}

fn read<T>(
    given: &Given<'_>,
    name: &'static str,
    parse: impl Fn(&'static str, &str) -> Result<T, Invalid>,
    keep: &mut impl FnMut(Invalid),
) -> Option<T> {
    parse(name, given.get(name)?).map_err(keep).ok()
}

fn stars(name: &'static str, text: &str) -> Result<Stars, Invalid> {
    Stars::parse(text).map_err(|fault| Invalid::new(name, fault.reason))
}

fn truth(name: &'static str, text: &str) -> Result<bool, Invalid> {
    text.parse().map_err(|_| Invalid::new(name, "must be true or false"))
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    fn fields(raw: &str) -> Vec<Cow<'static, str>> {
        PageQuery::parse(raw).unwrap_err().into_iter().map(|fault| fault.field).collect()
    }

    #[test]
    fn nothing_asked_is_the_first_hundred_by_asin() {
        let query = PageQuery::parse("").unwrap();
        assert_eq!((query.category, query.sort, query.limit.get()), (None, Sort::Asin, 100));
    }

    #[test]
    fn the_platforms_keys_are_ignored() {
        assert_eq!(PageQuery::parse("code=x&clientId=y&code=z"), PageQuery::parse(""));
    }

    #[test]
    fn every_wrong_parameter_is_named() {
        assert_eq!(fields("limit=0&sort=title&category_id=x"), ["category_id", "sort", "limit"]);
        assert_eq!(fields("limit=1&limit=1"), ["limit"]);
        assert_eq!(fields("limit="), ["limit"]);
        assert_eq!(fields("limit=1001"), ["limit"]);
        assert_eq!(fields("cursor=!"), ["cursor"]);
        let unknown = PageQuery::parse("pages=1").unwrap_err();
        assert!(unknown[0].reason.contains("`pages`"), "{unknown:?}");
    }

    #[test]
    fn filters_and_words_are_read_or_named() {
        let query =
            PageQuery::parse("min_price=5&max_price=9.5&min_stars=4&best_seller=true&q=Lamp");
        let query = query.unwrap();
        assert_eq!(query.filter.min_price, Money::from_hundredths(500));
        assert_eq!(query.filter.min_stars, Stars::from_hundredths(400));
        assert_eq!(query.words, Words::parse("lamp").ok());
        assert!(!query.is_plain());
        assert_eq!(
            fields("min_price=-1&max_price=x&min_stars=6&best_seller=yes&q="),
            ["min_price", "max_price", "min_stars", "best_seller", "q"]
        );
        assert_eq!(fields("min_price=2&max_price=1.99"), ["max_price"]);
        assert_eq!(fields("q=lamp&sort=price"), ["sort"]);
    }

    #[test]
    fn a_whole_list_has_no_pages() {
        let whole = PageQuery::parse_whole("category_id=5&min_price=1&sort=price").unwrap();
        assert_eq!((whole.limit.get(), whole.sort), (1_000, Sort::Price));
        for (raw, field) in [("limit=5", "limit"), ("cursor=x", "cursor"), ("q=lamp", "q")] {
            assert_eq!(PageQuery::parse_whole(raw).unwrap_err()[0].field, field);
        }
        assert_eq!(PageQuery::parse_whole("limits=5").unwrap_err()[0].field, "query");
    }

    #[test]
    fn the_link_leads_on_in_the_same_list() {
        for raw in [
            "category_id=5&sort=-price&limit=7",
            "min_price=1.50&max_price=20&min_stars=4.5&best_seller=false",
            "category_id=5&q=T-Shirt+%26+red+100%25",
        ] {
            let query = PageQuery::parse(raw).unwrap();
            let after = Position { key: Some(1_999), asin: Asin::parse("B01").unwrap() };
            let link = query.link_after(&after);
            let next = PageQuery::parse(link.strip_prefix("/products?").unwrap()).unwrap();
            assert_eq!(next, PageQuery { after: Some(after), ..query }, "{raw}");
        }
    }
}
