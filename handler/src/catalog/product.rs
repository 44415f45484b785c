//! A product, and its form as JSON.

use std::fmt::Display;
use std::io::Write as _;

use super::{Asin, CategoryId, Count, Money, Stars, Title, WebUrl};

/// One product. What is not known is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Product {
    /// Its key.
    pub asin: Asin,
    /// Its title.
    pub title: Title,
    /// Its picture.
    pub img_url: Option<WebUrl>,
    /// Its page at the shop.
    pub product_url: Option<WebUrl>,
    /// Its mean rating.
    pub stars: Option<Stars>,
    /// How many reviews it has.
    pub reviews: Option<Count>,
    /// What it costs.
    pub price: Option<Money>,
    /// What it cost before; 0 where there was no such price.
    pub list_price: Option<Money>,
    /// Where it belongs.
    pub category_id: CategoryId,
    /// Whether the shop calls it a best seller.
    pub is_best_seller: Option<bool>,
    /// How many were bought in the month before the snapshot.
    pub bought_in_last_month: Option<Count>,
}

impl Product {
    /// Its fields as JSON, imported files and exported ones name and order them.
    pub const FIELDS: [&str; 11] = [
        "asin",
        "title",
        "imgUrl",
        "productURL",
        "stars",
        "reviews",
        "price",
        "listPrice",
        "category_id",
        "isBestSeller",
        "boughtInLastMonth",
    ];

    /// Appends the product as a JSON object, its fields named and ordered as in CONTRACT 4.
    ///
    /// By hand, since money has always two decimals, which no derived form writes.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"asin\":\"");
        out.extend_from_slice(self.asin.as_str().as_bytes());
        out.extend_from_slice(b"\",\"title\":");
        write_text(out, self.title.as_str());
        out.extend_from_slice(b",\"imgUrl\":");
        write_url(out, self.img_url.as_ref());
        out.extend_from_slice(b",\"productURL\":");
        write_url(out, self.product_url.as_ref());
        write_number(out, "stars", self.stars);
        write_number(out, "reviews", self.reviews.map(Count::get));
        write_number(out, "price", self.price);
        write_number(out, "listPrice", self.list_price);
        write_number(out, "category_id", Some(self.category_id.get()));
        write_number(out, "isBestSeller", self.is_best_seller);
        write_number(out, "boughtInLastMonth", self.bought_in_last_month.map(Count::get));
        out.push(b'}');
    }

    /// Appends the product as a line of CSV in the form of the data set, so that it can be
    /// imported again: [`Product::FIELDS`] in their order, what is not known empty.
    pub fn write_csv(&self, out: &mut Vec<u8>) {
        let truth = self.is_best_seller.map(|flag| if flag { "True" } else { "False" });
        out.extend_from_slice(self.asin.as_str().as_bytes());
        write_csv_text(out, self.title.as_str());
        write_csv_text(out, self.img_url.as_ref().map_or("", WebUrl::as_str));
        write_csv_text(out, self.product_url.as_ref().map_or("", WebUrl::as_str));
        write_csv_value(out, self.stars);
        write_csv_value(out, self.reviews.map(Count::get));
        write_csv_value(out, self.price);
        write_csv_value(out, self.list_price);
        write_csv_value(out, Some(self.category_id.get()));
        write_csv_value(out, truth);
        write_csv_value(out, self.bought_in_last_month.map(Count::get));
        out.push(b'\n');
    }
}

/// The products as one JSON array.
pub fn write_json_array(products: &[Product]) -> Vec<u8> {
    // 400: a product of the data set takes about 380 bytes as JSON.
    let mut out = Vec::with_capacity(2 + products.len() * 400);
    out.push(b'[');
    for (index, product) in products.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        product.write_json(&mut out);
    }
    out.push(b']');
    out
}

fn write_text(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).expect("a text serialises into memory");
}

fn write_url(out: &mut Vec<u8>, url: Option<&WebUrl>) {
    match url {
        Some(url) => write_text(out, url.as_str()),
        None => out.extend_from_slice(b"null"),
    }
}

/// Numbers and booleans: what `Display` writes is JSON already.
fn write_number(out: &mut Vec<u8>, name: &str, value: Option<impl Display>) {
    match value {
        Some(value) => write!(out, ",\"{name}\":{value}"),
        None => write!(out, ",\"{name}\":null"),
    }
    .expect("memory takes every byte");
}

/// A field that is not the first, in quotes if it must be.
fn write_csv_text(out: &mut Vec<u8>, text: &str) {
    out.push(b',');
    if !text.contains([',', '"', '\n', '\r']) {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    out.push(b'"');
    out.extend_from_slice(text.replace('"', "\"\"").as_bytes());
    out.push(b'"');
}

fn write_csv_value(out: &mut Vec<u8>, value: Option<impl Display>) {
    match value {
        Some(value) => write!(out, ",{value}").expect("memory takes every byte"),
        None => out.push(b','),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lamp() -> Product {
        Product {
            asin: Asin::parse("B0-1").unwrap(),
            title: Title::parse("A \"9\" lamp\\ é").unwrap(),
            img_url: Some(WebUrl::parse("imgUrl", "https://a.example/1.jpg").unwrap()),
            product_url: None,
            stars: Some(Stars::parse("4").unwrap()),
            reviews: Some(Count::parse("reviews", "0").unwrap()),
            price: Some(Money::parse("price", "98.0").unwrap()),
            list_price: None,
            category_id: CategoryId::parse("category_id", "7").unwrap(),
            is_best_seller: Some(true),
            bought_in_last_month: None,
        }
    }

    #[test]
    fn a_line_of_csv_has_the_form_of_the_data_set() {
        let mut line = Vec::new();
        lamp().write_csv(&mut line);
        assert_eq!(
            String::from_utf8(line).unwrap(),
            "B0-1,\"A \"\"9\"\" lamp\\ é\",https://a.example/1.jpg,,4.0,0,98.00,,7,True,\n"
        );
    }

    #[test]
    fn a_product_is_written_as_the_contract_says() {
        let product = lamp();
        let text = String::from_utf8(write_json_array(&[product.clone(), product])).unwrap();
        let one = r#"{"asin":"B0-1","title":"A \"9\" lamp\\ é","imgUrl":"https://a.example/1.jpg","productURL":null,"stars":4.0,"reviews":0,"price":98.00,"listPrice":null,"category_id":7,"isBestSeller":true,"boughtInLastMonth":null}"#;
        assert_eq!(text, format!("[{one},{one}]"));
        assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
    }
}
