//! A WAL archive, base backups, and recovery from both: to a point in time, and of an old primary behind a new one.

use std::path::{Path, PathBuf};

use super::copying::{LOG, SLOTS, copy_data};
use super::{Postgres, PostgresOptions};
use crate::error::{Error, Result, file_error};
use crate::wait::{Deadline, POLL, SERVER_LIMIT, wait_until};

/// Makes a server recover from the archive, once.
const SIGNAL: &str = "recovery.signal";

/// What a base backup leaves in the copy: where its recovery begins.
const LABEL: &str = "backup_label";

/// The archive, seen from the data folder, in which the server runs its commands.
const ARCHIVE: &str = "../server/archive";

/// Where a recovery ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecoveryTarget {
    /// `recovery_target_lsn`: behind the record at this position.
    Lsn(String),
    /// `recovery_target_xid`: behind the commit of this transaction.
    Xid(String),
    /// `recovery_target_time`: behind the last commit until then.
    Time(String),
}

impl RecoveryTarget {
    fn setting(&self) -> (&'static str, &str) {
        match self {
            RecoveryTarget::Lsn(lsn) => ("recovery_target_lsn", lsn),
            RecoveryTarget::Xid(xid) => ("recovery_target_xid", xid),
            RecoveryTarget::Time(time) => ("recovery_target_time", time),
        }
    }
}

impl PostgresOptions {
    /// With a WAL archive (`archive_mode = on`).
    #[must_use]
    pub fn archiving(self) -> PostgresOptions {
        let command = format!("mkdir -p {ARCHIVE} && cp %p {ARCHIVE}/%f");
        self.with_setting("archive_mode", "on")
            .with_setting("archive_command", &command)
    }
}

impl Postgres {
    /// Has all that was written until now in the archive.
    ///
    /// # Errors
    /// When the server refuses, or archives nothing.
    pub async fn archive_log(&self) -> Result<()> {
        let client = self.client().await?;
        let ask = async |query: &str| {
            let row = client.query_one(query, &[]).await;
            row.and_then(|row| row.try_get::<_, Option<String>>(0))
                .map_err(refused(query))
        };
        // A switch does nothing where nothing was written.
        let last = ask("SELECT pg_walfile_name(pg_create_restore_point('archived'))").await?;
        ask("SELECT pg_switch_wal()::text").await?;
        wait_until("archiving of the WAL", SERVER_LIMIT, async || {
            let archived = ask("SELECT last_archived_wal FROM pg_stat_archiver").await?;
            Ok(archived >= last)
        })
        .await
    }

    /// A copy of this server, which keeps running, as a server of its own: not started. It has neither replication slots nor the WAL,
    /// as what `pg_basebackup --wal-method none` makes. Needs 15 or later.
    ///
    /// # Errors
    /// When the server refuses, or files cannot be copied.
    pub async fn base_backup(&self, options: PostgresOptions) -> Result<Postgres> {
        let copy = self.beside(options)?;
        self.back_up(copy.data(), &[SLOTS, LOG]).await?;
        copy.own_state()?;
        copy.write_settings()?;
        Ok(copy)
    }

    /// Recovers this copy, which is not started, from the archive of the server that it was made of. It is a primary on a
    /// timeline of its own when this returns (`recovery_target_action = promote`).
    ///
    /// # Errors
    /// When it ends before it comes to the target.
    pub async fn recover(&mut self, of: &Postgres, target: &RecoveryTarget) -> Result<()> {
        let archive = of.data().join(ARCHIVE);
        let restore = format!("cp {}/%f %p", archive.display());
        let (name, value) = target.setting();
        for (name, value) in [
            ("restore_command", restore.as_str()),
            ("recovery_target_action", "promote"),
            (name, value),
        ] {
            self.set_option(name, value);
        }
        self.write_settings()?;
        self.signal(SIGNAL)?;
        self.start_again().await?;
        let (deadline, log) = (Deadline::after(SERVER_LIMIT), self.log_path());
        while self.is_recovering().await? {
            self.running()?.check_alive()?;
            deadline.check(|| "end of recovery".to_owned(), &log)?;
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    /// Has this server, an old primary that is stopped or dead, follow the new one, with what `pg_rewind` leaves: the new one's
    /// data, settings and log, a `backup_label`, no replication slot of either, and none of the changes that only it had.
    ///
    /// The packages of the servers have no `pg_rewind`. Where that takes from the new primary the blocks that differ, this takes all.
    ///
    /// # Errors
    /// When files cannot be copied, or it does not start.
    pub async fn rewind(&mut self, primary: &Postgres) -> Result<()> {
        let data = self.data();
        std::fs::remove_dir_all(&data).map_err(file_error("remove", &data))?;
        primary.back_up(data, &[SLOTS]).await?;
        self.own_state()?;
        self.follow(primary).await
    }

    /// Whether the server is a standby, or recovers.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub async fn is_recovering(&self) -> Result<bool> {
        let query = "SELECT pg_is_in_recovery()";
        let row = self.client().await?.query_one(query, &[]).await;
        row.and_then(|row| row.try_get(0)).map_err(refused(query))
    }

    async fn back_up(&self, into: PathBuf, left_empty: &'static [&'static str]) -> Result<()> {
        let client = self.client().await?;
        // Ends with the connection, whatever happens in between.
        let start = "SELECT pg_backup_start('testbed', fast => true)";
        client.batch_execute(start).await.map_err(refused(start))?;
        let (from, to) = (self.data(), into.clone());
        tokio::task::spawn_blocking(move || copy_data(&from, &to, left_empty)).await??;
        let stop = "SELECT labelfile FROM pg_backup_stop(wait_for_archive => false)";
        let row = client.query_one(stop, &[]).await;
        let label: String = row.and_then(|row| row.try_get(0)).map_err(refused(stop))?;
        write_label(&into, &label)
    }
}

fn write_label(data: &Path, label: &str) -> Result<()> {
    let path = data.join(LABEL);
    std::fs::write(&path, label).map_err(file_error("write", &path))
}

fn refused(action: &str) -> impl Fn(tokio_postgres::Error) -> Error {
    let action = action.to_owned();
    move |source| Error::Postgres {
        action: action.clone(),
        source,
    }
}
