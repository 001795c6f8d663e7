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
            r#"walcast.toml:14:10: "lns" is no part of the envelope: op, ts_ms, ts_us, ts_ns or one of the source block (version, connector, name, ts_ms, snapshot, db, sequence, ts_us, ts_ns, schema, table, txId, lsn, xmin)"#
        ]],
    );
    check_error(
        &with("format", "value = \"protobuf\""),
        expect![
            "walcast.toml:14:9: unknown variant `protobuf`, expected one of `avro`, `json`, `json_schema`"
        ],
    );
}
