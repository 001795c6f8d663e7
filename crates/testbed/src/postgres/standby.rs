//! A standby that streams from a running server.

use std::path::Path;

use super::{Postgres, PostgresOptions, StopMode};
use crate::error::{Result, file_error};
use crate::ports::Port;
use crate::state::StateFolder;

/// Makes a server a standby for as long as the file is there.
const SIGNAL: &str = "standby.signal";

impl Postgres {
    /// A standby of this server, which is stopped for a moment while its files are copied.
    ///
    /// # Errors
    /// When files cannot be copied, or either server does not start.
    pub async fn standby(&mut self) -> Result<Postgres> {
        self.stop(StopMode::Fast).await?;
        let port = Port::reserve()?;
        let state = StateFolder::create("standby")?;
        for folder in ["server", "socket"] {
            state.subfolder(folder)?;
        }
        copy_tree(&self.state.join("data"), &state.join("data"))?;
        let primary = format!(
            "host=127.0.0.1 port={} user={}",
            self.port.number(),
            self.options.superuser
        );
        let options: PostgresOptions = self
            .options
            .clone()
            .with_setting("primary_conninfo", &primary)
            .with_setting("hot_standby_feedback", "on");
        let signal = state.join("data").join(SIGNAL);
        std::fs::write(&signal, "").map_err(file_error("write", &signal))?;
        let mut standby = Postgres {
            process: None,
            options,
            programs: self.programs.clone(),
            port,
            tls: None,
            account: self.account,
            state,
        };
        standby.own_state()?;
        standby.write_settings()?;
        self.start_again().await?;
        standby.start_again().await?;
        Ok(standby)
    }

    /// Ends recovery: the standby becomes a server of its own, on the next timeline.
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
        if source.is_dir() {
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
