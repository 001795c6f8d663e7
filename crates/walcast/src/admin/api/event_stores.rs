//! `/api/v1/event-stores`.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use serde::Serialize;

use crate::admin::addressed::Addressed;
use crate::admin::event_stores::{self, EventStoreReport};
use crate::admin::rejected::error;

/// Event stores.
#[derive(Debug, Serialize)]
struct EventStores {
    event_stores: Vec<EventStore>,
}

#[derive(Debug, Serialize)]
struct EventStore {
    table: String,
    #[serde(flatten)]
    report: EventStoreReport,
}

pub(super) async fn event_stores(Addressed(connector): Addressed) -> Response {
    match event_stores::event_stores(&connector.state, &connector.metrics) {
        Ok(reports) => {
            let store = |(table, report)| EventStore { table, report };
            Json(EventStores {
                event_stores: reports.into_iter().map(store).collect(),
            })
            .into_response()
        }
        Err(failed) => error(StatusCode::INTERNAL_SERVER_ERROR, &failed.to_string()),
    }
}
