//! How a server is reached: addresses, connections, statements.

use std::path::PathBuf;

use tokio_postgres::config::TargetSessionAttrs;
use tokio_postgres::{Client, Config, NoTls};

use super::{Postgres, PostgresOptions};
use crate::error::{Error, Result};
use crate::process::Process;
use crate::tls::Tls;

impl Postgres {
    /// URL for the superuser over TCP, password included; says nothing of TLS.
    pub fn url(&self) -> String {
        let PostgresOptions {
            superuser,
            password,
            database,
            ..
        } = &self.options;
        self.url_for(superuser, password.text(), database)
    }

    /// URL over TCP for a user, password and database.
    pub fn url_for(&self, user: &str, password: &str, database: &str) -> String {
        format!(
            "postgres://{user}:{password}@127.0.0.1:{}/{database}",
            self.port()
        )
    }

    /// The TCP port on 127.0.0.1. It stays the same over restarts.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// The folder of the Unix socket, for `host=`.
    pub fn socket_dir(&self) -> PathBuf {
        self.state.join("socket")
    }

    /// The options the server was started with.
    pub fn options(&self) -> &PostgresOptions {
        &self.options
    }

    /// The certificate authority, if TLS was asked for.
    pub fn tls(&self) -> Option<&Tls> {
        self.tls.as_ref()
    }

    /// How the testbed itself connects: as superuser over the Unix socket. Stays valid over restarts.
    pub fn config(&self) -> Config {
        let mut config = Config::new();
        config
            .host_path(self.socket_dir())
            .port(self.port())
            .user(&self.options.superuser)
            .password(self.options.password.text())
            .dbname(&self.options.database)
            .application_name("walcast-testbed");
        config
    }

    /// The same to whichever of two servers takes writes.
    pub fn config_of_either(&self, other: &Postgres) -> Config {
        let mut config = self.config();
        config
            .host_path(other.socket_dir())
            .port(other.port())
            .target_session_attrs(TargetSessionAttrs::ReadWrite);
        config
    }

    /// A new superuser connection to the default database.
    ///
    /// # Errors
    /// When the server refuses or is not running.
    pub async fn client(&self) -> Result<Client> {
        connect(&self.config()).await
    }

    /// A new superuser connection to another database.
    ///
    /// # Errors
    /// When the server refuses or is not running.
    pub async fn client_of(&self, database: &str) -> Result<Client> {
        let mut config = self.config();
        config.dbname(database);
        connect(&config).await
    }

    /// Runs statements as superuser in the default database.
    ///
    /// # Errors
    /// What the server says of the statements.
    pub async fn execute(&self, sql: &str) -> Result<()> {
        let refused = |source| Error::Postgres {
            action: sql.to_owned(),
            source,
        };
        self.client().await?.batch_execute(sql).await.map_err(refused)
    }

    /// Creates an empty database.
    ///
    /// # Errors
    /// What the server says, for example that it exists.
    pub async fn create_database(&self, name: &str) -> Result<()> {
        let sql = format!("CREATE DATABASE {}", quote_name(name));
        let client = self.client_of("postgres").await?;
        client
            .batch_execute(&sql)
            .await
            .map_err(|source| Error::Postgres { action: sql, source })
    }

    /// Changes a server setting and has the server reload its configuration. One that needs a restart waits for it.
    ///
    /// # Errors
    /// What the server says of the setting.
    pub async fn set_setting(&self, name: &str, value: &str) -> Result<()> {
        let value = value.replace('\'', "''");
        self.execute(&format!("ALTER SYSTEM SET {name} = '{value}'"))
            .await?;
        self.execute("SELECT pg_reload_conf()").await
    }

    /// All that the server has logged so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.log_path()).unwrap_or_default()).into_owned()
    }

    /// Process id of the postmaster, if it runs.
    pub fn process_id(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }
}

/// Connects without TLS and keeps the connection going in a task of its own.
///
/// # Errors
/// When the server refuses or cannot be reached.
pub async fn connect(config: &Config) -> Result<Client> {
    let refused = |source| Error::Postgres {
        action: "the testbed's connection".to_owned(),
        source,
    };
    let (client, connection) = config.connect(NoTls).await.map_err(refused)?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection of the testbed ended");
        }
    });
    Ok(client)
}

/// An SQL identifier in quotes.
pub fn quote_name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
