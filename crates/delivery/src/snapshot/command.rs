//! Commands for a running connector about existing rows.

use serde::{Deserialize, Serialize};
use walcast_mapper::TableName;
use walcast_mapper::pattern::TablePattern;
use walcast_pgoutput::Oid;

use crate::condition::error::ConditionError;
use crate::condition::{Condition, Dialect};
use crate::quarantine::{Quarantine, Quarantines};
use crate::snapshot::channel::RequestChannel;
use crate::snapshot::former_key::FormerKey;
use crate::snapshot::progress::{PublishedSince, SnapshotProgress, SnapshotType, TableProgress};
use crate::source_state::SourceState;
use crate::sql;

/// External request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case", deny_unknown_fields)]
pub enum SnapshotCommand {
    /// Reads the existing rows of captured tables.
    Start {
        /// Tables, and conditions on their rows.
        tables: Vec<Selection>,
        /// Marker of the rows (`source.snapshot`).
        #[serde(default = "incremental")]
        marks: SnapshotType,
        /// ID of the notifications about this snapshot.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
    },
    /// Stops reading tables that are being read or waiting.
    Stop {
        /// Tables to stop; empty: all.
        #[serde(default)]
        tables: Vec<TablePattern>,
    },
    /// Ends the quarantine of tables: their changes are delivered again, and their rows are read.
    ResumeTables {
        /// Quarantined tables.
        tables: Vec<TablePattern>,
    },
    /// Pauses reading until [`SnapshotCommand::Resume`].
    Pause,
    /// Resumes reading.
    Resume,
}

/// Tables, and a condition on their rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Selection {
    /// Tables to read.
    pub tables: TablePattern,
    /// Condition on the rows ([`crate::condition`]); `None`: the condition of the configuration, if it has one.
    #[serde(default, rename = "where", skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// Dead letters that these rows resolve, given by the value of their `walcast.id` header: their tombstones are
    /// written in the Kafka transaction in which the reading ends. All of them belong to one table, and few rows are
    /// selected.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dead_letters: Vec<String>,
    /// Keys of rows whose delete, or whose move to another key, is one of these dead letters: if no row has such a key,
    /// the delete event of the missing row is sent. Rows with these keys are among the selected rows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub former_keys: Vec<FormerKey>,
}

impl SnapshotCommand {
    /// Name of the command.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Start { .. } => "start",
            Self::Stop { .. } => "stop",
            Self::ResumeTables { .. } => "resume_tables",
            Self::Pause => "pause",
            Self::Resume => "resume",
        }
    }
}

fn incremental() -> SnapshotType {
    SnapshotType::Incremental
}

/// Reason why a request was not executed. No part of such a request is executed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotRejected {
    /// The request names no table.
    #[error("no table is named; name some, such as public.orders")]
    NothingNamed,
    /// A pattern matches no captured table.
    #[error("{pattern} is not a captured table")]
    NotCaptured {
        /// Pattern without a table.
        pattern: String,
    },
    /// The table is not published: its rows would arrive without the changes after them.
    #[error("changes of {table} are not published")]
    NotPublished {
        /// Table that is not published.
        table: TableName,
        /// Statement that publishes the table.
        sql: String,
    },
    /// Dead letters are given for more than one table.
    #[error("dead letters of a selection must belong to one table, and {pattern} matches several")]
    LettersOfSeveral {
        /// Pattern that matches several tables.
        pattern: String,
    },
    /// The table is being read already.
    #[error("{table} is being read already; stop that first, or wait for its end")]
    BeingRead {
        /// Table that is being read.
        table: TableName,
    },
    /// The table is quarantined.
    #[error("{table} is quarantined: its rows are read when it is resumed")]
    Quarantined {
        /// Table that is quarantined.
        table: TableName,
    },
    /// The pattern matches no quarantined table.
    #[error("{pattern} is not quarantined")]
    NotQuarantined {
        /// Pattern that matches no quarantined table.
        pattern: String,
    },
    /// The server rejects reading the rows, or the condition.
    #[error("rows of {table} cannot be read: {why}")]
    Unreadable {
        /// Table whose rows cannot be read.
        table: TableName,
        /// Error of the server.
        why: String,
    },
    /// The condition is not in the dialect that the channel allows.
    #[error("the condition for {pattern}: {source}")]
    Condition {
        /// Pattern to which the condition belongs.
        pattern: String,
        /// Channel of the request.
        channel: RequestChannel,
        /// Error in the condition.
        source: ConditionError,
    },
    /// The request is too large to be stored with every checkpoint.
    #[error(
        "the request is too large: {what} {bytes} bytes, and {max} are allowed; request fewer tables or rows at a time"
    )]
    TooLarge {
        /// Part of the request that is too large.
        what: &'static str,
        /// Size of that part in bytes.
        bytes: usize,
        /// Maximum size in bytes.
        max: usize,
    },
    /// No rows are being read, so there is nothing to stop, pause or resume.
    #[error("no existing rows are being read")]
    NothingIsRead,
    /// The table to stop is not being read.
    #[error("{pattern} is not being read")]
    NotBeingRead {
        /// Pattern that matches no table that is being read.
        pattern: String,
    },
}

/// Maximum number of bytes that the conditions, dead letters and keys of all requests take in the checkpoint, which is
/// one record: `message.max.bytes` of a broker is 1 MiB by default.
const STORED_BYTES_MAX: usize = 256 * 1024;

/// Maximum length of an ID in bytes. The ID is repeated in every notification.
const ID_BYTES_MAX: usize = 1024;

/// Checks that a request is small enough to be stored.
pub(crate) fn check_size(
    selected_tables: &[TableProgress],
    id: Option<&str>,
    being_read: &SnapshotProgress,
) -> Result<(), SnapshotRejected> {
    let too_large = |what, bytes, max| SnapshotRejected::TooLarge { what, bytes, max };
    let id = id.map_or(0, str::len);
    if id > ID_BYTES_MAX {
        return Err(too_large("its id has", id, ID_BYTES_MAX));
    }
    let asked = being_read.tables.iter().filter(|table| table.asked);
    let bytes: usize = asked
        .chain(selected_tables)
        .map(TableProgress::request_bytes)
        .sum();
    if bytes > STORED_BYTES_MAX {
        let what = "its conditions, dead letters and keys, together with those of requests that are being read, have";
        return Err(too_large(what, bytes, STORED_BYTES_MAX));
    }
    Ok(())
}

/// Tables that [`SnapshotCommand::Start`] adds, in the order of the request.
pub(crate) fn selected_tables(
    selections: &[Selection],
    marks: SnapshotType,
    channel: (RequestChannel, Dialect),
    source_state: &SourceState,
    publication: &str,
    being_read: &SnapshotProgress,
) -> Result<Vec<TableProgress>, SnapshotRejected> {
    let mut selected_tables: Vec<TableProgress> = Vec::new();
    let (channel, dialect) = channel;
    for selection in selections {
        if let Some(filter) = &selection.filter {
            Condition::parse(filter, dialect).map_err(|source| SnapshotRejected::Condition {
                pattern: selection.tables.to_string(),
                channel,
                source,
            })?;
        }
        let mut found = false;
        for (table, oid) in source_state.captured.iter().map(|one| (&one.name, one.oid)) {
            if !selection.tables.matches(table) {
                continue;
            }
            if found && !(selection.dead_letters.is_empty() && selection.former_keys.is_empty()) {
                return Err(SnapshotRejected::LettersOfSeveral {
                    pattern: selection.tables.to_string(),
                });
            }
            found = true;
            if selected_tables.iter().any(|one| one.is(table)) {
                continue;
            }
            let known = being_read.find(table);
            if known.is_some_and(|one| !one.unread) {
                return Err(SnapshotRejected::BeingRead { table: table.clone() });
            }
            if !source_state.publishes(table) {
                return Err(SnapshotRejected::NotPublished {
                    table: table.clone(),
                    sql: sql::add_to_publication(publication, [table]),
                });
            }
            let is_sql = selection.filter.is_some() && dialect == Dialect::Sql;
            selected_tables.push(TableProgress {
                oid: Some(oid.as_u32()),
                filter: selection.filter.clone(),
                filter_is_sql: is_sql,
                sql_channel: is_sql.then_some(channel),
                letters: selection.dead_letters.clone(),
                former_keys: selection.former_keys.clone(),
                marks,
                asked: true,
                publishing: known.map_or(PublishedSince::Done, |one| one.publishing),
                attached: known.and_then(|one| one.attached.clone()),
                ..TableProgress::of(table.clone())
            });
        }
        if !found {
            return Err(SnapshotRejected::NotCaptured {
                pattern: selection.tables.to_string(),
            });
        }
    }
    if selected_tables.is_empty() {
        return Err(SnapshotRejected::NothingNamed);
    }
    Ok(selected_tables)
}

/// Tables that are to be read, if none of them is quarantined.
pub(crate) fn not_quarantined(
    selected_tables: Vec<TableProgress>,
    quarantines: &Quarantines,
) -> Result<Vec<TableProgress>, SnapshotRejected> {
    let mut skipping = quarantines.values().filter(|one| one.is_skipping());
    match skipping.find(|one| selected_tables.iter().any(|selected| selected.is(&one.table))) {
        Some(one) => Err(SnapshotRejected::Quarantined {
            table: one.table.clone(),
        }),
        None => Ok(selected_tables),
    }
}

/// Quarantined tables that [`SnapshotCommand::ResumeTables`] resumes, by their names now.
pub(crate) fn resumed_tables(
    patterns: &[TablePattern],
    quarantines: &Quarantines,
    source_state: &SourceState,
    publication: &str,
) -> Result<Vec<(Oid, TableName)>, SnapshotRejected> {
    let mut resumed: Vec<(Oid, TableName)> = Vec::new();
    for pattern in patterns {
        let captured = source_state.captured.iter().filter(|table| {
            let quarantine = quarantines.get(&table.oid);
            pattern.matches(&table.name) && quarantine.is_some_and(Quarantine::is_skipping)
        });
        let mut found = false;
        for table in captured {
            found = true;
            if !source_state.publishes(&table.name) {
                return Err(SnapshotRejected::NotPublished {
                    table: table.name.clone(),
                    sql: sql::add_to_publication(publication, [&table.name]),
                });
            }
            if !resumed.iter().any(|(oid, _)| *oid == table.oid) {
                resumed.push((table.oid, table.name.clone()));
            }
        }
        if !found {
            return Err(SnapshotRejected::NotQuarantined {
                pattern: pattern.to_string(),
            });
        }
    }
    match resumed.is_empty() {
        true => Err(SnapshotRejected::NothingNamed),
        false => Ok(resumed),
    }
}

/// Removes tables from the progress and returns them. If the stream must be restarted for tables that were published
/// while a transaction ran, a table whose changes are not certain to be streamed yet stays, without rows to read.
pub(crate) fn stop(
    patterns: &[TablePattern],
    progress: &mut SnapshotProgress,
    needs_stream_restart: bool,
) -> Result<Vec<TableName>, SnapshotRejected> {
    let read = || progress.tables.iter().filter(|one| !one.unread);
    let matches = |pattern: &TablePattern| read().any(|one| pattern.matches(&one.table()));
    if let Some(pattern) = patterns.iter().find(|pattern| !matches(pattern)) {
        return Err(SnapshotRejected::NotBeingRead {
            pattern: pattern.to_string(),
        });
    }
    let stopped: Vec<TableName> = read()
        .map(TableProgress::table)
        .filter(|table| patterns.is_empty() || patterns.iter().any(|pattern| pattern.matches(table)))
        .collect();
    progress.leave_out(&stopped, needs_stream_restart);
    Ok(stopped)
}
