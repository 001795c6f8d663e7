//! Slot monitor: how much WAL the slot retains, how long until a limit is reached, and the retention cause.
//!
//! ```text
//! WalWatch::sample ──WalSample──▶ LimitForecasts (rates, time to each limit) ──▶ Alarm (warn once, at each halving, and clear) ──▶ process log
//!                                          └──▶ ConnectorState::wal
//! ```
//!
//! The monitor samples for as long as the connector leads, independently of its sessions: a slot can be lost while no
//! stream runs. The monitor only observes; it makes no decision and stops nothing.

pub(crate) mod alarm;
pub(crate) mod forecast;
pub(crate) mod retention_cause;
pub(crate) mod sample;
pub(crate) mod standbys;
pub(crate) mod state;
pub(crate) mod trend;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use tokio::time::Instant;
use tracing::{info, warn};

use self::alarm::{Alarm, AlarmChange};
use self::forecast::LimitForecasts;
use self::forecast::{Limit, LimitForecast};
use self::retention_cause::{Progress, RetentionCause, RetentionText};
use self::sample::{WalDirectory, WalSample};
use self::standbys::AwaitedStandbys;
use self::state::WalView;
use crate::describe::Describe;
use crate::ports::wal::WalWatch;
use crate::session::status::Status;
use crate::state::ConnectorState;

/// Time after which a sample counts as not answered by the server.
const SAMPLE_TIMEOUT: Duration = Duration::from_secs(60);

/// Settings of the slot monitor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotMonitorConfig {
    /// Name of the slot, for messages.
    pub slot: String,
    /// Interval between samples.
    pub interval: Duration,
    /// Time to a limit at which a warning is logged; zero: no warnings.
    pub warn_within: Duration,
    /// Size that `pg_wal` can reach before its disk is full; `None`: not known.
    pub wal_disk_size: Option<u64>,
}

/// Samples the slot at an interval, and logs a warning when it is at risk.
#[derive(Debug)]
pub struct SlotMonitor<W> {
    probe: W,
    config: SlotMonitorConfig,
    state: ConnectorState,
    /// Error that ended the last stream; `None` while a stream runs.
    last_error: Option<String>,
    started_at: Instant,
    outlooks: LimitForecasts,
    alarms: BTreeMap<&'static str, Alarm>,
    standbys: AwaitedStandbys,
    /// Last error of sampling that was logged, until a sample succeeds.
    reported_error: Option<String>,
    reported_not_permitted: bool,
    describe: Describe,
    retention_text: fn(&RetentionCause) -> RetentionText,
}

impl<W: WalWatch> SlotMonitor<W> {
    /// Creates a monitor of the slot that `probe` samples, for the connector with this state, whose errors and retention causes
    /// are logged as `describe` and `retention_text` describe them.
    pub fn new(
        probe: W,
        config: SlotMonitorConfig,
        state: ConnectorState,
        describe: Describe,
        retention_text: fn(&RetentionCause) -> RetentionText,
    ) -> Self {
        Self {
            probe,
            config,
            state,
            last_error: None,
            started_at: Instant::now(),
            outlooks: LimitForecasts::default(),
            alarms: BTreeMap::new(),
            standbys: AwaitedStandbys::default(),
            reported_error: None,
            reported_not_permitted: false,
            describe,
            retention_text,
        }
    }

    /// Samples until dropped.
    pub async fn run(mut self) -> Infallible {
        let mut ticks = tokio::time::interval(self.config.interval);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut status = self.state.status.subscribe();
        self.note_status(&status.borrow_and_update().clone());
        loop {
            tokio::select! {
                biased;
                // The channel is open for as long as the state lives.
                Ok(()) = status.changed() => self.note_status(&status.borrow_and_update().clone()),
                _ = ticks.tick() => self.sample().await,
            }
        }
    }

    /// Remembers the error of the last stream: the status shows an error only briefly, but it is the cause until a
    /// stream runs again.
    fn note_status(&mut self, status: &Status) {
        match status {
            Status::Retrying { error, .. } | Status::Halted { error } => {
                self.last_error = Some(error.clone())
            }
            Status::Streaming => self.last_error = None,
            Status::Connecting | Status::Standby | Status::Stopped => {}
        }
    }

    async fn sample(&mut self) {
        let sampled = tokio::time::timeout(SAMPLE_TIMEOUT, self.probe.sample()).await;
        let fault = match sampled {
            Ok(Ok(Some(look))) => {
                self.reported_error = None;
                return self.judge(look);
            }
            Ok(Ok(None)) => None,
            Ok(Err(fault)) => Some(self.describe.error(&fault)),
            Err(_) => Some("the server does not answer".to_owned()),
        };
        if let Some(error) = fault
            && self.reported_error.as_ref() != Some(&error)
        {
            warn!(slot = self.config.slot, error, "the slot cannot be sampled");
            self.reported_error = Some(error);
        }
        self.outlooks.clear();
        self.standbys.clear();
        self.state.wal.show(None);
    }

    fn judge(&mut self, look: WalSample) {
        self.state.positions.advance_server_end(look.end);
        let at = self.started_at.elapsed();
        let outlooks = self.outlooks.after(at, &look, self.config.wal_disk_size);
        let progress = self.progress();
        for outlook in &outlooks {
            let alarm = self.alarms.entry(outlook.limit.setting()).or_default();
            match alarm.judge(outlook, self.config.warn_within) {
                Some(AlarmChange::Near) => self.warn(&look, outlook, &progress),
                Some(AlarmChange::Cleared) => info!(
                    slot = self.config.slot,
                    limit = outlook.limit.setting(),
                    retained_bytes = look.retained_bytes(),
                    "the slot is no longer near its limit"
                ),
                None => {}
            }
        }
        // A limit that no longer exists cannot be near.
        self.alarms
            .retain(|setting, _| outlooks.iter().any(|outlook| outlook.limit.setting() == *setting));
        self.report_missing_permission(&look);
        self.standbys
            .judge(&self.config.slot, &look.awaited_standbys, self.retention_text);
        let is_raised = |outlook: &LimitForecast| {
            let alarm = self.alarms.get(outlook.limit.setting());
            alarm.is_some_and(|alarm| alarm.is_raised())
        };
        let view = WalView {
            written_per_second: self.outlooks.written_per_second(),
            holder: RetentionCause::of_slot(&look, &progress),
            limits: outlooks
                .iter()
                .map(|outlook| (*outlook, is_raised(outlook)))
                .collect(),
            look,
        };
        self.state.wal.show(Some(view));
    }

    fn progress(&self) -> Progress {
        let is_streaming = self.state.status.is_streaming();
        let window = self.state.snapshot.read().window;
        let positions = self.state.positions.read();
        Progress {
            not_streaming: (!is_streaming).then(|| self.reason_not_streaming()),
            snapshot: window.map(|window| window.since.elapsed()),
            received: positions.received,
            checkpointed: positions.checkpointed,
        }
    }

    fn reason_not_streaming(&self) -> String {
        let fault = self.last_error.clone();
        fault.unwrap_or_else(|| format!("the connector is {}", self.state.status.read().word()))
    }

    fn warn(&self, look: &WalSample, outlook: &LimitForecast, progress: &Progress) {
        let cause =
            RetentionCause::of_limit(look, progress, outlook).map(|cause| (self.retention_text)(&cause));
        let remedy = cause.as_ref().map_or("", |text| text.remedy);
        let separator = if remedy.is_empty() { "" } else { "; " };
        warn!(
            slot = self.config.slot,
            limit = outlook.limit.setting(),
            retained_bytes = look.retained_bytes(),
            headroom_bytes = outlook.extent.room(),
            time_to_limit_seconds = outlook.left.map(|left| left.as_secs()),
            outage_budget_seconds = outlook.outage.map(|outage| outage.as_secs()),
            retained_by = cause.as_ref().map(|text| text.cause.as_str()),
            remedy = format!("{remedy}{separator}{}", outlook.limit.mitigation()),
            "{}",
            outlook.limit.warning()
        );
    }

    /// Logged once: without the permission, the state of the disk is unknown, and silence would look like a healthy
    /// state.
    fn report_missing_permission(&mut self, look: &WalSample) {
        let WalDirectory::NotPermitted { role } = &look.directory else {
            self.reported_not_permitted = false;
            return;
        };
        if !self.reported_not_permitted {
            let remedy = format!("GRANT pg_monitor TO {}", crate::sql::identifier(role));
            warn!(
                slot = self.config.slot,
                remedy,
                "the role may not read the size of pg_wal, so the configured size of its disk has no effect"
            );
            self.reported_not_permitted = true;
        }
    }
}

impl Limit {
    /// Warning that is logged when the limit is near.
    fn warning(self) -> &'static str {
        match self {
            Limit::KeepSize => {
                "the slot is close to max_slot_wal_keep_size, at which the server invalidates it"
            }
            Limit::Disk => "pg_wal is close to the size of its disk, at which the server stops",
            Limit::IdleTimeout => {
                "the slot is close to idle_replication_slot_timeout, at which the server invalidates it"
            }
        }
    }

    /// Action that gains time.
    fn mitigation(self) -> &'static str {
        match self {
            Limit::KeepSize => {
                "to gain time, raise it: ALTER SYSTEM SET max_slot_wal_keep_size = '…'; SELECT pg_reload_conf()"
            }
            Limit::Disk => {
                "to gain time, enlarge the disk; max_slot_wal_keep_size makes the server invalidate the slot instead of stopping"
            }
            Limit::IdleTimeout => {
                "to gain time, raise it: ALTER SYSTEM SET idle_replication_slot_timeout = '…'; SELECT pg_reload_conf()"
            }
        }
    }
}

#[cfg(test)]
mod tests;
