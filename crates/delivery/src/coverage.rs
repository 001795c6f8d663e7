//! Whether every captured table's changes would arrive: decided over plain values, at the start and while streaming.

use walcast_mapper::TableName;

use crate::{Halt, Persistence, PublicationState, Survey, sql};

/// What keeps changes of captured tables from arriving, before a publication exists.
///
/// `FOR TABLE` over a table without replica identity would make the server refuse the application's updates and deletes,
/// so it is found here, before anything is created.
#[must_use]
pub fn table_findings(survey: &Survey) -> Vec<Halt> {
    let mut findings = Vec::new();
    if survey.wal_level != "logical" {
        findings.push(Halt::WalLevel {
            found: survey.wal_level.clone(),
        });
    }
    findings.extend(survey.unmatched_patterns.iter().map(|pattern| Halt::NoTable {
        pattern: pattern.clone(),
    }));
    for table in &survey.captured {
        if table.persistence != Persistence::Permanent {
            findings.push(Halt::Unlogged {
                table: table.name.clone(),
            });
        } else if !table.identifies_rows {
            findings.push(Halt::NoReplicaIdentity {
                table: table.name.clone(),
            });
        }
    }
    findings
}

/// What keeps changes of captured tables from arriving through the publication as it is.
#[must_use]
pub fn publication_findings(survey: &Survey, publication: &str) -> Vec<Halt> {
    let Some(state) = &survey.publication else {
        return vec![Halt::PublicationMissing {
            publication: publication.to_owned(),
            sql: sql::create_publication(
                publication,
                survey.captured.iter().map(|table| &table.name),
                survey.server_version,
                survey.partitions,
            ),
        }];
    };
    let mut findings: Vec<Halt> = unpublished_operations(state, publication).into_iter().collect();
    for table in &survey.captured {
        if !state.tables.contains(&table.name) {
            findings.push(not_published(&table.name, publication));
        }
    }
    findings
}

/// Changes of a table do not arrive.
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
