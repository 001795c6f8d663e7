//! Rows of tables that are read for a snapshot.

use tracing::warn;
use walcast_mapper::dead_letter::{DeadLetter, DeadLetterSource, UndeliverableEvent};
use walcast_mapper::{
    MapError, MissingRowContext, Plan, ReadContext, RecordBuffer, StreamEvent, TableMetadata, TableName,
    missing_row_tuple,
};
use walcast_pgoutput::reader::Reader;
use walcast_pgoutput::{Lsn, Oid, Relation, Tuple};

use crate::encode::dead_letters::config::OnError;
use crate::encode::encode_error::EncodeError;
use crate::encode::ports::EncodePorts;
use crate::encode::rejection::Rejection;
use crate::encode::tables::row_topics::{EventTopics, encode_binding_topics};
use crate::encode::tables::undeliverable::{action_for_violation, refresh_limits};
use crate::encode::tables::{CatalogKey, TableEncoder};
use crate::event_stores::last_versions::LastVersions;
use crate::schema_history::ChangePosition;
use crate::snapshot::former_key::FormerKey;
use crate::state::outboxes::OutboxEvents;

/// Encoding of the rows of a table that is read.
pub(crate) struct RowsPlan {
    pub(crate) table: TableName,
    relation: Relation,
    /// Metadata of the table, from the catalog as of the snapshot.
    metadata: TableMetadata,
    /// Key of the table, from the catalog.
    key: CatalogKey,
    /// Plan of the rows, or the reason why no record can be made.
    plan: Result<Box<Plan>, Rejection>,
    /// Events of an outbox; `None`: the table is none.
    events: Option<OutboxEvents>,
    /// Streams of an event store whose events are read; `None` if they may be read in part only.
    streams: Option<LastVersions>,
    /// Whether no row of the table was read before.
    is_from_first_row: bool,
}

impl RowsPlan {
    /// OID of the table.
    pub(crate) fn oid(&self) -> Oid {
        self.relation.oid
    }

    /// Checks that the rows of an event store can be read in the order of its streams.
    pub(crate) fn check_order(&self) -> Result<(), MapError> {
        self.plan.as_ref().map_or(Ok(()), |plan| plan.check_order())
    }

    /// Has the streams of an event store remembered: all rows of the table are read, or all behind those that were read before.
    pub(crate) fn remember_streams(&mut self, is_from_first_row: bool) {
        let rules = self.plan.as_ref().ok().and_then(|plan| plan.stream_rules());
        self.streams = rules.map(LastVersions::new);
        self.is_from_first_row = is_from_first_row;
    }

    /// Remembers an event that was read from a table or partition. The rows of a partition that are left may precede those of another
    /// one that were read before.
    fn remember(&mut self, event: Option<StreamEvent>, part: Oid) {
        if !self.is_from_first_row && part != self.relation.oid {
            self.streams = None;
        }
        if let (Some(streams), Some(event)) = (&mut self.streams, event) {
            streams.add(&event);
        }
    }

    /// Number of an event that was read in order; `None` for other rows.
    pub(crate) fn event_number(&self, row: Tuple<'_>) -> Option<i64> {
        self.plan.as_ref().ok()?.event_sequence(row)
    }

    /// Topic of the rows.
    pub(crate) fn topic(&self) -> Option<&str> {
        self.plan.as_ref().ok().map(|plan| plan.topic())
    }
}

impl<E: EncodePorts> TableEncoder<'_, E> {
    /// Makes the plan of a table that is read as of `lsn`, bound to its topic and schemas.
    pub(crate) async fn plan_of_rows(
        &mut self,
        relation: Relation,
        facts: TableMetadata,
        lsn: Lsn,
    ) -> Result<RowsPlan, EncodeError> {
        let table = TableName::from(&relation);
        let (facts, plan) = match self.plan_by_snapshot(&relation, facts, lsn).await {
            Ok((facts, plan)) => (facts, plan),
            Err(fault) if self.dead_letters.action(&table) == OnError::Quarantine => {
                return Err(self.quarantine_rows(relation.oid, &table, lsn, fault));
            }
            Err(fault) => return Err(fault),
        };
        Ok(RowsPlan {
            events: self.is_outbox(&table).then(|| self.outboxes.events(&table)),
            table,
            relation,
            key: CatalogKey::from(&facts),
            metadata: facts,
            plan,
            streams: None,
            is_from_first_row: false,
        })
    }

    /// Has the streams of a table that was read to its end continue from the events that were read.
    pub(crate) fn add_streams(&mut self, rows: &mut RowsPlan) {
        if let (Some(read), Ok(plan)) = (rows.streams.take(), &rows.plan) {
            self.streams.add(rows.relation.oid, plan, read);
        }
    }

    /// Plan of rows with the metadata of their snapshot, completed by what is known of the table.
    async fn plan_by_snapshot(
        &mut self,
        relation: &Relation,
        facts: TableMetadata,
        lsn: Lsn,
    ) -> Result<(TableMetadata, Result<Box<Plan>, Rejection>), EncodeError> {
        let facts = self.complete(relation, facts, None)?;
        let plan = match self.plan_of(relation, &facts).await {
            Ok(plan) => {
                self.history
                    .record(relation, &facts, ChangePosition::of_snapshot(lsn));
                Ok(Box::new(plan))
            }
            Err(fault) => {
                let keeps = self.dead_letters.action(&TableName::from(relation)) == OnError::DeadLetter;
                match fault.rejection(self.dead_letters.describe) {
                    Some(rejection) if keeps => Err(rejection),
                    _ => return Err(fault),
                }
            }
        };
        Ok((facts, plan))
    }

    /// Encodes a row, or writes a dead letter; true if the row is a record. Fails with [`EncodeError::Quarantined`] if its table is
    /// quarantined because of it.
    pub(crate) async fn encode_row(
        &mut self,
        rows: &mut RowsPlan,
        row: Tuple<'_>,
        context: &ReadContext,
        batch: &mut RecordBuffer,
    ) -> Result<bool, EncodeError> {
        let fault = match self.try_encode_row(rows, row, context, batch).await {
            Ok(event) => {
                if let Some(events) = &rows.events {
                    events.count();
                }
                rows.remember(event, context.row.table);
                if let Ok(plan) = &mut rows.plan
                    && let Some(error) = plan.take_failed_upcast()
                {
                    self.streams.report_read_upcast(&rows.table, &error);
                }
                return Ok(true);
            }
            Err(fault) => fault,
        };
        // The event after this one would seem to violate the order of its stream.
        rows.streams = None;
        if let Some(error) = fault.failed_upcast() {
            self.streams.report_read_upcast(&rows.table, error);
        }
        let of_violation = rows
            .plan
            .as_ref()
            .ok()
            .and_then(|plan| action_for_violation(plan, &fault));
        let rejection = match of_violation.unwrap_or_else(|| self.dead_letters.action(&rows.table)) {
            OnError::Halt => return Err(fault),
            OnError::Quarantine => {
                return Err(self.quarantine_rows(rows.oid(), &rows.table, context.lsn, fault));
            }
            OnError::DeadLetter => fault.rejection(self.dead_letters.describe),
        };
        let Some(rejection) = rejection else {
            return Err(fault);
        };
        let letter = DeadLetter {
            relation: &rows.relation,
            key_columns: &rows.key.columns,
            has_unsent_key_columns: rows.key.has_unsent,
            event: UndeliverableEvent::Read(row),
            source: DeadLetterSource::Read(*context),
            reason: rejection.reason,
            error: &rejection.error,
        };
        self.dead_letters
            .write(&mut self.registrar, &letter, batch)
            .await?;
        Ok(false)
    }

    /// Encodes the delete of a row that no longer exists, given by its key. Fails with a rejection if the reason is in
    /// the key or the table.
    pub(crate) fn encode_delete_of_missing_row(
        &self,
        rows: &mut RowsPlan,
        key: &FormerKey,
        context: &MissingRowContext,
        batch: &mut RecordBuffer,
    ) -> Result<(), String> {
        let plan = rows.plan.as_mut().map_err(|rejection| rejection.error.clone())?;
        let tuple = missing_row_tuple(&rows.relation, &rows.key.columns, self.config, &key.0);
        let Some(tuple) = tuple else {
            return Err(
                "it is not the key of the table's records, or its replica identity is the whole row"
                    .to_owned(),
            );
        };
        let tuple = Tuple::read(&mut Reader::new(&tuple)).expect("the tuple was encoded by this crate");
        plan.encode_delete_of_missing_row(tuple, context, batch)
            .map_err(|error| self.dead_letters.describe.error(&error))
    }

    async fn try_encode_row(
        &mut self,
        rows: &mut RowsPlan,
        row: Tuple<'_>,
        context: &ReadContext,
        batch: &mut RecordBuffer,
    ) -> Result<Option<StreamEvent>, EncodeError> {
        loop {
            let plan = match &mut rows.plan {
                Ok(plan) => plan,
                Err(rejection) => return Err(EncodeError::Refused(rejection.clone())),
            };
            let event = plan.stream_event(row).map_err(EncodeError::Map)?;
            let event_topics = EventTopics {
                owners: &self.owners,
                dead_letters: &self.dead_letters,
                used: &self.outbox_topics,
                config: self.config,
            };
            let encoded = encode_binding_topics(&mut self.registrar, event_topics, plan, |plan| {
                plan.encode_read(row, context, batch)
            });
            let error = match encoded.await? {
                Ok(()) => return Ok(event),
                Err(error) => error,
            };
            match error {
                // The limits may have been raised since the table was opened.
                MapError::TooLarge { .. } => {
                    refresh_limits(&mut self.registrar, plan, error).await?;
                    let encoded = plan.encode_read(row, context, batch);
                    return encoded.map(|()| event).map_err(EncodeError::Map);
                }
                // A snapshot does not hold labels: the server sends the present ones, which may have been added or renamed
                // since the table was opened.
                MapError::UnknownEnumLabel { type_oid, .. }
                    if rows.metadata.former_labels.insert(type_oid) =>
                {
                    warn!(relation = %rows.table, %error, "labels were altered while rows are read, recompiling the schema");
                    rows.plan = Ok(Box::new(self.plan_of(&rows.relation, &rows.metadata).await?));
                }
                error => return Err(EncodeError::Map(error)),
            }
        }
    }
}
