use expect_test::{Expect, expect};
use serde_json::Value;

use super::*;
use crate::connect::slot_to_avro;

const BY_DEFAULT: JsonSchemas = JsonSchemas {
    null: JsonNull::Ignore,
    empty_array: JsonEmptyArray::Ignore,
};
const KEEPING: JsonSchemas = JsonSchemas {
    null: JsonNull::OptionalBytes,
    empty_array: JsonEmptyArray::OptionalString,
};

fn parsed(json: &str) -> Value {
    serde_json::from_str(json).unwrap()
}

/// Compares the Avro schema of a payload in JSON.
fn check(schemas: JsonSchemas, json: &str, expected: &Expect) {
    let value = parsed(json);
    let shown = match schemas.of(Some("payload"), &value) {
        Ok(Some(slot)) => {
            assert!(fits(&value, &slot), "{json}");
            slot_to_avro(&slot).to_string()
        }
        Ok(None) => "none".to_owned(),
        Err(NoSchema::NotUniform) => "not uniform".to_owned(),
        Err(NoSchema::TooLarge) => "too large".to_owned(),
    };
    expected.assert_eq(&shown);
}

#[test]
fn types_follow_from_values() {
    check(
        BY_DEFAULT,
        r#"{"s":"x","b":true,"i":1,"l":2147483648,"d":1.5,"n":null,"e":[]}"#,
        &expect![[
            r#"["null",{"type":"record","name":"payload","fields":[{"name":"s","type":["null","string"],"default":null},{"name":"b","type":["null","boolean"],"default":null},{"name":"i","type":["null","int"],"default":null},{"name":"l","type":["null","long"],"default":null},{"name":"d","type":["null","double"],"default":null}],"connect.name":"payload"}]"#
        ]],
    );
}

#[test]
fn nulls_and_empty_arrays_are_kept_where_the_settings_say_so() {
    check(
        KEEPING,
        r#"{"n":null,"e":[],"a":[null]}"#,
        &expect![[
            r#"["null",{"type":"record","name":"payload","fields":[{"name":"n","type":["null","bytes"],"default":null},{"name":"e","type":["null",{"type":"array","items":["null","string"]}],"default":null},{"name":"a","type":["null",{"type":"array","items":["null","bytes"]}],"default":null}],"connect.name":"payload"}]"#
        ]],
    );
}

#[test]
fn objects_in_arrays_have_the_fields_of_all() {
    check(
        BY_DEFAULT,
        r#"{"lines":[null,{"sku":"a"},{"n":2,"at":{"x":1}}]}"#,
        &expect![[
            r#"["null",{"type":"record","name":"payload","fields":[{"name":"lines","type":["null",{"type":"array","items":["null",{"type":"record","name":"lines","namespace":"payload","fields":[{"name":"sku","type":["null","string"],"default":null},{"name":"n","type":["null","int"],"default":null},{"name":"at","type":["null",{"type":"record","name":"at","namespace":"payload.lines","fields":[{"name":"x","type":["null","int"],"default":null}],"connect.name":"payload.lines.at"}],"default":null}],"connect.name":"payload.lines"}]}],"default":null}],"connect.name":"payload"}]"#
        ]],
    );
    // The type of a null is taken from another item.
    check(
        KEEPING,
        r#"{"a":[{"x":null},{"x":1}]}"#,
        &expect![[
            r#"["null",{"type":"record","name":"payload","fields":[{"name":"a","type":["null",{"type":"array","items":{"type":"record","name":"a","namespace":"payload","fields":[{"name":"x","type":["null","int"],"default":null}],"connect.name":"payload.a"}}],"default":null}],"connect.name":"payload"}]"#
        ]],
    );
}

/// Debezium leaves out what only a later object within an object has.
#[test]
fn objects_within_objects_in_arrays_have_the_fields_of_all() {
    check(
        BY_DEFAULT,
        r#"{"a":[{"o":{"x":1}},{"o":{"y":2}}]}"#,
        &expect![[
            r#"["null",{"type":"record","name":"payload","fields":[{"name":"a","type":["null",{"type":"array","items":{"type":"record","name":"a","namespace":"payload","fields":[{"name":"o","type":["null",{"type":"record","name":"o","namespace":"payload.a","fields":[{"name":"x","type":["null","int"],"default":null},{"name":"y","type":["null","int"],"default":null}],"connect.name":"payload.a.o"}],"default":null}],"connect.name":"payload.a"}}],"default":null}],"connect.name":"payload"}]"#
        ]],
    );
}

/// A small payload could otherwise take any memory: as the names of structs, and as fields that are missing in the items of an array.
#[test]
fn schemas_and_missing_fields_have_limits() {
    let long = "x".repeat(2_000);
    let members: Vec<String> = (0..200).map(|number| format!("\"{number}\":{{}}")).collect();
    let json = format!("{{\"{long}\":{{{}}}}}", members.join(","));
    check(BY_DEFAULT, &json, &expect!["too large"]);
    let forms: Vec<String> = (0..2_000).map(|number| format!("{{\"x{number}\":1}}")).collect();
    let json = parsed(&format!("{{\"a\":[{}]}}", forms.join(",")));
    let slot = BY_DEFAULT.of(Some("payload"), &json).unwrap().unwrap();
    assert!(!fits(&json, &slot));
    // Items of one form take the room of one.
    let json = parsed(&format!("{{\"a\":[{}]}}", vec!["{\"x\":1}"; 20_000].join(",")));
    let slot = BY_DEFAULT.of(Some("payload"), &json).unwrap().unwrap();
    assert!(fits(&json, &slot));
}

/// Connect gives structs without a name the same one.
#[test]
fn objects_in_arrays_of_arrays_have_no_name() {
    check(
        BY_DEFAULT,
        r#"{"a":[[{"x":1}]]}"#,
        &expect![[
            r#"["null",{"type":"record","name":"payload","fields":[{"name":"a","type":["null",{"type":"array","items":["null",{"type":"array","items":["null",{"type":"record","name":"ConnectDefault","namespace":"io.confluent.connect.avro","fields":[{"name":"x","type":["null","int"],"default":null}]}]}]}],"default":null}],"connect.name":"payload"}]"#
        ]],
    );
}

#[test]
fn arrays_of_different_types_have_no_schema() {
    for json in [
        r#"{"a":[1,"x"]}"#,
        r#"{"a":[1,2147483648]}"#,
        r#"{"a":[1,1.0]}"#,
        r#"{"a":[{},[]]}"#,
        r#"{"a":[null]}"#,
        r#"{"a":[[]]}"#,
    ] {
        check(BY_DEFAULT, json, &expect!["not uniform"]);
    }
}

#[test]
fn values_that_the_common_schema_does_not_take_do_not_fit() {
    for json in [
        r#"{"a":[{"x":1},{"x":"y"}]}"#,
        r#"{"a":[{"x":1.5},{"x":1}]}"#,
        r#"{"a":[[1],["x"]]}"#,
        r#"{"a":[[{"x":1}],[{"y":1}]]}"#,
        r#"{"a":18446744073709551615}"#,
    ] {
        let value = parsed(json);
        let slot = BY_DEFAULT.of(Some("payload"), &value).unwrap().unwrap();
        assert!(!fits(&value, &slot), "{json}");
    }
}

#[test]
fn avro_takes_valid_names_each_for_one_struct() {
    for (json, expected) in [
        (r#"{"a":{"b":1}}"#, true),
        (r#"{"a b":1}"#, false),
        (r#"{"a":[{"1":1}]}"#, false),
        (r#"{"a":[[{"x":1}]],"b":[[{"x":2}]]}"#, true),
        (r#"{"a":[[{"x":1}]],"b":[[{"y":1}]]}"#, false),
    ] {
        let slot = BY_DEFAULT.of(Some("payload"), &parsed(json)).unwrap().unwrap();
        assert_eq!(is_valid_in_avro(&slot), expected, "{json}");
    }
}

#[test]
fn integers_of_more_than_64_bits_are_found() {
    for (json, expected) in [
        (r#"{"a":9223372036854775807,"b":-9223372036854775808}"#, false),
        (r#"{"a":9223372036854775808}"#, true),
        (r#"[-9223372036854775809]"#, true),
        (r#"{"a":1e300,"b":9223372036854775808.0}"#, false),
        (r#"{"a":"\"9223372036854775808","9223372036854775808":1}"#, false),
    ] {
        assert_eq!(has_large_integer(json), expected, "{json}");
    }
}
