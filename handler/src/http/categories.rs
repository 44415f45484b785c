//! `GET /categories`, `/category/name` and `/category/count`.

use serde::Serialize;
use warp::reply::Response;

use super::problem::ApiError;
use super::respond::{json, or_problem};
use crate::app::App;
use crate::catalog::{Category, CategoryId, Invalid, slug};

#[derive(Serialize)]
struct Listed<'a> {
    id: u32,
    category_name: &'a str,
    slug: String,
}

impl<'a> From<&'a Category> for Listed<'a> {
    fn from(category: &'a Category) -> Self {
        let name = category.name.as_str();
        Self { id: category.id.get(), category_name: name, slug: slug(name) }
    }
}

/// All categories by id.
pub(super) async fn list(app: App) -> Response {
    let listed = async {
        let categories = app.store.categories().await?;
        Ok(json(&categories.iter().map(Listed::from).collect::<Vec<_>>()))
    };
    or_problem(listed.await, "/categories")
}

/// The slug of one category.
pub(super) async fn name(raw_query: String, app: App) -> Response {
    or_problem(slug_of(&raw_query, &app).await, "/category/name")
}

/// How many products each category has.
pub(super) async fn count(app: App) -> Response {
    let counted = async { Ok(json(&app.store.category_counts().await?)) };
    or_problem(counted.await, "/category/count")
}

async fn slug_of(raw_query: &str, app: &App) -> Result<Response, ApiError> {
    let id = category_id(raw_query)?;
    let categories = app.store.categories().await?;
    let category = categories.iter().find(|category| category.id == id);
    let category = category.ok_or(ApiError::UnknownCategory(id.get()))?;
    Ok(json(&slug(category.name.as_str())))
}

fn category_id(raw_query: &str) -> Result<CategoryId, Invalid> {
    let mut given = None;
    for (name, value) in form_urlencoded::parse(raw_query.as_bytes()) {
        match name.as_ref() {
            "code" | "clientId" => {}
            "category_id" if given.is_none() => given = Some(value),
            "category_id" => return Err(Invalid::new("category_id", "must be given only once")),
            unknown => {
                let unknown: String = unknown.chars().take(40).collect();
                return Err(Invalid::new("query", format!("there is no parameter `{unknown}`")));
            }
        }
    }
    CategoryId::parse("category_id", &given.unwrap_or_default())
}
