//! A change of some of a product's fields: JSON merge patch (RFC 7396).
//!
//! What is not sent stays, what is `null` is not known any more. All that can be wrong with
//! a patch is told before a stored product is looked at, so applying one cannot fail.

use super::json_object::{Given, JsonObject};
use super::product_input::{Fields, InputError};
use super::{Asin, Invalid, Product};

/// A change that can be made to the product it was read for.
#[derive(Debug)]
pub struct ProductPatch(Fields);

impl ProductPatch {
    /// Reads a change of the product `of`, which may be repeated in it and not changed.
    pub fn parse_json(body: &[u8], of: &Asin) -> Result<Self, InputError> {
        let mut object = JsonObject::parse(body, &Product::FIELDS)?;
        let fields = Fields::take(&mut object);
        if fields.asin != Given::Absent && fields.asin != Given::Value(*of) {
            object.fault(Invalid::new("asin", "cannot be changed"));
        }
        let emptied = [
            ("title", fields.title == Given::Null),
            ("category_id", fields.category_id == Given::Null),
        ];
        for (field, _) in emptied.into_iter().filter(|(_, is_emptied)| *is_emptied) {
            object.fault(Invalid::new(field, "must not be null"));
        }
        object.faults().map_err(InputError::Invalid)?;
        Ok(Self(fields))
    }

    /// The product with the change made.
    pub fn apply(&self, old: &Product) -> Product {
        let Self(new) = self;
        Product {
            asin: old.asin,
            title: must(&new.title, &old.title),
            category_id: must(&new.category_id, &old.category_id),
            img_url: may(&new.img_url, old.img_url.as_ref()),
            product_url: may(&new.product_url, old.product_url.as_ref()),
            stars: may(&new.stars, old.stars.as_ref()),
            reviews: may(&new.reviews, old.reviews.as_ref()),
            price: may(&new.price, old.price.as_ref()),
            list_price: may(&new.list_price, old.list_price.as_ref()),
            is_best_seller: may(&new.is_best_seller, old.is_best_seller.as_ref()),
            bought_in_last_month: may(&new.bought_in_last_month, old.bought_in_last_month.as_ref()),
        }
    }
}

fn must<T: Clone>(new: &Given<T>, old: &T) -> T {
    if let Given::Value(new) = new { new.clone() } else { old.clone() }
}

fn may<T: Clone>(new: &Given<T>, old: Option<&T>) -> Option<T> {
    match new {
        Given::Absent => old.cloned(),
        Given::Null => None,
        Given::Value(new) => Some(new.clone()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::product_input::tests::{any_json, any_product, json_of};
    use super::*;

    proptest! {
        #[test]
        fn a_products_own_json_changes_nothing(product in any_product()) {
            let patch = ProductPatch::parse_json(&json_of(&product), &product.asin).unwrap();
            prop_assert_eq!(patch.apply(&product), product);
        }

        /// As long as it does not make the asin another.
        #[test]
        fn another_products_json_makes_it_that_one(old in any_product(), new in any_product()) {
            let new = Product { asin: old.asin, ..new };
            let patch = ProductPatch::parse_json(&json_of(&new), &old.asin).unwrap();
            prop_assert_eq!(patch.apply(&old), new);
        }

        #[test]
        fn any_object_is_a_patch_or_named_faults(json in any_json(), product in any_product()) {
            match ProductPatch::parse_json(json.as_bytes(), &product.asin) {
                Ok(patch) => {
                    let once = patch.apply(&product);
                    prop_assert_eq!(patch.apply(&once), once);
                }
                Err(InputError::Invalid(faults)) => prop_assert!(!faults.is_empty()),
                Err(InputError::Malformed(e)) => prop_assert!(false, "{json}: {e}"),
            }
        }
    }

    proptest! {
        #[test]
        fn nothing_changes_nothing_and_null_forgets(product in any_product()) {
            let patch = |json: &str| ProductPatch::parse_json(json.as_bytes(), &product.asin);
            prop_assert_eq!(&patch("{}").unwrap().apply(&product), &product);
            let forgotten = patch(r#"{"price": null}"#).unwrap().apply(&product);
            prop_assert_eq!(forgotten, Product { price: None, ..product.clone() });
        }
    }

    #[test]
    fn what_every_product_has_cannot_be_taken_from_it() {
        let asin = Asin::parse("B1").unwrap();
        let json = br#"{"asin": "B2", "title": null, "category_id": null}"#;
        let Err(InputError::Invalid(faults)) = ProductPatch::parse_json(json, &asin) else {
            panic!("none of these can be changed so");
        };
        let fields: Vec<_> = faults.iter().map(|fault| fault.field.as_ref()).collect();
        assert_eq!(fields, ["asin", "title", "category_id"]);
        assert!(ProductPatch::parse_json(br#"{"asin": null}"#, &asin).is_err());
    }
}
