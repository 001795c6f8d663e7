//! The modelled Postgres server, and a connector's connection to it.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use tokio::sync::Notify;
use walcast_delivery::{
    BoxedPortError, CapturedTable, CreatedSlot, Partitions, PublicationState, Published, Refused, SlotState,
    Source, SourceState, Started, SystemIdentifier, Timeline, TimelineSwitch, WalStatus,
};
use walcast_mapper::TableName;
use walcast_pgoutput::{Lsn, Oid, ReplicaIdentity, Xid};

use super::kafka::Kafka;
use super::script::{Act, Script, Scripted, TestFault, perform};
use super::snapshots::{FakeSnapshot, SnapshotsClient};
use super::steps::Steps;
use super::stream::{CatalogClient, FeedbackClient, Stream, WatchClient};
use super::wal::{Change, Table, Transaction};

/// A call to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PostgresCall {
    AcquireLeadership,
    Inspect,
    CreatePublication,
    DropPublication,
    Publish,
    CreateSlot,
    EndSlotCreation,
    DropSlot,
    Start,
    /// A block was requested and is available.
    Next,
    Stop,
    TableMetadata,
    Watch,
    TakeSnapshot,
    OpenTable,
    MissingKeys,
    /// Rows were requested and are available.
    Copy,
}

/// A confirmation that the server received.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Confirmation {
    pub(crate) flush: Lsn,
    /// Position of Kafka's checkpoint at that moment.
    pub(crate) checkpointed: Lsn,
}

/// The server's state.
pub(crate) struct Server {
    pub(crate) script: Script<PostgresCall>,
    pub(crate) system_identifier: SystemIdentifier,
    pub(crate) timeline: Timeline,
    pub(crate) history: Vec<TimelineSwitch>,
    pub(crate) wal_level: String,
    pub(crate) server_version: u32,
    pub(crate) tables: Vec<Table>,
    pub(crate) unmatched_patterns: Vec<String>,
    /// Tables that another role owns.
    pub(crate) unpublishable: Vec<TableName>,
    pub(crate) wal: Vec<Transaction>,
    /// The end of flushed WAL.
    pub(crate) wal_end: Lsn,
    pub(crate) slot: Option<SlotState>,
    pub(crate) publication: Option<PublicationState>,
    /// Number of times that tables left the publication and came back.
    pub(crate) membership: u32,
    pub(crate) confirmations: Vec<Confirmation>,
    /// Ends of WAL that keepalives between transactions have reported.
    pub(crate) idle_ends: BTreeSet<Lsn>,
    /// Positions at which streams were started.
    pub(crate) starts: Vec<Lsn>,
    /// Frames in a block.
    pub(crate) frames_per_block: usize,
    /// Whether keepalives are sent inside transactions too.
    pub(crate) keepalives_inside: bool,
    /// Frames, valid or not, that the next stream sends first.
    pub(crate) injected_frames: VecDeque<Vec<u8>>,
    /// Notified when another instance takes leadership.
    pub(crate) leadership_lost: Rc<Notify>,
    /// Number of times that leadership was released.
    pub(crate) resignations: usize,
}

impl Scripted for Server {
    type Call = PostgresCall;

    fn script(&mut self) -> &mut Script<PostgresCall> {
        &mut self.script
    }
}

/// A handle to the server.
#[derive(Clone)]
pub(crate) struct Postgres {
    pub(crate) server: Rc<RefCell<Server>>,
    pub(crate) steps: Steps,
}

impl Postgres {
    /// A server with only the tables `accounts` and `orders`, whose WAL ends at `wal_end`.
    pub(crate) fn new(steps: Steps, wal_end: Lsn) -> Self {
        let server = Server {
            script: Script::default(),
            system_identifier: SystemIdentifier::new(7_000_000_000_000_000_001),
            timeline: Timeline::new(1),
            history: Vec::new(),
            wal_level: "logical".to_owned(),
            server_version: 170_006,
            tables: vec![Table::new("accounts", 16_400), Table::new("orders", 16_410)],
            unmatched_patterns: Vec::new(),
            unpublishable: Vec::new(),
            wal: Vec::new(),
            wal_end,
            slot: None,
            publication: None,
            membership: 0,
            confirmations: Vec::new(),
            idle_ends: BTreeSet::new(),
            starts: Vec::new(),
            frames_per_block: 3,
            keepalives_inside: false,
            injected_frames: VecDeque::new(),
            leadership_lost: Rc::new(Notify::new()),
            resignations: 0,
        };
        Self {
            server: Rc::new(RefCell::new(server)),
            steps,
        }
    }

    /// Changes the server's state, and wakes all waiters.
    pub(crate) fn edit<T>(&self, edit: impl FnOnce(&mut Server) -> T) -> T {
        let out = edit(&mut self.server.borrow_mut());
        self.steps.changed();
        out
    }

    /// Reads the server's state.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&Server) -> T) -> T {
        read(&self.server.borrow())
    }

    /// Plans the failure of the `nth` call of this kind from now on; 1 is the next.
    pub(crate) fn fail(&self, call: PostgresCall, nth: usize, fault: TestFault) {
        self.edit(|server| server.script.at(call, nth, Act::Fail(fault)));
    }

    /// Number of calls of one kind.
    pub(crate) fn count(&self, call: PostgresCall) -> usize {
        self.read(|server| server.script.count(call))
    }

    /// Commits a transaction.
    pub(crate) fn commit<'t>(&self, changes: impl IntoIterator<Item = (&'t str, Change)>) -> Transaction {
        self.edit(|server| server.commit(changes, false))
    }

    /// Commits a transaction whose changes all have one position.
    pub(crate) fn copy<'t>(&self, changes: impl IntoIterator<Item = (&'t str, Change)>) -> Transaction {
        self.edit(|server| server.commit(changes, true))
    }

    /// Writes a non-transactional message.
    pub(crate) fn emit_message(&self) -> Lsn {
        self.edit(|server| {
            let relation = Rc::new(server.table("accounts").relation());
            let message = Transaction::write_message(server.wal_end, relation);
            server.wal_end = message.next_lsn();
            server.wal.push(message.clone());
            message.commit_lsn
        })
    }

    /// Adds a signal table, which is published and not captured.
    pub(crate) fn add_signal_table(&self) {
        self.edit(|server| {
            let table = Table::signal_table("signals", 16_500);
            let publication = server.publication.as_mut().expect("the publication exists");
            publication.tables.push(table.name.clone());
            server.tables.push(table);
        });
    }

    /// Writes WAL that is not decoded for the slot.
    pub(crate) fn write_unrelated_wal(&self, bytes: u64) -> Lsn {
        self.edit(|server| {
            server.wal_end = Lsn::new(server.wal_end.as_u64() + bytes);
            server.wal_end
        })
    }

    /// Creates slot and publication as the connector would.
    pub(crate) fn set_up(&self) -> Lsn {
        self.edit(|server| {
            let tables = server.captured_names();
            server.publication = Some(publication_of(&tables));
            server.create_slot()
        })
    }

    pub(crate) fn confirmed(&self) -> Lsn {
        self.read(|server| {
            let slot = server.slot.as_ref().expect("the slot exists");
            slot.confirmed_flush_lsn.expect("the slot has a position")
        })
    }
}

impl Server {
    pub(crate) fn table(&mut self, name: &str) -> &mut Table {
        let table = self.tables.iter_mut().find(|table| table.name.name == name);
        table.expect("the table exists")
    }

    pub(crate) fn table_ref(&self, name: &str) -> &Table {
        let table = self.tables.iter().find(|table| table.name.name == name);
        table.expect("the table exists")
    }

    fn commit<'t>(
        &mut self,
        changes: impl IntoIterator<Item = (&'t str, Change)>,
        together: bool,
    ) -> Transaction {
        let changes = changes
            .into_iter()
            .map(|(table, change)| (Rc::new(self.table(table).relation()), change))
            .collect();
        let number = u32::try_from(self.wal.len()).expect("the number of transactions is small");
        let transaction = Transaction::write(self.wal_end, Xid::new(700 + number), changes, together);
        self.wal_end = transaction.end_lsn;
        self.wal.push(transaction.clone());
        transaction
    }

    pub(crate) fn known_tables(&self) -> BTreeSet<Oid> {
        let captured = self.tables.iter().filter(|table| table.captured);
        captured.map(|table| table.oid).collect()
    }

    /// OIDs of all tables and partitions.
    fn existing(&self) -> BTreeSet<Oid> {
        let tables = self.tables.iter();
        let oids = tables.flat_map(|table| {
            let partitions = table.partitions.iter().flatten();
            partitions.map(|partition| partition.oid).chain([table.oid])
        });
        oids.collect()
    }

    pub(crate) fn captured_names(&self) -> Vec<TableName> {
        let captured = self.tables.iter().filter(|table| table.captured);
        captured.map(|table| table.name.clone()).collect()
    }

    /// The transaction as a walsender sends it, without tables that were not published at its commit.
    pub(crate) fn published(&self, transaction: &Transaction) -> Transaction {
        let mut sent = transaction.clone();
        sent.changes.retain(|logged| {
            let table = self.tables.iter().find(|table| table.oid == logged.relation.oid);
            table.is_none_or(|table| table.published_since <= transaction.commit_lsn)
        });
        sent
    }

    pub(crate) fn publish(&mut self, tables: &[TableName]) -> Published {
        let is_refused = |table: &&TableName| self.unpublishable.contains(table);
        let refused: Vec<TableName> = tables.iter().filter(is_refused).cloned().collect();
        let tables: Vec<TableName> = tables
            .iter()
            .filter(|table| !refused.contains(table))
            .cloned()
            .collect();
        let publication = self.publication.as_mut().expect("the publication exists");
        publication.tables.extend(tables.iter().cloned());
        for table in self
            .tables
            .iter_mut()
            .filter(|table| tables.contains(&table.name))
        {
            table.published_since = self.wal_end;
        }
        // The command itself writes WAL.
        self.wal_end = Lsn::new(self.wal_end.as_u64() + 0x40);
        let refuse = |table| Refused {
            table,
            error: TestFault::permanent("must be owner of the table").into(),
        };
        Published {
            since: self.wal_end,
            refused: refused.into_iter().map(refuse).collect(),
        }
    }

    pub(crate) fn create_slot(&mut self) -> Lsn {
        self.slot = Some(SlotState {
            name: "walcast_shop".to_owned(),
            plugin: Some("pgoutput".to_owned()),
            database: Some("shop".to_owned()),
            active_pid: None,
            holder: None,
            confirmed_flush_lsn: Some(self.wal_end),
            restart_lsn: Some(self.wal_end.back_by(0x38)),
            wal_status: Some(WalStatus::Reserved),
            invalidation_reason: None,
            retained_bytes: 0,
            temporary: false,
            two_phase: false,
        });
        self.wal_end
    }

    pub(crate) fn inspect(&self) -> SourceState {
        let captured = self.tables.iter().filter(|table| table.captured);
        SourceState {
            system_identifier: self.system_identifier,
            timeline: self.timeline,
            history: self.history.clone(),
            server_version: self.server_version,
            flush_lsn: self.wal_end,
            database: "shop".to_owned(),
            wal_level: self.wal_level.clone(),
            slot: self.slot.clone(),
            publication: self.publication.clone(),
            captured: captured
                .map(|table| CapturedTable {
                    name: table.name.clone(),
                    oid: table.oid,
                    persistence: table.persistence,
                    replica_identity: ReplicaIdentity::Default,
                    identifies_rows: table.identifies_rows,
                    identity_is_generated: false,
                    unsent_key_columns: Vec::new(),
                    is_named: table.is_named,
                    partitions: table.partitions.clone(),
                })
                .collect(),
            tables: self.existing(),
            partitions: Partitions::Root,
            unmatched_patterns: self.unmatched_patterns.clone(),
            denied: BTreeMap::new(),
            memberships: self
                .existing()
                .into_iter()
                .map(|oid| (oid, self.membership.to_string()))
                .collect(),
        }
    }
}

fn publication_of(tables: &[TableName]) -> PublicationState {
    PublicationState {
        all_tables: false,
        tables: tables.to_vec(),
        unpublished: Vec::new(),
        restricted: BTreeMap::new(),
    }
}

/// One instance's connection.
pub(crate) struct PostgresClient {
    pub(crate) postgres: Postgres,
    /// Used to record Kafka's checkpoint at each confirmation.
    pub(crate) kafka: Kafka,
}

impl PostgresClient {
    async fn call<T>(
        &self,
        call: PostgresCall,
        effect: impl FnOnce(&mut Server) -> Result<T, TestFault>,
    ) -> Result<T, BoxedPortError> {
        perform(&self.postgres.server, &self.postgres.steps, call, effect).await
    }
}

impl Source for PostgresClient {
    type Stream = Stream;
    type Feedback = FeedbackClient;
    type Catalog = CatalogClient;
    type Watch = WatchClient;
    type Snapshots = SnapshotsClient;

    async fn acquire_leadership(&mut self) -> Result<(), BoxedPortError> {
        self.call(PostgresCall::AcquireLeadership, |_| Ok(())).await
    }

    fn step_down(&mut self) {
        self.postgres.server.borrow_mut().resignations += 1;
    }

    async fn inspect(&mut self, _known: Option<Timeline>) -> Result<SourceState, BoxedPortError> {
        self.call(PostgresCall::Inspect, |server| Ok(server.inspect()))
            .await
    }

    async fn create_publication(&mut self, tables: &[TableName]) -> Result<(), BoxedPortError> {
        let publication = publication_of(tables);
        self.call(PostgresCall::CreatePublication, |server| {
            assert!(server.publication.is_none(), "the publication exists already");
            server.publication = Some(publication);
            Ok(())
        })
        .await
    }

    async fn publish(&mut self, tables: &[TableName]) -> Result<Published, BoxedPortError> {
        self.call(PostgresCall::Publish, |server| Ok(server.publish(tables)))
            .await
    }

    async fn end_slot_creation(&mut self) -> Result<(), BoxedPortError> {
        self.call(PostgresCall::EndSlotCreation, |server| {
            if server
                .slot
                .as_ref()
                .and_then(|slot| slot.creator())
                .is_some_and(|creator| creator.is_connector)
            {
                server.slot = None;
            }
            Ok(())
        })
        .await
    }

    async fn drop_slot(&mut self) -> Result<(), BoxedPortError> {
        self.call(PostgresCall::DropSlot, |server| {
            server.slot = None;
            Ok(())
        })
        .await
    }

    async fn drop_publication(&mut self) -> Result<(), BoxedPortError> {
        self.call(PostgresCall::DropPublication, |server| {
            server.publication = None;
            Ok(())
        })
        .await
    }

    async fn create_slot(&mut self, with_snapshot: bool) -> Result<CreatedSlot<Self>, BoxedPortError> {
        let postgres = self.postgres.clone();
        self.call(PostgresCall::CreateSlot, |server| {
            assert!(server.slot.is_none(), "the slot exists already");
            assert!(
                server.publication.is_some(),
                "a slot that is older than its publication cannot be decoded"
            );
            let consistent_point = server.create_slot();
            Ok(CreatedSlot {
                consistent_point,
                snapshot: with_snapshot.then(|| FakeSnapshot::new(postgres, consistent_point)),
            })
        })
        .await
    }

    async fn start(&mut self, from: Lsn) -> Result<Started<Self>, BoxedPortError> {
        let postgres = self.postgres.clone();
        // The stream holds the slot from its creation: dropping the stream, even here, releases the slot.
        let stream = self
            .call(PostgresCall::Start, |server| {
                let slot = server
                    .slot
                    .as_mut()
                    .ok_or(TestFault::permanent("slot does not exist"))?;
                if slot.active_pid.is_some() {
                    return Err(TestFault::transient("slot is active"));
                }
                slot.active_pid = Some(4711);
                server.starts.push(from);
                // Like the server, silently: the stream never starts before the confirmed position.
                let effective = from.max(slot.confirmed_flush_lsn.unwrap_or(Lsn::INVALID));
                Ok(Stream::new(postgres, effective))
            })
            .await?;
        Ok(Started {
            stream,
            feedback: FeedbackClient {
                postgres: self.postgres.clone(),
                kafka: self.kafka.clone(),
            },
            catalog: CatalogClient(self.postgres.clone()),
            watch: WatchClient(self.postgres.clone()),
            snapshots: SnapshotsClient(self.postgres.clone()),
        })
    }
}
