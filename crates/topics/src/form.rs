//! Meaning of a schema, part by part: field names, and which numbers and bytes are dates, times and exact numbers.
//!
//! Avro's own types do not contain it: Connect's semantic types are properties (`connect.name`) that Avro libraries drop. Both kinds of
//! schemas, Avro's and those of Connect's JSON, become the same forms.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value as Json;

use crate::moment::MomentKind;

/// Meaning of a schema.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// What the encoding says already.
    Plain,
    /// A number that is a date or a time.
    Moment(MomentKind),
    /// Bytes that are an exact number with this scale.
    Decimal(i32),
    /// A struct of a scale and bytes that are an exact number.
    VariableDecimal,
    /// A record with its fields.
    Record(Vec<(Arc<str>, Arc<Form>)>),
    /// A list.
    List(Arc<Form>),
    /// A map with text keys.
    Map(Arc<Form>),
    /// One of several schemas.
    Union(Vec<Arc<Form>>),
}

/// Form of what has no meaning beside its encoding.
pub(crate) static PLAIN: Form = Form::Plain;

const DECIMAL: &str = "org.apache.kafka.connect.data.Decimal";
const VARIABLE_DECIMAL: &str = "io.debezium.data.VariableScaleDecimal";

/// Depth of a schema beyond which its parts are plain: schemas come from outside.
const DEPTH_MAX: usize = 64;

/// Forms of an Avro schema. A record that is named again has the form of its definition.
#[derive(Default)]
pub(crate) struct AvroForms {
    named: HashMap<String, Arc<Form>>,
}

impl AvroForms {
    /// Form of a schema; `namespace` is that of the enclosing record.
    pub(crate) fn form(&mut self, schema: &Json, namespace: &str, depth: usize) -> Arc<Form> {
        if depth > DEPTH_MAX {
            return Arc::new(Form::Plain);
        }
        match schema {
            Json::String(name) => self.named(name, namespace),
            Json::Array(variants) => {
                let forms = variants
                    .iter()
                    .map(|variant| self.form(variant, namespace, depth + 1));
                Arc::new(Form::Union(forms.collect()))
            }
            Json::Object(_) => self.complex(schema, namespace, depth),
            Json::Null | Json::Bool(_) | Json::Number(_) => Arc::new(Form::Plain),
        }
    }

    fn named(&self, name: &str, namespace: &str) -> Arc<Form> {
        let full = full_name(name, namespace);
        let form = self.named.get(&full).or_else(|| self.named.get(name));
        form.map_or_else(|| Arc::new(Form::Plain), Arc::clone)
    }

    fn complex(&mut self, schema: &Json, namespace: &str, depth: usize) -> Arc<Form> {
        let connect_name = text(schema, "connect.name");
        let form = match text(schema, "type") {
            Some("record") => return self.record(schema, namespace, depth),
            Some("array") => Form::List(self.form(&schema["items"], namespace, depth + 1)),
            Some("map") => Form::Map(self.form(&schema["values"], namespace, depth + 1)),
            // {"type": ["null", …]} and {"type": {"type": …}}
            None => return self.form(&schema["type"], namespace, depth + 1),
            Some(primitive) => match text(schema, "logicalType") {
                Some("decimal") => Form::Decimal(number(&schema["scale"])),
                logical => {
                    let of_name = connect_name.and_then(MomentKind::of_connect);
                    let kind = of_name.or_else(|| logical.and_then(MomentKind::of_avro));
                    match kind {
                        Some(kind) => Form::Moment(kind),
                        None => return self.named(primitive, namespace),
                    }
                }
            },
        };
        Arc::new(form)
    }

    fn record(&mut self, schema: &Json, around: &str, depth: usize) -> Arc<Form> {
        let name = text(schema, "name").unwrap_or_default();
        let around = text(schema, "namespace").unwrap_or(around);
        let full = full_name(name, around);
        let namespace = full
            .rsplit_once('.')
            .map_or("", |(namespace, _)| namespace)
            .to_owned();
        let form = if text(schema, "connect.name") == Some(VARIABLE_DECIMAL) || full == VARIABLE_DECIMAL {
            Form::VariableDecimal
        } else {
            let fields = schema["fields"].as_array().into_iter().flatten();
            let fields = fields.map(|field| {
                let name = text(field, "name").unwrap_or_default();
                (Arc::from(name), self.form(&field["type"], &namespace, depth + 1))
            });
            Form::Record(fields.collect())
        };
        let form = Arc::new(form);
        self.named.insert(full, Arc::clone(&form));
        form
    }
}

fn full_name(name: &str, namespace: &str) -> String {
    match name.contains('.') || namespace.is_empty() {
        true => name.to_owned(),
        false => format!("{namespace}.{name}"),
    }
}

/// Form of the `schema` part of Connect's JSON.
pub(crate) fn of_connect(schema: &Json, depth: usize) -> Arc<Form> {
    if depth > DEPTH_MAX {
        return Arc::new(Form::Plain);
    }
    let name = text(schema, "name");
    let form = match text(schema, "type") {
        Some("struct") if name == Some(VARIABLE_DECIMAL) => Form::VariableDecimal,
        Some("struct") => {
            let fields = schema["fields"].as_array().into_iter().flatten();
            let fields = fields.map(|field| {
                let name = text(field, "field").unwrap_or_default();
                (Arc::from(name), of_connect(field, depth + 1))
            });
            Form::Record(fields.collect())
        }
        Some("array") => Form::List(of_connect(&schema["items"], depth + 1)),
        Some("map") => Form::Map(of_connect(&schema["values"], depth + 1)),
        Some("bytes") if name == Some(DECIMAL) => Form::Decimal(number(&schema["parameters"]["scale"])),
        _ => match name.and_then(MomentKind::of_connect) {
            Some(kind) => Form::Moment(kind),
            None => Form::Plain,
        },
    };
    Arc::new(form)
}

fn text<'a>(schema: &'a Json, property: &str) -> Option<&'a str> {
    schema.get(property).and_then(Json::as_str)
}

/// A number, which Connect writes as text in parameters; 0 if there is none.
fn number(json: &Json) -> i32 {
    let number = match json {
        Json::String(text) => text.parse().ok(),
        other => other.as_i64().and_then(|number| i32::try_from(number).ok()),
    };
    number.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::moment::Unit;

    fn avro(schema: &str) -> Arc<Form> {
        AvroForms::default().form(&serde_json::from_str(schema).unwrap(), "", 0)
    }

    #[test]
    fn semantic_types_of_avro_schemas_are_found() {
        let form = avro(
            r#"{"type":"record","name":"Envelope","namespace":"shop.public.orders","fields":[
                {"name":"before","type":["null",{"type":"record","name":"Value","fields":[
                    {"name":"id","type":"int"},
                    {"name":"at","type":{"type":"long","connect.version":1,"connect.name":"io.debezium.time.MicroTimestamp"}},
                    {"name":"total","type":{"type":"bytes","scale":2,"precision":10,"logicalType":"decimal"}}]}]},
                {"name":"after","type":["null","Value"]}]}"#,
        );
        let Form::Record(fields) = &*form else {
            panic!("{form:?}")
        };
        let row = Form::Record(vec![
            ("id".into(), Form::Plain.into()),
            (
                "at".into(),
                Form::Moment(MomentKind::Timestamp(Unit::Micros)).into(),
            ),
            ("total".into(), Form::Decimal(2).into()),
        ]);
        let image = Form::Union(vec![Form::Plain.into(), row.into()]);
        assert_eq!(*fields[0].1, image);
        assert_eq!(*fields[1].1, image, "a record that is named again");
    }

    #[test]
    fn semantic_types_of_connect_schemas_are_found() {
        let schema = serde_json::json!({"type": "struct", "optional": false, "fields": [
            {"type": "bytes", "name": DECIMAL, "parameters": {"scale": "2"}, "field": "total"},
            {"type": "int32", "name": "io.debezium.time.Date", "field": "day"},
            {"type": "struct", "name": VARIABLE_DECIMAL, "field": "any", "fields": []},
            {"type": "array", "items": {"type": "string"}, "field": "tags"},
        ]});
        let expected = Form::Record(vec![
            ("total".into(), Form::Decimal(2).into()),
            ("day".into(), Form::Moment(MomentKind::Date).into()),
            ("any".into(), Form::VariableDecimal.into()),
            ("tags".into(), Form::List(Form::Plain.into()).into()),
        ]);
        assert_eq!(*of_connect(&schema, 0), expected);
    }

    #[test]
    fn a_schema_without_end_has_one() {
        let nested = format!("{}\"int\"{}", "[".repeat(100), "]".repeat(100));
        assert!(matches!(*avro(&nested), Form::Union(_)));
    }
}
