//! Files to import.

use std::io::Write as _;

pub const HEADER: &str = "asin,title,imgUrl,productURL,stars,reviews,price,listPrice,category_id,isBestSeller,boughtInLastMonth";

/// A products file of these lines.
pub fn products(lines: &[&str]) -> String {
    let mut text = format!("{HEADER}\n");
    for line in lines {
        text.push_str(line);
        text.push('\n');
    }
    text
}

/// A good row of the data set's form.
pub fn row(asin: &str, title: &str, price: &str, category: u32) -> String {
    format!(
        "{asin},{title},https://img.example/{asin}.jpg,https://shop.example/dp/{asin},4.5,10,{price},0.0,{category},False,50"
    )
}

/// The asin of a row of [`many`].
pub fn asin(i: usize) -> String {
    // 7919 is a prime: the asins come in no order.
    format!("B{:09}", i * 7_919 % 1_000_000_007)
}

/// A products file of `count` good rows in two categories.
pub fn many(count: usize) -> String {
    let mut text = format!("{HEADER}\n");
    for i in 0..count {
        text.push_str(&row(
            &asin(i),
            &format!("\"Lamp, no. {i}\""),
            &format!("{}.5", i % 97),
            1 + (i % 2) as u32,
        ));
        text.push('\n');
    }
    text
}

pub fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}
