//! What a running connector is asked to do with existing rows.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use walcast_mapper::{TableName, TablePattern};

use super::{Marks, Publishing, SnapshotProgress, TableProgress};
use crate::{Survey, sql};

/// A request of somebody outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case", deny_unknown_fields)]
pub enum SnapshotCommand {
    /// Read the existing rows of captured tables.
    Start {
        /// Which tables, and which of their rows.
        tables: Vec<Selection>,
        /// What the rows are marked as.
        #[serde(default = "incremental")]
        marks: Marks,
        /// What notifications of it are recognized by.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
    },
    /// Read no more of tables that are being read, or wait to be.
    Stop {
        /// Which; empty: all.
        #[serde(default)]
        tables: Vec<TablePattern>,
    },
    /// Read nothing until [`SnapshotCommand::Resume`].
    Pause,
    /// Go on.
    Resume,
}

/// Tables, and which of their rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Selection {
    /// The tables.
    pub tables: TablePattern,
    /// A condition in SQL; `None`: the one of the configuration, where it has one.
    #[serde(default, rename = "where", skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// Dead letters, by what they have in header `walcast.id`, that are done with when these rows are read: then they are
    /// taken off the list, in the Kafka transaction in which the reading ends. They are of one table, and few rows are
    /// chosen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub letters: Vec<String>,
    /// Keys of rows whose delete, or whose move to another key, is such a letter: where no row has one of them, what a deleted
    /// row leaves is sent for it. Theirs are among the rows that are chosen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub former_keys: Vec<FormerKey>,
}

/// A key that a row had, as the log told it: values by column.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FormerKey(pub BTreeMap<String, String>);

impl SnapshotCommand {
    /// One word for it.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Start { .. } => "start",
            Self::Stop { .. } => "stop",
            Self::Pause => "pause",
            Self::Resume => "resume",
        }
    }
}

fn incremental() -> Marks {
    Marks::Incremental
}

/// Why a request was not carried out; nothing of it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotRefused {
    /// A request to read names no table.
    #[error("no table is named; name some, such as public.orders")]
    NothingNamed,
    /// A pattern chooses no captured table.
    #[error("{pattern} is no captured table; [postgres] tables says which are")]
    NotCaptured {
        /// The pattern.
        pattern: String,
    },
    /// The rows would come without the changes after them.
    #[error("changes of {table} are not published; run: {sql}")]
    NotPublished {
        /// The table.
        table: TableName,
        /// What publishes it.
        sql: String,
    },
    /// Dead letters are of one table each.
    #[error("dead letters are of one table, and {pattern} chooses several")]
    LettersOfSeveral {
        /// The pattern.
        pattern: String,
    },
    /// It would be read twice at once.
    #[error("{table} is being read already; stop that first, or wait for its end")]
    BeingRead {
        /// The table.
        table: TableName,
    },
    /// The server does not let its rows be read, or does not take the condition.
    #[error("rows of {table} cannot be read: {why}")]
    Unreadable {
        /// The table.
        table: TableName,
        /// The server's words.
        why: String,
    },
    /// There is nothing to stop, to pause or to resume.
    #[error("no existing rows are being read")]
    NothingIsRead,
    /// What is to be stopped is not being read.
    #[error("{pattern} is not being read")]
    NotBeingRead {
        /// The pattern.
        pattern: String,
    },
}

/// What [`SnapshotCommand::Start`] adds, in the order in which it was named.
pub(crate) fn chosen(
    selections: &[Selection],
    marks: Marks,
    survey: &Survey,
    publication: &str,
    being_read: &SnapshotProgress,
) -> Result<Vec<TableProgress>, SnapshotRefused> {
    let mut chosen: Vec<TableProgress> = Vec::new();
    for selection in selections {
        let mut found = false;
        for table in survey.captured.iter().map(|table| &table.name) {
            if !selection.tables.matches(table) {
                continue;
            }
            if found && !(selection.letters.is_empty() && selection.former_keys.is_empty()) {
                return Err(SnapshotRefused::LettersOfSeveral {
                    pattern: selection.tables.to_string(),
                });
            }
            found = true;
            if chosen.iter().any(|one| one.is(table)) {
                continue;
            }
            let known = being_read.find(table);
            if known.is_some_and(|one| !one.unread) {
                return Err(SnapshotRefused::BeingRead { table: table.clone() });
            }
            if !survey.publishes(table) {
                return Err(SnapshotRefused::NotPublished {
                    table: table.clone(),
                    sql: sql::add_to_publication(publication, [table]),
                });
            }
            chosen.push(TableProgress {
                filter: selection.filter.clone(),
                letters: selection.letters.clone(),
                former_keys: selection.former_keys.clone(),
                marks,
                asked: true,
                publishing: known.map_or(Publishing::Done, |one| one.publishing),
                ..TableProgress::of(table.clone())
            });
        }
        if !found {
            return Err(SnapshotRefused::NotCaptured {
                pattern: selection.tables.to_string(),
            });
        }
    }
    if chosen.is_empty() {
        return Err(SnapshotRefused::NothingNamed);
    }
    Ok(chosen)
}

/// Takes tables out of what is read; those that were. Where the server `renews`, one of which it is not sure yet that all changes
/// are streamed stays until it is, unread.
pub(crate) fn stop(
    patterns: &[TablePattern],
    progress: &mut SnapshotProgress,
    renews: bool,
) -> Result<Vec<TableName>, SnapshotRefused> {
    let read = || progress.tables.iter().filter(|one| !one.unread);
    let matches = |pattern: &TablePattern| read().any(|one| pattern.matches(&one.table()));
    if let Some(pattern) = patterns.iter().find(|pattern| !matches(pattern)) {
        return Err(SnapshotRefused::NotBeingRead {
            pattern: pattern.to_string(),
        });
    }
    let stopped: Vec<TableName> = read()
        .map(TableProgress::table)
        .filter(|table| patterns.is_empty() || patterns.iter().any(|pattern| pattern.matches(table)))
        .collect();
    for table in &stopped {
        match progress.find_mut(table) {
            Some(one) if renews && one.publishing != Publishing::Done => one.unread = true,
            _ => progress.reach(table, None),
        }
    }
    // Nobody could resume what is not read.
    progress.paused &= progress.tables.iter().any(|one| !one.unread);
    Ok(stopped)
}
