//! The modelled Postgres server, and a connector's connection to it.

use std::cell::RefCell;
use std::collections::{BTreeSet, VecDeque};
use std::rc::Rc;

use tokio::sync::Notify;
use walcast_delivery::{
    BoxedFault, CapturedTable, CreatedSlot, Partitions, PublicationState, SlotState, Source, Started, Survey,
    SystemIdentifier, Timeline, TimelineSwitch, WalStatus,
};
use walcast_mapper::TableName;
use walcast_pgoutput::{Lsn, Oid, ReplicaIdentity, Xid};

use super::kafka::Kafka;
use super::log::{Change, Table, Transaction};
use super::script::{Script, Scripted, TestFault, perform};
use super::snapshots::{FakeSnapshot, SnapshotsClient};
use super::steps::Steps;
use super::stream::{CatalogClient, FeedbackClient, Stream, WatchClient};

/// What can be asked of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PostgresCall {
    Lead,
    Survey,
    CreatePublication,
    DropPublication,
    Publish,
    CreateSlot,
    DropSlot,
    Start,
    /// A block was asked for and there is one.
    Next,
    Stop,
    TableFacts,
    Watch,
    TakeSnapshot,
    OpenTable,
    Gone,
    /// Rows were asked for and there are some.
    Copy,
}

/// A confirmation as the server got it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Confirmation {
    pub(crate) flush: Lsn,
    /// What Kafka's checkpoint said at that moment.
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
    pub(crate) log: Vec<Transaction>,
    /// The end of the flushed log.
    pub(crate) wal_end: Lsn,
    pub(crate) slot: Option<SlotState>,
    pub(crate) publication: Option<PublicationState>,
    pub(crate) confirmations: Vec<Confirmation>,
    /// Ends of log told by keepalives between transactions.
    pub(crate) idle_ends: BTreeSet<Lsn>,
    /// Where streams were begun.
    pub(crate) starts: Vec<Lsn>,
    /// Frames in a block.
    pub(crate) frames_per_block: usize,
    /// Whether keepalives are sent inside transactions too.
    pub(crate) keepalives_inside: bool,
    /// Frames that the next stream sends before anything else, right or wrong.
    pub(crate) intruders: VecDeque<Vec<u8>>,
    /// Raised when another instance takes the lead.
    pub(crate) lead_lost: Rc<Notify>,
    /// How often the lead was given up.
    pub(crate) resigned: usize,
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
    /// A server with tables `accounts` and `orders` and nothing else; its log ends at `wal_end`.
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
            log: Vec::new(),
            wal_end,
            slot: None,
            publication: None,
            confirmations: Vec::new(),
            idle_ends: BTreeSet::new(),
            starts: Vec::new(),
            frames_per_block: 3,
            keepalives_inside: false,
            intruders: VecDeque::new(),
            lead_lost: Rc::new(Notify::new()),
            resigned: 0,
        };
        Self {
            server: Rc::new(RefCell::new(server)),
            steps,
        }
    }

    /// Changes the server's state, and wakes whoever waits for it.
    pub(crate) fn edit<T>(&self, edit: impl FnOnce(&mut Server) -> T) -> T {
        let out = edit(&mut self.server.borrow_mut());
        self.steps.changed();
        out
    }

    /// Reads the server's state.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&Server) -> T) -> T {
        read(&self.server.borrow())
    }

    /// Commits a transaction.
    pub(crate) fn commit<'t>(&self, changes: impl IntoIterator<Item = (&'t str, Change)>) -> Transaction {
        self.edit(|server| server.commit(changes, false))
    }

    /// Commits a transaction whose changes all lie at one position.
    pub(crate) fn copy<'t>(&self, changes: impl IntoIterator<Item = (&'t str, Change)>) -> Transaction {
        self.edit(|server| server.commit(changes, true))
    }

    /// Writes a message that belongs to no transaction.
    pub(crate) fn emit_message(&self) -> Lsn {
        self.edit(|server| {
            let relation = Rc::new(server.table("accounts").relation());
            let message = Transaction::write_message(server.wal_end, relation);
            server.wal_end = message.next_lsn();
            server.log.push(message.clone());
            message.commit_lsn
        })
    }

    /// A table whose rows are signals: it is published and not captured.
    pub(crate) fn add_signal_table(&self) {
        self.edit(|server| {
            let table = Table::of_signals("signals", 16_500);
            let publication = server.publication.as_mut().expect("there is a publication");
            publication.tables.push(table.name.clone());
            server.tables.push(table);
        });
    }

    /// Something that is not for us writes to the log.
    pub(crate) fn write_elsewhere(&self, bytes: u64) -> Lsn {
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
            let slot = server.slot.as_ref().expect("there is a slot");
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
        let number = u32::try_from(self.log.len()).expect("logs here are short");
        let transaction = Transaction::write(self.wal_end, Xid::new(700 + number), changes, together);
        self.wal_end = transaction.end_lsn;
        self.log.push(transaction.clone());
        transaction
    }

    pub(crate) fn known_tables(&self) -> BTreeSet<Oid> {
        let captured = self.tables.iter().filter(|table| table.captured);
        captured.map(|table| table.oid).collect()
    }

    pub(crate) fn captured_names(&self) -> Vec<TableName> {
        let captured = self.tables.iter().filter(|table| table.captured);
        captured.map(|table| table.name.clone()).collect()
    }

    /// What a walsender sends of a transaction: tables that were not published when it was committed are left out.
    pub(crate) fn published(&self, transaction: &Transaction) -> Transaction {
        let mut sent = transaction.clone();
        sent.changes.retain(|logged| {
            let table = self.tables.iter().find(|table| table.oid == logged.relation.oid);
            table.is_none_or(|table| table.published_since <= transaction.commit_lsn)
        });
        sent
    }

    pub(crate) fn publish(&mut self, tables: &[TableName]) {
        let publication = self.publication.as_mut().expect("there is a publication");
        publication.tables.extend(tables.iter().cloned());
        for table in self
            .tables
            .iter_mut()
            .filter(|table| tables.contains(&table.name))
        {
            table.published_since = self.wal_end;
        }
        // The command is in the log itself.
        self.wal_end = Lsn::new(self.wal_end.as_u64() + 0x40);
    }

    pub(crate) fn create_slot(&mut self) -> Lsn {
        self.slot = Some(SlotState {
            name: "walcast_shop".to_owned(),
            plugin: Some("pgoutput".to_owned()),
            database: Some("shop".to_owned()),
            active_pid: None,
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

    pub(crate) fn survey(&self) -> Survey {
        let captured = self.tables.iter().filter(|table| table.captured);
        Survey {
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
                })
                .collect(),
            partitions: Partitions::Root,
            unmatched_patterns: self.unmatched_patterns.clone(),
        }
    }
}

fn publication_of(tables: &[TableName]) -> PublicationState {
    PublicationState {
        all_tables: false,
        tables: tables.to_vec(),
        unpublished: Vec::new(),
        restricted: Vec::new(),
    }
}

/// One instance's connection.
pub(crate) struct PostgresClient {
    pub(crate) postgres: Postgres,
    /// Only to note what Kafka's checkpoint said when something was confirmed.
    pub(crate) kafka: Kafka,
}

impl PostgresClient {
    async fn call<T>(
        &self,
        call: PostgresCall,
        effect: impl FnOnce(&mut Server) -> Result<T, TestFault>,
    ) -> Result<T, BoxedFault> {
        perform(&self.postgres.server, &self.postgres.steps, call, effect).await
    }
}

impl Source for PostgresClient {
    type Stream = Stream;
    type Feedback = FeedbackClient;
    type Catalog = CatalogClient;
    type Watch = WatchClient;
    type Snapshots = SnapshotsClient;

    async fn lead(&mut self) -> Result<(), BoxedFault> {
        self.call(PostgresCall::Lead, |_| Ok(())).await
    }

    fn resign(&mut self) {
        self.postgres.server.borrow_mut().resigned += 1;
    }

    async fn survey(&mut self, _known: Option<Timeline>) -> Result<Survey, BoxedFault> {
        self.call(PostgresCall::Survey, |server| Ok(server.survey()))
            .await
    }

    async fn create_publication(&mut self, tables: &[TableName]) -> Result<(), BoxedFault> {
        let publication = publication_of(tables);
        self.call(PostgresCall::CreatePublication, |server| {
            assert!(server.publication.is_none(), "the publication exists already");
            server.publication = Some(publication);
            Ok(())
        })
        .await
    }

    async fn publish(&mut self, tables: &[TableName]) -> Result<(), BoxedFault> {
        self.call(PostgresCall::Publish, |server| {
            server.publish(tables);
            Ok(())
        })
        .await
    }

    async fn drop_slot(&mut self) -> Result<(), BoxedFault> {
        self.call(PostgresCall::DropSlot, |server| {
            server.slot = None;
            Ok(())
        })
        .await
    }

    async fn drop_publication(&mut self) -> Result<(), BoxedFault> {
        self.call(PostgresCall::DropPublication, |server| {
            server.publication = None;
            Ok(())
        })
        .await
    }

    async fn create_slot(&mut self, with_snapshot: bool) -> Result<CreatedSlot<Self>, BoxedFault> {
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

    async fn start(&mut self, from: Lsn) -> Result<Started<Self>, BoxedFault> {
        let postgres = self.postgres.clone();
        // The stream is made with the slot's hold on it: whoever drops it, even here, lets the slot go.
        let stream = self
            .call(PostgresCall::Start, |server| {
                let slot = server
                    .slot
                    .as_mut()
                    .ok_or(TestFault::lasting("slot does not exist"))?;
                if slot.active_pid.is_some() {
                    return Err(TestFault::passing("slot is active"));
                }
                slot.active_pid = Some(4711);
                server.starts.push(from);
                // As the server does, without a word: it never goes back behind what was confirmed.
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
