//! Plans of tables: metadata of the schema under which a row was written, the plan compiled from it, its topic and schemas.

use tracing::warn;
use walcast_mapper::config::Operation;
use walcast_mapper::names;
use walcast_mapper::{ChangeContext, MapError, Plan, RowChange, TableMetadata, TableName, WithoutKey};
use walcast_pgoutput::{Oid, Relation};

use super::{CatalogKey, Table};
use crate::batch::builder::Records;
use crate::encode::dead_letters::config::OnError;
use crate::encode::encode_error::EncodeError;
use crate::encode::ports::EncodePorts;
use crate::encode::tables::TableEncoder;
use crate::encode::tables::observed::Observed;
use crate::encode::tables::row_topics::{EventTopics, encode_binding_topics};
use crate::error::DeliveryError;
use crate::ports::catalog::Catalog;
use crate::schema_history::completion::{Sources, complete};
use crate::schema_history::{ChangePosition, TableSchema};

impl<E: EncodePorts> TableEncoder<'_, E> {
    /// Plan of a relation for the change at `context` and the changes after it: with the schema under which the change was
    /// delivered before, if it was, else with the catalog's.
    pub(super) async fn plan(
        &mut self,
        relation: &Relation,
        context: &ChangeContext<'_>,
    ) -> Result<Plan, EncodeError> {
        if self.is_message_outbox(relation.oid) {
            return self.plan_of(relation, &TableMetadata::default()).await;
        }
        match self.history.delivered_with(relation, context.into()) {
            Some(metadata) => {
                let metadata = metadata.clone();
                self.keys.insert(relation.oid, CatalogKey::from(&metadata));
                self.plan_of(relation, &metadata).await
            }
            None => {
                self.plan_by_catalog(relation, &Observed::default(), context)
                    .await
            }
        }
    }

    /// Plan of a relation with the catalog's metadata, completed by the schema history.
    async fn plan_by_catalog(
        &mut self,
        relation: &Relation,
        observed: &Observed,
        context: &ChangeContext<'_>,
    ) -> Result<Plan, EncodeError> {
        let catalog = self
            .catalog
            .table_metadata(relation, Some(context.xid))
            .await
            .map_err(DeliveryError::Source)?;
        let at = ChangePosition::from(context);
        let mut metadata = self.complete(relation, catalog, self.history.nearest(relation.oid, at))?;
        observed.apply(&mut metadata);
        self.keys.insert(relation.oid, CatalogKey::from(&metadata));
        let plan = self.plan_of(relation, &metadata).await?;
        self.history.record(relation, &metadata, at);
        Ok(plan)
    }

    /// Metadata of a relation from the catalog and from what is known of the table.
    pub(super) fn complete(
        &self,
        relation: &Relation,
        catalog: TableMetadata,
        known: Option<&TableSchema>,
    ) -> Result<TableMetadata, EncodeError> {
        let table = TableName::from(relation);
        let sources = Sources {
            catalog,
            known,
            named_types: &self.named_types,
            types: &self.config.types,
            has_configured_key: self.config.keys.iter().any(|rule| rule.tables.matches(&table)),
        };
        complete(relation, sources).map_err(EncodeError::Map)
    }

    /// Compiles a plan and binds it to its topic and schemas.
    pub(super) async fn plan_of(
        &mut self,
        relation: &Relation,
        metadata: &TableMetadata,
    ) -> Result<Plan, EncodeError> {
        let mut plan = Plan::compile(relation, metadata, self.config).map_err(EncodeError::Map)?;
        for (setting, pattern) in self
            .config
            .columns
            .withholding_nothing(plan.table(), &relation.columns)
        {
            warn!(
                table = %plan.table(), setting, %pattern,
                "the table has no such column (any more), so the pattern withholds nothing: if the column was renamed, its values are sent \
                 as they are; a later start is rejected unless the pattern is corrected or ends with *"
            );
        }
        let action = self.dead_letters.action(plan.table());
        if plan.outbox_updates().is_some() {
            // Its rows name their topics. Each is created and has its schemas registered before its first record.
            if action != OnError::Halt {
                plan.limit_new_topics();
            }
            return Ok(plan);
        }
        let own = names::unrouted_topic(self.config, plan.table());
        let is_routed = plan.topic() != own;
        self.claim(&own, relation).await?;
        self.registrar.bind_plan(&mut plan).await?;
        if !is_routed && plan.topic() != own {
            // The topic of a later version may be the name of another table's topic.
            self.claim(plan.topic(), relation).await?;
        }
        self.check_keys(&plan).await?;
        if action == OnError::Quarantine
            && let Some(error) = self.dead_letters.rejected_topic(plan.topic())
        {
            return Err(EncodeError::RejectedTopic(error.to_owned()));
        }
        // If an oversized record halts the connector, Kafka reports which record it is.
        if action != OnError::Halt {
            plan.limit(self.registrar.limits(plan.topic()).await?);
        }
        self.schemas.set(plan.table(), plan.topic(), plan.schema_ids());
        Ok(plan)
    }

    /// Rejects a table whose records a compacted topic would not take, and warns of truncations that it would not take.
    async fn check_keys(&mut self, plan: &Plan) -> Result<(), EncodeError> {
        let sends_truncations = self.config.events.operations.contains(&Operation::Truncate);
        if plan.has_key() && !sends_truncations || !self.registrar.is_compacted(plan.topic()).await? {
            return Ok(());
        }
        let missing = |of| MapError::KeyMissing {
            table: plan.table().clone(),
            topic: plan.topic().to_owned(),
            of,
        };
        if !plan.has_key() {
            return Err(EncodeError::Map(missing(WithoutKey::Row)));
        }
        let error = self.dead_letters.describe.error(&missing(WithoutKey::Truncation));
        warn!(relation = %plan.table(), error, "a TRUNCATE of this table cannot be delivered");
        Ok(())
    }

    /// Compiles the plan again, because the catalog has changed since the row was written, or had changed before the
    /// plan was made. The row overrides the catalog; each further contradiction takes another round.
    pub(super) async fn encode_with_new_plan(
        &mut self,
        oid: Oid,
        mut error: MapError,
        change: &RowChange<'_>,
        context: &ChangeContext<'_>,
        records: &mut Records<'_>,
    ) -> Result<(), EncodeError> {
        let Some(Table::Captured(mut captured)) = self.known.remove(&oid) else {
            return Err(EncodeError::UnknownRelation);
        };
        let mut last = None;
        while captured.observed.add(&error, last.as_ref() == Some(&error)) {
            warn!(relation = %captured.plan.table(), %error, "catalog and WAL disagree, recompiling the schema");
            captured.plan = match self
                .plan_by_catalog(&captured.relation, &captured.observed, context)
                .await
            {
                Ok(plan) => plan,
                Err(fault) => {
                    self.known.insert(oid, Table::Named(captured.relation));
                    return Err(fault);
                }
            };
            let event_topics = EventTopics {
                owners: &self.owners,
                dead_letters: &self.dead_letters,
                used: &self.outbox_topics,
                config: self.config,
            };
            let encoded =
                encode_binding_topics(&mut self.registrar, event_topics, &mut captured.plan, |plan| {
                    plan.encode(change, context, records.counts.as_deref_mut(), records.buffer)
                });
            match encoded.await {
                Ok(Err(next)) => last = Some(std::mem::replace(&mut error, next)),
                ended => {
                    self.known.insert(oid, Table::Captured(captured));
                    return ended?.map_err(EncodeError::Map);
                }
            }
        }
        // Other rows may match the plan.
        self.known.insert(oid, Table::Captured(captured));
        Err(EncodeError::Map(error))
    }
}
