//! Tables of one session, each with the plan by which its rows become records.

mod counters;
mod delivered;
mod event_order;
mod message_outboxes;
mod observed;
mod planning;
pub(crate) mod polled;
mod quarantined;
mod row_topics;
pub(crate) mod rows;
mod skipped;
pub(crate) mod streams;
mod topic_owner;
mod undeliverable;

use std::collections::{HashMap, HashSet};

use tokio::time::{Duration, Instant};
use tracing::{info, warn};
use walcast_mapper::config::Operation;
use walcast_mapper::{
    ChangeContext, MapError, MapperConfig, MessageOutbox, Plan, RecordBuffer, RowChange, TableMetadata,
    TableName, WithoutKey,
};
use walcast_pgoutput::{Oid, Relation, TypeMessage};

use self::counters::OperationCounters;
use self::observed::Observed;
use self::skipped::QuarantinedRelation;
use self::streams::{Fate, Streams};
use super::reselect;
use crate::batch::builder::Records;
use crate::encode::dead_letters::writer::DeadLetters;
use crate::encode::encode_error::EncodeError;
use crate::encode::owners::Owners;
use crate::encode::ports::EncodePorts;
use crate::encode::registrar::Registrar;
use crate::encode::rejection::Rejection;
use crate::encode::tables::row_topics::{EventTopics, encode_binding_topics};
use crate::error::DeliveryError;
use crate::metrics::Metrics;
use crate::ports::catalog::Catalog;
use crate::quarantine::current::CurrentQuarantines;
use crate::schema_history::SchemaHistory;
use crate::state::outbox_topics::OutboxTopics;
use crate::state::outboxes::{OutboxEvents, OutboxesState};
use crate::state::schemas::SchemasState;

/// Tables that Relation messages of this session have described. Relation OIDs of an earlier session are not reused.
pub(crate) struct TableEncoder<'a, E: EncodePorts> {
    catalog: E::Catalog,
    registrar: Registrar<'a, E::Topics, E::Registry>,
    config: &'a MapperConfig,
    metrics: &'a Metrics,
    known: HashMap<Oid, Table>,
    /// Keys of the tables, from the catalog.
    keys: HashMap<Oid, CatalogKey>,
    /// Tables for which a skipped `TRUNCATE` was logged.
    truncates_logged: HashSet<TableName>,
    /// Outbox tables for which a skipped update was logged.
    updates_logged: HashSet<TableName>,
    dead_letters: DeadLetters<'a>,
    owners: Owners,
    /// Schemas under which rows were delivered.
    pub(super) history: SchemaHistory,
    /// Types that the stream has named.
    named_types: HashMap<Oid, TypeMessage>,
    /// Tables that are set aside.
    pub(crate) quarantines: CurrentQuarantines,
    /// Streams of event stores.
    streams: Streams<'a>,
    outboxes: OutboxesState,
    /// Topics to which events of outboxes were sent.
    outbox_topics: OutboxTopics,
    /// Outboxes without a table, each of which stands for one.
    message_outboxes: Vec<MessageOutbox>,
    /// Topics and schemas of tables, for observers.
    schemas: SchemasState,
}

/// Key of a table in the catalog.
#[derive(Clone, Debug, Default)]
struct CatalogKey {
    columns: Vec<String>,
    /// Whether the key has columns that the server does not send.
    has_unsent: bool,
}

impl From<&TableMetadata> for CatalogKey {
    fn from(metadata: &TableMetadata) -> Self {
        Self {
            columns: metadata.key_columns.clone(),
            has_unsent: !metadata.unsent_key_columns.is_empty(),
        }
    }
}

enum Table {
    /// The table is in the publication but not captured by the configuration.
    NotCaptured,
    /// The table was described, but no row has arrived. A partition whose changes are sent as the root's is described
    /// too.
    Named(Relation),
    Captured(Box<CapturedRelation>),
    /// No record can be made of the table's rows at present.
    Refused(Box<RejectedRelation>),
    /// Changes of the table are skipped.
    Quarantined(Box<QuarantinedRelation>),
}

impl Table {
    /// Latest description of the table in the stream; `None` if the table is not captured.
    fn relation(&self) -> Option<&Relation> {
        match self {
            Self::Captured(captured) => Some(&captured.relation),
            Self::Refused(refused) => Some(&refused.relation),
            Self::Quarantined(quarantined) => Some(&quarantined.relation),
            Self::Named(relation) => Some(relation),
            Self::NotCaptured => None,
        }
    }
}

/// Table without a plan. The registry may accept its schema later.
struct RejectedRelation {
    relation: Relation,
    rejection: Rejection,
    retry_at: Instant,
}

/// Time after which a plan is tried again for a table without one.
const RETRY_PLAN_AFTER: Duration = Duration::from_secs(60);

struct CapturedRelation {
    relation: Relation,
    plan: Plan,
    /// What rows contain although the catalog excludes it.
    observed: Observed,
    changes: OperationCounters,
    /// Events of an outbox; `None`: the table is none.
    events: Option<OutboxEvents>,
}

impl<'a, E: EncodePorts> TableEncoder<'a, E> {
    #[expect(
        clippy::too_many_arguments,
        reason = "called once, with all parts of a session"
    )]
    pub(crate) fn new(
        catalog: E::Catalog,
        registrar: Registrar<'a, E::Topics, E::Registry>,
        config: &'a MapperConfig,
        metrics: &'a Metrics,
        dead_letters: DeadLetters<'a>,
        owners: Owners,
        history: SchemaHistory,
        quarantines: CurrentQuarantines,
        streams: Streams<'a>,
        outboxes: OutboxesState,
        outbox_topics: OutboxTopics,
    ) -> Self {
        let message_outboxes = MessageOutbox::all(config);
        let known = message_outboxes.iter().map(|outbox| {
            let relation = outbox.relation().clone();
            (relation.oid, Table::Named(relation))
        });
        Self {
            known: known.collect(),
            catalog,
            registrar,
            config,
            metrics,
            keys: HashMap::new(),
            truncates_logged: HashSet::new(),
            updates_logged: HashSet::new(),
            dead_letters,
            owners,
            history,
            named_types: HashMap::new(),
            quarantines,
            streams,
            outboxes,
            outbox_topics,
            message_outboxes,
            schemas: SchemasState::default(),
        }
    }

    /// Has the schemas of tables shown to observers.
    pub(crate) fn reporting_schemas_to(mut self, schemas: SchemasState) -> Self {
        self.schemas = schemas;
        self
    }

    /// Whether a table is an outbox.
    pub(crate) fn is_outbox(&self, table: &TableName) -> bool {
        self.config.outbox_of(table).is_some()
    }

    /// Access to topics and schemas, for events that belong to no relation.
    pub(crate) fn registrar(&mut self) -> &mut Registrar<'a, E::Topics, E::Registry> {
        &mut self.registrar
    }

    /// Appends the tombstones of dead letters, which resolve them.
    pub(crate) async fn resolve_dead_letters(
        &mut self,
        letters: &[String],
        batch: &mut RecordBuffer,
    ) -> Result<(), DeliveryError> {
        self.dead_letters
            .resolve(&mut self.registrar, letters, batch)
            .await
    }

    /// Access to the catalog.
    pub(crate) fn catalog(&mut self) -> &mut E::Catalog {
        &mut self.catalog
    }

    /// Name of a captured table.
    pub(crate) fn name_of(&self, oid: Oid) -> Option<TableName> {
        self.relation(oid).map(TableName::from)
    }

    /// Latest description of a captured table in the stream.
    fn relation(&self, oid: Oid) -> Option<&Relation> {
        self.known.get(&oid)?.relation()
    }

    /// Adds the table that a Relation message describes.
    pub(crate) fn add_relation(&mut self, relation: Relation) {
        let oid = relation.oid;
        let name = TableName::from(&relation);
        let is_captured = self.catalog.captures(&name);
        if !is_captured || !self.is_outbox(&name) {
            self.outboxes.leave(oid);
        }
        let table = if !is_captured {
            Table::NotCaptured
        } else if self.quarantines.is_skipping(oid) {
            self.quarantined(relation)
        } else {
            Table::Named(relation)
        };
        self.known.insert(oid, table);
    }

    /// Adds the name of a type.
    pub(crate) fn add_type(&mut self, named: TypeMessage) {
        self.named_types.insert(named.oid, named);
    }

    /// Makes the plan of a table that has none, unless a recent attempt has failed.
    #[inline]
    async fn map_if_due(&mut self, oid: Oid, context: &ChangeContext<'_>) -> Result<(), EncodeError> {
        let relation = match self.known.get(&oid) {
            Some(Table::Captured(_) | Table::NotCaptured | Table::Quarantined(_)) | None => return Ok(()),
            Some(Table::Named(relation)) => relation.clone(),
            Some(Table::Refused(refused)) if Instant::now() < refused.retry_at => {
                return Err(EncodeError::Refused(refused.rejection.clone()));
            }
            Some(Table::Refused(refused)) => refused.relation.clone(),
        };
        let mapped = self.map(relation, context).await;
        if let Err(fault) = &mapped {
            self.remember_rejection(oid, fault);
        }
        mapped
    }

    /// Compiles the plan of a relation and registers its schemas, before its first row.
    #[cold]
    async fn map(&mut self, relation: Relation, context: &ChangeContext<'_>) -> Result<(), EncodeError> {
        let (oid, name) = (relation.oid, TableName::from(&relation));
        let plan = self.plan(&relation, context).await?;
        info!(relation = %name, topic = plan.topic(), columns = relation.columns.len(), "relation mapped");
        let changes = OperationCounters::new(&self.metrics.changes, &name);
        let captured = CapturedRelation {
            events: self.is_outbox(&name).then(|| self.outboxes.events(&name)),
            relation,
            plan,
            observed: Observed::default(),
            changes,
        };
        self.known.insert(oid, Table::Captured(Box::new(captured)));
        Ok(())
    }

    /// Encodes a change, writes a dead letter, or quarantines its table. False if the change makes no record: its table is not
    /// captured or is quarantined, or its operation makes no event.
    #[inline]
    pub(crate) async fn encode(
        &mut self,
        oid: Oid,
        change: &RowChange<'_>,
        context: &ChangeContext<'_>,
        records: &mut Records<'_>,
    ) -> Result<bool, EncodeError> {
        let encoded = match self.dead_letters.rejection(context) {
            Some(rejection) if self.continues(oid) => Err(EncodeError::Refused(rejection)),
            _ => self.try_encode(oid, change, context, records).await,
        };
        match encoded {
            Err(fault) => {
                if !fault.is_violation() {
                    self.streams.forget(oid);
                }
                if let Some(error) = fault.failed_upcast()
                    && let Some(table) = self.name_of(oid)
                {
                    self.streams.report_upcast(&table, error, context);
                }
                self.divert_change(oid, change, context, fault, records.buffer)
                    .await
            }
            done => done,
        }
    }

    #[inline]
    async fn try_encode(
        &mut self,
        oid: Oid,
        change: &RowChange<'_>,
        context: &ChangeContext<'_>,
        records: &mut Records<'_>,
    ) -> Result<bool, EncodeError> {
        self.map_if_due(oid, context).await?;
        let captured = match self.known.get_mut(&oid) {
            Some(Table::Captured(captured)) => captured,
            Some(Table::NotCaptured) => return Ok(false),
            Some(Table::Quarantined(quarantined)) => {
                quarantined.count(change);
                return Ok(false);
            }
            Some(Table::Named(_) | Table::Refused(_)) | None => return Err(EncodeError::UnknownRelation),
        };
        let compared = self.streams.compare(oid, &mut captured.plan, change, context);
        if compared.map_err(EncodeError::Map)? == Fate::Skip {
            return Ok(false);
        }
        let before = records.buffer.record_count();
        let completed = match captured.plan.reselect_request(change) {
            None => None,
            Some(unsent) => reselect::complete(&mut self.catalog, &unsent, change).await?,
        };
        let change = &match &completed {
            None => *change,
            Some(row) => reselect::with_row(change, row),
        };
        let event_topics = EventTopics {
            owners: &self.owners,
            dead_letters: &self.dead_letters,
            used: &self.outbox_topics,
            config: self.config,
        };
        let encoded = encode_binding_topics(&mut self.registrar, event_topics, &mut captured.plan, |plan| {
            plan.encode(change, context, records.counts.as_deref_mut(), records.buffer)
        });
        match encoded.await? {
            Ok(()) => {}
            Err(error) if error.is_stale_metadata() => {
                self.encode_with_new_plan(oid, error, change, context, records)
                    .await?
            }
            Err(error @ MapError::TooLarge { .. }) => {
                self.refresh_limits_of(oid, error).await?;
                let Some(Table::Captured(captured)) = self.known.get_mut(&oid) else {
                    return Err(EncodeError::UnknownRelation);
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
                encoded.await?.map_err(EncodeError::Map)?;
            }
            Err(error) => return Err(EncodeError::Map(error)),
        }
        let has_records = records.buffer.record_count() > before;
        if let Some(Table::Captured(captured)) = self.known.get_mut(&oid) {
            if let Some(error) = captured.plan.take_failed_upcast() {
                self.streams.report_upcast(captured.plan.table(), &error, context);
            }
            if has_records {
                captured.changes.count(change);
                if let Some(events) = &captured.events {
                    events.count();
                }
            } else if let (RowChange::Update { .. }, Some(on_update)) =
                (change, captured.plan.outbox_updates())
                && self.config.events.operations.contains(&Operation::Update)
                && self.updates_logged.insert(captured.plan.table().clone())
            {
                skipped::log_update(captured.plan.table(), on_update, context);
            }
        }
        Ok(has_records)
    }

    /// Encodes a `TRUNCATE`, one event for each captured table; false if there is none.
    pub(crate) async fn encode_truncate(
        &mut self,
        oids: &[Oid],
        context: &ChangeContext<'_>,
        records: &mut Records<'_>,
    ) -> Result<bool, EncodeError> {
        let before = records.buffer.record_count();
        for (part, oid) in (0..).zip(oids) {
            let encoded = match self.dead_letters.rejection(context) {
                Some(rejection) if self.continues(*oid) => Err(EncodeError::Refused(rejection)),
                _ => self.try_encode_truncate(*oid, part, context, records).await,
            };
            if let Err(fault) = encoded {
                self.streams.forget(*oid);
                self.divert_truncate(*oid, part, context, fault, records.buffer)
                    .await?;
            }
        }
        Ok(records.buffer.record_count() > before)
    }

    async fn try_encode_truncate(
        &mut self,
        oid: Oid,
        part: u32,
        context: &ChangeContext<'_>,
        records: &mut Records<'_>,
    ) -> Result<(), EncodeError> {
        self.map_if_due(oid, context).await?;
        let captured = match self.known.get_mut(&oid) {
            Some(Table::Captured(captured)) => captured,
            Some(Table::NotCaptured) => return Ok(()),
            Some(Table::Quarantined(quarantined)) => {
                quarantined.count_truncate();
                return Ok(());
            }
            Some(Table::Named(_) | Table::Refused(_)) | None => return Err(EncodeError::UnknownRelation),
        };
        let compared = self.streams.truncate(oid, &captured.plan, context);
        compared.map_err(EncodeError::Map)?;
        if self.config.events.operations.contains(&Operation::Truncate) {
            if captured.plan.outbox_updates().is_none()
                && self.registrar.is_compacted(captured.plan.topic()).await?
            {
                return Err(EncodeError::Map(MapError::KeyMissing {
                    table: captured.plan.table().clone(),
                    topic: captured.plan.topic().to_owned(),
                    of: WithoutKey::Truncation,
                }));
            }
            captured
                .plan
                .encode_truncate(part, context, records.counts.as_deref_mut(), records.buffer)
                .map_err(EncodeError::Map)?;
            if captured.plan.outbox_updates().is_none() {
                captured.changes.count_truncate();
            }
        } else if self.truncates_logged.insert(captured.plan.table().clone()) {
            let relation = captured.plan.table();
            warn!(%relation, lsn = %context.lsn, "table was truncated without an event: \"truncate\" is not among [events] operations");
        }
        Ok(())
    }
}
