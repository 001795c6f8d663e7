//! A supervised child process: its log, its signals, its end.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, kill_process_group, prlimit};

use crate::command::{end_of, missing_or_failed};
use crate::error::{Error, Result, file_error};
use crate::spawn;
use crate::wait::{Deadline, POLL, SERVER_LIMIT};

/// How much of a log an error shows, in bytes.
const LOG_SHOWN_BYTES: usize = 3000;

/// A running child in a process group of its own. Dropping it kills the group.
#[derive(Debug)]
pub(crate) struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    ended: Option<ExitStatus>,
}

impl Process {
    /// Starts a command made by [`spawn::bound_to_us`], both outputs appended to the log file.
    pub(crate) fn start(name: &str, mut command: Command, log: &Path) -> Result<Process> {
        let output = File::options()
            .create(true)
            .append(true)
            .open(log)
            .map_err(file_error("open", log))?;
        let errors = output.try_clone().map_err(file_error("open", log))?;
        command.stdin(Stdio::null()).stdout(output).stderr(errors);
        let program = command.get_program().to_string_lossy().into_owned();
        let child = spawn::spawn(command).map_err(|source| missing_or_failed(&program, source))?;
        Ok(Process {
            name: name.to_owned(),
            child,
            log: log.to_path_buf(),
            ended: None,
        })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal to the process itself; one that has ended gets none.
    pub(crate) fn signal(&mut self, signal: Signal) -> Result<()> {
        if self.ended()?.is_some() {
            return Ok(());
        }
        kill_process(self.pid(), signal).map_err(|error| self.failed("signal", error.into()))
    }

    /// Stops the process's clock; returns when every thread of it stands still.
    ///
    /// The signal alone is not enough: on a loaded machine a thread can continue for a while after it was sent.
    pub(crate) fn pause(&mut self) -> Result<()> {
        self.signal(Signal::STOP)?;
        let deadline = Deadline::after(SERVER_LIMIT);
        while self.ended()?.is_none() && !stands_still(self.id()) {
            deadline.check(|| format!("standstill of {}", self.name), &self.log)?;
            std::thread::yield_now();
        }
        Ok(())
    }

    /// Stops the clocks of the process and of all its descendants, itself first, so that it starts no more of them.
    pub(crate) fn pause_all(&mut self) -> Result<()> {
        self.pause()?;
        signal_each(&descendants_of(self.id()), Signal::STOP);
        Ok(())
    }

    /// Resumes all that [`pause_all`](Process::pause_all) stopped.
    pub(crate) fn resume_all(&mut self) -> Result<()> {
        signal_each(&descendants_of(self.id()), Signal::CONT);
        self.signal(Signal::CONT)
    }

    /// No file that the process writes grows beyond this.
    pub(crate) fn limit_files(&mut self, bytes: u64) -> Result<()> {
        let limit = Rlimit {
            current: Some(bytes),
            maximum: None,
        };
        prlimit(Some(self.pid()), Resource::Fsize, limit)
            .map(drop)
            .map_err(|error| self.failed("limit the files of", error.into()))
    }

    /// How the process ended, or `None` while it runs.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        if self.ended.is_none() {
            let polled = self.child.try_wait();
            self.ended = polled.map_err(|error| self.failed("wait for", error))?;
        }
        Ok(self.ended)
    }

    /// Waits for the end of the process.
    pub(crate) async fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        let deadline = Deadline::after(limit);
        loop {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            deadline.check(|| format!("end of {}", self.name), &self.log)?;
            tokio::time::sleep(POLL).await;
        }
    }

    /// An error if the process has ended although it should be starting.
    pub(crate) fn check_alive(&mut self) -> Result<()> {
        match self.ended()? {
            None => Ok(()),
            Some(status) => Err(Error::ServerEnded {
                server: self.name.clone(),
                status,
                log: log_end(&self.log),
            }),
        }
    }

    /// Kills the process, its group and its other descendants at once, as a power cut would.
    pub(crate) fn kill_all(&mut self) -> Result<()> {
        if self.ended()?.is_some() {
            return Ok(());
        }
        let descendants = descendants_of(self.id());
        self.kill_group();
        signal_each(&descendants, Signal::KILL);
        let waited = self.child.wait();
        self.ended = Some(waited.map_err(|error| self.failed("wait for", error))?);
        Ok(())
    }

    fn kill_group(&self) {
        if let Err(error) = kill_process_group(self.pid(), Signal::KILL) {
            tracing::trace!(%error, process = self.name, "had ended already");
        }
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    fn failed(&self, action: &'static str, source: std::io::Error) -> Error {
        Error::Process {
            action,
            program: self.name.clone(),
            source,
        }
    }
}

fn signal_each(processes: &[i32], signal: Signal) {
    for process in processes {
        if let Some(pid) = Pid::from_raw(*process)
            && let Err(error) = kill_process(pid, signal)
        {
            tracing::trace!(%error, process, "had ended already");
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Err(error) = self.kill_all() {
            tracing::warn!(%error, process = self.name, "could not be killed");
        }
    }
}

/// The end of a log file; empty if there is none.
pub(crate) fn log_end(path: &Path) -> String {
    let text = std::fs::read(path).unwrap_or_default();
    end_of(&String::from_utf8_lossy(&text), LOG_SHOWN_BYTES).to_owned()
}

/// Ids of all living descendants, found through `/proc`: Postgres's backends leave their parent's process group.
pub(crate) fn descendants_of(root: u32) -> Vec<i32> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let parents: Vec<(i32, i32)> = entries
        .flatten()
        .filter_map(|entry| parent_of(&entry.path()))
        .collect();
    let mut found: Vec<i32> = i32::try_from(root).into_iter().collect();
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        found.extend(
            parents
                .iter()
                .filter(|(_, of)| *of == parent)
                .map(|(child, _)| *child),
        );
        next += 1;
    }
    found.split_off(1.min(found.len()))
}

fn stands_still(process_id: u32) -> bool {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{process_id}/task")) else {
        return true;
    };
    threads.flatten().all(|thread| {
        let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        // A thread without a state has just ended.
        stat.rsplit_once(')')
            .is_none_or(|(_, rest)| rest.trim_start().starts_with('T'))
    })
}

fn parent_of(process: &Path) -> Option<(i32, i32)> {
    let id = process.file_name()?.to_str()?.parse().ok()?;
    let stat = std::fs::read_to_string(process.join("stat")).ok()?;
    // The name in parentheses can hold anything; the fields after it cannot hold a parenthesis.
    let after_name = stat.rsplit_once(')')?.1;
    let parent = after_name.split_whitespace().nth(1)?.parse().ok()?;
    Some((id, parent))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spawn::bound_to_us;

    fn shell(script: &str, log: &Path) -> Process {
        let mut command = bound_to_us("sh", None);
        command.args(["-c", script]);
        Process::start("shell", command, log).unwrap()
    }

    #[tokio::test]
    async fn reports_the_end_and_the_process_log() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let mut process = shell("echo said; exit 7", &log);
        let status = process.wait(Duration::from_secs(20)).await.unwrap();
        assert_eq!(status.code(), Some(7));
        assert!(process.check_alive().unwrap_err().to_string().contains("said"));
    }

    #[tokio::test]
    async fn a_paused_process_does_nothing_until_it_is_resumed() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let mut process = shell("while :; do echo on; done", &log);
        process.pause().unwrap();
        let written = std::fs::metadata(&log).unwrap().len();
        assert!(stands_still(process.id()));
        assert_eq!(std::fs::metadata(&log).unwrap().len(), written);
        process.signal(Signal::CONT).unwrap();
        let deadline = Deadline::after(Duration::from_secs(20));
        while std::fs::metadata(&log).unwrap().len() == written {
            deadline.check(|| "more output".to_owned(), &log).unwrap();
            tokio::time::sleep(POLL).await;
        }
    }

    #[tokio::test]
    async fn dropping_kills_grandchildren_outside_the_group() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let process = shell("setsid sleep 1000 & wait", &log);
        let deadline = Deadline::after(Duration::from_secs(20));
        let children = loop {
            let children = descendants_of(process.id());
            if let [child] = children.as_slice()
                && std::fs::read_to_string(format!("/proc/{child}/comm")).is_ok_and(|name| name == "sleep\n")
            {
                break children;
            }
            deadline
                .check(|| "start of the grandchild".to_owned(), &log)
                .unwrap();
            tokio::time::sleep(POLL).await;
        };
        drop(process);
        let running = |id: &i32| {
            let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
            stat.rsplit_once(')')
                .is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
        };
        while children.iter().any(running) {
            deadline
                .check(|| "end of the grandchild".to_owned(), &log)
                .unwrap();
            tokio::time::sleep(POLL).await;
        }
    }
}
