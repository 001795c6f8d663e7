//! Outboxes without a table: messages of `pg_logical_emit_message`, each an event in JSON.
//!
//! Such an outbox stands for a table of [`MESSAGES`] with the prefix as its name. The members of a message are the columns of the row that
//! it stands for, so that what applies to rows of outbox tables applies to messages: settings, errors, dead letters.

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use walcast_pgoutput::{Column, Oid, Relation, RelationColumn, ReplicaIdentity, encode};

use super::given_headers::text_of;
use crate::config::{MESSAGES, MapperConfig, OutboxRule, Placement};
use crate::error::MapError;
use crate::table_name::TableName;

/// Outbox whose events are the messages with one prefix.
#[derive(Clone, Debug)]
pub struct MessageOutbox {
    relation: Relation,
    /// Place of the payload.
    payload: usize,
}

/// A message as a row.
#[derive(Debug)]
pub struct MessageRow {
    /// The row as a tuple in the form of the wire.
    pub tuple: Vec<u8>,
    /// Why the message is no event. The row then has the content of the message as its payload.
    pub error: Option<MapError>,
}

const TEXT: Oid = Oid::new(25);
const INT4: Oid = Oid::new(23);
const INT8: Oid = Oid::new(20);
const JSONB: Oid = Oid::new(3802);

const NOT_AN_OBJECT: &str = "is not an object in JSON";

impl MessageOutbox {
    /// The outboxes of messages that are configured. Their OIDs are below those of tables that clients create.
    #[must_use]
    pub fn all(config: &MapperConfig) -> Vec<Self> {
        let rules = config
            .outboxes
            .iter()
            .filter(|rule| rule.message_prefix().is_some());
        let numbered = (1..).zip(rules);
        numbered
            .map(|(number, rule)| Self::new(Oid::new(number), rule))
            .collect()
    }

    fn new(oid: Oid, rule: &OutboxRule) -> Self {
        let columns = columns(rule);
        Self {
            payload: columns
                .iter()
                .position(|column| column.name == rule.payload)
                .unwrap_or_default(),
            relation: Relation {
                xid: None,
                oid,
                namespace: MESSAGES.to_owned(),
                name: rule.message_prefix().unwrap_or_default().to_owned(),
                replica_identity: ReplicaIdentity::Default,
                columns,
            },
        }
    }

    /// Prefix of the messages.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.relation.name
    }

    /// The table for which the outbox stands.
    #[must_use]
    pub fn relation(&self) -> &Relation {
        &self.relation
    }

    /// The row that a message stands for.
    #[must_use]
    pub fn row(&self, content: &[u8]) -> MessageRow {
        match self.values(content) {
            Ok(values) => {
                let columns = values.iter().map(|value| match value {
                    Some(text) => Column::Text(text.as_bytes()),
                    None => Column::Null,
                });
                MessageRow {
                    tuple: encode::tuple(&columns.collect::<Vec<_>>()),
                    error: None,
                }
            }
            Err(error) => {
                let mut columns = vec![Column::Null; self.relation.columns.len()];
                if let Some(payload) = columns.get_mut(self.payload) {
                    *payload = Column::Text(content);
                }
                MessageRow {
                    tuple: encode::tuple(&columns),
                    error: Some(error),
                }
            }
        }
    }

    fn values(&self, content: &[u8]) -> Result<Vec<Option<String>>, MapError> {
        let members: BTreeMap<String, &RawValue> =
            serde_json::from_slice(content).map_err(|_| MapError::OutboxMessage {
                table: TableName::from(&self.relation),
                problem: NOT_AN_OBJECT,
            })?;
        let columns = self.relation.columns.iter();
        let values = columns.map(|column| match members.get(&column.name) {
            None => Ok(None),
            Some(value) => self.value(column, value),
        });
        values.collect()
    }

    fn value(&self, column: &RelationColumn, value: &RawValue) -> Result<Option<String>, MapError> {
        let json = value.get();
        let unusable = |wanted| MapError::OutboxValue {
            table: TableName::from(&self.relation),
            column: column.name.clone(),
            wanted,
        };
        let integer = |is_integer: bool, wanted| match is_integer {
            true => Ok(Some(json.to_owned())),
            false => Err(unusable(wanted)),
        };
        match column.type_oid {
            _ if json == "null" => Ok(None),
            INT4 => integer(json.parse::<i32>().is_ok(), "an integer of 32 bits"),
            INT8 => integer(json.parse::<i64>().is_ok(), "a number of milliseconds"),
            JSONB => Ok(Some(json.to_owned())),
            _ => match text_of(value) {
                Some(text) => Ok(text),
                None if json.starts_with('"') => {
                    Err(unusable("text: an escape in it stands for no character"))
                }
                // An array or an object is text in JSON.
                None => Ok(Some(json.to_owned())),
            },
        }
    }
}

/// Members of a message that the settings name, as columns. A member that two settings name has the type that one of them demands.
fn columns(rule: &OutboxRule) -> Vec<RelationColumn> {
    let mut columns: Vec<RelationColumn> = Vec::new();
    let mut add = |name: &str, type_oid: Oid| match columns.iter_mut().find(|column| column.name == name) {
        Some(known) if known.type_oid == TEXT => known.type_oid = type_oid,
        Some(_) => {}
        None => columns.push(RelationColumn {
            is_key: name == rule.id,
            name: name.to_owned(),
            type_oid,
            type_modifier: -1,
        }),
    };
    add(&rule.id, TEXT);
    add(&rule.route_by, TEXT);
    add(&rule.key, TEXT);
    add(&rule.payload, JSONB);
    let (timestamp, headers) = (rule.timestamp_column(), rule.headers_column());
    for (name, type_oid) in [
        (timestamp, INT8),
        (headers, JSONB),
        (rule.schema_version.as_deref(), INT4),
        (rule.schema_by.as_deref(), TEXT),
        (rule.trace_context.as_deref(), TEXT),
    ] {
        if let Some(name) = name {
            add(name, type_oid);
        }
    }
    for field in &rule.additional {
        let type_oid = match field.placement {
            Placement::Partition => INT4,
            Placement::Header | Placement::Envelope => TEXT,
        };
        add(&field.column, type_oid);
    }
    columns
}
