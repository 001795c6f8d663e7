//! The tables of one session, each with the plan by which its rows become records.

mod lost;
mod rows;

use std::collections::{HashMap, HashSet};

use prometheus_client::metrics::counter::Counter;
use tokio::time::{Duration, Instant};
use tracing::{info, warn};
use walcast_mapper::{
    Batch, ChangeContext, MapError, MapperConfig, Operation, Plan, RowChange, TableFacts, TableName, Tally,
};
use walcast_pgoutput::{Oid, Relation, Xid};

use crate::dead_letters::{DeadLetters, Refusal};
use crate::edge::{Catalog, SchemaRegistry, Topics};
use crate::registrar::Registrar;
use crate::reselect;
use crate::{ChangeLabels, DeliveryError, Metrics};

pub(crate) use rows::RowsPlan;

/// The tables that Relation messages of this session have named. Relation numbers of an earlier session mean nothing.
pub(crate) struct Relations<'a, C, T, R> {
    catalog: C,
    registrar: Registrar<'a, T, R>,
    config: &'a MapperConfig,
    metrics: &'a Metrics,
    known: HashMap<Oid, Table>,
    /// The columns of their keys, as the catalog has them.
    keys: HashMap<Oid, Vec<String>>,
    /// Tables of which it was said that their emptying makes no event.
    truncates_told: HashSet<TableName>,
    dead_letters: DeadLetters<'a>,
}

enum Table {
    /// In the publication but not chosen by the configuration.
    NotCaptured,
    /// Named, without a row so far: a partition is named too whose changes are sent as its root's.
    Named(Relation),
    Captured(Box<CapturedRelation>),
    /// No record can be made of its rows as things are.
    Refused(Box<RefusedRelation>),
}

impl Table {
    /// As the log described it last; `None`: it is not captured.
    fn relation(&self) -> Option<&Relation> {
        match self {
            Self::Captured(captured) => Some(&captured.relation),
            Self::Refused(refused) => Some(&refused.relation),
            Self::Named(relation) => Some(relation),
            Self::NotCaptured => None,
        }
    }
}

/// A table that has no plan. The registry may take its schema later.
struct RefusedRelation {
    relation: Relation,
    refusal: Refusal,
    tried_again_at: Instant,
}

/// How long a table without plan is left alone.
const TRIED_AGAIN_AFTER: Duration = Duration::from_secs(60);

struct CapturedRelation {
    relation: Relation,
    plan: Plan,
    /// Columns that a row has shown to be nullable although the catalog says otherwise.
    seen_null: HashSet<String>,
    changes: [Counter; 4],
}

/// Why a change was not encoded.
pub(crate) enum EncodeFault {
    /// The row cannot be mapped.
    Map(MapError),
    /// It was found before that no record can be made of it.
    Refused(Refusal),
    /// Facts or schemas could not be had.
    Edge(DeliveryError),
    /// No Relation message named the table.
    UnknownRelation,
}

impl From<DeliveryError> for EncodeFault {
    fn from(error: DeliveryError) -> Self {
        EncodeFault::Edge(error)
    }
}

impl<'a, C: Catalog, T: Topics, R: SchemaRegistry> Relations<'a, C, T, R> {
    pub(crate) fn new(
        catalog: C,
        registrar: Registrar<'a, T, R>,
        config: &'a MapperConfig,
        metrics: &'a Metrics,
        dead_letters: DeadLetters<'a>,
    ) -> Self {
        Self {
            catalog,
            registrar,
            config,
            metrics,
            known: HashMap::new(),
            keys: HashMap::new(),
            truncates_told: HashSet::new(),
            dead_letters,
        }
    }

    /// The way to topics and schemas, for events that no relation makes.
    pub(crate) fn registrar(&mut self) -> &mut Registrar<'a, T, R> {
        &mut self.registrar
    }

    /// Takes dead letters off the list, in the batch.
    pub(crate) async fn take_off(
        &mut self,
        letters: &[String],
        batch: &mut Batch,
    ) -> Result<(), DeliveryError> {
        self.dead_letters
            .take_off(&mut self.registrar, letters, batch)
            .await
    }

    /// The way to the catalog.
    pub(crate) fn catalog(&mut self) -> &mut C {
        &mut self.catalog
    }

    /// The name of a captured table.
    pub(crate) fn name_of(&self, oid: Oid) -> Option<TableName> {
        self.relation(oid).map(TableName::from)
    }

    /// A captured table, as the log described it last.
    fn relation(&self, oid: Oid) -> Option<&Relation> {
        self.known.get(&oid)?.relation()
    }

    /// Takes a Relation message.
    pub(crate) fn learn(&mut self, relation: Relation) {
        let oid = relation.oid;
        let table = if self.catalog.captures(&TableName::from(&relation)) {
            Table::Named(relation)
        } else {
            Table::NotCaptured
        };
        self.known.insert(oid, table);
    }

    /// Makes the plan of a table that has none, unless it was found a moment ago that there can be none.
    #[inline]
    async fn map_if_due(&mut self, oid: Oid, xid: Xid) -> Result<(), EncodeFault> {
        let relation = match self.known.get(&oid) {
            Some(Table::Captured(_) | Table::NotCaptured) | None => return Ok(()),
            Some(Table::Named(relation)) => relation.clone(),
            Some(Table::Refused(refused)) if Instant::now() < refused.tried_again_at => {
                return Err(EncodeFault::Refused(refused.refusal.clone()));
            }
            Some(Table::Refused(refused)) => refused.relation.clone(),
        };
        let mapped = self.map(relation, xid).await;
        if let Err(fault) = &mapped {
            self.set_aside(oid, fault);
        }
        mapped
    }

    /// Before the first row of a relation: compiles its plan and registers its schemas.
    #[cold]
    async fn map(&mut self, relation: Relation, xid: Xid) -> Result<(), EncodeFault> {
        let (oid, name) = (relation.oid, TableName::from(&relation));
        let plan = self.plan(&relation, &HashSet::new(), xid).await?;
        info!(relation = %name, topic = plan.topic(), columns = relation.columns.len(), "relation mapped");
        let changes = self.counters(&name);
        let captured = CapturedRelation {
            relation,
            plan,
            seen_null: HashSet::new(),
            changes,
        };
        self.known.insert(oid, Table::Captured(Box::new(captured)));
        Ok(())
    }

    /// Encodes a change, or writes it down as a dead letter; false when it makes no record: its table is not captured, or its
    /// operation makes no event.
    #[inline]
    pub(crate) async fn encode(
        &mut self,
        oid: Oid,
        change: &RowChange<'_>,
        context: &ChangeContext,
        tally: Option<&mut Tally>,
        batch: &mut Batch,
    ) -> Result<bool, EncodeFault> {
        let encoded = match self.dead_letters.refusal(context) {
            Some(refusal) if self.keeps(oid) => Err(EncodeFault::Refused(refusal)),
            _ => self.try_encode(oid, change, context, tally, batch).await,
        };
        match encoded {
            Err(fault) => self.lose_change(oid, change, context, fault, batch).await,
            done => done,
        }
    }

    #[inline]
    async fn try_encode(
        &mut self,
        oid: Oid,
        change: &RowChange<'_>,
        context: &ChangeContext,
        mut tally: Option<&mut Tally>,
        batch: &mut Batch,
    ) -> Result<bool, EncodeFault> {
        self.map_if_due(oid, context.xid).await?;
        let captured = match self.known.get_mut(&oid) {
            Some(Table::Captured(captured)) => captured,
            Some(Table::NotCaptured) => return Ok(false),
            Some(Table::Named(_) | Table::Refused(_)) | None => return Err(EncodeFault::UnknownRelation),
        };
        let before = batch.record_count();
        let completed = match captured.plan.unsent(change) {
            None => None,
            Some(unsent) => reselect::complete(&mut self.catalog, &unsent, change).await?,
        };
        let change = &match &completed {
            None => *change,
            Some(row) => reselect::with_row(change, row),
        };
        match captured.plan.encode(change, context, tally.as_deref_mut(), batch) {
            Ok(()) => {}
            Err(error) if error.is_stale_facts() => {
                self.encode_afresh(oid, error, change, context, tally, batch)
                    .await?
            }
            Err(error @ MapError::TooLarge { .. }) => {
                self.ask_limits_again(oid, error).await?;
                let Some(Table::Captured(captured)) = self.known.get_mut(&oid) else {
                    return Err(EncodeFault::UnknownRelation);
                };
                captured
                    .plan
                    .encode(change, context, tally, batch)
                    .map_err(EncodeFault::Map)?;
            }
            Err(error) => return Err(EncodeFault::Map(error)),
        }
        let has_records = batch.record_count() > before;
        if has_records && let Some(Table::Captured(captured)) = self.known.get(&oid) {
            captured.count(change);
        }
        Ok(has_records)
    }

    /// Encodes the emptying of tables, one event for each that is captured; false when there is none.
    pub(crate) async fn encode_truncate(
        &mut self,
        oids: &[Oid],
        context: &ChangeContext,
        mut tally: Option<&mut Tally>,
        batch: &mut Batch,
    ) -> Result<bool, EncodeFault> {
        let before = batch.record_count();
        for (part, oid) in (0..).zip(oids) {
            let encoded = self.try_encode_truncate(*oid, part, context, tally.as_deref_mut(), batch);
            if let Err(fault) = encoded.await {
                self.lose_truncate(*oid, part, context, fault, batch).await?;
            }
        }
        Ok(batch.record_count() > before)
    }

    async fn try_encode_truncate(
        &mut self,
        oid: Oid,
        part: u32,
        context: &ChangeContext,
        tally: Option<&mut Tally>,
        batch: &mut Batch,
    ) -> Result<(), EncodeFault> {
        self.map_if_due(oid, context.xid).await?;
        let captured = match self.known.get_mut(&oid) {
            Some(Table::Captured(captured)) => captured,
            Some(Table::NotCaptured) => return Ok(()),
            Some(Table::Named(_) | Table::Refused(_)) | None => return Err(EncodeFault::UnknownRelation),
        };
        if self.config.events.operations.contains(&Operation::Truncate) {
            captured
                .plan
                .encode_truncate(part, context, tally, batch)
                .map_err(EncodeFault::Map)?;
            captured.count_truncate();
        } else if self.truncates_told.insert(captured.plan.table().clone()) {
            let relation = captured.plan.table();
            warn!(%relation, lsn = %context.lsn, "table was emptied, and no event tells it: \"truncate\" is not among [events] operations");
        }
        Ok(())
    }

    /// The catalog has moved on since the row was written, or had moved on when the plan was made: compile it again,
    /// believing the row. Each further column of the row that contradicts the catalog takes one more round.
    async fn encode_afresh(
        &mut self,
        oid: Oid,
        mut error: MapError,
        change: &RowChange<'_>,
        context: &ChangeContext,
        mut tally: Option<&mut Tally>,
        batch: &mut Batch,
    ) -> Result<(), EncodeFault> {
        let Some(Table::Captured(mut captured)) = self.known.remove(&oid) else {
            return Err(EncodeFault::UnknownRelation);
        };
        for _ in 0..=captured.relation.columns.len() {
            warn!(relation = %captured.plan.table(), %error, "catalog and log disagree, schema is made again");
            if let MapError::NullInNotNull { column, .. } = &error {
                captured.seen_null.insert(column.clone());
            }
            captured.plan = match self
                .plan(&captured.relation, &captured.seen_null, context.xid)
                .await
            {
                Ok(plan) => plan,
                Err(fault) => {
                    self.known.insert(oid, Table::Named(captured.relation));
                    return Err(fault);
                }
            };
            match captured.plan.encode(change, context, tally.as_deref_mut(), batch) {
                Ok(()) => {
                    self.known.insert(oid, Table::Captured(captured));
                    return Ok(());
                }
                Err(next) if next.is_stale_facts() && next != error => error = next,
                Err(next) => {
                    error = next;
                    break;
                }
            }
        }
        // Other rows may be mapped by it.
        self.known.insert(oid, Table::Captured(captured));
        Err(EncodeFault::Map(error))
    }

    async fn plan(
        &mut self,
        relation: &Relation,
        seen_null: &HashSet<String>,
        xid: Xid,
    ) -> Result<Plan, EncodeFault> {
        let mut facts = self
            .catalog
            .table_facts(relation.oid, Some(xid))
            .await
            .map_err(DeliveryError::Source)?;
        self.keys.insert(relation.oid, facts.key_columns.clone());
        believe_rows(&mut facts, seen_null);
        self.plan_of(relation, &facts).await
    }

    /// A plan, bound to its topic and schemas.
    async fn plan_of(&mut self, relation: &Relation, facts: &TableFacts) -> Result<Plan, EncodeFault> {
        let mut plan = Plan::compile(relation, facts, self.config).map_err(EncodeFault::Map)?;
        self.registrar.bind_plan(&mut plan).await?;
        // Where a record that is too large ends the connector, Kafka says which one is.
        if self.dead_letters.keep(plan.table()) {
            plan.limit(self.registrar.limits(plan.topic()).await?);
        }
        Ok(plan)
    }

    fn counters(&self, table: &TableName) -> [Counter; 4] {
        ["insert", "update", "delete", "truncate"].map(|operation| {
            let labels = ChangeLabels {
                table: table.to_string(),
                operation,
            };
            self.metrics.changes.get_or_create(&labels).clone()
        })
    }
}

impl CapturedRelation {
    fn count(&self, change: &RowChange<'_>) {
        let [inserts, updates, deletes, _] = &self.changes;
        match change {
            RowChange::Insert { .. } => inserts.inc(),
            RowChange::Update { .. } => updates.inc(),
            RowChange::Delete { .. } => deletes.inc(),
        };
    }

    fn count_truncate(&self) {
        let [.., truncates] = &self.changes;
        truncates.inc();
    }
}

fn believe_rows(facts: &mut TableFacts, seen_null: &HashSet<String>) {
    for column in &mut facts.columns {
        if seen_null.contains(&column.name) {
            column.not_null = false;
        }
    }
}
