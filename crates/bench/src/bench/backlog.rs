//! The work: changes that wait in the WAL.

mod workload;

use std::sync::atomic::{AtomicI64, Ordering};

use anyhow::Result;
use walcast_testbed::Postgres;

pub(super) use workload::Workload;

/// How much waits, and of what kind.
#[derive(Clone, Copy, Debug)]
pub(super) struct Backlog {
    pub(super) workload: Workload,
    changes: u64,
}

impl Backlog {
    pub(super) fn of(workload: Workload, changes: u64) -> Backlog {
        Backlog { workload, changes }
    }

    /// Rows in all.
    pub(super) fn changes(self) -> u64 {
        let transactions = self.workload.transactions(self.changes);
        transactions.iter().map(|(count, rows)| count * rows).sum()
    }

    /// Transactions in all.
    pub(super) fn transactions(self) -> u64 {
        let transactions = self.workload.transactions(self.changes);
        transactions.iter().map(|(count, _)| count).sum()
    }

    /// Tables that change, with their schema.
    pub(super) fn tables(self) -> Vec<String> {
        let tables = self.workload.tables();
        tables.iter().map(|table| format!("public.{table}")).collect()
    }

    /// The table that is changed last, with its schema.
    pub(super) fn last_table(self) -> String {
        format!("public.{}", self.workload.last_table(self.changes))
    }

    /// Rows of that table.
    pub(super) fn changes_of_last_table(self) -> u64 {
        self.changes()
            .div_ceil(u64::try_from(self.tables().len()).unwrap_or(u64::MAX))
    }

    /// Creates the tables, and the rows that are updated.
    pub(super) async fn create_tables(self, postgres: &Postgres) -> Result<()> {
        for statement in self.workload.creation() {
            postgres.execute(&statement).await?;
        }
        Ok(())
    }

    /// Writes the backlog.
    pub(super) async fn write(self, postgres: &Postgres) -> Result<()> {
        /// Id of the next row that is inserted: no two backlogs share one.
        static NEXT_ID: AtomicI64 = AtomicI64::new(1);
        let client = postgres.client().await?;
        // The source's own commits are not what is measured.
        client.batch_execute("SET synchronous_commit = off").await?;
        for (count, rows) in self.workload.transactions(self.changes) {
            let first_id = NEXT_ID.fetch_add(i64::try_from(count * rows)?, Ordering::Relaxed);
            client
                .batch_execute(&self.workload.statement(count, rows, first_id))
                .await?;
        }
        Ok(())
    }
}
