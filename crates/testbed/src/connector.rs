//! Runs the connector as users do: as a process, from a configuration file.

use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::Signal;

use crate::connector_config::ConnectorConfig;
use crate::error::{Error, Result};
use crate::process::Process;
use crate::spawn::bound_to_us;
use crate::state::StateFolder;
use crate::wait::{Deadline, POLL};

/// How long one question to the admin interface may take.
const QUESTION_LIMIT: Duration = Duration::from_secs(5);

/// A running `walcast run`. Dropping it kills the process.
#[derive(Debug)]
pub struct Walcast {
    process: Process,
    admin_address: String,
    log: PathBuf,
    _state: StateFolder,
}

/// What a process has used so far.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ProcessUsage {
    /// Memory now, in bytes.
    pub resident_bytes: u64,
    /// Most memory so far, in bytes.
    pub resident_bytes_peak: u64,
    /// Processor time so far, in seconds, user and system.
    pub cpu_seconds: f64,
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
        self.process.signal(Signal::STOP)
    }

    /// Lets a paused process go on.
    ///
    /// # Errors
    /// When the system refuses to signal.
    pub fn resume(&mut self) -> Result<()> {
        self.process.signal(Signal::CONT)
    }

    /// How the process ended, or `None` while it runs.
    ///
    /// # Errors
    /// When the system refuses to tell.
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

    /// All that the process has printed so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// `host:port` of the admin interface.
    pub fn admin_address(&self) -> &str {
        &self.admin_address
    }
}

impl ProcessUsage {
    /// What a process of this machine has used, its threads included, its children not.
    ///
    /// # Errors
    /// When there is no such process.
    pub fn of(process_id: u32) -> Result<ProcessUsage> {
        let read = |name: &str| {
            let path = PathBuf::from(format!("/proc/{process_id}/{name}"));
            std::fs::read_to_string(&path).map_err(|source| Error::File {
                action: "read",
                path,
                source,
            })
        };
        let usage = parse_usage(
            &read("status")?,
            &read("stat")?,
            rustix::param::clock_ticks_per_second(),
        );
        // A zombie has no memory lines.
        usage.ok_or_else(|| Error::NotRunning {
            server: format!("process {process_id}"),
        })
    }
}

fn parse_usage(status: &str, stat: &str, ticks_per_second: u64) -> Option<ProcessUsage> {
    let bytes = |name: &str| -> Option<u64> {
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
    };
    // Fields 14 and 15 of the file; the name in parentheses is the second.
    let mut ticks = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut next_seconds = || -> Option<f64> {
        let ticks: u32 = ticks.next()?.parse().ok()?;
        Some(f64::from(ticks) / f64::from(u32::try_from(ticks_per_second).ok()?))
    };
    Some(ProcessUsage {
        resident_bytes: bytes("VmRSS")?,
        resident_bytes_peak: bytes("VmHWM")?,
        cpu_seconds: next_seconds()? + next_seconds()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_is_read_past_a_strange_name() {
        let status = "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n";
        let stat = "7 (a) b) S 1 7 7 0 -1 4194304 100 0 0 0 150 50 0 0 20 0 1 0";
        let usage = parse_usage(status, stat, 100).unwrap();
        assert_eq!(
            usage,
            ProcessUsage {
                resident_bytes: 1 << 20,
                resident_bytes_peak: 2 << 20,
                cpu_seconds: 2.0
            }
        );
        assert_eq!(parse_usage("Name:\tzombie\n", stat, 100), None);
    }

    #[test]
    fn usage_of_this_very_process_is_plausible() {
        let usage = ProcessUsage::of(std::process::id()).unwrap();
        assert!(
            usage.resident_bytes > 0 && usage.resident_bytes_peak >= usage.resident_bytes,
            "{usage:?}"
        );
    }
}
