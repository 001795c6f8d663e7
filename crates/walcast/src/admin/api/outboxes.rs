//! `/api/v1/outboxes`.

use axum::response::Json;
use serde::Serialize;

use crate::admin::addressed::Addressed;
use crate::admin::outboxes::{OutboxReport, reports};
use crate::admin::polled_outboxes::{self, PolledOutboxReport};

/// Outboxes with their relay lag.
#[derive(Debug, Serialize)]
pub(super) struct Outboxes {
    outboxes: Vec<OutboxReport>,
    polled: Vec<PolledOutboxReport>,
}

pub(super) async fn outboxes(Addressed(connector): Addressed) -> Json<Outboxes> {
    Json(Outboxes {
        outboxes: reports(&connector.state, &connector.metrics),
        polled: polled_outboxes::reports(&connector.state),
    })
}
