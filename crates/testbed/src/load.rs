//! Loads: several connections that write to the source at a rate, each change recorded in the [journal](crate::journal).
//!
//! A load continues over a restart of the database: a worker whose connection breaks connects again. A transaction that failed has left
//! nothing in the journal either, because the journal is written in the same transaction.

mod pace;
mod shop;
mod tpcb;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, Transaction};

pub use shop::Shop;
pub use tpcb::TpcB;

use crate::error::Result;
use crate::postgres::connect;
use pace::Pace;

/// Pause between attempts to connect to a database that is down.
const RECONNECT_PAUSE: Duration = Duration::from_millis(100);

/// How a load writes.
#[derive(Clone, Debug)]
pub struct LoadOptions {
    /// Connections that write side by side.
    pub connections: u32,
    /// Row changes a second over all connections; `None` for as many as the database takes.
    pub writes_per_second: Option<u32>,
    /// Seed of all choices. With several connections the interleaving still varies.
    pub seed: u64,
}

impl Default for LoadOptions {
    fn default() -> LoadOptions {
        LoadOptions {
            connections: 4,
            writes_per_second: Some(200),
            seed: 1,
        }
    }
}

/// What a load did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoadSummary {
    /// Transactions whose commit was answered. A commit whose answer was lost is not counted here, but is in the journal.
    pub transactions: u64,
    /// Rows that these transactions inserted, updated and deleted by their own statements (cascades are not counted).
    pub writes: u64,
    /// Transactions that the database rolled back (deadlocks, a parent row that had just gone).
    pub rolled_back: u64,
    /// Connections that broke and were made again.
    pub reconnects: u64,
}

/// Transactions of one kind of load.
pub(crate) trait Workload: Send + Sync + 'static {
    /// Runs one transaction's statements, without the commit; returns how many rows it wrote.
    fn write(
        &self,
        transaction: &Transaction<'_>,
        random: &mut StdRng,
    ) -> impl Future<Output = std::result::Result<u64, tokio_postgres::Error>> + Send;
}

#[derive(Debug, Default)]
struct Counters {
    transactions: AtomicU64,
    writes: AtomicU64,
    rolled_back: AtomicU64,
    reconnects: AtomicU64,
}

/// A load that is writing. Dropping it stops it without waiting.
#[derive(Debug)]
pub struct Load {
    stop: watch::Sender<bool>,
    workers: JoinSet<()>,
    counters: Arc<Counters>,
}

impl Load {
    pub(crate) fn start<W: Workload>(config: &Config, options: &LoadOptions, workload: W) -> Load {
        let (stop, stopped) = watch::channel(false);
        let counters = Arc::new(Counters::default());
        let (pace, workload) = (Arc::new(Pace::new(options.writes_per_second)), Arc::new(workload));
        let mut workers = JoinSet::new();
        for number in 0..options.connections {
            let worker = Worker {
                config: config.clone(),
                random: StdRng::seed_from_u64(options.seed.wrapping_add(u64::from(number))),
                workload: Arc::clone(&workload),
                pace: Arc::clone(&pace),
                counters: Arc::clone(&counters),
                stopped: stopped.clone(),
            };
            workers.spawn(worker.run());
        }
        Load {
            stop,
            workers,
            counters,
        }
    }

    /// What was done so far.
    pub fn progress(&self) -> LoadSummary {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        LoadSummary {
            transactions: read(&self.counters.transactions),
            writes: read(&self.counters.writes),
            rolled_back: read(&self.counters.rolled_back),
            reconnects: read(&self.counters.reconnects),
        }
    }

    /// Stops after the transactions that are under way, and says what was done.
    ///
    /// # Errors
    /// When a worker panicked.
    pub async fn stop(mut self) -> Result<LoadSummary> {
        self.stop.send_replace(true);
        while let Some(ended) = self.workers.join_next().await {
            ended?;
        }
        Ok(self.progress())
    }
}

struct Worker<W> {
    config: Config,
    random: StdRng,
    workload: Arc<W>,
    pace: Arc<Pace>,
    counters: Arc<Counters>,
    stopped: watch::Receiver<bool>,
}

impl<W: Workload> Worker<W> {
    async fn run(mut self) {
        let mut connected_before = false;
        while !*self.stopped.borrow() {
            match connect(&self.config).await {
                Ok(client) => {
                    if connected_before {
                        self.counters.reconnects.fetch_add(1, Ordering::Relaxed);
                    }
                    connected_before = true;
                    self.write_until_broken(client).await;
                }
                Err(error) => tracing::debug!(%error, "the database is down, the load tries again"),
            }
            self.pause(RECONNECT_PAUSE).await;
        }
    }

    /// Ends when the load is stopped or the connection is broken.
    async fn write_until_broken(&mut self, mut client: Client) {
        while !*self.stopped.borrow() {
            match self.transact(&mut client).await {
                Ok(writes) => {
                    self.counters.transactions.fetch_add(1, Ordering::Relaxed);
                    self.counters.writes.fetch_add(writes, Ordering::Relaxed);
                    let wait = self.pace.spend(writes);
                    self.pause(wait).await;
                }
                Err(error) if client.is_closed() || shutting_down(&error) => {
                    tracing::debug!(%error, "the load's connection broke");
                    return;
                }
                Err(error) => {
                    tracing::debug!(%error, "a transaction of the load was rolled back");
                    self.counters.rolled_back.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }

    async fn transact(&mut self, client: &mut Client) -> std::result::Result<u64, tokio_postgres::Error> {
        let transaction = client.transaction().await?;
        let writes = self.workload.write(&transaction, &mut self.random).await?;
        transaction.commit().await?;
        Ok(writes)
    }

    async fn pause(&mut self, time: Duration) {
        if time.is_zero() {
            return;
        }
        // Either the time is over, or the load is stopped (an error: its handle was dropped, which the next look sees too).
        tokio::select! {
            () = tokio::time::sleep(time) => {}
            changed = self.stopped.changed() => if changed.is_err() { tracing::trace!("the load was dropped") },
        }
    }
}

fn shutting_down(error: &tokio_postgres::Error) -> bool {
    let code = error.code();
    error.is_closed()
        || [
            &SqlState::ADMIN_SHUTDOWN,
            &SqlState::CRASH_SHUTDOWN,
            &SqlState::CANNOT_CONNECT_NOW,
        ]
        .into_iter()
        .any(|state| code == Some(state))
}
