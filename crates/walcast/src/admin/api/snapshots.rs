//! `/api/v1/snapshot`: progress of reading existing rows, and commands.

use axum::extract::rejection::JsonRejection;
use axum::response::{IntoResponse, Json, Response};
use serde::Serialize;
use walcast_delivery::{SnapshotAnswer, SnapshotCommand};

use super::commands;
use crate::admin::addressed::Addressed;
use crate::admin::observed::Observed;
use crate::admin::reading::ExistingRows;
use crate::admin::rejected::error;
use crate::admin::requests::ask;

/// Result of a command, and the command that does the same.
#[derive(Debug, Serialize)]
struct Done {
    command: String,
    result: SnapshotAnswer,
}

pub(super) async fn progress(Addressed(connector): Addressed) -> Json<ExistingRows> {
    Json(Observed::new(&connector).existing_rows())
}

pub(super) async fn execute(
    Addressed(connector): Addressed,
    command: Result<Json<SnapshotCommand>, JsonRejection>,
) -> Response {
    let Json(request) = match command {
        Ok(request) => request,
        Err(rejection) => return error(rejection.status(), &rejection.body_text()),
    };
    let command = commands::of_snapshot(&request);
    match ask(&connector, request).await {
        Ok(result) => Json(Done { command, result }).into_response(),
        Err((code, text)) => error(code, &text),
    }
}
