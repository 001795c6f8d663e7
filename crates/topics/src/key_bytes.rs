//! Bytes of a typed key, from which its partition follows: encoded with a schema of the registry, or in the form of a key that the
//! topic holds.

use apache_avro::Schema;
use apache_avro::types::Value as AvroValue;
use apache_avro::writer::datum::GenericDatumWriter;
use serde_json::{Map, Value as Json};

use crate::avro::{self, AvroSchema};
use crate::decimal;
use crate::form::Form;
use crate::json::is_with_schema;
use crate::typed_key::{TypedKey, TypedPart, boolean};

/// Bytes of a typed key in Confluent's wire format; `None` if the key has no form in the schema. `table`: field that identifies the table
/// in a shared topic, and its value.
pub(crate) fn of_schema(
    key: &TypedKey,
    table: Option<&(String, String)>,
    id: u32,
    schema: &AvroSchema,
) -> Option<Vec<u8>> {
    let (Schema::Record(record), Form::Record(forms)) = (&schema.schema, &*schema.form) else {
        return None;
    };
    let names: Vec<&str> = record.fields.iter().map(|field| field.name.as_str()).collect();
    let parts = key.parts_in(&names, table)?;
    let fields = record.fields.iter().zip(forms).zip(parts);
    let fields = fields
        .map(|((field, (_, form)), part)| Some((field.name.clone(), avro_value(part, &field.schema, form)?)));
    let value = AvroValue::Record(fields.collect::<Option<_>>()?);
    let writer = GenericDatumWriter::builder(&schema.schema).build().ok()?;
    let datum = writer.write_value_to_vec(value).ok()?;
    let mut bytes = vec![0];
    bytes.extend_from_slice(&id.to_be_bytes());
    bytes.extend_from_slice(&datum);
    Some(bytes)
}

fn avro_value(part: TypedPart<'_>, schema: &Schema, form: &Form) -> Option<AvroValue> {
    if let Schema::Union(union) = schema {
        let Form::Union(forms) = form else { return None };
        let mut variants = union.variants().iter().zip(forms).enumerate();
        return variants.find_map(|(place, (variant, form))| {
            let value = avro_value(part, variant, form)?;
            Some(AvroValue::Union(u32::try_from(place).ok()?, Box::new(value)))
        });
    }
    let TypedPart::Text(text) = part else {
        return matches!(schema, Schema::Null).then_some(AvroValue::Null);
    };
    let number = || match form {
        Form::Moment(kind) => kind.parse(text),
        _ => text.parse().ok(),
    };
    let int = || number().and_then(|number| i32::try_from(number).ok());
    let value = match schema {
        Schema::Boolean => AvroValue::Boolean(boolean(text)?),
        Schema::Int => AvroValue::Int(int()?),
        Schema::Date => AvroValue::Date(int()?),
        Schema::TimeMillis => AvroValue::TimeMillis(int()?),
        Schema::Long => AvroValue::Long(number()?),
        Schema::TimeMicros => AvroValue::TimeMicros(number()?),
        Schema::TimestampMillis => AvroValue::TimestampMillis(number()?),
        Schema::TimestampMicros => AvroValue::TimestampMicros(number()?),
        Schema::Float => AvroValue::Float(text.parse().ok()?),
        Schema::Double => AvroValue::Double(text.parse().ok()?),
        Schema::String => AvroValue::String(text.to_owned()),
        Schema::Decimal(decimal) => AvroValue::Decimal(apache_avro::Decimal::from(decimal::unscaled(
            text,
            decimal.scale,
        )?)),
        _ => return None,
    };
    Some(value)
}

/// Bytes of a typed key in the form of `sample`, the JSON key of another record; `None` if the sample is in another form, or of another
/// table than `table` (as in [`of_schema`]). The values of the sample say which columns are numbers.
pub(crate) fn like_sample(
    key: &TypedKey,
    table: Option<&(String, String)>,
    sample: &[u8],
) -> Option<Vec<u8>> {
    if avro::split(sample).is_some() {
        return None;
    }
    let mut json: Json = serde_json::from_slice(sample).ok()?;
    // A form that serde_json does not write, such as spaces, would have other bytes.
    if serde_json::to_vec(&json).ok()? != sample {
        return None;
    }
    let Json::Object(parts) = &mut json else {
        return None;
    };
    if is_with_schema(parts) {
        // Bytes and exact numbers are base64: the text of the sample does not say what a typed value becomes.
        if parts.get("schema").is_some_and(has_bytes) {
            return None;
        }
        let Some(Json::Object(fields)) = parts.get_mut("payload") else {
            return None;
        };
        replace(key, table, fields)?;
    } else {
        replace(key, table, parts)?;
    }
    serde_json::to_vec(&json).ok()
}

/// Whether a field of a Connect schema is bytes.
fn has_bytes(schema: &Json) -> bool {
    let fields = schema.get("fields").and_then(Json::as_array);
    let mut types = fields.into_iter().flatten().map(|field| field.get("type"));
    types.any(|found| found.and_then(Json::as_str) == Some("bytes"))
}

fn replace(key: &TypedKey, table: Option<&(String, String)>, fields: &mut Map<String, Json>) -> Option<()> {
    // Columns with equal names may have other types in other tables.
    if let Some((field, table)) = table
        && fields
            .get(field)
            .is_some_and(|found| found.as_str() != Some(table.as_str()))
    {
        return None;
    }
    let names: Vec<String> = fields.keys().cloned().collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let parts = key.parts_in(&names, table)?;
    for (value, part) in fields.values_mut().zip(parts) {
        *value = match (part, &*value) {
            (TypedPart::Null, _) => Json::Null,
            (TypedPart::Text(text), Json::String(_)) => Json::String(text.to_owned()),
            (TypedPart::Text(text), Json::Number(number)) if number.is_i64() => {
                Json::from(text.parse::<i64>().ok()?)
            }
            (TypedPart::Text(text), Json::Bool(_)) => Json::Bool(boolean(text)?),
            _ => return None,
        };
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> TypedKey {
        text.parse().unwrap()
    }

    #[test]
    fn a_key_is_encoded_with_its_schema() {
        let schema = AvroSchema::parse(
            r#"{"type":"record","name":"Key","namespace":"shop.public.orders","fields":[
                {"name":"id","type":"int"},{"name":"region","type":["null","string"],"default":null}],"connect.name":"shop.public.orders.Key"}"#,
        )
        .unwrap();
        let bytes = |text| of_schema(&key(text), None, 258, &schema);
        assert_eq!(
            bytes("region=eu,id=42").unwrap(),
            [0, 0, 0, 1, 2, 84, 2, 4, b'e', b'u']
        );
        assert_eq!(bytes("id=42,region=null").unwrap(), [0, 0, 0, 1, 2, 84, 0]);
        assert_eq!(bytes("42"), None);
        assert_eq!(bytes("id=x,region=eu"), None);
    }

    #[test]
    fn semantic_types_of_a_key_are_encoded() {
        let schema = AvroSchema::parse(
            r#"{"type":"record","name":"Key","fields":[
                {"name":"day","type":{"type":"int","connect.name":"io.debezium.time.Date"}},
                {"name":"n","type":{"type":"bytes","scale":2,"precision":10,"logicalType":"decimal"}}]}"#,
        )
        .unwrap();
        let bytes = of_schema(&key("day=1970-01-02,n=-0.01"), None, 1, &schema).unwrap();
        assert_eq!(bytes, [0, 0, 0, 0, 1, 2, 2, 0xFF]);
    }

    #[test]
    fn a_json_key_has_the_form_of_another() {
        let like = |text, sample: &str| {
            let bytes = like_sample(&key(text), None, sample.as_bytes())?;
            Some(String::from_utf8(bytes).unwrap())
        };
        assert_eq!(like("8471", r#"{"id":1}"#).as_deref(), Some(r#"{"id":8471}"#));
        assert_eq!(like("8471", r#"{"id":"1"}"#).as_deref(), Some(r#"{"id":"8471"}"#));
        assert_eq!(
            like(
                "b=x,a=2",
                r#"{"schema":{"type":"struct"},"payload":{"a":1,"b":"y"}}"#
            )
            .as_deref(),
            Some(r#"{"schema":{"type":"struct"},"payload":{"a":2,"b":"x"}}"#)
        );
        let bytes =
            r#"{"schema":{"type":"struct","fields":[{"type":"bytes","field":"n"}]},"payload":{"n":"IvY="}}"#;
        assert_eq!(like("89.50", bytes), None);
        for sample in ["{ \"id\":1}", "1", r#"{"id":1.5}"#, r#"{"id":null}"#] {
            assert_eq!(like("1", sample), None, "{sample}");
        }
    }

    #[test]
    fn the_key_of_a_shared_topic_contains_its_table() {
        let table = |name: &str| ("of".to_owned(), name.to_owned());
        let like = |table: &(String, String)| {
            let bytes = like_sample(&key("8471"), Some(table), br#"{"id":1,"of":"t1"}"#)?;
            Some(String::from_utf8(bytes).unwrap())
        };
        assert_eq!(like(&table("t1")).as_deref(), Some(r#"{"id":8471,"of":"t1"}"#));
        assert_eq!(
            like(&table("t2")),
            None,
            "the columns of the other table may differ"
        );
        let schema = AvroSchema::parse(
            r#"{"type":"record","name":"Key","fields":[{"name":"id","type":"int"},{"name":"of","type":"string"}]}"#,
        )
        .unwrap();
        assert_eq!(
            of_schema(&key("42"), Some(&table("t1")), 1, &schema).unwrap(),
            [0, 0, 0, 0, 1, 84, 4, b't', b'1']
        );
    }
}
