//! A real Kafka broker (KRaft, broker and controller in one) on loopback ports.

mod options;

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rustix::process::Signal;

pub use options::KafkaOptions;

use crate::command;
use crate::error::{Error, Result, file_error};
use crate::java::java;
use crate::packages;
use crate::ports::Port;
use crate::process::Process;
use crate::spawn::bound_to_us;
use crate::state::StateFolder;
use crate::wait::{Deadline, POLL, SERVER_LIMIT};

/// How many fresh ports are tried when somebody outside takes the chosen one before the broker does.
const PORT_ATTEMPTS: usize = 3;

/// How long one question to a starting broker may take.
const QUESTION_LIMIT: Duration = Duration::from_secs(2);

/// Logging to standard output, which is the log file.
const LOGGING: &str = "rootLogger.level = warn\n\
    rootLogger.appenderRef.out.ref = out\n\
    appender.out.type = Console\n\
    appender.out.name = out\n\
    appender.out.layout.type = PatternLayout\n\
    appender.out.layout.pattern = %d{HH:mm:ss,SSS} %p %c{1}: %m%n\n";

/// A Kafka broker. Dropping it ends the broker and removes its data.
#[derive(Debug)]
pub struct Kafka {
    process: Option<Process>,
    options: KafkaOptions,
    jars: PathBuf,
    port: Port,
    controller_port: Port,
    state: StateFolder,
}

impl Kafka {
    /// Formats storage and starts a broker; it answers clients when this returns.
    ///
    /// # Errors
    /// A missing program, a failed download, or a broker that ends while starting (with the end of its log).
    pub async fn start(options: KafkaOptions) -> Result<Kafka> {
        let mut kafka = tokio::task::spawn_blocking(move || Kafka::prepare(options)).await??;
        for attempt in 1.. {
            match kafka.start_again().await {
                Err(Error::ServerEnded { log, .. })
                    if attempt < PORT_ATTEMPTS && log.contains("Address already in use") =>
                {
                    (kafka.port, kafka.controller_port) = (Port::reserve()?, Port::reserve()?);
                    kafka.write_properties()?;
                }
                other => {
                    other?;
                    break;
                }
            }
        }
        Ok(kafka)
    }

    fn prepare(options: KafkaOptions) -> Result<Kafka> {
        let jars = packages::kafka()?;
        let state = StateFolder::create("kafka")?;
        let (port, controller_port) = (Port::reserve()?, Port::reserve()?);
        let kafka = Kafka {
            process: None,
            options,
            jars,
            port,
            controller_port,
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
        let ports = (self.port.number(), self.controller_port.number());
        let text = options::properties(&self.options, ports, &self.state.join("data"));
        std::fs::write(&path, text).map_err(file_error("write", path))
    }

    fn format_storage(&self) -> Result<()> {
        let mut tool = self.program(128);
        // One short run: the optimising compiler would cost more than it gains.
        tool.args(["-XX:TieredStopAtLevel=1", "kafka.tools.StorageTool", "format"])
            .args(["--cluster-id", "walcast-testbed-000000", "--config"])
            .arg(self.state.join("server.properties"));
        command::run(tool)
    }

    fn program(&self, heap_mb: u32) -> Command {
        let mut command = java(bound_to_us("java", None), heap_mb, self.state.path());
        command
            .arg(format!(
                "-Dlog4j2.configurationFile={}",
                self.state.join("log4j2.properties").display()
            ))
            .arg("-cp")
            .arg(self.jars.join("*"));
        command
    }

    /// Starts a stopped broker again: same port, same data. Starting a running one does nothing.
    ///
    /// # Errors
    /// A broker that ends while starting, with the end of its log.
    pub async fn start_again(&mut self) -> Result<()> {
        if self.process.is_some() {
            return Ok(());
        }
        let mut broker = self.program(self.options.heap_mb);
        broker
            .arg("kafka.Kafka")
            .arg(self.state.join("server.properties"));
        let log = self.log_path();
        let mut process = Process::start("kafka", broker, &log)?;
        let deadline = Deadline::after(SERVER_LIMIT);
        while !self.answers().await? {
            process.check_alive()?;
            deadline.check(|| "start of kafka".to_owned(), &log)?;
            tokio::time::sleep(POLL).await;
        }
        self.process = Some(process);
        Ok(())
    }

    /// Whether a client is told of a broker. The TCP look first, since the client library logs each refused connection.
    async fn answers(&self) -> Result<bool> {
        if tokio::net::TcpStream::connect(("127.0.0.1", self.port()))
            .await
            .is_err()
        {
            return Ok(false);
        }
        let brokers = self.brokers();
        let answered = tokio::task::spawn_blocking(move || {
            let consumer: std::result::Result<BaseConsumer, _> =
                ClientConfig::new().set("bootstrap.servers", &brokers).create();
            let metadata = consumer.and_then(|consumer| consumer.fetch_metadata(None, QUESTION_LIMIT));
            metadata.is_ok_and(|metadata| !metadata.brokers().is_empty())
        });
        Ok(answered.await?)
    }

    /// Stops the broker in order. Stopping a stopped one does nothing.
    ///
    /// # Errors
    /// When it does not end within two minutes.
    pub async fn stop(&mut self) -> Result<()> {
        let Some(mut process) = self.process.take() else {
            return Ok(());
        };
        process.signal(Signal::TERM)?;
        process.wait(SERVER_LIMIT).await.map(drop)
    }

    /// Stops and starts: same port, same data.
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
        self.process
            .take()
            .map_or(Ok(()), |mut process| process.kill_all())
    }

    /// Stops the broker's clock, as a network that swallows everything would, until [`resume`](Kafka::resume).
    ///
    /// # Errors
    /// When the broker does not run or the system refuses to signal.
    pub fn pause(&mut self) -> Result<()> {
        self.running()?.pause()
    }

    /// Lets a paused broker go on.
    ///
    /// # Errors
    /// When the broker does not run or the system refuses to signal.
    pub fn resume(&mut self) -> Result<()> {
        self.running()?.signal(Signal::CONT)
    }

    fn running(&mut self) -> Result<&mut Process> {
        self.process.as_mut().ok_or_else(|| Error::NotRunning {
            server: "kafka".to_owned(),
        })
    }

    /// Address for `bootstrap.servers`. It stays the same over restarts.
    pub fn brokers(&self) -> String {
        format!("127.0.0.1:{}", self.port())
    }

    /// The client port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// All that the broker has logged so far (warnings and errors).
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.log_path()).unwrap_or_default()).into_owned()
    }

    /// Process id of the broker, if it runs.
    pub fn process_id(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }

    fn log_path(&self) -> PathBuf {
        self.state.join("log")
    }
}
