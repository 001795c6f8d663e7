//! Mistakes between the connector and the server.

use std::rc::Rc;

use walcast_delivery::{
    BoxedFault, ChangeStream, CreatedSlot, Feedback, Source, SourceWatch, Started, Survey, Timeline,
};
use walcast_mapper::TableName;
use walcast_pgoutput::{FrameBlock, Lsn};

use super::Mutation;
use crate::snapshots::SnapshotsClient;
use crate::source::{CatalogClient, FeedbackClient, Highest, SourceClient, WatchClient};
use crate::stream::Stream;
use crate::world::World;

/// A way to the server on which a mistake may be made.
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

    async fn lead(&mut self) -> Result<(), BoxedFault> {
        self.inner.lead().await
    }

    fn resign(&mut self) {
        self.inner.resign();
    }

    async fn survey(&mut self, known: Option<Timeline>) -> Result<Survey, BoxedFault> {
        let mut survey = self.inner.survey(known).await?;
        distort(&self.inner.world, &mut survey);
        if self.is(Mutation::HidesPromotion)
            && let Some(known) = known
        {
            survey.timeline = known;
        }
        Ok(survey)
    }

    async fn create_publication(&mut self, tables: &[TableName]) -> Result<(), BoxedFault> {
        self.inner.create_publication(tables).await
    }

    async fn publish(&mut self, tables: &[TableName]) -> Result<(), BoxedFault> {
        self.inner.publish(tables).await
    }

    async fn drop_slot(&mut self) -> Result<(), BoxedFault> {
        self.inner.drop_slot().await
    }

    async fn drop_publication(&mut self) -> Result<(), BoxedFault> {
        self.inner.drop_publication().await
    }

    async fn create_slot(&mut self, with_snapshot: bool) -> Result<CreatedSlot<Self>, BoxedFault> {
        let CreatedSlot {
            consistent_point,
            snapshot,
        } = self.inner.create_slot(with_snapshot).await?;
        Ok(CreatedSlot {
            consistent_point,
            snapshot,
        })
    }

    async fn start(&mut self, from: Lsn) -> Result<Started<Self>, BoxedFault> {
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

/// Shows the slot where it is not.
fn distort(world: &World, survey: &mut Survey) {
    if world.is_mutated(Mutation::NeverRenews) {
        survey.server_version = 170_006;
    }
    let (Some(slot), Some(checkpoint)) = (&mut survey.slot, world.broker.borrow().checkpoint().cloned())
    else {
        return;
    };
    if world.is_mutated(Mutation::HidesAdvancedSlot) {
        slot.confirmed_flush_lsn = slot.confirmed_flush_lsn.min(Some(checkpoint.end_lsn));
    }
    if world.is_mutated(Mutation::NeverAsksAgain) {
        slot.confirmed_flush_lsn = slot.confirmed_flush_lsn.max(Some(checkpoint.end_lsn));
    }
    if world.is_mutated(Mutation::InventsAdvancedSlot) && checkpoint.end_lsn < survey.flush_lsn {
        slot.confirmed_flush_lsn = Some(survey.flush_lsn);
    }
}

/// A way back that may not be taken.
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

/// Eyes on the server that may not see right.
pub(crate) struct MutantWatch(WatchClient);

impl SourceWatch for MutantWatch {
    async fn survey(&mut self) -> Result<Survey, BoxedFault> {
        let mut survey = self.0.survey().await?;
        distort(self.0.world(), &mut survey);
        Ok(survey)
    }

    async fn publish(&mut self, tables: &[TableName]) -> Result<Lsn, BoxedFault> {
        self.0.publish(tables).await
    }

    async fn lost(&mut self) -> BoxedFault {
        self.0.lost().await
    }
}

/// A stream with which a mistake may be made.
pub(crate) struct MutantStream {
    inner: Stream,
    feedback: FeedbackClient,
    mutation: Option<Mutation>,
    received: Rc<Highest>,
}

impl ChangeStream for MutantStream {
    async fn next(&mut self) -> Result<FrameBlock, BoxedFault> {
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

    async fn stop(self) -> Result<(), BoxedFault> {
        self.inner.stop().await
    }
}
