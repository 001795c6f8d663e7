//! Kafka sink: records, committed together with the checkpoint.

use std::fmt;
use std::sync::Arc;

use walcast_delivery::{BoxedPortError, CheckpointLog, CheckpointUpdate, Sink};
use walcast_mapper::RecordBuffer;

use crate::checkpoint;
use crate::config::KafkaConfig;
use crate::error::KafkaError;
use crate::producer_thread::{Command, ProducerThread};

/// Sink that writes records and checkpoint to Kafka, with exactly-once delivery in one transaction.
///
/// After an error of [`Sink::write`] or [`Sink::commit`] the caller must call [`Sink::open`]: a producer that failed a record or
/// a transaction is not used again.
///
/// Dropping the sink ends its thread. An open transaction is then ended by the next [`Sink::open`] of the same name, or by the
/// broker's timeout.
pub struct KafkaSink {
    config: Arc<KafkaConfig>,
    thread: ProducerThread,
}

impl KafkaSink {
    /// Starts the producer thread, without connecting.
    ///
    /// # Errors
    /// [`KafkaError::Thread`] when the system cannot start a thread.
    pub fn new(config: KafkaConfig) -> Result<Self, KafkaError> {
        let config = Arc::new(config);
        let thread = ProducerThread::start(Arc::clone(&config))?;
        Ok(Self { config, thread })
    }

    /// Deletes the checkpoint and its history, so that the next start begins without a checkpoint. The sink must be open, and
    /// `log` must be the result of [`Sink::open`].
    ///
    /// # Errors
    /// The errors of [`Sink::commit`].
    pub async fn delete_checkpoint(&mut self, log: &CheckpointLog) -> Result<(), KafkaError> {
        let records = checkpoint::tombstones(&self.config.name, log);
        self.thread
            .execute(|reply| Command::Commit { records, reply })
            .await
    }
}

impl Sink for KafkaSink {
    async fn open(&mut self) -> Result<CheckpointLog, BoxedPortError> {
        self.thread.await_idle().await?;
        Ok(self.thread.execute(|reply| Command::Open { reply }).await?)
    }

    async fn write(&mut self, batch: RecordBuffer) -> Result<RecordBuffer, BoxedPortError> {
        Ok(self
            .thread
            .execute(|reply| Command::Write { batch, reply })
            .await?)
    }

    async fn commit(&mut self, update: &CheckpointUpdate) -> Result<(), BoxedPortError> {
        let records = checkpoint::records(&self.config.name, update)?;
        Ok(self
            .thread
            .execute(|reply| Command::Commit { records, reply })
            .await?)
    }

    async fn abort(&mut self) -> Result<(), BoxedPortError> {
        Ok(self.thread.execute(|reply| Command::Abort { reply }).await?)
    }
}

impl fmt::Debug for KafkaSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaSink")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
