//! Connector that a request addresses.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;

use crate::admin::rejected::error;
use crate::admin::served::Served;
use crate::connector_handle::ConnectorHandle;

/// Connector that a request addresses. The paths contain no name, so it is the only connector of the process.
pub(super) struct Addressed(pub(super) Arc<ConnectorHandle>);

impl FromRequestParts<Arc<Served>> for Addressed {
    type Rejection = Response;

    async fn from_request_parts(_: &mut Parts, served: &Arc<Served>) -> Result<Self, Response> {
        match served.connectors.only() {
            Some(handle) => Ok(Self(Arc::clone(handle))),
            None => Err(error(
                StatusCode::NOT_FOUND,
                "the path names no connector, and this process does not run exactly one",
            )),
        }
    }
}
