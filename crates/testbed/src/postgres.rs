//! A real Postgres server of a chosen major version on a loopback port and a Unix socket.

mod access;
mod copying;
mod files;
mod options;
mod recovery;
mod standby;

use std::path::PathBuf;
use std::process::Command;

use rustix::process::Signal;
use tokio_postgres::NoTls;

pub use access::{connect, quote_name};
pub use options::{Auth, Password, PostgresOptions, StopMode};
pub use recovery::RecoveryTarget;

use crate::account::Account;
use crate::command;
use crate::error::{Error, Result};
use crate::packages;
use crate::ports::Port;
use crate::process::{Process, log_end};
use crate::spawn::bound_to_us;
use crate::state::StateFolder;
use crate::tls::Tls;
use crate::wait::{Deadline, POLL, SERVER_LIMIT};

/// How many fresh ports are tried when another process takes the chosen one before the server does.
const PORT_ATTEMPTS: usize = 3;

/// A Postgres server. Dropping it ends the server and removes its data.
///
/// Durability against power loss is off (`fsync = off`): a killed *process* loses nothing, which is what tests need.
#[derive(Debug)]
pub struct Postgres {
    process: Option<Process>,
    options: PostgresOptions,
    programs: PathBuf,
    port: Port,
    tls: Option<Tls>,
    account: Option<Account>,
    state: StateFolder,
}

impl Postgres {
    /// Makes a new cluster and starts it; ready for connections when this returns.
    ///
    /// # Errors
    /// A missing program, a failed download, or a server that ends while starting (with the end of its log).
    pub async fn start(options: PostgresOptions) -> Result<Postgres> {
        let mut postgres = tokio::task::spawn_blocking(move || Postgres::prepare(options)).await??;
        for attempt in 1.. {
            match postgres.launch().await {
                Err(Error::ServerEnded { log, .. }) if attempt < PORT_ATTEMPTS && port_taken(&log) => {
                    postgres.port = Port::reserve()?;
                    postgres.write_settings()?;
                }
                other => {
                    other?;
                    break;
                }
            }
        }
        if postgres.options.database != "postgres" {
            postgres
                .create_database(&postgres.options.database.clone())
                .await?;
        }
        Ok(postgres)
    }

    fn prepare(options: PostgresOptions) -> Result<Postgres> {
        let programs = packages::postgres(options.major)?.join("bin");
        let state = StateFolder::create("postgres")?;
        let account = Account::for_servers();
        let (server, client) = (state.subfolder("server")?, state.subfolder("client")?);
        state.subfolder("socket")?;
        state.subfolder("data")?;
        let tls = options.tls.is_some().then(|| Tls::create(client)).transpose()?;
        if let (Some(tls), Some(wanted)) = (&tls, &options.tls) {
            tls.issue_server(&wanted.server_names, &server, wanted.expired.into())?;
            files::copy(&tls.ca(), &server.join("ca.crt"))?;
        }
        files::write_password(&state.join("server"), options.password.text())?;
        let port = Port::reserve()?;
        let postgres = Postgres {
            process: None,
            options,
            programs,
            port,
            tls,
            account,
            state,
        };
        postgres.own_state()?;
        postgres.init_cluster()?;
        postgres.write_settings()?;
        Ok(postgres)
    }

    /// Under root everything but the clients' files belongs to the server's account.
    fn own_state(&self) -> Result<()> {
        let Some(account) = self.account else {
            return Ok(());
        };
        for folder in ["server", "socket", "data"] {
            account.take_over(&self.state.join(folder))?;
        }
        files::open_for_passing(self.state.path())
    }

    fn init_cluster(&self) -> Result<()> {
        let mut initdb = self.program("initdb");
        initdb
            .arg("--pgdata")
            .arg(self.state.join("data"))
            .args([
                "--username",
                &self.options.superuser,
                "--auth",
                self.options.auth.method(),
            ])
            .arg("--pwfile")
            .arg(self.state.join("server").join("password"))
            .args(["--encoding", "UTF8", "--no-locale", "--nosync"]);
        command::run(initdb)
    }

    fn write_settings(&self) -> Result<()> {
        let data = self.state.join("data");
        files::write_settings(&data, &self.options, self.port.number(), self.state.path())?;
        files::write_access_rules(&data, &self.options)?;
        if let Some(account) = self.account {
            account.take_over(&data.join(files::SETTINGS))?;
            account.take_over(&data.join(files::ACCESS_RULES))?;
        }
        Ok(())
    }

    fn program(&self, name: &str) -> Command {
        let mut command = bound_to_us(self.programs.join(name), self.account);
        // A folder that the account may enter; settings of the calling environment must not reach the server.
        command
            .current_dir(self.state.path())
            .env("LC_ALL", "C")
            .env_remove("PGDATA")
            .env_remove("PGPORT");
        command
    }

    async fn launch(&mut self) -> Result<()> {
        let mut server = self.program("postgres");
        server.arg("-D").arg(self.state.join("data"));
        let log = self.log_path();
        let mut process = Process::start("postgres", server, &log)?;
        let deadline = Deadline::after(SERVER_LIMIT);
        while !self.accepts_connections().await {
            process.check_alive()?;
            deadline.check(|| "start of postgres".to_owned(), &log)?;
            tokio::time::sleep(POLL).await;
        }
        self.process = Some(process);
        Ok(())
    }

    async fn accepts_connections(&self) -> bool {
        let mut config = self.config();
        config.dbname("postgres");
        match config.connect(NoTls).await {
            Ok((client, connection)) => {
                drop(client);
                connection.await.is_ok()
            }
            Err(_) => false,
        }
    }

    /// Starts a stopped server again: same port, same data.
    ///
    /// # Errors
    /// A server that ends while starting, with the end of its log.
    pub async fn start_again(&mut self) -> Result<()> {
        let deadline = Deadline::after(SERVER_LIMIT);
        loop {
            match self.launch().await {
                // Backends of a killed server are still on their way out.
                Err(Error::ServerEnded { log, .. }) if log.contains("is still in use") => {
                    deadline.check(
                        || "end of the killed server's backends".to_owned(),
                        &self.log_path(),
                    )?;
                    tokio::time::sleep(POLL).await;
                }
                other => return other,
            }
        }
    }

    /// Stops the server in one of Postgres's own ways. Stopping a stopped server does nothing.
    ///
    /// # Errors
    /// When it does not end within two minutes; a smart stop waits for clients to leave.
    pub async fn stop(&mut self, mode: StopMode) -> Result<()> {
        let Some(mut process) = self.process.take() else {
            return Ok(());
        };
        process.signal(match mode {
            StopMode::Smart => Signal::TERM,
            StopMode::Fast => Signal::INT,
            StopMode::Immediate => Signal::QUIT,
        })?;
        process.wait(SERVER_LIMIT).await.map(drop)
    }

    /// Stops and starts: same port, same data.
    ///
    /// # Errors
    /// Those of [`stop`](Postgres::stop) and [`start_again`](Postgres::start_again).
    pub async fn restart(&mut self, mode: StopMode) -> Result<()> {
        self.stop(mode).await?;
        self.start_again().await
    }

    /// Kills the server and all its backends with SIGKILL.
    ///
    /// # Errors
    /// When the system refuses to signal or wait.
    pub fn kill(&mut self) -> Result<()> {
        self.process
            .take()
            .map_or(Ok(()), |mut process| process.kill_all())
    }

    /// Stops the clocks of the server and of all its backends until [`resume`](Postgres::resume).
    ///
    /// # Errors
    /// When the server does not run or the system refuses to signal.
    pub fn pause(&mut self) -> Result<()> {
        self.running()?.pause_all()
    }

    /// Resumes a paused server.
    ///
    /// # Errors
    /// When the server does not run or the system refuses to signal.
    pub fn resume(&mut self) -> Result<()> {
        self.running()?.resume_all()
    }

    fn running(&mut self) -> Result<&mut Process> {
        self.process.as_mut().ok_or_else(|| Error::NotRunning {
            server: "postgres".to_owned(),
        })
    }

    fn log_path(&self) -> PathBuf {
        self.state.join("log")
    }
}

impl Drop for Postgres {
    /// The backends go with the postmaster: they are found and killed before their folder is removed.
    fn drop(&mut self) {
        if let Err(error) = self.kill() {
            tracing::warn!(%error, log = log_end(&self.log_path()), "postgres could not be killed");
        }
    }
}

fn port_taken(log: &str) -> bool {
    log.contains("Address already in use")
}
