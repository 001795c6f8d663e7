//! Figures and state over HTTP: `/metrics`, `/healthz`, `/readyz`, `/status`; and requests to read existing rows.
//!
//! They hold no row data and no secrets. On loopback everybody may read; elsewhere whoever shows the token, but for a yes or
//! no to probes. Requests need the token where there is one, and always where others than this machine can make them.

mod access;
mod changes;
mod observed;
mod reading;
mod requests;
mod tls;
mod wal;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{RawQuery, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use serde_json::json;
use tokio::net::TcpListener;
use tracing::{info, warn};
use walcast_delivery::SnapshotControl;

pub(crate) use self::access::Access;
pub(crate) use self::observed::{Identity, Observed};
pub(crate) use self::reading::ExistingRows;
use self::tls::{TlsError, TlsFiles, TlsListener, Unusable};
use crate::config::AdminSection;

/// What is served.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) observed: Observed,
    /// The way into the connector.
    pub(crate) control: SnapshotControl,
    /// Who may ask for something.
    pub(crate) access: Access,
}

/// Nothing can be served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AdminError {
    /// The address cannot be had.
    #[error("cannot listen on {listen}: {source}; choose another [admin] listen, or \"off\"")]
    Address {
        listen: SocketAddr,
        #[source]
        source: io::Error,
    },
    /// Certificates or keys cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// Where questions come in.
#[derive(Debug)]
pub(crate) enum Listener {
    Plain(TcpListener),
    Tls(TlsListener),
}

/// What Prometheus asks for by name.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Takes the address and reads the certificates, so that what cannot be had is an error of the start.
///
/// # Errors
/// The address is taken, or not ours; a certificate or a key cannot be used.
pub(crate) async fn bind(listen: SocketAddr, section: &AdminSection) -> Result<Listener, AdminError> {
    let failed = |source| AdminError::Address { listen, source };
    let listener = TcpListener::bind(listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let files = TlsFiles::of(section);
    info!(%address, tls = files.is_some(), "serving /metrics, /healthz, /readyz, /status and /snapshot");
    if !address.ip().is_loopback() {
        match (&section.token, &files) {
            (None, _) => warn!(
                %address,
                "beyond this machine only /healthz and /readyz are answered: set token or token_file in [admin]"
            ),
            (Some(_), None) => warn!(
                %address,
                "the token and figures go beyond this machine unencrypted: set certificate_file and key_file in [admin]"
            ),
            (Some(_), Some(_)) => {}
        }
    }
    Ok(match files {
        None => Listener::Plain(listener),
        Some(files) => Listener::Tls(TlsListener::over(listener, files).map_err(|error| match error {
            Unusable::Files(error) => AdminError::Tls(error),
            Unusable::Address(source) => failed(source),
        })?),
    })
}

/// Serves until dropped.
///
/// # Errors
/// The listener fails for good.
pub(crate) async fn serve(listener: Listener, served: Arc<Served>) -> io::Result<()> {
    let router = router(served);
    match listener {
        Listener::Plain(listener) => axum::serve(listener, router).await,
        Listener::Tls(listener) => axum::serve(listener, router).await,
    }
}

fn router(served: Arc<Served>) -> Router {
    let for_readers = Router::new()
        .route("/metrics", get(metrics))
        .route("/status", get(status))
        .route("/snapshot", get(requests::status).post(requests::carry_out))
        .route_layer(middleware::from_fn_with_state(Arc::clone(&served), readers));
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .merge(for_readers)
        .fallback(unknown)
        .with_state(served)
}

/// Lets through who may read.
async fn readers(State(served): State<Arc<Served>>, request: Request, next: Next) -> Response {
    match served.access.check_reader(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(denied) => requests::refuse(denied),
    }
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

/// Why it is not ready can name hosts and tables: that is for those who may read.
async fn readyz(
    State(served): State<Arc<Served>>,
    RawQuery(asked): RawQuery,
    headers: HeaderMap,
) -> Response {
    let standby_will_do = asked.as_deref() == Some(STANDBY_WILL_DO);
    let readiness = served.observed.readiness(standby_will_do);
    let code = if readiness.ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    match served.access.check_reader(&headers) {
        Ok(()) => (code, Json(readiness)).into_response(),
        Err(_) => (code, Json(json!({ "ready": readiness.ready }))).into_response(),
    }
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
