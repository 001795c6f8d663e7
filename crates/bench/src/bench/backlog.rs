//! The work: a million changes that wait in the WAL.

use anyhow::Result;
use walcast_testbed::Postgres;

/// How much waits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backlog {
    /// Transactions of one row each.
    pub(crate) small_transactions: u64,
    /// Rows of one large transaction.
    pub(crate) large_rows: u64,
    /// Rows of another.
    pub(crate) medium_rows: u64,
}

impl Backlog {
    /// A million changes, as in docs/performance.md.
    pub(crate) const FULL: Backlog = Backlog {
        small_transactions: 300_000,
        large_rows: 500_000,
        medium_rows: 200_000,
    };

    /// The same at another size.
    pub(crate) fn of(changes: u64) -> Backlog {
        let share = |part: u64| (part * changes / Self::FULL.changes()).max(1);
        Backlog {
            small_transactions: share(Self::FULL.small_transactions),
            large_rows: share(Self::FULL.large_rows),
            medium_rows: share(Self::FULL.medium_rows),
        }
    }

    /// Rows in all.
    pub(crate) fn changes(self) -> u64 {
        self.small_transactions + self.large_rows + self.medium_rows
    }

    /// Transactions in all.
    pub(crate) fn transactions(self) -> u64 {
        self.small_transactions + 2
    }
}

/// The table that changes: about what an order of a shop looks like.
pub(crate) async fn create_table(postgres: &Postgres) -> Result<()> {
    postgres
        .execute(
            "CREATE TABLE orders (
                 id bigint PRIMARY KEY,
                 customer_id integer NOT NULL,
                 status text NOT NULL,
                 total numeric(10,2) NOT NULL,
                 note text,
                 placed_at timestamptz NOT NULL,
                 paid boolean NOT NULL
             )",
        )
        .await?;
    Ok(())
}

/// Writes the backlog.
pub(crate) async fn write(postgres: &Postgres, backlog: Backlog) -> Result<()> {
    let client = postgres.client().await?;
    // The source's own commits are not what is measured.
    client.batch_execute("SET synchronous_commit = off").await?;
    let small = backlog.small_transactions;
    client
        .batch_execute(&format!(
            "DO $$ BEGIN FOR number IN 1..{small} LOOP INSERT INTO orders {row}; COMMIT; END LOOP; END $$",
            row = row("SELECT number")
        ))
        .await?;
    let mut first = small + 1;
    for rows in [backlog.large_rows, backlog.medium_rows] {
        let last = first + rows - 1;
        client
            .batch_execute(&format!(
                "INSERT INTO orders {}",
                row(&format!("SELECT n FROM generate_series({first}, {last}) n"))
            ))
            .await?;
        first = last + 1;
    }
    Ok(())
}

fn row(numbers: &str) -> String {
    format!(
        "SELECT n, n % 10007, (ARRAY['placed','paid','shipped','cancelled'])[1 + n % 4], n % 100000 / 100.0,
                repeat(md5(n::text), 5), timestamptz '2026-01-01 00:00:00+00' + n * interval '1 second', n % 2 = 0
         FROM ({numbers}) AS numbers(n)"
    )
}
