//! Missing rows: keys of rows whose delete, or whose move to another key, could not be delivered. For a key that no row
//! has any more, the delete event is sent at the position of the snapshot, after the rows of the table.
//!
//! This order is correct: transactions committed before the snapshot have been streamed, transactions committed after
//! it will be. A key that a row has again is among the rows that are read.

use tracing::error;
use walcast_mapper::MissingRowContext;

use super::window::Window;
use crate::encode::output::Output;
use crate::encode::ports::EncodePorts;
use crate::error::DeliveryError;
use crate::ports::snapshots::Snapshot;
use crate::snapshot::reader::last_row::Table;
use crate::snapshot::reader::notifications::Scan;

impl<S: Snapshot> Window<'_, '_, S> {
    /// Finds the previous keys of a completely read table that no row has. False if the server rejects the query; the
    /// snapshot can then no longer be used.
    pub(super) async fn find_missing_rows<E: EncodePorts>(
        &mut self,
        snapshot: &mut S,
        table: &mut Table,
        output: &mut Output<'_, E>,
    ) -> Result<bool, DeliveryError> {
        let progress = &self.state.schedule.progress;
        if table.former_keys.is_empty() || progress.find(&table.name).is_none() {
            return Ok(true);
        }
        match snapshot.gone(table.former_keys.clone()).await {
            Ok(missing) => table.missing = missing,
            Err(fault) if self.state.is_fault_of_request(&table.name, &fault, output) => {
                self.settle_ended()?;
                self.state
                    .fail_request(&table.name, snapshot.lsn(), &fault, output)
                    .await?;
                return Ok(false);
            }
            Err(fault) => return Err(DeliveryError::Source(fault)),
        }
        Ok(true)
    }

    /// Ends a table whose rows are written, with the deletes of its missing rows.
    pub(super) async fn end_read<E: EncodePorts>(
        &mut self,
        snapshot: &S,
        table: &mut Table,
        scan: Scan,
        output: &mut Output<'_, E>,
    ) -> Result<(), DeliveryError> {
        let scan = match self.write_missing_rows(snapshot, table, output) {
            true => scan,
            false => Scan::Failed,
        };
        self.state.end_table(&table.name, scan, output).await
    }

    /// Writes all deletes or none. False if a delete cannot be written: its dead letter then stays.
    fn write_missing_rows<E: EncodePorts>(
        &self,
        snapshot: &S,
        table: &mut Table,
        output: &mut Output<'_, E>,
    ) -> bool {
        let before = output.batch.savepoint();
        let oid = table.plan.oid();
        for (number, key) in (0..).zip(&table.missing) {
            let context = MissingRowContext {
                lsn: snapshot.lsn(),
                fixed_at: snapshot.taken_at(),
                table: oid,
                number,
                processed_at_unix_nanos: self.now_unix_nanos,
            };
            let Output { tables, batch } = &mut *output;
            let written =
                tables.encode_delete_of_missing_row(&mut table.plan, key, &context, batch.records().buffer);
            if let Err(why) = written {
                error!(
                    table = %table.name,
                    lsn = %snapshot.lsn(),
                    error = why,
                    "the delete of a missing row cannot be written, and its dead letters stay"
                );
                self.state.metrics.snapshot_failures.inc();
                output.batch.roll_back(before);
                return false;
            }
        }
        true
    }
}
