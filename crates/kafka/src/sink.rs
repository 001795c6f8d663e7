//! Kafka as the place of records and of the checkpoint.

use std::fmt;
use std::sync::Arc;

use walcast_delivery::{BoxedFault, CheckpointLog, CheckpointUpdate, Sink};
use walcast_mapper::Batch;

use crate::checkpoint;
use crate::producer::{Command, ProducerThread};
use crate::{KafkaConfig, KafkaError};

/// Writes records and checkpoint to Kafka, with exactly-once delivery in one transaction.
///
/// After an error of [`Sink::write`] or [`Sink::commit`], [`Sink::open`] comes next: a producer that failed a record or a
/// transaction is not used again.
///
/// Dropping it ends its thread and leaves an open transaction to the next [`Sink::open`] of the same name, or to the
/// broker's timeout.
pub struct KafkaSink {
    config: Arc<KafkaConfig>,
    thread: ProducerThread,
}

impl KafkaSink {
    /// Starts the producer's thread; nothing is connected yet.
    ///
    /// # Errors
    /// [`KafkaError::Thread`] when the system gives no thread.
    pub fn new(config: KafkaConfig) -> Result<Self, KafkaError> {
        let config = Arc::new(config);
        let thread = ProducerThread::start(Arc::clone(&config))?;
        Ok(Self { config, thread })
    }

    /// Deletes the checkpoint and its history, for a start from nothing. The sink must be open, and `log` what
    /// [`Sink::open`] returned.
    ///
    /// # Errors
    /// As of [`Sink::commit`].
    pub async fn delete_checkpoint(&mut self, log: &CheckpointLog) -> Result<(), KafkaError> {
        let records = checkpoint::tombstones(&self.config.name, log);
        self.thread.ask(|reply| Command::Commit { records, reply }).await
    }
}

impl Sink for KafkaSink {
    async fn peek(&mut self) -> Result<CheckpointLog, BoxedFault> {
        Ok(self.thread.ask(|reply| Command::Peek { reply }).await?)
    }

    async fn open(&mut self) -> Result<CheckpointLog, BoxedFault> {
        Ok(self.thread.ask(|reply| Command::Open { reply }).await?)
    }

    async fn write(&mut self, batch: Batch) -> Result<Batch, BoxedFault> {
        Ok(self.thread.ask(|reply| Command::Write { batch, reply }).await?)
    }

    async fn commit(&mut self, update: &CheckpointUpdate) -> Result<(), BoxedFault> {
        let records = checkpoint::records(&self.config.name, update)?;
        Ok(self
            .thread
            .ask(|reply| Command::Commit { records, reply })
            .await?)
    }

    async fn abort(&mut self) -> Result<(), BoxedFault> {
        Ok(self.thread.ask(|reply| Command::Abort { reply }).await?)
    }
}

impl fmt::Debug for KafkaSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaSink")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
