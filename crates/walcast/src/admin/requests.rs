//! `/snapshot`: progress of snapshots, and snapshot commands.

use std::time::Duration;

use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use walcast_delivery::{SnapshotAnswer, SnapshotCommand, SnapshotUnanswered};

use super::addressed::Addressed;
use super::observed::Observed;
use super::reading::ExistingRows;
use super::rejected::error;
use crate::connector_handle::ConnectorHandle;
use crate::remedy::describe;

/// Time that a request waits. A streaming connector stores a request with the next Kafka commit; any other may never do so.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Responds with the progress of reading existing rows.
pub(super) async fn status(Addressed(connector): Addressed) -> Json<ExistingRows> {
    Json(Observed::new(&connector).existing_rows())
}

/// Executes a command; responds when the command is stored, so that it survives a crash.
pub(super) async fn execute(
    Addressed(connector): Addressed,
    command: Result<Json<SnapshotCommand>, JsonRejection>,
) -> Response {
    let Json(command) = match command {
        Ok(command) => command,
        Err(rejection) => return error(rejection.status(), &rejection.body_text()),
    };
    match ask(&connector, command).await {
        Ok(answer) => Json(answer).into_response(),
        Err((code, text)) => error(code, &text),
    }
}

/// Has a command executed and stored; otherwise the code and the text of the response.
pub(super) async fn ask(
    connector: &ConnectorHandle,
    command: SnapshotCommand,
) -> Result<SnapshotAnswer, (StatusCode, String)> {
    let unavailable = |text| Err((StatusCode::SERVICE_UNAVAILABLE, text));
    match tokio::time::timeout(REQUEST_TIMEOUT, connector.control.ask(command)).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(SnapshotUnanswered::Rejected(rejected))) => Err((StatusCode::CONFLICT, describe(&rejected))),
        Ok(Err(unanswered)) => unavailable(unanswered.to_string()),
        Err(_) => {
            let state = Observed::new(connector).readiness(false).why();
            unavailable(format!("the connector does not accept requests now: {state}"))
        }
    }
}
