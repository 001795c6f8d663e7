//! Payloads with schemas.

use serde_json::Value;
use walcast_testbed::TreeDecoder;
use walcast_tests::{Instance, assert_reports, http, shared};

use super::{await_events, outbox, records};

#[tokio::test]
async fn payloads_in_json_are_structs_under_the_subject_of_their_topic() {
    let mut case = outbox(
        "outbox_struct",
        "expand_json = true\ndefault_timestamp = \"commit\"",
    )
    .await;
    case.config = case.config.clone().set("format.value", "avro");
    let mut instance = Instance::start(&case.config).await;
    case.sql("INSERT INTO outbox VALUES (1, 'order', 'a', 'Placed', '{\"n\": 1, \"at\": {\"zip\": \"8000\"}}'), (2, 'order', 'b', 'Gone', NULL)")
        .await;
    await_events(&mut instance, "outbox_struct.events.order", 2).await;
    instance.stop().await;
    let decoder = TreeDecoder::new(&shared().await.registry().url()).unwrap();
    let versions = decoder
        .versions("outbox_struct.events.order-value")
        .await
        .unwrap();
    assert_eq!(versions.len(), 1);
    let schema = versions[0].schema.to_string();
    assert!(
        schema.contains(r#""name":"at""#) && schema.contains(r#""name":"zip""#),
        "{schema}"
    );
    let found = records("outbox_struct.events.order").await;
    assert!(found[0].value.is_some() && found[1].value.is_none());
}

#[tokio::test]
async fn payloads_are_checked_against_the_schema_of_their_type() {
    let mut case = outbox(
        "outbox_typed",
        "schema_by = \"type\"\nschema_subject = \"outbox_typed.{type}\"",
    )
    .await;
    case.config = case
        .config
        .clone()
        .set("format.value", "avro")
        .set("dead_letters.on_error", "dead_letter");
    let subject = format!(
        "{}/subjects/outbox_typed.Placed/versions",
        shared().await.registry().url()
    );
    let schema = r#"{"type":"record","name":"Placed","fields":[{"name":"n","type":"int"}]}"#;
    let body = serde_json::json!({"schema": schema, "schemaType": "AVRO"}).to_string();
    let registered = http("POST", &subject, &body).await;
    assert_eq!(registered.status, 200, "{registered:?}");
    let mut instance = Instance::start(&case.config).await;
    case.sql(
        "INSERT INTO outbox VALUES (1, 'order', 'a', 'Placed', '{\"n\": 1}'), (2, 'order', 'b', 'Placed', '{\"n\": \"x\"}'), \
         (3, 'order', 'c', 'Unknown', '{}'), (4, 'order', 'd', 'Placed', '{\"n\": 4}')",
    )
    .await;
    await_events(&mut instance, "outbox_typed.events.order", 2).await;
    await_events(&mut instance, "outbox_typed.dead-letters", 2).await;
    instance.stop().await;
    let values: Vec<Vec<u8>> = records("outbox_typed.events.order")
        .await
        .into_iter()
        .map(|record| record.value.unwrap()[5..].to_vec())
        .collect();
    assert_eq!(values, [vec![2], vec![8]]);
    let mut errors = Vec::new();
    for record in records("outbox_typed.dead-letters").await {
        let letter: Value = serde_json::from_slice(record.value.as_deref().unwrap()).unwrap();
        errors.push(letter["error"].as_str().unwrap().to_owned());
    }
    assert_reports(
        &errors.join("\n"),
        &[
            "does not fit the schema of its type at .n",
            "subject outbox_typed.Unknown has no schema",
        ],
    );
}
