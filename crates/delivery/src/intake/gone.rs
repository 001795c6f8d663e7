//! Keys of rows whose delete, or whose move to another key, could not be delivered: where no row has them any more, what a
//! deleted row leaves is sent at the position of the snapshot, behind the rows of the table.
//!
//! That is in order: what was committed before it has been streamed, what is committed after it will be. A key that a row has
//! again is among the rows that are read.

use tracing::error;
use walcast_mapper::GoneContext;

use super::held::Table;
use super::notifications::Scan;
use super::window::Window;
use super::{Intake, IntakeFault};
use crate::DeliveryError;
use crate::edge::{RowsCatalog, SchemaRegistry, Snapshot, Snapshots, Topics};

impl<C: RowsCatalog, T: Topics, R: SchemaRegistry, N: Snapshots> Intake<'_, C, T, R, N> {
    /// A table was read to its end: which of the keys that were asked for no row has. False when the server does not tell; then
    /// the snapshot is of no use any more.
    pub(super) async fn look_for_gone(
        &mut self,
        snapshot: &mut N::Snapshot,
        window: &Window,
        table: &mut Table,
    ) -> Result<bool, IntakeFault> {
        if table.former_keys.is_empty() || self.rows.progress.find(&table.name).is_none() {
            return Ok(true);
        }
        match snapshot.gone(table.former_keys.clone()).await {
            Ok(gone) => table.gone = gone,
            Err(fault) if table.asked && fault.is_about_rows() => {
                self.settle(window.ended.iter())?;
                self.give_up(&table.name, snapshot.lsn(), &fault).await?;
                return Ok(false);
            }
            Err(fault) => return Err(DeliveryError::Source(fault).into()),
        }
        Ok(true)
    }

    /// Ends a table whose rows are written: with what the rows leave that are gone.
    pub(super) async fn end_read(
        &mut self,
        snapshot: &N::Snapshot,
        table: &mut Table,
        scan: Scan,
    ) -> Result<(), IntakeFault> {
        let scan = match self.write_gone(snapshot, table) {
            true => scan,
            false => Scan::Failed,
        };
        self.end_table(&table.name, scan).await
    }

    /// All of them or none. False where one cannot be written: then its letter stays.
    fn write_gone(&mut self, snapshot: &N::Snapshot, table: &mut Table) -> bool {
        let before = self.parcel.batch.mark();
        let oid = table.plan.oid();
        for (number, key) in (0..).zip(&table.gone) {
            let context = GoneContext {
                lsn: snapshot.lsn(),
                fixed_at: snapshot.taken_at(),
                table: oid,
                number,
                processed_at_unix_nanos: self.now_unix_nanos,
            };
            let batch = &mut self.parcel.batch;
            let written = self.relations.encode_gone(&mut table.plan, key, &context, batch);
            if let Err(why) = written {
                error!(
                    table = %table.name,
                    lsn = %snapshot.lsn(),
                    error = why,
                    "the delete of a row that is gone cannot be written, and its dead letters stay"
                );
                self.metrics.snapshot_failures.inc();
                self.parcel.batch.rewind(before);
                return false;
            }
        }
        true
    }
}
