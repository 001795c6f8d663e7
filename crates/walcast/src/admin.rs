//! Admin port: `/metrics`, `/healthz`, `/readyz` and `/status` over HTTP, snapshot requests on `/snapshot`, and the JSON API under
//! `/api/v1`.
//!
//! Responses contain no row data and no secrets; contexts that applications set are among them. On loopback every client may read;
//! on other addresses reads require the token, except the yes or no that probes get and the files of the console. Requests that
//! change state require the token on every address. The only web page whose requests are accepted is the console, which the port
//! serves itself.
//!
//! ```text
//! serving: accept ─▶ connections: count, timeouts ─▶ certificates: TLS ─▶ gate: host, origin, token, size ─▶ handlers
//! ```

mod addressed;
mod api;
mod certificates;
mod changes;
mod connect;
mod connections;
mod connectors;
mod console;
mod debezium_metrics;
mod event_stores;
mod exposition;
mod gate;
mod host;
mod instant;
mod observed;
mod origin;
mod outboxes;
mod partitions;
mod polled_outboxes;
mod reading;
mod rejected;
mod requests;
mod served;
mod serving;
mod stored_token;
mod tables;
mod token;
mod token_places;
mod wal;
mod watched;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, RawQuery, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tracing::{info, warn};
use walcast_mapper::Secret;

use self::addressed::Addressed;
use self::certificates::{Certificates, TlsError, TlsFiles};
pub(crate) use self::connectors::Connectors;
use self::host::Hosts;
use self::observed::Observed;
pub(crate) use self::reading::ExistingRows;
use self::served::Served;
pub(crate) use self::stored_token::{StoredToken, TokenFileError, find as find_token};
pub(crate) use self::tables::{QuarantineReport, TableReport};
use self::token::Access;
pub(crate) use self::token_places::{Place, of_process, to_search, to_store};
use crate::config::AdminSection;

/// Error that prevents the admin port from starting.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AdminError {
    /// The address cannot be bound.
    #[error("cannot listen on {listen}: {source}; choose another [admin] listen, or \"off\"")]
    Address {
        listen: SocketAddr,
        #[source]
        source: io::Error,
    },
    /// A certificate or a key cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A stored token cannot be used.
    #[error(transparent)]
    Token(#[from] TokenFileError),
}

/// Listening socket with everything that decides which requests are served.
#[derive(Debug)]
pub(crate) struct Port {
    listener: TcpListener,
    certificates: Option<Certificates>,
    hosts: Hosts,
    access: Access,
    connect_api: bool,
}

/// Content type of the OpenMetrics text format, which Prometheus requests by name.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Binds the address and reads certificates and token, so that a failure of any of them is a startup error.
///
/// # Errors
/// The address is in use or not local; a certificate or a key cannot be used; a stored token cannot be used.
pub(crate) async fn open(
    listen: SocketAddr,
    section: &AdminSection,
    places: &[Place],
) -> Result<Port, AdminError> {
    let (listener, certificates, address) = bind(listen, section).await?;
    info!(%address, tls = certificates.is_some(), "serving the console, /metrics, /healthz, /readyz, /status, /snapshot and /api/v1");
    let token = read_token(section, places)?;
    warn_of_readers(
        address,
        section,
        certificates.is_some(),
        "/healthz and /readyz are",
    );
    Ok(Port {
        listener,
        certificates,
        hosts: Hosts::new(section, address),
        access: Access::new(token, address),
        connect_api: section.connect_api,
    })
}

/// Binds the address of a command that serves its own metrics. It accepts no request that changes state, and so stores no token.
///
/// # Errors
/// As [`open`].
pub(crate) async fn open_for_metrics(listen: SocketAddr, section: &AdminSection) -> Result<Port, AdminError> {
    let (listener, certificates, address) = bind(listen, section).await?;
    info!(%address, tls = certificates.is_some(), "serving /metrics and /healthz");
    warn_of_readers(address, section, certificates.is_some(), "/healthz is");
    Ok(Port {
        listener,
        certificates,
        hosts: Hosts::new(section, address),
        access: Access::new(section.token.clone(), address),
        connect_api: false,
    })
}

async fn bind(
    listen: SocketAddr,
    section: &AdminSection,
) -> Result<(TcpListener, Option<Certificates>, SocketAddr), AdminError> {
    let failed = |source| AdminError::Address { listen, source };
    let listener = TcpListener::bind(listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let certificates = match TlsFiles::of(section) {
        Some(files) => Some(Certificates::read(files).await?),
        None => None,
    };
    Ok((listener, certificates, address))
}

/// Warns if other machines cannot read, or read without encryption.
fn warn_of_readers(address: SocketAddr, section: &AdminSection, is_tls: bool, public: &str) {
    if address.ip().is_loopback() {
        return;
    }
    if section.token.is_none() {
        warn!(
            %address,
            "only {public} served to other machines: set token or token_file in [admin]"
        );
    } else if !is_tls {
        warn!(
            %address,
            "the token and the metrics are sent to other machines unencrypted: set certificate_file and key_file in [admin]"
        );
    }
}

/// Reads the token of the configuration, or the stored token.
fn read_token(section: &AdminSection, places: &[Place]) -> Result<Option<Secret>, TokenFileError> {
    if section.token.is_some() {
        return Ok(section.token.clone());
    }
    match stored_token::ensure(places)? {
        Ok(StoredToken { token, path }) => {
            info!(path = %path.display(), "requests that change state require the token in this file");
            Ok(Some(token))
        }
        Err(unusable) => {
            let places: Vec<String> = unusable.iter().map(ToString::to_string).collect();
            warn!(
                places = places.join(", "),
                "requests that change state are rejected, because no token can be stored: set token or token_file in [admin]"
            );
            Ok(None)
        }
    }
}

/// Serves these connectors until dropped.
pub(crate) async fn serve(port: Port, connectors: Connectors) {
    let served = Served {
        connectors,
        hosts: port.hosts,
        access: port.access,
        connect_api: port.connect_api,
    };
    // Dropping the set ends its tasks.
    let mut tasks = JoinSet::new();
    for connector in served.connectors.handles() {
        let consumers = Arc::clone(&connector);
        tasks.spawn(async move { api::sampling::sample(&connector).await });
        tasks.spawn(async move { api::sampling::renew_consumers(&consumers).await });
    }
    serving::serve(port.listener, port.certificates, router(Arc::new(served))).await;
}

/// Serves the metrics of a command until dropped.
pub(crate) async fn serve_metrics<M>(port: Port, metrics: M)
where
    M: Fn() -> Result<String, fmt::Error> + Clone + Send + Sync + 'static,
{
    let served = Arc::new(Served {
        connectors: Connectors::new([]),
        hosts: port.hosts,
        access: port.access,
        connect_api: port.connect_api,
    });
    let text = get(move || {
        let text = openmetrics(metrics());
        async move { text }
    });
    let router = Router::new()
        .route("/metrics", text)
        .route_layer(middleware::from_fn_with_state(
            Arc::clone(&served),
            require_read_access,
        ))
        .route("/healthz", get(healthz))
        .fallback(unknown_beside_metrics)
        .layer(DefaultBodyLimit::max(gate::BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(Arc::clone(&served), gate::pass))
        .with_state(served);
    serving::serve(port.listener, port.certificates, router).await;
}

fn router(served: Arc<Served>) -> Router {
    let authorized = Router::new()
        .route("/metrics", get(metrics))
        .route("/status", get(status))
        .route("/snapshot", get(requests::status).post(requests::execute))
        .merge(api::router())
        .route_layer(middleware::from_fn_with_state(
            Arc::clone(&served),
            require_read_access,
        ));
    let mut router = Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .merge(authorized)
        .merge(console::router())
        .fallback(unknown);
    if served.connect_api {
        let root = middleware::from_fn_with_state(Arc::clone(&served), connect::root);
        router = router.merge(connect::routes(&served)).layer(root);
    }
    router
        .layer(DefaultBodyLimit::max(gate::BODY_BYTES_MAX))
        // The last layer runs first, for every path.
        .layer(middleware::from_fn_with_state(Arc::clone(&served), gate::pass))
        .with_state(served)
}

/// Passes requests of clients that may read.
async fn require_read_access(State(served): State<Arc<Served>>, request: Request, next: Next) -> Response {
    match served.access.check_reader(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(rejected) => rejected.into_response(),
    }
}

async fn metrics(State(served): State<Arc<Served>>) -> Response {
    openmetrics(exposition::exposition(served.connectors.iter()))
}

fn openmetrics(text: Result<String, fmt::Error>) -> Response {
    match text {
        Ok(text) => ([(header::CONTENT_TYPE, OPENMETRICS)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// Liveness of the process. `/readyz` reports whether changes flow: a restart does not help a connector that halted.
async fn healthz() -> Json<serde_json::Value> {
    Json(json!({ "alive": true }))
}

/// Query with which a rollout asks: it counts a standby as ready. Clients that wait for changes do not.
const STANDBY_IS_READY: &str = "standby=true";

/// Readiness. The reason can name hosts and tables, so only clients that may read get it.
async fn readyz(
    State(served): State<Arc<Served>>,
    Addressed(connector): Addressed,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let standby_is_ready = query.as_deref() == Some(STANDBY_IS_READY);
    let readiness = Observed::new(&connector).readiness(standby_is_ready);
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

async fn status(Addressed(connector): Addressed) -> Response {
    let verification = connector.verification.report().await;
    match Observed::new(&connector).report(verification) {
        Ok(report) => Json(report).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn unknown() -> (StatusCode, &'static str) {
    (
        StatusCode::NOT_FOUND,
        "not found; the paths are / with the console, /metrics, /healthz, /readyz, /status, /snapshot and those in /api/v1/openapi.json\n",
    )
}

async fn unknown_beside_metrics() -> (StatusCode, &'static str) {
    (
        StatusCode::NOT_FOUND,
        "not found; the paths are /metrics and /healthz\n",
    )
}

#[cfg(test)]
mod tests;
