//! Figures and state over HTTP: `/metrics`, `/healthz`, `/readyz`, `/status`; and requests to read existing rows.
//!
//! Figures are read without authentication, on loopback unless configured otherwise. They hold no row data and no secrets.
//! Requests need a token where others than this machine can make them.

mod access;
mod changes;
mod observed;
mod reading;
mod requests;
mod wal;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use serde_json::json;
use tokio::net::TcpListener;
use tracing::{info, warn};
use walcast_delivery::SnapshotControl;

pub(crate) use self::access::Access;
pub(crate) use self::observed::{Identity, Observed};
pub(crate) use self::reading::ExistingRows;

/// What is served.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) observed: Observed,
    /// The way into the connector.
    pub(crate) control: SnapshotControl,
    /// Who may ask for something.
    pub(crate) access: Access,
}

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
    info!(%address, "serving /metrics, /healthz, /readyz, /status and /snapshot");
    if !address.ip().is_loopback() {
        warn!(%address, "figures and table names are served without authentication beyond this machine");
    }
    Ok(listener)
}

/// Serves until dropped.
///
/// # Errors
/// The listener fails for good.
pub(crate) async fn serve(listener: TcpListener, served: Arc<Served>) -> io::Result<()> {
    axum::serve(listener, router(served)).await
}

fn router(served: Arc<Served>) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/status", get(status))
        .route("/snapshot", get(requests::status).post(requests::carry_out))
        .fallback(unknown)
        .with_state(served)
}

async fn metrics(State(served): State<Arc<Served>>) -> Response {
    match served.observed.exposition() {
        Ok(text) => ([(header::CONTENT_TYPE, OPENMETRICS)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// The process answers; whether it gets anywhere is `/readyz`. A restart does not heal a connector that halted.
async fn healthz() -> Json<serde_json::Value> {
    Json(json!({ "alive": true }))
}

/// An instance that stands by is ready to a rollout, which waits for it, and not to whoever waits for changes.
const STANDBY_WILL_DO: &str = "standby=true";

async fn readyz(State(served): State<Arc<Served>>, RawQuery(asked): RawQuery) -> Response {
    let standby_will_do = asked.as_deref() == Some(STANDBY_WILL_DO);
    let readiness = served.observed.readiness(standby_will_do);
    let code = if readiness.ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (code, Json(readiness)).into_response()
}

async fn status(State(served): State<Arc<Served>>) -> Response {
    match served.observed.report() {
        Ok(report) => Json(report).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn unknown() -> (StatusCode, &'static str) {
    (
        StatusCode::NOT_FOUND,
        "there are /metrics, /healthz, /readyz, /status and /snapshot\n",
    )
}

#[cfg(test)]
mod tests;
