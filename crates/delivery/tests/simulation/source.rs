//! The client of a process for the modelled Postgres.

use std::cell::Cell;
use std::rc::Rc;

use tokio::time::{Duration, Instant, sleep};
use walcast_delivery::condition::Condition;
use walcast_delivery::{
    BoxedPortError, Catalog, CreatedSlot, Feedback, Published, RowsCatalog, Source, SourceState, SourceWatch,
    Started, Timeline,
};
use walcast_mapper::{ReselectRequest, TableMetadata, TableName};
use walcast_pgoutput::{Lsn, Relation, Xid};

use crate::damage::Damage;
use crate::fault::SimFault;
use crate::process::Process;
use crate::rules::Rule;
use crate::snapshots::{SnapshotsClient, StateSnapshot};
use crate::stream::Stream;
use crate::world::{System, World};

/// A connection of a process. The server notices its end immediately, or later if the process died.
pub(crate) struct Link {
    pub(crate) world: Rc<World>,
    pub(crate) process: Rc<Process>,
    pub(crate) number: u64,
    /// Whether the connection has requested or confirmed a position.
    is_used: Cell<bool>,
}

impl Link {
    pub(crate) fn new(world: &Rc<World>, process: &Rc<Process>) -> Self {
        Self {
            world: Rc::clone(world),
            process: Rc::clone(process),
            number: world.database.borrow_mut().connect(),
            is_used: Cell::new(false),
        }
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.world.database.borrow().is_connected(self.number)
    }

    /// Marks the stream as used, and checks that its source is not damaged.
    pub(crate) fn use_stream(&self) {
        if self.is_used.replace(true) || !self.is_alive() {
            return;
        }
        let damage = self.world.damage();
        let must_show = |damage: &&Damage| damage.must_halt() && !damage.is_hidden();
        for damage in damage.iter().filter(must_show) {
            self.world
                .report_violation(Rule::DamageHalts, || format!("streams with {damage:?}"));
        }
    }

    /// Returns an error if the connection has ended.
    pub(crate) fn check(&self) -> Result<(), SimFault> {
        if self.is_alive() {
            Ok(())
        } else {
            Err(SimFault::Transient("the server closed the connection"))
        }
    }
}

/// Longest delay until a client notices the end of a connection.
const CLIENT_NOTICE_MAX_MS: u64 = 4_000;

/// Longest delay until the server notices that a client is lost.
const SERVER_NOTICE_MAX_MS: u64 = 20_000;

impl Drop for Link {
    fn drop(&mut self) {
        let mut database = self.world.database.borrow_mut();
        if self.process.is_dead() && self.world.dice.one_in(3) {
            let after = Duration::from_millis(self.world.dice.roll(SERVER_NOTICE_MAX_MS));
            if let Some(connection) = database.connections.get_mut(&self.number) {
                connection.noticed_at = Some(Instant::now() + after);
            }
        } else {
            database.disconnect(self.number);
        }
        drop(database);
        self.world.changed();
    }
}

/// The source of a process.
pub(crate) struct SourceClient {
    pub(crate) world: Rc<World>,
    process: Rc<Process>,
    /// The connection that holds leadership.
    leader: Option<Rc<Link>>,
}

impl SourceClient {
    pub(crate) fn new(world: &Rc<World>, process: &Rc<Process>) -> Self {
        Self {
            world: Rc::clone(world),
            process: Rc::clone(process),
            leader: None,
        }
    }

    fn leader_link(&self) -> Result<Rc<Link>, BoxedPortError> {
        let link = self.leader.as_ref().map(Rc::clone);
        Ok(link.ok_or(SimFault::Transient("not the leader"))?)
    }
}

impl Source for SourceClient {
    type Stream = Stream;
    type Feedback = FeedbackClient;
    type Catalog = CatalogClient;
    type Watch = WatchClient;
    type Snapshots = SnapshotsClient;

    async fn acquire_leadership(&mut self) -> Result<(), BoxedPortError> {
        self.leader = None;
        let (world, process) = (&self.world, &self.process);
        world.wait_available(process, System::Database).await?;
        world.network_delay(process).await;
        let link = Link::new(world, process);
        world
            .until(|| world.database.borrow().leader.is_none() || !link.is_alive())
            .await;
        link.check()?;
        world.database.borrow_mut().leader = Some(link.number);
        world.trace.note(process.name, || "leads".to_owned());
        self.leader = Some(Rc::new(link));
        world.network_delay(process).await;
        Ok(())
    }

    fn step_down(&mut self) {
        self.leader = None;
    }

    async fn inspect(&mut self, known: Option<Timeline>) -> Result<SourceState, BoxedPortError> {
        let link = self.leader_link()?;
        let source_state = || {
            link.check()?;
            let database = self.world.database.borrow();
            let is_other = known.is_some_and(|known| known != database.timeline);
            Ok(database.inspect(is_other))
        };
        self.world.call(&self.process, "inspect", source_state).await
    }

    async fn create_publication(&mut self, tables: &[TableName]) -> Result<(), BoxedPortError> {
        let link = self.leader_link()?;
        let create = || {
            link.check()?;
            let with_audit = !self.world.settings.has_late_tables || self.world.dice.one_in(2);
            self.world
                .database
                .borrow_mut()
                .create_publication(tables, with_audit);
            Ok(())
        };
        self.world.call(&self.process, "create publication", create).await
    }

    async fn publish(&mut self, tables: &[TableName]) -> Result<Published, BoxedPortError> {
        let link = self.leader_link()?;
        publish(&link, tables).await
    }

    /// Not used in the simulated modes.
    // A slot is created at once here.
    async fn end_slot_creation(&mut self) -> Result<(), BoxedPortError> {
        Ok(())
    }

    async fn drop_slot(&mut self) -> Result<(), BoxedPortError> {
        Err(SimFault::Permanent("the slot is never dropped here").into())
    }

    async fn drop_publication(&mut self) -> Result<(), BoxedPortError> {
        let link = self.leader_link()?;
        let forget = || {
            link.check()?;
            self.world.database.borrow_mut().publication = None;
            Ok(())
        };
        self.world.call(&self.process, "drop publication", forget).await
    }

    async fn create_slot(&mut self, with_snapshot: bool) -> Result<CreatedSlot<Self>, BoxedPortError> {
        let link = self.leader_link()?;
        let (world, process) = (&self.world, &self.process);
        let create = || {
            link.check()?;
            let consistent_point = {
                let mut database = world.database.borrow_mut();
                if database.slot.is_some() {
                    return Err(SimFault::Permanent("slot already exists"));
                }
                let consistent_point = database.create_slot();
                database.delivery_start = Some(consistent_point);
                consistent_point
            };
            Ok(CreatedSlot {
                consistent_point,
                snapshot: with_snapshot.then(|| StateSnapshot::at(world, process, consistent_point)),
            })
        };
        world.call(process, "create slot", create).await
    }

    async fn start(&mut self, from: Lsn) -> Result<Started<Self>, BoxedPortError> {
        let leader = self.leader_link()?;
        let (world, process) = (&self.world, &self.process);
        // Like the real client, wait for a slot that is still held by a connection that has just ended.
        let is_free = || !world.database.borrow().is_streaming() || !leader.is_alive();
        if tokio::time::timeout(SLOT_TIMEOUT, world.until(is_free))
            .await
            .is_err()
        {
            return Err(SimFault::Transient("slot is active").into());
        }
        let start = || {
            leader.check()?;
            let mut database = world.database.borrow_mut();
            let confirmed = database
                .confirmed()
                .ok_or(SimFault::Permanent("slot does not exist"))?;
            if database.is_streaming() {
                return Err(SimFault::Transient("slot is active"));
            }
            drop(database);
            let link = Rc::new(Link::new(world, process));
            database = world.database.borrow_mut();
            if let Some(connection) = database.connections.get_mut(&link.number) {
                connection.streams = true;
            }
            drop(database);
            world.trace.note(process.name, || {
                format!("streams from {from}, the slot is at {confirmed}")
            });
            // Like the server, silently: the stream never starts before the confirmed position.
            Ok(Stream::new(link, from.max(confirmed)))
        };
        let stream = world.call(process, "start", start).await?;
        Ok(Started {
            feedback: FeedbackClient(Rc::clone(&stream.link)),
            catalog: CatalogClient(Rc::clone(&leader)),
            watch: WatchClient(leader),
            snapshots: SnapshotsClient {
                world: Rc::clone(world),
                process: Rc::clone(process),
            },
            stream,
        })
    }
}

/// Adds tables to the publication, and returns the position from which their changes are streamed.
async fn publish(link: &Link, tables: &[TableName]) -> Result<Published, BoxedPortError> {
    let publish = || {
        link.check()?;
        let mut database = link.world.database.borrow_mut();
        database.publish(tables, link.world.dice.roll(64))?;
        if database.running.is_some() {
            link.world.cover("published while a transaction runs");
        }
        Ok(Published {
            since: database.wal_end,
            refused: Vec::new(),
        })
    };
    link.world.call(&link.process, "publish", publish).await
}

/// Limit of the wait for a slot that is held.
const SLOT_TIMEOUT: Duration = Duration::from_secs(5);

/// Sends confirmations to the server.
pub(crate) struct FeedbackClient(pub(crate) Rc<Link>);

impl Feedback for FeedbackClient {
    fn confirm(&self, flush: Lsn) {
        self.0.use_stream();
        let world = &self.0.world;
        let checkpointed = world
            .broker
            .borrow()
            .checkpoint()
            .map(|checkpoint| checkpoint.end_lsn);
        // Neither a repeated position nor a confirmation on a lost connection moves the slot.
        let moves = self.0.is_alive() && Some(flush) > world.database.borrow().confirmed();
        if moves && Some(flush) > checkpointed {
            world.report_violation(Rule::ConfirmedIsCheckpointed, || {
                format!("{flush} is confirmed while the checkpoint is at {checkpointed:?}")
            });
        }
        if moves && let Some(damage) = world.damage().iter().find(|damage| damage.must_halt()) {
            world.report_violation(Rule::DamageHalts, || format!("confirms {flush} with {damage:?}"));
        }
        world
            .trace
            .note(self.0.process.name, || format!("confirms {flush}"));
        let mut database = world.database.borrow_mut();
        if let Some(connection) = database.connections.get_mut(&self.0.number) {
            connection.confirmed = connection.confirmed.max(Some(flush));
        }
        drop(database);
        world.changed();
    }
}

/// Catalog look-ups.
pub(crate) struct CatalogClient(Rc<Link>);

impl Catalog for CatalogClient {
    fn captures(&self, table: &TableName) -> bool {
        self.0.world.database.borrow().captured_names().contains(table)
    }

    async fn table_metadata(
        &mut self,
        relation: &Relation,
        _: Option<Xid>,
    ) -> Result<TableMetadata, BoxedPortError> {
        let link = &self.0;
        let look = || {
            link.check()?;
            let database = link.world.database.borrow();
            let table = database.tables.iter().find(|table| table.oid == relation.oid);
            Ok(table.map(|table| table.metadata()).unwrap_or_default())
        };
        link.world.call(&link.process, "table metadata", look).await
    }

    /// WAL contains all values here.
    async fn reselect(
        &mut self,
        _: &ReselectRequest<'_>,
    ) -> Result<Option<Vec<Option<String>>>, BoxedPortError> {
        Ok(None)
    }
}

impl RowsCatalog for CatalogClient {
    async fn inspect(&mut self) -> Result<SourceState, BoxedPortError> {
        let link = &self.0;
        let look = || {
            link.check()?;
            Ok(link.world.database.borrow().inspect(false))
        };
        link.world
            .call(&link.process, "inspect for a request", look)
            .await
    }

    async fn refuses(
        &mut self,
        _: &TableName,
        _: Option<&Condition>,
    ) -> Result<Option<String>, BoxedPortError> {
        Ok(None)
    }
}

/// Inspects the server while streaming.
pub(crate) struct WatchClient(Rc<Link>);

impl WatchClient {
    pub(crate) fn world(&self) -> &World {
        &self.0.world
    }
}

impl SourceWatch for WatchClient {
    async fn inspect(&mut self) -> Result<SourceState, BoxedPortError> {
        let link = &self.0;
        let look = || {
            link.check()?;
            Ok(link.world.database.borrow().inspect(false))
        };
        link.world.call(&link.process, "watch", look).await
    }

    async fn publish(&mut self, tables: &[TableName]) -> Result<Published, BoxedPortError> {
        publish(&self.0, tables).await
    }

    async fn lost(&mut self) -> BoxedPortError {
        let world = &self.0.world;
        world.until(|| !self.0.is_alive()).await;
        // The end of a connection is not always noticed immediately.
        let after_ms = world.dice.roll(2) * world.dice.roll(CLIENT_NOTICE_MAX_MS);
        sleep(Duration::from_millis(after_ms)).await;
        SimFault::Transient("leadership lost").into()
    }
}

/// The highest of several positions.
#[derive(Default)]
pub(crate) struct Highest(Cell<Lsn>);

impl Highest {
    pub(crate) fn reach(&self, lsn: Lsn) {
        self.0.set(self.0.get().max(lsn));
    }

    pub(crate) fn lsn(&self) -> Lsn {
        self.0.get()
    }
}
