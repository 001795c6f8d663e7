//! What the broker and the registry have in common: a process with a log that is started, stopped, killed and paused.

use std::path::PathBuf;
use std::process::Command;

use rustix::process::Signal;

use crate::error::{Error, Result};
use crate::process::Process;
use crate::wait::{Deadline, POLL, SERVER_LIMIT};

/// A server that may be running. Dropping it ends the process.
#[derive(Debug)]
pub(crate) struct Server {
    name: &'static str,
    log: PathBuf,
    process: Option<Process>,
}

impl Server {
    /// A server that is not started yet, and the file to which it will log.
    pub(crate) fn new(name: &'static str, log: PathBuf) -> Server {
        Server {
            name,
            log,
            process: None,
        }
    }

    /// Whether the process runs; one that ended by itself does not.
    pub(crate) fn is_running(&mut self) -> Result<bool> {
        if let Some(process) = &mut self.process
            && process.ended()?.is_some()
        {
            self.process = None;
        }
        Ok(self.process.is_some())
    }

    /// Starts the process; it answers when this returns.
    pub(crate) async fn start(
        &mut self,
        command: Command,
        answers: impl AsyncFn() -> Result<bool>,
    ) -> Result<()> {
        let mut process = Process::start(self.name, command, &self.log)?;
        let deadline = Deadline::after(SERVER_LIMIT);
        while !answers().await? {
            process.check_alive()?;
            deadline.check(|| format!("start of {}", self.name), &self.log)?;
            tokio::time::sleep(POLL).await;
        }
        self.process = Some(process);
        Ok(())
    }

    /// Stops the process in order. Stopping a stopped one does nothing.
    pub(crate) async fn stop(&mut self) -> Result<()> {
        let Some(mut process) = self.process.take() else {
            return Ok(());
        };
        process.signal(Signal::TERM)?;
        process.wait(SERVER_LIMIT).await.map(drop)
    }

    /// Kills the process with SIGKILL.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.process
            .take()
            .map_or(Ok(()), |mut process| process.kill_all())
    }

    /// Stops the process's clock until [`resume`](Server::resume).
    pub(crate) fn pause(&mut self) -> Result<()> {
        self.running()?.pause()
    }

    /// Resumes a paused process.
    pub(crate) fn resume(&mut self) -> Result<()> {
        self.running()?.signal(Signal::CONT)
    }

    /// No file that the process writes grows beyond this.
    pub(crate) fn limit_files(&mut self, bytes: u64) -> Result<()> {
        self.running()?.limit_files(bytes)
    }

    fn running(&mut self) -> Result<&mut Process> {
        self.process.as_mut().ok_or_else(|| Error::NotRunning {
            server: self.name.to_owned(),
        })
    }

    /// All that was logged so far.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Process id, if it runs.
    pub(crate) fn process_id(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }
}
