//! What a list may be narrowed to.

use std::fmt::Write as _;

use super::{Money, Stars};

/// Conditions on products; all of them must hold. A value that is not known meets none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Filter {
    /// At least this price.
    pub min_price: Option<Money>,
    /// At most this price.
    pub max_price: Option<Money>,
    /// At least this rating.
    pub min_stars: Option<Stars>,
    /// Only best sellers, or only what is known to be none.
    pub best_seller: Option<bool>,
}

impl Filter {
    /// Whether every product passes.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a product with these values passes.
    pub fn admits(
        &self,
        price: Option<Money>,
        stars: Option<Stars>,
        best_seller: Option<bool>,
    ) -> bool {
        let at_least = self.min_price.is_none_or(|min| price.is_some_and(|price| price >= min));
        let at_most = self.max_price.is_none_or(|max| price.is_some_and(|price| price <= max));
        let rated = self.min_stars.is_none_or(|min| stars.is_some_and(|stars| stars >= min));
        let sold = self.best_seller.is_none_or(|wanted| best_seller == Some(wanted));
        at_least && at_most && rated && sold
    }

    /// Appends the parameters that make this filter, each followed by `&`.
    pub(super) fn write_parameters(&self, link: &mut String) {
        let Self { min_price, max_price, min_stars, best_seller } = self;
        for (name, price) in [("min_price", min_price), ("max_price", max_price)] {
            if let Some(price) = price {
                // Writing into a String cannot fail.
                let _ = write!(link, "{name}={price}&");
            }
        }
        if let Some(stars) = min_stars {
            let _ = write!(link, "min_stars={stars}&");
        }
        if let Some(best_seller) = best_seller {
            let _ = write!(link, "best_seller={best_seller}&");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_meets_no_condition() {
        let money = Money::from_hundredths;
        let none = Filter::default();
        assert!(none.is_empty() && none.admits(None, None, None));
        let priced = Filter { min_price: money(100), max_price: money(200), ..none };
        for (price, passes) in
            [(money(99), false), (money(100), true), (money(200), true), (money(201), false)]
        {
            assert_eq!(priced.admits(price, None, None), passes, "{price:?}");
        }
        assert!(!priced.admits(None, None, None));
        let rated = Filter { min_stars: Stars::from_hundredths(450), ..none };
        assert!(rated.admits(None, Stars::from_hundredths(450), None));
        assert!(!rated.admits(None, None, None));
        let other = Filter { best_seller: Some(false), ..none };
        assert!(other.admits(None, None, Some(false)) && !other.admits(None, None, None));
    }
}
