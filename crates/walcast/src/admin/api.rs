//! JSON API under `/api/v1`, which `openapi.json` describes: what the console shows, and what scripts read.
//!
//! What is in memory is answered at once. What is in Kafka is read in the background when it is asked for, so that no request waits
//! for Kafka and nothing is read without requests.

mod bookmarks;
mod checkpoints;
mod commands;
mod consumers;
mod dead_letters;
mod event_stores;
mod outboxes;
mod overview;
mod replays;
pub(super) mod sampling;
mod snapshots;
mod tables;
mod transactions;
mod verifications;

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};

use super::served::Served;

/// OpenAPI document of the API.
const DOCUMENT: &str = include_str!("api/openapi.json");

/// Prevents a browser from taking a response for something else than JSON.
const CONTENT_TYPE_OPTIONS: HeaderName = HeaderName::from_static("x-content-type-options");

/// Paths with their handlers.
fn routes() -> [(&'static str, MethodRouter<Arc<Served>>); 13] {
    [
        ("/api/v1/openapi.json", get(document)),
        ("/api/v1/overview", get(overview::overview)),
        ("/api/v1/tables", get(tables::tables)),
        (
            "/api/v1/snapshot",
            get(snapshots::progress).post(snapshots::execute),
        ),
        ("/api/v1/transactions", get(transactions::transactions)),
        ("/api/v1/dead-letters", get(dead_letters::dead_letters)),
        ("/api/v1/checkpoint", get(checkpoints::checkpoints)),
        ("/api/v1/bookmarks", get(bookmarks::list).post(bookmarks::create)),
        ("/api/v1/replays", get(replays::replays)),
        ("/api/v1/verifications", get(verifications::verifications)),
        ("/api/v1/outboxes", get(outboxes::outboxes)),
        ("/api/v1/event-stores", get(event_stores::event_stores)),
        ("/api/v1/consumers", get(consumers::consumers)),
    ]
}

/// Router of the API. Access is checked around it.
pub(super) fn router() -> Router<Arc<Served>> {
    let routes = routes().into_iter();
    routes
        .fold(Router::new(), |router, (path, handler)| {
            router.route(path, handler)
        })
        .route_layer(middleware::map_response(plain))
}

/// Adds headers that keep a response from being guessed at or stored.
async fn plain(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn document() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT).into_response()
}

#[cfg(test)]
mod tests;
