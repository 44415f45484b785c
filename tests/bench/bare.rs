//! The peer of `scripts/bench`: warp's own server with one route that answers with the bytes
//! of a file by its query, and one that answers with nothing.
//!
//! `bare FOLDER` reads `FOLDER/paths`, a path a line, and the body of the n-th from
//! `FOLDER/n`; it prints the address that it listens on.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use tokio::net::TcpListener;
use warp::Filter;
use warp::http::Response;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).ok_or("which folder?")?;
    let mut bodies = HashMap::new();
    for (number, path) in std::fs::read_to_string(format!("{folder}/paths"))?.lines().enumerate() {
        let query = path.split_once('?').map_or("", |(_, query)| query);
        let body = Bytes::from(std::fs::read(format!("{folder}/{number}"))?);
        bodies.insert(query.to_owned(), body);
    }
    let bodies = Arc::new(bodies);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    std::io::stdout().flush()?;
    let query = warp::query::raw().or_else(|_| async { Ok::<_, Infallible>((String::new(),)) });
    let page = warp::path!("products").and(warp::get()).and(query).map(move |query: String| {
        let body = bodies.get(&query).cloned().unwrap_or_default();
        Response::builder().header("content-type", "application/json").body(body)
    });
    let nothing = warp::path!("nothing").and(warp::get()).map(|| "");
    warp::serve(page.or(nothing)).incoming(listener).run().await;
    Ok(())
}
