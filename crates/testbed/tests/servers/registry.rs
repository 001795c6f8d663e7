//! The schema registry: Confluent's API, and what outlives a restart.

use std::time::Duration;

use serde_json::{Value, json};
use walcast_testbed::Registry;

/// Long enough for an answer of a loaded machine, short enough to notice silence.
const PATIENCE: Duration = Duration::from_secs(2);

async fn schema(registry: &Registry, id: &Value) -> reqwest::Result<Value> {
    let client = reqwest::Client::builder().timeout(PATIENCE).build()?;
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
    assert_eq!(schema(&registry, &id).await.unwrap()["schema"], "\"string\"");
    registry.kill().unwrap();
    assert!(schema(&registry, &id).await.unwrap_err().is_connect());
    registry.start_again().await.unwrap();
    assert_eq!(schema(&registry, &id).await.unwrap()["schema"], "\"string\"");

    registry.pause().unwrap();
    assert!(schema(&registry, &id).await.unwrap_err().is_timeout());
    registry.resume().unwrap();
    assert!(schema(&registry, &id).await.is_ok());
}
