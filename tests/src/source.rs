//! The source's own view of a connector: its slot and its connections.

use tokio_postgres::types::ToSql;

use crate::{World, await_that, lsn};

/// First half of the key of the connector's advisory lock.
const LOCK_CLASS: i64 = 0x7761_6c63;

impl World {
    /// The slot's `confirmed_flush_lsn`; 0 while there is no slot.
    pub async fn confirmed(&self) -> u64 {
        let sql = "SELECT max(confirmed_flush_lsn::text) FROM pg_replication_slots";
        self.text(sql, &[]).await.as_deref().map_or(0, lsn)
    }

    /// Current end of the WAL.
    pub async fn end_of_log(&self) -> u64 {
        let end = self.text("SELECT pg_current_wal_flush_lsn()::text", &[]).await;
        end.as_deref().map_or(0, lsn)
    }

    /// Process id of the walsender that serves the slot.
    pub async fn walsender(&self) -> Option<i32> {
        let sql = "SELECT active_pid::text FROM pg_replication_slots WHERE active";
        self.text(sql, &[]).await.map(|pid| pid.parse().unwrap())
    }

    /// Process id of the connection that holds the connector's leadership.
    pub async fn leader(&self) -> Option<i32> {
        let sql =
            "SELECT pid::text FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid::int8 = $1";
        self.text(sql, &[&LOCK_CLASS])
            .await
            .map(|pid| pid.parse().unwrap())
    }

    /// Ends a server process and waits until it is gone.
    pub async fn terminate(&self, pid: i32) {
        self.postgres
            .execute(&format!("SELECT pg_terminate_backend({pid})"))
            .await
            .unwrap();
        await_that("end of a terminated connection", async || {
            let sql = "SELECT pid::text FROM pg_stat_activity WHERE pid = $1";
            self.text(sql, &[&pid]).await.is_none()
        })
        .await;
    }

    /// The first column of the first row, as text.
    async fn text(&self, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Option<String> {
        let client = self.postgres.client().await.unwrap();
        let row = client.query_opt(sql, parameters).await.unwrap();
        row.and_then(|row| row.get(0))
    }
}
