//! The connector of a sequence: one process after another, each of which may end by itself with a halt.

use std::os::unix::process::ExitStatusExt as _;

use serde_json::Value;
use walcast_testbed::{ConnectorConfig, Walcast, wait_until};

use crate::LIMIT;

/// Exit code of a halt.
pub(super) const HALTED: i32 = 3;

/// Exit code of a start that the server rejects.
pub(super) const REJECTED: i32 = 7;

/// Number of the signal that stops a process, which ends it at once before its handler is set.
const SIGTERM: i32 = 15;

/// The connector.
pub(super) struct Connector {
    config: ConnectorConfig,
    process: Option<Walcast>,
    is_frozen: bool,
    earlier_log: String,
    /// Exit code of a process that ended by itself.
    pub(super) ended: Option<i32>,
}

impl Connector {
    pub(super) fn new(config: ConnectorConfig) -> Connector {
        Connector {
            config,
            process: None,
            is_frozen: false,
            earlier_log: String::new(),
            ended: None,
        }
    }

    pub(super) fn config(&self) -> &ConnectorConfig {
        &self.config
    }

    /// Whether a process runs that executes anything.
    pub(super) fn is_running(&mut self) -> bool {
        self.notice_end();
        self.process.is_some() && !self.is_frozen
    }

    /// Starts a process, if none runs.
    pub(super) fn launch(&mut self) {
        if self.process.is_none() && self.ended.is_none() {
            self.process = Some(Walcast::spawn(&self.config, &[]).unwrap());
        }
    }

    /// Waits for a condition while the process runs; whether it was fulfilled before the process ended. Panics at the time limit.
    pub(super) async fn await_that(
        &mut self,
        what: &str,
        mut condition: impl AsyncFnMut(&mut Connector) -> bool,
    ) -> bool {
        let mut is_fulfilled = false;
        let waited = wait_until(what, LIMIT, async || {
            is_fulfilled = self.is_running() && condition(self).await;
            Ok(is_fulfilled || !self.is_running())
        })
        .await;
        if let Err(error) = waited {
            panic!("{error}\n{}", self.log_end());
        }
        is_fulfilled
    }

    /// Waits until changes are streamed.
    pub(super) async fn ready(&mut self) -> bool {
        self.await_that("readiness of walcast", async |connector| {
            match &connector.process {
                Some(process) => process.ask("readyz").await.is_ok(),
                None => false,
            }
        })
        .await
    }

    /// Waits until everything up to a position is in Kafka.
    pub(super) async fn delivered(&mut self, position: u64) -> bool {
        self.await_that("delivery", async |connector| {
            let status = connector.status().await.unwrap_or_default();
            let checkpointed = status["lsn"]["checkpointed"].as_str();
            checkpointed.is_some_and(|checkpointed| crate::lsn(checkpointed) >= position)
        })
        .await
    }

    /// The page `/status`, if it answers.
    pub(super) async fn status(&self) -> Option<Value> {
        let page = self.process.as_ref()?.ask("status").await.ok()?;
        serde_json::from_str(&page).ok()
    }

    /// Waits until the publication was inspected at a position or later.
    pub(super) async fn inspected(&mut self, position: u64) -> bool {
        self.await_that("an inspection", async |connector| {
            let status = connector.status().await.unwrap_or_default();
            let inspected = status["publication_inspected"].as_str();
            inspected.is_some_and(|inspected| crate::lsn(inspected) >= position)
        })
        .await
    }

    /// Texts of the findings in `/status`.
    pub(super) async fn findings(&self) -> Vec<String> {
        let status = self.status().await.unwrap_or_default();
        let findings = status["publication_drift"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        findings
            .iter()
            .filter_map(|finding| finding["finding"].as_str().map(str::to_owned))
            .collect()
    }

    /// Stops the process cleanly.
    pub(super) async fn stop(&mut self) {
        self.thaw();
        if self.is_running()
            && let Some(process) = &mut self.process
        {
            let status = process.sigterm(LIMIT).await.unwrap();
            if !status.success() && status.signal() != Some(SIGTERM) {
                self.ended = Some(status.code().unwrap_or(-1));
            }
            self.keep_log();
        }
    }

    /// Kills the process.
    pub(super) fn kill(&mut self) {
        self.is_frozen = false;
        if self.is_running() {
            self.keep_log_of_killed();
        }
    }

    pub(super) fn is_frozen(&self) -> bool {
        self.is_frozen
    }

    pub(super) fn freeze(&mut self) {
        if self.is_running()
            && let Some(process) = &mut self.process
        {
            process.pause().unwrap();
            self.is_frozen = true;
        }
    }

    pub(super) fn thaw(&mut self) {
        if std::mem::take(&mut self.is_frozen)
            && let Some(process) = &mut self.process
        {
            process.resume().unwrap();
        }
    }

    /// All that was printed, by earlier processes too.
    pub(super) fn log(&self) -> String {
        let now = self.process.as_ref().map(Walcast::log).unwrap_or_default();
        format!("{}{now}", self.earlier_log)
    }

    /// The last lines of the process log.
    pub(super) fn log_end(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        let shown = lines.len().saturating_sub(60);
        lines[shown..].join("\n")
    }

    fn notice_end(&mut self) {
        let ended = self.process.as_mut().and_then(|process| process.ended().unwrap());
        if let Some(status) = ended {
            self.ended = Some(status.code().unwrap_or(-1));
            self.keep_log();
        }
    }

    fn keep_log(&mut self) {
        self.earlier_log = self.log();
        self.process = None;
    }

    fn keep_log_of_killed(&mut self) {
        self.earlier_log = self.log();
        if let Some(process) = self.process.take() {
            process.kill9().unwrap();
        }
    }
}
