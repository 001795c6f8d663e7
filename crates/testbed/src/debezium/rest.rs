//! The worker's REST interface, as far as it is needed here.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Debezium, DebeziumConfig};
use crate::error::{Error, Result};

/// How long one request may take. A new connector's configuration is checked against its database first.
const REQUEST_LIMIT: Duration = Duration::from_secs(120);

impl Debezium {
    /// Whether the worker takes requests.
    pub(super) async fn answers(&self) -> Result<bool> {
        let answer = self.request(Method::GET, "connectors", None).await;
        match answer {
            Ok((status, _)) => Ok(status.is_success()),
            // The port is not open yet.
            Err(Error::Http { source, .. }) if source.is_connect() => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn put_config(&self, config: &DebeziumConfig) -> Result<()> {
        let path = format!("connectors/{}/config", config.name());
        let answer = self
            .request(Method::PUT, &path, Some(json!(config.properties())))
            .await?;
        accepted(answer, || format!("add {}", config.name()))
    }

    pub(super) async fn delete(&self, name: &str) -> Result<()> {
        let answer = self
            .request(Method::DELETE, &format!("connectors/{name}"), None)
            .await?;
        accepted(answer, || format!("remove {name}"))
    }

    pub(super) async fn connector_status(&self, name: &str) -> Result<Option<Value>> {
        let path = format!("connectors/{name}/status");
        let (status, body) = self.request(Method::GET, &path, None).await?;
        Ok(status.is_success().then_some(body))
    }

    async fn request(&self, method: Method, path: &str, body: Option<Value>) -> Result<(StatusCode, Value)> {
        let url = format!("http://127.0.0.1:{}/{path}", self.port.number());
        let failed = |source| Error::Http {
            url: url.clone(),
            source,
        };
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(REQUEST_LIMIT)
            .build()
            .map_err(failed)?;
        let mut request = client.request(method, &url);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.map_err(failed)?;
        let status = answer.status();
        let text = answer.text().await.map_err(failed)?;
        // A removal is answered without a body, a fault of the worker's own with a page.
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }
}

fn accepted((status, body): (StatusCode, Value), action: impl FnOnce() -> String) -> Result<()> {
    if status.is_success() {
        return Ok(());
    }
    Err(Error::Connect {
        action: action(),
        answer: body["message"]
            .as_str()
            .map_or_else(|| body.to_string(), str::to_owned),
    })
}
