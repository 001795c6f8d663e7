//! A real Kafka broker (KRaft, broker and controller in one) on loopback ports.

mod cluster;
mod options;
mod seat;
mod security;

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};

pub use cluster::KafkaCluster;
pub use options::{KafkaOptions, ProxiedListener};
pub use security::KafkaSecurity;

use crate::command;
use crate::error::{Error, Result, file_error};
use crate::java::{Startup, from_archive, java};
use crate::packages;
use crate::ports::Port;
use crate::server::Server;
use crate::spawn::bound_to_us;
use crate::state::StateFolder;
use crate::tls::Tls;
use seat::Seat;

/// How many fresh ports are tried when another process takes the chosen one before the broker does.
const PORT_ATTEMPTS: usize = 3;

/// How long one question to a starting broker may take.
const QUESTION_LIMIT: Duration = Duration::from_secs(2);

/// No file grows beyond this on a full disk: less than the index of a segment, which is created with each.
const FULL_DISK_BYTES: u64 = 1;

/// Logging to standard output, which is the log file.
const LOGGING: &str = "rootLogger.level = warn\n\
    rootLogger.appenderRef.out.ref = out\n\
    appender.out.type = Console\n\
    appender.out.name = out\n\
    appender.out.layout.type = PatternLayout\n\
    appender.out.layout.pattern = %d{HH:mm:ss,SSS} %p %c{1}: %m%n\n";

/// Limit of the Java heap of a tool that runs for a moment, in MB.
const TOOL_HEAP_MB: u32 = 128;

/// A Kafka broker. Dropping it ends the broker and removes its data.
#[derive(Debug)]
pub struct Kafka {
    server: Server,
    options: KafkaOptions,
    startup: Startup,
    jars: PathBuf,
    ports: Ports,
    /// Its place in a cluster, if it is not alone.
    seat: Option<Seat>,
    tls: Option<Tls>,
    state: StateFolder,
}

/// A port for each listener, whether or not it is used.
#[derive(Debug)]
struct Ports {
    open: Port,
    controller: Port,
    tls: Port,
    sasl: Port,
}

impl Ports {
    fn reserve() -> Result<Ports> {
        Ok(Ports {
            open: Port::reserve()?,
            controller: Port::reserve()?,
            tls: Port::reserve()?,
            sasl: Port::reserve()?,
        })
    }
}

impl Kafka {
    /// Formats storage and starts a broker; it answers clients when this returns.
    ///
    /// # Errors
    /// A missing program, a failed download, or a broker that ends while starting (with the end of its log).
    pub async fn start(options: KafkaOptions) -> Result<Kafka> {
        let prepared = move || {
            let startup = Kafka::startup(&options)?;
            Kafka::prepare(options, startup, Ports::reserve()?, None)
        };
        let mut kafka = tokio::task::spawn_blocking(prepared).await??;
        kafka.start_on_free_ports().await?;
        Ok(kafka)
    }

    /// How the broker's Java is started: from the class archive of its release, which the first broker of all writes. Blocks, within a
    /// runtime.
    fn startup(options: &KafkaOptions) -> Result<Startup> {
        if options.optimised {
            return Ok(Startup::Optimising);
        }
        let release = KafkaOptions::release(options.release);
        from_archive(&packages::kafka_package(options.release)?, |startup| {
            let mut kafka = Kafka::prepare(release, startup, Ports::reserve()?, None)?;
            tokio::runtime::Handle::current().block_on(async {
                kafka.start_on_free_ports().await?;
                kafka.stop().await
            })
        })
    }

    async fn start_on_free_ports(&mut self) -> Result<()> {
        for attempt in 1.. {
            match self.start_again().await {
                Err(Error::ServerEnded { log, .. })
                    if attempt < PORT_ATTEMPTS && log.contains("Address already in use") =>
                {
                    self.ports = Ports::reserve()?;
                    self.write_properties()?;
                }
                other => {
                    other?;
                    break;
                }
            }
        }
        Ok(())
    }

    fn prepare(options: KafkaOptions, startup: Startup, ports: Ports, seat: Option<Seat>) -> Result<Kafka> {
        let jars = packages::kafka(options.release)?;
        let state = StateFolder::create("kafka")?;
        let tls = match &options.security {
            Some(security) => Some(security.make_certificates(state.subfolder("tls")?)?),
            None => None,
        };
        let kafka = Kafka {
            server: Server::new("kafka", state.join("log")),
            options,
            startup,
            jars,
            ports,
            seat,
            tls,
            state,
        };
        let logging = kafka.state.join("log4j2.properties");
        std::fs::write(&logging, LOGGING).map_err(file_error("write", logging))?;
        kafka.write_properties()?;
        kafka.format_storage()?;
        Ok(kafka)
    }

    fn write_properties(&self) -> Result<()> {
        let path = self.state.join("server.properties");
        let text = options::properties(&self.options, &self.ports, self.seat.as_ref(), self.state.path());
        std::fs::write(&path, text).map_err(file_error("write", path))
    }

    fn format_storage(&self) -> Result<()> {
        let mut tool = self.tool();
        tool.args(["kafka.tools.StorageTool", "format"])
            .args(["--cluster-id", "walcast-testbed-000000", "--config"])
            .arg(self.state.join("server.properties"));
        if let Some(security) = &self.options.security {
            tool.args(security.format_arguments());
        }
        command::run(tool)
    }

    /// A program that runs for a moment, in which no class archive may be written.
    fn tool(&self) -> Command {
        let startup = match &self.startup {
            Startup::Archiving(_) | Startup::Optimising | Startup::Quick => &Startup::Quick,
            archived @ Startup::QuickFrom(_) => archived,
        };
        self.program(startup, TOOL_HEAP_MB)
    }

    fn program(&self, startup: &Startup, heap_mb: u32) -> Command {
        let mut command = java(bound_to_us("java", None), startup, heap_mb, self.state.path());
        command
            .arg(format!(
                "-Dlog4j2.configurationFile={}",
                self.state.join("log4j2.properties").display()
            ))
            .arg("-cp")
            .arg(self.jars.join("*"));
        command
    }

    /// Starts a stopped broker again: same ports, same data. Starting a running one does nothing.
    ///
    /// # Errors
    /// A broker that ends while starting, with the end of its log.
    pub async fn start_again(&mut self) -> Result<()> {
        if self.server.is_running()? {
            return Ok(());
        }
        let mut broker = self.program(&self.startup, self.options.heap_mb);
        broker
            .arg("kafka.Kafka")
            .arg(self.state.join("server.properties"));
        let port = self.port();
        self.server.start(broker, async || answers(port).await).await
    }

    /// Whether the broker runs; one that ended by itself does not.
    ///
    /// # Errors
    /// When the system call fails.
    pub fn is_running(&mut self) -> Result<bool> {
        self.server.is_running()
    }

    /// Stops the broker in order. Stopping a stopped one does nothing.
    ///
    /// # Errors
    /// When it does not end within two minutes.
    pub async fn stop(&mut self) -> Result<()> {
        self.server.stop().await
    }

    /// Stops and starts: same ports, same data.
    ///
    /// # Errors
    /// Those of [`stop`](Kafka::stop) and [`start_again`](Kafka::start_again).
    pub async fn restart(&mut self) -> Result<()> {
        self.stop().await?;
        self.start_again().await
    }

    /// Kills the broker with SIGKILL; its data stay for [`start_again`](Kafka::start_again).
    ///
    /// # Errors
    /// When the system refuses to signal or wait.
    pub fn kill(&mut self) -> Result<()> {
        self.server.kill()
    }

    /// Stops the broker's clock, as a network that swallows everything would, until [`resume`](Kafka::resume).
    ///
    /// # Errors
    /// When the broker does not run or the system refuses to signal.
    pub fn pause(&mut self) -> Result<()> {
        self.server.pause()
    }

    /// Resumes a paused broker.
    ///
    /// # Errors
    /// When the broker does not run or the system refuses to signal.
    pub fn resume(&mut self) -> Result<()> {
        self.server.resume()
    }

    /// Refuses the broker any further byte in its log files, as a full disk would, until it is started again. It notices at the next
    /// record, gives its folder up and ends.
    ///
    /// # Errors
    /// When the broker does not run or the system refuses.
    pub fn fill_disk(&mut self) -> Result<()> {
        self.server.limit_files(FULL_DISK_BYTES)
    }

    /// Lets a user do something, with Kafka's own tool: `resource` is its option, such as `--topic`.
    ///
    /// # Errors
    /// When the tool fails, for which the broker must run and [`KafkaSecurity::authorize`] be set.
    pub async fn grant(&self, user: &str, operations: &[&str], resource: &str, name: &str) -> Result<()> {
        let mut tool = self.tool();
        tool.arg("org.apache.kafka.tools.AclCommand")
            .args(["--bootstrap-server", &self.brokers(), "--add"])
            .args(["--allow-principal", &format!("User:{user}"), resource, name]);
        for operation in operations {
            tool.args(["--operation", operation]);
        }
        tokio::task::spawn_blocking(move || command::run(tool)).await?
    }

    /// Address for `bootstrap.servers`. It stays the same over restarts.
    pub fn brokers(&self) -> String {
        format!("127.0.0.1:{}", self.port())
    }

    /// Address of the listener with TLS where everybody is let in; it listens with [`KafkaOptions::security`].
    pub fn tls_brokers(&self) -> String {
        format!("127.0.0.1:{}", self.ports.tls.number())
    }

    /// Address of the listener with TLS and SASL; it listens with [`KafkaOptions::security`].
    pub fn sasl_brokers(&self) -> String {
        format!("127.0.0.1:{}", self.ports.sasl.number())
    }

    /// The authority that made the broker's certificate, with [`KafkaOptions::security`].
    pub fn tls(&self) -> Option<&Tls> {
        self.tls.as_ref()
    }

    /// The open client port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.ports.open.number()
    }

    /// All that the broker has logged so far (warnings and errors).
    pub fn log(&self) -> String {
        self.server.log()
    }

    /// Process id of the broker, if it runs.
    pub fn process_id(&self) -> Option<u32> {
        self.server.process_id()
    }
}

/// Whether a client gets the metadata of a broker. A TCP connection first, since the client library logs each refused connection.
async fn answers(port: u16) -> Result<bool> {
    if tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
        return Ok(false);
    }
    let answered = tokio::task::spawn_blocking(move || {
        let consumer: std::result::Result<BaseConsumer, _> = ClientConfig::new()
            .set("bootstrap.servers", format!("127.0.0.1:{port}"))
            .create();
        let metadata = consumer.and_then(|consumer| consumer.fetch_metadata(None, QUESTION_LIMIT));
        metadata.is_ok_and(|metadata| !metadata.brokers().is_empty())
    });
    Ok(answered.await?)
}
