//! The routes on one page, and every answer's way out.
//!
//! A route is a pair: a filter that takes the request apart, and a plain async function
//! that answers it with a value or an `ApiError`. Rejections are for
//! routing alone: no such path, or not with this method.

mod categories;
mod problem;
mod products;
mod respond;
mod system;

use std::convert::Infallible;

use warp::filters::BoxedFilter;
use warp::reply::Response;
use warp::{Filter, Rejection};

use crate::app::App;

/// All routes, with an answer for every request.
pub fn routes(app: &App) -> BoxedFilter<(Response,)> {
    // Path before method: a wrong method on an unknown path must stay a 404.
    let home = warp::path::end().and(reads()).map(system::home);
    let health = warp::path!("health").and(reads()).map(system::health);
    let products =
        warp::path!("products").and(reads()).and(raw_query()).and(with(app)).then(products::list);
    let product = warp::path!("products" / String).and(reads()).and(with(app)).then(products::show);
    let categories = warp::path!("categories").and(reads()).and(with(app)).then(categories::list);
    let category_name = warp::path!("category" / "name")
        .and(reads())
        .and(raw_query())
        .and(with(app))
        .then(categories::name);
    let category_count =
        warp::path!("category" / "count").and(reads()).and(with(app)).then(categories::count);

    // Boxed: a chain of plain `or`s doubles the type at every step.
    home.boxed()
        .or(products.boxed())
        .unify()
        .or(product.boxed())
        .unify()
        .or(categories.boxed())
        .unify()
        .or(category_name.boxed())
        .unify()
        .or(category_count.boxed())
        .unify()
        .or(health.boxed())
        .unify()
        .recover(problem::of_rejection)
        .unify()
        .boxed()
}

/// GET, and HEAD for the same without the body.
fn reads() -> impl Filter<Extract = (), Error = Rejection> + Copy {
    warp::get().or(warp::head()).unify()
}

/// The query string as it came; empty without one.
fn raw_query() -> impl Filter<Extract = (String,), Error = Infallible> + Copy {
    warp::query::raw().or_else(|_| async { Ok::<_, Infallible>((String::new(),)) })
}

fn with(app: &App) -> impl Filter<Extract = (App,), Error = Infallible> + Clone + use<> {
    let app = app.clone();
    warp::any().map(move || app.clone())
}
