//! The real Debezium Postgres connector, in a Kafka Connect worker of its own on a loopback port.
//!
//! The worker starts once (some seconds of Java); connectors are added to it and removed while it runs. Each has a slot, a
//! topic prefix and settings of its own.

mod config;
mod rest;

use std::path::PathBuf;

use serde_json::Value;

pub use config::DebeziumConfig;

use crate::error::{Error, Result, file_error};
use crate::java::{Startup, java};
use crate::kafka::Kafka;
use crate::packages::{self, DebeziumPackages};
use crate::ports::Port;
use crate::postgres::Postgres;
use crate::process::Process;
use crate::spawn::bound_to_us;
use crate::state::StateFolder;
use crate::wait::{Deadline, POLL, SERVER_LIMIT};

/// How many fresh ports are tried when another process takes the chosen one before the worker does.
const PORT_ATTEMPTS: usize = 3;

/// How the worker is run.
#[derive(Clone, Copy, Debug)]
pub struct DebeziumOptions {
    /// The release of the connector, one of [`DEBEZIUM_RELEASES`](crate::DEBEZIUM_RELEASES).
    pub release: &'static str,
    /// Limit of the Java heap, in MB.
    pub heap_mb: u32,
    /// Whether the optimising compiler is used. It costs more than it gains where a worker lives for some minutes and has
    /// little to do; a measurement of speed needs it.
    pub optimised: bool,
}

impl Default for DebeziumOptions {
    /// A handful of connectors, each with a queue of a few thousand changes.
    fn default() -> Self {
        Self {
            release: packages::DEBEZIUM,
            heap_mb: 1024,
            optimised: false,
        }
    }
}

/// Warnings of everybody and what Debezium has to say, to standard output, which is the log file.
const LOGGING: &str = "rootLogger.level = warn\n\
    rootLogger.appenderRef.out.ref = out\n\
    appender.out.type = Console\n\
    appender.out.name = out\n\
    appender.out.layout.type = PatternLayout\n\
    appender.out.layout.pattern = %d{HH:mm:ss,SSS} %p %c{1}: %m%n\n\
    logger.debezium.name = io.debezium\n\
    logger.debezium.level = info\n";

/// A Kafka Connect worker with the Debezium plugin. Dropping it ends the worker and its connectors.
#[derive(Debug)]
pub struct Debezium {
    process: Process,
    port: Port,
    state: StateFolder,
}

impl Debezium {
    /// Starts a worker without connectors beside a running broker; it answers when this returns.
    ///
    /// # Errors
    /// A missing program, a failed download, or a worker that ends while starting (with the end of its log).
    pub async fn start(kafka: &Kafka) -> Result<Debezium> {
        Debezium::start_with(kafka, DebeziumOptions::default()).await
    }

    /// The same with options.
    ///
    /// # Errors
    /// Those of [`start`](Debezium::start).
    pub async fn start_with(kafka: &Kafka, options: DebeziumOptions) -> Result<Debezium> {
        let packages = tokio::task::spawn_blocking(move || packages::debezium(options.release)).await??;
        let mut attempts_left = PORT_ATTEMPTS;
        loop {
            attempts_left -= 1;
            match Debezium::launch(&packages, &kafka.brokers(), options).await {
                Err(Error::ServerEnded { log, .. })
                    if attempts_left > 0 && log.contains("Address already in use") => {}
                other => return other,
            }
        }
    }

    async fn launch(
        packages: &DebeziumPackages,
        brokers: &str,
        options: DebeziumOptions,
    ) -> Result<Debezium> {
        let (port, state) = (Port::reserve()?, StateFolder::create("debezium")?);
        let write = |name: &str, text: &str| -> Result<PathBuf> {
            let path = state.join(name);
            std::fs::write(&path, text).map_err(file_error("write", &path))?;
            Ok(path)
        };
        let logging = write("log4j2.properties", LOGGING)?;
        let settings = worker_settings(brokers, port.number(), &state.join("offsets"), &packages.plugins);
        let settings = write("worker.properties", &settings)?;
        let startup = if options.optimised {
            Startup::Optimising
        } else {
            Startup::Quick
        };
        let mut command = java(bound_to_us("java", None), &startup, options.heap_mb, state.path());
        command
            // Debezium reads table names in the platform's encoding.
            .arg("-Dfile.encoding=UTF-8")
            .env("LC_ALL", "C.UTF-8")
            .arg(format!("-Dlog4j2.configurationFile={}", logging.display()))
            .arg("-cp")
            .arg(packages.worker.join("*"))
            .arg("org.apache.kafka.connect.cli.ConnectStandalone")
            .arg(settings);
        let log = state.join("log");
        let process = Process::start("debezium", command, &log)?;
        let mut debezium = Debezium { process, port, state };
        let deadline = Deadline::after(SERVER_LIMIT);
        while !debezium.answers().await? {
            debezium.process.check_alive()?;
            deadline.check(|| "start of debezium".to_owned(), &log)?;
            tokio::time::sleep(POLL).await;
        }
        Ok(debezium)
    }

    /// Adds a connector and waits until it streams: its task runs and its slot is in use.
    ///
    /// # Errors
    /// What the worker says of the configuration, or the trace of a task that failed.
    pub async fn add(&self, config: &DebeziumConfig, postgres: &Postgres) -> Result<()> {
        self.begin(config).await?;
        let deadline = Deadline::after(SERVER_LIMIT);
        let source = postgres.client().await?;
        while !(self.runs(config.name()).await? && slot_is_active(&source, config.slot()).await?) {
            deadline.check(|| format!("streaming of {}", config.name()), &self.log_path())?;
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    /// Adds a connector and waits for nothing.
    ///
    /// # Errors
    /// What the worker says of the configuration.
    pub async fn begin(&self, config: &DebeziumConfig) -> Result<()> {
        self.put_config(config).await
    }

    /// Whether the connector's task runs; it may not have been started yet.
    ///
    /// # Errors
    /// The trace of a task that has failed.
    pub async fn runs(&self, name: &str) -> Result<bool> {
        let Some(status) = self.status(name).await? else {
            return Ok(false);
        };
        let parts = || {
            status["tasks"]
                .as_array()
                .into_iter()
                .flatten()
                .chain([&status["connector"]])
        };
        if let Some(failed) = parts().find(|part| part["state"] == "FAILED") {
            return Err(Error::Connect {
                action: format!("run {name}"),
                answer: failed["trace"].as_str().unwrap_or_default().to_owned(),
            });
        }
        Ok(parts().count() > 1 && parts().all(|part| part["state"] == "RUNNING"))
    }

    /// Removes a connector. Its slot stays, and what it has written.
    ///
    /// # Errors
    /// When the worker refuses.
    pub async fn remove(&self, name: &str) -> Result<()> {
        self.delete(name).await
    }

    /// The worker's page on a connector, or `None` while there is no such connector.
    ///
    /// # Errors
    /// When the worker does not answer.
    pub async fn status(&self, name: &str) -> Result<Option<Value>> {
        self.connector_status(name).await
    }

    /// All that the worker and its connectors have logged so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.log_path()).unwrap_or_default()).into_owned()
    }

    /// Process id of the worker.
    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// The file in which the worker keeps the offsets of its connectors; it is there from the first stored offset on.
    pub fn offset_file(&self) -> PathBuf {
        self.state.join("offsets")
    }

    /// Address of the worker's REST interface.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port.number())
    }

    fn log_path(&self) -> PathBuf {
        self.state.join("log")
    }
}

async fn slot_is_active(source: &tokio_postgres::Client, slot: &str) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = $1 AND active)";
    let row = source.query_one(sql, &[&slot]).await;
    let row = row.map_err(|source| Error::Postgres {
        action: format!("look at slot {slot}"),
        source,
    })?;
    Ok(row.get(0))
}

fn worker_settings(brokers: &str, port: u16, offsets: &std::path::Path, plugins: &std::path::Path) -> String {
    // The converters are those of connectors that name none: of no connector here.
    format!(
        "bootstrap.servers={brokers}\n\
         listeners=http://127.0.0.1:{port}\n\
         offset.storage.file.filename={}\n\
         offset.flush.interval.ms={OFFSET_FLUSH_INTERVAL_MS}\n\
         task.shutdown.graceful.timeout.ms={STOP_LIMIT_MS}\n\
         plugin.path={}\n\
         key.converter=org.apache.kafka.connect.json.JsonConverter\n\
         value.converter=org.apache.kafka.connect.json.JsonConverter\n",
        offsets.display(),
        plugins.display()
    )
}

/// How often the position is confirmed to the source. A minute as shipped; here a test waits for it.
const OFFSET_FLUSH_INTERVAL_MS: u32 = 200;

/// How long a task that is stopped may take to store its last offset; after that it is cancelled, and the offset lies behind its
/// records. Five seconds as shipped, which a loaded machine can exceed.
const STOP_LIMIT_MS: u32 = 20_000;
