use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use walcast_delivery::condition::Condition;
use walcast_delivery::{
    BoxedPortError, Catalog, ChangeStream, Checkpoint, CheckpointLog, CheckpointState, CheckpointUpdate,
    ChosenRows, CopiedRows, CreatedSlot, Disposition, Feedback, FormerKey, NextRow, Opened, Partitions,
    PortError, Published, Rewind, RowsCatalog, Sink, SlotState, Snapshot, Snapshots, Source, SourceState,
    SourceWatch, Started, SystemIdentifier, Timeline, WalStatus,
};
use walcast_mapper::{RecordBuffer, ReselectRequest, TableMetadata, TableName};
use walcast_pgoutput::{FrameBlock, Lsn, Oid, PgTimestamp, Relation, Xid};

use super::set::move_to;
use crate::exit::Exit;

/// Server of which only the slot is inspected, and on which another instance may lead.
struct Server {
    active_pid: Option<i32>,
    is_led: bool,
}

/// Kafka with a checkpoint at 100; counts operations that would disturb a running instance.
#[derive(Default)]
struct Log {
    opened: u32,
    written: Vec<CheckpointUpdate>,
}

#[derive(Debug)]
struct UnexpectedCall;

impl fmt::Display for UnexpectedCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unexpected call")
    }
}

impl std::error::Error for UnexpectedCall {}

impl PortError for UnexpectedCall {
    fn disposition(&self) -> Disposition {
        Disposition::Stop
    }
}

/// Parts of a stream that is never started.
enum Never {}

impl ChangeStream for Never {
    async fn next(&mut self) -> Result<FrameBlock, BoxedPortError> {
        match *self {}
    }

    async fn stop(self) -> Result<(), BoxedPortError> {
        match self {}
    }
}

impl Feedback for Never {
    fn confirm(&self, _: Lsn) {
        match *self {}
    }
}

impl Catalog for Never {
    fn captures(&self, _: &TableName) -> bool {
        match *self {}
    }

    async fn table_metadata(
        &mut self,
        _: &Relation,
        _: Option<Xid>,
    ) -> Result<TableMetadata, BoxedPortError> {
        match *self {}
    }

    async fn reselect(
        &mut self,
        _: &ReselectRequest<'_>,
    ) -> Result<Option<Vec<Option<String>>>, BoxedPortError> {
        match *self {}
    }
}

impl RowsCatalog for Never {
    async fn inspect(&mut self) -> Result<SourceState, BoxedPortError> {
        match *self {}
    }

    async fn refuses(
        &mut self,
        _: &TableName,
        _: Option<&Condition>,
    ) -> Result<Option<String>, BoxedPortError> {
        match *self {}
    }
}

impl SourceWatch for Never {
    async fn publish(&mut self, _: &[TableName]) -> Result<Published, BoxedPortError> {
        match *self {}
    }

    async fn inspect(&mut self) -> Result<SourceState, BoxedPortError> {
        match *self {}
    }

    async fn lost(&mut self) -> BoxedPortError {
        match *self {}
    }
}

impl Snapshots for Never {
    type Snapshot = Never;

    fn hold(&self) -> std::time::Duration {
        match *self {}
    }

    async fn take(&mut self) -> Result<Never, BoxedPortError> {
        match *self {}
    }
}

impl Snapshot for Never {
    fn lsn(&self) -> Lsn {
        match *self {}
    }

    fn taken_at(&self) -> PgTimestamp {
        match *self {}
    }

    async fn sizes(&mut self, _: &[TableName]) -> Result<BTreeMap<TableName, u64>, BoxedPortError> {
        match *self {}
    }

    async fn open(
        &mut self,
        _: &TableName,
        _: Option<Oid>,
        _: Option<NextRow>,
        _: ChosenRows<'_>,
    ) -> Result<Opened, BoxedPortError> {
        match *self {}
    }

    async fn gone(&mut self, _: Vec<FormerKey>) -> Result<Vec<FormerKey>, BoxedPortError> {
        match *self {}
    }

    async fn next(&mut self) -> Result<Option<CopiedRows>, BoxedPortError> {
        match *self {}
    }
}

impl Source for Server {
    type Stream = Never;
    type Feedback = Never;
    type Catalog = Never;
    type Watch = Never;
    type Snapshots = Never;

    async fn acquire_leadership(&mut self) -> Result<(), BoxedPortError> {
        match self.is_led {
            true => std::future::pending().await,
            false => Ok(()),
        }
    }

    fn step_down(&mut self) {}

    async fn inspect(&mut self, _: Option<Timeline>) -> Result<SourceState, BoxedPortError> {
        Ok(source_state(self.active_pid))
    }

    async fn create_publication(&mut self, _: &[TableName]) -> Result<(), BoxedPortError> {
        Err(UnexpectedCall.into())
    }

    async fn publish(&mut self, _: &[TableName]) -> Result<Published, BoxedPortError> {
        Err(UnexpectedCall.into())
    }

    async fn end_slot_creation(&mut self) -> Result<(), BoxedPortError> {
        Err(UnexpectedCall.into())
    }

    async fn drop_slot(&mut self) -> Result<(), BoxedPortError> {
        Err(UnexpectedCall.into())
    }

    async fn drop_publication(&mut self) -> Result<(), BoxedPortError> {
        Err(UnexpectedCall.into())
    }

    async fn create_slot(&mut self, _: bool) -> Result<CreatedSlot<Self>, BoxedPortError> {
        Err(UnexpectedCall.into())
    }

    async fn start(&mut self, _: Lsn) -> Result<Started<Self>, BoxedPortError> {
        Err(UnexpectedCall.into())
    }
}

impl Sink for Log {
    async fn open(&mut self) -> Result<CheckpointLog, BoxedPortError> {
        self.opened += 1;
        Ok(CheckpointLog {
            current: Some(checkpoint(100)),
            history: BTreeMap::new(),
            known_tables: None,
            restrictions: None,
            schemas: BTreeMap::new(),
            partitions: BTreeMap::new(),
            quarantines: BTreeMap::new(),
            polled_by: BTreeSet::new(),
        })
    }

    async fn write(&mut self, _: RecordBuffer) -> Result<RecordBuffer, BoxedPortError> {
        Err(UnexpectedCall.into())
    }

    async fn commit(&mut self, update: &CheckpointUpdate) -> Result<(), BoxedPortError> {
        self.written.push(update.clone());
        Ok(())
    }

    async fn abort(&mut self) -> Result<(), BoxedPortError> {
        Err(UnexpectedCall.into())
    }
}

fn checkpoint(end_lsn: u64) -> Checkpoint {
    Checkpoint {
        version: Checkpoint::VERSION,
        state: CheckpointState::Streaming,
        system_identifier: SystemIdentifier::new(7),
        timeline: Timeline::new(1),
        database: "shop".to_owned(),
        slot: "walcast_shop".to_owned(),
        end_lsn: Lsn::new(end_lsn),
        last_commit: None,
        last_message: None,
        partial: None,
        snapshot: None,
        signals_read: None,
        complete_outboxes: BTreeMap::new(),
        held_by: None,
        written_at_unix_micros: 6,
    }
}

fn source_state(active_pid: Option<i32>) -> SourceState {
    SourceState {
        system_identifier: SystemIdentifier::new(7),
        timeline: Timeline::new(1),
        history: Vec::new(),
        server_version: 170_006,
        flush_lsn: Lsn::new(120),
        database: "shop".to_owned(),
        wal_level: "logical".to_owned(),
        slot: Some(SlotState {
            name: "walcast_shop".to_owned(),
            plugin: Some("pgoutput".to_owned()),
            database: Some("shop".to_owned()),
            active_pid,
            holder: None,
            confirmed_flush_lsn: Some(Lsn::new(40)),
            restart_lsn: Some(Lsn::new(30)),
            wal_status: Some(WalStatus::Reserved),
            invalidation_reason: None,
            retained_bytes: 0,
            temporary: false,
            two_phase: false,
        }),
        publication: None,
        captured: Vec::new(),
        tables: BTreeSet::new(),
        partitions: Partitions::Root,
        unmatched_patterns: Vec::new(),
        denied: BTreeMap::new(),
        memberships: BTreeMap::new(),
    }
}

fn request(to: u64) -> Rewind {
    Rewind {
        to: Lsn::new(to),
        accept_gap: false,
        accept_cluster: false,
        now_unix_micros: 9,
    }
}

#[tokio::test]
async fn a_stopped_connector_is_moved_with_one_commit() {
    let mut log = Log::default();
    let mut server = Server {
        active_pid: None,
        is_led: false,
    };
    let update = move_to("shop", &mut server, &mut log, request(50)).await.unwrap();
    assert_eq!(update.current.end_lsn, Lsn::new(50));
    assert_eq!(log.written, [update]);
}

#[tokio::test]
async fn a_position_that_is_not_available_writes_nothing() {
    let mut log = Log::default();
    let mut server = Server {
        active_pid: None,
        is_led: false,
    };
    let error = move_to("shop", &mut server, &mut log, request(10))
        .await
        .unwrap_err();
    assert_eq!(Exit::of(&error), Exit::Rejected);
    assert!(error.to_string().contains("the nearest is 0/28"), "{error}");
    assert!(log.written.is_empty());
}

#[tokio::test]
async fn a_streaming_connector_is_not_fenced() {
    let mut log = Log::default();
    let mut server = Server {
        active_pid: Some(77),
        is_led: false,
    };
    let error = move_to("shop", &mut server, &mut log, request(50))
        .await
        .unwrap_err();
    assert_eq!(Exit::of(&error), Exit::Rejected);
    assert!(
        error
            .to_string()
            .starts_with("the connector is running (process 77"),
        "{error}"
    );
    assert_eq!(log.opened, 0, "opening the sink would have fenced the instance");
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_does_not_stream_is_not_fenced() {
    let mut log = Log::default();
    let mut server = Server {
        active_pid: None,
        is_led: true,
    };
    let error = move_to("shop", &mut server, &mut log, request(50))
        .await
        .unwrap_err();
    assert_eq!(Exit::of(&error), Exit::Rejected);
    assert_eq!(log.opened, 0, "opening the sink would have fenced the instance");
    assert_eq!(
        error.to_string(),
        "the connector \"shop\" is running (another instance is the leader); stop it first"
    );
}
