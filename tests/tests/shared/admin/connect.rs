//! The API of Kafka Connect, as a console asks for it: Kafbat UI lists connectors with status and configuration, and opens each.

use serde_json::Value;
use walcast_tests::{Answer, Case, Instance, await_that, http, lsn};

/// Asks as a console does.
async fn ask(instance: &str, method: &str, path: &str) -> Answer {
    http(method, &format!("http://{instance}{path}"), "").await
}

async fn document(instance: &str, path: &str) -> Value {
    let answer = ask(instance, "GET", path).await;
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    serde_json::from_str(&answer.body).unwrap()
}

#[tokio::test]
async fn a_console_of_kafka_connect_shows_the_connector() {
    let mut case = Case::new("console_of_connect").await;
    case.config = case.config.set("admin.connect_api", true);
    let mut instance = Instance::start(&case.config).await;
    case.insert([1, 2]).await;
    case.await_ids([1, 2]).await;
    let (name, address) = (case.name(), case.config.admin_address());

    let listed = document(&address, "/connectors?expand=status&expand=info").await;
    let connector = &listed[name];
    assert_eq!(connector["status"]["tasks"][0]["state"], "RUNNING", "{listed}");
    assert_eq!(connector["info"]["type"], "source");
    let config = document(&address, &format!("/connectors/{name}/config")).await;
    assert_eq!(config, connector["info"]["config"]);
    assert_eq!(config["postgres.url"], "[hidden]");
    assert_eq!(config["kafka.topic_prefix"], name);
    let topic = format!("{name}.public.items");
    let topics = document(&address, &format!("/connectors/{name}/topics")).await;
    let topics = topics[name]["topics"].as_array().unwrap();
    assert!(topics.contains(&Value::from(topic)), "{topics:?}");

    case.insert([3]).await;
    let end = lsn(&case.text("SELECT pg_current_wal_lsn()").await);
    await_that("the offset of the console", async || {
        let offsets = document(&address, &format!("/connectors/{name}/offsets")).await;
        offsets["offsets"][0]["offset"]["lsn"]
            .as_u64()
            .is_some_and(|lsn| lsn >= end)
    })
    .await;

    let refused = ask(&address, "PUT", &format!("/connectors/{name}/pause")).await;
    assert_eq!(refused.status, 405, "{refused:?}");
    assert!(refused.body.contains("walcast snapshot pause"), "{refused:?}");
    let missing = ask(&address, "GET", "/connectors/none/status").await;
    assert_eq!(missing.status, 404, "{missing:?}");
    instance.stop().await;
}
