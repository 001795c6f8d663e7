//! A standby that streams from a running server.

use std::path::Path;

use super::{Postgres, PostgresOptions, StopMode};
use crate::error::{Result, file_error};
use crate::ports::Port;
use crate::state::StateFolder;

/// Makes a server a standby for as long as the file is there.
const SIGNAL: &str = "standby.signal";

/// The folder of replication slots, which belong to one server.
const SLOTS: &str = "pg_replslot";

impl Postgres {
    /// A standby of this server, which is stopped for a moment while its files are copied.
    ///
    /// # Errors
    /// When files cannot be copied, or either server does not start.
    pub async fn standby(&mut self) -> Result<Postgres> {
        self.standby_with(&[]).await
    }

    /// A standby with further settings, such as `primary_slot_name`.
    ///
    /// # Errors
    /// When files cannot be copied, or either server does not start.
    pub async fn standby_with(&mut self, settings: &[(&str, &str)]) -> Result<Postgres> {
        let primary = format!(
            "host=127.0.0.1 port={} user={} dbname={}",
            self.port.number(),
            self.options.superuser,
            self.options.database
        );
        let mut options: PostgresOptions = self
            .options
            .clone()
            .with_setting("primary_conninfo", &primary)
            .with_setting("hot_standby_feedback", "on");
        for (name, value) in settings {
            options = options.with_setting(name, value);
        }
        let mut standby = self.copy(options).await?;
        standby.write_signal()?;
        standby.start_again().await?;
        Ok(standby)
    }

    /// A copy of this server as it is now, which is a server of its own: not started. This one is stopped for a moment.
    ///
    /// Replication slots are not copied, as with `pg_basebackup`.
    ///
    /// # Errors
    /// When files cannot be copied, or this server does not start again.
    pub async fn copy(&mut self, options: PostgresOptions) -> Result<Postgres> {
        self.stop(StopMode::Fast).await?;
        let port = Port::reserve()?;
        let state = StateFolder::create("standby")?;
        for folder in ["server", "socket"] {
            state.subfolder(folder)?;
        }
        copy_tree(&self.state.join("data"), &state.join("data"))?;
        let copy = Postgres {
            process: None,
            options,
            programs: self.programs.clone(),
            port,
            tls: None,
            account: self.account,
            state,
        };
        copy.own_state()?;
        copy.write_settings()?;
        self.start_again().await?;
        Ok(copy)
    }

    /// Begins a new timeline, as a promotion does: the server is stopped, started as a standby of nobody, and promoted. Its
    /// slots stay.
    ///
    /// # Errors
    /// When it does not start or refuses.
    pub async fn promote_in_place(&mut self) -> Result<()> {
        self.stop(StopMode::Fast).await?;
        self.write_signal()?;
        self.start_again().await?;
        self.promote().await
    }

    fn write_signal(&self) -> Result<()> {
        let signal = self.state.join("data").join(SIGNAL);
        std::fs::write(&signal, "").map_err(file_error("write", &signal))?;
        self.own_state()
    }

    /// Ends recovery: the standby becomes a server of its own, on the next timeline. It is one when this returns.
    ///
    /// # Errors
    /// When it refuses.
    pub async fn promote(&self) -> Result<()> {
        self.execute("SELECT pg_promote()").await.map(drop)
    }
}

fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to).map_err(file_error("make", to))?;
    for entry in std::fs::read_dir(from).map_err(file_error("read", from))? {
        let entry = entry.map_err(file_error("read", from))?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() && entry.file_name() == SLOTS {
            std::fs::create_dir_all(&target).map_err(file_error("make", &target))?;
        } else if source.is_dir() {
            copy_tree(&source, &target)?;
        } else if entry.file_name() != "postmaster.pid" {
            std::fs::copy(&source, &target).map_err(file_error("copy", &source))?;
        }
    }
    let mode = std::fs::metadata(from)
        .map_err(file_error("look at", from))?
        .permissions();
    std::fs::set_permissions(to, mode).map_err(file_error("set the mode of", to))
}
