//! A running stream of the modelled server.

use std::collections::{BTreeSet, VecDeque};
use std::rc::Rc;

use walcast_delivery::{BoxedFault, ChangeStream};
use walcast_pgoutput::{FrameBlock, Lsn, Oid};

use crate::database::Database;
use crate::fault::SimFault;
use crate::log::{Change, Transaction};
use crate::mutation::Mutation;
use crate::source::Link;
use crate::wire::{self, Told};
use crate::world::World;

/// The version from which on servers notice that a table is published.
pub(crate) const MENDED: u32 = 170_005;

/// One session of the walsender.
pub(crate) struct Stream {
    pub(crate) link: Rc<Link>,
    /// Transactions whose commit record lies before it are not sent.
    from: Lsn,
    /// The next transaction of the log to be looked at.
    next_transaction: usize,
    told: Told,
    /// Tables whose changes are left out, published though they are.
    left_out: BTreeSet<Oid>,
    /// Encoded and not sent yet.
    frames: VecDeque<Vec<u8>>,
    /// The end of log that was told last.
    idle_end: Lsn,
}

impl Stream {
    pub(crate) fn new(link: Rc<Link>, from: Lsn) -> Self {
        Self {
            link,
            from,
            next_transaction: 0,
            told: Told::new(),
            left_out: BTreeSet::new(),
            frames: VecDeque::new(),
            idle_end: Lsn::INVALID,
        }
    }

    /// The end of everything that was sent, as far as no more than what was sent is claimed.
    pub(crate) fn sent_until(&self) -> Lsn {
        let database = self.link.world.database.borrow();
        let last = self.next_transaction.checked_sub(1);
        let sent = last
            .and_then(|last| database.log.get(last))
            .map(|sent| sent.next_lsn());
        sent.unwrap_or(Lsn::INVALID).max(self.idle_end)
    }

    /// Encodes until a block is full or the log ends; there a keepalive tells the end, once.
    fn fill(&mut self, count: usize) {
        let world = &self.link.world;
        let database = world.database.borrow();
        if world.is_mutated(Mutation::StreamsUndone)
            && self.frames.is_empty()
            && let Some(undone) = database
                .undone
                .iter()
                .find(|one| one.commit_lsn >= self.from && !one.is_message)
        {
            self.frames
                .extend(wire::transaction(undone, &mut self.told, false));
        }
        while self.frames.len() < count {
            let Some(transaction) = database.log.get(self.next_transaction) else {
                break;
            };
            self.next_transaction += 1;
            if transaction.commit_lsn >= self.from {
                let sent = published(world, &database, transaction, &mut self.left_out);
                let transaction = &sent;
                let keepalives = world.settings.keepalives_inside;
                self.frames
                    .extend(wire::transaction(transaction, &mut self.told, keepalives));
                if world.is_mutated(Mutation::StreamsRolledBack) && !transaction.is_message {
                    let mut rolled_back = transaction.clone();
                    rolled_back.commit_lsn = Lsn::new(transaction.commit_lsn.as_u64() + 2);
                    self.frames
                        .extend(wire::transaction(&rolled_back, &mut self.told, false));
                }
            }
        }
        let is_at_end = self.next_transaction == database.log.len();
        if is_at_end && self.frames.is_empty() && self.idle_end < database.wal_end {
            self.idle_end = database.wal_end;
            self.frames.push_back(wire::keepalive(self.idle_end));
        }
    }
}

/// What a walsender sends of a transaction. Old servers do not notice that a table was published while a transaction ran which
/// they decode: they leave out the changes of the table from then on (the fix came with 17.5 and its like).
fn published(
    world: &World,
    database: &Database,
    transaction: &Transaction,
    left_out: &mut BTreeSet<Oid>,
) -> Transaction {
    let mut sent = transaction.clone();
    let mut forgotten = BTreeSet::new();
    sent.changes.retain(|logged| {
        let oid = logged.relation.oid;
        let since = database.published_since(oid);
        if matches!(logged.change, Change::Message) {
            return true;
        }
        if logged.lsn < since && since <= transaction.commit_lsn && database.server_version < MENDED {
            forgotten.insert(oid);
        }
        if left_out.contains(&oid) {
            world.mark("left out by an old server");
        }
        since <= logged.lsn && !left_out.contains(&oid)
    });
    left_out.append(&mut forgotten);
    sent
}

impl ChangeStream for Stream {
    async fn next(&mut self) -> Result<FrameBlock, BoxedFault> {
        let (world, life) = (Rc::clone(&self.link.world), Rc::clone(&self.link.life));
        self.link.use_stream();
        world.travel(&life).await;
        let count = 1 + world.dice.count(world.settings.frames_per_block_max);
        loop {
            // What the server has sent can be read when it is gone, too.
            if self.link.is_alive() {
                self.fill(count);
            } else if self.frames.is_empty() || world.dice.one_in(3) {
                self.link.check()?;
            }
            if !self.frames.is_empty() {
                break;
            }
            let (seen, known) = (self.idle_end, self.next_transaction);
            let has_more = || {
                let database = world.database.borrow();
                database.wal_end > seen || database.log.len() > known || !self.link.is_alive()
            };
            world.until(has_more).await;
        }
        // From here on nothing is awaited: no block is lost when the caller turns away.
        if world.is_bad_luck() {
            world
                .trace
                .note(life.name, || "stream: connection lost".to_owned());
            world.database.borrow_mut().disconnect(self.link.number);
            world.changed();
            return Err(SimFault::Passing("connection lost").into());
        }
        let count = count.min(self.frames.len());
        let block: Vec<u8> = self.frames.drain(..count).flatten().collect();
        world.trace.note(life.name, || {
            format!("stream: {count} frames, sent until {}", self.sent_until())
        });
        Ok(FrameBlock::new(block.into()))
    }

    async fn stop(self) -> Result<(), BoxedFault> {
        let link = &self.link;
        let stop = || {
            link.check()?;
            let mut database = link.world.database.borrow_mut();
            let connection = database.connections.get_mut(&link.number);
            if let Some(confirmed) = connection.and_then(|connection| connection.confirmed.take()) {
                database.confirm(confirmed);
            }
            database.disconnect(link.number);
            Ok(())
        };
        link.world.call(&link.life, "stop stream", stop).await
    }
}
