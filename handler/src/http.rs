//! Every request's way in and every answer's way out.
//!
//! There is one table of routes, [`routes`], and one warp filter that takes a request apart
//! and looks there. A filter a route would do, but each one that does not match costs about
//! 50 ns and answers a wrong method with what the next one says of the path. Readers, who
//! send no body, do not even pass that filter, see `catalogue`.

mod accept;
mod auth;
pub mod body;
mod catalogue;
mod chunks;
mod imports;
mod list_page;
mod pages;
mod people;
pub mod problem;
mod products;
mod respond;
pub mod routes;
pub mod serve;
mod slow_head;
pub(crate) mod stats;
mod stream;
mod system;
mod visit;
pub mod writes;

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;

use tracing::{Instrument as _, Span};
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::filters::path::FullPath;
use warp::http::{HeaderMap, Method, StatusCode};
use warp::reply::Response;

use crate::app::App;
use crate::host::{Function, Functions};
use crate::telemetry::requests::Led;
use crate::telemetry::sampling::Traced;
use auth::Peer;
use body::Body;
pub use problem::ApiError;
use routes::{Endpoint, Found, Lookup};
pub use stream::Streams;
use visit::Visit;

/// What the host calls an invocation; it adds it to all but its pings.
const INVOCATION_ID: &str = "x-azure-functions-invocationid";

/// Answers every request.
pub fn filter(app: &Arc<App>) -> BoxedFilter<(Response,)> {
    let app = Arc::clone(app);
    warp::any()
        .and(warp::method())
        .and(warp::path::full())
        .and(raw_query())
        .and(warp::header::headers_cloned())
        .and(warp::ext::optional())
        .and(warp::ext::optional())
        .and(warp::ext::optional())
        .and(warp::body::stream())
        .and(warp::any().map(move || Arc::clone(&app)))
        .then(
            |method,
             path: FullPath,
             query: String,
             headers,
             peer,
             heads,
             traced,
             body,
             app: Arc<App>| async move {
                let (path, query) = (path.as_str(), query.as_str());
                let ask = Ask { method: &method, path, query, headers: &headers, peer };
                ask.respond(&app, Body::new(body).by(heads), traced).await
            },
        )
        .boxed()
}

/// A request without its body.
#[derive(Clone, Copy)]
struct Ask<'a> {
    method: &'a Method,
    path: &'a str,
    query: &'a str,
    headers: &'a HeaderMap,
    peer: Option<Peer>,
}

impl Ask<'_> {
    async fn respond(&self, app: &App, body: Body, traced: Option<Traced>) -> Response {
        let to = self.led_to(app);
        let answering = pin!(self.try_answer(app, &to, body));
        self.attend(app, to.led(), to.parameter(), traced, answering).await
    }

    /// Sees a request through to its response: counted, logged, and traced if it is to be. The
    /// future is large, and each function that took it by value would have room for it twice.
    async fn attend(
        &self,
        app: &App,
        led: Led,
        parameter: &str,
        traced: Option<Traced>,
        answering: Pin<&mut impl Future<Output = Result<Response, ApiError>>>,
    ) -> Response {
        let visit = Visit::begin(self, led, parameter, traced);
        let answering = async {
            // Here, where its log line still names the invocation.
            answering.await.unwrap_or_else(|error| error.respond(Some(self.path)))
        };
        let answering = answering.instrument(visit.span());
        let mut response = match self.invocation(app) {
            None => answering.await,
            Some(span) => answering.instrument(span).await,
        };
        respond::identify(&mut response, self.headers);
        visit.end(app, self.headers, &response);
        response
    }

    /// What the request leads to.
    fn led_to(&self, app: &App) -> To<'_> {
        let function = app.functions.as_ref().filter(|_| self.method == Method::POST);
        match function.and_then(|functions| Some((functions, Function::at(self.path)?))) {
            Some((functions, function)) => To::Function(Arc::clone(functions), function),
            None => To::Route(routes::find(self.method, self.path)),
        }
    }

    /// Under a host every log line of a request names its invocation, whatever the filter lets
    /// through. The host's pings have none.
    fn invocation(&self, app: &App) -> Option<Span> {
        app.functions.as_ref()?;
        let id = self.headers.get(INVOCATION_ID)?.to_str().ok()?;
        Some(tracing::error_span!("invocation", invocation.id = id))
    }

    async fn try_answer(&self, app: &App, to: &To<'_>, body: Body) -> Result<Response, ApiError> {
        let found = match to {
            To::Function(functions, function) => {
                let done = Arc::clone(functions).invoke(*function, body).await?;
                return Ok(respond::json(&done, StatusCode::OK));
            }
            To::Route(Lookup::Found(found)) => found,
            To::Route(Lookup::OtherMethods(methods)) => {
                return Err(ApiError::MethodNotAllowed(methods.clone()));
            }
            To::Route(Lookup::Nothing) => return Err(ApiError::NotFound),
        };
        let Found { endpoint, parameter } = *found;
        match endpoint {
            // Hosts and probes add parameters of their own to these three, and a page keeps
            // in its own what it shows.
            Endpoint::Home => Ok(system::home(self.headers).await),
            Endpoint::Dashboard => pages::dashboard(self.headers).await,
            Endpoint::Docs => pages::docs(self.headers).await,
            Endpoint::OpenApi => pages::openapi(self.headers).await,
            Endpoint::Health => Ok(system::health()),
            Endpoint::Ready => Ok(system::ready(app).await),
            _ if endpoint.is_catalogue() => self.read(app, self.wanted(*found)?).await,
            _ => self.answer_somebody(app, endpoint, parameter, body).await,
        }
    }

    /// What is for those alone who may, and how they come to be so.
    async fn answer_somebody(
        &self,
        app: &App,
        endpoint: Endpoint,
        parameter: &str,
        body: Body,
    ) -> Result<Response, ApiError> {
        let headers = self.headers;
        if !endpoint.has_parameters() {
            products::no_parameters(self.query)?;
        }
        let from = || auth::client(self.peer, headers, app.people.proxy_header.as_ref());
        match endpoint {
            Endpoint::CreateProduct => {
                let caller = auth::administrator(app, headers).await?;
                writes::create(&app.writes, caller.user, headers, body).await
            }
            Endpoint::ReplaceProduct => {
                auth::administrator(app, headers).await?;
                writes::replace(&app.writes, parameter, headers, body).await
            }
            Endpoint::UpdateProduct => {
                auth::administrator(app, headers).await?;
                writes::update(&app.writes, parameter, headers, body).await
            }
            Endpoint::DeleteProduct => {
                auth::administrator(app, headers).await?;
                writes::delete(&app.writes, parameter, headers).await
            }
            Endpoint::SignUp => people::sign_up(app, headers, from(), body).await,
            Endpoint::Login => people::login(app, headers, from(), body).await,
            Endpoint::RefreshToken => people::refresh(app, headers, from(), body).await,
            Endpoint::Logout => people::logout(app, headers).await,
            Endpoint::ResetPassword => people::reset_password(app, headers, from(), body).await,
            Endpoint::Me => people::me(app, headers).await,
            Endpoint::ListUsers => people::list(app, headers, self.query).await,
            Endpoint::UpdateUser => people::update(app, headers, parameter, body).await,
            Endpoint::ListImports => imports::list(app, headers, self.query).await,
            Endpoint::GetImport => imports::show(app, headers, parameter).await,
            Endpoint::ImportRejects => imports::rejects(app, headers, parameter).await,
            Endpoint::CancelImport => imports::cancel(app, headers, parameter).await,
            Endpoint::RetryImport => imports::retry(app, headers, parameter).await,
            Endpoint::Stats => stats::show(app, headers).await,
            _ => Err(ApiError::NotFound),
        }
    }
}

/// What a request leads to.
enum To<'a> {
    /// A function of the host.
    Function(Arc<Functions>, Function),
    /// A route, or none.
    Route(Lookup<'a>),
}

impl To<'_> {
    fn led(&self) -> Led {
        match self {
            Self::Function(_, function) => Led::ToFunction(*function),
            Self::Route(Lookup::Found(found)) => Led::To(found.endpoint),
            Self::Route(_) => Led::Nowhere,
        }
    }

    fn parameter(&self) -> &str {
        match self {
            Self::Route(Lookup::Found(found)) => found.parameter,
            _ => "",
        }
    }
}

/// The query string as it came; empty without one.
fn raw_query() -> impl Filter<Extract = (String,), Error = Infallible> + Copy {
    warp::query::raw().or_else(|_| async { Ok::<_, Infallible>((String::new(),)) })
}
