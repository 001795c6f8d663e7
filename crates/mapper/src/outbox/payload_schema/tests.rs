use serde_json::json;

use super::*;

const ORDER: &str = r#"{"type":"record","name":"Order","namespace":"shop","fields":[
    {"name":"id","type":"long"},
    {"name":"state","type":{"type":"enum","name":"State","symbols":["placed","paid"]}},
    {"name":"note","type":["null","string"],"default":null},
    {"name":"lines","type":{"type":"array","items":{"type":"record","name":"Line","fields":[
        {"name":"sku","type":"string"},{"name":"price","type":"double","default":0}]}},"default":[]},
    {"name":"first","type":["null","Line"],"default":null},
    {"name":"labels","type":{"type":"map","values":"int"},"default":{}}]}"#;

fn parsed(schema: &str) -> PayloadSchema {
    PayloadSchema::parse(SchemaId::new(7), schema).unwrap()
}

/// The value that Avro reads back, or the place of the fault.
fn read_back(schema: &str, value: &Value) -> Result<Value, String> {
    let mut out = Vec::new();
    parsed(schema)
        .put(value, &mut out)
        .map_err(|unfit| unfit.path())?;
    let schema = Schema::parse_str(schema).unwrap();
    let read = apache_avro::reader::datum::GenericDatumReader::builder(&schema)
        .build()
        .unwrap()
        .read_value(&mut out.as_slice())
        .unwrap();
    Ok(read.try_into().unwrap())
}

#[test]
fn records_are_written_with_their_defaults() {
    let order = json!({"id": 8471, "state": "paid"});
    assert_eq!(
        read_back(ORDER, &order).unwrap(),
        json!({"id": 8471, "state": "paid", "note": null, "lines": [], "first": null, "labels": {}})
    );
    let order = json!({
        "id": 1, "state": "placed", "note": "größe", "lines": [{"sku": "a", "price": 1.5}, {"sku": "b"}],
        "first": {"sku": "a", "price": 2}, "labels": {"x": -1},
    });
    assert_eq!(
        read_back(ORDER, &order).unwrap(),
        json!({
            "id": 1, "state": "placed", "note": "größe", "lines": [{"sku": "a", "price": 1.5}, {"sku": "b", "price": 0.0}],
            "first": {"sku": "a", "price": 2.0}, "labels": {"x": -1},
        })
    );
}

#[test]
fn a_value_that_does_not_fit_is_named_by_its_place() {
    for (value, place) in [
        (json!([]), ""),
        (json!({"state": "paid"}), ".id"),
        (json!({"id": "1", "state": "paid"}), ".id"),
        (json!({"id": 1.5, "state": "paid"}), ".id"),
        (json!({"id": 1, "state": "gone"}), ".state"),
        (json!({"id": 1, "state": "paid", "note": 5}), ".note"),
        (
            json!({"id": 1, "state": "paid", "lines": [{"sku": "a"}, {}]}),
            ".lines[1].sku",
        ),
        (
            json!({"id": 1, "state": "paid", "first": {"sku": 1}}),
            ".first.sku",
        ),
        (
            json!({"id": 1, "state": "paid", "labels": {"x": 2_147_483_648_i64}}),
            ".labels[]",
        ),
        (json!({"id": 1, "state": "paid", "secret": "x"}), ""),
    ] {
        assert_eq!(read_back(ORDER, &value), Err(place.to_owned()), "{value}");
    }
}

#[test]
fn numbers_and_bytes_are_not_altered() {
    for (schema, value, expected) in [
        ("\"int\"", json!(-1), Some(vec![1])),
        ("\"int\"", json!(2_147_483_648_i64), None),
        ("\"double\"", json!(9_007_199_254_740_993_i64), None),
        ("\"float\"", json!(1.5), Some(vec![0, 0, 0xC0, 0x3F])),
        ("\"float\"", json!(0.1), Some(0.1_f32.to_le_bytes().to_vec())),
        ("\"float\"", json!(16_777_217), None),
        ("\"float\"", json!(1e300), None),
        ("\"bytes\"", json!("\u{0}\u{ff}"), Some(vec![4, 0, 0xFF])),
        ("\"bytes\"", json!("\u{100}"), None),
        (
            r#"{"type":"fixed","name":"f","size":2}"#,
            json!("ab"),
            Some(vec![b'a', b'b']),
        ),
        (r#"{"type":"fixed","name":"f","size":2}"#, json!("a"), None),
        (r#"["null","long","string"]"#, json!("a"), Some(vec![4, 2, b'a'])),
        (r#"["null","long","string"]"#, json!(true), None),
        (
            r#"{"type":"bytes","logicalType":"decimal","precision":5,"scale":2}"#,
            json!("1.50"),
            None,
        ),
    ] {
        let mut out = Vec::new();
        let written = parsed(schema).put(&value, &mut out).is_ok().then_some(out);
        assert_eq!(written, expected, "{schema} {value}");
    }
}

/// A payload that no branch takes could otherwise be tried in 2 to the power of 100 ways, and a default could contain itself.
#[test]
fn attempts_have_a_limit() {
    let schema = r#"{"type":"record","name":"A","fields":[{"name":"next","type":["null","A",
        {"type":"record","name":"B","fields":[{"name":"next","type":["null","A","B"]}]}]}]}"#;
    let nested = (0..100).fold(json!(5), |inner, _| json!({ "next": inner }));
    assert!(parsed(schema).put(&nested, &mut Vec::new()).is_err());
    let nested = (0..100).fold(json!(null), |inner, _| json!({ "next": inner }));
    assert!(parsed(schema).put(&nested, &mut Vec::new()).is_ok());
}

#[test]
fn other_texts_are_no_schema() {
    for schema in ["", "{}", "\"Missing\"", "syntax = \"proto3\";"] {
        assert!(
            PayloadSchema::parse(SchemaId::new(1), schema).is_none(),
            "{schema}"
        );
    }
}
