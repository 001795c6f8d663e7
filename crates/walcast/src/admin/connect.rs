//! Read-only REST API of a Kafka Connect worker, so that consoles of Connect show the connector.
//!
//! The connector appears with one task. Paths and documents are those of Connect; a request that would change something is
//! rejected (405) with the command that does the same. `GET /` is answered only if the client asks for JSON.
//!
//! API: <https://kafka.apache.org/documentation/#connect_rest>.

mod credentials;
mod documents;
mod refused;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, RawQuery, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use serde_json::{Map, Value, json};

pub(super) use self::refused::refused;
use super::served::Served;
use crate::connector_handle::ConnectorHandle;

/// Paths of the API other than `/`.
pub(super) fn routes(served: &Arc<Served>) -> Router<Arc<Served>> {
    Router::new()
        .route("/connectors", get(connectors))
        .route("/connectors/{*path}", get(connector))
        .route("/connector-plugins", get(plugins))
        .route_layer(middleware::from_fn_with_state(
            Arc::clone(served),
            require_read_access,
        ))
}

/// Passes requests of clients that may read, also if they send the token as the password of HTTP Basic, as consoles of Connect do.
async fn require_read_access(State(served): State<Arc<Served>>, request: Request, next: Next) -> Response {
    match credentials::check(&served.access, request.headers()) {
        Ok(()) => next.run(request).await,
        Err(rejected) => rejected.into_response(),
    }
}

/// Answers `GET /` of clients that ask for JSON; other clients get what the path is without the API.
pub(super) async fn root(State(served): State<Arc<Served>>, request: Request, next: Next) -> Response {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    if request.uri().path() != "/" || !is_read || !asks_for_json(request.headers()) {
        return next.run(request).await;
    }
    match credentials::check(&served.access, request.headers()) {
        Ok(()) => Json(documents::worker()).into_response(),
        Err(rejected) => rejected.into_response(),
    }
}

/// Whether a client names JSON. A browser names HTML.
fn asks_for_json(headers: &HeaderMap) -> bool {
    let mut accepted = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok());
    accepted.any(|types| types.contains("application/json") && !types.contains("text/html"))
}

/// Address by which the client reaches the connector: the ID of a worker is its address.
fn worker_id(headers: &HeaderMap) -> &str {
    let host = headers.get(header::HOST);
    host.and_then(|host| host.to_str().ok()).unwrap_or_default()
}

async fn plugins() -> Json<Value> {
    Json(documents::plugins())
}

/// Names of the connectors, or what the query asks of each (`expand=status`, `expand=info`).
async fn connectors(
    State(served): State<Arc<Served>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Json<Value> {
    let query = query.unwrap_or_default();
    let expands = |what: &str| {
        query
            .split('&')
            .any(|part| part.strip_prefix("expand=") == Some(what))
    };
    let (status, info) = (expands("status"), expands("info"));
    let handles = served.connectors.iter();
    if !status && !info {
        return Json(handles.map(|handle| handle.identity.name.as_str()).collect());
    }
    let expanded = handles.map(|handle| {
        let mut parts = Map::new();
        if status {
            parts.insert(
                "status".to_owned(),
                documents::status(handle, worker_id(&headers)),
            );
        }
        if info {
            parts.insert("info".to_owned(), documents::info(handle));
        }
        (handle.identity.name.clone(), Value::Object(parts))
    });
    Json(Value::Object(expanded.collect()))
}

/// A connector, or the part of it that the path names.
async fn connector(
    State(served): State<Arc<Served>>,
    Path(path): Path<String>,
    headers: HeaderMap,
) -> Response {
    let parts: Vec<&str> = path.split('/').collect();
    let [name, parts @ ..] = parts.as_slice() else {
        return error(StatusCode::NOT_FOUND, "HTTP 404 Not Found");
    };
    let Some(handle) = served
        .connectors
        .iter()
        .find(|handle| handle.identity.name == *name)
    else {
        return error(StatusCode::NOT_FOUND, &format!("Connector {name} not found"));
    };
    match part(handle, parts, worker_id(&headers)) {
        Some(document) => Json(document).into_response(),
        None => error(StatusCode::NOT_FOUND, "HTTP 404 Not Found"),
    }
}

/// Part of a connector; `None` if there is no such part.
fn part(handle: &ConnectorHandle, parts: &[&str], worker: &str) -> Option<Value> {
    match parts {
        [] => Some(documents::info(handle)),
        ["config"] => Some(Value::Object(documents::config(handle))),
        ["status"] => Some(documents::status(handle, worker)),
        ["tasks"] => Some(documents::tasks(handle)),
        ["tasks", "0", "status"] => Some(documents::task_status(handle, worker)),
        ["topics"] => Some(documents::topics(handle)),
        ["offsets"] => Some(documents::offsets(handle)),
        _ => None,
    }
}

/// Error response as Connect writes it.
fn error(code: StatusCode, message: &str) -> Response {
    let body = json!({ "error_code": code.as_u16(), "message": message });
    (code, Json(body)).into_response()
}
