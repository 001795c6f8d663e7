//! Checks of every request before it is routed, in this order: `Host`, headers that only browsers send, the token where the
//! request may change state, and the size of the body. The page of the console passes the same checks as every other client.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::connect;
use super::connections::Progress;
use super::rejected::Rejected;
use super::served::Served;

/// Maximum size of a body: more than any valid request needs, which names tables and conditions.
pub(super) const BODY_BYTES_MAX: usize = 64 << 10;

/// Passes requests that satisfy all checks.
///
/// The connection is closed after a request that may have a body. A proxy in front of the connector may see the end of the body
/// elsewhere (request smuggling): bytes that the connector would read as the next request are part of the body to the proxy.
pub(super) async fn pass(State(served): State<Arc<Served>>, request: Request, next: Next) -> Response {
    let may_have_body = may_have_body(&request);
    if served.connect_api
        && let Some(refused) = connect::refused(request.method(), request.uri().path())
    {
        return match check_client(&served, &request) {
            Ok(()) => refused,
            Err(rejected) => rejected.into_response(),
        };
    }
    let mut response = match check(&served, &request) {
        Ok(()) => next.run(request).await,
        Err(rejected) => return rejected.into_response(),
    };
    if may_have_body {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    response
}

fn may_have_body(request: &Request) -> bool {
    let headers = request.headers();
    !is_read(request)
        || headers.contains_key(header::TRANSFER_ENCODING)
        || headers.contains_key(header::CONTENT_LENGTH)
}

/// Whether the request changes no state.
fn is_read(request: &Request) -> bool {
    matches!(*request.method(), Method::GET | Method::HEAD)
}

fn check(served: &Served, request: &Request) -> Result<(), Rejected> {
    let headers = request.headers();
    check_client(served, request)?;
    if is_read(request) {
        return Ok(());
    }
    served.access.check(headers)?;
    if let Some(progress) = request.extensions().get::<Arc<Progress>>() {
        progress.authenticated();
    }
    if announced_bytes(headers) > Some(BODY_BYTES_MAX as u64) {
        return Err(Rejected::TooLarge);
    }
    Ok(())
}

/// Checks the headers that a web page cannot choose.
fn check_client(served: &Served, request: &Request) -> Result<(), Rejected> {
    served.hosts.check(request.uri(), request.headers())?;
    super::origin::check(request.method(), request.uri().path(), request.headers())
}

/// Value of `Content-Length`. A body without it is limited while it is read.
fn announced_bytes(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
