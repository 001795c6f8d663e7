//! Resumption of quarantined tables in the checkpoint of a connector that does not run, as a running connector does it between two
//! transactions: at the position of the checkpoint.

use walcast_mapper::TableName;
use walcast_mapper::pattern::TablePattern;

use super::{QuarantinePhase, QuarantineRecords};
use crate::halt::Halt;
use crate::position::checkpoint::{CheckpointLog, CheckpointUpdate};
use crate::position::resume::is_of_this_server;
use crate::snapshot::command::{SnapshotRejected, resumed_tables};
use crate::snapshot::progress::{PublishedSince, SnapshotType, TableProgress};
use crate::source_state::SourceState;

/// Tables to be resumed.
#[derive(Clone, Copy, Debug)]
pub struct Resumption<'a> {
    /// Quarantined tables.
    pub tables: &'a [TablePattern],
    /// Name of the slot.
    pub slot: &'a str,
    /// Name of the publication.
    pub publication: &'a str,
    /// Time, in microseconds since 1970.
    pub now_unix_micros: i64,
}

impl Resumption<'_> {
    /// Checkpoint with which the next start delivers the changes of the tables behind it and reads their rows, and the tables by
    /// their names now. The inner error is the reason for which none of them is resumed.
    ///
    /// # Errors
    /// The checkpoint is not of this server.
    pub fn update(
        &self,
        log: &CheckpointLog,
        source_state: &SourceState,
    ) -> Result<Result<(CheckpointUpdate, Vec<TableName>), SnapshotRejected>, Halt> {
        let resumed = resumed_tables(self.tables, &log.quarantines, source_state, self.publication);
        let (resumed, current) = match (resumed, &log.current) {
            (Ok(resumed), Some(current)) => (resumed, current),
            (Err(rejected), _) => return Ok(Err(rejected)),
            // Quarantines are deleted with the checkpoint.
            (Ok(_), None) => return Ok(Err(SnapshotRejected::NothingNamed)),
        };
        is_of_this_server(source_state, current, self.slot)?;
        let mut progress = current.snapshot.clone().unwrap_or_default();
        progress.follow_names(&source_state.captured_names());
        let mut quarantines = QuarantineRecords::new();
        for (oid, table) in &resumed {
            let known = progress.find_mut(table);
            let rows = TableProgress {
                oid: Some(oid.as_u32()),
                marks: SnapshotType::Incremental,
                asked: true,
                publishing: known
                    .as_ref()
                    .map_or(PublishedSince::Done, |known| known.publishing),
                ..TableProgress::of(table.clone())
            };
            match known {
                Some(known) => *known = rows,
                None => progress.add(rows),
            }
            if let Some(quarantine) = log.quarantines.get(oid) {
                let mut quarantine = quarantine.clone();
                quarantine.table = table.clone();
                quarantine.phase = QuarantinePhase::Reading;
                quarantines.insert(*oid, Some(quarantine));
            }
        }
        let mut current = current.clone();
        current.snapshot = progress.into_stored();
        current.written_at_unix_micros = self.now_unix_micros;
        let update = CheckpointUpdate {
            quarantines,
            ..CheckpointUpdate::of(current)
        };
        Ok(Ok((
            update,
            resumed.into_iter().map(|(_, table)| table).collect(),
        )))
    }
}

#[cfg(test)]
mod tests;
