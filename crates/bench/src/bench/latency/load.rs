//! A steady flow: transactions at a fixed rate, whatever their latency.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use walcast_testbed::Postgres;

/// Sessions that write, as many as `pgbench` is usually given.
const CLIENTS: u32 = 8;

/// The table that grows.
pub(super) async fn create_table(postgres: &Postgres) -> Result<()> {
    postgres
        .execute("CREATE TABLE IF NOT EXISTS pings (id bigint PRIMARY KEY, note text NOT NULL)")
        .await?;
    Ok(())
}

/// The times at which transactions were acknowledged, by number.
#[derive(Clone)]
pub(super) struct Commits {
    begun: Instant,
    /// Nanoseconds after `begun`; zero: not yet.
    acknowledged: Arc<[AtomicU64]>,
    /// Id of the first row.
    first_id: i64,
    rows: u32,
}

impl Commits {
    fn new(transactions: u64, first_id: i64, rows: u32) -> Result<Commits> {
        let transactions = usize::try_from(transactions)?;
        Ok(Commits {
            begun: Instant::now(),
            acknowledged: (0..transactions).map(|_| AtomicU64::new(0)).collect(),
            first_id,
            rows,
        })
    }

    /// Number of the transaction that wrote the last of its rows with this id.
    pub(super) fn ended_by(&self, id: i64) -> Option<usize> {
        let number = u64::try_from(id.checked_sub(self.first_id)?).ok()? + 1;
        let rows = u64::from(self.rows);
        let transaction = usize::try_from(number / rows - u64::from(number % rows == 0)).ok()?;
        (number % rows == 0 && transaction < self.acknowledged.len()).then_some(transaction)
    }

    /// Time of the acknowledgement; `None` before it.
    pub(super) fn acknowledged_at(&self, transaction: usize) -> Option<Instant> {
        match self.acknowledged.get(transaction)?.load(Ordering::Acquire) {
            0 => None,
            nanos => Some(self.begun + Duration::from_nanos(nanos)),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.acknowledged.len()
    }
}

/// A flow that runs.
pub(super) struct Load {
    pub(super) commits: Commits,
    clients: Vec<tokio::task::JoinHandle<Result<()>>>,
}

impl Load {
    /// Begins a flow of `rate` transactions a second for a time.
    pub(super) async fn begin(postgres: &Postgres, rate: u32, rows: u32, lasts: Duration) -> Result<Load> {
        /// Id of the next row: no two flows share one.
        static NEXT_ID: AtomicI64 = AtomicI64::new(1);
        let transactions = u64::from(rate) * lasts.as_secs();
        let all_rows = i64::try_from(transactions * u64::from(rows))?;
        let first_id = NEXT_ID.fetch_add(all_rows, Ordering::Relaxed);
        let mut connections = Vec::new();
        for _ in 0..CLIENTS {
            let client = postgres.client().await?;
            let sql = "INSERT INTO pings SELECT id, 'a note of an ordinary length' \
                       FROM generate_series($1::bigint, $2::bigint) AS id";
            let statement = client.prepare(sql).await?;
            connections.push((client, statement));
        }
        let commits = Commits::new(transactions, first_id, rows)?;
        let next = Arc::new(AtomicU64::new(0));
        let begun = commits.begun;
        let clients = connections.into_iter().map(|(client, statement)| {
            let (commits, next) = (commits.clone(), Arc::clone(&next));
            tokio::spawn(async move {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= transactions {
                        return Ok(());
                    }
                    // An open loop: what is late is written at once.
                    let due = begun + Duration::from_secs(1) * u32::try_from(number)? / rate;
                    tokio::time::sleep_until(due.into()).await;
                    let first = first_id + i64::try_from(number * u64::from(rows))?;
                    client
                        .execute(&statement, &[&first, &(first + i64::from(rows) - 1)])
                        .await?;
                    let nanos = u64::try_from(begun.elapsed().as_nanos())?;
                    let slot = commits.acknowledged.get(usize::try_from(number)?);
                    slot.context("a transaction beyond the flow")?
                        .store(nanos.max(1), Ordering::Release);
                }
            })
        });
        let clients = clients.collect();
        Ok(Load { commits, clients })
    }

    /// Waits until everything is written; returns how long that took.
    pub(super) async fn end(self) -> Result<Duration> {
        for client in self.clients {
            client.await??;
        }
        Ok(self.commits.begun.elapsed())
    }
}
