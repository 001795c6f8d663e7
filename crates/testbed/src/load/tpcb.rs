//! The bank of TPC-B, as pgbench has it: accounts, tellers, branches, and a history of transfers.

use rand::RngExt;
use rand::rngs::StdRng;
use tokio_postgres::Transaction;

use super::{Load, LoadOptions, Workload};
use crate::error::{Error, Result};
use crate::journal;
use crate::postgres::Postgres;

/// Tellers of one branch, as in TPC-B.
const TELLERS: i32 = 10;
/// Accounts of one branch: a tenth of pgbench's, so that set-up takes no time.
const ACCOUNTS: i32 = 10_000;

/// Tables `public.pgbench_*` with their initial rows.
#[derive(Clone, Copy, Debug)]
pub struct TpcB {
    branches: i32,
}

impl TpcB {
    /// The captured tables.
    pub const TABLES: [&'static str; 4] = [
        "public.pgbench_branches",
        "public.pgbench_tellers",
        "public.pgbench_accounts",
        "public.pgbench_history",
    ];

    /// Creates and fills the tables; the journal starts after the initial rows.
    ///
    /// Fewer branches mean more waiting for each other's row locks: with one, all transactions meet on one row.
    ///
    /// # Errors
    /// What the server says.
    pub async fn create(postgres: &Postgres, branches: u16) -> Result<TpcB> {
        let branches = i32::from(branches.max(1));
        let sql = format!(
            "CREATE TABLE pgbench_branches (bid int PRIMARY KEY, bbalance int NOT NULL, filler char(88));
             CREATE TABLE pgbench_tellers (tid int PRIMARY KEY, bid int NOT NULL, tbalance int NOT NULL, filler char(84));
             CREATE TABLE pgbench_accounts (aid int PRIMARY KEY, bid int NOT NULL, abalance int NOT NULL, filler char(84));
             CREATE TABLE pgbench_history (hid bigserial PRIMARY KEY, tid int, bid int, aid int, delta int,
                 mtime timestamp NOT NULL DEFAULT now(), filler char(22));
             INSERT INTO pgbench_branches SELECT n, 0, '' FROM generate_series(1, {branches}) n;
             INSERT INTO pgbench_tellers SELECT n, (n - 1) / {TELLERS} + 1, 0, '' FROM generate_series(1, {branches} * {TELLERS}) n;
             INSERT INTO pgbench_accounts SELECT n, (n - 1) / {ACCOUNTS} + 1, 0, '' FROM generate_series(1, {branches} * {ACCOUNTS}) n;"
        );
        let client = postgres.client().await?;
        let refused = |source| Error::Postgres {
            action: "the tables of TPC-B".to_owned(),
            source,
        };
        client.batch_execute(&sql).await.map_err(refused)?;
        for (table, key) in TpcB::TABLES.into_iter().zip(["bid", "tid", "aid", "hid"]) {
            journal::install(&client, table, &[key]).await?;
        }
        Ok(TpcB { branches })
    }

    /// Starts the transfers.
    pub fn run(self, postgres: &Postgres, options: &LoadOptions) -> Load {
        Load::start(&postgres.config(), options, self)
    }
}

impl Workload for TpcB {
    async fn write(
        &self,
        transaction: &Transaction<'_>,
        random: &mut StdRng,
    ) -> std::result::Result<u64, tokio_postgres::Error> {
        let account = random.random_range(1..=self.branches * ACCOUNTS);
        let branch = random.random_range(1..=self.branches);
        let teller = random.random_range(1..=self.branches * TELLERS);
        let delta = random.random_range(-5000..=5000);
        transaction
            .batch_execute(&format!(
                "UPDATE pgbench_accounts SET abalance = abalance + {delta} WHERE aid = {account};
                 SELECT abalance FROM pgbench_accounts WHERE aid = {account};
                 UPDATE pgbench_tellers SET tbalance = tbalance + {delta} WHERE tid = {teller};
                 UPDATE pgbench_branches SET bbalance = bbalance + {delta} WHERE bid = {branch};
                 INSERT INTO pgbench_history (tid, bid, aid, delta) VALUES ({teller}, {branch}, {account}, {delta});"
            ))
            .await?;
        Ok(4)
    }
}
