//! Runs the connector as users do: as a process, from a configuration file.

use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::Signal;

use crate::connector_config::ConnectorConfig;
use crate::error::{Error, Result, file_error};
use crate::process::Process;
use crate::spawn::bound_to_us;
use crate::state::StateFolder;
use crate::usage::ProcessUsage;
use crate::wait::{Deadline, POLL};

/// How long one question to the admin interface may take. Generous: on a loaded machine a process can stand still for seconds.
const QUESTION_LIMIT: Duration = Duration::from_secs(30);

/// A running `walcast run`. Dropping it kills the process.
#[derive(Debug)]
pub struct Walcast {
    process: Process,
    admin_address: String,
    log: PathBuf,
    _state: StateFolder,
}

impl Walcast {
    /// The binary under test: `$WALCAST_BIN`, or `walcast` in the folder of this program (or above, for a test's `deps`).
    ///
    /// # Errors
    /// When there is none; the error says how to build it.
    pub fn binary() -> Result<PathBuf> {
        if let Some(path) = std::env::var_os("WALCAST_BIN") {
            return Ok(PathBuf::from(path));
        }
        let own = std::env::current_exe().unwrap_or_default();
        let beside = own
            .ancestors()
            .skip(1)
            .take(2)
            .map(|folder| folder.join("walcast"));
        beside
            .into_iter()
            .find(|path| path.is_file())
            .ok_or(Error::MissingTool {
                tool: "walcast",
                install: "run cargo build -p walcast, or set WALCAST_BIN to a binary",
            })
    }

    /// Starts `walcast run` with this configuration and more environment; does not wait for it to be ready.
    ///
    /// # Errors
    /// When there is no binary or it cannot be started.
    pub fn spawn(config: &ConnectorConfig, environment: &[(&str, &str)]) -> Result<Walcast> {
        Walcast::spawn_binary(&Walcast::binary()?, config, environment)
    }

    /// Like [`spawn`](Walcast::spawn) with a binary of the caller's choice.
    ///
    /// # Errors
    /// When the binary cannot be started.
    pub fn spawn_binary(
        binary: &Path,
        config: &ConnectorConfig,
        environment: &[(&str, &str)],
    ) -> Result<Walcast> {
        let state = StateFolder::create("walcast")?;
        let config_path = config.write_to(state.path())?;
        let mut command = bound_to_us(binary, None);
        command
            .args(["run", "--config"])
            .arg(config_path)
            .env_remove("RUNTIME_DIRECTORY")
            .env_remove("STATE_DIRECTORY")
            .env_remove("XDG_STATE_HOME")
            .env("XDG_RUNTIME_DIR", config.runtime_directory())
            .envs(environment.iter().copied());
        let log = state.join("log");
        let process = Process::start("walcast", command, &log)?;
        Ok(Walcast {
            process,
            admin_address: config.admin_address(),
            log,
            _state: state,
        })
    }

    /// Waits until `/readyz` says that changes are being streamed.
    ///
    /// # Errors
    /// When the process ends (with the end of its log) or the limit passes.
    pub async fn wait_ready(&mut self, limit: Duration) -> Result<()> {
        let deadline = Deadline::after(limit);
        while self.ask("readyz").await.is_err() {
            self.process.check_alive()?;
            deadline.check(|| "readiness of walcast".to_owned(), &self.log)?;
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    /// Body of a page of the admin interface (`metrics`, `healthz`, `readyz`, `status`), if it answers with success.
    ///
    /// # Errors
    /// When it does not answer, or not with success.
    pub async fn ask(&self, page: &str) -> Result<String> {
        let url = format!("http://{}/{page}", self.admin_address);
        let failed = |source| Error::Http {
            url: url.clone(),
            source,
        };
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(QUESTION_LIMIT)
            .build()
            .map_err(failed)?;
        let response = client
            .get(&url)
            .send()
            .await
            .and_then(reqwest::Response::error_for_status)
            .map_err(failed)?;
        response.text().await.map_err(failed)
    }

    /// Kills the process with SIGKILL; it has no chance to tidy up.
    ///
    /// # Errors
    /// When the system refuses to signal or wait.
    pub fn kill9(mut self) -> Result<()> {
        self.process.kill_all()
    }

    /// Asks the process to stop (SIGTERM) and waits for its end.
    ///
    /// # Errors
    /// When it does not end within the limit.
    pub async fn sigterm(&mut self, limit: Duration) -> Result<ExitStatus> {
        self.process.signal(Signal::TERM)?;
        self.process.wait(limit).await
    }

    /// Waits for the process to end by itself.
    ///
    /// # Errors
    /// When it does not end within the limit.
    pub async fn wait_exit(&mut self, limit: Duration) -> Result<ExitStatus> {
        self.process.wait(limit).await
    }

    /// Stops the process's clock until [`resume`](Walcast::resume): a zombie that wakes up later.
    ///
    /// # Errors
    /// When the system refuses to signal.
    pub fn pause(&mut self) -> Result<()> {
        self.process.pause()
    }

    /// Resumes a paused process.
    ///
    /// # Errors
    /// When the system refuses to signal.
    pub fn resume(&mut self) -> Result<()> {
        self.process.signal(Signal::CONT)
    }

    /// How the process ended, or `None` while it runs.
    ///
    /// # Errors
    /// When the system call fails.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.process.ended()
    }

    /// Memory and processor time, from `/proc`.
    ///
    /// # Errors
    /// When the process has ended.
    pub fn usage(&self) -> Result<ProcessUsage> {
        ProcessUsage::of(self.process.id())
    }

    /// How many files and sockets the process has open.
    ///
    /// # Errors
    /// When the process has ended.
    pub fn descriptors(&self) -> Result<usize> {
        let folder = PathBuf::from(format!("/proc/{}/fd", self.process.id()));
        let open = std::fs::read_dir(&folder).map_err(file_error("read", &folder))?;
        Ok(open.count())
    }

    /// All that the process has printed so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// `host:port` of the admin interface.
    pub fn admin_address(&self) -> &str {
        &self.admin_address
    }
}
