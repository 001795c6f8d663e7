use std::collections::BTreeMap;
use std::fmt;

use walcast_delivery::{
    BoxedFault, Catalog, ChangeStream, Checkpoint, CheckpointLog, CheckpointState, CheckpointUpdate,
    ChosenRows, CopiedRows, CreatedSlot, Fault, Feedback, FormerKey, NextRow, Opened, Partitions, Rewind,
    RowsCatalog, Sink, SlotState, Snapshot, Snapshots, Source, SourceWatch, Started, Survey,
    SystemIdentifier, Timeline, WalStatus,
};
use walcast_mapper::{Batch, TableFacts, TableName, Unsent};
use walcast_pgoutput::{FrameBlock, Lsn, Oid, PgTimestamp, Xid};

use super::set::move_to;
use crate::exit::Exit;

/// A server of which only the slot is looked at, and on which somebody may lead already.
struct Server {
    active_pid: Option<i32>,
    is_led: bool,
}

/// Kafka with a checkpoint at 100; counts what would disturb a running instance.
#[derive(Default)]
struct Log {
    opened: u32,
    written: Vec<CheckpointUpdate>,
}

#[derive(Debug)]
struct NotAsked;

impl fmt::Display for NotAsked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nobody should ask for this")
    }
}

impl std::error::Error for NotAsked {}

impl Fault for NotAsked {
    fn is_retryable(&self) -> bool {
        false
    }
}

/// Parts of a stream that is never started.
enum Never {}

impl ChangeStream for Never {
    async fn next(&mut self) -> Result<FrameBlock, BoxedFault> {
        match *self {}
    }

    async fn stop(self) -> Result<(), BoxedFault> {
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

    async fn table_facts(&mut self, _: Oid, _: Option<Xid>) -> Result<TableFacts, BoxedFault> {
        match *self {}
    }

    async fn reselect(&mut self, _: &Unsent<'_>) -> Result<Option<Vec<Option<String>>>, BoxedFault> {
        match *self {}
    }
}

impl RowsCatalog for Never {
    async fn survey(&mut self) -> Result<Survey, BoxedFault> {
        match *self {}
    }

    async fn refuses(&mut self, _: &TableName, _: Option<&str>) -> Result<Option<String>, BoxedFault> {
        match *self {}
    }
}

impl SourceWatch for Never {
    async fn publish(&mut self, _: &[TableName]) -> Result<Lsn, BoxedFault> {
        match *self {}
    }

    async fn survey(&mut self) -> Result<Survey, BoxedFault> {
        match *self {}
    }

    async fn lost(&mut self) -> BoxedFault {
        match *self {}
    }
}

impl Snapshots for Never {
    type Snapshot = Never;

    fn hold(&self) -> std::time::Duration {
        match *self {}
    }

    async fn take(&mut self) -> Result<Never, BoxedFault> {
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

    async fn sizes(&mut self, _: &[TableName]) -> Result<BTreeMap<TableName, u64>, BoxedFault> {
        match *self {}
    }

    async fn open(
        &mut self,
        _: &TableName,
        _: Option<NextRow>,
        _: ChosenRows<'_>,
    ) -> Result<Opened, BoxedFault> {
        match *self {}
    }

    async fn gone(&mut self, _: Vec<FormerKey>) -> Result<Vec<FormerKey>, BoxedFault> {
        match *self {}
    }

    async fn next(&mut self) -> Result<Option<CopiedRows>, BoxedFault> {
        match *self {}
    }
}

impl Source for Server {
    type Stream = Never;
    type Feedback = Never;
    type Catalog = Never;
    type Watch = Never;
    type Snapshots = Never;

    async fn lead(&mut self) -> Result<(), BoxedFault> {
        match self.is_led {
            true => std::future::pending().await,
            false => Ok(()),
        }
    }

    fn resign(&mut self) {}

    async fn survey(&mut self, _: Option<Timeline>) -> Result<Survey, BoxedFault> {
        Ok(survey(self.active_pid))
    }

    async fn create_publication(&mut self, _: &[TableName]) -> Result<(), BoxedFault> {
        Err(NotAsked.into())
    }

    async fn publish(&mut self, _: &[TableName]) -> Result<(), BoxedFault> {
        Err(NotAsked.into())
    }

    async fn drop_slot(&mut self) -> Result<(), BoxedFault> {
        Err(NotAsked.into())
    }

    async fn drop_publication(&mut self) -> Result<(), BoxedFault> {
        Err(NotAsked.into())
    }

    async fn create_slot(&mut self, _: bool) -> Result<CreatedSlot<Self>, BoxedFault> {
        Err(NotAsked.into())
    }

    async fn start(&mut self, _: Lsn) -> Result<Started<Self>, BoxedFault> {
        Err(NotAsked.into())
    }
}

impl Sink for Log {
    async fn peek(&mut self) -> Result<CheckpointLog, BoxedFault> {
        Err(NotAsked.into())
    }

    async fn open(&mut self) -> Result<CheckpointLog, BoxedFault> {
        self.opened += 1;
        Ok(CheckpointLog {
            current: Some(checkpoint(100)),
            history: BTreeMap::new(),
            known_tables: None,
        })
    }

    async fn write(&mut self, _: Batch) -> Result<Batch, BoxedFault> {
        Err(NotAsked.into())
    }

    async fn commit(&mut self, update: &CheckpointUpdate) -> Result<(), BoxedFault> {
        self.written.push(update.clone());
        Ok(())
    }

    async fn abort(&mut self) -> Result<(), BoxedFault> {
        Err(NotAsked.into())
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
        written_at_unix_micros: 6,
    }
}

fn survey(active_pid: Option<i32>) -> Survey {
    Survey {
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
        partitions: Partitions::Root,
        unmatched_patterns: Vec::new(),
    }
}

fn wish(to: u64) -> Rewind {
    Rewind {
        to: Lsn::new(to),
        accept_gap: false,
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
    let update = move_to("shop", &mut server, &mut log, wish(50)).await.unwrap();
    assert_eq!(update.current.end_lsn, Lsn::new(50));
    assert_eq!(log.written, [update]);
}

#[tokio::test]
async fn a_position_out_of_reach_writes_nothing() {
    let mut log = Log::default();
    let mut server = Server {
        active_pid: None,
        is_led: false,
    };
    let error = move_to("shop", &mut server, &mut log, wish(10))
        .await
        .unwrap_err();
    assert_eq!(Exit::of(&error), Exit::Refused);
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
    let error = move_to("shop", &mut server, &mut log, wish(50))
        .await
        .unwrap_err();
    assert_eq!(Exit::of(&error), Exit::Refused);
    assert!(
        error
            .to_string()
            .starts_with("the connector is running (process 77"),
        "{error}"
    );
    assert_eq!(log.opened, 0, "opening the sink would have fenced it");
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_does_not_stream_at_the_moment_is_not_fenced_either() {
    let mut log = Log::default();
    let mut server = Server {
        active_pid: None,
        is_led: true,
    };
    let error = move_to("shop", &mut server, &mut log, wish(50))
        .await
        .unwrap_err();
    assert_eq!(Exit::of(&error), Exit::Refused);
    assert_eq!(log.opened, 0, "opening the sink would have fenced it");
    assert_eq!(
        error.to_string(),
        "the connector \"shop\" is running (another instance leads); stop it first"
    );
}
