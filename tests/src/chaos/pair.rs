//! Two connectors of one name under a supervisor: what ends by itself is started again, unless it must not have ended.

use std::process::ExitStatus;

use walcast_testbed::ConnectorConfig;

use super::report::Report;
use crate::{Instance, LIMIT};

/// Exit codes after which a supervisor starts a connector again: replaced by another, and a server out of reach.
const PASSING: [i32; 2] = [4, 5];

pub(super) struct Pair {
    instances: [Instance; 2],
    /// Whether each has its clock stopped.
    frozen: [bool; 2],
}

impl Pair {
    /// Starts both; one streams when this returns.
    pub(super) async fn start(config: &ConnectorConfig) -> Pair {
        let first = Instance::start(config).await;
        let second = Instance::spawn(&config.second_instance().unwrap());
        Pair {
            instances: [first, second],
            frozen: [false; 2],
        }
    }

    /// Starts again what has ended. Panics when one ended as none may here.
    pub(super) fn mind(&mut self, report: &mut Report) {
        for instance in &mut self.instances {
            let Some(status) = instance.process().ended().unwrap() else {
                continue;
            };
            let code = status.code().unwrap_or(-1);
            assert!(
                PASSING.contains(&code),
                "a connector ended ({status})\n{}",
                instance.log_end()
            );
            *report.exits.entry(code).or_default() += 1;
            let log = instance.log();
            let last = log.lines().last().unwrap_or_default();
            report
                .news
                .push(format!("a connector ended with code {code}: {last}"));
            instance.start_again();
        }
    }

    /// The furthest checkpoint that one of the two reports.
    pub(super) async fn checkpointed(&self) -> u64 {
        let mut furthest = 0;
        for (instance, frozen) in self.instances.iter().zip(self.frozen) {
            if !frozen
                && let Some(status) = instance.try_status().await
                && status["state"] == "streaming"
                && let Some(lsn) = status["lsn"]["checkpointed"].as_str()
            {
                furthest = furthest.max(crate::lsn(lsn));
            }
        }
        furthest
    }

    async fn leader(&self) -> usize {
        let status = self.instances[1].try_status().await;
        let second_leads = status.is_some_and(|status| status["state"] == "streaming");
        usize::from(second_leads)
    }

    pub(super) async fn kill_leader(&mut self, report: &mut Report) {
        let leader = self.leader().await;
        self.kill(leader, report);
    }

    pub(super) async fn kill_standby(&mut self, report: &mut Report) {
        let standby = 1 - self.leader().await;
        self.kill(standby, report);
    }

    fn kill(&mut self, which: usize, report: &mut Report) {
        self.mind(report);
        self.instances[which].kill9();
        self.instances[which].start_again();
    }

    pub(super) async fn freeze_leader(&mut self, report: &mut Report) {
        let leader = self.leader().await;
        self.mind(report);
        self.instances[leader].pause();
        self.frozen[leader] = true;
    }

    /// Resumes the frozen process.
    pub(super) fn thaw(&mut self) {
        for (instance, frozen) in self.instances.iter_mut().zip(&mut self.frozen) {
            if std::mem::take(frozen) {
                instance.resume();
            }
        }
    }

    /// Asks both to stop. One that was frozen may find only now that the other one has taken its place.
    pub(super) async fn stop(&mut self) {
        for instance in &mut self.instances {
            let ended = instance.process().sigterm(LIMIT).await;
            let code = ended.as_ref().ok().and_then(ExitStatus::code);
            let is_passing = code.is_some_and(|code| code == 0 || PASSING.contains(&code));
            assert!(is_passing, "after SIGTERM: {ended:?}\n{}", instance.log_end());
        }
    }

    pub(super) fn logs(&self) -> String {
        let [first, second] = &self.instances;
        format!("first: {}\nsecond: {}", first.log_end(), second.log_end())
    }
}
