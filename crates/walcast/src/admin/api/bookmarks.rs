//! `/api/v1/bookmarks`: bookmarks, and their creation.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use walcast_delivery::{BookmarkName, BookmarkRejected};

use super::commands::argument;
use crate::admin::addressed::Addressed;
use crate::admin::rejected::error;
use crate::bookmark_report::BookmarkReport;
use crate::bookmarking;
use crate::connector_handle::{ConnectorHandle, HandleSettings};
use crate::remedy::describe;

/// Time that a request waits for Postgres.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Bookmarks of the connector.
#[derive(Debug, Serialize)]
pub(super) struct Bookmarks {
    inspected: bool,
    bookmarks: Vec<BookmarkReport>,
    commands: BTreeMap<&'static str, &'static str>,
}

/// Bookmark to create.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Creation {
    name: String,
}

/// Bookmark that was created, and the command that does the same.
#[derive(Debug, Serialize)]
struct Created {
    command: String,
    result: BookmarkReport,
}

pub(super) async fn list(Addressed(connector): Addressed) -> Json<Bookmarks> {
    Json(Bookmarks::of(&connector))
}

pub(super) async fn create(
    Addressed(connector): Addressed,
    creation: Result<Json<Creation>, JsonRejection>,
) -> Response {
    let Json(Creation { name }) = match creation {
        Ok(creation) => creation,
        Err(rejection) => return error(rejection.status(), &rejection.body_text()),
    };
    let name: BookmarkName = match name.parse() {
        Ok(name) => name,
        Err(rejected) => return error(StatusCode::UNPROCESSABLE_ENTITY, &describe(&rejected)),
    };
    let settings = connector.settings.as_ref();
    let Some(settings) = settings.filter(|_| !connector.identity.slot.is_empty()) else {
        return error(
            StatusCode::CONFLICT,
            "the outboxes of this connector are polled: it has no slot, and so no position that a bookmark could hold",
        );
    };
    let command = format!("walcast bookmark create {}", argument(name.as_str()));
    match make(Arc::clone(settings), name).await {
        Ok(result) => Json(Created { command, result }).into_response(),
        Err((code, text)) => error(code, &text),
    }
}

/// Creates a bookmark, on a thread that may block: a client that disconnects does not leave it half made.
async fn make(
    settings: Arc<HandleSettings>,
    name: BookmarkName,
) -> Result<BookmarkReport, (StatusCode, String)> {
    let runtime = Handle::current();
    let making = tokio::task::spawn_blocking(move || {
        runtime.block_on(bookmarking::create(
            &settings.postgres,
            &settings.bookmarks,
            &name,
        ))
    });
    let unavailable = |text| (StatusCode::SERVICE_UNAVAILABLE, text);
    match tokio::time::timeout(REQUEST_TIMEOUT, making).await {
        Ok(Ok(Ok(report))) => Ok(report),
        Ok(Ok(Err(failed))) => {
            let is_rejected = failed.is::<BookmarkRejected>();
            let text = describe(failed.as_ref());
            match is_rejected {
                true => Err((StatusCode::CONFLICT, text)),
                false => Err(unavailable(text)),
            }
        }
        Ok(Err(ended)) => Err(unavailable(ended.to_string())),
        Err(_) => Err(unavailable(format!(
            "the server has not answered within {} s; whether the bookmark was made is shown by: walcast bookmark list",
            REQUEST_TIMEOUT.as_secs()
        ))),
    }
}

impl Bookmarks {
    pub(super) fn of(connector: &ConnectorHandle) -> Self {
        let view = connector.state.bookmarks.read();
        let bookmarks = view.current.as_ref().map(BookmarkReport::all);
        Self {
            inspected: bookmarks.is_some(),
            bookmarks: bookmarks.unwrap_or_default(),
            commands: BTreeMap::from([
                ("create", "walcast bookmark create NAME"),
                ("rewind", "walcast bookmark rewind NAME"),
                ("drop", "walcast bookmark drop NAME"),
            ]),
        }
    }
}
