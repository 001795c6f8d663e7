//! Patterns of the configuration that match nothing in the database.
//!
//! A pattern that withholds data (an excluded table or column, a mask, a hash) and names a column that its table does not have ends a
//! start: the values would be sent as they are. A pattern can also be meant for tables that are created later, so any other is a
//! warning: decision 0024.

mod hint;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use tracing::{error, warn};
use walcast_delivery::{CheckpointStore, TableHistory};
use walcast_mapper::config::is_type_name;
use walcast_mapper::pattern::{ColumnPattern, TablePattern};
use walcast_mapper::{TableName, names};
use walcast_pgoutput::Oid;
use walcast_postgres::{Existing, ExistingTable, PostgresError};

use self::hint::Hint;
use crate::config::{Choice, Config, Place, Selection};
use crate::wiring;

/// Selection that matches nothing, or nothing that is sent.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) struct Unmatched {
    place: Place,
    pub(crate) key: &'static str,
    /// The pattern, as written.
    pattern: String,
    problem: Problem,
    hint: Option<Hint>,
    withholds: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Problem {
    /// No table has the name.
    NoTable,
    /// The table exists under a name that differs in case only.
    OtherCase,
    /// The captured table does not have the column.
    NoColumn(TableName),
    /// The captured table had the column when rows were delivered.
    FormerColumn(TableName),
    /// The table, which is not captured, does not have the column.
    NoColumnOfOther(TableName),
    /// No column is matched.
    NoColumnAnywhere,
    /// Only columns of a table are matched whose changes are sent as those of another: of a partition, or of the table above captured
    /// partitions.
    SentAsOther {
        table: TableName,
        other: TableName,
    },
    NoType,
    /// No captured table has such a topic.
    NoTopic,
}

impl Unmatched {
    /// Whether the connector must not start: data that are to be withheld would be sent.
    pub(crate) fn is_error(&self) -> bool {
        self.withholds
            && matches!(
                self.problem,
                Problem::NoColumn(_) | Problem::OtherCase | Problem::SentAsOther { .. }
            )
    }
}

impl fmt::Display for Unmatched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            place, key, pattern, ..
        } = self;
        write!(f, "{place}: {key}: {pattern:?} ")?;
        match &self.problem {
            Problem::NoTable => f.write_str("matches no table")?,
            Problem::OtherCase => {
                f.write_str("matches no table, as unquoted text is folded to lower case")?
            }
            Problem::NoColumn(table) | Problem::NoColumnOfOther(table) => {
                write!(f, "matches no column of {table}")?;
            }
            Problem::FormerColumn(table) => write!(f, "matches no column of {table} any more")?,
            Problem::NoColumnAnywhere => f.write_str("matches no column")?,
            Problem::SentAsOther { table, other } => write!(
                f,
                "matches only a column of {table}, whose changes are sent as those of {other}"
            )?,
            Problem::NoType => f.write_str("is the name of no type of the database")?,
            Problem::NoTopic => f.write_str("matches the topic of no captured table")?,
        }
        match &self.problem {
            // The pattern must not be removed too early.
            Problem::FormerColumn(_) => f.write_str("; rows in WAL may still have it")?,
            _ if self.withholds => f.write_str(", so it withholds nothing")?,
            _ => {}
        }
        if self.is_error() && matches!(self.problem, Problem::NoColumn(_)) {
            f.write_str(" (end it with * if the column was dropped or will be added)")?;
        }
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

/// Compares the selections of the configuration with the database at a start: logs those that match nothing.
///
/// # Errors
/// Data that are to be withheld would be sent ([`Unmatched`]); a server cannot be reached or does not answer.
pub(crate) async fn verify(config: &Config) -> anyhow::Result<()> {
    let Some(existing) = existing(config).await? else {
        return Ok(());
    };
    let mut found = unmatched(config, &existing, &BTreeMap::new());
    if found.iter().any(Unmatched::is_error) {
        let log = wiring::checkpoints(config).read().await?;
        found = unmatched(config, &existing, &log.schemas);
    }
    let (errors, warnings): (Vec<_>, Vec<_>) = found.into_iter().partition(Unmatched::is_error);
    for warning in warnings {
        warn!("{warning}");
    }
    let mut errors = errors.into_iter();
    let first = errors.next();
    for other in errors {
        error!("{other}");
    }
    first.map_or(Ok(()), |error| Err(error.into()))
}

/// Names in the database, which a configuration without selections does not need.
pub(crate) async fn existing(config: &Config) -> Result<Option<Existing>, PostgresError> {
    if config.selections.is_empty() {
        return Ok(None);
    }
    let is_type = |selection: &Selection| matches!(selection.choice, Choice::Type(_));
    let with_types = config.selections.iter().any(is_type);
    walcast_postgres::existing(&config.postgres, with_types)
        .await
        .map(Some)
}

/// Selections that match nothing. `history`: the schemas under which rows were delivered.
pub(crate) fn unmatched(
    config: &Config,
    existing: &Existing,
    history: &BTreeMap<Oid, TableHistory>,
) -> Vec<Unmatched> {
    let mapper = &config.mapper;
    let database = Database { existing, history };
    let unmatched = config.selections.iter().filter_map(|selection| {
        let (pattern, fault) = match &selection.choice {
            Choice::Tables(pattern) => (pattern.to_string(), database.tables(pattern)),
            Choice::Columns(pattern) => (pattern.to_string(), database.columns(pattern)),
            Choice::DataTypes(pattern) => (pattern.to_string(), database.data_types(pattern)),
            Choice::Type(name) => (name.clone(), database.types(name)),
            Choice::Topics(route) => {
                let applies = |table| route.matches(&names::unrouted_topic(mapper, table));
                let is_used = existing.captured.iter().any(applies);
                let fault = (!is_used).then_some((Problem::NoTopic, None));
                (route.text().pattern.clone(), fault)
            }
        };
        let (problem, hint) = fault?;
        Some(Unmatched {
            place: selection.place.clone(),
            key: selection.key,
            pattern,
            problem,
            hint,
            withholds: selection.withholds,
        })
    });
    unmatched.collect()
}

/// Reason why a selection matches nothing, and what may have been meant.
type Fault = (Problem, Option<Hint>);

/// Names in the database, now and when rows were delivered.
struct Database<'a> {
    existing: &'a Existing,
    history: &'a BTreeMap<Oid, TableHistory>,
}

impl Database<'_> {
    fn tables(&self, pattern: &TablePattern) -> Option<Fault> {
        if self.names().any(|table| pattern.matches(table)) {
            return None;
        }
        Some(match pattern.literal() {
            Some(table) => self.no_table(&table, None),
            None => (Problem::NoTable, None),
        })
    }

    fn columns(&self, pattern: &ColumnPattern) -> Option<Fault> {
        let has_column = |table: &&ExistingTable| {
            let mut columns = table.columns.iter();
            columns.any(|column| pattern.matches(&table.name, &column.name))
        };
        let mut matched = self.existing.tables.iter().filter(has_column).peekable();
        if let Some(first) = matched.peek().copied() {
            // A column of a table that is not captured is not sent, unless it is sent as one of another table.
            let sent_as: Option<Vec<_>> = matched.map(|table| self.sent_as(table)).collect();
            let other = sent_as?.into_iter().next()?;
            let hint = pattern
                .literal()
                .map(|(_, column)| Hint::Name(other.column_pattern(&column)));
            let (table, other) = (first.name.clone(), other.clone());
            return Some((Problem::SentAsOther { table, other }, hint));
        }
        let Some((name, column)) = pattern.literal() else {
            let all = self.existing.tables.iter().flat_map(|table| &table.columns);
            let hint = pattern
                .column()
                .and_then(|column| Hint::column(&column, all.map(|column| column.name.as_str())));
            return Some((Problem::NoColumnAnywhere, hint));
        };
        Some(
            match self.existing.tables.iter().find(|table| table.name == name) {
                None => self.no_table(&name, Some(&column)),
                Some(table) => {
                    let hint = Some(Hint::of_columns(table, &column));
                    if self.had_column(&name, &column) {
                        (Problem::FormerColumn(name), None)
                    } else if self.existing.captured.contains(&name) || self.sent_as(table).is_some() {
                        (Problem::NoColumn(name), hint)
                    } else {
                        (Problem::NoColumnOfOther(name), hint)
                    }
                }
            },
        )
    }

    fn data_types(&self, pattern: &ColumnPattern) -> Option<Fault> {
        let is_matched = self.existing.tables.iter().any(|table| {
            let mut columns = table.columns.iter();
            columns.any(|column| pattern.matches(&table.name, &column.type_name))
        });
        (!is_matched).then_some((Problem::NoColumnAnywhere, None))
    }

    fn types(&self, entry: &str) -> Option<Fault> {
        let mut types = self.existing.types.iter();
        if types.any(|one| is_type_name(entry, &one.namespace, &one.name)) {
            return None;
        }
        Some((Problem::NoType, Hint::type_of(entry, &self.existing.types)))
    }

    /// Whether rows of the table were delivered that had the column.
    fn had_column(&self, table: &TableName, column: &str) -> bool {
        let schemas = self.history.values().flat_map(|history| &history.schemas);
        let mut relations = schemas.map(|schema| &schema.relation);
        relations.any(|relation| {
            TableName::from(relation) == *table && relation.columns.iter().any(|one| one.name == column)
        })
    }

    /// Captured table as whose changes those of a table are sent that is not captured itself: a table above the partition, or one of the
    /// partitions below the table.
    fn sent_as<'t>(&'t self, table: &'t ExistingTable) -> Option<&'t TableName> {
        let is_captured = |name: &&TableName| self.existing.captured.contains(name);
        if is_captured(&&table.name) {
            return None;
        }
        let below = self.existing.tables.iter();
        let below = below.filter(|one| one.ancestors.contains(&table.name));
        table
            .ancestors
            .iter()
            .find(is_captured)
            .or_else(|| below.map(|one| &one.name).find(is_captured))
    }

    /// Fault of a pattern that names a table which does not exist.
    fn no_table(&self, table: &TableName, column: Option<&str>) -> Fault {
        let same = |text: &str, other: &str| text.to_lowercase() == other.to_lowercase();
        let in_other_case = self
            .names()
            .find(|other| same(&table.namespace, &other.namespace) && same(&table.name, &other.name));
        let near = in_other_case.or_else(|| hint::nearest_table(table, self.names()));
        let hint = near.map(|near| {
            Hint::Name(match column {
                Some(column) => near.column_pattern(column),
                None => near.as_pattern(),
            })
        });
        let is_sent = in_other_case.is_some_and(|other| self.existing.captured.contains(other));
        let problem = if is_sent {
            Problem::OtherCase
        } else {
            Problem::NoTable
        };
        (problem, hint)
    }

    fn names(&self) -> impl Iterator<Item = &TableName> + Clone {
        self.existing.tables.iter().map(|table| &table.name)
    }
}
