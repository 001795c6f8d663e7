//! Whether a Connect worker has really stopped a connector, asked of its REST interface.

use std::time::Duration;

/// The worker's answer does not let the connector be taken over.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WorkerError {
    /// The address is none.
    #[error("--connect-url {url}: not an address that begins with http:// or https://")]
    Address {
        /// The address.
        url: String,
    },
    /// It does not answer.
    #[error("the Connect worker at {url} does not answer")]
    Unreachable {
        /// The address.
        url: String,
        /// Why.
        source: reqwest::Error,
    },
    /// It answers something else.
    #[error("the Connect worker at {url} answers {status} when asked for connector {connector:?}")]
    Answer {
        /// The address.
        url: String,
        /// Whose status was asked for.
        connector: String,
        /// The HTTP status.
        status: u16,
    },
    /// It is not stopped.
    #[error(
        "connector {connector:?} is {state}, which a restart of the worker ends: stop it with PUT /connectors/{connector}/stop \
         (Kafka 3.5 and later), or delete it; its offset stays"
    )]
    NotStopped {
        /// The connector.
        connector: String,
        /// Its state, as the worker names it.
        state: String,
    },
}

/// A worker that does not answer at once is asked again by a person.
const PATIENCE: Duration = Duration::from_secs(10);

/// Checks that the connector is stopped or deleted: one that is paused, or whose task failed, comes back with the worker.
///
/// # Errors
/// It is not, or the worker does not say.
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
        .timeout(PATIENCE)
        .build()
        .map_err(unreachable)?;
    let answer = client.get(address).send().await.map_err(unreachable)?;
    if answer.status() == reqwest::StatusCode::NOT_FOUND {
        return Ok(());
    }
    let status = answer.status().as_u16();
    let odd = || WorkerError::Answer {
        url: url.to_owned(),
        connector: connector.to_owned(),
        status,
    };
    if !answer.status().is_success() {
        return Err(odd());
    }
    let body: serde_json::Value = answer.json().await.map_err(unreachable)?;
    match body
        .pointer("/connector/state")
        .and_then(serde_json::Value::as_str)
    {
        Some("STOPPED") => Ok(()),
        Some(state) => Err(WorkerError::NotStopped {
            connector: connector.to_owned(),
            state: state.to_owned(),
        }),
        None => Err(odd()),
    }
}
