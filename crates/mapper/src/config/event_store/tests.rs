//! Columns and topics of event stores, by preset and by name.

use serde_json::{Value, json};

use super::{EventStoreError, EventStoreRule, EventStoreText};
use crate::config::Placement;
use crate::table_name::TableName;

fn parse(rule: Value) -> Result<EventStoreRule, EventStoreError> {
    let text: EventStoreText = serde_json::from_value(rule).unwrap();
    EventStoreRule::try_from(text)
}

/// Key, payload, id and headers of the records.
fn columns(rule: &EventStoreRule) -> String {
    let records = rule.records("own", |_| true);
    let headers = records.additional(Placement::Header);
    let headers: Vec<String> = headers.map(ToString::to_string).collect();
    format!(
        "{} {} {} [{}]",
        records.key,
        records.payload,
        records.id,
        headers.join(" ")
    )
}

#[test]
fn presets_name_the_columns_of_their_libraries() {
    for (preset, table, wanted) in [
        (
            "marten",
            "mt_events",
            "stream_id data id [type:header:type version:header:version timestamp:header:created is_archived:header:archived \
             tenant_id:header mt_dotnet_type:header correlation_id:header causation_id:header headers:header user_name:header]",
        ),
        (
            "emmett",
            "emt_messages",
            "stream_id message_data message_id [message_type:header:type stream_position:header:version \
             message_schema_version:header:schemaVersion created:header:created is_archived:header:archived message_metadata:header \
             message_kind:header partition:header]",
        ),
        (
            "axon",
            "domain_event_entry",
            "aggregate_identifier payload event_identifier [payload_type:header:type sequence_number:header:version \
             payload_revision:header:schemaVersion time_stamp:header:created type:header:category meta_data:header]",
        ),
    ] {
        let rule = parse(json!({"preset": preset})).unwrap();
        assert_eq!(columns(&rule), wanted, "{preset}");
        let table = TableName {
            namespace: "any".to_owned(),
            name: table.to_owned(),
        };
        assert!(rule.selected().matches(&table), "{preset}");
    }
    let rule = parse(json!({"preset": "message_db"})).unwrap();
    assert_eq!(
        columns(&rule),
        "stream_name data id [type:header:type position:header:version time:header:created metadata:header]"
    );
    assert_eq!(rule.selected().to_string(), "message_store.messages");
}

#[test]
fn columns_that_are_named_replace_those_of_the_preset() {
    let rule = parse(
        json!({"preset": "marten", "data": "body", "archived": "", "metadata": ["source"], "created": "at"}),
    )
    .unwrap();
    let records = rule.records("own", |column| column == "body");
    let headers = records.additional(Placement::Header);
    let headers: Vec<String> = headers.map(ToString::to_string).collect();
    // Named columns are required, whether or not the table has them.
    assert_eq!(
        (records.payload.as_str(), headers.join(" ").as_str()),
        (
            "body",
            "type:header:type version:header:version at:header:created source:header"
        )
    );
}

#[test]
fn topics_are_those_of_the_table_the_category_or_the_type() {
    let topic = |rule: Value, value: &str| parse(rule).unwrap().records("shop.s.t", |_| true).topic_of(value);
    assert_eq!(topic(json!({"preset": "marten"}), "order_placed"), "shop.s.t");
    assert_eq!(
        topic(json!({"preset": "marten", "topic_by": "type"}), "order_placed"),
        "events.order_placed"
    );
    let by_category = json!({"preset": "message_db", "topic_by": "category"});
    assert_eq!(topic(by_category.clone(), "order-8471-a\nb"), "events.order");
    assert_eq!(topic(by_category, "order"), "events.order");
    let by_column = json!({"preset": "axon", "topic_by": "category", "route_topic": "axon.${category}"});
    assert_eq!(topic(by_column, "Order"), "axon.Order");
    let constant = json!({"preset": "marten", "route_topic": "events"});
    assert_eq!(topic(constant.clone(), "order_placed"), "events");
    assert_eq!(
        parse(constant).unwrap().constant_topic(),
        Some("events".to_owned())
    );
    assert_eq!(parse(json!({"preset": "marten"})).unwrap().constant_topic(), None);
}

#[test]
fn entries_that_cannot_be_meant_are_rejected() {
    let error = |rule: Value| parse(rule).unwrap_err();
    assert_eq!(error(json!({})), EventStoreError::Tables);
    assert_eq!(
        error(json!({"preset": "marten", "topic_by": "category"})),
        EventStoreError::Category
    );
    let by_pattern =
        json!({"preset": "marten", "topic_by": "category", "route_pattern": "(?<category>[a-z]+)/.*"});
    assert!(parse(by_pattern).is_ok());
    assert_eq!(
        error(json!({"preset": "marten", "additional": ["shard:partition"]})),
        EventStoreError::Partition("shard".to_owned())
    );
    assert!(matches!(
        error(json!({"preset": "marten", "route_topic": "${kind}"})),
        EventStoreError::Route(_)
    ));
}

#[test]
fn upcasters_of_a_type_lead_to_one_version() {
    let upcaster = |from: u32, to: u32| json!({"type": "OrderPlaced", "from": from, "to": to});
    let rule = parse(json!({"preset": "emmett", "upcasters": [upcaster(1, 2), upcaster(2, 3)]})).unwrap();
    assert_eq!(rule.chains().get("OrderPlaced").unwrap().current, "3");
    let error = |upcasters: Value| {
        let rule = json!({"preset": "emmett", "upcasters": upcasters});
        parse(rule).unwrap_err().to_string()
    };
    assert_eq!(
        error(json!([upcaster(1, 2), upcaster(1, 3)])),
        "two upcasters of type \"OrderPlaced\" have from = \"1\""
    );
    assert!(error(json!([upcaster(1, 2), upcaster(2, 1)])).contains("do not lead to one version"));
    let wrong = json!({"preset": "emmett", "schema_version_member": "events[].v"});
    assert!(matches!(
        parse(wrong).unwrap_err(),
        EventStoreError::VersionMember(_)
    ));
}
