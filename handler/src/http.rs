//! Every request's way in and every answer's way out.
//!
//! There is one table of routes, [`routes`], and one warp filter that takes a request apart
//! and looks there. A filter a route would do, but each one that does not match costs about
//! 50 ns and answers a wrong method with what the next one says of the path.

mod accept;
mod problem;
mod products;
mod respond;
pub mod routes;
pub mod serve;
mod stream;
mod system;

use std::convert::Infallible;
use std::sync::Arc;

use warp::Filter;
use warp::filters::BoxedFilter;
use warp::filters::path::FullPath;
use warp::http::{HeaderMap, Method};
use warp::reply::Response;

use crate::app::App;
use crate::cache::answer::Answer;
use crate::catalog::CategoryId;
use crate::question::Question;
use accept::ListForm;
use problem::ApiError;
use routes::{Endpoint, Found};
pub use stream::Streams;

/// Answers every request.
pub fn filter(app: &App) -> BoxedFilter<(Response,)> {
    let app = app.clone();
    warp::any()
        .and(warp::method())
        .and(warp::path::full())
        .and(raw_query())
        .and(warp::header::headers_cloned())
        .and(warp::any().map(move || app.clone()))
        .then(|method, path, query, headers, app| async move {
            let ask = Ask { method, path, query, headers };
            let mut response = ask.answer(&app).await;
            respond::identify(&mut response, &ask.headers);
            response
        })
        .boxed()
}

/// A request without its body.
struct Ask {
    method: Method,
    path: FullPath,
    query: String,
    headers: HeaderMap,
}

impl Ask {
    async fn answer(&self, app: &App) -> Response {
        self.try_answer(app).await.unwrap_or_else(|error| error.respond(Some(self.path.as_str())))
    }

    async fn try_answer(&self, app: &App) -> Result<Response, ApiError> {
        let Found { endpoint, parameter } =
            routes::find(self.path.as_str()).ok_or(ApiError::NotFound)?;
        if !matches!(self.method, Method::GET | Method::HEAD) {
            return Err(ApiError::MethodNotAllowed);
        }
        if endpoint != Endpoint::ListProducts {
            // Each of the others answers in JSON alone.
            accept::json(&self.headers)?;
        }
        match endpoint {
            // Hosts and probes add parameters of their own to these three.
            Endpoint::Home => Ok(system::home()),
            Endpoint::Health => Ok(system::health()),
            Endpoint::Ready => Ok(system::ready(app).await),
            Endpoint::ListProducts => match accept::list(&self.headers)? {
                ListForm::Page => {
                    let question = products::page(&self.query)?;
                    self.ask(app, question, products::no_page).await
                }
                form => {
                    let (store, streams) = (Arc::clone(&app.store), Arc::clone(&app.streams));
                    stream::list(store, streams, &self.query, form).await
                }
            },
            Endpoint::GetProduct => {
                products::no_parameters(&self.query)?;
                let question = products::product(parameter)?;
                self.ask(app, question, products::no_product).await
            }
            Endpoint::ListCategories => self.ask_plain(app, Question::Categories).await,
            Endpoint::CategoryCount => self.ask_plain(app, Question::CategoryCounts).await,
            Endpoint::CategoryName => {
                let id: CategoryId = products::category_id(&self.query)?;
                self.ask(app, Question::CategoryName(id), products::no_page).await
            }
        }
    }

    async fn ask_plain(&self, app: &App, question: Question) -> Result<Response, ApiError> {
        products::no_parameters(&self.query)?;
        self.ask(app, question, |_| ApiError::NotFound).await
    }

    /// The cache's answer as a response, or what its absence means.
    async fn ask(
        &self,
        app: &App,
        question: Question,
        absent: fn(&Question) -> ApiError,
    ) -> Result<Response, ApiError> {
        let reply = app.cache.answer(&question).await?;
        if Answer::is_found(&reply.answer) {
            Ok(respond::answer(&reply, &self.headers).await)
        } else {
            Err(absent(&question))
        }
    }
}

/// The query string as it came; empty without one.
fn raw_query() -> impl Filter<Extract = (String,), Error = Infallible> + Copy {
    warp::query::raw().or_else(|_| async { Ok::<_, Infallible>((String::new(),)) })
}
