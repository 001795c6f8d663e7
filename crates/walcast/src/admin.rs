//! Figures and state over HTTP: `/metrics`, `/healthz`, `/readyz`, `/status`.
//!
//! Read only, without authentication, and on loopback unless configured otherwise. It holds no row data and no secrets.

mod changes;
mod observed;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use serde_json::json;
use tokio::net::TcpListener;
use tracing::{info, warn};

pub(crate) use self::observed::{Identity, Observed};

/// The address cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {listen}: {source}; choose another [admin] listen, or \"off\"")]
pub(crate) struct AdminError {
    listen: SocketAddr,
    #[source]
    source: io::Error,
}

/// What Prometheus asks for by name.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Takes the address, so that a taken one is an error of the start.
///
/// # Errors
/// It is taken, or not ours.
pub(crate) async fn bind(listen: SocketAddr) -> Result<TcpListener, AdminError> {
    let failed = |source| AdminError { listen, source };
    let listener = TcpListener::bind(listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    info!(%address, "serving /metrics, /healthz, /readyz and /status");
    if !address.ip().is_loopback() {
        warn!(%address, "figures and table names are served without authentication beyond this machine");
    }
    Ok(listener)
}

/// Serves until dropped.
///
/// # Errors
/// The listener fails for good.
pub(crate) async fn serve(listener: TcpListener, observed: Arc<Observed>) -> io::Result<()> {
    axum::serve(listener, router(observed)).await
}

fn router(observed: Arc<Observed>) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/status", get(status))
        .fallback(unknown)
        .with_state(observed)
}

async fn metrics(State(observed): State<Arc<Observed>>) -> Response {
    match observed.exposition() {
        Ok(text) => ([(header::CONTENT_TYPE, OPENMETRICS)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// The process answers; whether it gets anywhere is `/readyz`. A restart does not heal a connector that halted.
async fn healthz() -> Json<serde_json::Value> {
    Json(json!({ "alive": true }))
}

async fn readyz(State(observed): State<Arc<Observed>>) -> Response {
    let readiness = observed.readiness();
    let code = if readiness.ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (code, Json(readiness)).into_response()
}

async fn status(State(observed): State<Arc<Observed>>) -> Response {
    match observed.report() {
        Ok(report) => Json(report).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn unknown() -> (StatusCode, &'static str) {
    (
        StatusCode::NOT_FOUND,
        "there are /metrics, /healthz, /readyz and /status\n",
    )
}

#[cfg(test)]
mod tests;
