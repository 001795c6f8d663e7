//! The thread that makes librdkafka's calls, all of which may block.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, oneshot};
use tracing::{debug, error};
use walcast_delivery::CheckpointLog;
use walcast_mapper::Batch;

use crate::checkpoint::CheckpointRecord;
use crate::session::Session;
use crate::{KafkaConfig, KafkaError, reader, topics};

/// How often an idle producer's log lines and connection errors are looked at.
const IDLE_LOOK: Duration = Duration::from_millis(500);

/// Memory that an empty batch keeps: more than the batches of a usual commit have.
const BATCH_BYTES_KEPT: usize = 4 * 1024 * 1024;

/// What the thread is asked to do; the answer goes to `reply`.
pub(crate) enum Command {
    Peek {
        reply: Reply<CheckpointLog>,
    },
    Open {
        reply: Reply<CheckpointLog>,
    },
    Write {
        batch: Batch,
        reply: Reply<Batch>,
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

/// The thread; it ends when this is dropped.
pub(crate) struct ProducerThread {
    commands: Option<mpsc::Sender<Command>>,
    stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl ProducerThread {
    pub(crate) fn start(config: Arc<KafkaConfig>) -> Result<Self, KafkaError> {
        // One command at a time is under way; a second one waits only when the answer to the first is not wanted.
        let (commands, received) = mpsc::channel(1);
        let stopping = Arc::new(AtomicBool::new(false));
        let runtime = Builder::new_current_thread()
            .enable_time()
            .build()
            .map_err(|source| KafkaError::Thread { source })?;
        let worker = Worker {
            config,
            session: None,
            stopping: Arc::clone(&stopping),
            was_let_in: Arc::default(),
            runtime,
        };
        let thread = std::thread::Builder::new()
            .name("kafka-producer".to_owned())
            .spawn(move || worker.run(received))
            .map_err(|source| KafkaError::Thread { source })?;
        Ok(Self {
            commands: Some(commands),
            stopping,
            thread: Some(thread),
        })
    }

    /// Sends a command and waits for its answer.
    pub(crate) async fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, KafkaError> {
        let (reply, answer) = oneshot::channel();
        let commands = self.commands.as_ref().ok_or(KafkaError::Stopped)?;
        commands
            .send(command(reply))
            .await
            .map_err(|_closed| KafkaError::Stopped)?;
        answer.await.map_err(|_closed| KafkaError::Stopped)?
    }
}

impl Drop for ProducerThread {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Relaxed);
        drop(self.commands.take());
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            error!("the producer thread has panicked");
        }
    }
}

struct Worker {
    config: Arc<KafkaConfig>,
    session: Option<Session>,
    stopping: Arc<AtomicBool>,
    was_let_in: Arc<AtomicBool>,
    runtime: Runtime,
}

impl Worker {
    fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        loop {
            let next = self
                .runtime
                .block_on(async { tokio::time::timeout(IDLE_LOOK, commands.recv()).await });
            match next {
                Ok(Some(command)) => self.obey(command),
                Ok(None) => return,
                Err(_idle) => {
                    if let Some(session) = &self.session {
                        session.serve_events();
                    }
                }
            }
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Peek { reply } => self.answer(reply, |worker, wanted| {
                reader::peek(&worker.config, &worker.was_let_in, wanted)
            }),
            Command::Open { reply } => self.answer(reply, |worker, wanted| worker.open(wanted)),
            Command::Write { mut batch, reply } => self.answer(reply, |worker, wanted| {
                worker.opened("writing")?.write(&batch, wanted)?;
                batch.clear(BATCH_BYTES_KEPT);
                Ok(batch)
            }),
            Command::Commit { records, reply } => {
                self.answer(reply, |worker, wanted| {
                    worker.opened("committing")?.commit(&records, wanted)
                });
            }
            Command::Abort { reply } => self.answer(reply, |worker, wanted| worker.abort(wanted)),
        }
    }

    fn answer<T>(
        &mut self,
        reply: Reply<T>,
        act: impl FnOnce(&mut Self, &dyn Fn() -> bool) -> Result<T, KafkaError>,
    ) {
        let stopping = Arc::clone(&self.stopping);
        let result = {
            let reply = &reply;
            act(self, &|| !stopping.load(Ordering::Relaxed) && !reply.is_closed())
        };
        if let Err(
            KafkaError::Abandoned { .. } | KafkaError::CommitInDoubt { .. } | KafkaError::Fenced { .. },
        ) = &result
        {
            // Its state is not known, or it must never write again: the next open starts anew.
            self.session = None;
        }
        if reply.send(result).is_err() {
            debug!("nobody waits for the producer's answer");
        }
    }

    fn opened(&mut self, doing: &'static str) -> Result<&mut Session, KafkaError> {
        self.session.as_mut().ok_or(KafkaError::NotOpen { doing })
    }

    fn open(&mut self, wanted: &dyn Fn() -> bool) -> Result<CheckpointLog, KafkaError> {
        // A producer that has failed may be of no use, and one that has not is cheap to replace.
        self.session = None;
        self.runtime
            .block_on(topics::ensure_checkpoint_topic(&self.config, &self.was_let_in))?;
        let session = Session::new(&self.config, &self.was_let_in)?;
        session.fence_others(wanted)?;
        let log = reader::read(&self.config, &self.was_let_in, wanted)?;
        self.was_let_in.store(true, Ordering::Relaxed);
        self.session = Some(session);
        Ok(log)
    }

    fn abort(&mut self, wanted: &dyn Fn() -> bool) -> Result<(), KafkaError> {
        let Some(session) = &mut self.session else {
            return Ok(());
        };
        if session.has_loose_records() {
            self.session = Some(Session::new(&self.config, &self.was_let_in)?);
            return Ok(());
        }
        let aborted = session.abort(wanted);
        if aborted.is_err() || session.is_spent() {
            self.session = None;
        }
        aborted
    }
}
