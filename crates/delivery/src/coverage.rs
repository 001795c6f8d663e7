//! Publication checks: whether changes of every captured table would arrive. The checks run over plain values, at the
//! start and while streaming.
//!
//! A table whose changes were promised and do not arrive halts a start. A table that was never captured does not: it is left
//! out, named, and the others are delivered.

use std::collections::BTreeSet;

use walcast_mapper::TableName;
use walcast_pgoutput::Oid;

use crate::halt::Halt;
use crate::position::checkpoint::CheckpointLog;
use crate::source_state::{CapturedTable, Partition, Persistence, PublicationState, SourceState};
use crate::sql;

/// Findings that keep changes of captured tables from arriving before a publication exists.
///
/// `FOR TABLE` over a table without replica identity would make the server reject updates and deletes of the
/// application, so such a table is found here, before anything is created.
#[must_use]
pub fn table_findings(source_state: &SourceState) -> Vec<Halt> {
    let captured = &source_state.captured;
    let mut findings = server_findings(source_state);
    findings.extend(captured.iter().filter_map(table_finding));
    findings.extend(captured.iter().flat_map(partition_findings));
    findings
}

/// Findings about the server and the configured patterns.
fn server_findings(source_state: &SourceState) -> Vec<Halt> {
    let mut findings = Vec::new();
    if source_state.wal_level != "logical" {
        findings.push(Halt::WalLevel {
            found: source_state.wal_level.clone(),
        });
    }
    findings.extend(
        source_state
            .unmatched_patterns
            .iter()
            .map(|pattern| Halt::NoTable {
                pattern: pattern.clone(),
            }),
    );
    findings
}

/// Finding that keeps changes of a table from arriving or from being distinguished, or makes the server reject its updates once it is
/// published.
pub(crate) fn table_finding(table: &CapturedTable) -> Option<Halt> {
    let name = || table.name.clone();
    if table.persistence != Persistence::Permanent {
        Some(Halt::Unlogged { table: name() })
    } else if !table.unsent_key_columns.is_empty() {
        Some(Halt::KeyNotSent {
            table: name(),
            columns: table.unsent_key_columns.join(", "),
        })
    } else if table.identifies_rows {
        None
    } else if let Some(finding) = identity_findings(table).next() {
        Some(finding)
    } else if table.identity_is_generated {
        Some(Halt::GeneratedIdentity { table: name() })
    } else {
        Some(Halt::NoReplicaIdentity { table: name() })
    }
}

/// Findings about the partitions of a table beside [`table_finding`]: they keep no start from beginning, except for
/// [`exclusion_findings`].
fn partition_findings(table: &CapturedTable) -> impl Iterator<Item = Halt> {
    let has_other_finding =
        table.persistence != Persistence::Permanent || !table.unsent_key_columns.is_empty();
    let is_named_for_table = usize::from(!has_other_finding && !table.identifies_rows);
    let unlogged = leaves(table).filter(|leaf| leaf.persistence != Persistence::Permanent);
    let unlogged = unlogged.map(|leaf| Halt::UnloggedPartition {
        partition: leaf.name.clone(),
        table: table.name.clone(),
    });
    identity_findings(table)
        .skip(is_named_for_table)
        .chain(unlogged)
        .chain(exclusion_findings(table))
}

/// Findings about leaves of which the server rejects updates and deletes once the table is published.
fn identity_findings(table: &CapturedTable) -> impl Iterator<Item = Halt> {
    let unidentified = leaves(table).filter(|leaf| !leaf.identifies_rows);
    unidentified.map(|leaf| match leaf.identity_is_generated {
        true => Halt::GeneratedIdentity {
            table: leaf.name.clone(),
        },
        false => Halt::NoPartitionIdentity {
            partition: leaf.name.clone(),
            table: table.name.clone(),
        },
    })
}

/// Findings about excluded partitions. Their rows are to be hidden, and would be sent.
fn exclusion_findings(table: &CapturedTable) -> impl Iterator<Item = Halt> {
    let excluded = table.partitions.iter().flatten().filter(|one| one.is_excluded);
    excluded.map(|one| Halt::ExcludedPartition {
        partition: one.name.clone(),
        table: table.name.clone(),
    })
}

/// Partitions that store rows and whose changes are published as those of the table.
fn leaves(table: &CapturedTable) -> impl Iterator<Item = &Partition> {
    table.partitions.iter().flatten().filter(|one| one.is_leaf)
}

/// Which tables were captured before, and so promised.
#[derive(Clone, Copy, Debug)]
pub enum Promised<'a> {
    /// None: the connector starts for the first time. Tables that are configured by their names are promised.
    FirstStart,
    /// Tables with these OIDs.
    Tables(&'a BTreeSet<Oid>),
    /// All: a checkpoint exists, and what was captured is not known.
    All,
}

impl<'a> Promised<'a> {
    /// What the checkpoint topic shows to be promised.
    #[must_use]
    pub fn of(log: &'a CheckpointLog, source_state: &SourceState) -> Self {
        match (&log.current, &log.known_tables) {
            (None, _) => Promised::FirstStart,
            (Some(current), _) if current.is_unfinished(source_state) => Promised::FirstStart,
            (Some(_), Some(known)) => Promised::Tables(known),
            (Some(_), None) => Promised::All,
        }
    }

    fn includes(self, table: &CapturedTable) -> bool {
        match self {
            Promised::FirstStart => table.is_named,
            Promised::Tables(known) => known.contains(&table.oid),
            Promised::All => true,
        }
    }

    /// Whether a table is promised and its changes are missing: it is not logged, or not published.
    #[must_use]
    pub fn misses(self, table: &CapturedTable, source_state: &SourceState) -> bool {
        self.includes(table)
            && (table.persistence != Persistence::Permanent || !source_state.publishes(&table.name))
    }
}

/// Findings of [`table_findings`] that keep a start from beginning: those about the server, about promised tables, and about
/// excluded partitions.
///
/// A published table without replica identity is no such finding: the server rejects its updates and deletes, so that no change
/// is missing. A published table whose key is not sent is one, promised or not: its changes arrive and cannot be delivered.
#[must_use]
pub fn halting_table_findings(source_state: &SourceState, promised: Promised<'_>) -> Vec<Halt> {
    let captured = source_state.captured.iter();
    let halts = |table: &&CapturedTable| {
        let is_captured = || promised.includes(table) || source_state.publishes(&table.name);
        promised.misses(table, source_state) || !table.unsent_key_columns.is_empty() && is_captured()
    };
    let mut findings = server_findings(source_state);
    findings.extend(captured.filter(halts).filter_map(table_finding));
    findings.extend(source_state.captured.iter().flat_map(exclusion_findings));
    findings
}

/// Removes and returns the tables that are left out: they were not promised, are not published, and cannot be.
pub(crate) fn take_unpublishable(
    source_state: &mut SourceState,
    promised: Promised<'_>,
) -> Vec<CapturedTable> {
    let captured = std::mem::take(&mut source_state.captured).into_iter();
    let (kept, left_out) = captured.partition(|table| {
        promised.includes(table) || table.is_publishable() || source_state.publishes(&table.name)
    });
    source_state.captured = kept;
    left_out
}

/// Findings that keep changes of captured tables from arriving through the existing publication.
#[must_use]
pub fn publication_findings(source_state: &SourceState, publication: &str) -> Vec<Halt> {
    let Some(state) = &source_state.publication else {
        return vec![Halt::PublicationMissing {
            publication: publication.to_owned(),
            sql: sql::create_publication(
                publication,
                // Of any other table the server would then reject the application's updates.
                source_state
                    .captured
                    .iter()
                    .filter(|table| table.is_publishable())
                    .map(|table| &table.name),
                source_state.server_version,
                source_state.partitions,
            ),
        }];
    };
    let mut findings: Vec<Halt> = unpublished_operations(state, publication).into_iter().collect();
    for table in &source_state.captured {
        // Adding any other table would make the server reject the application's updates, or change nothing.
        if !state.tables.contains(&table.name) && table.is_publishable() {
            findings.push(not_published(&table.name, publication));
        }
    }
    findings
}

/// Findings about tables whose rows are to be read and may not be. Their changes arrive: such a finding keeps no start from beginning.
/// `is_unread`: whether rows of a table remain to be read.
pub(crate) fn denied_findings(
    source_state: &SourceState,
    is_unread: impl Fn(&CapturedTable) -> bool,
) -> Vec<Halt> {
    let unread = source_state.captured.iter().filter(|table| is_unread(table));
    let denied = unread.filter_map(|table| {
        let sql = source_state.denied.get(&table.name)?;
        Some(Halt::RowsDenied {
            table: table.name.clone(),
            sql: sql.clone(),
        })
    });
    denied.collect()
}

/// The first finding as an error.
pub(crate) fn first_finding(findings: Vec<Halt>) -> Result<(), Halt> {
    findings.into_iter().next().map_or(Ok(()), Err)
}

/// Finding for a captured table that is not in the publication.
pub(crate) fn not_published(table: &TableName, publication: &str) -> Halt {
    Halt::NotPublished {
        table: table.clone(),
        publication: publication.to_owned(),
        sql: sql::add_to_publication(publication, [table]),
    }
}

fn unpublished_operations(state: &PublicationState, publication: &str) -> Option<Halt> {
    let hidden = &state.unpublished;
    (!hidden.is_empty()).then(|| Halt::OperationsUnpublished {
        publication: publication.to_owned(),
        operations: hidden.join(", "),
        sql: sql::publish_all_operations(publication),
    })
}

#[cfg(test)]
mod tests;
