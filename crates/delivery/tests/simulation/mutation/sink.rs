//! Mutations between the connector and the broker.

use walcast_delivery::{BoxedPortError, CheckpointLog, CheckpointUpdate, PublishedSince, Sink};
use walcast_mapper::RecordBuffer;

use super::Mutation;
use crate::sink::SinkClient;

/// A producer with an optional mutation.
pub(crate) struct MutantSink {
    inner: SinkClient,
    mutation: Option<Mutation>,
    /// The checkpoint log as this process assumes it to be.
    assumed: Option<CheckpointLog>,
    /// Records that wait for later ones.
    held: Option<RecordBuffer>,
}

impl MutantSink {
    pub(crate) fn new(inner: SinkClient) -> Self {
        Self {
            mutation: inner.world.mutation,
            inner,
            assumed: None,
            held: None,
        }
    }

    fn is(&self, mutation: Mutation) -> bool {
        self.mutation == Some(mutation)
    }

    async fn write_held(&mut self) -> Result<(), BoxedPortError> {
        match self.held.take() {
            Some(held) => self.inner.write_kept(&held).await,
            None => Ok(()),
        }
    }

    async fn try_commit(&mut self, update: &CheckpointUpdate) -> Result<(), BoxedPortError> {
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
    async fn open(&mut self) -> Result<CheckpointLog, BoxedPortError> {
        self.held = None;
        let mut log = self.inner.open().await?;
        if let Some(current) = &mut log.current {
            match self.mutation {
                Some(Mutation::ForgetsSignals) => current.signals_read = None,
                Some(Mutation::RereadsSignals) => current.signals_read = current.signals_read.map(|_| 0),
                _ => {}
            }
        }
        if self.is(Mutation::DoubtIsFailure) {
            return Ok(self.assumed.get_or_insert(log).clone());
        }
        Ok(log)
    }

    async fn write(&mut self, mut batch: RecordBuffer) -> Result<RecordBuffer, BoxedPortError> {
        if self.is(Mutation::DropsRecords) && self.inner.world.dice.one_in(8) {
            batch.clear(usize::MAX);
            return Ok(batch);
        }
        if self.is(Mutation::SwapsWrites) && self.held.is_none() && self.inner.world.dice.one_in(4) {
            self.held = Some(batch);
            return Ok(RecordBuffer::new());
        }
        if self.is(Mutation::RepeatsFailedWrite) {
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

    async fn commit(&mut self, update: &CheckpointUpdate) -> Result<(), BoxedPortError> {
        assert!(!self.is(Mutation::Panics), "a deliberate panic");
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
            && self.is(Mutation::MarksUnreadAsKnown)
        {
            progress
                .tables
                .retain(|table| table.publishing == PublishedSince::Done);
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
                self.inner.assume_committed(session);
                return Ok(());
            }
        }
        if committed.is_ok()
            && let Some(assumed) = &mut self.assumed
        {
            assumed.current = Some(update.current);
        }
        committed
    }

    async fn abort(&mut self) -> Result<(), BoxedPortError> {
        self.held = None;
        if self.is(Mutation::CommitsOnAbort) && self.inner.session.is_some() {
            return self.inner.commit_parts(true, None).await;
        }
        self.inner.abort().await
    }
}
