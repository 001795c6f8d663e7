//! Check through the REST API of a Connect worker that a connector is stopped.

use std::time::Duration;

use reqwest::redirect::Policy;

use crate::answers::{self, AnswerError};

/// Error: the connector is not known to be stopped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WorkerError {
    /// Invalid address.
    #[error(
        "--connect-url {url}: not an address that begins with http:// or https://, such as http://connect:8083"
    )]
    Address {
        /// The address.
        url: String,
    },
    /// The worker does not answer.
    #[error("the Connect worker at {url} does not answer; check --connect-url and that the worker runs")]
    Unreachable {
        /// The address.
        url: String,
        /// Why.
        source: reqwest::Error,
    },
    /// The response cannot be read.
    #[error("the Connect worker at {url} does not report the state of the connector; check --connect-url")]
    Body {
        /// The address.
        url: String,
        /// Why.
        source: AnswerError,
    },
    /// The response has an unexpected status or content.
    #[error(
        "the Connect worker at {url} answers {status} to the request for the status of connector {connector:?}; check --connect-url, the \
         name of the connector, and that the worker admits requests without authentication"
    )]
    Answer {
        /// The address.
        url: String,
        /// Requested connector.
        connector: String,
        /// The HTTP status.
        status: u16,
    },
    /// The connector is not stopped.
    #[error(
        "connector {connector:?} is {state}, and a restart of the worker would start it: stop it with \
         PUT /connectors/{connector}/stop (Kafka 3.5 and later), or delete it; its offset remains"
    )]
    NotStopped {
        /// The connector.
        connector: String,
        /// State reported by the worker.
        state: String,
    },
}

/// Limit of one request; the user repeats the command.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Limit of a response, which contains a state and a line for each task.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// Checks that the connector is stopped or deleted. A restart of the worker starts a connector that is paused or has failed.
///
/// # Errors
/// The connector is not stopped, or the worker does not report its state.
pub(crate) async fn check_stopped(url: &str, connector: &str) -> Result<(), WorkerError> {
    let no_address = || WorkerError::Address { url: url.to_owned() };
    let mut address = reqwest::Url::parse(url).map_err(|_| no_address())?;
    address
        .path_segments_mut()
        .map_err(|()| no_address())?
        .pop_if_empty()
        .extend(["connectors", connector, "status"]);
    let unreachable = |source: reqwest::Error| WorkerError::Unreachable {
        url: url.to_owned(),
        source: source.without_url(),
    };
    let client = reqwest::Client::builder()
        .timeout(REQUEST_TIMEOUT)
        .redirect(Policy::none())
        .no_proxy()
        .build()
        .map_err(unreachable)?;
    let answer = client.get(address).send().await.map_err(unreachable)?;
    if answer.status() == reqwest::StatusCode::NOT_FOUND {
        return Ok(());
    }
    let status = answer.status().as_u16();
    let unexpected = || WorkerError::Answer {
        url: url.to_owned(),
        connector: connector.to_owned(),
        status,
    };
    if !answer.status().is_success() {
        return Err(unexpected());
    }
    let body = answers::body(answer, ANSWER_BYTES_MAX).await;
    let body = body.map_err(|source| WorkerError::Body {
        url: url.to_owned(),
        source,
    })?;
    match serde_json::from_slice::<serde_json::Value>(&body)
        .unwrap_or_default()
        .pointer("/connector/state")
        .and_then(serde_json::Value::as_str)
    {
        Some("STOPPED") => Ok(()),
        Some(state) => Err(WorkerError::NotStopped {
            connector: connector.to_owned(),
            state: state.to_owned(),
        }),
        None => Err(unexpected()),
    }
}
