//! Mistakes between the connector and the broker.

use walcast_delivery::{BoxedFault, CheckpointLog, CheckpointUpdate, Publishing, Sink};
use walcast_mapper::Batch;

use super::Mutation;
use crate::sink::SinkClient;

/// A producer that may make a mistake.
pub(crate) struct MutantSink {
    inner: SinkClient,
    mutation: Option<Mutation>,
    /// The checkpoint log as this process believes it to be.
    believed: Option<CheckpointLog>,
    /// Records that wait for the next ones.
    held: Option<Batch>,
}

impl MutantSink {
    pub(crate) fn new(inner: SinkClient) -> Self {
        Self {
            mutation: inner.world.mutation,
            inner,
            believed: None,
            held: None,
        }
    }

    fn is(&self, mutation: Mutation) -> bool {
        self.mutation == Some(mutation)
    }

    async fn write_held(&mut self) -> Result<(), BoxedFault> {
        match self.held.take() {
            Some(held) => self.inner.write_kept(&held).await,
            None => Ok(()),
        }
    }

    async fn try_commit(&mut self, update: &CheckpointUpdate) -> Result<(), BoxedFault> {
        match self.mutation {
            Some(Mutation::CheckpointBefore) => {
                self.inner.commit_parts(false, Some(update)).await?;
                self.inner.commit_parts(true, None).await
            }
            Some(Mutation::CheckpointAfter) => {
                self.inner.commit_parts(true, None).await?;
                self.inner.commit_parts(false, Some(update)).await
            }
            _ => self.inner.commit_parts(true, Some(update)).await,
        }
    }
}

impl Sink for MutantSink {
    async fn peek(&mut self) -> Result<CheckpointLog, BoxedFault> {
        self.inner.peek().await
    }

    async fn open(&mut self) -> Result<CheckpointLog, BoxedFault> {
        self.held = None;
        let mut log = self.inner.open().await?;
        if let Some(current) = &mut log.current {
            match self.mutation {
                Some(Mutation::ForgetsSignals) => current.signals_read = None,
                Some(Mutation::HearsSignalsAgain) => current.signals_read = current.signals_read.map(|_| 0),
                _ => {}
            }
        }
        if self.is(Mutation::DoubtIsFailure) {
            return Ok(self.believed.get_or_insert(log).clone());
        }
        Ok(log)
    }

    async fn write(&mut self, mut batch: Batch) -> Result<Batch, BoxedFault> {
        if self.is(Mutation::DropsRecords) && self.inner.world.dice.one_in(8) {
            batch.clear(usize::MAX);
            return Ok(batch);
        }
        if self.is(Mutation::SwapsWrites) && self.held.is_none() && self.inner.world.dice.one_in(4) {
            self.held = Some(batch);
            return Ok(Batch::new());
        }
        if self.is(Mutation::WritesAgain) {
            if self.inner.write_kept(&batch).await.is_err() {
                self.inner.write_kept(&batch).await?;
            }
            batch.clear(usize::MAX);
            return Ok(batch);
        }
        let mut written = self.inner.write_kept(&batch).await;
        if let Err(fault) = &written
            && fault.is_fenced()
            && self.is(Mutation::IgnoresFencing)
        {
            self.inner.ignore_fence();
            written = self.inner.write_kept(&batch).await;
        }
        written?;
        self.write_held().await?;
        batch.clear(usize::MAX);
        if self.is(Mutation::CommitsEachWrite) {
            self.inner.commit_parts(true, None).await?;
        }
        Ok(batch)
    }

    async fn commit(&mut self, update: &CheckpointUpdate) -> Result<(), BoxedFault> {
        assert!(!self.is(Mutation::Panics), "a panic on purpose");
        self.write_held().await?;
        let mut update = update.clone();
        if self.is(Mutation::ForgetsRows) {
            update.current.snapshot = None;
        }
        if let Some(progress) = &mut update.current.snapshot
            && self.is(Mutation::ForgetsRequests)
        {
            progress.tables.retain(|table| !table.asked);
            update.current.snapshot = Some(progress.clone()).filter(|progress| !progress.tables.is_empty());
        }
        if let Some(progress) = &mut update.current.snapshot
            && self.is(Mutation::KnowsUnread)
        {
            progress
                .tables
                .retain(|table| table.publishing == Publishing::Done);
            update.current.snapshot = Some(progress.clone()).filter(|progress| !progress.tables.is_empty());
        }
        if let Some(commit) = update.current.last_commit
            && self.is(Mutation::CommitLsnForEndLsn)
            && commit.end_lsn == update.current.end_lsn
        {
            update.current.end_lsn = commit.commit_lsn;
        }
        let session = self.inner.session;
        let mut committed = self.try_commit(&update).await;
        if let Err(fault) = &committed {
            if fault.is_fenced() && self.is(Mutation::IgnoresFencing) {
                self.inner.ignore_fence();
                committed = self.try_commit(&update).await;
            } else if self.is(Mutation::DoubtIsSuccess) && !fault.is_fenced() {
                self.inner.believe_committed(session);
                return Ok(());
            }
        }
        if committed.is_ok()
            && let Some(believed) = &mut self.believed
        {
            believed.current = Some(update.current);
        }
        committed
    }

    async fn abort(&mut self) -> Result<(), BoxedFault> {
        self.held = None;
        if self.is(Mutation::CommitsOnAbort) && self.inner.session.is_some() {
            return self.inner.commit_parts(true, None).await;
        }
        self.inner.abort().await
    }
}
