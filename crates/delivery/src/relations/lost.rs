//! Changes that no record can be made of. Where their table has dead letters they become such, otherwise the fault stands.

use tokio::time::Instant;
use walcast_mapper::{
    Batch, ChangeContext, DeadLetter, LetterPlace, LostEvent, MapError, Operation, Plan, RowChange, TableName,
};
use walcast_pgoutput::Oid;

use super::{EncodeFault, RefusedRelation, Relations, TRIED_AGAIN_AFTER, Table};
use crate::dead_letters::Refusal;
use crate::edge::{Catalog, SchemaRegistry, Topics};
use crate::registrar::Registrar;

impl<C: Catalog, T: Topics, R: SchemaRegistry> Relations<'_, C, T, R> {
    /// Whether changes of a table that cannot be delivered become dead letters.
    #[cold]
    pub(super) fn keeps(&self, oid: Oid) -> bool {
        self.relation(oid)
            .is_some_and(|relation| self.dead_letters.keep(&TableName::from(relation)))
    }

    #[cold]
    pub(super) async fn lose_change(
        &mut self,
        oid: Oid,
        change: &RowChange<'_>,
        context: &ChangeContext,
        fault: EncodeFault,
        batch: &mut Batch,
    ) -> Result<bool, EncodeFault> {
        let operations: &[Operation] = match change {
            RowChange::Insert { .. } => &[Operation::Create],
            // One that moves its row is a delete and a create.
            RowChange::Update { .. } => &[Operation::Update, Operation::Delete, Operation::Create],
            RowChange::Delete { .. } => &[Operation::Delete],
        };
        let place = LetterPlace::Change {
            context: *context,
            part: 0,
        };
        self.lose(oid, LostEvent::Change(*change), operations, place, fault, batch)
            .await
    }

    #[cold]
    pub(super) async fn lose_truncate(
        &mut self,
        oid: Oid,
        part: u32,
        context: &ChangeContext,
        fault: EncodeFault,
        batch: &mut Batch,
    ) -> Result<bool, EncodeFault> {
        let place = LetterPlace::Change {
            context: *context,
            part,
        };
        self.lose(
            oid,
            LostEvent::Truncate,
            &[Operation::Truncate],
            place,
            fault,
            batch,
        )
        .await
    }

    /// True when a letter was written, false when there would have been no record either.
    async fn lose(
        &mut self,
        oid: Oid,
        event: LostEvent<'_>,
        operations: &[Operation],
        place: LetterPlace,
        fault: EncodeFault,
        batch: &mut Batch,
    ) -> Result<bool, EncodeFault> {
        let Some(refusal) = Refusal::of(&fault).filter(|_| self.keeps(oid)) else {
            return Err(fault);
        };
        let sent = &self.config.events.operations;
        if !operations.iter().any(|operation| sent.contains(operation)) {
            return Ok(false);
        }
        let Some(relation) = self.known.get(&oid).and_then(Table::relation) else {
            return Err(fault);
        };
        let letter = DeadLetter {
            relation,
            key_columns: self.keys.get(&oid).map_or(&[], Vec::as_slice),
            event,
            place,
            reason: refusal.reason,
            error: &refusal.error,
        };
        self.dead_letters
            .write(&mut self.registrar, &letter, batch)
            .await?;
        Ok(true)
    }

    /// A table of which no plan can be made is not tried again with every row.
    pub(super) fn set_aside(&mut self, oid: Oid, fault: &EncodeFault) {
        let Some(refusal) = Refusal::of(fault).filter(|_| self.keeps(oid)) else {
            return;
        };
        let Some(relation) = self.relation(oid).cloned() else {
            return;
        };
        let refused = RefusedRelation {
            relation,
            refusal,
            tried_again_at: Instant::now() + TRIED_AGAIN_AFTER,
        };
        self.known.insert(oid, Table::Refused(Box::new(refused)));
    }

    /// A record is too large by the limits that were asked for when its table was mapped: they may have been raised since.
    /// Fails with `error` when they were not.
    #[cold]
    pub(super) async fn ask_limits_again(&mut self, oid: Oid, error: MapError) -> Result<(), EncodeFault> {
        let Some(Table::Captured(captured)) = self.known.get_mut(&oid) else {
            return Err(EncodeFault::UnknownRelation);
        };
        limit_again(&mut self.registrar, &mut captured.plan, error).await
    }
}

/// Sets the limits of a plan anew, by which a record is too large. Fails with `error` when they are as they were.
#[cold]
pub(super) async fn limit_again<T: Topics, R: SchemaRegistry>(
    registrar: &mut Registrar<'_, T, R>,
    plan: &mut Plan,
    error: MapError,
) -> Result<(), EncodeFault> {
    let limits = registrar.limits(plan.topic()).await?;
    if plan.limits() == Some(limits) {
        return Err(EncodeFault::Map(error));
    }
    plan.limit(limits);
    Ok(())
}
