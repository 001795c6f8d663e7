//! `[format]`: encodings and shapes.

use expect_test::expect;

use super::{MINIMAL, check_error, parse, with};

#[test]
fn json_needs_no_registry() {
    let without_registry = MINIMAL.split("[registry]").next().unwrap();
    let json =
        format!("{without_registry}[format]\nkey = \"json\"\nvalue = \"json_schema\"\nshape = \"flat\"\n");
    let config = parse(&json).unwrap();
    assert!(config.registry.is_none());
    assert_eq!(config.mapper.shape, walcast_mapper::config::Shape::Flat);
    check_error(
        &json.replace("key = \"json\"", ""),
        expect![[
            r#"walcast.toml: registry.url is missing; add for example: url = "http://127.0.0.1:8081" under [registry]"#
        ]],
    );
}

#[test]
fn a_release_of_debezium_determines_the_fields() {
    use walcast_mapper::config::DebeziumVersion;

    assert_eq!(
        parse(MINIMAL).unwrap().mapper.debezium_version,
        DebeziumVersion::V3_3
    );
    let newer = "debezium_version = \"3.6\"\nflat = { fields = [\"source.origin\"] }";
    let config = parse(&with("format", newer)).unwrap();
    assert_eq!(config.mapper.debezium_version, DebeziumVersion::V3_6);
    check_error(
        &with("format", "debezium_version = \"3.5\""),
        expect!["walcast.toml:14:20: unknown variant `3.5`, expected `3.3` or `3.6`"],
    );
}

#[test]
fn invalid_shapes_are_rejected() {
    check_error(
        &with("format", "shape = \"cloud_events\""),
        expect![[
            r#"walcast.toml: format.value is "avro"; expected json or json_schema where shape is cloud_events"#
        ]],
    );
    check_error(
        &with("format.flat", "fields = [\"op\", \"lns\"]"),
        expect![[
            r#"walcast.toml:14:10: "lns" is no part of the envelope: op, ts_ms, ts_us, ts_ns or one of the source block (version, connector, name, ts_ms, snapshot, db, sequence, ts_us, ts_ns, schema, table, txId, lsn, xmin, origin, origin_lsn)"#
        ]],
    );
    check_error(
        &with("format.flat", "headers = [\"source.origin:from\"]"),
        expect![[
            r#"walcast.toml:14:1: format.flat.headers is "source.origin:from"; expected a part that the envelope has in debezium_version = "3.3"; the replication origin comes with "3.6""#
        ]],
    );
    check_error(
        &with("format", "value = \"protobuf\""),
        expect![
            "walcast.toml:14:9: unknown variant `protobuf`, expected one of `avro`, `json`, `json_schema`"
        ],
    );
}
