//! Eyes on the source while changes are streamed: slot, publication, captured tables, lag.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use tokio::time::Instant;
use tracing::{info, warn};
use walcast_mapper::TableName;
use walcast_pgoutput::{Lsn, Oid, PgTimestamp};

use crate::coverage::{publication_findings, table_findings};
use crate::drift::{Drifted, Turned};
use crate::edge::{BoxedFault, SourceWatch};
use crate::pending::Pending;
use crate::setup::{NewlyCaptured, known_now, names, numbers, without_newer};
use crate::snapshot::{SnapshotControl, SnapshotUnanswered};
use crate::{DeliveryConfig, DeliveryError, Metrics, Survey};

/// How often the lag of a waiting transaction is shown growing.
const LAG_INTERVAL: Duration = Duration::from_secs(1);

/// Looks at slot, publication and tables from time to time, and keeps the lag up to date.
pub(crate) struct Watcher<'a, W> {
    watch: &'a mut W,
    config: &'a DeliveryConfig,
    metrics: &'a Metrics,
    control: SnapshotControl,
    known: BTreeSet<Oid>,
    /// The end of the log at the last look; what is found now was not so then.
    looked_at: Option<Lsn>,
    /// Tables that could not be published, until somebody else does.
    given_up: HashSet<TableName>,
}

/// Why a look had no end.
enum Fault {
    Source(BoxedFault),
    /// The stream is ending, and whoever ends it tells why.
    Ending,
}

impl From<BoxedFault> for Fault {
    fn from(fault: BoxedFault) -> Self {
        Self::Source(fault)
    }
}

impl From<SnapshotUnanswered> for Fault {
    fn from(_: SnapshotUnanswered) -> Self {
        Self::Ending
    }
}

impl<'a, W: SourceWatch> Watcher<'a, W> {
    pub(crate) fn new(
        watch: &'a mut W,
        config: &'a DeliveryConfig,
        metrics: &'a Metrics,
        control: SnapshotControl,
        known: BTreeSet<Oid>,
    ) -> Self {
        Self {
            watch,
            config,
            metrics,
            control,
            known,
            looked_at: None,
            given_up: HashSet::new(),
        }
    }

    /// Ends only when leadership is lost or the server cannot be asked.
    pub(crate) async fn watch(&mut self, pending: &Pending) -> DeliveryError {
        let mut next_survey = Instant::now();
        loop {
            // Both are cancel-safe.
            tokio::select! {
                biased;
                fault = self.watch.lost() => return DeliveryError::Source(fault),
                () = tokio::time::sleep(LAG_INTERVAL) => {}
            }
            if let Some(waited_ms) = pending.waited_ms(PgTimestamp::now()) {
                self.metrics.lag_ms.set(waited_ms);
            }
            self.show_lag(self.metrics.server_lsn.get());
            if Instant::now() < next_survey {
                continue;
            }
            next_survey = Instant::now() + self.config.watch_interval;
            match self.look().await {
                Ok(()) => {}
                Err(Fault::Source(fault)) => return DeliveryError::Source(fault),
                Err(Fault::Ending) => return std::future::pending().await,
            }
        }
    }

    fn show_lag(&self, server_lsn: u64) {
        let behind = server_lsn.saturating_sub(self.metrics.checkpointed_lsn.get());
        self.metrics.lag_bytes.set(behind);
    }

    async fn look(&mut self) -> Result<(), Fault> {
        let survey = self.watch.survey().await?;
        let server_lsn = &self.metrics.server_lsn;
        server_lsn.set(survey.flush_lsn.as_u64().max(server_lsn.get()));
        self.show_lag(survey.flush_lsn.as_u64());
        let survey = self.take_up(survey).await?;
        self.tell_drift(&survey);
        Ok(())
    }

    /// Publishes tables that are captured since the last look, and has their rows read.
    async fn take_up(&mut self, survey: Survey) -> Result<Survey, Fault> {
        let captured = numbers(&survey);
        if captured == self.known || survey.publication.is_none() {
            return Ok(survey);
        }
        let NewlyCaptured {
            mut unpublished,
            mut published,
        } = NewlyCaptured::find(&survey, &self.known, None);
        unpublished.retain(|table| !self.given_up.contains(table));
        if !self.config.create_missing {
            unpublished.clear();
        }
        // Such a publication has had every table from its first row on.
        if survey
            .publication
            .as_ref()
            .is_some_and(|publication| publication.all_tables)
        {
            published.clear();
        }
        let mut since = survey.flush_lsn;
        if !unpublished.is_empty() {
            match self.publish(&unpublished).await? {
                Some(lsn) => {
                    since = lsn;
                    published.append(&mut unpublished);
                }
                None => return Ok(survey),
            }
        }
        let survey = without_newer(self.watch.survey().await?, &captured);
        // What could not be published is found again: whoever publishes it has it read.
        let known = known_now(&survey, &self.known);
        if known != self.known {
            self.control
                .captured(known.clone(), published, Some(since))
                .await?;
            self.known = known;
        }
        Ok(survey)
    }

    /// Adds tables to the publication; `None`: they could not be.
    async fn publish(&mut self, tables: &[TableName]) -> Result<Option<Lsn>, Fault> {
        // Written down first: a table that is published and not read would have a gap that nobody knows of.
        self.control.expect(tables.to_vec()).await?;
        match self.watch.publish(tables).await {
            Ok(since) => {
                info!(
                    tables = names(tables),
                    publication = self.config.publication,
                    "tables added to the publication"
                );
                Ok(Some(since))
            }
            Err(fault) if fault.is_about_rows() => {
                warn!(tables = names(tables), error = %fault, "tables cannot be added to the publication");
                self.control
                    .captured(self.known.clone(), tables.to_vec(), None)
                    .await?;
                self.given_up.extend(tables.iter().cloned());
                Ok(None)
            }
            Err(fault) => Err(fault.into()),
        }
    }

    /// Says what keeps changes from arriving when it is first seen, and when it is mended.
    fn tell_drift(&mut self, survey: &Survey) {
        let (slot, publication) = (&self.config.slot, &self.config.publication);
        let checkpointed = || Lsn::new(self.metrics.checkpointed_lsn.get());
        let after = self.looked_at.unwrap_or_else(checkpointed);
        self.looked_at = Some(survey.flush_lsn);
        let publication_findings = publication_findings(survey, publication);
        let findings = publication_findings.into_iter().chain(table_findings(survey));
        let Turned { begun, mended } = self.metrics.drift.turn(findings, after);
        for finding in begun {
            warn!(slot, publication, %after, error = %finding, "changes would be missed");
        }
        for Drifted { finding, after } in mended {
            let until = survey.flush_lsn;
            if finding.hides_changes() {
                warn!(
                    slot, publication, %after, %until, error = %finding,
                    next = "read the tables concerned again with: walcast snapshot start --tables",
                    "mended, but what was changed meanwhile was not delivered"
                );
            } else {
                info!(slot, publication, error = %finding, "mended");
            }
        }
    }
}
