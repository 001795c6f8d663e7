//! Debezium signals, which start, stop, pause and resume reading existing rows.
//!
//! The format is that of <https://debezium.io/documentation/reference/stable/configuration/signalling.html>: an ID, a
//! type, and data as JSON.

use serde::Deserialize;
use serde_json::Value;
use walcast_mapper::TableName;
use walcast_mapper::pattern::TablePattern;

use crate::snapshot::command::{Selection, SnapshotCommand};
use crate::snapshot::progress::SnapshotType;

/// Parsed signal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Command about existing rows.
    Command(SnapshotCommand),
    /// Message for the process log.
    Log(String),
}

/// Reason why a signal is invalid.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignalError {
    /// The signal is not JSON, or does not have the shape of a signal.
    #[error("not a signal: {0}")]
    Shape(#[source] serde_json::Error),
    /// The data do not match the type.
    #[error("the data of {kind} cannot be used: {cause}")]
    Data {
        /// Type of the signal.
        kind: String,
        /// Error in the data.
        #[source]
        cause: serde_json::Error,
    },
    /// The type requires data, and the signal has none.
    #[error("{kind} needs data")]
    NoData {
        /// Type of the signal.
        kind: String,
    },
    /// The type is unknown.
    #[error(
        "unknown signal type {kind:?}; known types are execute-snapshot, stop-snapshot, pause-snapshot, resume-snapshot and log"
    )]
    Kind {
        /// Type of the signal.
        kind: String,
    },
    /// An entry of `data-collections` is not a regular expression.
    #[error("{0}")]
    Pattern(#[from] walcast_mapper::pattern::PatternError),
    /// A blocking snapshot with a whole statement as its filter, which is not supported.
    #[error("the filter of {collection} is a whole statement; write its condition only")]
    Statement {
        /// Entry with the statement.
        collection: String,
    },
}

/// Value of a record of the signal topic.
#[derive(Deserialize)]
struct Record {
    #[serde(default)]
    id: Option<String>,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    data: Value,
}

#[derive(Deserialize)]
struct Execute {
    #[serde(rename = "data-collections")]
    collections: Vec<String>,
    #[serde(default, rename = "type")]
    kind: Kind,
    #[serde(default, rename = "additional-conditions")]
    conditions: Vec<Condition>,
    /// Condition for all tables, as sent by older releases.
    #[serde(default, rename = "additional-condition")]
    condition: Option<String>,
}

#[derive(Clone, Copy, Default, Deserialize)]
enum Kind {
    #[default]
    #[serde(rename = "incremental", alias = "INCREMENTAL")]
    Incremental,
    #[serde(rename = "blocking", alias = "BLOCKING")]
    Blocking,
}

#[derive(Deserialize)]
struct Condition {
    #[serde(rename = "data-collection")]
    collection: String,
    filter: String,
}

#[derive(Default, Deserialize)]
struct Stop {
    #[serde(default, rename = "data-collections")]
    collections: Vec<String>,
}

#[derive(Deserialize)]
struct Log {
    message: String,
}

impl Signal {
    /// Parses the value of a record of a signal topic.
    ///
    /// # Errors
    ///
    /// Returns an error if the signal is invalid.
    pub fn of_record(value: &[u8]) -> Result<Self, SignalError> {
        let Record { id, kind, data } = serde_json::from_slice(value).map_err(SignalError::Shape)?;
        Self::of(id, &kind, data)
    }

    /// Parses the columns `id`, `type` and `data` of a row of a signal table.
    ///
    /// # Errors
    ///
    /// Returns an error if the signal is invalid.
    pub fn of_row(id: Option<&str>, kind: &str, data: Option<&str>) -> Result<Self, SignalError> {
        let data = data.filter(|data| !data.trim().is_empty());
        let data = data.map_or(Ok(Value::Null), serde_json::from_str);
        Self::of(id.map(str::to_owned), kind, data.map_err(SignalError::Shape)?)
    }

    fn of(id: Option<String>, kind: &str, data: Value) -> Result<Self, SignalError> {
        // Data can be JSON in a text in a topic too.
        let data = match data {
            Value::String(text) => serde_json::from_str(&text).map_err(SignalError::Shape)?,
            other => other,
        };
        match kind {
            "execute-snapshot" => execute(id, read(kind, data)?),
            "stop-snapshot" => {
                let Stop { collections } = match data {
                    Value::Null => Stop::default(),
                    data => read(kind, data)?,
                };
                let tables = collections.iter().map(|one| pattern(one));
                Ok(Self::Command(SnapshotCommand::Stop {
                    tables: tables.collect::<Result<_, _>>()?,
                }))
            }
            "pause-snapshot" => Ok(Self::Command(SnapshotCommand::Pause)),
            "resume-snapshot" => Ok(Self::Command(SnapshotCommand::Resume)),
            "log" => Ok(Self::Log(read::<Log>(kind, data)?.message)),
            other => Err(SignalError::Kind {
                kind: other.to_owned(),
            }),
        }
    }
}

fn read<T: serde::de::DeserializeOwned>(kind: &str, data: Value) -> Result<T, SignalError> {
    if data.is_null() {
        return Err(SignalError::NoData {
            kind: kind.to_owned(),
        });
    }
    serde_json::from_value(data).map_err(|cause| SignalError::Data {
        kind: kind.to_owned(),
        cause,
    })
}

fn execute(id: Option<String>, data: Execute) -> Result<Signal, SignalError> {
    let mut tables = Vec::with_capacity(data.collections.len());
    for collection in data.collections {
        let for_it = data
            .conditions
            .iter()
            .find(|condition| condition.collection == collection)
            .map(|condition| &condition.filter);
        let filter = for_it.or(data.condition.as_ref()).cloned();
        if filter.as_deref().is_some_and(is_statement) {
            return Err(SignalError::Statement { collection });
        }
        tables.push(Selection {
            tables: pattern(&collection)?,
            filter,
            dead_letters: Vec::new(),
            former_keys: Vec::new(),
        });
    }
    let marks = match data.kind {
        Kind::Incremental => SnapshotType::Incremental,
        Kind::Blocking => SnapshotType::Initial,
    };
    Ok(Signal::Command(SnapshotCommand::Start { tables, marks, id }))
}

fn is_statement(filter: &str) -> bool {
    let first = filter.trim_start().get(..7);
    first.is_some_and(|first| first.eq_ignore_ascii_case("select "))
}

/// Converts an entry of `data-collections`: the name of a table with a part in double quotes, or a regular expression for the whole of
/// `schema.table`, like patterns between slashes here.
fn pattern(collection: &str) -> Result<TablePattern, SignalError> {
    let pattern = match quoted_name(collection) {
        Some(table) => table.as_pattern(),
        None => format!("/{collection}/"),
    };
    Ok(pattern.parse()?)
}

/// Table whose schema or name is in double quotes, as Debezium wants names with dots: `"public"."My.Table"`. As there, text outside
/// of quotes is not folded to lower case.
fn quoted_name(collection: &str) -> Option<TableName> {
    let text = collection.trim();
    if !text.contains('"') {
        return None;
    }
    let (namespace, rest) = name_part(text)?;
    let (name, rest) = name_part(rest.strip_prefix('.')?)?;
    rest.is_empty().then_some(TableName { namespace, name })
}

/// First part of a name, without its quotes, and the text after the part.
fn name_part(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let (part, rest) = text.split_at(text.find(['.', '"']).unwrap_or(text.len()));
        return (!part.is_empty()).then(|| (part.to_owned(), rest));
    };
    let mut part = String::new();
    let mut rest = quoted;
    loop {
        let (before, after) = rest.split_once('"')?;
        part.push_str(before);
        match after.strip_prefix('"') {
            Some(after) => {
                part.push('"');
                rest = after;
            }
            None => return (!part.is_empty()).then_some((part, after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::Signal;

    fn check(record: &str, expected: &Expect) {
        expected.assert_eq(&match Signal::of_record(record.as_bytes()) {
            Ok(Signal::Command(command)) => serde_json::to_string(&command).unwrap(),
            Ok(Signal::Log(message)) => format!("log: {message}"),
            Err(error) => error.to_string(),
        });
    }

    #[test]
    fn parses_execute_snapshot() {
        check(
            r#"{"type":"execute-snapshot","data":{"data-collections":["public.orders","public\\.c.*"],"type":"INCREMENTAL"}}"#,
            &expect![[
                r#"{"action":"start","tables":[{"tables":"/public.orders/"},{"tables":"/public\\.c.*/"}],"marks":"incremental"}"#
            ]],
        );
        check(
            r#"{"id":"1","type":"execute-snapshot","data":{"data-collections":["public.a","public.b"],"type":"blocking",
                "additional-conditions":[{"data-collection":"public.b","filter":"id > 5"}]}}"#,
            &expect![[
                r#"{"action":"start","tables":[{"tables":"/public.a/"},{"tables":"/public.b/","where":"id > 5"}],"marks":"initial","id":"1"}"#
            ]],
        );
        check(
            r#"{"type":"execute-snapshot","data":{"data-collections":["public.a"],"type":"blocking",
                "additional-conditions":[{"data-collection":"public.a","filter":"SELECT * FROM public.a"}]}}"#,
            &expect!["the filter of public.a is a whole statement; write its condition only"],
        );
    }

    #[test]
    fn quoted_names_are_those_of_one_table() {
        check(
            r#"{"type":"execute-snapshot","data":{"data-collections":
                ["\"public\".\"My.Table\"","public.\"a \"\"b\"\".*\"","Shop.\"t\"","public.\"t\".x","\"open"],
                "additional-conditions":[{"data-collection":"\"public\".\"My.Table\"","filter":"id > 5"}]}}"#,
            &expect![[
                r#"{"action":"start","tables":[{"tables":"\"public\".\"My.Table\"","where":"id > 5"},{"tables":"\"public\".\"a \"\"b\"\".*\""},{"tables":"\"Shop\".\"t\""},{"tables":"/public.\"t\".x/"},{"tables":"/\"open/"}],"marks":"incremental"}"#
            ]],
        );
        check(
            r#"{"type":"stop-snapshot","data":{"data-collections":["\"public\".\"My.Table\""]}}"#,
            &expect![[r#"{"action":"stop","tables":["\"public\".\"My.Table\""]}"#]],
        );
    }

    #[test]
    fn parses_stop_pause_and_resume() {
        check(
            r#"{"type":"stop-snapshot","data":{"data-collections":["public.a"],"type":"incremental"}}"#,
            &expect![[r#"{"action":"stop","tables":["/public.a/"]}"#]],
        );
        check(
            r#"{"type":"stop-snapshot"}"#,
            &expect![[r#"{"action":"stop","tables":[]}"#]],
        );
        check(
            r#"{"type":"pause-snapshot","data":{"type":"incremental"}}"#,
            &expect![[r#"{"action":"pause"}"#]],
        );
        check(
            r#"{"type":"resume-snapshot","data":""}"#,
            &expect!["not a signal: EOF while parsing a value at line 1 column 0"],
        );
        check(
            r#"{"type":"resume-snapshot"}"#,
            &expect![[r#"{"action":"resume"}"#]],
        );
    }

    #[test]
    fn parses_log_and_rejects_invalid_signals() {
        check(
            r#"{"type":"log","data":{"message":"the offset is {}"}}"#,
            &expect!["log: the offset is {}"],
        );
        check(
            "{",
            &expect!["not a signal: EOF while parsing an object at line 1 column 1"],
        );
        check(
            r#"{"type":"drop-tables"}"#,
            &expect![[
                r#"unknown signal type "drop-tables"; known types are execute-snapshot, stop-snapshot, pause-snapshot, resume-snapshot and log"#
            ]],
        );
        check(
            r#"{"type":"execute-snapshot"}"#,
            &expect!["execute-snapshot needs data"],
        );
        check(
            r#"{"type":"execute-snapshot","data":{"data-collections":["("]}}"#,
            &expect![[r#""/(/" is not a regular expression: unclosed group"#]],
        );
        check(
            r#"{"type":"execute-snapshot","data":{"data-collections":"public.a"}}"#,
            &expect![[
                r#"the data of execute-snapshot cannot be used: invalid type: string "public.a", expected a sequence"#
            ]],
        );
    }

    #[test]
    fn parses_rows_of_a_signal_table() {
        let signal = Signal::of_row(None, "stop-snapshot", Some(r#"{"type":"incremental"}"#)).unwrap();
        assert!(matches!(signal, Signal::Command(_)));
        assert!(Signal::of_row(Some("1"), "pause-snapshot", Some("")).is_ok());
        assert!(Signal::of_row(None, "execute-snapshot", None).is_err());
    }
}
