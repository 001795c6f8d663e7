//! REST API of a Connect worker: whether a connector is stopped, and its release.

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::redirect::Policy;
use serde_json::Value;

use super::connect_json::{CONNECTOR_ALIASES, version_in_status};
use crate::answers::{self, AnswerError};

/// Error: the worker does not say what it is asked for, or the connector is not stopped.
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
    #[error("the response of the Connect worker at {url} cannot be read; check --connect-url")]
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
    /// The plugins cannot be listed.
    #[error(
        "the Connect worker at {url} answers {status} to the request for its plugins; check --connect-url, and that the worker admits \
         requests without authentication"
    )]
    Plugins {
        /// The address.
        url: String,
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

/// A Connect worker.
struct Worker<'u> {
    url: &'u str,
    address: reqwest::Url,
    client: reqwest::Client,
}

impl<'u> Worker<'u> {
    fn new(url: &'u str) -> Result<Self, WorkerError> {
        let no_address = || WorkerError::Address { url: url.to_owned() };
        let mut address = reqwest::Url::parse(url).map_err(|_| no_address())?;
        address
            .path_segments_mut()
            .map_err(|()| no_address())?
            .pop_if_empty();
        let client = reqwest::Client::builder()
            .timeout(REQUEST_TIMEOUT)
            .redirect(Policy::none())
            .no_proxy()
            .build()
            .map_err(|source| unreachable(url, source))?;
        Ok(Self { url, address, client })
    }

    /// Status of the response to a request, and the body of a success; null if it is not JSON.
    async fn get(&self, path: &[&str]) -> Result<(StatusCode, Value), WorkerError> {
        let mut address = self.address.clone();
        if let Ok(mut segments) = address.path_segments_mut() {
            segments.extend(path);
        }
        let answer = self.client.get(address).send().await;
        let answer = answer.map_err(|source| unreachable(self.url, source))?;
        let status = answer.status();
        if !status.is_success() {
            return Ok((status, Value::Null));
        }
        let body = answers::body(answer, ANSWER_BYTES_MAX).await;
        let body = body.map_err(|source| WorkerError::Body {
            url: self.url.to_owned(),
            source,
        })?;
        Ok((status, serde_json::from_slice(&body).unwrap_or_default()))
    }
}

fn unreachable(url: &str, source: reqwest::Error) -> WorkerError {
    WorkerError::Unreachable {
        url: url.to_owned(),
        source: source.without_url(),
    }
}

/// Checks that the connector is stopped or deleted. A restart of the worker starts a connector that is paused or has failed.
///
/// # Errors
/// The connector is not stopped, or the worker does not report its state.
pub(crate) async fn check_stopped(url: &str, connector: &str) -> Result<(), WorkerError> {
    let (status, body) = Worker::new(url)?
        .get(&["connectors", connector, "status"])
        .await?;
    if status == StatusCode::NOT_FOUND {
        return Ok(());
    }
    match body.pointer("/connector/state").and_then(Value::as_str) {
        Some("STOPPED") => Ok(()),
        Some(state) => Err(WorkerError::NotStopped {
            connector: connector.to_owned(),
            state: state.to_owned(),
        }),
        None => Err(WorkerError::Answer {
            url: url.to_owned(),
            connector: connector.to_owned(),
            status: status.as_u16(),
        }),
    }
}

/// Release of the connector: that of the connector itself, which Kafka 4.1 and later report, or that of the worker's plugin; `None`
/// if the worker has several releases of the plugin, or none.
///
/// # Errors
/// The worker does not answer.
pub(crate) async fn release(url: &str, connector: Option<&str>) -> Result<Option<String>, WorkerError> {
    let worker = Worker::new(url)?;
    if let Some(name) = connector {
        let (_, body) = worker.get(&["connectors", name, "status"]).await?;
        if let Some(version) = version_in_status(&body) {
            return Ok(Some(version.to_owned()));
        }
    }
    let (status, body) = worker.get(&["connector-plugins"]).await?;
    if !status.is_success() {
        return Err(WorkerError::Plugins {
            url: url.to_owned(),
            status: status.as_u16(),
        });
    }
    Ok(only_plugin(&body).map(str::to_owned))
}

/// Version of the supported connector among plugins; `None` if there are several.
fn only_plugin(plugins: &Value) -> Option<&str> {
    let [class, ..] = CONNECTOR_ALIASES;
    let mut versions: Vec<&str> = plugins
        .as_array()?
        .iter()
        .filter(|plugin| plugin["class"] == class)
        .filter_map(|plugin| plugin["version"].as_str())
        .collect();
    versions.dedup();
    match versions.as_slice() {
        [version] => Some(*version),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// Address of a worker that answers one request.
    async fn answering(response: &'static str) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(response.as_bytes()).await.unwrap();
        });
        url
    }

    #[tokio::test]
    async fn each_fault_of_a_worker_has_its_error() {
        let stopped = async |response| {
            let url = answering(response).await;
            check_stopped(&url, "shop").await
        };
        let denied = stopped("HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n").await;
        assert!(
            matches!(&denied, Err(WorkerError::Answer { status: 401, .. })),
            "{denied:?}"
        );
        let cut = stopped("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{").await;
        assert!(matches!(&cut, Err(WorkerError::Body { .. })), "{cut:?}");
        let running =
            stopped("HTTP/1.1 200 OK\r\ncontent-length: 33\r\n\r\n{\"connector\":{\"state\":\"RUNNING\"}}")
                .await;
        assert!(
            matches!(&running, Err(WorkerError::NotStopped { state, .. }) if state == "RUNNING"),
            "{running:?}"
        );
        let gone = stopped("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").await;
        assert!(gone.is_ok(), "{gone:?}");

        let url = answering("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n").await;
        let plugins = release(&url, None).await;
        assert!(
            matches!(&plugins, Err(WorkerError::Plugins { status: 403, .. })),
            "{plugins:?}"
        );
        let address = check_stopped("connect:8083", "shop").await;
        assert!(
            matches!(&address, Err(WorkerError::Address { .. })),
            "{address:?}"
        );
    }

    #[test]
    fn the_release_is_that_of_the_only_plugin() {
        let [class, ..] = CONNECTOR_ALIASES;
        let plugin = |version: &str| json!({ "class": class, "type": "source", "version": version });
        let other = json!({ "class": "io.debezium.connector.mysql.MySqlConnector", "type": "source", "version": "3.3.1.Final" });
        let one = json!([other, plugin("3.6.0.Final")]);
        assert_eq!(only_plugin(&one), Some("3.6.0.Final"));
        let several = json!([plugin("3.3.1.Final"), plugin("3.6.0.Final")]);
        assert_eq!(only_plugin(&several), None);
        assert_eq!(only_plugin(&json!([other])), None);
        let status = json!({ "name": "shop", "connector": { "state": "RUNNING", "version": "3.6.0.Final" } });
        assert_eq!(version_in_status(&status), Some("3.6.0.Final"));
    }
}
