//! Thread that makes the calls of librdkafka, all of which may block.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, oneshot};
use tracing::{debug, error, warn};
use walcast_delivery::CheckpointLog;
use walcast_mapper::RecordBuffer;

use crate::checkpoint::CheckpointRecord;
use crate::checkpoint_store;
use crate::config::KafkaConfig;
use crate::error::KafkaError;
use crate::producer_session::{IsCancelled, ProducerSession};
use crate::topics;

/// Interval at which an idle producer's log lines and connection errors are served.
const IDLE_POLL: Duration = Duration::from_millis(500);

/// Memory that an emptied batch keeps: more than the batches of a usual commit need.
const BATCH_BYTES_KEPT: usize = 4 * 1024 * 1024;

/// How long brokers may take until they know the checkpoint topic.
const KNOWN_LIMIT: Duration = Duration::from_secs(10);

/// Pause between two attempts to read a topic that is not known yet.
const KNOWN_PAUSE: Duration = Duration::from_millis(100);

/// How long the end of a producer is awaited. librdkafka can wait for itself forever: a truncated response to AddPartitionsToTxn
/// leaves the lock of a topic locked.
const CLOSE_LIMIT: Duration = Duration::from_secs(5);

/// Limit of a command whose caller does not wait any more, which no call of librdkafka takes. A thread that takes longer waits in
/// librdkafka for itself, for the same reason.
const BLOCKED_LIMIT: Duration = Duration::from_secs(45);

/// Number of abandoned producers that may exist. Each keeps its threads and some megabytes.
const ABANDONED_MAX: u32 = 8;

/// Command to the thread, which sends the result to `reply`.
pub(crate) enum Command {
    /// Replies at once: shows that earlier commands have ended.
    Respond {
        reply: Reply<()>,
    },
    /// Blocks until the sender is dropped, as librdkafka can.
    #[cfg(test)]
    Block {
        until: std::sync::mpsc::Receiver<()>,
    },
    Open {
        reply: Reply<CheckpointLog>,
    },
    Write {
        batch: RecordBuffer,
        reply: Reply<RecordBuffer>,
    },
    Commit {
        records: Vec<CheckpointRecord>,
        reply: Reply<()>,
    },
    Abort {
        reply: Reply<()>,
    },
}

pub(crate) type Reply<T> = oneshot::Sender<Result<T, KafkaError>>;

/// Handle of the thread, which ends when the handle is dropped. A thread that is blocked is replaced.
pub(crate) struct ProducerThread {
    config: Arc<KafkaConfig>,
    /// Number of producers that have not ended in time, nor later.
    abandoned: Arc<AtomicU32>,
    authenticated_before: Arc<AtomicBool>,
    running: Running,
}

impl ProducerThread {
    pub(crate) fn start(config: Arc<KafkaConfig>) -> Result<Self, KafkaError> {
        let abandoned = Arc::<AtomicU32>::default();
        let authenticated_before = Arc::<AtomicBool>::default();
        Ok(Self {
            running: Running::start(&config, &abandoned, &authenticated_before)?,
            config,
            abandoned,
            authenticated_before,
        })
    }

    /// Sends a command and waits for the result.
    pub(crate) async fn execute<T>(
        &self,
        command: impl FnOnce(Reply<T>) -> Command,
    ) -> Result<T, KafkaError> {
        let (reply, result) = oneshot::channel();
        let commands = self.running.commands.as_ref().ok_or(KafkaError::Stopped)?;
        commands
            .send(command(reply))
            .await
            .map_err(|_closed| KafkaError::Stopped)?;
        result.await.map_err(|_closed| KafkaError::Stopped)?
    }

    /// Waits until earlier commands have ended, whose callers do not wait any more, or replaces the thread.
    pub(crate) async fn await_idle(&mut self) -> Result<(), KafkaError> {
        let responds = self.execute(|reply| Command::Respond { reply });
        if let Ok(responded) = tokio::time::timeout(BLOCKED_LIMIT, responds).await {
            return responded;
        }
        let next = Running::start(&self.config, &self.abandoned, &self.authenticated_before)?;
        let producers = self.abandoned.fetch_add(1, Ordering::Relaxed) + 1;
        warn!(
            producers,
            "a Kafka producer does not return from a call and is abandoned; an invalid response of a broker can cause this"
        );
        std::mem::replace(&mut self.running, next).abandon();
        Ok(())
    }
}

/// A thread.
struct Running {
    commands: Option<mpsc::Sender<Command>>,
    stopping: Arc<AtomicBool>,
    is_abandoned: Arc<AtomicBool>,
    /// Disconnected when the thread ends.
    end: std::sync::mpsc::Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    fn start(
        config: &Arc<KafkaConfig>,
        abandoned: &Arc<AtomicU32>,
        authenticated_before: &Arc<AtomicBool>,
    ) -> Result<Self, KafkaError> {
        Self::spawned(config, abandoned, authenticated_before, |worker, received| {
            std::thread::Builder::new()
                .name("kafka-producer".to_owned())
                .spawn(move || worker.run(received))
        })
    }

    /// Starts the thread by `spawn`.
    fn spawned(
        config: &Arc<KafkaConfig>,
        abandoned: &Arc<AtomicU32>,
        authenticated_before: &Arc<AtomicBool>,
        spawn: impl FnOnce(Worker, mpsc::Receiver<Command>) -> io::Result<JoinHandle<()>>,
    ) -> Result<Self, KafkaError> {
        // One command at a time is executed; a second one waits only when the first was cancelled.
        let (commands, received) = mpsc::channel(1);
        let stopping = Arc::<AtomicBool>::default();
        let is_abandoned = Arc::<AtomicBool>::default();
        let runtime = Builder::new_current_thread()
            .enable_time()
            .build()
            .map_err(|source| KafkaError::Thread { source })?;
        let (running, end) = std::sync::mpsc::channel();
        let worker = Worker {
            config: Arc::clone(config),
            session: None,
            abandoned: Arc::clone(abandoned),
            stopping: Arc::clone(&stopping),
            is_abandoned: Arc::clone(&is_abandoned),
            authenticated_before: Arc::clone(authenticated_before),
            runtime,
            _running: running,
        };
        let thread = spawn(worker, received).map_err(|source| KafkaError::Thread { source })?;
        Ok(Self {
            commands: Some(commands),
            stopping,
            is_abandoned,
            end,
            thread: Some(thread),
        })
    }

    /// Leaves the thread alone. It ends once its call returns.
    fn abandon(mut self) {
        self.is_abandoned.store(true, Ordering::Relaxed);
        self.thread = None;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Relaxed);
        drop(self.commands.take());
        let Some(thread) = self.thread.take() else { return };
        if self.end.recv_timeout(BLOCKED_LIMIT) == Err(RecvTimeoutError::Timeout) {
            warn!(
                "a Kafka producer does not return from a call, and the process ends without it; the next start ends its transaction"
            );
        } else if thread.join().is_err() {
            error!("the producer thread has panicked");
        }
    }
}

struct Worker {
    config: Arc<KafkaConfig>,
    session: Option<ProducerSession>,
    /// Number of producers that have not ended in time, nor later.
    abandoned: Arc<AtomicU32>,
    stopping: Arc<AtomicBool>,
    /// Whether the thread was replaced.
    is_abandoned: Arc<AtomicBool>,
    authenticated_before: Arc<AtomicBool>,
    runtime: Runtime,
    /// Disconnects its receiver when the worker has ended.
    _running: std::sync::mpsc::Sender<()>,
}

impl Worker {
    fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        loop {
            let next = self
                .runtime
                .block_on(async { tokio::time::timeout(IDLE_POLL, commands.recv()).await });
            match next {
                Ok(Some(command)) => self.handle(command),
                Ok(None) => return,
                Err(_idle) => {
                    if let Some(session) = &self.session {
                        session.serve_events();
                    }
                }
            }
        }
    }

    fn handle(&mut self, command: Command) {
        match command {
            Command::Respond { reply } => self.execute(reply, |_worker, _is_cancelled| Ok(())),
            #[cfg(test)]
            Command::Block { until } => drop(until.recv()),
            Command::Open { reply } => self.execute(reply, |worker, is_cancelled| worker.open(is_cancelled)),
            Command::Write { mut batch, reply } => self.execute(reply, |worker, is_cancelled| {
                worker.opened("writing")?.write(&batch, is_cancelled)?;
                batch.clear(BATCH_BYTES_KEPT);
                Ok(batch)
            }),
            Command::Commit { records, reply } => {
                self.execute(reply, |worker, is_cancelled| {
                    worker.opened("committing")?.commit(&records, is_cancelled)
                });
            }
            Command::Abort { reply } => {
                self.execute(reply, |worker, is_cancelled| worker.abort(is_cancelled))
            }
        }
    }

    fn execute<T>(
        &mut self,
        reply: Reply<T>,
        operation: impl FnOnce(&mut Self, IsCancelled<'_>) -> Result<T, KafkaError>,
    ) {
        let stopping = Arc::clone(&self.stopping);
        let result = {
            let reply = &reply;
            operation(self, &|| stopping.load(Ordering::Relaxed) || reply.is_closed())
        };
        if let Err(
            KafkaError::Cancelled { .. } | KafkaError::CommitInDoubt { .. } | KafkaError::Fenced { .. },
        ) = &result
        {
            // The producer's state is unknown, or it must never write again: the next open creates another one.
            self.close();
        }
        if reply.send(result).is_err() {
            debug!("the caller no longer waits for the result of the producer thread");
        }
    }

    fn opened(&mut self, doing: &'static str) -> Result<&mut ProducerSession, KafkaError> {
        self.session.as_mut().ok_or(KafkaError::NotOpen { doing })
    }

    fn open(&mut self, is_cancelled: IsCancelled<'_>) -> Result<CheckpointLog, KafkaError> {
        // A failed producer may be unusable, and replacing a working one is cheap.
        self.close();
        let abandoned = self.abandoned.load(Ordering::Relaxed);
        if abandoned >= ABANDONED_MAX {
            error!(
                producers = abandoned,
                "too many Kafka producers do not end; invalid responses of a broker can cause this"
            );
            return Err(KafkaError::Stopped);
        }
        self.runtime.block_on(topics::ensure_checkpoint_topic(
            &self.config,
            &self.authenticated_before,
        ))?;
        let session = self.session()?;
        session.fence_predecessors(is_cancelled)?;
        let log = self.checkpoint_log(is_cancelled)?;
        self.authenticated_before.store(true, Ordering::Relaxed);
        self.session = Some(session);
        Ok(log)
    }

    fn session(&self) -> Result<ProducerSession, KafkaError> {
        let topic = self.config.checkpoint_topic();
        ProducerSession::new(&self.config, topic, &self.authenticated_before)
    }

    /// Reads the checkpoint topic, which exists. A broker that does not know the topic has metadata that are out of date, or sends false
    /// ones: they are no evidence that there is no checkpoint.
    fn checkpoint_log(&self, is_cancelled: IsCancelled<'_>) -> Result<CheckpointLog, KafkaError> {
        let deadline = Instant::now() + KNOWN_LIMIT;
        loop {
            let log =
                checkpoint_store::read_existing(&self.config, &self.authenticated_before, is_cancelled)?;
            if let Some(log) = log {
                return Ok(log);
            }
            if is_cancelled() || Instant::now() >= deadline {
                return Err(KafkaError::UnknownTopic {
                    topic: self.config.checkpoint_topic(),
                });
            }
            std::thread::sleep(KNOWN_PAUSE);
        }
    }

    fn abort(&mut self, is_cancelled: IsCancelled<'_>) -> Result<(), KafkaError> {
        let Some(session) = &mut self.session else {
            return Ok(());
        };
        if session.has_unabortable_records() {
            let next = self.session()?;
            self.close();
            self.session = Some(next);
            return Ok(());
        }
        let aborted = session.abort(is_cancelled);
        if aborted.is_err() || session.is_poisoned() {
            self.close();
        }
        aborted
    }

    /// Ends the producer, if there is one. A producer that does not end is abandoned: its records were purged, and its successor
    /// fences it.
    fn close(&mut self) {
        let Some(session) = self.session.take() else {
            return;
        };
        let (ended, end) = std::sync::mpsc::channel();
        let abandoned = Arc::clone(&self.abandoned);
        let closing = std::thread::Builder::new()
            .name("kafka-closing".to_owned())
            .spawn(move || {
                drop(session);
                // The receiver is dropped when the producer is counted as abandoned.
                if ended.send(()).is_err() {
                    abandoned.fetch_sub(1, Ordering::Relaxed);
                    debug!("an abandoned Kafka producer has ended");
                }
            });
        // Without a thread, the producer was dropped with the closure.
        if closing.is_ok() && end.recv_timeout(CLOSE_LIMIT).is_err() {
            let producers = self.abandoned.fetch_add(1, Ordering::Relaxed) + 1;
            warn!(
                producers,
                "a Kafka producer does not end and is abandoned; an invalid response of a broker can cause this"
            );
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.close();
        if self.is_abandoned.load(Ordering::Relaxed) {
            self.abandoned.fetch_sub(1, Ordering::Relaxed);
            debug!("an abandoned producer thread has ended");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Thread of which the caller makes what it wants.
    fn thread_spawned_by(
        spawn: impl FnOnce(Worker, mpsc::Receiver<Command>) -> io::Result<JoinHandle<()>>,
    ) -> Result<ProducerThread, KafkaError> {
        let config = Arc::new(KafkaConfig::unreachable());
        let (abandoned, authenticated_before) = <(Arc<AtomicU32>, Arc<AtomicBool>)>::default();
        Ok(ProducerThread {
            running: Running::spawned(&config, &abandoned, &authenticated_before, spawn)?,
            config,
            abandoned,
            authenticated_before,
        })
    }

    #[test]
    fn a_thread_that_the_system_does_not_start_is_an_error() {
        let started = thread_spawned_by(|_worker, _commands| Err(io::ErrorKind::WouldBlock.into()));
        let error = started.err().unwrap();
        assert!(
            matches!(&error, KafkaError::Thread { source } if source.kind() == io::ErrorKind::WouldBlock),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_thread_that_has_ended_executes_no_command() {
        let ended = thread_spawned_by(|worker, commands| Ok(std::thread::spawn(|| drop((worker, commands)))));
        // It ends while it executes one.
        let ends = thread_spawned_by(|worker, mut commands| {
            Ok(std::thread::spawn(move || {
                drop((commands.blocking_recv(), worker));
            }))
        });
        for thread in [ended.unwrap(), ends.unwrap()] {
            let error = thread
                .execute(|reply| Command::Abort { reply })
                .await
                .unwrap_err();
            assert!(matches!(error, KafkaError::Stopped), "{error}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_thread_that_is_blocked_is_replaced() {
        let mut thread = ProducerThread::start(Arc::new(KafkaConfig::unreachable())).unwrap();
        let (blocks, until) = std::sync::mpsc::channel();
        let commands = thread.running.commands.clone().unwrap();
        commands.send(Command::Block { until }).await.unwrap();
        drop(commands);
        thread.await_idle().await.unwrap();
        assert_eq!(thread.abandoned.load(Ordering::Relaxed), 1);
        thread.execute(|reply| Command::Respond { reply }).await.unwrap();

        drop(blocks);
        while thread.abandoned.load(Ordering::Relaxed) > 0 {
            std::thread::yield_now();
        }
    }
}
