//! Names of topics, schemas and fields as the configuration wants them.

use expect_test::{Expect, expect};
use serde_json::json;
use walcast_mapper::Route;
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
fn a_topic_goes_where_its_route_leads() {
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
fn a_table_without_key_gets_no_mark() {
    let mut table = with_names(json!({"routes": [{"pattern": ".*", "topic": "all"}]}));
    table.relation.columns[0].is_key = false;
    table.facts.key_columns.clear();
    assert_eq!(table.compile().unwrap().key_schema(), None);
}

#[test]
fn a_mark_that_is_a_column_already_is_an_error() {
    let route = json!({"routes": [{"pattern": ".*", "topic": "all", "key_field": "id"}]});
    check(
        &with_names(route),
        expect![[
            r#"columns "id" and "id" of public.orders_2024 would both be field id; exclude one, or set names.adjust_fields = "avro_unicode""#
        ]],
    );
}

#[test]
fn a_route_that_cannot_be_says_why() {
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
fn names_are_adjusted_as_asked() {
    let mut table = with_names(json!({"delimiter": "-", "adjust_schemas": "avro", "adjust_fields": "avro"}));
    table.relation.columns[0].name = "the id".to_owned();
    table.facts = walcast_mapper::TableFacts::default();
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
    table.config.names = serde_json::from_value(json!({"adjust_fields": "avro"})).unwrap();
    table.relation.columns[1].name = "the-id".to_owned();
    check(
        &table,
        expect![[
            r#"columns "the id" and "the-id" of public.orders_2024 would both be field the_id; exclude one, or set names.adjust_fields = "avro_unicode""#
        ]],
    );
}
