//! One process's way to the modelled Postgres.

use std::cell::Cell;
use std::rc::Rc;

use tokio::time::{Duration, Instant, sleep};
use walcast_delivery::{
    BoxedFault, Catalog, CreatedSlot, Feedback, RowsCatalog, Source, SourceWatch, Started, Survey, Timeline,
};
use walcast_mapper::{TableFacts, TableName, Unsent};
use walcast_pgoutput::{Lsn, Oid, Xid};

use crate::damage::Damage;
use crate::fault::SimFault;
use crate::life::Life;
use crate::rules::Rule;
use crate::snapshots::{SnapshotsClient, StateSnapshot};
use crate::stream::Stream;
use crate::world::{System, World};

/// A connection of a process. When it is dropped the server notices, at once or, where the process died, maybe later.
pub(crate) struct Link {
    pub(crate) world: Rc<World>,
    pub(crate) life: Rc<Life>,
    pub(crate) number: u64,
    /// Whether something was asked for or confirmed through it.
    is_used: Cell<bool>,
}

impl Link {
    pub(crate) fn new(world: &Rc<World>, life: &Rc<Life>) -> Self {
        Self {
            world: Rc::clone(world),
            life: Rc::clone(life),
            number: world.database.borrow_mut().connect(),
            is_used: Cell::new(false),
        }
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.world.database.borrow().is_connected(self.number)
    }

    /// The stream is used: then nothing may be wrong with its source.
    pub(crate) fn use_stream(&self) {
        if self.is_used.replace(true) || !self.is_alive() {
            return;
        }
        let damage = self.world.damage();
        let must_show = |damage: &&Damage| damage.must_halt() && !damage.is_hidden();
        for damage in damage.iter().filter(must_show) {
            self.world
                .breach(Rule::DamageHalts, || format!("streams with {damage:?}"));
        }
    }

    /// The connection is there, or its fault.
    pub(crate) fn check(&self) -> Result<(), SimFault> {
        if self.is_alive() {
            Ok(())
        } else {
            Err(SimFault::Passing("the server closed the connection"))
        }
    }
}

/// How long a client may take to hear that a connection has ended.
const HEARD_AFTER_MAX_MS: u64 = 4_000;

/// How long a server may take to notice that a client's machine is gone.
const NOTICED_AFTER_MAX_MS: u64 = 20_000;

impl Drop for Link {
    fn drop(&mut self) {
        let mut database = self.world.database.borrow_mut();
        if self.life.is_doomed() && self.world.dice.one_in(3) {
            let after = Duration::from_millis(self.world.dice.roll(NOTICED_AFTER_MAX_MS));
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

/// The server, as one process reaches it.
pub(crate) struct SourceClient {
    pub(crate) world: Rc<World>,
    life: Rc<Life>,
    /// The connection that holds the lead.
    lead: Option<Rc<Link>>,
}

impl SourceClient {
    pub(crate) fn new(world: &Rc<World>, life: &Rc<Life>) -> Self {
        Self {
            world: Rc::clone(world),
            life: Rc::clone(life),
            lead: None,
        }
    }

    fn leading(&self) -> Result<Rc<Link>, BoxedFault> {
        let link = self.lead.as_ref().map(Rc::clone);
        Ok(link.ok_or(SimFault::Passing("does not lead"))?)
    }
}

impl Source for SourceClient {
    type Stream = Stream;
    type Feedback = FeedbackClient;
    type Catalog = CatalogClient;
    type Watch = WatchClient;
    type Snapshots = SnapshotsClient;

    async fn lead(&mut self) -> Result<(), BoxedFault> {
        self.lead = None;
        let (world, life) = (&self.world, &self.life);
        world.reach(life, System::Database).await?;
        world.travel(life).await;
        let link = Link::new(world, life);
        world
            .until(|| world.database.borrow().leader.is_none() || !link.is_alive())
            .await;
        link.check()?;
        world.database.borrow_mut().leader = Some(link.number);
        world.trace.note(life.name, || "leads".to_owned());
        self.lead = Some(Rc::new(link));
        world.travel(life).await;
        Ok(())
    }

    fn resign(&mut self) {
        self.lead = None;
    }

    async fn survey(&mut self, known: Option<Timeline>) -> Result<Survey, BoxedFault> {
        let link = self.leading()?;
        let survey = || {
            link.check()?;
            let database = self.world.database.borrow();
            let is_other = known.is_some_and(|known| known != database.timeline);
            Ok(database.survey(is_other))
        };
        self.world.call(&self.life, "survey", survey).await
    }

    async fn create_publication(&mut self, tables: &[TableName]) -> Result<(), BoxedFault> {
        let link = self.leading()?;
        let create = || {
            link.check()?;
            let with_audit = !self.world.settings.has_late_tables || self.world.dice.one_in(2);
            self.world
                .database
                .borrow_mut()
                .create_publication(tables, with_audit);
            Ok(())
        };
        self.world.call(&self.life, "create publication", create).await
    }

    async fn publish(&mut self, tables: &[TableName]) -> Result<(), BoxedFault> {
        let link = self.leading()?;
        publish(&link, tables).await.map(drop)
    }

    /// No mode that is simulated does that.
    async fn drop_slot(&mut self) -> Result<(), BoxedFault> {
        Err(SimFault::Lasting("nobody drops the slot here").into())
    }

    async fn drop_publication(&mut self) -> Result<(), BoxedFault> {
        let link = self.leading()?;
        let forget = || {
            link.check()?;
            self.world.database.borrow_mut().publication = None;
            Ok(())
        };
        self.world.call(&self.life, "drop publication", forget).await
    }

    async fn create_slot(&mut self, with_snapshot: bool) -> Result<CreatedSlot<Self>, BoxedFault> {
        let link = self.leading()?;
        let (world, life) = (&self.world, &self.life);
        let create = || {
            link.check()?;
            let consistent_point = {
                let mut database = world.database.borrow_mut();
                if database.slot.is_some() {
                    return Err(SimFault::Lasting("slot already exists"));
                }
                let consistent_point = database.create_slot();
                database.delivers_from = Some(consistent_point);
                consistent_point
            };
            Ok(CreatedSlot {
                consistent_point,
                snapshot: with_snapshot.then(|| StateSnapshot::at(world, life, consistent_point)),
            })
        };
        world.call(life, "create slot", create).await
    }

    async fn start(&mut self, from: Lsn) -> Result<Started<Self>, BoxedFault> {
        let lead = self.leading()?;
        let (world, life) = (&self.world, &self.life);
        // As the real client does: a slot that a connection holds which has just ended is waited for.
        let is_free = || !world.database.borrow().is_streaming() || !lead.is_alive();
        if tokio::time::timeout(SLOT_PATIENCE, world.until(is_free))
            .await
            .is_err()
        {
            return Err(SimFault::Passing("slot is active").into());
        }
        let start = || {
            lead.check()?;
            let mut database = world.database.borrow_mut();
            let confirmed = database
                .confirmed()
                .ok_or(SimFault::Lasting("slot does not exist"))?;
            if database.is_streaming() {
                return Err(SimFault::Passing("slot is active"));
            }
            drop(database);
            let link = Rc::new(Link::new(world, life));
            database = world.database.borrow_mut();
            if let Some(connection) = database.connections.get_mut(&link.number) {
                connection.streams = true;
            }
            drop(database);
            world.trace.note(life.name, || {
                format!("streams from {from}, the slot is at {confirmed}")
            });
            // As the server does, without a word: it never goes back behind what was confirmed.
            Ok(Stream::new(link, from.max(confirmed)))
        };
        let stream = world.call(life, "start", start).await?;
        Ok(Started {
            feedback: FeedbackClient(Rc::clone(&stream.link)),
            catalog: CatalogClient(Rc::clone(&lead)),
            watch: WatchClient(lead),
            snapshots: SnapshotsClient {
                world: Rc::clone(world),
                life: Rc::clone(life),
            },
            stream,
        })
    }
}

/// Adds tables to the publication; from which position on their changes are streamed.
async fn publish(link: &Link, tables: &[TableName]) -> Result<Lsn, BoxedFault> {
    let publish = || {
        link.check()?;
        let mut database = link.world.database.borrow_mut();
        database.publish(tables, link.world.dice.roll(64))?;
        if database.running.is_some() {
            link.world.mark("published while a transaction runs");
        }
        Ok(database.wal_end)
    };
    link.world.call(&link.life, "publish", publish).await
}

/// How long a slot that is held is waited for.
const SLOT_PATIENCE: Duration = Duration::from_secs(5);

/// The way back.
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
        // To tell the slot what it was told before moves nothing, and what is told to nobody does not either.
        let moves = self.0.is_alive() && Some(flush) > world.database.borrow().confirmed();
        if moves && Some(flush) > checkpointed {
            world.breach(Rule::ConfirmedIsCheckpointed, || {
                format!("{flush} is confirmed while the checkpoint is at {checkpointed:?}")
            });
        }
        if moves && let Some(damage) = world.damage().iter().find(|damage| damage.must_halt()) {
            world.breach(Rule::DamageHalts, || format!("confirms {flush} with {damage:?}"));
        }
        world.trace.note(self.0.life.name, || format!("confirms {flush}"));
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

    async fn table_facts(&mut self, relation: Oid, _: Option<Xid>) -> Result<TableFacts, BoxedFault> {
        let link = &self.0;
        let look = || {
            link.check()?;
            let database = link.world.database.borrow();
            let table = database.tables.iter().find(|table| table.oid == relation);
            Ok(table.map(|table| table.facts()).unwrap_or_default())
        };
        link.world.call(&link.life, "table facts", look).await
    }

    /// The log leaves nothing out here.
    async fn reselect(&mut self, _: &Unsent<'_>) -> Result<Option<Vec<Option<String>>>, BoxedFault> {
        Ok(None)
    }
}

impl RowsCatalog for CatalogClient {
    async fn survey(&mut self) -> Result<Survey, BoxedFault> {
        let link = &self.0;
        let look = || {
            link.check()?;
            Ok(link.world.database.borrow().survey(false))
        };
        link.world.call(&link.life, "survey for a request", look).await
    }

    async fn refuses(&mut self, _: &TableName, _: Option<&str>) -> Result<Option<String>, BoxedFault> {
        Ok(None)
    }
}

/// Eyes on the server.
pub(crate) struct WatchClient(Rc<Link>);

impl WatchClient {
    pub(crate) fn world(&self) -> &World {
        &self.0.world
    }
}

impl SourceWatch for WatchClient {
    async fn survey(&mut self) -> Result<Survey, BoxedFault> {
        let link = &self.0;
        let look = || {
            link.check()?;
            Ok(link.world.database.borrow().survey(false))
        };
        link.world.call(&link.life, "watch", look).await
    }

    async fn publish(&mut self, tables: &[TableName]) -> Result<Lsn, BoxedFault> {
        publish(&self.0, tables).await
    }

    async fn lost(&mut self) -> BoxedFault {
        let world = &self.0.world;
        world.until(|| !self.0.is_alive()).await;
        // A connection that ends is not always heard of at once.
        let after_ms = world.dice.roll(2) * world.dice.roll(HEARD_AFTER_MAX_MS);
        sleep(Duration::from_millis(after_ms)).await;
        SimFault::Passing("leadership lost").into()
    }
}

/// A number that grows.
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
