//! A running stream of the modelled server.

use std::collections::{BTreeSet, VecDeque};
use std::rc::Rc;

use walcast_delivery::{BoxedPortError, ChangeStream};
use walcast_pgoutput::{FrameBlock, Lsn, Oid};

use crate::database::Database;
use crate::fault::SimFault;
use crate::mutation::Mutation;
use crate::source::Link;
use crate::wal::{Change, Transaction};
use crate::wire::{self, KnownRelations};
use crate::world::World;

/// The first version of servers that notice the publication of a table during a transaction.
pub(crate) const FIXED_VERSION: u32 = 170_005;

/// One session of the walsender.
pub(crate) struct Stream {
    pub(crate) link: Rc<Link>,
    /// Transactions with an earlier commit record are not sent.
    from: Lsn,
    /// Index of the next transaction in WAL.
    next_transaction: usize,
    known_relations: KnownRelations,
    /// Published tables whose changes are omitted.
    omitted: BTreeSet<Oid>,
    /// Encoded frames that are not sent yet.
    frames: VecDeque<Vec<u8>>,
    /// The end of WAL in the last keepalive.
    idle_end: Lsn,
}

impl Stream {
    pub(crate) fn new(link: Rc<Link>, from: Lsn) -> Self {
        Self {
            link,
            from,
            next_transaction: 0,
            known_relations: KnownRelations::new(),
            omitted: BTreeSet::new(),
            frames: VecDeque::new(),
            idle_end: Lsn::INVALID,
        }
    }

    /// Position up to which transactions have been encoded or a keepalive was sent.
    pub(crate) fn sent_until(&self) -> Lsn {
        let database = self.link.world.database.borrow();
        let last = self.next_transaction.checked_sub(1);
        let sent = last
            .and_then(|last| database.wal.get(last))
            .map(|sent| sent.next_lsn());
        sent.unwrap_or(Lsn::INVALID).max(self.idle_end)
    }

    /// Encodes frames until a block is full or WAL ends, where one keepalive reports the end.
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
                .extend(wire::transaction(undone, &mut self.known_relations, false));
        }
        while self.frames.len() < count {
            let Some(transaction) = database.wal.get(self.next_transaction) else {
                break;
            };
            self.next_transaction += 1;
            if transaction.record_begin() >= self.from {
                let sent = published(world, &database, transaction, &mut self.omitted);
                let transaction = &sent;
                let keepalives = world.settings.keepalives_inside;
                self.frames.extend(wire::transaction(
                    transaction,
                    &mut self.known_relations,
                    keepalives,
                ));
                if world.is_mutated(Mutation::StreamsRolledBack) && !transaction.is_message {
                    let mut rolled_back = transaction.clone();
                    rolled_back.commit_lsn = Lsn::new(transaction.commit_lsn.as_u64() + 2);
                    self.frames
                        .extend(wire::transaction(&rolled_back, &mut self.known_relations, false));
                }
            }
        }
        let is_at_end = self.next_transaction == database.wal.len();
        if is_at_end && self.frames.is_empty() && self.idle_end < database.wal_end {
            self.idle_end = database.wal_end;
            self.frames.push_back(wire::keepalive(self.idle_end));
        }
    }
}

/// The transaction as a walsender sends it. Old servers do not notice the publication of a table during a transaction that they
/// decode, and omit the later changes of the table (fixed in 17.5 and the corresponding minor versions).
fn published(
    world: &World,
    database: &Database,
    transaction: &Transaction,
    omitted: &mut BTreeSet<Oid>,
) -> Transaction {
    let mut sent = transaction.clone();
    let mut omitted_next = BTreeSet::new();
    sent.changes.retain(|logged| {
        let oid = logged.relation.oid;
        let since = database.published_since(oid);
        if matches!(logged.change, Change::Message) {
            return true;
        }
        if logged.lsn < since && since <= transaction.commit_lsn && database.server_version < FIXED_VERSION {
            omitted_next.insert(oid);
        }
        if omitted.contains(&oid) {
            world.cover("omitted by an old server");
        }
        since <= logged.lsn && !omitted.contains(&oid)
    });
    omitted.append(&mut omitted_next);
    sent
}

impl ChangeStream for Stream {
    async fn next(&mut self) -> Result<FrameBlock, BoxedPortError> {
        let (world, process) = (Rc::clone(&self.link.world), Rc::clone(&self.link.process));
        self.link.use_stream();
        world.network_delay(&process).await;
        let count = 1 + world.dice.count(world.settings.frames_per_block_max);
        loop {
            // Frames that the server has sent can still be read after the connection has ended.
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
                database.wal_end > seen || database.wal.len() > known || !self.link.is_alive()
            };
            world.until(has_more).await;
        }
        // No await follows: no block is lost when the caller drops this future.
        if world.draws_fault() {
            world
                .trace
                .note(process.name, || "stream: connection lost".to_owned());
            world.database.borrow_mut().disconnect(self.link.number);
            world.changed();
            return Err(SimFault::Transient("connection lost").into());
        }
        let count = count.min(self.frames.len());
        let block: Vec<u8> = self.frames.drain(..count).flatten().collect();
        world.trace.note(process.name, || {
            format!("stream: {count} frames, sent until {}", self.sent_until())
        });
        Ok(FrameBlock::new(block.into()))
    }

    async fn stop(self) -> Result<(), BoxedPortError> {
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
        link.world.call(&link.process, "stop stream", stop).await
    }
}
