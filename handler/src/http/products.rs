//! Requests about products and categories as questions, and what their absence means.

use percent_encoding::percent_decode_str;

use super::problem::ApiError;
use crate::catalog::{Asin, CategoryId, Invalid, PageQuery, query_string};
use crate::question::Question;

/// `GET /products`
pub(super) fn page(raw_query: &str) -> Result<Question, ApiError> {
    Ok(Question::Page(PageQuery::parse(raw_query)?))
}

/// `GET /products/{asin}`
pub(super) fn product(segment: &str) -> Result<Question, ApiError> {
    Ok(Question::Product(asin(segment)?))
}

/// The asin that a path has.
pub(super) fn asin(segment: &str) -> Result<Asin, Invalid> {
    Asin::parse(&percent_decode_str(segment).decode_utf8_lossy())
}

/// `GET /category/name?category_id=`
pub(super) fn category_id(raw_query: &str) -> Result<CategoryId, Invalid> {
    let mut given = None;
    for (name, value) in query_string::parameters(raw_query) {
        match name.as_ref() {
            "code" | "clientId" => {}
            "category_id" if given.is_none() => given = Some(value),
            "category_id" => return Err(Invalid::new("category_id", "must be given only once")),
            name => return Err(unknown(name)),
        }
    }
    CategoryId::parse("category_id", &given.unwrap_or_default())
}

/// Refuses whatever is given to a route that has no parameters.
pub(super) fn no_parameters(raw_query: &str) -> Result<(), Invalid> {
    query_string::parameters(raw_query)
        .find(|(name, _)| !matches!(name.as_ref(), "code" | "clientId"))
        .map_or(Ok(()), |(name, _)| Err(unknown(&name)))
}

fn unknown(name: &str) -> Invalid {
    // Shown back to the sender, so bounded.
    let name: String = name.chars().take(40).collect();
    Invalid::new("query", format!("there is no parameter `{name}`"))
}

/// What it means that there is no answer to a question. A list is absent only if its category
/// is.
pub(super) fn absent(question: &Question) -> ApiError {
    match question {
        Question::Page(PageQuery { category: Some(id), .. }) | Question::CategoryName(id) => {
            ApiError::UnknownCategory(id.get())
        }
        Question::Product(asin) => ApiError::NoSuchProduct(asin.to_string()),
        _ => ApiError::NotFound,
    }
}
