//! Watcher: inspects slot, publication and captured tables while changes are streamed.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use tokio::time::Instant;
use tracing::{info, warn};
use walcast_mapper::{MapperConfig, TableName};
use walcast_pgoutput::{Lsn, Oid};

use crate::config::DeliveryConfig;
use crate::coverage::{denied_findings, publication_findings, table_findings};
use crate::describe::Describe;
use crate::drift::{DriftChange, Drifted, MissedChanges};
use crate::error::DeliveryError;
use crate::halt::Halt;
use crate::partitions::change::PartitionChangeKind;
use crate::partitions::notices::log_changes;
use crate::partitions::{KnownPartitions, PartitionComparison};
use crate::port_error::{BoxedPortError, Detail};
use crate::ports::source::{Published, Refused, SourceWatch};
use crate::restrictions::Restrictions;
use crate::session::setup::newly_captured::{NewlyCaptured, captured_oids, known_now, names, without_newer};
use crate::snapshot::control::{SnapshotControl, SnapshotUnanswered};
use crate::source_state::{CapturedNames, SourceState};
use crate::state::ConnectorState;

/// Time after which the watcher checks whether an inspection is due: at first this long after the start of a stream.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Time after which a table is published again that the server did not let the connector publish.
const RETRY_PUBLISHING_AFTER: Duration = Duration::from_secs(60);

/// Watcher of one session: inspects slot, publication and tables at an interval.
pub(crate) struct Watcher<'a, W> {
    watch: &'a mut W,
    config: &'a DeliveryConfig,
    mapper: &'a MapperConfig,
    state: &'a ConnectorState,
    control: SnapshotControl,
    known: Known,
    restrictions: Restrictions,
    /// End of WAL at the last inspection, at first the position from which the stream continues; a new finding arose after it.
    inspected_at: Lsn,
    /// Tables that the server did not let the connector publish, and when it tries again. Another client may still publish them.
    refused: HashMap<TableName, Instant>,
    describe: Describe,
}

/// What a session knows of the captured tables when its stream begins.
pub(crate) struct WatchStart {
    pub(crate) known: Known,
    /// Row filters and column lists of the captured tables.
    pub(crate) restrictions: Restrictions,
    /// Position from which the stream continues.
    pub(crate) from: Lsn,
}

/// Tables and partitions that are captured and were found by an earlier inspection.
pub(crate) struct Known {
    pub(crate) tables: BTreeSet<Oid>,
    pub(crate) partitions: KnownPartitions,
}

/// Reason why an inspection was not completed.
enum Fault {
    Source(BoxedPortError),
    /// The session is ending, and reports its own error.
    SessionEnding,
}

impl From<BoxedPortError> for Fault {
    fn from(fault: BoxedPortError) -> Self {
        Self::Source(fault)
    }
}

impl From<SnapshotUnanswered> for Fault {
    fn from(_: SnapshotUnanswered) -> Self {
        Self::SessionEnding
    }
}

/// Whether the server only cancelled a statement, for example one that waited for a lock, and may execute it later.
fn is_only_delayed(fault: &BoxedPortError) -> bool {
    fault.is_retryable() && fault.detail() == Some(Detail::StatementRejected)
}

impl<'a, W: SourceWatch> Watcher<'a, W> {
    pub(crate) fn new(
        watch: &'a mut W,
        (config, mapper): (&'a DeliveryConfig, &'a MapperConfig),
        state: &'a ConnectorState,
        control: SnapshotControl,
        begun: WatchStart,
        describe: Describe,
    ) -> Self {
        let WatchStart {
            known,
            restrictions,
            from,
        } = begun;
        Self {
            watch,
            config,
            mapper,
            state,
            control,
            known,
            restrictions,
            inspected_at: from,
            refused: HashMap::new(),
            describe,
        }
    }

    /// Runs until leadership is lost or the server cannot be queried.
    pub(crate) async fn watch(&mut self) -> DeliveryError {
        let mut next_survey = Instant::now();
        loop {
            // Both branches are cancel-safe.
            tokio::select! {
                biased;
                fault = self.watch.lost() => return DeliveryError::Source(fault),
                () = tokio::time::sleep(CHECK_INTERVAL) => {}
            }
            if Instant::now() < next_survey {
                continue;
            }
            next_survey = Instant::now() + self.config.slot_check_interval;
            match self.look().await {
                Ok(()) => {}
                // The connection holds, and changes do not need the inspection.
                Err(Fault::Source(fault)) if is_only_delayed(&fault) => {
                    warn!(
                        error = self.describe.error(fault.as_error()),
                        "inspection failed, it is repeated at the next interval"
                    );
                }
                Err(Fault::Source(fault)) => return DeliveryError::Source(fault),
                Err(Fault::SessionEnding) => return std::future::pending().await,
            }
        }
    }

    async fn look(&mut self) -> Result<(), Fault> {
        let mut source_state = self.watch.inspect().await?;
        self.state.positions.advance_server_end(source_state.flush_lsn);
        self.state.outboxes.inspect(&source_state, self.mapper);
        let outbox_topics = &self.state.outbox_topics;
        let left_out = outbox_topics.leave_out(&mut source_state, Some(&self.known.tables), self.mapper);
        self.note_partitions(&source_state).await?;
        let source_state = self.publish_new_tables(source_state).await?;
        let after = std::mem::replace(&mut self.inspected_at, source_state.flush_lsn);
        // Logged first: a finding that the state shows is in the process log too.
        let findings = self.report_drift(&source_state, after, left_out);
        self.state
            .tables
            .inspect(&source_state, &self.config.publication, false);
        self.state.drift.show(source_state.flush_lsn, findings);
        // A restart continues to report what is stored.
        if self.restrictions.record(&source_state, after) {
            self.control.restricted(self.restrictions.clone()).await?;
        }
        Ok(())
    }

    /// Stores changes of partitions, reports those for which Postgres publishes nothing, and requests that the rows of attached
    /// partitions are read. Tables that are newly captured come after that: their partitions are stored before they count as known.
    async fn note_partitions(&mut self, source_state: &SourceState) -> Result<(), Fault> {
        let fills = |table: &TableName| self.config.snapshot.fills(table);
        let Known { tables, partitions } = &self.known;
        let mut found = PartitionComparison::of(source_state, partitions, tables, fills);
        // Clean-up of an outbox drops partitions whose events are in Kafka.
        found.changes.retain(|change| {
            change.kind != PartitionChangeKind::Dropped || !self.state.outboxes.cleans(&change.table)
        });
        if found.is_as_known() {
            return Ok(());
        }
        let until = source_state.flush_lsn;
        log_changes(&found.changes, until, self.describe);
        // The end of WAL was read before the partitions.
        let since = match found.attached.is_empty() {
            true => until,
            false => self.watch.inspect().await?.flush_lsn,
        };
        self.control
            .partitions(
                found.records,
                found.attached,
                source_state.captured_names(),
                since,
            )
            .await?;
        self.state.outboxes.note_partitions(&found.changes);
        self.state.partitions.add(found.changes, until);
        self.known.partitions = found.known;
        Ok(())
    }

    /// Publishes the tables that are newly captured since the last inspection, and requests that their rows are read.
    async fn publish_new_tables(&mut self, source_state: SourceState) -> Result<SourceState, Fault> {
        let captured = captured_oids(&source_state);
        if captured == self.known.tables || source_state.publication.is_none() {
            return Ok(source_state);
        }
        let NewlyCaptured {
            mut unpublished,
            mut published,
            ..
        } = NewlyCaptured::find(&source_state, &self.known.tables, None);
        let now = Instant::now();
        unpublished.retain(|table| self.refused.get(table).is_none_or(|retry_at| *retry_at <= now));
        if !self.config.create_missing.publication() {
            unpublished.clear();
        }
        let mut since = source_state.flush_lsn;
        if !unpublished.is_empty() {
            let (mut added, lsn) = self.publish(unpublished, source_state.captured_names()).await?;
            since = lsn;
            published.append(&mut added);
        }
        let source_state = without_newer(self.watch.inspect().await?, &captured);
        // Before the rows of the new tables are read.
        self.state.outboxes.inspect(&source_state, self.mapper);
        // A table that is published no more, or could not be, is found again at the next inspection, and is read once any client has
        // published it.
        let (published, gone): (Vec<_>, Vec<_>) = published
            .into_iter()
            .partition(|table| source_state.publishes(table));
        if !gone.is_empty() {
            self.withdraw(gone, source_state.captured_names()).await?;
        }
        let known = known_now(&source_state, &self.known.tables, &published);
        if known != self.known.tables {
            let restrictions =
                Restrictions::adopt(Some(&self.restrictions), &source_state, Some(&self.known.tables));
            let names = source_state.captured_names();
            self.control
                .captured(known.clone(), published, names, Some(since), restrictions.clone())
                .await?;
            self.restrictions = restrictions;
            self.known.tables = known;
        }
        Ok(source_state)
    }

    /// Adds tables to the publication. Returns those that were added, and the position from which on their changes are streamed.
    async fn publish(
        &mut self,
        tables: Vec<TableName>,
        names: CapturedNames,
    ) -> Result<(Vec<TableName>, Lsn), Fault> {
        // The tables are stored first: a table that is published but not read would have an undetected gap.
        self.control.expect(tables.clone(), names.clone()).await?;
        let Published { since, refused } = self.watch.publish(&tables).await?;
        for Refused { table, error } in &refused {
            let error = self.describe.error(error);
            warn!(%table, error, "table cannot be added to the publication; the other tables are delivered");
            self.refused
                .insert(table.clone(), Instant::now() + RETRY_PUBLISHING_AFTER);
        }
        let (refused, added): (Vec<_>, Vec<_>) = tables
            .into_iter()
            .partition(|table| refused.iter().any(|refused| refused.table == *table));
        if !refused.is_empty() {
            self.withdraw(refused, names).await?;
        }
        if !added.is_empty() {
            info!(
                tables = self::names(&added),
                publication = self.config.publication,
                "tables added to the publication"
            );
        }
        Ok((added, since))
    }

    /// Stores that the rows of tables are not to be read, which were about to be published.
    async fn withdraw(&self, tables: Vec<TableName>, names: CapturedNames) -> Result<(), Fault> {
        let known = self.known.tables.clone();
        let restrictions = self.restrictions.clone();
        self.control
            .captured(known, tables, names, None, restrictions)
            .await?;
        Ok(())
    }

    /// Logs publication drift when it is first found and when it is resolved, and returns what remains. A new finding arose after the end
    /// of WAL at `after`. `left_out` are findings about tables that are not captured.
    fn report_drift(&mut self, source_state: &SourceState, after: Lsn, left_out: Vec<Halt>) -> Vec<Drifted> {
        let (slot, publication) = (&self.config.slot, &self.config.publication);
        let of_publication = publication_findings(source_state, publication);
        let of_tables = table_findings(source_state);
        let reading = self.state.snapshot.read();
        let of_rows = denied_findings(source_state, |table| {
            let mut reading = reading.tables.iter();
            // Any other table is left out, and none of its rows is read.
            let is_captured = table.is_publishable() || source_state.publishes(&table.name);
            let is_new = is_captured && !self.known.tables.contains(&table.oid);
            is_new || reading.any(|one| one.table == table.name)
        });
        let findings = of_publication.into_iter().chain(of_tables).chain(of_rows);
        let findings = findings.chain(left_out);
        let restricted = self.restrictions.findings(source_state, publication, after);
        // A restriction that an earlier process found may be gone by now.
        let mut ended = self.restrictions.recorded(source_state, publication);
        ended.retain(|one| !restricted.iter().any(|now| now.finding == one.finding));
        let findings = findings.map(|finding| Drifted { finding, after });
        let DriftChange {
            current,
            appeared,
            mut resolved,
        } = self.state.drift.compare(findings.chain(restricted));
        ended.retain(|one| !resolved.iter().any(|known| known.finding == one.finding));
        resolved.append(&mut ended);
        if appeared.iter().any(|one| one.finding.hides_changes()) {
            self.state.outboxes.interrupt();
        }
        for Drifted { finding, after } in appeared {
            let error = self.describe.error(&finding);
            if matches!(finding, Halt::ExcludedPartition { .. }) {
                warn!(slot, publication, %after, error, "publication drift: excluded changes are delivered");
            } else if matches!(finding, Halt::RowsDenied { .. }) {
                warn!(
                    slot,
                    publication, error, "rows of a captured table cannot be read yet"
                );
            } else if matches!(finding, Halt::TopicOfOutbox { .. }) {
                warn!(slot, publication, error, "table is left out");
            } else {
                warn!(slot, publication, %after, error, "publication drift: changes would be missed");
            }
        }
        for Drifted { finding, after } in resolved {
            if finding.hides_changes() {
                let until = source_state.flush_lsn;
                let error = self.describe.error(&MissedChanges(finding));
                warn!(
                    slot, publication, %after, %until, error,
                    "publication drift resolved; changes made in the meantime were not delivered"
                );
            } else {
                info!(slot, publication, error = %finding, "publication drift resolved");
            }
        }
        current
    }
}
