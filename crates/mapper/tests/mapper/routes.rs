//! Configured names of topics, schemas and fields.

use expect_test::{Expect, expect};
use serde_json::json;
use walcast_mapper::config::{ReservedTopic, Route, TopicPurpose};
use walcast_pgoutput::Column::Text;

use crate::shown;
use crate::table::{Change, INT4, TEXT, Table};

fn with_names(names: serde_json::Value) -> Table {
    let mut table = Table::new(&[("id", INT4, -1), ("name", TEXT, -1)]);
    table.relation.name = "orders_2024".to_owned();
    table.config.names = serde_json::from_value(names).unwrap();
    table
}

/// Topic, names of the schemas, and the key of a row.
fn check(table: &Table, expected: Expect) {
    let text = match table.compile() {
        Err(error) => error.to_string(),
        Ok(plan) => {
            let name = |schema: Option<&str>| {
                let schema: serde_json::Value = serde_json::from_str(schema.unwrap()).unwrap();
                schema["connect.name"].as_str().unwrap().to_owned()
            };
            let key = table.records(&Change::Insert(&[Text(b"1"), Text(b"n")])).unwrap();
            let key = shown::show(key[0].key.as_ref().unwrap());
            format!(
                "{} {} {} {key}",
                plan.topic(),
                name(plan.key_schema()),
                name(plan.value_schema())
            )
        }
    };
    expected.assert_eq(&text);
}

#[test]
fn topics_are_routed() {
    check(
        &with_names(json!({})),
        expect!["p.public.orders_2024 p.public.orders_2024.Key p.public.orders_2024.Envelope {id: 1}"],
    );
    let pattern = r"p\.public\.orders_(?P<year>\d+)";
    check(
        &with_names(json!({"routes": [
            {"pattern": r"p\.public\.items", "topic": "never"},
            {"pattern": pattern, "topic": "p.public.orders"},
            {"pattern": ".*", "topic": "second"},
        ]})),
        expect![[
            r#"p.public.orders p.public.orders.Key p.public.orders.Envelope {id: 1, __dbz__physicalTableIdentifier: "p.public.orders_2024"}"#
        ]],
    );
    check(
        &with_names(json!({"routes": [{
            "pattern": pattern, "topic": "all-${year}x$12", "key_field": "of", "key_pattern": pattern, "key_value": "y$1",
        }]})),
        expect![[r#"all-2024x20242 all_2024x20242.Key all_2024x20242.Envelope {id: 1, of: "y2024"}"#]],
    );
    check(
        &with_names(json!({"routes": [{"pattern": pattern, "topic": "plain", "unique_keys": false}]})),
        expect!["plain plain.Key plain.Envelope {id: 1}"],
    );
    check(
        &with_names(json!({"routes": [{"pattern": "p(.*)", "topic": ""}]})),
        expect!["p.public.orders_2024 p.public.orders_2024.Key p.public.orders_2024.Envelope {id: 1}"],
    );
}

#[test]
fn no_table_reaches_a_reserved_topic() {
    let reserved = |topic: &str, purpose| ReservedTopic {
        topic: topic.to_owned(),
        purpose,
    };
    let with_routes = |routes| {
        let mut table = with_names(json!({"routes": routes}));
        table.config.reserved_topics = vec![
            reserved("p.walcast-checkpoints", TopicPurpose::Checkpoints),
            reserved("p.public.orders_2024", TopicPurpose::DeadLetters),
            reserved("2024", TopicPurpose::Signals),
        ];
        table
    };
    check(
        &with_routes(json!([{"pattern": r"(p)\.public\.(orders)_.*", "topic": "$1.walcast-checkpoints"}])),
        expect![
            "records of public.orders_2024 would be written to topic p.walcast-checkpoints, which is the checkpoint topic; set another topic for the table in [[names.routes]], or another [kafka] topic_prefix"
        ],
    );
    check(
        &with_routes(json!([{"pattern": ".*_(.*)", "topic": "$1"}])),
        expect![
            "records of public.orders_2024 would be written to topic 2024, which is the signal topic; set another topic for the table in [[names.routes]], or another [snapshot] signal_topic"
        ],
    );
    check(
        &with_routes(json!([])),
        expect![
            "records of public.orders_2024 would be written to topic p.public.orders_2024, which is the dead-letter topic; set another topic for the table in [[names.routes]], or another [dead_letters] topic"
        ],
    );
    check(
        &with_routes(json!([{"pattern": ".*_(.*)", "topic": "p.$1", "unique_keys": false}])),
        expect!["p.2024 p._2024.Key p._2024.Envelope {id: 1}"],
    );
}

#[test]
fn the_target_of_a_route_without_groups_is_constant() {
    let constant = |topic: &str| {
        let route = json!({"pattern": "(a).*", "topic": topic});
        serde_json::from_value::<Route>(route).unwrap().constant_topic()
    };
    assert_eq!(constant("all.orders").as_deref(), Some("all.orders"));
    assert_eq!(constant("\\$1").as_deref(), Some("$1"));
    assert_eq!(constant("$1.orders"), None);
}

#[test]
fn a_table_without_key_has_no_key_field() {
    let mut table = with_names(json!({"routes": [{"pattern": ".*", "topic": "all"}]}));
    table.relation.columns[0].is_key = false;
    table.metadata.key_columns.clear();
    assert_eq!(table.compile().unwrap().key_schema(), None);
}

#[test]
fn a_key_field_with_the_name_of_a_column_is_an_error() {
    let route = json!({"routes": [{"pattern": ".*", "topic": "all", "key_field": "id"}]});
    check(
        &with_names(route),
        expect![[r#"columns "id" and "id" of public.orders_2024 would both be field id"#]],
    );
}

#[test]
fn invalid_routes_are_rejected_with_a_reason() {
    let check = |route: serde_json::Value, expected: Expect| {
        expected.assert_eq(&serde_json::from_value::<Route>(route).unwrap_err().to_string());
    };
    check(
        json!({"pattern": "(", "topic": "a"}),
        expect![[r#""(" is not a regular expression: unclosed group"#]],
    );
    check(
        json!({"pattern": "(a)", "topic": "$2"}),
        expect![[
            r#""$2" refers to a group that "(a)" does not have; groups are $1 or ${name}, \$ is a dollar"#
        ]],
    );
    check(
        json!({"pattern": "(a)", "topic": "${b}"}),
        expect![[
            r#""${b}" refers to a group that "(a)" does not have; groups are $1 or ${name}, \$ is a dollar"#
        ]],
    );
    check(
        json!({"pattern": "a", "topic": "b", "key_value": "c"}),
        expect!["key_pattern and key_value belong together; set both or neither"],
    );
    check(
        json!({"pattern": "a", "topic": "b", "key_field": ""}),
        expect!["key_field is empty; set unique_keys = false if keys are to stay as they are"],
    );
}

#[test]
fn names_are_adjusted_as_configured() {
    let mut table = with_names(json!({"delimiter": "-", "adjust_schemas": "avro", "adjust_fields": "avro"}));
    table.relation.columns[0].name = "the id".to_owned();
    table.metadata = walcast_mapper::TableMetadata::default();
    check(
        &table,
        expect!["p-public-orders_2024 p_public_orders_2024.Key p_public_orders_2024.Envelope {the_id: 1}"],
    );
    table.config.names = serde_json::from_value(json!({
        "adjust_schemas": "avro_unicode", "adjust_fields": "avro_unicode",
    }))
    .unwrap();
    check(
        &table,
        expect![
            "p.public.orders_2024 p.public.orders_u005f2024.Key p.public.orders_u005f2024.Envelope {the_u0020id: 1}"
        ],
    );
    // Without a setting, as in Debezium.
    table.config.names = serde_json::from_value(json!({})).unwrap();
    check(
        &table,
        expect!["p.public.orders_2024 p.public.orders_2024.Key p.public.orders_2024.Envelope {the_id: 1}"],
    );
    table.relation.columns[1].name = "the-id".to_owned();
    check(
        &table,
        expect![[r#"columns "the id" and "the-id" of public.orders_2024 would both be field the_id"#]],
    );
}
