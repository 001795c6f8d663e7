//! Check of JSON against a schema of an OpenAPI document, with the keywords that the document of the admin port uses.

use serde_json::Value;

/// Differences between a value and a schema of `document`; empty if the value is valid. Properties that the schema does not declare
/// are differences.
#[must_use]
pub fn differences(document: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    check(document, schema, value, "$", &mut found);
    found
}

fn check(document: &Value, schema: &Value, value: &Value, place: &str, found: &mut Vec<String>) {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        match reference
            .strip_prefix('#')
            .and_then(|pointer| document.pointer(pointer))
        {
            Some(schema) => check(document, schema, value, place, found),
            None => found.push(format!("{place}: {reference} does not exist")),
        }
        return;
    }
    if let Some(choices) = schema.get("oneOf").and_then(Value::as_array) {
        let of_choices: Vec<Vec<String>> = choices
            .iter()
            .map(|choice| {
                let mut of_choice = Vec::new();
                check(document, choice, value, place, &mut of_choice);
                of_choice
            })
            .collect();
        let valid = of_choices.iter().filter(|found| found.is_empty()).count();
        if valid != 1 {
            found.push(format!(
                "{place}: {valid} of the choices are valid: {of_choices:?}"
            ));
        }
        return;
    }
    if let Some(wanted) = schema.get("const")
        && value != wanted
    {
        found.push(format!("{place}: {value} is not {wanted}"));
    }
    if let Some(choices) = schema.get("enum").and_then(Value::as_array)
        && !choices.contains(value)
    {
        found.push(format!("{place}: {value} is none of {choices:?}"));
    }
    if let Some(types) = schema.get("type")
        && !has_type(types, value)
    {
        found.push(format!("{place}: {value} is no {types}"));
    }
    match value {
        Value::Object(members) => check_object(document, schema, members, place, found),
        Value::Array(items) => {
            if let Some(schema) = schema.get("items") {
                for (number, item) in items.iter().enumerate() {
                    check(document, schema, item, &format!("{place}[{number}]"), found);
                }
            }
        }
        _ => {}
    }
}

fn check_object(
    document: &Value,
    schema: &Value,
    members: &serde_json::Map<String, Value>,
    place: &str,
    found: &mut Vec<String>,
) {
    let required = schema.get("required").and_then(Value::as_array);
    for name in required.into_iter().flatten().filter_map(Value::as_str) {
        if !members.contains_key(name) {
            found.push(format!("{place}: {name} is missing"));
        }
    }
    let further = schema.get("additionalProperties");
    for (name, member) in members {
        let declared = schema
            .get("properties")
            .and_then(|properties| properties.get(name));
        let place = format!("{place}.{name}");
        match (declared, further) {
            (Some(schema), _) => check(document, schema, member, &place, found),
            (None, Some(Value::Bool(false))) => found.push(format!("{place} is not declared")),
            (None, Some(schema @ Value::Object(_))) => check(document, schema, member, &place, found),
            (None, _) => {}
        }
    }
}

fn has_type(types: &Value, value: &Value) -> bool {
    let is = |name: &str| match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    };
    match types {
        Value::String(name) => is(name),
        Value::Array(names) => names.iter().filter_map(Value::as_str).any(is),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_that_differ_from_their_schema_are_found() {
        let document = json!({"components": {"schemas": {"Table": {
            "type": "object",
            "properties": {"name": {"type": "string"}, "rows": {"type": ["integer", "null"]}},
            "required": ["name", "rows"],
            "additionalProperties": false
        }}}});
        let table = json!({"$ref": "#/components/schemas/Table"});
        let list = json!({"type": "array", "items": {"oneOf": [table, {"type": "null"}]}});
        for (schema, value, wanted) in [
            (&table, json!({"name": "orders", "rows": 1}), 0),
            (&table, json!({"name": "orders", "rows": null}), 0),
            (&table, json!({"name": "orders"}), 1),
            (&table, json!({"name": 7, "rows": "many"}), 2),
            (&table, json!({"name": "orders", "rows": 1, "more": 1}), 1),
            (&list, json!([null, {"name": "orders", "rows": 1}]), 0),
            (&list, json!([{"name": "orders"}]), 1),
            (&list, json!({}), 1),
            (&json!({"enum": ["a"]}), json!("b"), 1),
            (
                &json!({"type": "object", "additionalProperties": {"type": "integer"}}),
                json!({"a": "b"}),
                1,
            ),
            (&json!({"$ref": "#/nowhere"}), json!(1), 1),
        ] {
            let found = differences(&document, schema, &value);
            assert_eq!(found.len(), wanted, "{schema} {value}: {found:?}");
        }
    }
}
