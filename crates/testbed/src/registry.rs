//! A real schema registry (Apicurio) that speaks Confluent's REST API, on a loopback port.

use std::path::PathBuf;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::java::{Startup, from_archive, java};
use crate::packages;
use crate::ports::Port;
use crate::server::Server;
use crate::spawn::bound_to_us;
use crate::state::StateFolder;
use crate::tls_front::TlsFront;

/// How many fresh ports are tried when another process takes the chosen one before the registry does.
const PORT_ATTEMPTS: usize = 3;

/// Limit of the Java heap, in MB.
const HEAP_MB: u32 = 256;

/// How long one question to a starting registry may take.
const QUESTION_LIMIT: Duration = Duration::from_secs(5);

/// Path of the Confluent API.
const CONFLUENT_API: &str = "/apis/ccompat/v7";

/// A schema registry. Dropping it ends the registry and removes its data.
///
/// Schemas are kept in a file: they outlive a stop, a kill and a restart, as those of a production registry do.
#[derive(Debug)]
pub struct Registry {
    server: Server,
    startup: Startup,
    jar: PathBuf,
    port: Port,
    state: StateFolder,
}

impl Registry {
    /// Starts an empty registry; it answers when this returns.
    ///
    /// # Errors
    /// A missing program, a failed download, or a registry that ends while starting (with the end of its log).
    pub async fn start() -> Result<Registry> {
        let prepared = || Registry::prepare(Registry::startup()?);
        let mut registry = tokio::task::spawn_blocking(prepared).await??;
        registry.start_on_free_port().await?;
        Ok(registry)
    }

    /// How the registry's Java is started: from the class archive, which the first registry of all writes. Blocks, within a runtime.
    fn startup() -> Result<Startup> {
        from_archive(&packages::registry_package(), |startup| {
            let mut registry = Registry::prepare(startup)?;
            tokio::runtime::Handle::current().block_on(async {
                registry.start_on_free_port().await?;
                registry.stop().await
            })
        })
    }

    fn prepare(startup: Startup) -> Result<Registry> {
        let jar = packages::registry()?;
        let state = StateFolder::create("registry")?;
        Ok(Registry {
            server: Server::new("the registry", state.join("log")),
            startup,
            jar,
            port: Port::reserve()?,
            state,
        })
    }

    async fn start_on_free_port(&mut self) -> Result<()> {
        for attempt in 1.. {
            match self.start_again().await {
                Err(Error::ServerEnded { log, .. })
                    if attempt < PORT_ATTEMPTS && log.contains("already bound") =>
                {
                    self.port = Port::reserve()?;
                }
                other => {
                    other?;
                    break;
                }
            }
        }
        Ok(())
    }

    /// Starts a stopped registry again on the same port, with the schemas it had. Starting a running one does nothing.
    ///
    /// # Errors
    /// A registry that ends while starting, with the end of its log.
    pub async fn start_again(&mut self) -> Result<()> {
        if self.server.is_running()? {
            return Ok(());
        }
        let mut command = java(
            bound_to_us("java", None),
            &self.startup,
            HEAP_MB,
            self.state.path(),
        );
        command
            .arg(format!("-Dquarkus.http.port={}", self.port.number()))
            .args([
                "-Dquarkus.http.host=127.0.0.1",
                "-Dquarkus.http.access-log.enabled=false",
            ])
            // Twenty connections by default, for one user.
            .args([
                "-Dapicurio.datasource.jdbc.initial-size=2",
                "-Dapicurio.datasource.jdbc.min-size=2",
            ])
            // Opening the file takes longer than the 5 s allowed by default when the machine is loaded.
            .arg("-Dquarkus.datasource.h2.jdbc.acquisition-timeout=100S")
            // Written at each commit, closed only when the process ends.
            .arg(format!(
                "-Dapicurio.datasource.url=jdbc:h2:file:{};DB_CLOSE_ON_EXIT=FALSE;WRITE_DELAY=0",
                self.state.join("schemas").display()
            ))
            .arg("-jar")
            .arg(&self.jar);
        let url = self.url();
        self.server.start(command, async || answers(&url).await).await
    }

    /// Stops the registry in order. Stopping a stopped one does nothing.
    ///
    /// # Errors
    /// When it does not end within two minutes.
    pub async fn stop(&mut self) -> Result<()> {
        self.server.stop().await
    }

    /// Stops and starts: same port, same schemas.
    ///
    /// # Errors
    /// Those of [`stop`](Registry::stop) and [`start_again`](Registry::start_again).
    pub async fn restart(&mut self) -> Result<()> {
        self.stop().await?;
        self.start_again().await
    }

    /// Kills the registry with SIGKILL.
    ///
    /// # Errors
    /// When the system refuses to signal or wait.
    pub fn kill(&mut self) -> Result<()> {
        self.server.kill()
    }

    /// Stops the registry's clock: connections are accepted and never answered, until [`resume`](Registry::resume).
    ///
    /// # Errors
    /// When the registry does not run or the system refuses to signal.
    pub fn pause(&mut self) -> Result<()> {
        self.server.pause()
    }

    /// Resumes a paused registry.
    ///
    /// # Errors
    /// When the registry does not run or the system refuses to signal.
    pub fn resume(&mut self) -> Result<()> {
        self.server.resume()
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// Base URL of the Confluent API. It stays the same over restarts.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}{CONFLUENT_API}", self.port.number())
    }

    /// The same over TLS, by way of what stands in front of the registry.
    pub fn url_through(&self, front: &TlsFront, host: &str) -> String {
        format!("https://{host}:{}{CONFLUENT_API}", front.port())
    }

    /// Base URL of the registry's own API in the version that the Avro converter of Kafka Connect speaks.
    pub(crate) fn second_api_url(&self) -> String {
        format!("http://127.0.0.1:{}/apis/registry/v2", self.port.number())
    }

    /// All that the registry has logged so far.
    pub fn log(&self) -> String {
        self.server.log()
    }

    /// Process id of the registry, if it runs.
    pub fn process_id(&self) -> Option<u32> {
        self.server.process_id()
    }
}

async fn answers(url: &str) -> Result<bool> {
    let url = format!("{url}/subjects");
    let failed = |source| Error::Http {
        url: url.clone(),
        source,
    };
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(QUESTION_LIMIT)
        .build()
        .map_err(failed)?;
    Ok(client
        .get(&url)
        .send()
        .await
        .is_ok_and(|response| response.status().is_success()))
}
