//! Redirects, as .NET's client follows them.

use std::sync::Arc;

use bytes::Bytes;
use http::{Uri, header};
use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};

use super::wire::{self, Fault, Pool};

const HOPS_MAX: u32 = 50;

/// Sends a request to where it leads in the end. Beyond the handler it is not followed here.
pub async fn send(
    connections: &Arc<Pool>,
    mut request: Request<Bytes>,
    follows: bool,
) -> Result<Response<Incoming>, Fault> {
    for _ in 0..HOPS_MAX {
        let sent = request.clone().map(wire::whole);
        let response = connections.send(sent).await?;
        match target(&response) {
            Some(target) if follows => redirect(&mut request, response.status(), &target)?,
            _ => return Ok(response),
        }
        wire::read(response.into_body()).await?;
    }
    Ok(connections.send(request.map(wire::whole)).await?)
}

fn target(response: &Response<Incoming>) -> Option<String> {
    let is_redirect = matches!(response.status().as_u16(), 300..=303 | 307 | 308);
    let location = response.headers().get(header::LOCATION).filter(|_| is_redirect)?;
    location.to_str().ok().map(str::to_owned)
}

fn redirect(request: &mut Request<Bytes>, why: StatusCode, target: &str) -> Result<(), Fault> {
    if !target.starts_with('/') || target.starts_with("//") {
        return Err(format!("a redirect to {target} is not followed here").into());
    }
    *request.uri_mut() = target.parse::<Uri>()?;
    // Older than the statuses that keep a method, and so is the habit.
    if why.as_u16() <= 303 && request.method() == Method::POST {
        *request.method_mut() = Method::GET;
        *request.body_mut() = Bytes::new();
        request.headers_mut().remove(header::CONTENT_LENGTH);
        request.headers_mut().remove(header::CONTENT_TYPE);
    }
    Ok(())
}
