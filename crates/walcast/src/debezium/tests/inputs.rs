//! The forms in which Connect returns the configuration of a connector.

use expect_test::expect;
use walcast_delivery::one_line;

use super::CONNECTOR;
use crate::debezium::given::{Given, InputError};
use crate::debezium::migration::migrate;

fn config() -> serde_json::Value {
    let connector: serde_json::Value = serde_json::from_str(CONNECTOR).unwrap();
    connector["config"].clone()
}

fn toml(text: &serde_json::Value, name: Option<&str>) -> Result<String, InputError> {
    let given = Given::of_named(&text.to_string(), name, None)?;
    Ok(migrate(&given).toml)
}

fn failure(text: &serde_json::Value, name: Option<&str>) -> String {
    one_line(&toml(text, name).unwrap_err())
}

/// `GET /connectors/NAME`, and `GET /connectors?expand=info` with and without `expand=status`.
#[test]
fn responses_of_connect_are_read() {
    let mut config = config();
    config["name"] = "Inventory Source".into();
    let info = serde_json::json!({
        "name": "Inventory Source", "config": config, "type": "source",
        "tasks": [{ "connector": "Inventory Source", "task": 0 }],
    });
    let expected = migrate(&Given::of(CONNECTOR, None).unwrap()).toml;
    assert_eq!(toml(&info, None).unwrap(), expected);
    let sink = serde_json::json!({
        "info": { "name": "sink", "config": { "name": "sink", "connector.class": "JdbcSink" }, "tasks": [], "type": "sink" },
    });
    let all = serde_json::json!({
        "sink": sink,
        "Inventory Source": { "info": info, "status": { "connector": { "state": "RUNNING" } } },
    });
    assert_eq!(toml(&all, None).unwrap(), expected);
    assert_eq!(toml(&all, Some("Inventory Source")).unwrap(), expected);
    expect![[r#"connector.class is "JdbcSink", not the Debezium Postgres connector (io.debezium.connector.postgresql.PostgresConnector)"#]]
        .assert_eq(&failure(&all, Some("sink")));
    let unknown = failure(&all, Some("other"));
    assert!(
        unknown.starts_with("connector: no connector \"other\"; there is "),
        "{unknown}"
    );
    let sinks = serde_json::json!({ "sink": sink, "another": sink });
    expect!["connector: several connectors: sink, sink; select one with --connector"]
        .assert_eq(&failure(&sinks, None));
    let two = serde_json::json!({ "Inventory Source": { "info": info }, "again": { "info": info } });
    expect!["connector: several connectors: Inventory Source, Inventory Source; select one with --connector"]
        .assert_eq(&failure(&two, None));
}

/// The status of Kafka 4.1 and later, the property, and neither.
#[test]
fn the_release_determines_the_fields() {
    let toml_of = |version: serde_json::Value, status: serde_json::Value| {
        let mut config = config();
        config["connector.plugin.version"] = version;
        let info = serde_json::json!({ "name": "shop", "config": config });
        toml(
            &serde_json::json!({ "shop": { "info": info, "status": status } }),
            None,
        )
        .unwrap()
    };
    let nothing = || serde_json::Value::Null;
    let of_property = toml_of("3.4.3.Final".into(), nothing());
    assert!(
        of_property.contains("\ndebezium_version = \"3.3\" "),
        "{of_property}"
    );
    let status = serde_json::json!({ "connector": { "state": "RUNNING", "version": "3.6.0.Final" } });
    let running = toml_of("[3.0,4.0)".into(), status);
    assert!(running.contains("\ndebezium_version = \"3.6\" "), "{running}");
    for unknown in [nothing(), "[3.0,4.0)".into()] {
        let toml = toml_of(unknown, nothing());
        let (before, _) = toml.split_once("\ndebezium_version = \"3.3\" ").unwrap();
        assert!(
            before.ends_with("from Debezium 3.5 on, write \"3.6\""),
            "{before}"
        );
    }
}

#[test]
fn responses_without_configurations_are_rejected() {
    let status = serde_json::json!({ "shop": { "status": { "name": "shop", "tasks": [] } } });
    expect!["connector: connector \"shop\" has no configuration; `GET /connectors?expand=info` returns it"]
        .assert_eq(&failure(&status, None));
    expect!["connector: not an object; `GET /connectors/NAME` returns the configuration of a connector"]
        .assert_eq(&failure(&serde_json::json!(["shop"]), None));
}

#[test]
fn files_of_another_form_are_rejected_with_their_name() {
    let text = |text: &str| one_line(&Given::of(text, None).unwrap_err());
    let cut = text("{\"name\": ");
    assert!(cut.starts_with("connector: not JSON: "), "{cut}");
    expect!["connector: config is not an object"].assert_eq(&text(r#"{"name": "shop", "config": "x"}"#));
    expect!["connector: slot.name is not a string, a number or a boolean"].assert_eq(&text(
        r#"{"name": "shop", "config": {"connector.class": "io.debezium.connector.postgresql.PostgresConnector", "slot.name": ["a"]}}"#,
    ));
    expect!["worker: not a properties file: line 1: \\u is not followed by four hexadecimal digits"]
        .assert_eq(&one_line(&Given::of(CONNECTOR, Some("a = \\u12")).unwrap_err()));
    let missing = Given::read(std::path::Path::new("/nowhere/connector.json"), None, None);
    let missing = one_line(&missing.unwrap_err());
    assert!(
        missing.starts_with("/nowhere/connector.json: cannot be read: "),
        "{missing}"
    );
}
