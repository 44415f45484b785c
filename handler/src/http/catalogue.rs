//! The catalogue's readers.
//!
//! They are answered before warp sees them: its filter copies what it takes out of a request, and
//! a future that can wait is moved several times, both of which takes longer than an answer that
//! is kept.

use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use hyper::body::Body;
use warp::http::Request;
use warp::reply::Response;

use super::accept::{self, ListForm};
use super::problem::ApiError;
use super::routes::{self, Endpoint, Found, Lookup};
use super::{Ask, products, respond, stream};
use crate::app::App;
use crate::cache::Reply;
use crate::cache::forms::Damaged;
use crate::question::Question;
use crate::telemetry::requests::Led;
use crate::telemetry::sampling::Traced;

/// What a reader wants.
pub(super) enum Wanted {
    /// A finished answer.
    Answer(Question),
    /// A whole list, in a form that it can go out in piece by piece.
    Stream(ListForm),
}

/// A request of a reader, without the body that it has none of.
pub(super) struct Reading<'a> {
    ask: Ask<'a>,
    found: Found<'a>,
}

impl<'a> Reading<'a> {
    /// `None` if the request is another one.
    pub(super) fn of<B: Body>(request: &'a Request<B>) -> Option<Self> {
        let ask = Ask {
            method: request.method(),
            path: request.uri().path(),
            query: request.uri().query().unwrap_or_default(),
            headers: request.headers(),
            peer: None,
        };
        match routes::find(ask.method, ask.path) {
            Lookup::Found(found)
                if found.endpoint.is_catalogue() && request.body().is_end_stream() =>
            {
                Some(Self { ask, found })
            }
            _ => None,
        }
    }

    /// What is asked for, or why nothing is.
    pub(super) fn wanted(&self) -> Result<Wanted, ApiError> {
        self.ask.wanted(self.found)
    }

    /// The response, however long it takes.
    pub(super) async fn respond(
        self,
        wanted: Result<Wanted, ApiError>,
        app: &App,
        traced: Option<Traced>,
    ) -> Response {
        let Self { ask, found: Found { endpoint, parameter } } = self;
        let reading = pin!(async { ask.read(app, wanted?).await });
        ask.attend(app, Led::To(endpoint), parameter, traced, reading).await
    }
}

/// The response to a reader whose answer is kept, counts and has its body ready. Nothing is traced
/// of it.
pub(super) fn at_hand(
    reading: &Reading<'_>,
    wanted: &Result<Wanted, ApiError>,
    app: &App,
) -> Option<Response> {
    let arrived = Instant::now();
    let Reading { ask, found: Found { endpoint, .. } } = *reading;
    let Ok(Wanted::Answer(question)) = wanted else { return None };
    let reply = app.cache.at_hand(question).filter(|reply| reply.answer.is_found())?;
    let mut response = respond::at_hand(&reply, ask.headers)?;
    respond::identify(&mut response, ask.headers);
    app.cache.count_hit();
    app.activity.requests.count(Led::To(endpoint), response.status(), arrived.elapsed());
    Some(response)
}

impl Ask<'_> {
    /// Answers a reader, however long it takes.
    pub(super) async fn read(&self, app: &App, wanted: Wanted) -> Result<Response, ApiError> {
        match wanted {
            Wanted::Stream(form) => {
                let (store, streams) = (Arc::clone(&app.store), Arc::clone(&app.streams));
                stream::list(store, streams, self.query, form).await
            }
            Wanted::Answer(question) => {
                let reply = app.cache.answer(&question).await?;
                if let Ok(response) = self.give(&question, &reply).await {
                    return Ok(response);
                }
                // In a box: it is large, and hardly anybody needs it.
                let reply = Box::pin(app.cache.answer_anew(&question)).await?;
                Ok(self.give(&question, &reply).await?)
            }
        }
    }

    /// The response with the answer to a question, unless its body proves to be none.
    async fn give(&self, question: &Question, reply: &Reply) -> Result<Response, Damaged> {
        if !reply.answer.is_found() {
            let mut response = products::absent(question).respond(Some(self.path));
            respond::tell_where_from(&mut response, reply.outcome);
            return Ok(response);
        }
        respond::answer(reply, self.headers).await
    }

    pub(super) fn wanted(
        &self,
        Found { endpoint, parameter }: Found<'_>,
    ) -> Result<Wanted, ApiError> {
        if endpoint == Endpoint::ListProducts {
            return match accept::list(self.headers)? {
                ListForm::Page => Ok(Wanted::Answer(products::page(self.query)?)),
                form => Ok(Wanted::Stream(form)),
            };
        }
        // Each of the others answers in JSON alone.
        accept::json(self.headers)?;
        if endpoint != Endpoint::CategoryName {
            products::no_parameters(self.query)?;
        }
        Ok(Wanted::Answer(match endpoint {
            Endpoint::GetProduct => products::product(parameter)?,
            Endpoint::ListCategories => Question::Categories,
            Endpoint::CategoryName => Question::CategoryName(products::category_id(self.query)?),
            Endpoint::CategoryCount => Question::CategoryCounts,
            _ => return Err(ApiError::NotFound),
        }))
    }
}
