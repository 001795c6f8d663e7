//! Tables that are captured since the connector last looked: a wider configuration chooses them, or they were made.
//!
//! Their rows are read, because changes tell only what happens from now on. The order is what makes a crash harmless: that
//! a table is to be read is written down before it is published, and that it is known only when both are done.

use std::collections::BTreeSet;

use tracing::info;
use walcast_mapper::TableName;
use walcast_pgoutput::Oid;

use crate::edge::{Sink, Source};
use crate::snapshot::{Publishing, SnapshotProgress};
use crate::{Checkpoint, DeliveryConfig, DeliveryError, Persistence, Survey};

/// What is new.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct NewlyCaptured {
    /// Tables that are not published.
    pub(crate) unpublished: Vec<TableName>,
    /// Tables that are.
    pub(crate) published: Vec<TableName>,
}

impl NewlyCaptured {
    /// Compares what is captured with what is known.
    pub(crate) fn find(survey: &Survey, known: &BTreeSet<Oid>, progress: Option<&SnapshotProgress>) -> Self {
        let is_pending = |table: &TableName| {
            let known = progress.and_then(|progress| progress.find(table));
            known.is_some_and(|table| table.publishing == Publishing::Pending)
        };
        let mut new = Self::default();
        if survey.publication.is_none() {
            return new;
        }
        for table in &survey.captured {
            if known.contains(&table.oid) && !is_pending(&table.name) {
                continue;
            }
            if survey.publishes(&table.name) {
                new.published.push(table.name.clone());
            } else if table.identifies_rows && table.persistence == Persistence::Permanent {
                // Once published, the server would refuse updates and deletes of others in the application.
                new.unpublished.push(table.name.clone());
            }
        }
        new
    }
}

/// The numbers of the captured tables.
pub(crate) fn numbers(survey: &Survey) -> BTreeSet<Oid> {
    survey.captured.iter().map(|table| table.oid).collect()
}

/// The captured tables that need no further look: they were known, or are published.
pub(crate) fn known_now(survey: &Survey, known: &BTreeSet<Oid>) -> BTreeSet<Oid> {
    survey
        .captured
        .iter()
        .filter(|table| survey.publishes(&table.name) || known.contains(&table.oid))
        .map(|table| table.oid)
        .collect()
}

/// Servers that were not mended yet go on to leave out the changes of a table that was published while a transaction ran
/// which they decode later: the fix came with 13.21, 14.18, 15.13, 16.9 and 17.5
/// (<https://www.postgresql.org/docs/release/17.5/>).
pub(crate) fn forgets_new_tables(server_version: u32) -> bool {
    let mended = match server_version / 10_000 {
        ..13 => return true,
        13 => 130_021,
        14 => 140_018,
        15 => 150_013,
        16 => 160_009,
        17 => 170_005,
        18.. => return false,
    };
    server_version < mended
}

/// Whether nothing is new: nothing has to be published, and nothing to be written down.
pub(super) fn is_as_known(
    config: &DeliveryConfig,
    survey: &Survey,
    checkpoint: &Checkpoint,
    known: Option<&BTreeSet<Oid>>,
) -> bool {
    let Some(known) = known else { return false };
    let new = NewlyCaptured::find(survey, known, checkpoint.snapshot.as_ref());
    let signals = config.snapshot.signal_table.as_ref();
    new.published.is_empty()
        && (new.unpublished.is_empty() || !config.create_missing)
        && known_now(survey, known) == *known
        && signals.is_none_or(|table| survey.publishes(table))
}

/// What a second look shows of the tables of the first: one that was made meanwhile is for the next.
pub(crate) fn without_newer(mut survey: Survey, captured: &BTreeSet<Oid>) -> Survey {
    survey.captured.retain(|table| captured.contains(&table.oid));
    survey
}

/// Tables for people.
pub(crate) fn names(tables: &[TableName]) -> String {
    let names: Vec<String> = tables.iter().map(ToString::to_string).collect();
    names.join(", ")
}

/// What is as it was found, and what was done about it.
pub(super) struct Adopted {
    pub(super) checkpoint: Checkpoint,
    pub(super) survey: Survey,
    pub(super) known_tables: BTreeSet<Oid>,
}

/// Publishes the tables that are new and may be published, and notes which rows are to be read. Returns the checkpoint, and
/// the survey as it is now.
pub(super) async fn adopt<P: Source, K: Sink>(
    source: &mut P,
    sink: &mut K,
    config: &DeliveryConfig,
    mut checkpoint: Checkpoint,
    mut survey: Survey,
    known: Option<&BTreeSet<Oid>>,
) -> Result<Adopted, DeliveryError> {
    let known_before = known.cloned().unwrap_or_else(|| numbers(&survey));
    let new = NewlyCaptured::find(&survey, &known_before, checkpoint.snapshot.as_ref());
    let mut unpublished = new.unpublished;
    if !config.create_missing {
        unpublished.clear();
    }
    let renews = forgets_new_tables(survey.server_version);
    let mut progress = checkpoint.snapshot.take().unwrap_or_default();
    if !unpublished.is_empty() {
        for table in &unpublished {
            progress.await_publishing(table, Publishing::Pending, &config.snapshot, renews, false);
        }
        checkpoint.snapshot = progress.clone().into_stored();
        super::write(sink, checkpoint.clone(), None).await?;
        source
            .publish(&unpublished)
            .await
            .map_err(DeliveryError::Source)?;
        info!(
            tables = names(&unpublished),
            publication = config.publication,
            "tables added to the publication"
        );
        let captured = numbers(&survey);
        let now = source.survey(None).await.map_err(DeliveryError::Source)?;
        survey = without_newer(now, &captured);
    }
    // Snapshots are taken from now on, and show what is not streamed of these; a stream that has begun before may have to
    // be begun anew.
    let since = Publishing::Since(survey.flush_lsn);
    for table in unpublished.iter().chain(&new.published) {
        progress.await_publishing(table, since, &config.snapshot, renews, false);
    }
    checkpoint.snapshot = progress.into_stored();
    // One that is still not published is found new again, whoever publishes it.
    let known_tables = known_now(&survey, &known_before);
    if known != Some(&known_tables) {
        super::write(sink, checkpoint.clone(), Some(known_tables.clone())).await?;
    }
    Ok(Adopted {
        checkpoint,
        survey,
        known_tables,
    })
}

#[cfg(test)]
mod tests {
    use super::forgets_new_tables;

    #[test]
    fn servers_that_forget_are_known_by_their_version() {
        for version in [120_022, 130_020, 160_008, 170_004] {
            assert!(forgets_new_tables(version), "{version}");
        }
        for version in [130_021, 140_019, 160_010, 170_006, 180_000] {
            assert!(!forgets_new_tables(version), "{version}");
        }
    }
}
