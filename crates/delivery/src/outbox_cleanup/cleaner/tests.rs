//! Clean-up over a modelled server, which checks that each removed row is in Kafka.

mod interruptions;
mod random;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use walcast_mapper::MapperConfig;
use walcast_mapper::dead_letter::DeadLetterReason;
use walcast_pgoutput::{Lsn, Oid};

use super::*;
use crate::drift::Drifted;
use crate::halt::Halt;
use crate::outbox_cleanup::{CleanupAction, OutboxSection};
use crate::port_error::{Disposition, PortError};
use crate::position::positions::Positions;
use crate::quarantine::{Quarantine, QuarantinePhase, Quarantines};
use crate::schema_history::ChangePosition;
use crate::session::status::Status;
use crate::source_state::{PublicationState, SourceState, SystemIdentifier, Timeline, fixture};

const OUTBOX: Oid = Oid::new(16_400);
const SECOND: Duration = Duration::from_secs(1);

fn outbox() -> TableName {
    TableName {
        namespace: "public".to_owned(),
        name: "outbox".to_owned(),
    }
}

#[derive(Debug, thiserror::Error)]
#[error("permission denied for table outbox (SQLSTATE 42501)")]
struct Denied;

impl PortError for Denied {
    fn disposition(&self) -> Disposition {
        Disposition::Stop
    }
}

/// Row of the modelled table.
#[derive(Clone, Copy, Debug)]
struct Row {
    xid: u64,
    /// End of the commit record; `None` while its transaction runs.
    committed: Option<u64>,
    /// Whether its event is never sent: it was inserted before the table was captured, or while it was quarantined.
    is_lost: bool,
}

#[derive(Debug)]
struct Server {
    rows: Vec<Row>,
    next_xid: u64,
    running: BTreeSet<u64>,
    end: u64,
    session: u64,
    checkpoint: u64,
    /// Membership of the table in the publication.
    membership: String,
    denies: bool,
    is_quarantined: bool,
    removed: u64,
    batches: u64,
}

impl Server {
    fn begin(&mut self) -> u64 {
        let xid = self.next_xid;
        self.next_xid += 1;
        self.running.insert(xid);
        self.rows.push(Row {
            xid,
            committed: None,
            is_lost: false,
        });
        xid
    }

    fn commit(&mut self, xid: u64) {
        self.running.remove(&xid);
        self.end += 100;
        let (end, is_lost) = (self.end, self.is_quarantined);
        for row in self.rows.iter_mut().filter(|row| row.xid == xid) {
            row.committed = Some(end);
            row.is_lost |= is_lost;
        }
    }

    fn insert(&mut self) {
        let xid = self.begin();
        self.commit(xid);
    }

    fn is_in_kafka(&self, row: &Row) -> bool {
        !row.is_lost && row.committed.is_some_and(|end| end <= self.checkpoint)
    }
}

#[derive(Clone, Debug)]
struct FakeTables(Rc<RefCell<Server>>);

impl OutboxTables for FakeTables {
    async fn look(&mut self, tables: &[TableName]) -> Result<Option<OutboxLook>, BoxedPortError> {
        assert_eq!(tables, [outbox()]);
        let server = self.0.borrow();
        Ok(Some(OutboxLook {
            system_identifier: SystemIdentifier::new(7),
            timeline: Timeline::new(1),
            session: server.session,
            horizon: server.running.first().copied().unwrap_or(server.next_xid),
            end: Lsn::new(server.end),
            tables: vec![OutboxTable {
                name: outbox(),
                oid: OUTBOX,
                is_published: true,
                membership: Some(server.membership.clone()),
                parts: vec![OUTBOX],
                layout: String::new(),
            }],
        }))
    }

    async fn next_transaction(&mut self) -> Result<u64, BoxedPortError> {
        Ok(self.0.borrow().next_xid)
    }

    async fn is_empty(&mut self, _: Oid) -> Result<bool, BoxedPortError> {
        let server = self.0.borrow();
        Ok(server.rows.iter().all(|row| row.committed.is_none()))
    }

    async fn remove(&mut self, removal: &Removal<'_>) -> Result<Removed, BoxedPortError> {
        let mut server = self.0.borrow_mut();
        if server.denies {
            return Err(Denied.into());
        }
        server.batches += 1;
        let is_chosen = |row: &Row| row.committed.is_some() && row.xid < removal.horizon;
        let limit = usize::try_from(removal.limit).unwrap();
        let rows = std::mem::take(&mut server.rows);
        let (chosen, mut kept): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(is_chosen);
        let (removed, later) = chosen.split_at(limit.min(chosen.len()));
        for row in removed {
            assert!(server.is_in_kafka(row), "{row:?} was removed: {server:?}");
        }
        kept.extend(later);
        server.rows = kept;
        server.removed += u64::try_from(removed.len()).unwrap();
        Ok(Removed {
            rows: u64::try_from(removed.len()).unwrap(),
            has_more: removed.len() == limit,
            ..Removed::default()
        })
    }
}

fn config(keep: Duration) -> OutboxCleanupConfig {
    OutboxCleanupConfig {
        outboxes: vec![OutboxSection {
            tables: "public.outbox".parse().unwrap(),
            cleanup: Some(CleanupRule {
                action: CleanupAction::Delete,
                keep,
                age_column: None,
                interval: SECOND,
                batch_rows: 2,
                rows_per_second: 100,
                existing: false,
            }),
        }],
        filtered: Vec::new(),
    }
}

/// A streaming connector whose only table is the outbox.
struct Model {
    server: Rc<RefCell<Server>>,
    cleaner: OutboxCleaner<FakeTables>,
    state: ConnectorState,
}

impl Model {
    fn new(config: OutboxCleanupConfig) -> Self {
        let server = Rc::new(RefCell::new(Server {
            rows: Vec::new(),
            next_xid: 700,
            running: BTreeSet::new(),
            end: 10_000,
            session: 1,
            checkpoint: 10_000,
            membership: "a".to_owned(),
            denies: false,
            is_quarantined: false,
            removed: 0,
            batches: 0,
        }));
        let state = ConnectorState::default();
        let source_state = SourceState {
            publication: Some(PublicationState {
                all_tables: false,
                tables: vec![outbox()],
                unpublished: Vec::new(),
                restricted: BTreeMap::new(),
            }),
            ..fixture::source_state([fixture::captured(outbox(), OUTBOX.as_u32())])
        };
        state.tables.inspect(&source_state, "walcast_shop", false);
        state.outboxes.verify();
        state.status.set(Status::Streaming);
        let tables = FakeTables(Rc::clone(&server));
        let cleaner = OutboxCleaner::new(tables, config, state.clone(), Describe::default());
        let model = Self {
            server,
            cleaner,
            state,
        };
        model.find_membership();
        model.checkpoint();
        model
    }

    /// The connector delivers everything that is committed.
    fn checkpoint(&self) {
        let mut server = self.server.borrow_mut();
        server.checkpoint = server.end;
        let position = Lsn::new(server.end);
        self.state.positions.publish(&Positions::new(position, position));
    }

    /// The connector reads the membership of the table.
    fn find_membership(&self) {
        let membership = self.server.borrow().membership.clone();
        let found = SourceState {
            memberships: BTreeMap::from([(OUTBOX, membership)]),
            ..fixture::source_state([fixture::captured(outbox(), OUTBOX.as_u32())])
        };
        let rule = serde_json::json!({"tables": "public.outbox"});
        let mapper = MapperConfig {
            outboxes: vec![serde_json::from_value(rule).unwrap()],
            ..MapperConfig::new("shop", "shop")
        };
        self.state.outboxes.inspect(&found, &mapper);
    }

    /// The connector inspects the publication.
    fn inspect(&self) {
        self.find_membership();
        let end = Lsn::new(self.server.borrow().end);
        self.state.drift.show(end, Vec::new());
    }

    async fn pass(&mut self) {
        tokio::time::advance(SECOND).await;
        self.cleaner.pass().await;
    }

    /// Brings the cleaner to where it removes rows: the table is empty, known and inspected.
    async fn settle(&mut self) {
        self.pass().await;
        self.inspect();
        self.pass().await;
        self.pass().await;
        assert!(self.is_complete());
    }

    fn is_complete(&self) -> bool {
        let membership = &self.server.borrow().membership;
        self.state.outboxes.is_complete(OUTBOX, membership)
    }

    fn left(&self) -> usize {
        self.server.borrow().rows.len()
    }

    fn view(&self) -> CleanupView {
        self.state.outboxes.read()[&outbox()].cleanup.clone().unwrap()
    }

    fn waits_for(&self) -> String {
        self.view().waits_for.unwrap_or_default()
    }

    fn quarantine(&self, is_quarantined: bool) {
        self.server.borrow_mut().is_quarantined = is_quarantined;
        let quarantine = Quarantine {
            table: outbox(),
            since: ChangePosition::of_snapshot(Lsn::new(1)),
            lsn: Lsn::new(1),
            of_rows: false,
            reason: DeadLetterReason::Mapping.into(),
            error: String::new(),
            phase: QuarantinePhase::Skipping,
            entered_at_unix_micros: 0,
            missing_since: None,
        };
        let tables = match is_quarantined {
            true => Quarantines::from([(OUTBOX, quarantine)]),
            false => Quarantines::new(),
        };
        self.state.tables.set_quarantines(&tables);
    }
}

#[tokio::test(start_paused = true)]
async fn a_row_is_removed_once_the_checkpoint_has_passed_it() {
    let mut model = Model::new(config(Duration::ZERO));
    model.settle().await;
    for _ in 0..5 {
        model.server.borrow_mut().insert();
    }
    model.pass().await;
    model.pass().await;
    assert_eq!(model.left(), 5);
    assert_eq!(model.view().rows, 0);

    model.checkpoint();
    model.pass().await;
    assert_eq!(model.left(), 0);
    let view = model.view();
    assert_eq!((view.rows, view.errors, view.waits_for), (5, 0, None));
    // Two rows a batch.
    assert!(model.server.borrow().batches >= 3);
}

/// A transaction that runs keeps those of later transaction IDs from being removed, because it may commit at any time.
#[tokio::test(start_paused = true)]
async fn a_transaction_that_runs_is_waited_for() {
    let mut model = Model::new(config(Duration::ZERO));
    model.settle().await;
    let running = model.server.borrow_mut().begin();
    model.server.borrow_mut().insert();
    model.checkpoint();
    model.pass().await;
    model.pass().await;
    assert_eq!(model.left(), 2);
    model.server.borrow_mut().commit(running);
    model.pass().await;
    assert_eq!(model.left(), 2, "the checkpoint has not passed it");
    model.checkpoint();
    model.pass().await;
    assert_eq!(model.left(), 0);
}

#[tokio::test(start_paused = true)]
async fn rows_are_kept_for_their_time() {
    let mut model = Model::new(config(16 * SECOND));
    model.settle().await;
    model.server.borrow_mut().insert();
    model.checkpoint();
    for _ in 0..16 {
        model.pass().await;
        assert_eq!(model.left(), 1);
    }
    model.pass().await;
    model.pass().await;
    assert_eq!(model.left(), 0);
}

#[tokio::test(start_paused = true)]
async fn rows_of_before_the_capture_stay() {
    let mut model = Model::new(config(Duration::ZERO));
    model.server.borrow_mut().insert();
    model.server.borrow_mut().rows[0].is_lost = true;
    model.checkpoint();
    for _ in 0..3 {
        model.pass().await;
        model.inspect();
        // Something is written between two inspections.
        model.server.borrow_mut().end += 100;
        model.checkpoint();
    }
    assert_eq!(model.left(), 1);
    assert!(
        model.waits_for().contains("cleanup_existing"),
        "{}",
        model.waits_for()
    );

    // An operator deletes them.
    model.server.borrow_mut().rows.clear();
    model.pass().await;
    model.server.borrow_mut().insert();
    model.checkpoint();
    model.pass().await;
    model.pass().await;
    assert_eq!(model.left(), 0);
}

#[tokio::test(start_paused = true)]
async fn rows_stay_while_changes_may_be_missing() {
    let mut model = Model::new(config(Duration::ZERO));
    model.settle().await;
    model.server.borrow_mut().insert();
    model.checkpoint();

    model.quarantine(true);
    model.pass().await;
    assert!(
        model.waits_for().contains("not delivered"),
        "{}",
        model.waits_for()
    );
    model.quarantine(false);

    let finding = Halt::NotPublished {
        table: outbox(),
        publication: "walcast_shop".to_owned(),
        sql: String::new(),
    };
    let after = Lsn::new(model.server.borrow().end);
    model.state.drift.show(after, vec![Drifted { finding, after }]);
    model.pass().await;
    assert!(
        model.waits_for().contains("publication_drift"),
        "{}",
        model.waits_for()
    );
    model.inspect();

    model.state.status.set(Status::Connecting);
    model.pass().await;
    assert_eq!(model.left(), 1);
    model.state.status.set(Status::Streaming);
    model.pass().await;
    assert_eq!(model.left(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_error_is_shown_and_tried_again() {
    let mut model = Model::new(config(Duration::ZERO));
    model.settle().await;
    model.server.borrow_mut().denies = true;
    model.server.borrow_mut().insert();
    model.checkpoint();
    model.pass().await;
    model.pass().await;
    let view = model.view();
    assert!(view.errors >= 1);
    assert_eq!(
        view.error.as_deref(),
        Some("permission denied for table outbox (SQLSTATE 42501)")
    );
    model.server.borrow_mut().denies = false;
    model.pass().await;
    assert_eq!((model.left(), model.view().error), (0, None));
}
