//! What a file's header says it holds, and its records as checked rows.

use std::io::Read;

use super::records::Records;
use crate::catalog::{
    Asin, Category, CategoryId, CategoryName, Count, Invalid, Money, Product, Stars, Title, WebUrl,
    clean,
};
use crate::store::ProductColumns;

const CATEGORY_COLUMNS: [&str; 2] = ["id", "category_name"];

/// Where in a record each column lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Layout {
    Products { width: usize, at: [Option<usize>; 11] },
    Categories { id: usize, name: usize },
}

/// A record that passed every check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Row {
    Product(Box<Product>),
    Category(Category),
}

impl Layout {
    /// Tells the kind of a file by its header; the error says what a header must have.
    pub(super) fn parse(header: &[String]) -> Result<Self, String> {
        let find = |name: &str| header.iter().position(|column| column == name);
        if let Some(twice) = (1..header.len()).find(|i| header[..*i].contains(&header[*i])) {
            return Err(format!("unknown header: the column `{}` is there twice", header[twice]));
        }
        let known: &[&str] = if find("id").is_some() || find("category_name").is_some() {
            &CATEGORY_COLUMNS
        } else {
            &Product::FIELDS
        };
        if let Some(unknown) = header.iter().find(|column| !known.contains(&column.as_str())) {
            let shown: String = unknown.chars().take(40).collect();
            return Err(format!(
                "unknown header: there is no column `{shown}`; a file of categories has {}, one \
                 of products {} (of which asin, title and category_id must be there)",
                CATEGORY_COLUMNS.join(","),
                Product::FIELDS.join(","),
            ));
        }
        let need = |name: &str| {
            find(name).ok_or_else(|| format!("unknown header: the column `{name}` is missing"))
        };
        if known.len() == CATEGORY_COLUMNS.len() {
            return Ok(Self::Categories { id: need("id")?, name: need("category_name")? });
        }
        for name in ["asin", "title", "category_id"] {
            need(name)?;
        }
        Ok(Self::Products { width: header.len(), at: Product::FIELDS.map(find) })
    }

    /// How many fields a record must have.
    pub(super) fn width(&self) -> usize {
        match self {
            Self::Products { width, .. } => *width,
            Self::Categories { .. } => CATEGORY_COLUMNS.len(),
        }
    }

    /// The optional columns of a products file.
    pub(super) fn product_columns(&self) -> ProductColumns {
        let Self::Products { at, .. } = self else {
            return ProductColumns::default();
        };
        let has = |name: &str| {
            Product::FIELDS.iter().position(|n| *n == name).is_some_and(|i| at[i].is_some())
        };
        ProductColumns {
            img_url: has("imgUrl"),
            product_url: has("productURL"),
            stars: has("stars"),
            reviews: has("reviews"),
            price: has("price"),
            list_price: has("listPrice"),
            is_best_seller: has("isBestSeller"),
            bought_in_last_month: has("boughtInLastMonth"),
        }
    }

    /// Checks the current record, which has the right number of fields.
    pub(super) fn check<R: Read>(&self, records: &Records<R>) -> Result<Row, Invalid> {
        match self {
            Self::Categories { id, name } => {
                let id = CategoryId::parse("id", text("id", records.field(*id))?)?;
                let name = text("category_name", records.field(*name))?;
                Ok(Row::Category(Category { id, name: CategoryName::parse(&clean(name))? }))
            }
            Self::Products { at, .. } => {
                let fields = Fields { records, at };
                Ok(Row::Product(Box::new(fields.product()?)))
            }
        }
    }
}

struct Fields<'a, R> {
    records: &'a Records<R>,
    at: &'a [Option<usize>; 11],
}

impl<R: Read> Fields<'_, R> {
    /// The columns in the order of the contract, so the first fault is the leftmost there.
    fn product(&self) -> Result<Product, Invalid> {
        Ok(Product {
            asin: Asin::parse(self.needed(0)?)?,
            title: Title::parse(&clean(self.needed(1)?))?,
            img_url: self.known(2, |text| WebUrl::parse("imgUrl", text))?,
            product_url: self.known(3, |text| WebUrl::parse("productURL", text))?,
            stars: self.known(4, Stars::parse)?,
            reviews: self.known(5, |text| Count::parse("reviews", text))?,
            price: self.known(6, |text| Money::parse("price", text))?,
            list_price: self.known(7, |text| Money::parse("listPrice", text))?,
            category_id: CategoryId::parse("category_id", self.needed(8)?)?,
            is_best_seller: self.known(9, truth)?,
            bought_in_last_month: self.known(10, |text| Count::parse("boughtInLastMonth", text))?,
        })
    }

    fn needed(&self, column: usize) -> Result<&str, Invalid> {
        let at = self.at[column].expect("the header has the columns that must be there");
        text(Product::FIELDS[column], self.records.field(at))
    }

    /// A column that the file may lack and a field that may be empty: both are not known.
    fn known<T>(
        &self,
        column: usize,
        parse: impl Fn(&str) -> Result<T, Invalid>,
    ) -> Result<Option<T>, Invalid> {
        let Some(at) = self.at[column] else {
            return Ok(None);
        };
        let text = text(Product::FIELDS[column], self.records.field(at))?;
        if text.is_empty() { Ok(None) } else { parse(text).map(Some) }
    }
}

fn text<'a>(field: &'static str, bytes: &'a [u8]) -> Result<&'a str, Invalid> {
    std::str::from_utf8(bytes).map_err(|e| {
        Invalid::new(field, format!("is not UTF-8 (at its byte {})", e.valid_up_to() + 1))
    })
}

fn truth(text: &str) -> Result<bool, Invalid> {
    match text {
        "True" | "true" | "TRUE" | "1" => Ok(true),
        "False" | "false" | "FALSE" | "0" => Ok(false),
        _ => Err(Invalid::new("isBestSeller", "must be True or False")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(text: &str) -> Vec<String> {
        text.split(',').map(str::to_owned).collect()
    }

    #[test]
    fn the_header_tells_the_kind_in_any_order() {
        let categories = Layout::parse(&header("category_name,id")).unwrap();
        assert_eq!(categories, Layout::Categories { id: 1, name: 0 });
        let products = Layout::parse(&header("category_id,price,title,asin")).unwrap();
        let columns = ProductColumns { price: true, ..ProductColumns::default() };
        assert_eq!((products.width(), products.product_columns()), (4, columns));
    }

    #[test]
    fn an_unknown_header_is_refused_with_what_is_wrong() {
        for (text, reason) in [
            ("", "no column ``"),
            ("asin,title", "`category_id` is missing"),
            ("id", "`category_name` is missing"),
            ("id,category_name,asin", "no column `asin`"),
            ("asin,title,category_id,colour", "no column `colour`"),
            ("asin,asin,title,category_id", "`asin` is there twice"),
        ] {
            let refused = Layout::parse(&header(text)).unwrap_err();
            assert!(refused.contains(reason), "{text}: {refused}");
        }
    }
}
