//! `/snapshot`: how far reading existing rows is, and requests to read them, or not to.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use serde_json::json;
use walcast_delivery::{SnapshotCommand, SnapshotUnanswered};

use super::access::Denied;
use super::{ExistingRows, Served};

/// A connector that streams stores a request within a Kafka commit; one that does not may never.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) async fn status(State(served): State<Arc<Served>>) -> Json<ExistingRows> {
    Json(served.observed.existing_rows())
}

/// Answers when it is stored, so that a crash does not forget it.
pub(super) async fn carry_out(
    State(served): State<Arc<Served>>,
    headers: HeaderMap,
    command: Result<Json<SnapshotCommand>, JsonRejection>,
) -> Response {
    if let Err(denied) = served.access.check(&headers) {
        return refuse(denied);
    }
    let Json(command) = match command {
        Ok(command) => command,
        Err(rejection) => return error(rejection.status(), &rejection.body_text()),
    };
    match tokio::time::timeout(PATIENCE, served.control.ask(command)).await {
        Ok(Ok(answer)) => Json(answer).into_response(),
        Ok(Err(SnapshotUnanswered::Refused(refused))) => error(StatusCode::CONFLICT, &refused.to_string()),
        Ok(Err(unanswered)) => error(StatusCode::SERVICE_UNAVAILABLE, &unanswered.to_string()),
        Err(_) => {
            let state = served.observed.readiness(false).why();
            error(
                StatusCode::SERVICE_UNAVAILABLE,
                &format!("the connector does not take requests now: {state}"),
            )
        }
    }
}

pub(super) fn refuse(denied: Denied) -> Response {
    match denied {
        Denied::NoToken => {
            let text = "show the token of [admin] as Authorization: Bearer";
            let challenge = [(header::WWW_AUTHENTICATE, "Bearer")];
            (challenge, error(StatusCode::UNAUTHORIZED, text)).into_response()
        }
        Denied::NoneSet => error(
            StatusCode::FORBIDDEN,
            "requests from beyond this machine need a token: set token or token_file in [admin]",
        ),
    }
}

fn error(code: StatusCode, text: &str) -> Response {
    (code, Json(json!({ "error": text }))).into_response()
}
