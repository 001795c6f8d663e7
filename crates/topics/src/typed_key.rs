//! A key as a user types it: `8471`, or `id=8471,region=eu` for a key of several columns.

use std::fmt;
use std::str::FromStr;

use serde_json::{Map, Value as Json};

use crate::decimal;
use crate::value::{Row, Value};

/// Key as a user types it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypedKey {
    text: String,
    /// Values by column, if the text has that form.
    columns: Option<Vec<(String, String)>>,
}

/// Error of a text that is no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no key: {problem}")]
pub struct ParseKeyError {
    text: String,
    problem: &'static str,
}

/// Text that stands for null in a column of a key, unless it is in quotes.
const NULL: &str = "null";

/// Part of a typed key: the text for one column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TypedPart<'a> {
    Null,
    Text(&'a str),
}

impl FromStr for TypedKey {
    type Err = ParseKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let failed = |problem| ParseKeyError {
            text: text.to_owned(),
            problem,
        };
        if text.is_empty() {
            return Err(failed("it is empty"));
        }
        let columns = match text.contains('=') {
            true => Some(columns(text).map_err(failed)?),
            false => None,
        };
        Ok(Self {
            text: text.to_owned(),
            columns,
        })
    }
}

impl fmt::Display for TypedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl TypedKey {
    /// Key that a header of a record with another key names, such as `{"id":8472}`; `None` if the text is no such object.
    pub(crate) fn of_header(text: &str) -> Option<Self> {
        let fields: Map<String, Json> = serde_json::from_str(text).ok()?;
        let columns: Option<Vec<(String, String)>> = fields
            .into_iter()
            .map(|(name, value)| {
                let text = match value {
                    Json::Null => NULL.to_owned(),
                    Json::Bool(value) => value.to_string(),
                    Json::Number(number) => number.to_string(),
                    Json::String(text) => format!("'{text}"),
                    Json::Array(_) | Json::Object(_) => return None,
                };
                Some((name, text))
            })
            .collect();
        let columns = columns.filter(|columns| !columns.is_empty())?;
        let shown = |(name, text): &(String, String)| match text.strip_prefix('\'') {
            Some(quoted) => format!("{name}='{}'", quoted.replace('\'', "''")),
            None => format!("{name}={text}"),
        };
        Some(Self {
            text: columns.iter().map(shown).collect::<Vec<_>>().join(","),
            columns: Some(columns),
        })
    }
}

/// Parses `id=8471,region='a,b'`. Values in single quotes contain any character, a quote being doubled.
fn columns(text: &str) -> Result<Vec<(String, String)>, &'static str> {
    let mut columns = Vec::new();
    let mut rest = text;
    loop {
        let (name, after) = rest
            .split_once('=')
            .ok_or("each column needs a value, as in id=8471,region=eu")?;
        let (value, after) = match after.strip_prefix('\'') {
            Some(quoted) => {
                let (value, after) = until_quote(quoted).ok_or("a quote is not closed")?;
                (format!("'{value}"), after)
            }
            None => {
                let end = after.find(',').unwrap_or(after.len());
                let (value, after) = after.split_at(end);
                (value.to_owned(), after)
            }
        };
        columns.push((name.trim().to_owned(), value));
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None if after.is_empty() => return Ok(columns),
            None => return Err("a comma separates columns"),
        }
    }
}

/// Text up to the closing quote, and what follows the quote.
fn until_quote(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut rest = text;
    loop {
        let (before, after) = rest.split_once('\'')?;
        value.push_str(before);
        match after.strip_prefix('\'') {
            Some(next) => {
                value.push('\'');
                rest = next;
            }
            None => return Some((value, after)),
        }
    }
}

impl TypedKey {
    /// Parts for the columns of a key, in their order; `None` if the columns are others. A key of one column needs no name, and its
    /// value may contain `=`.
    pub(crate) fn parts<'a>(&'a self, columns: &[&str]) -> Option<Vec<TypedPart<'a>>> {
        let part = |text: &'a str| match text.strip_prefix('\'') {
            Some(quoted) => TypedPart::Text(quoted),
            None if text == NULL => TypedPart::Null,
            None => TypedPart::Text(text),
        };
        if let Some(typed) = &self.columns
            && typed.len() == columns.len()
        {
            let parts = columns.iter().map(|column| {
                let found = typed.iter().find(|(name, _)| name == column);
                found.map(|(_, text)| part(text))
            });
            if let Some(parts) = parts.collect() {
                return Some(parts);
            }
        }
        match columns {
            [_only] => Some(vec![TypedPart::Text(&self.text)]),
            _ => None,
        }
    }

    /// As [`TypedKey::parts`], for a key with a field that identifies its table: `table` is that field with the value of the table.
    pub(crate) fn parts_in<'a>(
        &'a self,
        columns: &[&str],
        table: Option<&'a (String, String)>,
    ) -> Option<Vec<TypedPart<'a>>> {
        let of_table = |column: &str| table.filter(|(field, _)| field == column);
        let own = columns.iter().copied();
        let own: Vec<&str> = own.filter(|column| of_table(column).is_none()).collect();
        let mut parts = self.parts(&own)?.into_iter();
        let parts = columns.iter().map(|column| match of_table(column) {
            Some((_, table)) => Some(TypedPart::Text(table)),
            None => parts.next(),
        });
        parts.collect()
    }

    /// The key with its UUIDs in lower case, as Postgres prints them; `None` if it is the same.
    pub(crate) fn with_lower_case_uuids(&self) -> Option<Self> {
        let lowered = |text: &str| match is_uuid(text.strip_prefix('\'').unwrap_or(text)) {
            true => text.to_ascii_lowercase(),
            false => text.to_owned(),
        };
        let columns = self.columns.as_ref().map(|columns| {
            let columns = columns.iter();
            let columns = columns.map(|(name, text)| (name.clone(), lowered(text)));
            columns.collect()
        });
        let key = Self {
            text: lowered(&self.text),
            columns,
        };
        (key != *self).then_some(key)
    }

    /// Whether a decoded key is this one. `ignored`: field that identifies the table in a shared topic.
    #[must_use]
    pub fn is(&self, key: &Row, ignored: Option<&str>) -> bool {
        let is_column = |name: &str| ignored != Some(name);
        let fields: Vec<(&str, &Value)> = key.iter().filter(|(name, _)| is_column(name)).collect();
        let names: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
        self.parts(&names).is_some_and(|parts| {
            let mut pairs = parts.iter().zip(&fields);
            pairs.all(|(part, (_, value))| is_value(*part, value))
        })
    }
}

/// Whether a typed text is a value.
fn is_value(part: TypedPart<'_>, value: &Value) -> bool {
    let TypedPart::Text(text) = part else {
        return *value == Value::Null;
    };
    match value {
        Value::Integer(number) => text.parse() == Ok(*number),
        Value::Text(value) => value == text || is_same_uuid(value, text),
        Value::Decimal(value) => decimal::is_equal(value, text),
        Value::Boolean(value) => boolean(text) == Some(*value),
        Value::Moment(moment) => moment.kind.parse(text) == Some(moment.number),
        Value::Double(value) => text.parse() == Ok(value.0),
        Value::Null | Value::Unavailable => false,
        Value::Bytes(_) | Value::List(_) | Value::Row(_) => value.to_string() == text,
    }
}

pub(crate) fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" | "t" => Some(true),
        "false" | "f" => Some(false),
        _ => None,
    }
}

/// Length of a UUID's text.
const UUID_LENGTH: usize = 36;

/// Whether both texts are the same UUID; Postgres prints them in lower case.
fn is_same_uuid(value: &str, text: &str) -> bool {
    is_uuid(value) && value.eq_ignore_ascii_case(text)
}

fn is_uuid(text: &str) -> bool {
    text.len() == UUID_LENGTH
        && text.bytes().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn row(fields: &[(&str, Value)]) -> Row {
        let fields = fields.iter();
        fields
            .map(|(name, value)| (Arc::from(*name), value.clone()))
            .collect()
    }

    fn is(text: &str, fields: &[(&str, Value)]) -> bool {
        text.parse::<TypedKey>().unwrap().is(&row(fields), Some("table"))
    }

    #[test]
    fn a_key_of_one_column_is_its_value() {
        let id = [("id", Value::Integer(8471))];
        assert!(is("8471", &id) && is("id=8471", &id));
        assert!(!is("847", &id) && !is("x=8471", &id));
        let code = [("code", Value::Text("a=b".to_owned()))];
        assert!(is("a=b", &code) && is("code='a=b'", &code));
        assert!(is("1.5", &[("n", Value::Decimal("1.50".to_owned()))]));
        let uuid = [(
            "id",
            Value::Text("6f1c2f8e-0c1d-4d3b-9f51-6a2f5a3b0c11".to_owned()),
        )];
        assert!(is("6F1C2F8E-0C1D-4D3B-9F51-6A2F5A3B0C11", &uuid));
    }

    #[test]
    fn a_key_of_several_columns_names_them() {
        let key = [
            ("id", Value::Integer(8471)),
            ("region", Value::Text("e'u,".to_owned())),
            ("table", Value::Text("shop.public.orders".to_owned())),
        ];
        assert!(is("id=8471,region='e''u,'", &key));
        assert!(is("region='e''u,',id=8471", &key));
        assert!(!is("8471", &key) && !is("id=8471", &key));
        let nulls = [("a", Value::Null), ("b", Value::Text("null".to_owned()))];
        assert!(is("a=null,b='null'", &nulls) && !is("a='null',b=null", &nulls));
    }

    #[test]
    fn the_field_of_the_table_is_filled() {
        let key: TypedKey = "id=8471,region=eu".parse().unwrap();
        let table = ("table".to_owned(), "shop.public.orders".to_owned());
        let expected = ["8471", "shop.public.orders", "eu"].map(TypedPart::Text);
        assert_eq!(
            key.parts_in(&["id", "table", "region"], Some(&table)).unwrap(),
            expected
        );
        assert_eq!(key.parts_in(&["id", "table", "region"], None), None);
        assert_eq!(
            key.parts_in(&["region", "id"], Some(&table)),
            key.parts(&["region", "id"])
        );
    }

    #[test]
    fn uuids_are_put_in_lower_case() {
        const UPPER: &str = "6F1C2F8E-0C1D-4D3B-9F51-6A2F5A3B0C11";
        for text in ["ABC", &UPPER.to_lowercase()] {
            let key: TypedKey = text.parse().unwrap();
            assert_eq!(key.with_lower_case_uuids(), None, "{text}");
        }
        for (text, columns) in [
            (UPPER.to_owned(), &["id"][..]),
            (format!("id={UPPER},Region=EU"), &["id", "Region"]),
            (format!("id='{UPPER}',Region=EU"), &["id", "Region"]),
        ] {
            let key: TypedKey = text.parse().unwrap();
            let key = key.with_lower_case_uuids().unwrap();
            let parts = key.parts(columns).unwrap();
            let lower = UPPER.to_lowercase();
            assert_eq!(parts.first(), Some(&TypedPart::Text(&lower)), "{text}");
            assert!(parts.iter().skip(1).all(|part| *part == TypedPart::Text("EU")));
        }
    }

    #[test]
    fn a_header_names_another_key() {
        let key = TypedKey::of_header(r#"{"id":8472,"region":"e'u"}"#).unwrap();
        assert_eq!(key.to_string(), "id=8472,region='e''u'");
        assert_eq!(key.to_string().parse::<TypedKey>().unwrap(), key);
        assert_eq!(TypedKey::of_header("17"), None);
        assert_eq!(TypedKey::of_header("{}"), None);
    }

    #[test]
    fn other_texts_are_rejected() {
        for text in ["", "id=1,region", "id='1", "id='1'x"] {
            assert!(text.parse::<TypedKey>().is_err(), "{text}");
        }
    }
}
