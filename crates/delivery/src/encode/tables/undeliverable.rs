//! Undeliverable changes: they become dead letters, or their table is quarantined, if so configured; otherwise the error stands.

use tokio::time::Instant;
use walcast_mapper::config::{OnViolation, Operation};
use walcast_mapper::dead_letter::{DeadLetter, DeadLetterSource, UndeliverableEvent};
use walcast_mapper::{ChangeContext, MapError, Plan, RecordBuffer, RowChange, TableName};
use walcast_pgoutput::Oid;

use super::{CatalogKey, RETRY_PLAN_AFTER, RejectedRelation, Table};
use crate::encode::dead_letters::config::OnError;
use crate::encode::encode_error::EncodeError;
use crate::encode::ports::EncodePorts;
use crate::encode::registrar::Registrar;
use crate::encode::tables::TableEncoder;
use crate::ports::registry::SchemaRegistry;
use crate::ports::topics::Topics;
use crate::quarantine::FirstMissing;

impl<E: EncodePorts> TableEncoder<'_, E> {
    /// Whether the connector continues after an undeliverable change of a table.
    #[cold]
    pub(super) fn continues(&self, oid: Oid) -> bool {
        self.action_of(oid) != OnError::Halt
    }

    fn action_of(&self, oid: Oid) -> OnError {
        let relation = self.relation(oid);
        relation.map_or(OnError::Halt, |relation| {
            self.dead_letters.action(&TableName::from(relation))
        })
    }

    /// Action for a change with this error: a violation of an event store has a setting of its own.
    fn action_for(&self, oid: Oid, fault: &EncodeError) -> OnError {
        let plan = match self.known.get(&oid) {
            Some(Table::Captured(captured)) => Some(&captured.plan),
            _ => None,
        };
        let of_violation = plan.and_then(|plan| action_for_violation(plan, fault));
        of_violation.unwrap_or_else(|| self.action_of(oid))
    }

    #[cold]
    pub(super) async fn divert_change(
        &mut self,
        oid: Oid,
        change: &RowChange<'_>,
        context: &ChangeContext<'_>,
        fault: EncodeError,
        batch: &mut RecordBuffer,
    ) -> Result<bool, EncodeError> {
        if let Some(Table::Quarantined(quarantined)) = self.known.get(&oid) {
            quarantined.count(change);
            return Ok(false);
        }
        let operations: &[Operation] = match change {
            RowChange::Insert { .. } => &[Operation::Create],
            // An update that moves its row is a delete and a create.
            RowChange::Update { .. } => &[Operation::Update, Operation::Delete, Operation::Create],
            RowChange::Delete { .. } => &[Operation::Delete],
        };
        let event = UndeliverableEvent::Change(*change);
        self.divert(oid, event, operations, (context, 0), fault, batch)
            .await
    }

    #[cold]
    pub(super) async fn divert_truncate(
        &mut self,
        oid: Oid,
        part: u32,
        context: &ChangeContext<'_>,
        fault: EncodeError,
        batch: &mut RecordBuffer,
    ) -> Result<bool, EncodeError> {
        if let Some(Table::Quarantined(quarantined)) = self.known.get(&oid) {
            quarantined.count_truncate();
            return Ok(false);
        }
        let (event, operations) = (UndeliverableEvent::Truncate, [Operation::Truncate]);
        self.divert(oid, event, &operations, (context, part), fault, batch)
            .await
    }

    /// Writes a dead letter, or quarantines the table. True if a dead letter was written, false if there is no record.
    async fn divert(
        &mut self,
        oid: Oid,
        event: UndeliverableEvent<'_>,
        operations: &[Operation],
        (context, part): (&ChangeContext<'_>, u32),
        fault: EncodeError,
        batch: &mut RecordBuffer,
    ) -> Result<bool, EncodeError> {
        let sent = &self.config.events.operations;
        let is_sent = operations.iter().any(|operation| sent.contains(operation));
        let rejection = match self.action_for(oid, &fault) {
            OnError::Halt => return Err(fault),
            OnError::DeadLetter => fault.rejection(self.dead_letters.describe),
            OnError::Quarantine => {
                let Some(cause) = fault.quarantine_cause(self.dead_letters.describe) else {
                    return Err(fault);
                };
                if is_sent {
                    let missing = FirstMissing::of_change(context.into(), context.lsn);
                    self.quarantine_from(oid, missing, cause);
                }
                return Ok(false);
            }
        };
        let Some(rejection) = rejection else {
            return Err(fault);
        };
        if !is_sent {
            return Ok(false);
        }
        let Some(relation) = self.known.get(&oid).and_then(Table::relation) else {
            return Err(fault);
        };
        let no_key = CatalogKey::default();
        let key = self.keys.get(&oid).unwrap_or(&no_key);
        let dead_letter = DeadLetter {
            relation,
            key_columns: &key.columns,
            has_unsent_key_columns: key.has_unsent,
            event,
            source: DeadLetterSource::Change {
                context: *context,
                part,
            },
            reason: rejection.reason,
            error: &rejection.error,
        };
        self.dead_letters
            .write(&mut self.registrar, &dead_letter, batch)
            .await?;
        Ok(true)
    }

    /// Remembers that no plan can be made of a table, so that it is not tried again for every row.
    pub(super) fn remember_rejection(&mut self, oid: Oid, fault: &EncodeError) {
        let Some(rejection) = fault
            .rejection(self.dead_letters.describe)
            .filter(|_| self.continues(oid))
        else {
            return;
        };
        let Some(relation) = self.relation(oid).cloned() else {
            return;
        };
        let rejected = RejectedRelation {
            relation,
            rejection,
            retry_at: Instant::now() + RETRY_PLAN_AFTER,
        };
        self.known.insert(oid, Table::Refused(Box::new(rejected)));
    }

    /// Updates the size limits of a table, which may have been raised since the table was mapped. Fails with `error` if
    /// they are unchanged.
    #[cold]
    pub(super) async fn refresh_limits_of(&mut self, oid: Oid, error: MapError) -> Result<(), EncodeError> {
        let Some(Table::Captured(captured)) = self.known.get_mut(&oid) else {
            return Err(EncodeError::UnknownRelation);
        };
        refresh_limits(&mut self.registrar, &mut captured.plan, error).await
    }
}

/// Action for a violation of an event store, by the setting of the store; `None` for other errors.
pub(super) fn action_for_violation(plan: &Plan, fault: &EncodeError) -> Option<OnError> {
    let rules = plan.stream_rules().filter(|_| fault.is_violation())?;
    match rules.on_violation {
        OnViolation::Warn => None,
        OnViolation::DeadLetter => Some(OnError::DeadLetter),
        OnViolation::Halt => Some(OnError::Halt),
    }
}

/// Updates the size limits of a plan. Fails with `error` if they are unchanged.
#[cold]
pub(super) async fn refresh_limits<T: Topics, R: SchemaRegistry>(
    registrar: &mut Registrar<'_, T, R>,
    plan: &mut Plan,
    error: MapError,
) -> Result<(), EncodeError> {
    let limits = registrar.limits(plan.limited_topic()).await?;
    if plan.limits() == Some(limits) {
        return Err(EncodeError::Map(error));
    }
    plan.limit(limits);
    Ok(())
}
