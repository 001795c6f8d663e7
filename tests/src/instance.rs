//! The connector as a supervisor runs it: started, killed, started again, its log kept.

use std::process::ExitStatus;
use std::time::Instant;

use serde_json::Value;
use walcast_testbed::{ConnectorConfig, Error, ProcessUsage, Walcast, wait_until};

use crate::LIMIT;

/// How much of the process log a failure shows, in characters.
const LOG_SHOWN: usize = 6000;

/// One connector process after another, all from one configuration.
#[derive(Debug)]
pub struct Instance {
    config: ConnectorConfig,
    walcast: Option<Walcast>,
    earlier_log: String,
}

impl Instance {
    /// Starts `walcast run`; does not wait.
    pub fn spawn(config: &ConnectorConfig) -> Instance {
        let mut instance = Instance {
            config: config.clone(),
            walcast: None,
            earlier_log: String::new(),
        };
        instance.start_again();
        instance
    }

    /// Starts `walcast run` and waits until it streams.
    pub async fn start(config: &ConnectorConfig) -> Instance {
        let mut instance = Instance::spawn(config);
        instance.ready().await;
        instance
    }

    /// Starts the process again after its end; does not wait.
    pub fn start_again(&mut self) {
        self.keep_log();
        let walcast = Walcast::spawn(&self.config, &[]).unwrap_or_else(|error| panic!("{error}"));
        self.walcast = Some(walcast);
    }

    /// Waits until it streams.
    pub async fn ready(&mut self) {
        if let Err(error) = self.process().wait_ready(LIMIT).await {
            panic!("{error}\n{}", self.log_end());
        }
    }

    /// Waits until `/status` reports this state (`streaming`, `standby`, `retrying`); panics when the process ends first.
    pub async fn await_state(&mut self, state: &str) {
        let what = format!("state {state} of walcast");
        let reached = wait_until(&what, LIMIT, async || {
            let status = self.try_status().await;
            self.assert_running();
            Ok(status.is_some_and(|status| status["state"] == state))
        });
        if let Err(error) = reached.await {
            panic!("{error}\n{}", self.log_end());
        }
    }

    /// The page `/status`; panics when it does not answer.
    pub async fn status(&self) -> Value {
        let body = self.page("status").await;
        serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}"))
    }

    /// The page `/status`, or `None` when it does not answer (yet, or any more).
    pub async fn try_status(&self) -> Option<Value> {
        let body = self.walcast.as_ref()?.ask("status").await.ok()?;
        serde_json::from_str(&body).ok()
    }

    /// A position of `/status` (`received`, `produced`, `checkpointed`, `confirmed`, `server`); 0 before there is one.
    pub async fn position(&self, name: &str) -> u64 {
        self.status().await["lsn"][name].as_str().map_or(0, crate::lsn)
    }

    /// A page of the admin interface, which must answer with success; asked again when no answer comes in time.
    pub async fn page(&self, page: &str) -> String {
        let walcast = self.walcast.as_ref().expect("a process runs");
        let begun = Instant::now();
        loop {
            match walcast.ask(page).await {
                Ok(body) => return body,
                Err(error) if is_late(&error) && begun.elapsed() < LIMIT => {}
                Err(error) => panic!("{error}\n{}", self.log_end()),
            }
        }
    }

    /// Kills the process with SIGKILL. It must be running: a process that ended by itself is a fault of its own.
    pub fn kill9(&mut self) {
        self.assert_running();
        self.keep_log();
        if let Some(walcast) = self.walcast.take() {
            walcast.kill9().unwrap();
        }
    }

    /// Panics when the process has ended.
    pub fn assert_running(&mut self) {
        if let Some(status) = self.process().ended().unwrap() {
            panic!("walcast ended by itself ({status})\n{}", self.log_end());
        }
    }

    /// Asks it to stop (SIGTERM); it must end with success.
    pub async fn stop(&mut self) {
        match self.process().sigterm(LIMIT).await {
            Ok(status) if status.success() => {}
            ended => panic!("after SIGTERM: {ended:?}\n{}", self.log_end()),
        }
    }

    /// Waits for the process to end by itself.
    pub async fn exit_status(&mut self) -> ExitStatus {
        match self.process().wait_exit(LIMIT).await {
            Ok(status) => status,
            Err(error) => panic!("{error}\n{}", self.log_end()),
        }
    }

    /// Waits for the process to end by itself; its exit code.
    pub async fn exit_code(&mut self) -> i32 {
        self.exit_status()
            .await
            .code()
            .expect("it ended by itself, not by a signal")
    }

    /// Stops the process's clock until [`resume`](Instance::resume).
    pub fn pause(&mut self) {
        self.process().pause().unwrap();
    }

    /// Resumes a paused process.
    pub fn resume(&mut self) {
        self.process().resume().unwrap();
    }

    /// Memory and processor time of the running process.
    pub fn usage(&self) -> ProcessUsage {
        self.walcast.as_ref().expect("a process runs").usage().unwrap()
    }

    /// How many files and sockets the running process has open.
    pub fn descriptors(&self) -> usize {
        let process = self.walcast.as_ref().expect("a process runs");
        process.descriptors().unwrap()
    }

    /// The process, for what is not offered here.
    pub fn process(&mut self) -> &mut Walcast {
        self.walcast
            .as_mut()
            .expect("a process was started and not killed")
    }

    /// All that was printed, by earlier processes too.
    pub fn log(&self) -> String {
        let now = self.walcast.as_ref().map(Walcast::log).unwrap_or_default();
        format!("{}{now}", self.earlier_log)
    }

    /// The end of the process log, to show to a person.
    pub fn log_end(&self) -> String {
        let log = self.log();
        let skipped = log.chars().count().saturating_sub(LOG_SHOWN);
        let end: String = log.chars().skip(skipped).collect();
        format!("log of walcast ends with:\n{end}")
    }

    fn keep_log(&mut self) {
        if let Some(walcast) = &self.walcast {
            self.earlier_log.push_str(&walcast.log());
            self.earlier_log.push_str("---- next process ----\n");
        }
    }
}

/// Whether an answer did not come in time, as on a machine that is busy with other things.
fn is_late(error: &Error) -> bool {
    matches!(error, Error::Http { source, .. } if source.is_timeout())
}
