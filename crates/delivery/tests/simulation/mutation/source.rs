//! Mutations between the connector and the server.

use std::rc::Rc;

use walcast_delivery::{
    BoxedPortError, ChangeStream, CreatedSlot, Feedback, Published, Source, SourceState, SourceWatch,
    Started, Timeline,
};
use walcast_mapper::TableName;
use walcast_pgoutput::{FrameBlock, Lsn, Xid};

use super::Mutation;
use crate::snapshots::SnapshotsClient;
use crate::source::{CatalogClient, FeedbackClient, Highest, SourceClient, WatchClient};
use crate::stream::Stream;
use crate::world::World;

/// A source with an optional mutation.
pub(crate) struct MutantSource {
    inner: SourceClient,
    mutation: Option<Mutation>,
    received: Rc<Highest>,
}

impl MutantSource {
    pub(crate) fn new(inner: SourceClient) -> Self {
        Self {
            mutation: inner.world.mutation,
            inner,
            received: Rc::default(),
        }
    }

    fn is(&self, mutation: Mutation) -> bool {
        self.mutation == Some(mutation)
    }
}

impl Source for MutantSource {
    type Stream = MutantStream;
    type Feedback = MutantFeedback;
    type Catalog = CatalogClient;
    type Watch = MutantWatch;
    type Snapshots = SnapshotsClient;

    async fn acquire_leadership(&mut self) -> Result<(), BoxedPortError> {
        self.inner.acquire_leadership().await
    }

    fn step_down(&mut self) {
        self.inner.step_down();
    }

    async fn inspect(&mut self, known: Option<Timeline>) -> Result<SourceState, BoxedPortError> {
        let mut source_state = self.inner.inspect(known).await?;
        falsify(&self.inner.world, &mut source_state);
        if self.is(Mutation::HidesPromotion)
            && let Some(known) = known
        {
            source_state.timeline = known;
        }
        Ok(source_state)
    }

    async fn create_publication(&mut self, tables: &[TableName]) -> Result<(), BoxedPortError> {
        self.inner.create_publication(tables).await
    }

    async fn publish(&mut self, tables: &[TableName]) -> Result<Published, BoxedPortError> {
        self.inner.publish(tables).await
    }

    async fn end_slot_creation(&mut self) -> Result<(), BoxedPortError> {
        self.inner.end_slot_creation().await
    }

    async fn drop_slot(&mut self) -> Result<(), BoxedPortError> {
        self.inner.drop_slot().await
    }

    async fn drop_publication(&mut self) -> Result<(), BoxedPortError> {
        self.inner.drop_publication().await
    }

    async fn create_slot(&mut self, with_snapshot: bool) -> Result<CreatedSlot<Self>, BoxedPortError> {
        let CreatedSlot {
            consistent_point,
            snapshot,
        } = self.inner.create_slot(with_snapshot).await?;
        Ok(CreatedSlot {
            consistent_point,
            snapshot,
        })
    }

    async fn start(&mut self, from: Lsn) -> Result<Started<Self>, BoxedPortError> {
        if self.is(Mutation::NeverStarts) {
            std::future::pending::<()>().await;
        }
        let from = if self.is(Mutation::StartsAtReceived) {
            from.max(self.received.lsn())
        } else {
            from
        };
        let Started {
            stream,
            feedback,
            catalog,
            watch,
            snapshots,
        } = self.inner.start(from).await?;
        Ok(Started {
            stream: MutantStream {
                feedback: FeedbackClient(Rc::clone(&stream.link)),
                inner: stream,
                mutation: self.mutation,
                received: Rc::clone(&self.received),
            },
            feedback: MutantFeedback {
                inner: feedback,
                mutation: self.mutation,
            },
            catalog,
            watch: MutantWatch(watch),
            snapshots,
        })
    }
}

/// Falsifies the position of the slot, the server version, or the partitions.
fn falsify(world: &World, source_state: &mut SourceState) {
    if world.is_mutated(Mutation::NeverRestartsStream) {
        source_state.server_version = 170_006;
    }
    if world.is_mutated(Mutation::HidesAttachedPartitions) {
        let tables = source_state.captured.iter_mut();
        for partition in tables.flat_map(|table| table.partitions.iter_mut().flatten()) {
            partition.was_created_as_partition = true;
            partition.attached_by = Xid::new(1);
            partition.file = partition.oid;
        }
    }
    let (Some(slot), Some(checkpoint)) = (
        &mut source_state.slot,
        world.broker.borrow().checkpoint().cloned(),
    ) else {
        return;
    };
    if world.is_mutated(Mutation::HidesAdvancedSlot) {
        slot.confirmed_flush_lsn = slot.confirmed_flush_lsn.min(Some(checkpoint.end_lsn));
    }
    if world.is_mutated(Mutation::NeverRereadsLastCommit) {
        slot.confirmed_flush_lsn = slot.confirmed_flush_lsn.max(Some(checkpoint.end_lsn));
    }
    if world.is_mutated(Mutation::InventsAdvancedSlot) && checkpoint.end_lsn < source_state.flush_lsn {
        slot.confirmed_flush_lsn = Some(source_state.flush_lsn);
    }
}

/// A feedback with an optional mutation.
pub(crate) struct MutantFeedback {
    inner: FeedbackClient,
    mutation: Option<Mutation>,
}

impl Feedback for MutantFeedback {
    fn confirm(&self, flush: Lsn) {
        if self.mutation != Some(Mutation::NeverConfirms) {
            self.inner.confirm(flush);
        }
    }
}

/// A watch with an optional mutation.
pub(crate) struct MutantWatch(WatchClient);

impl SourceWatch for MutantWatch {
    async fn inspect(&mut self) -> Result<SourceState, BoxedPortError> {
        let mut source_state = self.0.inspect().await?;
        falsify(self.0.world(), &mut source_state);
        Ok(source_state)
    }

    async fn publish(&mut self, tables: &[TableName]) -> Result<Published, BoxedPortError> {
        self.0.publish(tables).await
    }

    async fn lost(&mut self) -> BoxedPortError {
        self.0.lost().await
    }
}

/// A stream with an optional mutation.
pub(crate) struct MutantStream {
    inner: Stream,
    feedback: FeedbackClient,
    mutation: Option<Mutation>,
    received: Rc<Highest>,
}

impl ChangeStream for MutantStream {
    async fn next(&mut self) -> Result<FrameBlock, BoxedPortError> {
        let mut block = self.inner.next().await?;
        let sent = self.inner.sent_until();
        self.received.reach(sent);
        match self.mutation {
            Some(Mutation::ConfirmsReceived) => self.feedback.confirm(sent),
            Some(Mutation::DropsFrames) if self.inner.link.world.dice.one_in(8) => {
                block = FrameBlock::new(Vec::new().into());
            }
            _ => {}
        }
        Ok(block)
    }

    async fn stop(self) -> Result<(), BoxedPortError> {
        self.inner.stop().await
    }
}
