//! The schema registry: Confluent's API, and what outlives a restart.

use std::time::Duration;

use serde_json::{Value, json};
use walcast_testbed::Registry;

/// Long enough for an answer of a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Of a registry that stands still, which answers at no time.
const SILENCE: Duration = Duration::from_secs(2);

async fn schema(registry: &Registry, id: &Value, limit: Duration) -> reqwest::Result<Value> {
    let client = reqwest::Client::builder().timeout(limit).build()?;
    client
        .get(format!("{}/schemas/ids/{id}", registry.url()))
        .send()
        .await?
        .error_for_status()?
        .json()
        .await
}

#[tokio::test]
async fn schemas_outlive_restart_and_kill_and_a_pause_is_silence() {
    let mut registry = Registry::start().await.unwrap();
    let url = format!("{}/subjects/s-value/versions", registry.url());
    let answer = reqwest::Client::new()
        .post(&url)
        .json(&json!({ "schema": "\"string\"" }))
        .send()
        .await
        .unwrap();
    let id = answer.json::<Value>().await.unwrap()["id"].take();
    assert!(id.is_number(), "{id}");

    registry.restart().await.unwrap();
    assert_eq!(
        schema(&registry, &id, PATIENCE).await.unwrap()["schema"],
        "\"string\""
    );
    registry.kill().unwrap();
    assert!(schema(&registry, &id, PATIENCE).await.unwrap_err().is_connect());
    registry.start_again().await.unwrap();
    assert_eq!(
        schema(&registry, &id, PATIENCE).await.unwrap()["schema"],
        "\"string\""
    );

    registry.pause().unwrap();
    assert!(schema(&registry, &id, SILENCE).await.unwrap_err().is_timeout());
    registry.resume().unwrap();
    assert!(schema(&registry, &id, PATIENCE).await.is_ok());
}
