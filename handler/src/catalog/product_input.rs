//! A product as a client sends it: JSON with the fields that we send.
//!
//! What is not sent is not known, as is what is `null`. Titles are cleaned as the import
//! cleans them, so that a title means the same whichever way it came.

use super::json_object::{Given, JsonObject, NotAnObject};
use super::{Asin, CategoryId, Count, Invalid, Money, Product, Stars, Title, WebUrl, clean};

/// Why a body is no product and no change of one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    /// It is no JSON object.
    #[error(transparent)]
    Malformed(#[from] NotAnObject),
    /// All fields that are wrong.
    #[error("{} fields are not valid", .0.len())]
    Invalid(Vec<Invalid>),
}

impl Product {
    /// Reads a product; `at` is the asin that its path has, which its own must repeat if it
    /// is there.
    pub fn parse_json(body: &[u8], at: Option<&Asin>) -> Result<Self, InputError> {
        let mut object = JsonObject::parse(body, &Self::FIELDS)?;
        let mut fields = Fields::take(&mut object);
        match (at, fields.asin) {
            (Some(at), Given::Absent) => fields.asin = Given::Value(*at),
            (Some(at), Given::Value(asin)) if asin != *at => {
                object.fault(Invalid::new("asin", "is not the one of the path"));
            }
            _ => {}
        }
        let needed = [
            ("asin", fields.asin.value().is_some()),
            ("title", matches!(fields.title, Given::Value(_))),
            ("category_id", fields.category_id.value().is_some()),
        ];
        for (field, _) in needed.into_iter().filter(|(_, is_there)| !is_there) {
            object.fault(Invalid::new(field, "must be given"));
        }
        object.faults().map_err(InputError::Invalid)?;
        Ok(fields.into_product().expect("what must be given was there, or a fault"))
    }
}

/// What a body says of each field.
#[derive(Debug)]
pub(super) struct Fields {
    pub asin: Given<Asin>,
    pub title: Given<Title>,
    pub img_url: Given<WebUrl>,
    pub product_url: Given<WebUrl>,
    pub stars: Given<Stars>,
    pub reviews: Given<Count>,
    pub price: Given<Money>,
    pub list_price: Given<Money>,
    pub category_id: Given<CategoryId>,
    pub is_best_seller: Given<bool>,
    pub bought_in_last_month: Given<Count>,
}

impl Fields {
    /// Takes all fields; what is wrong with them stays with the object.
    pub(super) fn take(object: &mut JsonObject<'_>) -> Self {
        fn url(object: &mut JsonObject<'_>, field: &'static str) -> Given<WebUrl> {
            object.text(field, |text| WebUrl::parse(field, text))
        }
        fn money(object: &mut JsonObject<'_>, field: &'static str) -> Given<Money> {
            object.number(field, |text| Money::parse(field, unsigned(text)))
        }
        fn count(object: &mut JsonObject<'_>, field: &'static str) -> Given<Count> {
            object.number(field, |text| Count::parse(field, whole(text)))
        }
        Self {
            asin: object.text("asin", Asin::parse),
            title: object.text("title", |text| Title::parse(&clean(text))),
            img_url: url(object, "imgUrl"),
            product_url: url(object, "productURL"),
            stars: object.number("stars", |text| Stars::parse(unsigned(text))),
            reviews: count(object, "reviews"),
            price: money(object, "price"),
            list_price: money(object, "listPrice"),
            category_id: object
                .number("category_id", |text| CategoryId::parse("category_id", whole(text))),
            is_best_seller: object.truth("isBestSeller"),
            bought_in_last_month: count(object, "boughtInLastMonth"),
        }
    }

    /// `None` if something is not known that every product has.
    fn into_product(self) -> Option<Product> {
        Some(Product {
            asin: self.asin.value()?,
            title: self.title.value()?,
            img_url: self.img_url.value(),
            product_url: self.product_url.value(),
            stars: self.stars.value(),
            reviews: self.reviews.value(),
            price: self.price.value(),
            list_price: self.list_price.value(),
            category_id: self.category_id.value()?,
            is_best_seller: self.is_best_seller.value(),
            bought_in_last_month: self.bought_in_last_month.value(),
        })
    }
}

/// A number of JSON as whole numbers are written elsewhere: JSON has one kind of number, and to
/// it `7.0` is 7.
fn whole(text: &str) -> &str {
    match unsigned(text).split_once('.') {
        Some((whole, fraction)) if fraction.bytes().all(|b| b == b'0') => whole,
        _ => unsigned(text),
    }
}

/// Zero without the sign that JSON lets it have.
fn unsigned(text: &str) -> &str {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.bytes().all(|b| matches!(b, b'0' | b'.')) { digits } else { text }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn any_product() -> impl Strategy<Value = Product> {
        let maybe = |most: i64| prop::option::of(0..=most);
        let url = || prop::option::of("https?://[a-z]{1,9}(/[!-~&&[^\"<>\\\\^`{|}#]]{0,9})?");
        let texts = ("[A-Za-z0-9-]{1,20}", "\\PC{1,40}", url(), url());
        let numbers = (maybe(500), maybe(2_147_483_647), maybe(9_999_999_999), maybe(50));
        (texts, numbers, 1..=1_000_000_i64, any::<Option<bool>>()).prop_filter_map(
            "a title that is clean, and URLs",
            |((asin, title, img, page), (stars, count, price, list), category, flag)| {
                let title = clean(&title).into_owned();
                // What was escaped twice is decoded once more each time that it is cleaned.
                if clean(&title) != title {
                    return None;
                }
                let url = |name, url: Option<String>| {
                    url.map(|url| WebUrl::parse(name, &url)).transpose().ok()
                };
                Some(Product {
                    asin: Asin::parse(&asin).ok()?,
                    title: Title::parse(&title).ok()?,
                    img_url: url("imgUrl", img)?,
                    product_url: url("productURL", page)?,
                    stars: stars.and_then(Stars::from_hundredths),
                    reviews: count.and_then(Count::from_i64),
                    price: price.and_then(Money::from_hundredths),
                    list_price: list.and_then(Money::from_hundredths),
                    category_id: CategoryId::from_i64(category)?,
                    is_best_seller: flag,
                    bought_in_last_month: count.and_then(|n| Count::from_i64(n / 2)),
                })
            },
        )
    }

    pub(crate) fn json_of(product: &Product) -> Vec<u8> {
        let mut json = Vec::new();
        product.write_json(&mut json);
        json
    }

    /// JSON that is near to a product: some of its fields, with values of every type.
    pub(crate) fn any_json() -> impl Strategy<Value = String> {
        let name = prop::sample::select([&Product::FIELDS[..], &["", "Price", "x"]].concat());
        let value = prop_oneof![
            Just("null".to_owned()),
            any::<bool>().prop_map(|b| b.to_string()),
            any::<i64>().prop_map(|n| n.to_string()),
            "-?(0|[1-9][0-9]{0,3})(\\.[0-9]{1,3})?([eE][+-]?[0-9]{1,2})?",
            "\\PC{0,9}".prop_map(|text| serde_json::to_string(&text).unwrap()),
            Just("\"https://a.example/\"".to_owned()),
            Just("[{}, [1]]".to_owned()),
            Just("{\"asin\": null}".to_owned()),
        ];
        let fields = prop::collection::vec((name, value), 0..14);
        fields.prop_map(|fields| {
            let fields: Vec<_> = fields.iter().map(|(n, v)| format!("\"{n}\": {v}")).collect();
            format!("{{{}}}", fields.join(", "))
        })
    }

    fn faults(json: &str, at: Option<&str>) -> Vec<String> {
        let at = at.map(|at| Asin::parse(at).unwrap());
        match Product::parse_json(json.as_bytes(), at.as_ref()) {
            Err(InputError::Invalid(faults)) => {
                faults.iter().map(|fault| fault.field.to_string()).collect()
            }
            other => panic!("{json}: {other:?}"),
        }
    }

    #[test]
    fn a_number_is_the_same_however_json_writes_it() {
        let read = |json: &str| Product::parse_json(json.as_bytes(), None);
        let plain = r#"{"asin":"B1","title":"Lamp","category_id":7,"reviews":0,"price":0}"#;
        let other = r#"{"asin":"B1","title":"Lamp","category_id":7.0,"reviews":-0.00,"price":-0}"#;
        assert_eq!(read(other), read(plain));
        assert!(read(plain).is_ok());
        for bad in ["7.5", "-7.0", "-1", "7.01"] {
            assert!(read(&plain.replace(":7", &format!(":{bad}"))).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_product_comes_back_out_of_its_json(product in any_product()) {
            let json = json_of(&product);
            prop_assert_eq!(Product::parse_json(&json, None).unwrap(), product.clone());
            prop_assert_eq!(Product::parse_json(&json, Some(&product.asin)).unwrap(), product);
        }

        #[test]
        fn any_object_is_a_product_or_named_faults(json in any_json()) {
            match Product::parse_json(json.as_bytes(), None) {
                Ok(product) => {
                    prop_assert_eq!(Product::parse_json(&json_of(&product), None), Ok(product));
                }
                Err(InputError::Invalid(faults)) => prop_assert!(!faults.is_empty()),
                Err(InputError::Malformed(e)) => prop_assert!(false, "{json}: {e}"),
            }
        }

        #[test]
        fn any_text_is_refused_or_a_product(text in "\\PC{0,40}") {
            prop_assert!(Product::parse_json(text.as_bytes(), None).is_err());
        }
    }

    #[test]
    fn what_every_product_has_must_be_given() {
        assert_eq!(faults("{}", None), ["asin", "title", "category_id"]);
        assert_eq!(faults("{}", Some("B1")), ["title", "category_id"]);
        let nulls = r#"{"asin": null, "title": null, "category_id": null}"#;
        assert_eq!(faults(nulls, Some("B1")), ["asin", "title", "category_id"]);
    }

    #[test]
    fn every_wrong_field_is_named_at_once() {
        let json = r#"{"asin": "B 1", "title": " &nbsp; ", "imgUrl": "/x", "productURL": 1,
            "stars": 5.01, "reviews": 1.5, "price": 1e2, "listPrice": "1.00",
            "category_id": 0, "isBestSeller": 1, "boughtInLastMonth": -1, "colour": "red"}"#;
        let mut named = faults(json, None);
        named.sort();
        let mut expected = [&Product::FIELDS[..], &["colour"]].concat();
        expected.sort_unstable();
        assert_eq!(named, expected);
    }

    #[test]
    fn the_asin_of_the_path_counts_and_is_not_contradicted() {
        let json = r#"{"asin": "B2", "title": "A lamp", "category_id": 1}"#;
        assert_eq!(faults(json, Some("B1")), ["asin"]);
        let json = r#"{"title": " A  lamp&#33;\n", "category_id": 1}"#;
        let asin = Asin::parse("B1").unwrap();
        let product = Product::parse_json(json.as_bytes(), Some(&asin)).unwrap();
        assert_eq!((product.asin, product.title.as_str()), (asin, "A lamp!"));
    }
}
