//! Destinations of the records of a table: one for all of them, or one for each row.

use std::collections::BTreeMap;
use std::sync::Arc;

use walcast_pgoutput::{Column, Relation};

use crate::column::ColumnError;
use crate::config::DestinationRule;
use crate::encode::ValueError;
use crate::error::MapError;
use crate::names;
use crate::row::{Row, RowError};
use crate::schema_id::SchemaIds;
use crate::table_name::TableName;

/// Destination of one record.
#[derive(Clone, Debug)]
pub(crate) struct Destination {
    pub(crate) topic: Arc<str>,
    /// Ids of the schemas in the subjects of the topic.
    pub(crate) ids: SchemaIds,
    /// Number of the partition; `None`: the key of the record chooses it.
    pub(crate) partition: Option<i32>,
}

impl Destination {
    fn unbound(topic: String) -> Self {
        Self {
            topic: topic.into(),
            ids: SchemaIds {
                key: None,
                value: None,
            },
            partition: None,
        }
    }
}

/// Destinations of the records of a table.
#[derive(Debug)]
pub(crate) struct Destinations {
    /// Destination of the table, which all records have unless the row names another one.
    pub(crate) of_table: Destination,
    by_row: Option<DestinationsByRow>,
}

impl Destinations {
    /// Destinations of a table with the topic `topic`, and with the first rule that matches the table.
    pub(crate) fn compile(
        topic: String,
        relation: &Relation,
        table: &TableName,
        rules: &[DestinationRule],
    ) -> Result<Self, MapError> {
        let rule = rules.iter().find(|rule| rule.tables.matches(table));
        Ok(Self {
            of_table: Destination::unbound(topic),
            by_row: match rule {
                Some(rule) => Some(DestinationsByRow::compile(relation, table, rule)?),
                None => None,
            },
        })
    }

    /// Destination of the records of `row`. Without a rule, only the reference count of the topic changes.
    #[inline]
    pub(crate) fn of_row(&mut self, row: &Row<'_>) -> Result<Destination, RowError> {
        match &mut self.by_row {
            None => Ok(self.of_table.clone()),
            Some(by_row) => by_row.of(row),
        }
    }

    /// Adds a topic that rows name, with the ids of the schemas in its subjects.
    pub(crate) fn add_topic(&mut self, topic: &str, ids: SchemaIds) {
        if let Some(by_row) = &mut self.by_row {
            let topic: Arc<str> = topic.into();
            by_row.bound.insert(topic, ids);
        }
    }
}

/// Destinations that the rows of a table name.
#[derive(Debug)]
struct DestinationsByRow {
    topic_prefix: String,
    /// Place of the column with the rest of the topic's name.
    topic: usize,
    /// Place of the column with the partition.
    partition: Option<usize>,
    /// Topics that exist, with the ids of the schemas in their subjects.
    bound: BTreeMap<Arc<str>, SchemaIds>,
    /// Memory for the name of a topic.
    name: String,
}

impl DestinationsByRow {
    fn compile(relation: &Relation, table: &TableName, rule: &DestinationRule) -> Result<Self, MapError> {
        let place = |name: &String| {
            let place = relation.columns.iter().position(|column| column.name == *name);
            place.ok_or_else(|| MapError::DestinationColumn {
                table: table.clone(),
                column: name.clone(),
            })
        };
        Ok(Self {
            topic_prefix: rule.topic_prefix.clone(),
            topic: place(&rule.topic_column)?,
            partition: rule.partition_column.as_ref().map(place).transpose()?,
            bound: BTreeMap::new(),
            name: String::new(),
        })
    }

    fn of(&mut self, row: &Row<'_>) -> Result<Destination, RowError> {
        let text = text(row, self.topic).ok_or_else(|| unusable(self.topic, "the name of a topic"))?;
        self.name.clear();
        self.name.push_str(&self.topic_prefix);
        names::push_topic_characters(text, &mut self.name);
        let Some((topic, ids)) = self.bound.get_key_value(self.name.as_str()) else {
            return Err(RowError::UnknownTopic(self.name.as_str().into()));
        };
        Ok(Destination {
            topic: Arc::clone(topic),
            ids: *ids,
            partition: self.partition(row)?,
        })
    }

    fn partition(&self, row: &Row<'_>) -> Result<Option<i32>, RowError> {
        let Some(place) = self.partition else {
            return Ok(None);
        };
        if matches!(row.at(place), Some(Column::Null)) && !row.is_key_only() {
            return Ok(None);
        }
        let number = text(row, place).and_then(|text| text.parse().ok());
        let number = number.filter(|number: &i32| *number >= 0);
        number
            .map(Some)
            .ok_or_else(|| unusable(place, "the number of a partition"))
    }
}

/// Text of a column that a row contains.
fn text<'a>(row: &Row<'a>, place: usize) -> Option<&'a str> {
    match row.at(place)? {
        Column::Text(text) => std::str::from_utf8(text).ok().filter(|text| !text.is_empty()),
        Column::Null | Column::UnchangedToast | Column::Binary(_) => None,
    }
}

fn unusable(place: usize, wanted: &'static str) -> RowError {
    RowError::Column {
        place,
        fault: ColumnError::Value(ValueError::Value(wanted)),
    }
}
