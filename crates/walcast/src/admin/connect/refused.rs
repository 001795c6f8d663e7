//! Requests that would change something: each is rejected with the command that does the same.

use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::Response;

use super::error;

/// Rejection of a request that would change something; `None` for a path of another API, and for a request that reads.
///
/// It is the same for every client and contains nothing of the request, so it needs no token.
pub(in crate::admin) fn refused(method: &Method, path: &str) -> Option<Response> {
    if matches!(*method, Method::GET | Method::HEAD) {
        return None;
    }
    let parts: Vec<&str> = path.split('/').skip(1).filter(|part| !part.is_empty()).collect();
    if !matches!(parts.first(), Some(&("connectors" | "connector-plugins"))) {
        return None;
    }
    let message = format!("walcast answers this API read-only; {}", instead(method, &parts));
    let mut response = error(StatusCode::METHOD_NOT_ALLOWED, &message);
    let headers = response.headers_mut();
    headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    // The body has not been read.
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    Some(response)
}

/// What to do instead.
fn instead(method: &Method, parts: &[&str]) -> &'static str {
    match parts {
        ["connectors"] => {
            "start a connector with walcast run --config FILE; walcast migrate debezium-config translates the configuration of a Debezium connector"
        }
        ["connectors", _] if *method == Method::DELETE => {
            "stop the process, then drop the slot and the publication in Postgres"
        }
        ["connectors", _, "config"] => {
            "change the configuration file, test it with walcast check --config FILE, and restart the process"
        }
        ["connectors", _, "pause" | "stop"] => {
            "stop the process, for example with systemctl stop walcast@NAME (the slot retains WAL until the next start); walcast snapshot pause pauses only the reading of existing rows"
        }
        ["connectors", _, "resume"] => {
            "start the process, for example with systemctl start walcast@NAME; walcast snapshot resume resumes the reading of existing rows"
        }
        ["connectors", _, "restart"] | ["connectors", _, "tasks", _, "restart"] => {
            "restart the process, for example with systemctl restart walcast@NAME"
        }
        ["connectors", _, "offsets"] => {
            "stop the process, then move its checkpoint with walcast checkpoint set LSN"
        }
        ["connector-plugins", ..] => "test a configuration with walcast check --config FILE",
        _ => "walcast --help lists the commands",
    }
}
