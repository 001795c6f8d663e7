//! Publication checks: whether changes of every captured table would arrive. The checks run over plain values, at the
//! start and while streaming.
//!
//! A table whose changes were promised and do not arrive halts a start. A table that was never captured does not: it is left
//! out, named, and the others are delivered.

use std::collections::BTreeSet;

use walcast_mapper::TableName;
use walcast_pgoutput::Oid;

use crate::halt::Halt;
use crate::source_state::{CapturedTable, Persistence, PublicationState, SourceState};
use crate::sql;

/// Findings that keep changes of captured tables from arriving before a publication exists.
///
/// `FOR TABLE` over a table without replica identity would make the server reject updates and deletes of the
/// application, so such a table is found here, before anything is created.
#[must_use]
pub fn table_findings(source_state: &SourceState) -> Vec<Halt> {
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
    findings.extend(source_state.captured.iter().filter_map(table_finding));
    findings
}

/// Finding that keeps changes of a table from arriving, or makes the server reject its updates once it is published.
pub(crate) fn table_finding(table: &CapturedTable) -> Option<Halt> {
    let name = || table.name.clone();
    if table.persistence != Persistence::Permanent {
        Some(Halt::Unlogged { table: name() })
    } else if table.identifies_rows {
        None
    } else if table.identity_is_generated {
        Some(Halt::GeneratedIdentity { table: name() })
    } else {
        Some(Halt::NoReplicaIdentity { table: name() })
    }
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

impl Promised<'_> {
    /// Whether a table is promised.
    #[must_use]
    pub fn includes(self, table: &CapturedTable) -> bool {
        match self {
            Promised::FirstStart => table.is_named,
            Promised::Tables(known) => known.contains(&table.oid),
            Promised::All => true,
        }
    }
}

/// Findings of [`table_findings`] that keep a start from beginning: those about the server, and about promised tables.
///
/// A published table without replica identity is no such finding: the server rejects its updates and deletes, so that no change
/// is missing.
#[must_use]
pub fn halting_table_findings(source_state: &SourceState, promised: Promised<'_>) -> Vec<Halt> {
    let captured = source_state.captured.iter();
    let promised: Vec<CapturedTable> = captured
        .filter(|table| promised.includes(table))
        .filter(|table| table.persistence != Persistence::Permanent || !source_state.publishes(&table.name))
        .cloned()
        .collect();
    table_findings(&SourceState {
        captured: promised,
        ..source_state.clone()
    })
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
