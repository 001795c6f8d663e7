//! Whether every captured table's changes would arrive: decided over plain values, at the start and while streaming.

use std::fmt::Write;

use walcast_mapper::TableName;

use crate::{Halt, Persistence, PublicationState, Survey};

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
            sql: create_publication_sql(publication, survey.captured.iter().map(|table| &table.name)),
        }];
    };
    let mut findings: Vec<Halt> = unpublished_operations(state, publication).into_iter().collect();
    for table in &survey.captured {
        if !state.tables.contains(&table.name) {
            let sql = format!(
                "ALTER PUBLICATION {} ADD TABLE {}",
                quoted(publication),
                quoted_table(&table.name)
            );
            findings.push(Halt::NotPublished {
                table: table.name.clone(),
                publication: publication.to_owned(),
                sql,
            });
        }
    }
    findings
}

/// The statement that creates a publication of exactly `tables`.
#[must_use]
pub fn create_publication_sql<'t>(
    publication: &str,
    tables: impl IntoIterator<Item = &'t TableName>,
) -> String {
    let mut sql = format!("CREATE PUBLICATION {}", quoted(publication));
    for (index, table) in tables.into_iter().enumerate() {
        let lead = if index == 0 { " FOR TABLE " } else { ", " };
        write!(sql, "{lead}{}", quoted_table(table)).expect("writing to a string cannot fail");
    }
    sql
}

fn unpublished_operations(state: &PublicationState, publication: &str) -> Option<Halt> {
    let hidden = &state.unpublished;
    (!hidden.is_empty()).then(|| Halt::OperationsUnpublished {
        publication: publication.to_owned(),
        operations: hidden.join(", "),
        sql: format!(
            "ALTER PUBLICATION {} SET (publish = 'insert, update, delete, truncate')",
            quoted(publication)
        ),
    })
}

fn quoted(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}

fn quoted_table(table: &TableName) -> String {
    format!("{}.{}", quoted(&table.namespace), quoted(&table.name))
}

#[cfg(test)]
mod tests;
