//! Outboxes that are polled: each event once, and in the order of its key, whichever call fails, and whether or not it had an effect.

mod hand_over;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::rc::Rc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::watch;
use walcast_delivery::{
    Backlog, BoxedPortError, CheckpointUpdate, Claim, ClaimedRow, ClaimedRows, ConnectorState, Describe,
    Disposition, HashRange, LatestSchema, Metrics, OutboxPoller, PolledClaims, PolledSink, PolledSource,
    PolledTable, PolledTarget, PortError, RetryJitter, RowKey, SchemaRegistry, Topics,
};
use walcast_mapper::config::{Encoding, OutboxRule};
use walcast_mapper::{
    ColumnMetadata, MapperConfig, RecordBuffer, RecordLimits, RowId, SchemaId, TableMetadata,
};
use walcast_pgoutput::{
    Column, Lsn, Oid, PgTimestamp, Relation, RelationColumn, ReplicaIdentity, Tid, encode,
};

use crate::fakes::World;

const ROWS: i64 = 12;

/// Columns of the outbox, each with the OID of its type.
const COLUMNS: [(&str, u32); 4] = [
    ("id", 20),
    ("aggregatetype", 25),
    ("aggregateid", 25),
    ("payload", 25),
];

/// What becomes of a call that fails.
#[derive(Clone, Copy, Debug)]
enum Effect {
    /// Nothing.
    None,
    /// The call has its effect, and its answer is lost.
    Full,
}

#[derive(Debug, thiserror::Error)]
#[error("a call failed")]
struct Fault(Disposition);

impl PortError for Fault {
    fn disposition(&self) -> Disposition {
        self.0
    }
}

/// Call that fails: its number, its effect, and what the poller does then.
type Failing = (usize, Effect, Disposition);

struct Row {
    id: i64,
    key: &'static str,
    is_published: bool,
}

/// Server and broker.
struct Systems {
    rows: Vec<Row>,
    /// Ids and keys of the events that are committed.
    events: Vec<(i64, String)>,
    claims: BTreeMap<u32, Claim>,
    checkpoint: Option<Lsn>,
    epochs: BTreeMap<u32, u32>,
    calls: usize,
    failing: Option<Failing>,
}

#[derive(Clone)]
struct Shared(Rc<RefCell<Systems>>);

impl Shared {
    fn new(failing: Option<Failing>) -> Self {
        let keys = ["a", "b", "c", "d", "e"].into_iter().cycle();
        let rows = (1..=ROWS).zip(keys);
        let rows = rows.map(|(id, key)| Row {
            id,
            key,
            is_published: false,
        });
        Self(Rc::new(RefCell::new(Systems {
            rows: rows.collect(),
            events: Vec::new(),
            claims: BTreeMap::new(),
            checkpoint: None,
            epochs: BTreeMap::new(),
            calls: 0,
            failing,
        })))
    }

    fn call<T>(
        &self,
        act: impl FnOnce(&mut Systems) -> Result<T, BoxedPortError>,
    ) -> Result<T, BoxedPortError> {
        let mut systems = self.0.borrow_mut();
        let number = systems.calls;
        systems.calls += 1;
        match systems.failing.filter(|(at, _, _)| *at == number) {
            None => act(&mut systems),
            Some((_, Effect::None, disposition)) => Err(Fault(disposition).into()),
            Some((_, Effect::Full, disposition)) => {
                act(&mut systems)?;
                Err(Fault(disposition).into())
            }
        }
    }

    fn is_done(&self) -> bool {
        self.0.borrow().rows.iter().all(|row| row.is_published)
    }

    /// Checks that each event is there once, and that those of a key are in the order of their rows.
    fn verify(&self, what: &str) {
        let systems = self.0.borrow();
        let mut ids: Vec<i64> = systems.events.iter().map(|(id, _)| *id).collect();
        for key in ["a", "b", "c", "d", "e"] {
            let quoted = format!("\"{key}\"");
            let of_key = systems.events.iter().filter(|(_, found)| *found == quoted);
            let of_key: Vec<i64> = of_key.map(|(id, _)| *id).collect();
            assert!(of_key.is_sorted(), "{what}: {key}: {of_key:?}");
        }
        ids.sort_unstable();
        assert_eq!(ids, (1..=ROWS).collect::<Vec<i64>>(), "{what}");
    }
}

impl Systems {
    fn mark(&mut self, keys: &[RowKey]) -> u64 {
        let mut marked = 0;
        for row in &mut self.rows {
            if !row.is_published && keys.contains(&RowKey(vec![row.id.to_string()])) {
                row.is_published = true;
                marked += 1;
            }
        }
        marked
    }
}

struct Source {
    shared: Shared,
    table: PolledTable,
    woken: watch::Sender<u64>,
}

struct Claims(Shared);

impl PolledSource for Source {
    type Claims = Claims;
    type AtPosition = Claims;

    async fn acquire_leadership(&mut self) -> Result<(), BoxedPortError> {
        self.shared.call(|_| Ok(()))
    }

    fn step_down(&mut self) {}

    async fn tables(&mut self) -> Result<Vec<PolledTable>, BoxedPortError> {
        self.shared.call(|_| Ok(vec![self.table.clone()]))
    }

    async fn claims(&self) -> Result<Claims, BoxedPortError> {
        self.shared.call(|_| Ok(Claims(self.shared.clone())))
    }

    async fn rows_at_position(&self) -> Result<(Lsn, Claims), BoxedPortError> {
        self.shared
            .call(|_| Ok((Lsn::new(0x500), Claims(self.shared.clone()))))
    }

    async fn mark(&self, _: &PolledTable, keys: &[RowKey]) -> Result<u64, BoxedPortError> {
        self.shared.call(|systems| Ok(systems.mark(keys)))
    }

    async fn backlog(&self, _: &PolledTable) -> Result<Backlog, BoxedPortError> {
        self.shared.call(|_| Ok(Backlog::default()))
    }

    async fn lost(&self) -> BoxedPortError {
        std::future::pending().await
    }

    async fn listen(&self) -> Infallible {
        std::future::pending().await
    }

    fn woken(&self) -> watch::Receiver<u64> {
        self.woken.subscribe()
    }
}

impl PolledClaims for Claims {
    async fn claim(&mut self, _: &PolledTable, range: HashRange) -> Result<ClaimedRows, BoxedPortError> {
        self.0.call(|systems| {
            let hash = |key: &str| key.bytes().map(u32::from).sum::<u32>();
            let rows = systems.rows.iter();
            let own = rows.filter(|row| !row.is_published && hash(row.key) % range.of == range.number);
            let claimed = own.take(2).map(|row| {
                let id = row.id.to_string();
                let columns = [
                    Column::Text(id.as_bytes()),
                    Column::Text(b"order"),
                    Column::Text(row.key.as_bytes()),
                    Column::Null,
                ];
                ClaimedRow {
                    tuple: encode::tuple(&columns),
                    id: RowId {
                        table: Oid::new(16_400),
                        tid: Tid { block: 0, offset: 1 },
                    },
                    key: RowKey(vec![id]),
                }
            });
            Ok(ClaimedRows {
                lsn: Lsn::new(1),
                read_at: PgTimestamp::now(),
                rows: claimed.collect(),
                is_waiting: false,
            })
        })
    }

    async fn mark(&mut self, _: &PolledTable, keys: &[RowKey]) -> Result<(), BoxedPortError> {
        self.0.call(|systems| {
            systems.mark(keys);
            Ok(())
        })
    }
}

struct Target(Shared);

struct Sink {
    shared: Shared,
    worker: u32,
    epoch: u32,
}

impl PolledTarget for Target {
    type Sink = Sink;

    async fn open(&mut self, worker: u32) -> Result<Sink, BoxedPortError> {
        self.0.call(|systems| {
            let epoch = systems.epochs.entry(worker).or_default();
            *epoch += 1;
            Ok(Sink {
                shared: self.0.clone(),
                worker,
                epoch: *epoch,
            })
        })
    }

    async fn claims(&mut self) -> Result<BTreeMap<u32, Claim>, BoxedPortError> {
        self.0.call(|systems| Ok(systems.claims.clone()))
    }

    async fn checkpoint(&mut self) -> Result<Option<Lsn>, BoxedPortError> {
        self.0.call(|systems| Ok(systems.checkpoint))
    }
}

impl PolledSink for Sink {
    async fn commit(
        &mut self,
        mut events: RecordBuffer,
        claim: &Claim,
    ) -> Result<RecordBuffer, BoxedPortError> {
        self.shared.call(|systems| {
            if systems.epochs.get(&self.worker) != Some(&self.epoch) {
                return Err(Fault(Disposition::Fenced).into());
            }
            for record in events.records() {
                let mut headers = record.headers();
                let id = headers.find(|header| header.name == "id");
                let id = id.and_then(|header| header.value).unwrap_or_default();
                let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("events are text");
                let key = text(record.key.unwrap_or_default());
                systems
                    .events
                    .push((text(id).parse().expect("ids are numbers"), key));
            }
            systems.claims.insert(self.worker, claim.clone());
            Ok(())
        })?;
        events.clear(0);
        Ok(events)
    }

    async fn hand_over(
        &mut self,
        update: &CheckpointUpdate,
        workers: &BTreeSet<u32>,
    ) -> Result<(), BoxedPortError> {
        self.shared.call(|systems| {
            if systems.epochs.get(&self.worker) != Some(&self.epoch) {
                return Err(Fault(Disposition::Fenced).into());
            }
            systems.checkpoint = Some(update.current.end_lsn);
            systems.claims.retain(|worker, _| !workers.contains(worker));
            Ok(())
        })
    }
}

/// Topics that exist, without limits that matter.
struct AllTopics;

impl Topics for AllTopics {
    async fn ensure(&mut self, _: &str) -> Result<(), BoxedPortError> {
        Ok(())
    }

    async fn ensure_dead_letters(&mut self, _: &str) -> Result<(), BoxedPortError> {
        Ok(())
    }

    async fn limits(&mut self, _: &str) -> Result<RecordLimits, BoxedPortError> {
        Err(Fault(Disposition::Stop).into())
    }

    async fn is_compacted(&mut self, _: &str) -> Result<bool, BoxedPortError> {
        Ok(false)
    }

    async fn partitions(&mut self, _: &str) -> Result<i32, BoxedPortError> {
        Ok(1)
    }

    async fn has_records(&mut self, _: &str) -> Result<bool, BoxedPortError> {
        Ok(false)
    }

    fn forget(&mut self) {}
}

/// A registry that nothing asks: events are JSON.
struct AnyRegistry;

impl SchemaRegistry for AnyRegistry {
    async fn register(&mut self, _: &str, _: &str) -> Result<SchemaId, BoxedPortError> {
        Err(Fault(Disposition::Stop).into())
    }

    async fn latest(&mut self, _: &str) -> Result<Option<LatestSchema>, BoxedPortError> {
        Err(Fault(Disposition::Stop).into())
    }

    fn forget(&mut self) {}
}

fn table(workers: u32) -> PolledTable {
    let rule = json!({
        "tables": "public.outbox", "source": "poll", "route_topic": "events",
        "poll": {"workers": workers, "interval": "10ms"},
    });
    let rule: OutboxRule = serde_json::from_value(rule).expect("the rule is valid");
    let column = |(name, type_oid): (&str, u32)| RelationColumn {
        is_key: name == "id",
        name: name.to_owned(),
        type_oid: Oid::new(type_oid),
        type_modifier: -1,
    };
    let metadata = |(name, type_oid): (&str, u32)| ColumnMetadata {
        name: name.to_owned(),
        type_oid: Oid::new(type_oid),
        type_modifier: -1,
        not_null: name == "id",
        default_expression: None,
        generated: false,
    };
    PolledTable {
        relation: Relation {
            xid: None,
            oid: Oid::new(16_400),
            namespace: "public".to_owned(),
            name: "outbox".to_owned(),
            replica_identity: ReplicaIdentity::Default,
            columns: COLUMNS.map(column).into(),
        },
        metadata: TableMetadata {
            columns: COLUMNS.map(metadata).into(),
            key_columns: vec!["id".to_owned()],
            ..TableMetadata::default()
        },
        rule,
    }
}

/// Process that polls with this number of workers.
fn poller(shared: &Shared, workers: u32) -> OutboxPoller<Source, Target, AllTopics, AnyRegistry> {
    let table = table(workers);
    OutboxPoller {
        mapper: MapperConfig {
            key: Encoding::Json,
            value: Encoding::Json,
            outboxes: vec![table.rule.clone()],
            ..MapperConfig::new("shop", "shop")
        },
        source: Source {
            shared: shared.clone(),
            table,
            woken: watch::Sender::new(0),
        },
        target: Target(shared.clone()),
        ports: (0..workers).map(|_| (AllTopics, AnyRegistry)).collect(),
        config: World::new().config,
        metrics: Metrics::default(),
        state: ConnectorState::default(),
        describe: Describe::default(),
        retry_jitter: RetryJitter::seeded(0),
    }
}

/// Runs processes one after another until every row is marked. `workers` gives the number of workers of each.
async fn deliver(shared: &Shared, workers: impl Fn(usize) -> u32) {
    for process in 0..4 {
        let mut poller = poller(shared, workers(process));
        let done = async {
            while !shared.is_done() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let ended = Box::pin(poller.run(done)).await;
        if ended.is_ok() && shared.is_done() {
            return;
        }
    }
    panic!("rows are left");
}

#[tokio::test(start_paused = true)]
async fn each_event_is_sent_once_whichever_call_fails() {
    let whole = Shared::new(None);
    deliver(&whole, |_| 2).await;
    whole.verify("without a fault");
    let calls = whole.0.borrow().calls;
    assert!(calls > 20, "{calls} calls");
    for number in 0..calls {
        for effect in [Effect::None, Effect::Full] {
            for disposition in [Disposition::Retry, Disposition::Stop] {
                let failing = (number, effect, disposition);
                let shared = Shared::new(Some(failing));
                deliver(&shared, |_| 2).await;
                shared.verify(&format!("{failing:?}"));
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_number_of_workers_may_change_after_a_failure() {
    for number in 0..60 {
        for effect in [Effect::None, Effect::Full] {
            let failing = (number, effect, Disposition::Stop);
            for counts in [[3, 1], [1, 3]] {
                let shared = Shared::new(Some(failing));
                deliver(&shared, |process| counts[process.min(1)]).await;
                shared.verify(&format!("{failing:?}, {counts:?} workers"));
            }
        }
    }
}
