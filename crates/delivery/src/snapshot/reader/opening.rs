//! Opening of a table to be read, under the name that it has now.

use tracing::{info, warn};
use walcast_mapper::TableName;
use walcast_pgoutput::{Lsn, Oid, Relation};

use super::window::{Begun, Window, explain};
use crate::encode::encode_error::EncodeError;
use crate::encode::output::Output;
use crate::encode::ports::EncodePorts;
use crate::error::DeliveryError;
use crate::ports::catalog::RowsCatalog;
use crate::ports::snapshots::{ChosenRows, EventOrder, Opened, Snapshot};
use crate::snapshot::progress::TableProgress;
use crate::snapshot::reader::last_row::Table;
use crate::snapshot::reader::notifications::Scan;
use crate::stream::interruption::Interruption;

impl<S: Snapshot> Window<'_, '_, S> {
    /// Opens a table.
    pub(super) async fn open<E: EncodePorts>(
        &mut self,
        snapshot: &mut S,
        name: &TableName,
        output: &mut Output<'_, E>,
    ) -> Result<Begun, Interruption> {
        let Some(progress) = self.state.schedule.progress.find(name).cloned() else {
            return Ok(Begun::Skipped);
        };
        let oid = progress.oid.map(Oid::new);
        let quarantines = &output.tables.quarantines;
        if oid.map_or(quarantines.is_skipping_named(name), |oid| {
            quarantines.is_skipping(oid)
        }) {
            self.state.leave_unread(name, output).await?;
            return Ok(Begun::Skipped);
        }
        let lsn = snapshot.lsn();
        let condition = match self.state.condition_of(&progress) {
            Ok(condition) => condition,
            Err(why) => {
                self.state.abandon(name, lsn, &why, output).await?;
                return Ok(Begun::Skipped);
            }
        };
        let rows = match &condition {
            None if progress.partitions.is_empty() => ChosenRows::Configured,
            None => ChosenRows::Partitions(&progress.partitions),
            Some(condition) if progress.letters.is_empty() => ChosenRows::Where(condition),
            Some(condition) => ChosenRows::Few(condition),
        };
        let reads_all = rows == ChosenRows::Configured;
        let order = output.tables.event_order(name);
        snapshot.order(order.clone().map(|column| EventOrder {
            column,
            after: progress.last_event(),
        }));
        let opened = match snapshot.open(name, oid, progress.next, rows).await {
            Err(fault) if self.state.is_fault_of_request(name, &fault, output) => {
                self.state.fail_request(name, lsn, &fault, output).await?;
                // A table that may not be read keeps no other from being read in this snapshot.
                let schedule = &self.state.schedule;
                let is_postponed = schedule
                    .progress
                    .find(name)
                    .is_some_and(|one| schedule.is_postponed(one));
                return Ok(match is_postponed {
                    true => Begun::Skipped,
                    false => Begun::Broken,
                });
            }
            opened => opened.map_err(DeliveryError::Source)?,
        };
        match opened {
            Opened::Missing => {
                warn!(table = %name, %lsn, "table no longer exists, its rows are skipped");
                self.state.end_table(name, Scan::Missing, output).await?;
                Ok(Begun::Skipped)
            }
            Opened::Altered => {
                info!(table = %name, %lsn, "table was altered since the snapshot, reading it from a later one");
                Ok(Begun::Skipped)
            }
            Opened::Table(table) => {
                let Some(progress) = self.find_renamed(progress, &table.relation, lsn, output).await? else {
                    return Ok(Begun::Skipped);
                };
                let name = progress.table();
                if output.tables.event_order(&name) != order {
                    info!(table = %name, %lsn, "table was renamed, and is read in another order from a later snapshot");
                    return Ok(Begun::Skipped);
                }
                let plan = output.tables.plan_of_rows(table.relation, table.facts, lsn).await;
                if let Err(EncodeError::Quarantined) = plan {
                    self.state.set_aside(output).await?;
                    return Ok(Begun::Skipped);
                }
                let mut plan = plan.map_err(|fault| explain(&name, None, lsn, fault))?;
                if let Err(error) = plan.check_order() {
                    if !progress.asked && !self.state.quarantines(&name, output) {
                        return Err(explain(&name, None, lsn, EncodeError::Map(error)).into());
                    }
                    self.state.abandon(&name, lsn, &error, output).await?;
                    return Ok(Begun::Skipped);
                }
                if reads_all && !table.is_filtered {
                    plan.remember_streams(progress.next.is_none());
                }
                output.store_schemas();
                info!(table = %name, topic = plan.topic(), bytes = table.bytes, "reading rows");
                self.state
                    .notifier
                    .table_started(&name, &self.state.schedule.progress, output)
                    .await?;
                Ok(Begun::Table(Box::new(Table::new(
                    &progress,
                    plan,
                    order.is_some(),
                    table.bytes,
                ))))
            }
        }
    }

    /// Progress of a table that was opened, under the name that it has now: its rows are written to the topic to which its changes
    /// go. `None` if the table is not read now, because it was renamed once more, or not at all, because its name is not captured.
    async fn find_renamed<E: EncodePorts>(
        &mut self,
        progress: TableProgress,
        relation: &Relation,
        lsn: Lsn,
        output: &mut Output<'_, E>,
    ) -> Result<Option<TableProgress>, DeliveryError> {
        let now = TableName::from(relation);
        if progress.is(&now) {
            return Ok(Some(progress));
        }
        let was = progress.table();
        let source_state = output.tables.catalog().inspect().await;
        let captured = source_state.map_err(DeliveryError::Source)?.captured_names();
        match captured.get(&relation.oid) {
            None => {
                warn!(
                    table = %was, renamed_to = %now, %lsn,
                    "table was renamed to a name that is not captured, its rows are skipped"
                );
                self.state.end_table(&was, Scan::Missing, output).await?;
                Ok(None)
            }
            Some(name) if *name == now => {
                info!(table = %was, renamed_to = %now, %lsn, "table was renamed, reading its rows under its new name");
                self.settle_ended()?;
                self.state.follow_names(&captured, output);
                self.release_renamed();
                self.state.publish();
                self.tried.remove(&was);
                self.tried.insert(now.clone());
                Ok(self.state.schedule.progress.find(&now).cloned())
            }
            Some(_) => {
                info!(table = %was, %lsn, "table is being renamed, reading it from a later snapshot");
                Ok(None)
            }
        }
    }
}
