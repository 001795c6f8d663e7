//! A standby that streams from a running server, and the ways from one role to the other.

use std::path::PathBuf;

use super::copying::{SLOTS, copy_data};
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
        self.standby_with(&[]).await
    }

    /// A standby with further settings, such as `primary_slot_name`.
    ///
    /// # Errors
    /// When files cannot be copied, or either server does not start.
    pub async fn standby_with(&mut self, settings: &[(&str, &str)]) -> Result<Postgres> {
        let options = self.options.clone().with_setting("hot_standby_feedback", "on");
        let options = settings.iter().fold(options, |options, (name, value)| {
            options.with_setting(name, value)
        });
        let mut standby = self.copy(options).await?;
        standby.follow(self).await?;
        Ok(standby)
    }

    /// A copy of this server as it is now, which is a server of its own: not started. This one is stopped for a moment.
    ///
    /// Replication slots are not copied, as with `pg_basebackup`.
    ///
    /// # Errors
    /// When files cannot be copied, or this server does not start again.
    pub async fn copy(&mut self, options: PostgresOptions) -> Result<Postgres> {
        self.copy_without(options, &[SLOTS]).await
    }

    /// The same with its replication slots, as a snapshot of a file system or of a virtual machine has them.
    ///
    /// # Errors
    /// When files cannot be copied, or this server does not start again.
    pub async fn copy_whole(&mut self, options: PostgresOptions) -> Result<Postgres> {
        self.copy_without(options, &[]).await
    }

    async fn copy_without(&mut self, options: PostgresOptions, left_empty: &[&str]) -> Result<Postgres> {
        self.stop(StopMode::Fast).await?;
        let copy = self.beside(options)?;
        copy_data(&self.data(), &copy.data(), left_empty)?;
        copy.own_state()?;
        copy.write_settings()?;
        self.start_again().await?;
        Ok(copy)
    }

    /// A server of the same programs with a port and folders of its own, and no data.
    pub(super) fn beside(&self, options: PostgresOptions) -> Result<Postgres> {
        let state = StateFolder::create("postgres")?;
        for folder in ["server", "socket", "data"] {
            state.subfolder(folder)?;
        }
        Ok(Postgres {
            process: None,
            options,
            programs: self.programs.clone(),
            port: Port::reserve()?,
            tls: None,
            account: self.account,
            state,
        })
    }

    /// Starts this server, which is stopped, as a standby of another one. Its WAL must be part of the other one's.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn follow(&mut self, primary: &Postgres) -> Result<()> {
        let to_primary = format!(
            "host=127.0.0.1 port={} user={} dbname={}",
            primary.port.number(),
            primary.options.superuser,
            primary.options.database
        );
        self.set_option("primary_conninfo", &to_primary);
        self.write_settings()?;
        self.signal(SIGNAL)?;
        self.start_again().await
    }

    /// Begins a new timeline, as a promotion does: the server is stopped, started as a standby without a primary, and promoted. Its
    /// slots stay.
    ///
    /// # Errors
    /// When it does not start or refuses.
    pub async fn promote_in_place(&mut self) -> Result<()> {
        self.stop(StopMode::Fast).await?;
        self.signal(SIGNAL)?;
        self.start_again().await?;
        self.promote().await
    }

    /// Ends recovery: the standby becomes a server of its own, on the next timeline. It is one when this returns.
    ///
    /// # Errors
    /// When it refuses.
    pub async fn promote(&self) -> Result<()> {
        self.execute("SELECT pg_promote()").await.map(drop)
    }

    /// Changes a setting of the options, for the next start.
    pub(super) fn set_option(&mut self, name: &str, value: &str) {
        self.options.settings.retain(|(known, _)| known != name);
        self.options.settings.push((name.to_owned(), value.to_owned()));
    }

    /// Leaves an empty file in the data folder, by which the next start knows what it is to be.
    pub(super) fn signal(&self, name: &str) -> Result<()> {
        let signal = self.data().join(name);
        std::fs::write(&signal, "").map_err(file_error("write", &signal))?;
        self.own_state()
    }

    pub(super) fn data(&self) -> PathBuf {
        self.state.join("data")
    }
}
