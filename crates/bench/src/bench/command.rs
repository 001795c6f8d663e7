//! Other commands of walcast than `run`, beside a running connector.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Process, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use walcast_testbed::{ConnectorConfig, ProcessUsage};

/// How often memory is looked at; the peak is kept by the system.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// No command takes longer, whatever the machine.
const LIMIT: Duration = Duration::from_secs(900);

/// What a command took.
#[derive(Clone, Copy)]
pub(super) struct Took {
    pub(super) elapsed: Duration,
    /// As of the last look before its end.
    pub(super) usage: ProcessUsage,
}

/// A running command. Dropping it kills the process.
struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    fn start(binary: &Path, config: &ConnectorConfig, arguments: &[&str]) -> Result<Running> {
        let folder = config.runtime_directory();
        let path = config.write_to(folder)?;
        let log = folder.join("command.log");
        let child = Process::new(binary)
            .args(arguments)
            .env("WALCAST_CONFIG", path)
            .env("XDG_RUNTIME_DIR", folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).context("the logs of a command")?)
            .spawn()
            .context("walcast cannot be started")?;
        Ok(Running { child, log })
    }

    fn check(&self, status: ExitStatus, arguments: &[&str]) -> Result<()> {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        ensure!(
            status.success(),
            "walcast {} ended with {status}:\n{log}",
            arguments.join(" ")
        );
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended, or is no longer waited for.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Runs a command to its end, which must be a success.
pub(super) async fn run(binary: &Path, config: &ConnectorConfig, arguments: &[&str]) -> Result<Took> {
    let begun = Instant::now();
    let mut running = Running::start(binary, config, arguments)?;
    let mut usage = ProcessUsage::of(running.child.id())?;
    loop {
        if let Some(status) = running.child.try_wait()? {
            running.check(status, arguments)?;
            return Ok(Took {
                elapsed: begun.elapsed(),
                usage,
            });
        }
        if let Ok(now) = ProcessUsage::of(running.child.id()) {
            usage = now;
        }
        ensure!(
            begun.elapsed() < LIMIT,
            "walcast {} does not end",
            arguments.join(" ")
        );
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
