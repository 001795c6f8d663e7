//! Requests whose rows the server does not allow to be read: the request fails, and the stream continues.

use std::error::Error;

use tracing::{error, warn};
use walcast_mapper::TableName;
use walcast_pgoutput::Lsn;

use crate::condition::Condition;
use crate::condition::error::ConditionError;
use crate::encode::output::Output;
use crate::encode::ports::EncodePorts;
use crate::error::DeliveryError;
use crate::port_error::BoxedPortError;
use crate::port_error::Detail;
use crate::ports::snapshots::Snapshot;
use crate::snapshot::progress::TableProgress;
use crate::snapshot::reader::notifications::Scan;
use crate::snapshot::reader::state::SnapshotState;

/// Maximum number of times that a statement with a request's condition may fail for a transient cause, such as a
/// statement timeout: enough to rule out chance, and few enough not to hold the stream for long.
const FAILURES_MAX: u32 = 2;

/// Maximum number of times that reading by a request's condition may end with its connection, or in a conflict with other
/// transactions or with recovery. Restarts of the server do that too, but a condition that ends its own connection does it
/// at each attempt, at every start.
const INTERRUPTIONS_MAX: u32 = 5;

/// Reason why the stored condition of a request is not executed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoredConditionError {
    /// The condition is SQL, and its channel may not send SQL any more.
    #[error("its condition is SQL, which the configuration does not allow")]
    SqlNotAllowed,
    /// The condition is not one of its dialect.
    #[error("its stored condition cannot be used: {0}")]
    Invalid(#[source] ConditionError),
}

impl<S: Snapshot> SnapshotState<'_, S> {
    /// Condition of a request, or the reason why it may not be executed.
    pub(super) fn condition_of(
        &self,
        progress: &TableProgress,
    ) -> Result<Option<Condition>, StoredConditionError> {
        let allowed = &self.schedule.config.sql_conditions;
        if progress.filter_is_sql && !allowed.allow_stored(progress.sql_channel) {
            return Err(StoredConditionError::SqlNotAllowed);
        }
        progress.condition().map_err(StoredConditionError::Invalid)
    }

    /// Whether an error of reading a table belongs to the request for its rows, or to a table that it quarantines: the cause is in
    /// the rows or their condition, or the server rejected or ended a statement that carries the condition.
    pub(super) fn is_fault_of_request<E: EncodePorts>(
        &self,
        table: &TableName,
        fault: &BoxedPortError,
        output: &Output<'_, E>,
    ) -> bool {
        self.schedule.progress.find(table).is_some_and(|request| {
            (request.asked || self.quarantines(table, output))
                && match fault.detail() {
                    Some(Detail::RowsUnreadable | Detail::RowsDenied) => true,
                    Some(Detail::StatementRejected | Detail::StatementInterrupted) => {
                        request.filter.is_some()
                    }
                    _ => false,
                }
        })
    }

    /// Fails a request, or retries it if the cause is transient. The snapshot can no longer be used.
    pub(super) async fn fail_request<E: EncodePorts>(
        &mut self,
        table: &TableName,
        lsn: Lsn,
        fault: &BoxedPortError,
        output: &mut Output<'_, E>,
    ) -> Result<(), DeliveryError> {
        if fault.detail() == Some(Detail::RowsDenied) && self.waits_for_privileges(table, output) {
            let error = self.describe.error(fault);
            warn!(%table, %lsn, error, "the server does not let the connector read the rows of a table; reading is tried again");
            self.metrics.snapshot_failures.inc();
            self.schedule.postpone(table);
            return Ok(());
        }
        let Some(request) = self.schedule.progress.find_mut(table) else {
            return Ok(());
        };
        let (failures, limit) = match fault.detail() {
            Some(Detail::StatementInterrupted) => (&mut request.interruptions, INTERRUPTIONS_MAX),
            _ => (&mut request.failures, FAILURES_MAX),
        };
        *failures += 1;
        let failures = *failures;
        if fault.is_retryable() && failures < limit {
            let error = self.describe.error(fault);
            warn!(%table, %lsn, failures, limit, error, "rows of a request cannot be read now; retrying");
            return Ok(());
        }
        self.abandon(table, lsn, fault, output).await
    }

    /// Whether the rows of a table wait until the connector may read them: all its rows are to be read, and it is not quarantined again
    /// for the error.
    fn waits_for_privileges<E: EncodePorts>(&self, table: &TableName, output: &Output<'_, E>) -> bool {
        let request = self.schedule.progress.find(table);
        request.is_some_and(|request| request.asked && request.filter.is_none())
            && output.tables.quarantines.reading_named(table).is_none()
    }

    /// Ends a request whose rows are not read.
    pub(super) async fn abandon<E: EncodePorts>(
        &mut self,
        table: &TableName,
        lsn: Lsn,
        why: &(dyn Error + Send + Sync + 'static),
        output: &mut Output<'_, E>,
    ) -> Result<(), DeliveryError> {
        error!(%table, %lsn, error = self.describe.error(why), "rows cannot be read and are skipped; request them again once the cause is fixed");
        self.metrics.snapshot_failures.inc();
        self.quarantine_unreadable(table, lsn, self.describe.error(why), output)
            .await?;
        self.end_table(table, Scan::Failed, output).await?;
        self.set_aside(output).await
    }
}
